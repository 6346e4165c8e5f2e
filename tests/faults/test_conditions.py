"""Locks that stay taken, disks that are full, and files and folders that may not be written."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.machine import LOCK, STATE, Machine, machine

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

INSTALL = "skill-install claude cursor --no-verify --tracking-uri https://one.example.org"
UPDATE = "skill-install claude cursor --no-verify --tracking-uri https://two.example.org"
UNINSTALL = "skill-uninstall claude cursor"
is_root = hasattr(os, "geteuid") and os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root may do that")


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


def refused(user: Machine, line: str, *expected: str, limit: int = 0) -> str:
    """Runs it: it has to end with 1, and everything has to be as it was."""
    before = user.tree()
    outcome = user.run(line, wait=0.3, limit=limit)
    assert outcome.code == 1, outcome.output
    for text in expected:
        assert text in outcome.output
    assert sorted(user.tree()) == sorted(before), outcome.output
    assert user.tree() == before
    return outcome.output


@contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """A mount for the time of a test; skips it where this machine forbids that."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", arguments[-1]], check=True)


# Locks


@pytest.mark.parametrize("line", [UPDATE, UNINSTALL])
def test_claude_never_releases_its_lock(user: Machine, line: str) -> None:
    user.succeed(INSTALL)
    (user.home / LOCK).mkdir()
    refused(user, line, "error: ~/.claude.json is locked by Claude Code", "close Claude Code and run this again")
    (user.home / LOCK).rmdir()
    user.succeed(line)


def test_another_run_of_ours_never_ends(user: Machine) -> None:
    import fcntl

    user.succeed(INSTALL)
    with (user.home / STATE / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused(user, UPDATE, "error: another run of this program", "run this again")
        (user.home / STATE / "lock").unlink()
    user.succeed(UPDATE)


# Disks


def large(user: Machine, size: int) -> Path:
    """A state file of Claude Code's of that many bytes."""
    file = user.home / ".claude.json"
    file.write_text('{"history": "' + "x" * size + '"}')
    return file


def test_a_file_may_not_be_that_large(user: Machine) -> None:
    file = large(user, 100_000)
    refused(user, INSTALL, "error: ~/.claude.json cannot be", limit=file.stat().st_size + 20)
    user.succeed(INSTALL)


@needs_root
def test_tiny_disk(user: Machine) -> None:
    home = str(user.home)
    with mounted("-t", "tmpfs", "-o", "size=272k,mode=700", "tmpfs", home):
        data = large(user, 150_000).read_bytes()
        refused(user, INSTALL, "error: ~/.claude.json cannot be", "No space left on device")
        subprocess.run(["mount", "-o", "remount,size=2m", home], check=True)
        user.succeed(INSTALL)
        user.succeed(UNINSTALL)
        assert (user.home / ".claude.json").read_bytes() == data


@needs_root
def test_a_file_that_is_a_mount_of_its_own(user: Machine, tmp_path: Path) -> None:
    """As in dev containers: nothing can take its place, so it is written where it is, after a copy was kept."""
    file, source = user.home / ".cursor/mcp.json", tmp_path / "mounted.json"
    file.parent.mkdir()
    file.touch()
    source.write_text('{"mcpServers": {"other": {"command": "true"}}}')
    data = source.read_bytes()
    with mounted("--bind", str(source), str(file)):
        user.succeed(INSTALL)
        assert b'"MLflow"' in source.read_bytes()
        assert b'"other"' in source.read_bytes()
        assert data in [copy.read_bytes() for copy in (user.home / STATE / "backups").rglob("*.json")]
        assert sorted(path.name for path in file.parent.iterdir()) == ["mcp.json"]
        user.succeed(UNINSTALL)
        assert source.read_bytes() == data


# Permissions


@pytest.mark.parametrize("name", [".claude.json", ".cursor/mcp.json"])
def test_a_read_only_file_is_refused_even_for_root(user: Machine, name: str) -> None:
    file = user.home / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    file.chmod(0o444)
    refused(user, INSTALL, f"error: ~/{name} is read-only", f"chmod u+w {file}".replace(str(user.home), "~"))
    file.chmod(0o644)
    user.succeed(INSTALL)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


@needs_root
def test_the_home_of_another_user(user: Machine) -> None:
    os.chown(user.home, 12345, 12345)
    refused(user, INSTALL, "belongs to another user (number 12345)", "without sudo")
    os.chown(user.home, 0, 0)
    user.succeed(INSTALL)


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Machine]:
    """Commands run without root's right to write where nobody may."""
    prefix: list[str] = []
    if is_root:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root without setpriv: it could write everywhere")
        rights = "-dac_override,-dac_read_search"
        prefix = [setpriv, f"--bounding-set={rights}", f"--inh-caps={rights}"]
    with machine(tmp_path, prefix) as made:
        yield made


@pytest.mark.parametrize("folder", [".local", STATE])
def test_a_state_folder_that_may_not_be_written(limited: Machine, folder: str) -> None:
    """Found before the first byte is written anywhere."""
    forbidden = limited.home / folder
    forbidden.mkdir(parents=True)
    forbidden.chmod(0o555)
    refused(limited, INSTALL, "error: ~/.local/state", "Permission denied")
    forbidden.chmod(0o755)
    limited.succeed(INSTALL)


@pytest.mark.parametrize("folder", [".cursor", ".claude"])
def test_a_client_folder_that_may_not_be_written(limited: Machine, folder: str) -> None:
    """What was done for the other client by then is undone."""
    forbidden = limited.home / folder
    forbidden.mkdir()
    forbidden.chmod(0o555)
    refused(limited, INSTALL, f"error: ~/{folder}", "Permission denied")
    forbidden.chmod(0o755)
    limited.succeed(INSTALL)
