"""Carries out plans: the only place that decides to write. `files` and `folders` do it safely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from . import entry as entries
from . import files, folders, reading
from . import record as records
from .environment import Environment
from .errors import InstallerError
from .record import EntryRecord, Inverse, Record, SkillRecord
from .steps import UNCHANGED, EntryStep, FolderStep, Plan, SkillStep, Step


class PlanOutdated(InstallerError):
    """What a plan was made from has changed since; nothing was written over it."""


def apply(plans: Sequence[Plan], version: str, env: Environment) -> list[str]:
    """Carries out every step, in order, and remembers each; gives lines about copies that were saved.

    A run that changes nothing writes nothing. Raises InstallerError at the first step that fails; what was done
    by then is remembered, so that uninstalling finds it.
    """
    before = records.read(env.state_folder)
    state = _Run(before, version, env)
    try:
        for plan in plans:
            for step in plan.steps:
                state.carry_out(step)
    finally:
        if state.record != before:
            _save(state.record, env.state_folder)
    return [f"The earlier folder is kept in {env.shown(copy)}" for copy in state.saved]


class _Run:
    """One run: the record as it grows, and where copies went."""

    def __init__(self, record: Record, version: str, env: Environment) -> None:
        self.record = record
        self.version = version
        self.env = env
        self.saved: list[Path] = []

    def carry_out(self, step: Step) -> None:
        if isinstance(step, EntryStep):
            self._entry(step)
        elif isinstance(step, SkillStep):
            self._skill(step)
        elif step.outcome not in UNCHANGED:
            self._private_folder(step)

    def _private_folder(self, step: FolderStep) -> None:
        if step.outcome == "made":
            self._make_folder(step.folder, 0o700)
        elif step.name == "backups":
            folders.clear(step.folder, keep=self.saved)
        else:
            folders.remove(step.folder)
            self._forget(step.folder)
            self._remove_made_folders(step.folder.parent)

    def _entry(self, step: EntryStep) -> None:
        known = self.record.entry(step.path, step.keys)
        if step.outcome in ("absent", "left"):
            self.record = self.record.with_entry(step.path, step.keys, None)
        if step.outcome == "unchanged" and known is None:
            self.record = self.record.with_entry(step.path, step.keys, _entry_record(step, None, None, None))
        if step.outcome in UNCHANGED:
            return
        if step.after is not None and step.outcome != "restored":
            self._write_entry(step, known)
        else:
            self._take_entry_away(step, known)

    def _write_entry(self, step: EntryStep, known: EntryRecord | None) -> None:
        self._make_folder(step.path.parent)

        def edit(data: bytes | None) -> bytes:
            _check_still(step, data)
            return _with_entry(data or b"", step)

        before, after = _rewrite(step.path, edit)
        assert after is not None
        made = _missing_objects(before, step)
        self.record = replace(self.record, objects=(*self.record.objects, *made))
        self.record = self.record.with_entry(step.path, step.keys, _entry_record(step, known, before, after))

    def _take_entry_away(self, step: EntryStep, known: EntryRecord | None) -> None:
        def edit(data: bytes | None) -> bytes | None:
            _check_still(step, data)
            assert data is not None
            if known is not None and known.inverse is not None:
                exact, before = records.inverted(known.inverse, data)
                if exact:
                    return before
            if step.after is not None:
                return _with_entry(data, step)
            return _without_entry(data, step, self.record.objects)

        _, after = _rewrite(step.path, edit)
        gone = _missing_objects(after, step)
        rest = tuple(made for made in self.record.objects if made not in gone)
        self.record = replace(self.record, objects=rest).with_entry(step.path, step.keys, None)
        self._remove_made_folders(step.path.parent)

    def _skill(self, step: SkillStep) -> None:
        known = self.record.skills.get(str(step.folder))
        if step.skill is None:
            self._take_skill_away(step)
            return
        if step.outcome == "shared" and known is None:
            return  # a copy that this program did not install is not its to look after
        if step.outcome not in UNCHANGED:
            self._make_folder(step.folder.parent)
            self._save_copy(step)
            folders.replace(step.folder, step.skill.folder, step.skill.files)
        users = tuple(sorted({*(known.users if known else ()), step.user}))
        found = known.found if known else step.outcome == "unchanged"
        record = SkillRecord(self.version, dict(step.skill.files), users, found and step.outcome in UNCHANGED)
        self.record = self.record.with_skill(step.folder, record)

    def _take_skill_away(self, step: SkillStep) -> None:
        if step.outcome == "removed":
            self._save_copy(step)
            folders.remove(step.folder)
            self._remove_made_folders(step.folder.parent)
        for folder, known in self.record.skills.items():
            gone = Path(folder) == step.folder and step.outcome in ("removed", "absent", "left")
            users = tuple(user for user in known.users if user != step.user)
            rest = None if gone or not users else replace(known, users=users)
            self.record = self.record.with_skill(Path(folder), rest)

    def _save_copy(self, step: SkillStep) -> None:
        if step.save:
            self.saved.append(folders.save(step.folder, self.env.state_folder / "backups" / "skills"))

    def _make_folder(self, folder: Path, mode: int = 0o777) -> None:
        made = tuple(str(path) for path in folders.make(folder, mode))
        self.record = replace(self.record, folders=(*self.record.folders, *made))

    def _remove_made_folders(self, folder: Path) -> None:
        """Removes `folder` and those above it, as far as this program made them and they are empty now."""
        mine = [path for path in (folder, *folder.parents) if str(path) in self.record.folders]
        self._forget(*folders.remove_if_empty(mine))

    def _forget(self, *gone: Path) -> None:
        rest = tuple(path for path in self.record.folders if Path(path) not in gone)
        self.record = replace(self.record, folders=rest)


def _rewrite(file: Path, edit: Callable[[bytes | None], bytes | None]) -> tuple[bytes | None, bytes | None]:
    with reading.located(file):
        return files.rewrite(file, edit)


def _check_still(step: EntryStep, data: bytes | None) -> None:
    """The edit is made in what the file holds now; the entry itself has to be the one that the plan was made for."""
    current = None if data is None else step.place.format.read_member(data, step.keys)
    if current != step.before:
        raise PlanOutdated(f"{step.path}: the entry was changed by another program just now", "run this again")


def _missing_objects(data: bytes | None, step: EntryStep) -> list[str]:
    """The objects on the way to an entry that are not there, the document itself included, as the record names them."""
    keys = step.keys
    if data is None:
        return [records.entry_id(step.path, keys[:depth]) for depth in range(len(keys))]
    return [
        records.entry_id(step.path, keys[:depth])
        for depth in range(1, len(keys))
        if step.place.format.read_member(data, keys[:depth]) is None
    ]


def _with_entry(data: bytes, step: EntryStep) -> bytes:
    for path, value in entries.differences(step.before, step.after):
        data = step.place.format.set_member(data, (*step.keys, *path), value)
    return data


def _without_entry(data: bytes, step: EntryStep, made: Sequence[str]) -> bytes | None:
    """`data` without the entry, and without the objects around it that were `made` for an entry and are empty now."""
    document, keys = step.place.format, step.keys
    data = document.remove_member(data, keys)
    for depth in range(len(keys) - 1, -1, -1):
        if document.read_member(data, keys[:depth]) != {} or records.entry_id(step.path, keys[:depth]) not in made:
            break
        if depth == 0:
            return None
        data = document.remove_member(data, keys[:depth])
    return data


def _entry_record(step: EntryStep, known: EntryRecord | None, before: bytes | None, after: bytes | None) -> EntryRecord:
    """What has to be remembered: against the state before the first installation, as far as it can be told.

    `before` and `after`: the file's content; no `after` where the entry was there already, and nothing was written.
    """
    original, inverse = step.before, None
    if after is not None:
        inverse = records.inverse_of(before, after)
        if known is not None and step.before is not None and known.before != known.installed:
            original, inverse = known.before, _inverse_of_both(known.inverse, before, after)
    return EntryRecord(step.client, str(step.path), step.keys, original, step.after, inverse)


def _inverse_of_both(earlier: Inverse | None, before: bytes | None, after: bytes) -> Inverse | None:
    """The inverse of an earlier edit and this one; None where others have changed the file in between."""
    if earlier is None or before is None:
        return None
    exact, original = records.inverted(earlier, before)
    return records.inverse_of(original, after) if exact else None


def _save(record: Record, folder: Path) -> None:
    """Writes the record; one that holds nothing but its own folders goes, with them."""
    own = [path for path in map(Path, record.folders) if path == folder or path in folder.parents]
    if not record.entries and not record.skills and len(own) == len(record.folders):
        files.rewrite(folder / records.FILE, lambda _: None)
        folders.remove_if_empty(own)
        return
    made = tuple(str(path) for path in folders.make(folder, 0o700))
    record = replace(record, folders=(*record.folders, *made))
    files.rewrite(folder / records.FILE, lambda _: records.to_bytes(record))
