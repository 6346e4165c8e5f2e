"""sync-upstream-skills.sh, offline: on repositories that are made here."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.children import REPOSITORY
from tests.homes import Home

NAME = "some-skill"
FOLDER = "packages/launcher/skills/some-skill"
WATCHED = "skills/some-skill"
FILES = {
    "SKILL.md": b"---\nname: some-skill\ndescription: x\n---\n",
    "notes/windows.md": b"one\r\ntwo\r\n",
    'odd \t"name" \xc3\xbc\n.txt': b"no newline at the end",
    "run.sh": b"#!/bin/sh\n",
}
IDENTITY = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a script for bash")


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    command = ["git", "-C", str(folder), "-c", "core.autocrlf=false", *arguments]
    return (
        subprocess.run(command, input=stdin, env={**os.environ, **IDENTITY}, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


class Upstream:
    """Upstream's repository, and a checkout of ours beside it."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "upstream"
        self.top = folder / "ours"
        (self.top / "skills").mkdir(parents=True)
        shutil.copy(REPOSITORY / "sync-upstream-skills.sh", self.top)
        self.source.mkdir()
        git(self.source, "init", "--quiet", "--initial-branch", "main-legacy")
        self.commit(FOLDER, FILES)
        self.commit(WATCHED, FILES)
        self.pin()

    @property
    def target(self) -> Path:
        return self.top / "skills/upstream" / NAME

    def commit(self, folder: str, files: Mapping[str, bytes]) -> str:
        """Makes `files` the content of `folder`, and gives the commit."""
        shutil.rmtree(self.source / folder, ignore_errors=True)
        for name, data in files.items():
            file = self.source / folder / os.fsdecode(name.encode("latin-1"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(0o755 if name.endswith(".sh") else 0o644)
        git(self.source, "add", "--all")
        git(self.source, "commit", "--quiet", "--message", "x")
        return git(self.source, "rev-parse", "HEAD")

    def pin(self, **changed: str) -> None:
        """Writes the configuration: the pin is what there is now, but for what is `changed`."""
        settings = {
            "url": "https://nobody.invalid/x.git",
            "commit": git(self.source, "rev-parse", "HEAD"),
            "path": FOLDER,
            "licence": "Apache-2.0",
            "branch": "main-legacy",
            "watch": WATCHED,
            **changed,
        }
        settings.setdefault("tree", git(self.source, "rev-parse", f"HEAD:{FOLDER}"))
        lines = "".join(f"\t{key} = {value}\n" for key, value in settings.items())
        (self.top / "skills/upstream.conf").write_text(f'# mine\n[skill "{NAME}"]\n{lines}', encoding="utf-8")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.top / "sync-upstream-skills.sh"), *arguments],
            cwd="/",
            env={**os.environ, "UPSTREAM_URL": str(self.source), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, expect: int = 0, **variables: str) -> str:
        process = self.start(*arguments, **variables)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == expect, output
        return output

    def content(self) -> dict[str, bytes]:
        """The files that are there, as `FILES` names them."""
        paths = (path for path in self.target.rglob("*") if path.is_file())
        return {os.fsencode(path.relative_to(self.target)).decode("latin-1"): path.read_bytes() for path in paths}

    def beside(self) -> set[str]:
        folder = self.top / "skills/upstream"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path)


def test_the_pinned_files_byte_for_byte_and_where_they_come_from(upstream: Upstream) -> None:
    upstream.run()
    assert upstream.content() == FILES
    assert os.access(upstream.target / "run.sh", os.X_OK)
    assert not os.access(upstream.target / "SKILL.md", os.X_OK)
    assert upstream.beside() == {NAME, f"{NAME}.provenance"}
    said = (upstream.top / f"skills/upstream/{NAME}.provenance").read_text()
    for key in ("url = https://nobody.invalid/x.git", "licence = Apache-2.0", f"path = {FOLDER}", "date = 2"):
        assert key in said
    assert "unchanged" in upstream.run(UPSTREAM_URL="/nowhere")  # what is there needs no network
    assert "(there)" in upstream.run("--list")


def test_an_older_commit_than_the_branchs(upstream: Upstream) -> None:
    upstream.commit(FOLDER, {"SKILL.md": b"newer"})
    upstream.run()
    assert upstream.content() == FILES


def test_a_server_that_serves_no_commit_by_name(upstream: Upstream) -> None:
    upstream.commit(FOLDER, {"SKILL.md": b"newer"})
    old_protocol: dict[str, Any] = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.version",
        "GIT_CONFIG_VALUE_0": "0",
    }
    refused = subprocess.run(
        ["git", "fetch", "--quiet", str(upstream.source), git(upstream.source, "rev-parse", "HEAD~")],
        cwd=upstream.top,
        env={**os.environ, **old_protocol, "GIT_DIR": str(upstream.source / "../probe")},
        capture_output=True,
        check=False,
    )
    assert refused.returncode != 0
    upstream.run(**old_protocol)
    assert upstream.content() == FILES


def test_unchanged_upstream(upstream: Upstream) -> None:
    assert "unchanged" in upstream.run("--check")
    assert upstream.beside() == set()


def test_drift_is_shown(upstream: Upstream) -> None:
    upstream.commit(WATCHED, {**FILES, "SKILL.md": FILES["SKILL.md"] + b"a new sentence\n"})
    output = upstream.run("--check", expect=1)
    assert "+a new sentence" in output
    assert f"{WATCHED} has changed on main-legacy" in output


def test_a_skill_that_has_moved_away(upstream: Upstream) -> None:
    upstream.commit(WATCHED, {})
    assert f"has no folder {WATCHED} any more" in upstream.run("--check", expect=1)


def test_a_branch_that_is_gone(upstream: Upstream) -> None:
    git(upstream.source, "branch", "--move", "other")
    assert "main-legacy is gone" in upstream.run("--check", expect=1)


def test_no_upstream(upstream: Upstream) -> None:
    output = upstream.run("--check", expect=3, UPSTREAM_URL="https://me:secret@nobody.invalid/x.git")
    assert "cannot be reached" in output
    assert "secret" not in output
    assert "cannot be reached" in upstream.run(expect=1, UPSTREAM_URL="/nowhere")


def test_moving_the_pin(upstream: Upstream) -> None:
    upstream.run()
    new = upstream.commit(WATCHED, {"SKILL.md": b"another text\n"})
    git(upstream.source, "rm", "-r", "--quiet", FOLDER)
    git(upstream.source, "commit", "--quiet", "--message", "x")
    new = git(upstream.source, "rev-parse", "HEAD")
    assert "+another text" in upstream.run("--pin", "main-legacy", NAME)
    conf = (upstream.top / "skills/upstream.conf").read_text()
    assert conf.startswith("# mine\n")
    assert f"commit = {new}" in conf
    assert f"path = {WATCHED}" in conf
    assert "(there, at an earlier pin)" in upstream.run("--list")
    upstream.run()
    assert upstream.content() == {"SKILL.md": b"another text\n"}
    assert "unchanged" in upstream.run("--check")


def test_edits_are_refused_and_named(upstream: Upstream) -> None:
    upstream.run()
    (upstream.target / "SKILL.md").write_bytes(b"mine")
    (upstream.target / "more").write_bytes(b"mine")
    output = upstream.run(expect=1)
    assert "M\tSKILL.md" in output
    assert "A\tmore" in output
    assert (upstream.target / "SKILL.md").read_bytes() == b"mine"
    assert "SKILL.md" in upstream.run(expect=1, UPSTREAM_URL="/nowhere")
    upstream.run("--force")
    assert upstream.content() == FILES


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"commit": "1" * 40}, "has no commit 1111"),
        ({"tree": "2" * 40}, "2222222222222222222222222222222222222222 is pinned"),
        ({"path": "no/such/folder"}, "has no folder no/such/folder"),
        ({"path": f"{FOLDER}/SKILL.md"}, "has no folder"),
    ],
)
def test_a_pin_that_does_not_hold(upstream: Upstream, changed: dict[str, str], said: str) -> None:
    upstream.run()
    upstream.commit(FOLDER, {"SKILL.md": b"newer"})
    upstream.pin(**changed)
    assert said in upstream.run(expect=1)
    assert upstream.content() == FILES
    assert upstream.beside() == {NAME, f"{NAME}.provenance"}


def symlink(upstream: Upstream) -> str:
    (upstream.source / FOLDER / "link").symlink_to("../../../../../.bashrc")
    git(upstream.source, "add", "--all")
    return git(upstream.source, "write-tree")


def dots(upstream: Upstream) -> str:
    """What git itself would not make: a tree with a folder called `..`."""
    tree = git(upstream.source, "rev-parse", f"HEAD:{FOLDER}")
    entry = b"40000 ..\0" + bytes.fromhex(tree)
    hostile = git(upstream.source, "hash-object", "--literally", "-t", "tree", "-w", "--stdin", stdin=entry)
    for name in reversed(FOLDER.split("/")):
        hostile = git(upstream.source, "mktree", stdin=f"040000 tree {hostile}\t{name}\n".encode())
    return hostile


def submodule(upstream: Upstream) -> str:
    commit = git(upstream.source, "rev-parse", "HEAD")
    git(upstream.source, "update-index", "--add", "--cacheinfo", f"160000,{commit},{FOLDER}/module")
    return git(upstream.source, "write-tree")


@pytest.mark.parametrize("make", [symlink, dots, submodule])
def test_what_would_leave_the_folder_is_refused(upstream: Upstream, make: Callable[[Upstream], str]) -> None:
    commit = git(upstream.source, "commit-tree", make(upstream), "-m", "x")
    git(upstream.source, "update-ref", "refs/heads/main-legacy", commit)
    upstream.pin(commit=commit, tree=git(upstream.source, "rev-parse", f"{commit}:{FOLDER}"))
    upstream.run(expect=1)
    assert upstream.beside() == set()


def test_a_target_that_cannot_be_written(upstream: Upstream) -> None:
    (upstream.top / "skills/upstream").write_text("in the way")
    assert "error: " in upstream.run(expect=1)
    assert (upstream.top / "skills/upstream").read_text() == "in the way"


@pytest.mark.parametrize(
    "arguments",
    [["--nothing"], ["no-such-skill"], ["../x"], ["--pin"], ["--pin", "main"], ["--pin", "x", "a", "b"]],
)
def test_wrong_usage(upstream: Upstream, arguments: list[str]) -> None:
    assert "--help" in upstream.run(*arguments, expect=2)


def test_two_at_once(upstream: Upstream) -> None:
    runs = [upstream.start() for _ in range(4)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, outputs
    assert sum("unchanged" in output for output in outputs) == 3
    assert upstream.content() == FILES
    assert upstream.beside() == {NAME, f"{NAME}.provenance"}


@pytest.fixture
def synced(upstream: Upstream) -> tuple[Path, str]:
    """A folder with the synced skill under our name, and its commit; made before the home fixture hides git."""
    upstream.run()
    folder = upstream.top / "skills/upstream"
    (folder / NAME).rename(folder / "accessing-mlflow")
    (folder / f"{NAME}.provenance").rename(folder / "accessing-mlflow.provenance")
    return folder, git(upstream.source, "rev-parse", "HEAD")[:7]


def test_the_synced_edition_is_installed_and_named(synced: tuple[Path, str], home: Home) -> None:
    folder, commit = synced
    install = "skill-install claude --no-verify --tracking-uri https://mlflow.example.org --bundle"
    assert f"accessing-mlflow (upstream {commit})" in home.run(install, str(folder)).output
    installed = home.path / ".claude/skills/accessing-mlflow"
    assert (installed / "SKILL.md").read_bytes() == FILES["SKILL.md"]
    assert os.access(installed / "run.sh", os.X_OK)
    checks = {check["id"]: check for check in home.json("skill-doctor claude --offline", expect=1)["checks"]}
    assert checks["skill"]["detail"] == f"accessing-mlflow is NVIDIA's own edition, upstream {commit}"


SHIM = """#!/bin/sh
# Counts the programs that the script starts, and kills it before the one with the wanted number.
number=$(($(cat "$COUNT") + 1))
echo $number >"$COUNT"
[ $number -ne "$KILL_AT" ] || kill -9 0
exec "$REAL/$(basename "$0")" "$@"
"""


@pytest.mark.parametrize("reader", ["head -1", "true"])
@pytest.mark.parametrize("line", ["", "--check", "--list", "--pin main-legacy some-skill"])
def test_a_closed_pipe_ends_quietly_and_the_work_is_done(upstream: Upstream, line: str, reader: str) -> None:
    new = {"SKILL.md": b"newer\n" * 10_000}
    head = upstream.commit(FOLDER, new)
    upstream.pin(**({"commit": git(upstream.source, "rev-parse", "HEAD~1")} if "pin" in line else {}))
    script = upstream.top / "sync-upstream-skills.sh"
    variables = {**os.environ, "UPSTREAM_URL": str(upstream.source)}
    shell = f'"$0" {line} | {reader}'
    done = subprocess.run(["sh", "-c", shell, script], env=variables, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert upstream.content() == (new if line == "" else {})
    assert head in (upstream.top / "skills/upstream.conf").read_text()


@pytest.mark.slow
@pytest.mark.kills
def test_killed_at_every_step(upstream: Upstream, tmp_path: Path) -> None:
    """The copy that was there, or the new one, is there whole once the next run is done; and nothing else."""
    upstream.run()
    count = shimmed(tmp_path)
    new = {"SKILL.md": b"newer\n"}
    upstream.commit(FOLDER, new)
    old = {path.name: path for path in (upstream.top / "skills").iterdir()}
    shutil.copytree(upstream.top / "skills", tmp_path / "before")
    upstream.pin()
    conf = old["upstream.conf"].read_bytes()
    step = killed = 0
    while True:
        step += 1
        shutil.rmtree(upstream.top / "skills")
        shutil.copytree(tmp_path / "before", upstream.top / "skills")
        (upstream.top / "skills/upstream.conf").write_bytes(conf)
        count.write_text("0")
        variables = {"COUNT": str(count), "KILL_AT": str(step), "REAL": str(tmp_path / "real")}
        process = upstream.start(**variables, PATH=f"{tmp_path / 'shims'}:{os.environ['PATH']}")
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, step
        killed += 1
        assert not upstream.target.exists() or upstream.content() in (FILES, new), step
        upstream.run()
        assert upstream.content() == new, step
        assert upstream.beside() == {NAME, f"{NAME}.provenance"}, step
    assert killed > 20


def shimmed(folder: Path) -> Path:
    """Puts a shim before each program that the script starts; gives the file with the count."""
    (folder / "shims").mkdir()
    (folder / "real").mkdir()
    for name in ("mv", "rm", "mkdir", "rmdir", "ln", "git", "mktemp", "find", "chmod", "readlink"):
        found = shutil.which(name)
        assert found
        (folder / "real" / name).symlink_to(found)
        shim = folder / "shims" / name
        shim.write_text(SHIM)
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    return folder / "count"
