"""What this program has put where, and what was there before: so that it can be taken away again exactly.

Where there is no record, unedited skills are known by their hashes and entries by what they run. It may hold values
that the user had in an entry, so it is readable by its owner only.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from .errors import InstallerError

FILE = "record.json"
SCHEMA = 1
_PIECE = 1 << 18

_T = TypeVar("_T")


class Inverse(NamedTuple):
    """How to turn a file whose content hashes to `after` back into the one that hashes to `before`.

    `length` bytes at `offset` become `removed` again (base64). `before` is empty where there was no file.
    """

    after: str
    before: str
    offset: int
    length: int
    removed: str


class EntryRecord(NamedTuple):
    """An entry: what it was before (None: absent), and what was written. The same: it was there already."""

    client: str
    file: str
    keys: tuple[str, ...]
    before: Any
    installed: Any
    inverse: Inverse | None


class SkillRecord(NamedTuple):
    """A skill folder: the hashes of its files as written, and the installations that rely on it.

    `found`: it was there, unedited, before the first of them.
    """

    version: str
    files: dict[str, str]
    users: tuple[str, ...]
    found: bool = False


class Record(NamedTuple):
    """`entries` by file and keys, `skills` by folder.

    `folders` and `objects` (by file and keys; without keys the document itself) are those that were made on the way.
    """

    entries: Mapping[str, EntryRecord] = MappingProxyType({})
    skills: Mapping[str, SkillRecord] = MappingProxyType({})
    folders: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    def entry(self, file: Path, keys: tuple[str, ...]) -> EntryRecord | None:
        """What is known of the entry at `keys` in `file`."""
        return self.entries.get(entry_id(file, keys))

    def with_entry(self, file: Path, keys: tuple[str, ...], record: EntryRecord | None) -> Record:
        """This record with another one of that entry, or without it."""
        return self._replace(entries=_with(self.entries, entry_id(file, keys), record))

    def with_skill(self, folder: Path, record: SkillRecord | None) -> Record:
        """This record with another one of that skill folder, or without it."""
        return self._replace(skills=_with(self.skills, str(folder), record))


def entry_id(file: Path, keys: tuple[str, ...]) -> str:
    """The name of an entry in the record: its file and JSON pointer."""
    return f"{file}#" + "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def read(folder: Path) -> Record:
    """The record in the state folder; empty where there is none. Raises InstallerError where it is not readable."""
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Record()
    except OSError as error:
        raise InstallerError(f"{file} cannot be read: {error.strerror}", f"see what {folder} is") from None
    except UnicodeDecodeError:
        raise _unreadable(file, "it is not UTF-8") from None
    try:
        return from_data(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(file, f"{type(error).__name__}: {error}") from None


def to_bytes(record: Record) -> bytes:
    """The file's content."""
    data = {
        "schema": SCHEMA,
        "entries": {key: _entry_data(entry) for key, entry in record.entries.items()},
        "skills": {key: skill._asdict() for key, skill in record.skills.items()},
        "folders": record.folders,
        "objects": record.objects,
    }
    return (json.dumps(data, indent=2) + "\n").encode("ascii")


def _entry_data(entry: EntryRecord) -> dict[str, Any]:
    return {**entry._asdict(), "inverse": entry.inverse._asdict() if entry.inverse else None}


def inverse_of(before: bytes | None, after: bytes) -> Inverse:
    """The inverse of the edit that made `before` into `after`."""
    old = before or b""
    start = _common_prefix(old, after)
    end = _common_suffix(old, after, min(len(old), len(after)) - start)
    return Inverse(
        after=digest(after),
        before="" if before is None else digest(before),
        offset=start,
        length=len(after) - end - start,
        removed=binascii.b2a_base64(old[start : len(old) - end], newline=False).decode("ascii"),
    )


def combined(earlier: Inverse, later: Inverse, between: bytes) -> Inverse | None:
    """The inverse of two edits, one after the other, with the content between them; None where that was changed."""
    if later.before != earlier.after:
        return None
    removed = binascii.a2b_base64(later.removed)
    start = min(earlier.offset, later.offset)
    end = max(earlier.offset + earlier.length, later.offset + len(removed))
    original = b"".join(
        (
            between[start : earlier.offset],
            binascii.a2b_base64(earlier.removed),
            between[earlier.offset + earlier.length : end],
        )
    )
    return Inverse(
        after=later.after,
        before=earlier.before,
        offset=start,
        length=end - start - len(removed) + later.length,
        removed=binascii.b2a_base64(original, newline=False).decode("ascii"),
    )


def inverted(inverse: Inverse, current: bytes) -> tuple[bool, bytes | None]:
    """(True, the content before: None for no file) where `current` is just what was written; (False, None) else."""
    if digest(current) != inverse.after:
        return False, None
    before = restored(inverse, current)
    return inverse.before in ("", digest(before or b"")), before


def restored(inverse: Inverse, written: bytes) -> bytes | None:
    """The content before, of the content that was written; None for no file."""
    if not inverse.before:
        return None
    view = memoryview(written)  # slices of bytes would be copies, and the file may be large
    removed = binascii.a2b_base64(inverse.removed)
    return b"".join((view[: inverse.offset], removed, view[inverse.offset + inverse.length :]))


def digest(data: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def _common_prefix(one: bytes, other: bytes) -> int:
    """How many leading bytes are the same."""
    return _longest(min(len(one), len(other)), lambda low, high: one[low:high] == other[low:high])


def _common_suffix(one: bytes, other: bytes, limit: int) -> int:
    """How many trailing bytes are the same, up to `limit`."""
    return _longest(
        limit,
        lambda low, high: one[len(one) - high : len(one) - low] == other[len(other) - high : len(other) - low],
    )


def _longest(limit: int, same: Callable[[int, int], bool]) -> int:
    """The largest length up to `limit` that is the same throughout; in pieces: slices compare at memory speed."""
    low = 0
    while low < limit and same(low, min(low + _PIECE, limit)):
        low = min(low + _PIECE, limit)
    high = min(low + _PIECE, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _with(items: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    rest = {k: v for k, v in items.items() if k != key}
    return rest if value is None else {**rest, key: value}


def from_data(data: Any) -> Record:
    """Raises ValueError, KeyError or TypeError for anything that `to_bytes` would not write."""
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']}: written by another version")
    entries = {
        key: EntryRecord(
            _of(str, item["client"]),
            _of(str, item["file"]),
            _texts(item["keys"]),
            item["before"],
            item["installed"],
            Inverse(**item["inverse"]) if item["inverse"] else None,
        )
        for key, item in data["entries"].items()
    }
    skills = {key: skill_from_data(item) for key, item in data["skills"].items()}
    return Record(entries, skills, _texts(data["folders"]), _texts(data["objects"]))


def skill_from_data(item: Any) -> SkillRecord:
    """Raises KeyError or TypeError for anything that is not a SkillRecord's data."""
    return SkillRecord(_of(str, item["version"]), _of(dict, item["files"]), _texts(item["users"]), bool(item["found"]))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_of(str, value) for value in values)


def _of(kind: type[_T], value: Any) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} was expected")
    return value


def _unreadable(file: Path, reason: str) -> InstallerError:
    return InstallerError(f"{file} cannot be read: {reason}", f"mv {file} {file}.old")
