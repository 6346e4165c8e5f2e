"""Locks: one for all runs of this program by this user, and the one that Claude Code takes for its own state file."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InstallerError

# Claude Code's rules, measured with 2.1.330: a lock whose mtime is older than this many seconds is stale, and whoever
# waits takes it over. Its start-up bookkeeping gives up after 1.3 s and then writes without the lock, so it must be
# held for less: just for reading again, the edit and the replacement.
STALE = 10.0
_REFRESH = 2.5
_POLL = 0.02
FILE = "lock"
WAIT = 30.0
"""Seconds to wait for a lock that somebody holds."""


class LockError(InstallerError):
    """Somebody else holds a lock for too long, or it cannot be made."""


@contextmanager
def of_this_program(folder: Path, wait: float = WAIT) -> Iterator[None]:
    """Keeps other runs of this program out. The lock is a file in `folder`, which must be there.

    The system lets go of it however a run ends. Raises LockError.
    """
    file = folder / FILE
    deadline = time.monotonic() + wait
    descriptor = _locked(file)
    while descriptor is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # who had it may have removed the folder at its end
        if time.monotonic() > deadline:
            raise LockError(f"another run of this program has been busy for {wait:.0f} s ({file})", "run this again")
        time.sleep(_POLL)
        descriptor = _locked(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)


def _locked(file: Path) -> int | None:
    """The locked file's descriptor; None where another has it, or has just removed it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        if os.name == "nt":  # being removed by the one who had it
            return None
        raise _unusable(file, error) from None
    except OSError as error:
        raise _unusable(file, error) from None
    try:
        if _take(descriptor) and os.path.samestat(os.fstat(descriptor), file.stat()):
            return descriptor
    except FileNotFoundError:
        pass
    except OSError as error:  # a file system without locks
        os.close(descriptor)
        raise _unusable(file, error) from None
    os.close(descriptor)
    return None


def _take(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def of_claude_code(file: Path, wait: float = WAIT) -> Iterator[Callable[[], None]]:
    """Claude Code's lock of its state file: a folder beside `file` as Claude Code opens it, symlinks unresolved.

    While it is held its mtime is refreshed; a stale one is taken over. Gives a check to make before the file is
    written, which raises LockError where somebody has taken this one over. Raises LockError.
    """
    lock = file.with_name(file.name + ".lock")
    deadline = time.monotonic() + wait
    while (stamp := _made(lock)) is None:
        if time.monotonic() > deadline:
            raise LockError(
                f"{file} is locked by Claude Code, for more than {wait:.0f} s ({lock})",
                "close Claude Code and run this again",
            )
        time.sleep(_POLL)
    held = _Held(lock, stamp)
    refresher = threading.Thread(target=held.refresh, daemon=True)
    refresher.start()
    try:
        yield held.check
    finally:
        held.done.set()
        refresher.join()
        held.release()


class _Held:
    """A lock while it is held. One with another mtime than ours was taken over, and is another's: inodes come again."""

    def __init__(self, lock: Path, stamp: int) -> None:
        self._lock = lock
        self._stamp = stamp
        self._touching = threading.Lock()
        self.done = threading.Event()

    def refresh(self) -> None:
        while not self.done.wait(_REFRESH):
            with suppress(OSError), self._touching:
                if self._is_ours():
                    os.utime(self._lock)
                    self._stamp = self._lock.stat().st_mtime_ns

    def check(self) -> None:
        """Raises LockError where the lock is gone or another's: this process was stopped for longer than `STALE`."""
        with suppress(OSError), self._touching:
            if self._is_ours():
                return
        raise LockError(f"{self._lock} was taken over by another program", "run this again")

    def release(self) -> None:
        with suppress(OSError):
            if self._is_ours():
                self._lock.rmdir()

    def _is_ours(self) -> bool:
        return self._lock.stat().st_mtime_ns == self._stamp


def _made(lock: Path) -> int | None:
    """The mtime of the lock's folder once it is made; None where somebody else holds it."""
    try:
        lock.mkdir()
        return lock.stat().st_mtime_ns
    except FileExistsError:
        _check_folder(lock)
        _remove_stale(lock)
    except FileNotFoundError:
        pass  # somebody has taken it for stale at once: try again
    except OSError as error:
        raise _unusable(lock, error) from None
    return None


def _check_folder(lock: Path) -> None:
    """Claude Code waits for anything else at that path too, and then writes without a lock."""
    with suppress(FileNotFoundError):  # it has just been released
        if not stat.S_ISDIR(lock.lstat().st_mode):
            raise LockError(f"{lock} is in the way: Claude Code's lock is a folder", f"rm {lock}")


def _remove_stale(lock: Path) -> None:
    """A lock that nobody refreshes was left by a process that was killed."""
    try:
        first = lock.stat()
        if time.time() - first.st_mtime <= STALE:
            return
        now = lock.stat()  # two who wait see it at once: the second must not remove the first one's new lock
        if (now.st_ino, now.st_mtime_ns) == (first.st_ino, first.st_mtime_ns):
            lock.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unusable(lock, error) from None


def _unusable(lock: Path, error: OSError) -> LockError:
    return LockError(f"{lock} cannot be made: {error.strerror}", f"see who may write in {lock.parent}")
