"""`--pin`: the entry, the files that it names, what is fetched, and the doctor's look; with fake uv programs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from accessing_mlflow import bundle
from tests.homes import URI, Home

CLAUDE = f"skill-install claude --no-verify --tracking-uri {URI}"
BOTH = f"skill-install claude cursor --no-verify --tracking-uri {URI}"
SQLITE = "sqlite:////srv/mlflow.db"
SERVERS = ".local/share/accessing-mlflow/server"
PINS = bundle.load().server.pins
TESTED = bundle.load().server.tested

UV = """#!/bin/sh
echo "uv $*" >> "{log}"
case "$*" in
  *"python find"*--show-version*) echo 3.11.9;;
  *"python find"*) case "$PATH" in {short}) {desktop};; *) echo /opt/python/bin/python3.11;; esac;;
  *"pip install"*) {install};;
esac
"""


def entry_of(home: Home, file: str = ".claude.json") -> Any:
    return home.read(file)["mcpServers"]["MLflow"]


def editions(home: Home) -> list[Path]:
    """The folders of files that pinned entries may name."""
    return sorted((home.path / SERVERS).glob("*"))


def fake_uv(home: Home, *, desktop: str = "echo /opt/python/bin/python3.11", install: str = "exit 0") -> Path:
    """A uv that finds Python 3.11 and writes down what it is asked; gives the file with that."""
    log = home.path.parent / "uv-calls"
    short = "/usr/local/sbin:*|/usr/bin:/bin:/usr/sbin:/sbin"
    home.program("uv", UV.format(log=log, short=short, desktop=desktop, install=install))
    uvx = f'#!/bin/sh\necho "uvx UV_OFFLINE=$UV_OFFLINE UV_CACHE_DIR=$UV_CACHE_DIR $*" >> "{log}"\n'
    home.program("uvx", uvx + 'case "$*" in *--offline*) exit ${MISSING:-0};; *--from*) exit 0;; esac\nexit 1\n')
    return log


def calls(log: Path) -> list[str]:
    """What uv and uvx were asked, without scripts, and without the search for a Python."""
    lines = re.findall(r"^uvx? .*", log.read_text(), re.MULTILINE) if log.exists() else []
    return [line for line in lines if "python find" not in line]


@pytest.fixture
def other_bundle(tmp_path: Path) -> Path:
    """A later bundle, that was tested with other versions."""
    folder = tmp_path / "bundle"
    shutil.copytree(PINS.parent, folder)
    lean = folder / "server" / "lean.txt"
    lean.write_text(lean.read_text().replace("certifi==", "certifi==1"))
    return folder


class TestEntry:
    def test_it_names_files_that_lie_on_this_machine(self, home: Home) -> None:
        home.run(CLAUDE, "--pin")
        (folder,) = editions(home)
        assert folder.name.startswith(f"{TESTED}-")
        assert entry_of(home)["args"] == [
            *("--python", "3.12"),
            *("--constraints", str(folder / "lean.txt")),
            *("--overrides", str(folder / "lean-overrides.txt")),
            *("--with", "mlflow-skinny"),
            f"mlflow-mcp=={TESTED}",
        ]
        for name in ("full.txt", "lean.txt", "lean-overrides.txt"):
            assert (folder / name).read_bytes() == (PINS / name).read_bytes()

    def test_check_writes_nothing(self, home: Home) -> None:
        output = home.run(CLAUDE, "--pin", "--check", expect=1).output
        assert f"pin             added     ~/{SERVERS}/{TESTED}-" in output
        assert f"(mlflow-mcp {TESTED}, lean)" in output
        assert home.files() == {}

    @pytest.mark.parametrize(
        ("uri", "form"),
        [
            ("http://localhost:5000", "lean"),
            ("HTTPS://mlflow.example.org", "lean"),
            (SQLITE, "full"),
            ("postgresql://localhost/mlflow", "full"),
            ("file:///srv/mlruns", "full"),
            ("databricks", "full"),
            ("${TEAM_URI}", "full"),
        ],
    )
    def test_the_lean_form_is_for_tracking_servers(self, home: Home, uri: str, form: str) -> None:
        home.run("skill-install claude --no-verify --pin --tracking-uri", uri)
        args = entry_of(home)["args"]
        assert Path(args[args.index("--constraints") + 1]).name == f"{form}.txt"
        assert ("mlflow-skinny" in args) == ("--overrides" in args) == (form == "lean")

    def test_another_tracking_uri_changes_the_form_and_it_stays_pinned(self, home: Home) -> None:
        home.run(CLAUDE, "--pin")
        lean = entry_of(home)
        home.run("skill-install claude --no-verify --tracking-uri", SQLITE)
        assert entry_of(home)["args"][3].endswith("/full.txt")
        home.run(CLAUDE)
        assert entry_of(home) == lean

    def test_a_second_run_changes_nothing(self, home: Home) -> None:
        home.run(CLAUDE, "--pin")
        files = home.files()
        assert "Nothing would change." in home.run(CLAUDE, "--check").output
        home.run(CLAUDE)
        home.run(CLAUDE, "--pin")
        assert home.files() == files

    def test_no_pin_gives_the_plain_entry_back(self, home: Home) -> None:
        home.run(CLAUDE)
        files = home.files()
        home.run(CLAUDE, "--pin")
        assert home.files() != files
        home.run(CLAUDE, "--no-pin")
        assert {name: data for name, data in home.files().items() if "record" not in name} == {
            name: data for name, data in files.items() if "record" not in name
        }

    @pytest.mark.parametrize(
        ("command", "own", "rest"),
        [
            ("uvx", ["--python", "3.13", "--with", "boto3"], ["mlflow-mcp"]),
            ("uvx", ["--from", "mlflow-mcp[x]>=0.4"], ["mlflow-mcp", "--verbose"]),
            ("uv", ["tool", "run", "-p3.13", "--quiet"], ["mlflow-mcp@latest"]),
        ],
    )
    def test_the_users_own_options_stay(self, home: Home, command: str, own: list[str], rest: list[str]) -> None:
        entry = {"command": command, "args": [*own, *rest], "env": {"MLFLOW_TRACKING_URI": URI, "UV_INDEX": "x"}}
        home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
        home.run(CLAUDE, "--pin")
        args = entry_of(home)["args"]
        assert args.count("--python") + args.count("-p3.13") == 1
        assert f"mlflow-mcp=={TESTED}" in args or f"mlflow-mcp[x]=={TESTED}" in args
        assert "Nothing would change." in home.run(CLAUDE, "--check").output
        home.run(CLAUDE, "--no-pin")
        after = entry_of(home)
        plain = [re.sub(r"(mlflow-mcp(\[x\])?)[@>=].*", r"\1", arg) for arg in (*own, *rest)]
        assert after["args"] == plain
        assert after["env"]["UV_INDEX"] == "x"
        assert editions(home) == []

    def test_a_project_gets_the_version_only_and_is_told_so(self, home: Home) -> None:
        home.cd("project")
        output = home.run(CLAUDE, "--scope", "project", "--pin").output
        entry = home.read("project/.mcp.json")["mcpServers"]["MLflow"]
        assert entry["args"] == [f"mlflow-mcp=={TESTED}"]
        assert "UV_OFFLINE" not in entry["env"]
        assert f"a project's entry is pinned to mlflow-mcp {TESTED} only" in output
        assert editions(home) == []

    def test_a_bundle_without_the_files_is_refused(self, home: Home, other_bundle: Path) -> None:
        (other_bundle / "server" / "lean.txt").unlink()
        output = home.run(CLAUDE, "--pin", "--bundle", str(other_bundle), expect=1).output
        assert f"{other_bundle / 'server'}: lean.txt missing, which --pin needs" in output


class TestPython:
    """Which one uv is told to take: a newer one that appears later has nothing in the cache."""

    def test_the_version_that_uv_finds_now(self, home: Home) -> None:
        fake_uv(home)
        home.run(BOTH, "--pin")
        assert entry_of(home)["args"][:2] == ["--python", "3.11"]
        assert entry_of(home, ".cursor/mcp.json")["args"][:2] == ["--python", "3.11"]

    @pytest.mark.parametrize("desktop", ["echo /usr/bin/python3.11", "exit 2"])
    def test_its_path_for_a_client_from_the_desktop_that_would_find_another(self, home: Home, desktop: str) -> None:
        fake_uv(home, desktop=desktop)
        home.run(BOTH, "--pin")
        assert entry_of(home)["args"][1] == "3.11"
        assert entry_of(home, ".cursor/mcp.json")["args"][1] == "/opt/python/bin/python3.11"

    def test_a_path_that_is_gone_is_looked_for_anew(self, home: Home) -> None:
        fake_uv(home, desktop="exit 2")
        home.run(f"skill-install cursor --no-verify --pin --tracking-uri {URI}")
        fake_uv(home)
        home.run("skill-install cursor --no-verify")
        assert entry_of(home, ".cursor/mcp.json")["args"][1] == "3.11"

    def test_what_the_shell_tells_uv_reaches_a_client_from_the_desktop_without_passwords(self, home: Home) -> None:
        home.variable("UV_CACHE_DIR", "/big/uv")
        home.variable("UV_DEFAULT_INDEX", "https://me:hunter2@index.example.org/simple")
        home.run(BOTH, "--pin")
        env = entry_of(home, ".cursor/mcp.json")["env"]
        assert env["UV_CACHE_DIR"] == "/big/uv"
        assert env["UV_DEFAULT_INDEX"] == "https://index.example.org/simple"
        assert not [name for name in entry_of(home)["env"] if name.startswith("UV_")]
        home.run(BOTH, "--no-pin")
        assert not [name for name in entry_of(home, ".cursor/mcp.json")["env"] if name.startswith("UV_")]


class TestFiles:
    def test_clients_share_them_and_the_last_one_takes_them_away(self, home: Home) -> None:
        home.write(".claude.json", "{}")
        files, folders = home.files(), home.folders()
        home.run(BOTH, "--pin")
        assert len(editions(home)) == 1
        home.run("skill-uninstall cursor")
        assert len(editions(home)) == 1
        output = home.run("skill-uninstall claude").output
        assert f"pin             removed   ~/{SERVERS}/{TESTED}-" in output
        assert home.files() == files
        assert home.folders() == folders

    def test_those_of_another_projects_entry_stay(self, home: Home) -> None:
        home.cd("project")
        home.run(CLAUDE, "--pin", "--scope", "local")
        home.cd("elsewhere")
        home.run(CLAUDE, "--pin")
        home.run("skill-uninstall claude")
        assert len(editions(home)) == 1
        home.cd("project")
        home.run("skill-uninstall claude --scope local")
        assert editions(home) == []

    def test_those_of_an_entry_in_a_file_that_is_broken_just_now_stay(self, home: Home) -> None:
        home.run(BOTH, "--pin")
        home.write(".cursor/mcp.json", "{")
        home.run("skill-uninstall claude")
        assert len(editions(home)) == 1

    def test_a_later_bundle_moves_the_pin(self, home: Home, other_bundle: Path) -> None:
        home.run(BOTH, "--pin")
        (old,) = editions(home)
        home.run("skill-install claude --no-verify --bundle", str(other_bundle))
        (new,) = set(editions(home)) - {old}
        assert str(new / "lean.txt") in entry_of(home)["args"]
        assert old.is_dir()  # Cursor's entry names it
        home.run("skill-install cursor --no-verify --bundle", str(other_bundle))
        assert editions(home) == [new]

    def test_both_clients_at_once(self, home: Home, other_bundle: Path) -> None:
        home.run(BOTH, "--pin")
        (old,) = editions(home)
        home.run(BOTH, "--bundle", str(other_bundle))
        assert len(editions(home)) == 1
        assert editions(home) != [old]

    def test_changed_ones_are_put_right(self, home: Home) -> None:
        home.run(CLAUDE, "--pin")
        (folder,) = editions(home)
        (folder / "lean.txt").write_text("certifi==1\n")
        assert "pin             replaced" in home.run(CLAUDE).output
        assert (folder / "lean.txt").read_bytes() == (PINS / "lean.txt").read_bytes()

    def test_where_the_entry_cannot_be_written_they_go_again(self, home: Home) -> None:
        home.write(".claude.json", "{}").chmod(0o444)
        files = home.files()
        home.run(CLAUDE, "--pin", expect=1)
        assert home.files() == files
        assert editions(home) == []


class TestFetching:
    LINE = f"skill-install claude --pin --tracking-uri {URI}"

    def test_hashes_are_compared_before_anything_runs_without_the_network(self, home: Home) -> None:
        log = fake_uv(home)
        home.run(self.LINE)
        look, venv, install, fetch, *_ = calls(log)
        # The bundle's own files: those that the entry names are written only once all is as it was tested.
        start = re.match("uvx UV_OFFLINE= UV_CACHE_DIR= --offline --python 3.11 --constraints (.*)/lean.txt ", look)
        assert start
        source = start[1]
        assert Path(source).name == "server"
        assert venv.startswith("uv venv --no-project --python /opt/python/bin/python3.11 /")
        environment = venv.removeprefix("uv venv --no-project --python /opt/python/bin/python3.11 ")
        wanted = f"--require-hashes --requirement {source}/lean.txt --overrides {source}/lean-overrides.txt"
        assert install.startswith(f"uv pip install --python {environment} {wanted}")
        assert install.endswith("--offline")
        assert fetch.startswith("uvx UV_OFFLINE=1 UV_CACHE_DIR= --python 3.11")
        assert entry_of(home)["env"]["UV_OFFLINE"] == "1"

    def test_uv_and_uvx_are_started_outside_of_the_project(self, home: Home) -> None:
        log = fake_uv(home)
        for name in ("uv", "uvx"):
            program = home.programs / name
            program.write_text(program.read_text().replace("\n", f'\necho "ran in $(pwd) $1" >> "{log}"\n', 1))
        home.cd("project")
        home.run(self.LINE)
        home.run("skill-doctor claude", expect=None)
        started = [line for line in log.read_text().splitlines() if line.startswith("ran in ")]
        assert len(started) > 10
        assert [line for line in started if not line.startswith("ran in / ")] == []

    def test_the_network_is_asked_only_for_what_is_missing(self, home: Home) -> None:
        log = fake_uv(home, install='case "$*" in *--offline) echo missing >&2; exit 1;; esac')
        home.variable("MISSING", "1")
        output = home.run(self.LINE).output
        assert f"Fetching mlflow-mcp=={TESTED}, about 17 MiB, once" in output
        installs = [call for call in calls(log) if "pip install" in call]
        assert [call.endswith("--offline") for call in installs] == [True, False]

    @pytest.mark.parametrize("before", ["nothing", "plain", "pinned"])
    def test_another_file_than_the_tested_one_is_refused_and_nothing_of_it_runs(self, home: Home, before: str) -> None:
        if before != "nothing":
            home.run(CLAUDE, *(("--pin",) if before == "pinned" else ()))
        files = home.files()
        log = fake_uv(home, install="echo '  cause: Hash mismatch for `certifi==1`' >&2; exit 1")
        output = home.run(self.LINE, "--env", "TEAM=a", expect=1).output
        assert "the package index serves another file for certifi==1 than the one that was tested" in output
        assert not [call for call in calls(log) if "--offline" not in call and "--from" in call]
        assert home.files() == files

    def test_then_no_client_of_the_command_is_pinned(self, home: Home) -> None:
        fake_uv(home, install="echo '  cause: Hash mismatch for `certifi==1`' >&2; exit 1")
        document = json.loads(home.run(f"{self.LINE} --json".replace("claude", "claude cursor"), expect=1).stdout)
        assert "another file for certifi==1" in document["error"]
        assert home.files() == {}

    def test_nor_does_the_doctor_write_it(self, home: Home) -> None:
        home.run(CLAUDE, "--pin")
        shutil.rmtree(home.path / SERVERS)
        files = home.files()
        fake_uv(home, install="echo '  cause: Hash mismatch for `certifi==1`' >&2; exit 1")
        assert "another file for certifi==1" in home.run("skill-doctor claude --fix", expect=1).output
        assert home.files() == files

    def test_without_a_network_it_is_pinned_and_the_next_run_compares(self, home: Home) -> None:
        fake_uv(home, install="echo 'error: dns error' >&2; exit 1")
        output = home.run(self.LINE).output
        assert "cannot fetch the pinned server: dns error" in output
        assert entry_of(home)["env"]["UV_OFFLINE"] == "1"
        fake_uv(home, install="echo '  cause: Hash mismatch for `certifi==1`' >&2; exit 1")
        home.run("skill-install claude", expect=1)

    def test_the_entrys_own_cache_is_the_one_that_is_filled(self, home: Home) -> None:
        log = fake_uv(home)
        home.run(self.LINE, "--env", "UV_CACHE_DIR=/entry/uv")
        assert all("UV_CACHE_DIR=/entry/uv" in call for call in calls(log) if call.startswith("uvx"))

    def test_what_the_user_adds_may_be_fetched(self, home: Home) -> None:
        log = fake_uv(home)
        entry = {"command": "uvx", "args": ["--with", "boto3", "mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": URI}}
        home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
        home.run(self.LINE)
        assert "uvx UV_OFFLINE= " in next(c for c in calls(log) if "--offline" not in c and "--from" in c)

    def test_without_fetching_the_entry_does_not_rely_on_the_cache(self, home: Home) -> None:
        fake_uv(home)
        output = home.run(self.LINE, "--no-verify").output
        assert "its starts ask the package index until this is run: " in output
        assert "UV_OFFLINE" not in entry_of(home)["env"]
        home.run("skill-install claude")
        assert entry_of(home)["env"]["UV_OFFLINE"] == "1"
        assert "Nothing would change." in home.run("skill-install claude --no-verify --check").output


class TestDoctor:
    def pin(self, home: Home) -> Any:
        checks = home.run("skill-doctor claude --offline --json", expect=None).stdout
        return next((check for check in json.loads(checks)["checks"] if check["id"] == "pin"), None)

    @pytest.fixture
    def pinned(self, home: Home) -> Home:
        fake_uv(home)
        home.run(TestFetching.LINE)
        return home

    def test_nothing_to_say_of_an_entry_that_is_not_pinned(self, home: Home) -> None:
        home.run(CLAUDE)
        assert self.pin(home) is None

    def test_in_order(self, pinned: Home) -> None:
        found = self.pin(pinned)
        assert (found["status"], found["detail"]) == ("ok", f"mlflow-mcp {TESTED}, lean, in uv's cache")

    def test_the_cache_was_emptied(self, pinned: Home) -> None:
        pinned.variable("MISSING", "1")
        found = self.pin(pinned)
        assert found["status"] == "error"
        assert "uv's cache does not hold the pinned server" in found["detail"]
        assert found["fix"] == "skill-install claude"

    def test_files_are_gone_and_the_fix_brings_them_back(self, pinned: Home) -> None:
        shutil.rmtree(pinned.path / SERVERS)
        found = self.pin(pinned)
        assert found["status"] == "error"
        assert "names files that are gone: lean.txt, lean-overrides.txt" in found["detail"]
        pinned.run(found["fix"])
        assert self.pin(pinned)["status"] == "ok"

    def test_files_were_changed(self, pinned: Home) -> None:
        (folder,) = editions(pinned)
        with (folder / "lean-overrides.txt").open("a") as stream:
            stream.write("certifi==1\n")
        found = self.pin(pinned)
        assert (found["status"], found["detail"]) == ("error", "the files of the pinned entry were changed")
        pinned.run(found["fix"])
        assert self.pin(pinned)["status"] == "ok"

    def test_the_pin_is_another_releases(self, home: Home, other_bundle: Path) -> None:
        fake_uv(home)
        home.run(TestFetching.LINE, "--bundle", str(other_bundle))
        found = self.pin(home)
        assert found["status"] == "warning"
        assert re.match(rf"pinned to {TESTED}-\w+; this release was tested with {TESTED}-\w+", found["detail"])
        home.run(found["fix"])
        assert self.pin(home)["status"] == "ok"

    def test_the_lean_form_for_a_database(self, pinned: Home) -> None:
        state = pinned.read(".claude.json")
        state["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] = SQLITE
        pinned.write(".claude.json", state)
        found = self.pin(pinned)
        assert found["status"] == "error"
        assert f"not for {SQLITE}" in found["detail"]

    def test_not_fetched_yet_is_a_warning(self, home: Home) -> None:
        fake_uv(home)
        home.run(CLAUDE, "--pin")
        home.variable("MISSING", "1")
        assert self.pin(home)["status"] == "warning"


class TestLocks:
    """The bundle's own files."""

    @pytest.mark.parametrize("name", ["full.txt", "lean.txt"])
    def test_every_package_has_its_version_and_hashes_and_no_address(self, name: str) -> None:
        text = (PINS / name).read_text()
        assert "://" not in text
        assert "index" not in text.replace("[", "")
        packages = re.split(r"\n(?! )", text.split("\n", 1)[1].strip())
        assert len(packages) > 50
        for package in packages:
            head, *hashes = [line.strip().removesuffix("\\").strip() for line in package.splitlines()]
            assert re.match(r"[a-z0-9-]+==[\w.]+( ; .+)?$", head)
            assert hashes
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes)

    def test_the_server_is_the_tested_one_and_only_the_full_form_has_all_of_mlflow(self) -> None:
        for name, whole in (("full.txt", True), ("lean.txt", False)):
            text = (PINS / name).read_text()
            assert f"\nmlflow-mcp=={TESTED} \\" in text
            assert "\nmlflow-skinny==" in text
            assert ("\nmlflow==" in text) is whole
