"""What a run is about to do, written down before it does it, so that the next run can clear up after a kill.

The record follows only when a change is made. A run that was killed in between left the change, or it did not: the
journal has the record that goes with the change, and how to tell.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from . import bundle, files, locks
from . import record as records
from .clients import CLIENTS
from .documents import DocumentError
from .errors import InstallerError
from .record import Record

FILE = "journal.json"


class EntryChange(NamedTuple):
    """An entry becomes `after` (None: no entry). `locked`: under the lock of the client, too."""

    client: str
    file: str
    keys: tuple[str, ...]
    after: Any
    locked: bool


class SkillChange(NamedTuple):
    """The folder `folder`, a skill's or that of a pin, comes to hold `files` (None: it goes), by way of
    the folder `staging`.
    """

    folder: str
    staging: str
    files: dict[str, str] | None
    known: dict[str, Any] | None = None
    """What the record had of it before."""


class Journal(NamedTuple):
    """`record`: the one that goes with the last of the changes. Of the others it has been written already."""

    record: Record
    last: EntryChange | SkillChange
    skills: tuple[SkillChange, ...]
    """The skill folders that were changed in this run, whose staging folders are there until its end."""


def write(folder: Path, journal: Journal) -> None:
    """Writes the journal, to stay. Raises FileError."""
    data = {
        "record": json.loads(records.to_bytes(journal.record)),
        "entry": journal.last._asdict() if isinstance(journal.last, EntryChange) else None,
        "skills": [change._asdict() for change in journal.skills],
    }
    files.rewrite(folder / FILE, lambda _: json.dumps(data).encode("ascii"))


def is_there(folder: Path) -> bool:
    """Whether a run was killed, or is at work."""
    return (folder / FILE).exists()


def remove(folder: Path) -> None:
    """Ends a run. Raises FileError."""
    files.rewrite(folder / FILE, lambda _: None)


def recover(folder: Path) -> bool:
    """Finishes or reverts what a killed run left half done, and says whether there was such a run.

    To be called under the program's own lock. Raises InstallerError where what is there cannot be told apart.
    """
    _remove_leftovers(folder)
    text = files.read(folder / FILE)
    if text is None:
        return False
    try:
        data = json.loads(text)
        record = records.from_data(data["record"])
        skills = [SkillChange(**change) for change in data["skills"]]
        entry = EntryChange(**{**data["entry"], "keys": tuple(data["entry"]["keys"])}) if data["entry"] else None
    except (ValueError, KeyError, TypeError) as error:
        file = folder / FILE
        raise InstallerError(f"{file} cannot be read: {type(error).__name__}", f"mv {file} {file}.old") from None
    for change in skills:
        _settle(change)
    if entry is not None:
        _remove_leftovers(Path(os.path.realpath(entry.file)).parent)
        if entry.locked and Path(entry.file).parent.is_dir():
            with locks.of_claude_code(Path(entry.file)):  # the killed run's is taken over once it is stale
                pass
    # Folders are remembered before they are made, without an entry in the journal.
    there = records.read(folder)
    record = record._replace(folders=tuple(dict.fromkeys((*record.folders, *there.folders))))
    if not (_is_done(entry) if entry is not None else _is_done_skill(skills[-1])):
        record = there
    for change in skills:  # one that was undone by a run that could not write its record any more
        if change.known is not None and not _is_done_skill(change):
            record = record.with_skill(Path(change.folder), records.skill_from_data(change.known))
    if record != there:
        files.rewrite(folder / records.FILE, lambda _: records.to_bytes(record))
    remove(folder)
    return True


def _settle(change: SkillChange) -> None:
    """A folder that was on its way goes back, and the staging folder goes."""
    folder, staging = Path(change.folder), Path(change.staging)
    old = staging / "old"
    with suppress(FileNotFoundError):
        if change.files is not None and not folder.exists() and old.exists():
            old.rename(Path(os.path.realpath(folder.parent)) / folder.name)
        import shutil

        shutil.rmtree(staging)


def _is_done(change: EntryChange) -> bool:
    """Whether the change was made before the run was killed."""
    data = files.read(Path(change.file))
    if data is None:
        return change.after is None
    try:
        return bool(CLIENTS[change.client].format.read_member(data, change.keys) == change.after)
    except DocumentError:  # somebody has broken the file since
        return False


def _is_done_skill(change: SkillChange) -> bool:
    folder = Path(change.folder)
    found = bundle.file_hashes(folder) if folder.is_dir() else None
    return found == change.files


def _remove_leftovers(folder: Path) -> None:
    """Removes the temporary files of runs that were killed; not those of another user who is at work just now."""
    if folder.is_dir():
        for path in folder.glob(f".*{files.TEMPORARY}*.tmp"):
            if not _is_running(path.name.partition(files.TEMPORARY)[2].partition(".")[0]):
                path.unlink(missing_ok=True)


def _is_running(number: str) -> bool:
    if not number.isdigit() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
