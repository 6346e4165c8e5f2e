"""What users see where the reader of the output goes away, and where the program itself has a bug."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from accessing_mlflow import bundle, checks
from accessing_mlflow.checks import Check
from accessing_mlflow.checks.subject import Finding, Subject
from accessing_mlflow.environment import Environment
from tests import product
from tests.homes import URI, Home

SECRET = "s3cr\\et of mine"
INSTALL = f"skill-install claude --no-verify --tracking-uri {URI}"


def piped(line: str, reader: str, folder: Path) -> tuple[str, str, int]:
    """Run `LINE | READER`; return what the reader printed, standard error, and the exit code of the line."""
    name, _, arguments = line.partition(" ")
    code = folder / "code"
    shell = f'{{ "$0" {arguments}; echo $? > "$1"; }} | {reader}'
    done = subprocess.run(["sh", "-c", shell, product.program(name), code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr, int(code.read_text())


READERS = ["head -1", "true"]
"""`true` reads nothing: whether the first line is refused already, or only a later one, is a race."""


class TestClosedPipe:
    @pytest.fixture(autouse=True)
    def _path(self, home: Home) -> None:
        home.variable("PATH", f"{home.programs}:/usr/bin:/bin")

    @pytest.mark.parametrize("reader", READERS)
    @pytest.mark.parametrize("more", ["", " --json", " --check"])
    def test_an_installation_is_done_whole(self, home: Home, reader: str, more: str) -> None:
        _, errors, code = piped(INSTALL + more, reader, home.path.parent)
        assert (errors, code) == ("", 1 if more == " --check" else 0)
        assert (home.path / ".claude/skills/accessing-mlflow/SKILL.md").is_file() is (more != " --check")
        assert (home.path / ".claude.json").exists() is (more != " --check")

    @pytest.mark.parametrize("reader", READERS)
    def test_a_removal_is_done_whole(self, home: Home, reader: str) -> None:
        before = home.files()
        home.run(INSTALL)
        assert piped("skill-uninstall claude", reader, home.path.parent)[1:] == ("", 0)
        assert home.files() == before

    @pytest.mark.parametrize("reader", READERS)
    @pytest.mark.parametrize("more", ["", " --json"])
    def test_the_doctor_ends_with_its_own_exit_code(self, home: Home, reader: str, more: str) -> None:
        assert piped(f"skill-doctor claude --offline{more}", reader, home.path.parent)[1:] == ("", 1)
        home.run(INSTALL)
        assert piped(f"skill-doctor claude --offline{more}", reader, home.path.parent)[1:] == ("", 0)

    @pytest.mark.parametrize("reader", READERS)
    def test_what_fix_was_to_write_is_written(self, home: Home, reader: str) -> None:
        home.run(INSTALL)
        skill = home.path / ".claude/skills/accessing-mlflow/SKILL.md"
        shutil.rmtree(skill.parent)
        home.write(".claude.json", "{}")
        _, errors, code = piped("skill-doctor claude --offline --fix", reader, home.path.parent)
        assert (errors, code) == ("", 0)
        assert skill.is_file()
        assert "MLflow" in home.read(".claude.json")["mcpServers"]

    def test_an_error_that_nobody_reads(self, home: Home) -> None:
        for reader in READERS:
            assert piped("skill-install claude --demo --no-verify 2>&1", reader, home.path.parent)[1:] == ("", 2)
            assert piped("skill-install nobody 2>&1", reader, home.path.parent)[1:] == ("", 2)

    @pytest.mark.parametrize("command", product.COMMANDS)
    def test_help(self, home: Home, command: str) -> None:
        for option in ("--help", "--version"):
            assert piped(f"{command} {option}", "true", home.path.parent)[1:] == ("", 0)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line whose first word is one of the installed commands."""
    name, _, rest = line.partition(" ")
    command = ["sh", "-c", f'"$0" {rest}', product.program(name)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


class TestLostOutput:
    """On a full disk, and where the caller has closed the stream."""

    @pytest.fixture(autouse=True)
    def _path(self, home: Home) -> None:
        home.variable("PATH", f"{home.programs}:/usr/bin:/bin")

    LINES = (
        INSTALL,
        f"{INSTALL} --json",
        "skill-doctor claude --offline",
        "skill-install --help",
        "skill-doctor --version",
    )

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
    @pytest.mark.parametrize("line", LINES)
    def test_a_full_disk_is_named_and_the_work_is_done(self, home: Home, line: str) -> None:
        done = shell(f"{line} >/dev/full")
        assert (done.stderr, done.returncode) == (
            "error: cannot write to standard output: No space left on device\n",
            1,
        )
        assert (home.path / ".claude.json").exists() is line.startswith(INSTALL)

    @pytest.mark.parametrize("line", LINES)
    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_a_closed_stream_is_no_error(self, home: Home, line: str, closed: str) -> None:
        done = shell(f"{line} {closed}")
        assert (done.stderr, done.returncode) == ("", 1 if "doctor claude" in line else 0)
        assert (home.path / ".claude.json").exists() is line.startswith(INSTALL)

    def test_with_none_at_all_a_server_is_started_and_nobody_is_asked(self, home: Home) -> None:
        home.program("uvx", '#!/bin/sh\ntouch "$HOME/started"\n')
        assert shell("skill-install claude <&- >&- 2>&-").returncode == 0
        assert (home.path / "started").exists()
        assert "MLFLOW_TRACKING_URI" in str(home.read(".claude.json"))
        assert shell("skill-doctor claude <&- >&- 2>&-").returncode == 1

    def test_what_fix_was_to_write_is_written(self, home: Home) -> None:
        home.run(INSTALL)
        home.write(".claude.json", "{}")
        shell("skill-doctor claude --offline --fix >/dev/full 2>&-")
        assert "MLflow" in home.read(".claude.json")["mcpServers"]


@pytest.fixture
def bugs() -> None:
    """Here bugs are shown as users see them."""


@pytest.fixture
def broken(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home in which every command meets a fault of its own."""

    def fail(*_: object) -> NoReturn:
        raise LookupError(f"https://alice:hunter2@example.org and {SECRET!r}, long-password")

    monkeypatch.setattr(bundle, "load", fail)
    home.variable("MLFLOW_TRACKING_TOKEN", SECRET)
    home.variable("MLFLOW_TRACKING_URI", "https://alice:long-password@example.org")
    home.variable("SHORT_KEY", "1")
    return home


COMMANDS = [INSTALL, "skill-uninstall claude", "skill-doctor claude"]


@pytest.mark.kills
class TestUnexpectedException:
    @pytest.mark.parametrize("line", COMMANDS)
    def test_one_line_and_a_saved_traceback(self, broken: Home, line: str) -> None:
        result = broken.run(line, expect=1)
        start = "error: unexpected LookupError, a bug in accessing-mlflow; please report it with the traceback in "
        assert result.stderr.startswith(start)
        assert "hunter2" not in result.output
        path = Path(result.stderr.removeprefix(start).removesuffix("\n"))
        saved = path.read_text(encoding="utf-8")
        assert saved.startswith("Traceback (most recent call last):\n")
        assert "LookupError: https://***@example.org and '***', ***\n" in saved
        assert not any(part in saved for part in (SECRET, repr(SECRET)[1:-1], "hunter2", "long-password"))
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("line", COMMANDS)
    def test_as_json(self, broken: Home, line: str) -> None:
        document = broken.json(line, expect=1)
        assert document["ok"] is False
        assert "unexpected LookupError" in str(document)
        assert "accessing-mlflow-" in str(document), "the path of the traceback"

    @pytest.mark.parametrize("online", [False, True])
    def test_in_a_check_it_hides_no_other(self, home: Home, monkeypatch: pytest.MonkeyPatch, online: bool) -> None:
        def broken(_subject: Subject) -> Finding:
            raise ZeroDivisionError("by TOKEN=hunter2")

        def fine(_subject: Subject) -> Finding:
            return Finding("ok", "fine")

        table = (Check("broken", "client", broken, online=online), Check("fine", "client", fine, online=online))
        monkeypatch.setattr(checks, "CHECKS", table)
        raised, other = home.json("skill-doctor claude", expect=1)["checks"]
        assert (raised["status"], other["status"], other["detail"]) == ("error", "ok", "fine")
        start = "the check itself failed: unexpected ZeroDivisionError, a bug in accessing-mlflow; "
        assert raised["detail"].startswith(start)
        saved = Path(raised["detail"].rpartition(" the traceback in ")[2]).read_text(encoding="utf-8")
        assert "ZeroDivisionError: by TOKEN=***\n" in saved

    def test_where_it_cannot_be_saved(self, broken: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
        result = broken.run("skill-doctor", expect=1)
        assert "could not be saved: No such file or directory" in result.stderr
        assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("HOME/bin/skill-install claude", "~/bin/skill-install claude"),
        ("'HOME/a b/skill-install' claude", "~/'a b/skill-install' claude"),
        ("rm 'HOME/a b'", "rm ~/'a b'"),
        ("cd 'HOME'", "cd 'HOME'"),
        ("cd 'HOME/'", "cd 'HOME/'"),
        ("rm 'HOME/a b'/c", "rm 'HOME/a b'/c"),
        ("echo 'x HOME/a'", "echo 'x HOME/a'"),
        ("rm 'HOMER/a b'", "rm 'HOMER/a b'"),
    ],
)
def test_home_in_a_command_is_a_tilde_where_the_shell_takes_it_for_one(home: Home, command: str, shown: str) -> None:
    env = Environment.of_process()
    assert env.shown_in_command(command.replace("HOME", str(home.path))) == shown.replace("HOME", str(home.path))


def test_a_home_with_a_space_is_named_so_that_a_shell_takes_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor's fix goes to the shell as it is printed."""
    spaced = home.path.parent / "a user's home"
    (spaced / "my programs").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(spaced))
    program = spaced / "my programs/skill-install"
    program.write_text('#!/bin/sh\necho "$@" > "$HOME/called"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    fix = next(check["fix"] for check in home.json("skill-doctor claude --offline", expect=1)["checks"] if check["fix"])
    subprocess.run(["sh", "-c", fix], check=True, env={"HOME": str(spaced), "PATH": "/usr/bin:/bin"})
    assert (spaced / "called").read_text() == "claude\n"
