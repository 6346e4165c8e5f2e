"""Writing files that belong to other programs. The only module, with `folders`, that changes anything on disk."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from .errors import InstallerError

Edit = Callable[[bytes | None], bytes | None]
Announce = Callable[[bytes | None, bytes | None], None]
TEMPORARY = ".accessing-mlflow."
"""In the name of every temporary file, before the number of the process that made it."""

_ATTEMPTS = 5


class FileError(InstallerError):
    """A file cannot be read or written; the message has its path and the system's reason."""


def read(file: Path) -> bytes | None:
    """The content of `file`; None where there is none. Raises FileError."""
    try:
        if file.exists() and not file.is_file():
            raise FileError(f"{file} is not a regular file")
        return file.read_bytes()
    except FileNotFoundError:
        if file.is_symlink():
            raise FileError(f"{file} is a symlink to nothing: {os.readlink(file)}", f"rm {file}") from None
        return None
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from None


def rewrite(
    file: Path,
    edit: Edit,
    *,
    announce: Announce | None = None,
    lock: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[bytes | None, bytes | None]:
    """Makes `edit` of the content of `file` its content, atomically; gives the content before and after.

    `edit` gets None for an absent file and gives None for no file; the same bytes mean that nothing is written.
    `announce` is told what is about to be written in place of what, just before. `lock` is held from the reading on.
    A symlink is written through; mode and owner stay; a new file is readable by its owner only. Where another
    program changed the file meanwhile, the edit is made anew. Raises FileError, and whatever the others raise.
    """
    target = Path(os.path.realpath(file))
    with lock():
        for _ in range(_ATTEMPTS):
            seen = _status(target)
            before = read(target)
            after = edit(before)
            if after == before:
                return before, after
            _check_writable(file, target, seen)
            if announce is not None:
                announce(before, after)
            try:
                if _replaced(target, after, seen):
                    return before, after
            except OSError as error:
                raise FileError(f"{file} cannot be written: {error.strerror}") from None
    raise FileError(f"{file} is being changed by another program all the time", "close it and run this again")


def _check_writable(file: Path, target: Path, seen: os.stat_result | None) -> None:
    """A file that its owner made read-only is an error, not an obstacle: for root too."""
    if seen is not None and (not seen.st_mode & 0o222 or not os.access(target, os.W_OK)):
        raise FileError(f"{file} is read-only", f"chmod u+w {file}")


def _replaced(target: Path, data: bytes | None, seen: os.stat_result | None) -> bool:
    """Puts `data` in the place of the file that was `seen`; False, and nothing done, where it is another by now."""
    if data is None:
        if _changed(target, seen):
            return False
        target.unlink()
        _sync_folder(target.parent)
        return True
    temporary = target.with_name(f".{target.name}{TEMPORARY}{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        _write_new(temporary, data, seen)
        if _changed(target, seen):
            return False
        if seen is None:
            return _put_new(temporary, target)
        try:
            os.replace(temporary, target)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _write_in_place(target, data)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)
    return True


def _put_new(temporary: Path, target: Path) -> bool:
    """False where somebody else has made the file meanwhile: Claude Code makes its state file without its lock."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        os.replace(temporary, target)
    temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return True


def _write_in_place(target: Path, data: bytes) -> None:
    """For a file that is a mount of its own, as in dev containers: nothing can take its place."""
    with target.open("r+b") as stream:
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


def _write_new(temporary: Path, data: bytes, like: os.stat_result | None) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
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
