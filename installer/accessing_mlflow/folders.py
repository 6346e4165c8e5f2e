"""Making, copying, swapping and removing folders."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from .errors import InstallerError


class FolderError(InstallerError):
    """A folder cannot be made, copied or removed; the message has its path and the system's reason."""


def missing(folder: Path) -> list[Path]:
    """Those of `folder` and its parents that are not there, the outermost first."""
    return [path for path in (*reversed(folder.parents), folder) if not path.exists()]


def make(folder: Path, mode: int = 0o777) -> list[Path]:
    """Makes `folder` and its parents where they are missing; gives those that were made, the outermost first."""
    paths = missing(folder)
    try:
        for path in paths:
            path.mkdir(mode, exist_ok=True)  # another program may make it just now
    except OSError as error:
        remove_if_empty(paths)
        raise FolderError(f"{error.filename or folder} cannot be made: {error.strerror}") from None
    return paths


class Swap:
    """A folder is replaced by a copy of another one, or removed, in two steps: `make`, then `end` or `undo`.

    The copy is made beside the folder that holds `target`, never in it: clients load every folder in there. Only where
    that is another file system it is made inside, one level deeper than clients look. What was there before waits in
    the staging folder until the end.
    """

    def __init__(self, target: Path, source: Path | None, names: Iterable[str]) -> None:
        """`source`: None to remove. Nothing is done yet."""
        self._holder = Path(os.path.realpath(target.parent))
        self._final = self._holder / target.name
        self._shown = target
        self._source = source
        self._names = tuple(names)
        self._is_put = False
        self.staging = _staging_place(self._holder) / f".accessing-mlflow-{os.getpid()}-{secrets.token_hex(4)}"

    def make(self) -> None:
        """Two renames on one file system. Raises FolderError, with everything as it was."""
        fresh, old = self.staging / "new", self.staging / "old"
        try:
            self.staging.mkdir(0o700)
            if self._source is not None:
                _copy(self._source, fresh, self._names)
            if self._final.exists():
                self._final.rename(old)
            if self._source is not None:
                fresh.rename(self._final)
                self._is_put = True
        except OSError as error:
            self.undo()
            raise FolderError(f"{self._shown} cannot be written: {error.strerror or error}") from None

    def undo(self) -> None:
        """What was there before is there again. Raises FolderError."""
        import shutil

        old = self.staging / "old"
        try:
            if not self.staging.is_dir():
                return
            if self._is_put and self._final.exists():
                self._final.rename(self.staging / "undone")
            if old.exists():
                old.rename(self._final)
            shutil.rmtree(self.staging)
        except OSError as error:
            raise FolderError(f"{self._shown} cannot be put back from {old}: {error.strerror or error}") from None

    def end(self) -> None:
        """What was there before goes. Raises FolderError."""
        import shutil

        try:
            shutil.rmtree(self.staging)
        except OSError as error:
            raise FolderError(f"{self.staging} cannot be removed: {error.strerror or error}") from None


def save(folder: Path, backups: Path) -> Path:
    """Copies `folder` into a new, private folder below `backups`; gives the copy's path. Raises FolderError."""
    import shutil
    import tempfile

    try:
        make(backups, 0o700)
        place = Path(tempfile.mkdtemp(prefix=folder.name + "-", dir=backups))
        shutil.copytree(folder, place / folder.name, symlinks=True)
    except (OSError, shutil.Error) as error:
        raise FolderError(f"{folder} cannot be saved in {backups}: {error}") from None
    return place / folder.name


def clear(folder: Path, keep: Collection[Path]) -> None:
    """Removes `folder` with all that is in it, but for the folders to `keep` and those on the way to them.

    Raises FolderError.
    """
    import shutil

    try:
        if not any(folder == kept or folder in kept.parents for kept in keep):
            shutil.rmtree(folder)
        elif folder not in keep:
            for child in folder.iterdir():
                clear(child, keep) if child.is_dir() else child.unlink()
    except OSError as error:
        raise FolderError(
            f"{folder} cannot be removed: {error.strerror or error}", f"see what is in {folder}"
        ) from None


def is_empty(folder: Path) -> bool:
    """Whether there is such a folder with nothing in it, as far as it can be read."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return False


def remove_if_empty(paths: Iterable[Path]) -> list[Path]:
    """Removes those of `paths` that are empty folders, the innermost first; gives the ones removed."""
    removed = []
    for path in sorted(paths, key=lambda p: len(p.parts), reverse=True):
        with suppress(OSError):
            path.rmdir()
            removed.append(path)
    return removed


def _staging_place(holder: Path) -> Path:
    same = holder.stat().st_dev == holder.parent.stat().st_dev
    return holder.parent if same and os.access(holder.parent, os.W_OK) else holder


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copies files with their executable bits, not their times or owner: the new files are the user's own."""
    import shutil

    for name in names:
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, copy)
        if os.access(source / name, os.X_OK):
            copy.chmod(copy.stat().st_mode | 0o111)
