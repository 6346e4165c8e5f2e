"""Making, copying, swapping and removing folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from .errors import InstallerError


class FolderError(InstallerError):
    """A folder cannot be made, copied or removed; the message has its path and the system's reason."""


def make(folder: Path, mode: int = 0o777) -> list[Path]:
    """Makes `folder` and its parents where they are missing; gives those that were made, the outermost first."""
    missing: list[Path] = []
    parent = folder
    while not parent.exists():
        missing.insert(0, parent)
        parent = parent.parent
    try:
        for path in missing:
            path.mkdir(mode)
    except OSError as error:
        raise FolderError(f"{error.filename} cannot be made: {error.strerror}") from None
    return missing


def replace(target: Path, source: Path, names: Iterable[str]) -> None:
    """Makes `target` a copy of the files `names` of `source`, in one step as others see it.

    The copy is made beside the folder that holds `target`, never in it: clients load every folder in there. Only
    where that is another file system it is made inside, one level deeper than clients look.
    An earlier `target` goes away with the staging folder, and comes back if the swap fails. Raises FolderError.
    """
    import tempfile

    holder = Path(os.path.realpath(target.parent))
    final = holder / target.name
    try:
        with tempfile.TemporaryDirectory(prefix=".accessing-mlflow-", dir=_staging_place(holder)) as staging:
            fresh, old = Path(staging, "new"), Path(staging, "old")
            _copy(source, fresh, names)
            if final.exists():
                final.rename(old)
            try:
                fresh.rename(final)
            except OSError:
                if old.exists():
                    old.rename(final)
                raise
    except OSError as error:
        raise FolderError(f"{target} cannot be written: {error.strerror or error}") from None


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


def remove(folder: Path) -> None:
    """Removes `folder` in one step as others see it: it is moved out of its parent first. Raises FolderError."""
    import tempfile

    holder = Path(os.path.realpath(folder.parent))
    try:
        with tempfile.TemporaryDirectory(prefix=".accessing-mlflow-", dir=_staging_place(holder)) as staging:
            (holder / folder.name).rename(Path(staging, "old"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise FolderError(f"{folder} cannot be removed: {error.strerror}") from None


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
        raise FolderError(f"{folder} cannot be removed: {error.strerror}") from None


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
