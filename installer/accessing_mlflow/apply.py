"""Carries out plans: the only place that decides to write. `files` and `folders` do it safely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from . import entry as entries
from . import files, folders, reading
from . import record as records
from .documents import jsonc
from .environment import Environment
from .errors import InstallerError
from .record import EntryRecord, Record, SkillRecord
from .steps import UNCHANGED, BackupsStep, EntryStep, Plan, SkillStep, Step, StoreStep


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
    return state.saved


class _Run:
    """One run: the record as it grows, and where copies went."""

    def __init__(self, record: Record, version: str, env: Environment) -> None:
        self.record = record
        self.version = version
        self.env = env
        self.saved: list[str] = []

    def carry_out(self, step: Step) -> None:
        if isinstance(step, EntryStep):
            self._entry(step)
        elif isinstance(step, SkillStep):
            self._skill(step)
        elif step.outcome not in UNCHANGED:
            self._private_folder(step)

    def _private_folder(self, step: StoreStep | BackupsStep) -> None:
        if step.outcome == "made":
            self._make_folder(step.folder, 0o700)
        else:
            folders.remove(step.folder)
            self._forget(step.folder)
            self._remove_made_folders(step.folder.parent)

    def _entry(self, step: EntryStep) -> None:
        if step.outcome == "absent":
            self.record = self.record.with_entry(step.file, step.keys, None)
        if step.outcome in UNCHANGED:
            return
        known = self.record.entry(step.file, step.keys)
        if step.after is not None and step.outcome != "restored":
            self._write_entry(step, known)
        else:
            self._take_entry_away(step, known)

    def _write_entry(self, step: EntryStep, known: EntryRecord | None) -> None:
        self._make_folder(step.file.parent)

        def edit(data: bytes | None) -> bytes:
            _check_still(step, data)
            return _with_entry(data or b"", step.keys, step.before, step.after)

        before, after = _rewrite(step.file, edit)
        assert after is not None
        made = _missing_objects(step.file, before, step.keys)
        self.record = replace(self.record, objects=(*self.record.objects, *made))
        self.record = self.record.with_entry(step.file, step.keys, _entry_record(step, known, before, after))

    def _take_entry_away(self, step: EntryStep, known: EntryRecord | None) -> None:
        def edit(data: bytes | None) -> bytes | None:
            _check_still(step, data)
            assert data is not None
            if known is not None and known.inverse is not None:
                exact, before = records.inverted(known.inverse, data)
                if exact:
                    return before
            if step.after is not None:
                return _with_entry(data, step.keys, step.before, step.after)
            return _without_entry(step.file, data, step.keys, self.record.objects)

        _, after = _rewrite(step.file, edit)
        gone = _missing_objects(step.file, after, step.keys)
        rest = tuple(made for made in self.record.objects if made not in gone)
        self.record = replace(self.record, objects=rest).with_entry(step.file, step.keys, None)
        self._remove_made_folders(step.file.parent)

    def _skill(self, step: SkillStep) -> None:
        known = self.record.skills.get(str(step.folder))
        if step.skill is None:
            self._take_skill_away(step, known)
            return
        if step.outcome not in UNCHANGED:
            self._make_folder(step.folder.parent)
            self._save_copy(step)
            folders.replace(step.folder, step.skill.folder, step.skill.files)
        users = tuple(sorted({*(known.users if known else ()), step.user}))
        self.record = self.record.with_skill(step.folder, SkillRecord(self.version, dict(step.skill.files), users))

    def _take_skill_away(self, step: SkillStep, known: SkillRecord | None) -> None:
        if step.outcome == "removed":
            self._save_copy(step)
            folders.remove(step.folder)
            self._remove_made_folders(step.folder.parent)
        rest = tuple(user for user in known.users if user != step.user) if known else ()
        gone = step.outcome in ("removed", "absent") or not rest
        if known:
            self.record = self.record.with_skill(step.folder, None if gone else replace(known, users=rest))

    def _save_copy(self, step: SkillStep) -> None:
        if step.save:
            copy = folders.save(step.folder, self.env.state_folder / "backups" / "skills")
            self.saved.append(f"The earlier folder is kept in {self.env.shown(copy)}")

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
    current = None if data is None else jsonc.read_member(data, step.keys)
    if current != step.before:
        raise PlanOutdated(f"{step.file}: the entry was changed by another program just now", "run this again")


def _missing_objects(file: Path, data: bytes | None, keys: tuple[str, ...]) -> list[str]:
    """The objects on the way to an entry that are not there, the document itself included, as the record names them."""
    if data is None:
        return [records.entry_id(file, keys[:depth]) for depth in range(len(keys))]
    return [
        records.entry_id(file, keys[:depth])
        for depth in range(1, len(keys))
        if jsonc.read_member(data, keys[:depth]) is None
    ]


def _with_entry(data: bytes, keys: tuple[str, ...], before: object, after: object) -> bytes:
    for path, value in entries.differences(before, after):
        data = jsonc.set_member(data, (*keys, *path), value)
    return data


def _without_entry(file: Path, data: bytes, keys: tuple[str, ...], made: Sequence[str]) -> bytes | None:
    """`data` without the entry, and without the objects around it that were `made` for an entry and are empty now."""
    data = jsonc.remove_member(data, keys)
    for depth in range(len(keys) - 1, -1, -1):
        if jsonc.read_member(data, keys[:depth]) != {} or records.entry_id(file, keys[:depth]) not in made:
            break
        if depth == 0:
            return None
        data = jsonc.remove_member(data, keys[:depth])
    return data


def _entry_record(step: EntryStep, known: EntryRecord | None, before: bytes | None, after: bytes) -> EntryRecord:
    """What has to be remembered: against the state before the first installation, as far as it can be told."""
    assert step.after is not None
    if known is None or step.before is None:
        return EntryRecord(step.before, step.after, records.inverse_of(before, after))
    inverse = None
    if known.inverse is not None and before is not None:
        exact, original = records.inverted(known.inverse, before)
        inverse = records.inverse_of(original, after) if exact else None
    return EntryRecord(known.before, step.after, inverse)


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
