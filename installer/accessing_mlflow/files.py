"""Writing files that belong to other programs. The only module, with `folders`, that changes anything on disk."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import InstallerError, printable

Edit = Callable[[bytes | None], bytes | None]
Announce = Callable[[bytes | None, bytes | None], None]
Check = Callable[[], None]
Lock = Callable[[], AbstractContextManager[Check]]
TEMPORARY = ".accessing-mlflow."
"""In the name of every temporary file, before the number of the process that made it."""

_ATTEMPTS = 5
_PIECE = 1 << 20

LIMIT = 256 << 20
"""The largest file that is read, in bytes: users' own files of 31 MB have been seen."""
SHARED_LIMIT = 8 << 20
"""The same for a project's file."""


class FileError(InstallerError):
    """A file cannot be read or written; the message has its path and the system's reason."""


@contextmanager
def _no_lock() -> Iterator[Check]:
    yield lambda: None


def check_within(path: Path, root: Path | None) -> None:
    """Raise FileError if `path` resolves to a place outside the folder `root`.

    `root`: None for a user's own file, whose symlinks may lead anywhere.
    """
    if root is None:
        return
    real, top = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    if top in real.parents:
        return
    way = (*reversed(path.parents), path)
    link = next((part for part in way if root in part.parents and part.is_symlink()), path)
    raise FileError(
        f"{path} is outside the project: {link} resolves to {printable(os.path.realpath(link))}",
        f"check what {link} is for; if you do not need it, remove it",
    )


def read(file: Path, limit: int = LIMIT) -> bytes | None:
    """The content of `file`; None where there is none. Raises FileError, also for one of more than `limit` bytes."""
    try:
        if file.exists() and not file.is_file():
            raise FileError(f"{file} is not a regular file")
        with file.open("rb") as stream:
            return _content(stream, file, limit)
    except FileNotFoundError:
        if file.is_symlink():
            raise FileError(f"{file} is a symlink to nothing: {printable(os.readlink(file))}", f"rm {file}") from None
        return None
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from None


_last = b""


def _content(stream: BinaryIO, file: Path, limit: int) -> bytes:
    """What is in the file: the same object where it is what the last large file held.

    A file is read for the plan and again for the edit; the two copies of a large one would both be in memory.
    """
    global _last
    if _last and os.fstat(stream.fileno()).st_size == len(_last):
        if same_content(stream, _last):
            return _last
        stream.seek(0)
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise FileError(f"{file} is larger than {limit >> 20} MiB", "check that it is a configuration file")
    if len(data) > _PIECE:
        _last = data
    return data


def rewrite(
    file: Path,
    edit: Edit,
    *,
    announce: Announce | None = None,
    lock: Lock = _no_lock,
    private: bool = True,
    within: Path | None = None,
) -> tuple[bytes | None, bytes | None]:
    """Makes `edit` of the content of `file` its content, atomically; gives the content before and after.

    `edit` gets None for an absent file and gives None for no file; the same bytes mean that nothing is written.
    `announce` is told what is about to be written in place of what. All that takes time happens before `lock` is
    taken: under it the file is read again, and where it still holds what the edit was made in, the new file takes its
    place. Where another program changed it, the edit is made anew, now under the lock. A symlink is written through;
    mode and owner stay; a new file is readable by its owner only, unless it is not `private`. `within`: a folder that
    the file has to lie in, symlinks resolved. Raises FileError, and whatever the others raise.
    """
    check_within(file, within)
    change = _Change(file, 0o600 if private else 0o666)
    try:
        if not change.prepare(edit, announce):
            return change.before, change.after
        with lock() as check:
            for _ in range(_ATTEMPTS):
                if change.carry_out(check) or not change.prepare(edit, announce):
                    return change.before, change.after
    finally:
        change.discard()
    raise FileError(f"{file} is being changed by another program all the time", "close it and run this again")


class _Change:
    """One change of `file`: the content that it was made in, and the temporary file that is to take its place."""

    def __init__(self, file: Path, mode: int) -> None:
        self._file = file
        self._mode = mode
        self._target = Path(os.path.realpath(file))
        self._seen: os.stat_result | None = None
        self._temporary: Path | None = None
        self.before: bytes | None = None
        self.after: bytes | None = None

    def prepare(self, edit: Edit, announce: Announce | None) -> bool:
        """Reads the file, makes the edit and writes the temporary file; False where there is nothing to do."""
        self.discard()
        self.before = self.after = None  # the file may be large
        self._seen = _status(self._target)
        self.before = read(self._target)
        self.after = edit(self.before)
        if self.after == self.before:
            return False
        _check_writable(self._file, self._target, self._seen)
        if announce is not None:
            announce(self.before, self.after)
        if self.after is not None:
            name = f".{self._target.name}{TEMPORARY}{os.getpid()}.{secrets.token_hex(4)}.tmp"
            self._temporary = self._target.with_name(name)
            with _named(self._file):
                _write_new(self._temporary, self.after, self._mode, self._seen)
        return True

    def carry_out(self, check: Check) -> bool:
        """Puts the new content in place; False, and nothing done, where the file is another by now.

        `check` raises where the lock is no longer ours.
        """
        if os.path.realpath(self._file) != str(self._target):
            raise FileError(f"{self._file} now points to a different file", "run this again")
        with _named(self._file):
            if _changed(self._target, self._seen) or not _holds(self._target, self.before):
                return False
            check()
            if self._temporary is None:
                self._target.unlink()
            elif self._seen is None:
                if not _put_new(self._temporary, self._target):
                    return False
            else:
                self._replace(self._temporary)
                self._temporary = None
            _sync_folder(self._target.parent)
        return True

    def _replace(self, temporary: Path) -> None:
        try:
            os.replace(temporary, self._target)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            assert self.after is not None
            _write_in_place(self._target, self.after)
            temporary.unlink()

    def discard(self) -> None:
        """Removes the temporary file, where it is still there."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            with _named(self._file):
                temporary.unlink(missing_ok=True)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Makes the system's error one that names `file`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{file} cannot be written: {error.strerror}") from None


def _holds(target: Path, data: bytes | None) -> bool:
    """Whether the file's content is `data` (None: no file); read in pieces, since it may be large."""
    try:
        with target.open("rb") as stream:
            return data is not None and same_content(stream, data)
    except FileNotFoundError:
        return data is None


def same_content(stream: BinaryIO, data: bytes) -> bool:
    """Whether what is left of `stream` is `data`."""
    pieces = all(stream.read(_PIECE) == data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
    return pieces and not stream.read(1)


def _check_writable(file: Path, target: Path, seen: os.stat_result | None) -> None:
    """A file that its owner made read-only is an error, not an obstacle: for root too."""
    if seen is not None and (not seen.st_mode & 0o222 or not os.access(target, os.W_OK)):
        raise FileError(f"{file} is read-only", f"chmod u+w {file}")


def _put_new(temporary: Path, target: Path) -> bool:
    """False where somebody else has made the file meanwhile: Claude Code makes its state file without its lock."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        os.replace(temporary, target)
    temporary.unlink(missing_ok=True)
    return True


def _write_in_place(target: Path, data: bytes) -> None:
    """For a file that is a mount of its own, as in dev containers: nothing can take its place."""
    with target.open("r+b") as stream:
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


def _write_new(temporary: Path, data: bytes, mode: int, like: os.stat_result | None) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode if like is None else 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        if like is not None and hasattr(os, "fchmod"):
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # only root may give a file away; the mode below still holds
                    os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        os.fsync(descriptor)


def _status(target: Path) -> os.stat_result | None:
    try:
        return target.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{target} cannot be read: {error.strerror}") from None


def _changed(target: Path, seen: os.stat_result | None) -> bool:
    now = _status(target)
    if now is None or seen is None:
        return now is not seen
    return (now.st_ino, now.st_size, now.st_mtime_ns) != (seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _sync_folder(folder: Path) -> None:
    """Makes the folder's new content last, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
