"""The last versions of the files that this program has changed, in its state folder, for their owner only."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from .errors import InstallerError
from .files import same_content
from .record import digest

KEPT = 5


def keep(state_folder: Path, file: Path, data: bytes) -> None:
    """Puts `data`, what `file` holds now, with its last versions. Raises InstallerError."""
    folder = folder_of(state_folder, file)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        versions = of(state_folder, file)
        if versions and _holds(versions[-1], data):
            return
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{time.time_ns() % 10**9:09}{file.suffix}"
        if versions and name <= versions[-1].name:  # the clock was set back
            name = f"{versions[-1].stem}z{file.suffix}"
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        for old in of(state_folder, file)[:-KEPT]:
            old.unlink()
    except OSError as error:
        with suppress(OSError, UnboundLocalError):
            (folder / name).unlink()
        raise InstallerError(
            f"{file} cannot be saved in {folder}: {error.strerror}", "see who may write there"
        ) from None


def _holds(file: Path, data: bytes) -> bool:
    """Whether the file's content is `data`."""
    if file.stat().st_size != len(data):
        return False
    with file.open("rb") as stream:
        return same_content(stream, data)


def of(state_folder: Path, file: Path) -> list[Path]:
    """The versions of `file` that are kept, the oldest first."""
    folder = folder_of(state_folder, file)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def folder_of(state_folder: Path, file: Path) -> Path:
    """Where the versions of `file` lie: `backups/files/<name>-<hash of its path>`."""
    return state_folder / "backups" / "files" / f"{file.name}-{digest(os.fsencode(file))[:12]}"
