"""Claude Code's lock as this program takes it: a folder beside its state file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accessing_mlflow import files, locks


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state file's path; its lock is `.claude.json.lock` beside it."""
    return tmp_path / ".claude.json"


def test_it_is_a_folder_while_it_is_held_and_gone_afterwards(state: Path) -> None:
    lock = state.with_name(".claude.json.lock")
    with locks.of_claude_code(state):
        assert lock.is_dir()
    assert not lock.exists()


def test_one_that_was_taken_over_is_left_to_its_new_owner(state: Path) -> None:
    lock = state.with_name(".claude.json.lock")
    with locks.of_claude_code(state):
        lock.rmdir()
        lock.mkdir()
        os.utime(lock, (time.time() + 1, time.time() + 1))
    assert lock.is_dir()


def test_a_stale_one_is_taken_over(state: Path) -> None:
    lock = state.with_name(".claude.json.lock")
    lock.mkdir()
    long_ago = time.time() - locks.STALE - 1
    os.utime(lock, (long_ago, long_ago))
    with locks.of_claude_code(state, wait=5):
        assert lock.stat().st_mtime > long_ago


def test_one_that_is_held_is_waited_for_with_a_limit(state: Path) -> None:
    state.with_name(".claude.json.lock").mkdir()
    with pytest.raises(locks.LockError, match="locked by Claude Code"), locks.of_claude_code(state, wait=0):
        pass


@pytest.mark.parametrize("dangling", [False, True])
def test_what_is_no_folder_is_named_at_once(state: Path, dangling: bool) -> None:
    lock = state.with_name(".claude.json.lock")
    lock.symlink_to("nowhere") if dangling else lock.touch()
    with pytest.raises(locks.LockError, match="in the way") as caught, locks.of_claude_code(state):
        pass
    assert caught.value.fix == f"rm {lock}"


def test_nothing_is_written_under_one_that_was_taken_over(state: Path) -> None:
    state.write_bytes(b"{}")

    @contextmanager
    def lock() -> Iterator[Callable[[], None]]:
        with locks.of_claude_code(state) as check:
            taken = state.with_name(".claude.json.lock")
            os.utime(taken, (time.time() + 1, time.time() + 1))
            yield check
            taken.rmdir()

    with pytest.raises(locks.LockError, match="taken over"):
        files.rewrite(state, lambda _: b'{"a": 1}', lock=lock)
    assert state.read_bytes() == b"{}"


def test_under_the_lock_the_file_is_read_again_and_the_edit_made_anew(state: Path) -> None:
    state.write_bytes(b"1")
    locked: list[bool] = []

    @contextmanager
    def lock() -> Iterator[Callable[[], None]]:
        state.write_bytes(b"2")  # another program, which had the lock until now
        with locks.of_claude_code(state) as check:
            yield check

    def edit(data: bytes | None) -> bytes:
        locked.append(state.with_name(".claude.json.lock").exists())
        return (data or b"") + b"+"

    assert files.rewrite(state, edit, lock=lock) == (b"2", b"2+")
    assert state.read_bytes() == b"2+"
    assert locked == [False, True]  # what takes time is done outside, as long as nobody comes first
    assert [path.name for path in state.parent.iterdir()] == [state.name]
