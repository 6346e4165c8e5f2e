"""Carries out plans: all of them or none. `files` and `folders` do the writing, `journal` survives a kill.

Every change is written into the journal before it is made and into the record after it. If a later one fails, the
earlier ones are undone by the inverse edit of what is there by then, never by putting old bytes back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from . import backups, files, folders, journal, locks, reading
from . import entry as entries
from . import record as records
from .bundle import Hashes
from .environment import Environment
from .errors import InstallerError
from .journal import EntryChange, Journal, SkillChange
from .record import EntryRecord, Inverse, Record, SkillRecord
from .steps import UNCHANGED, EntryStep, FolderStep, PinStep, Plan, SkillStep, Step

MakePlans = Callable[[Record], list[Plan]]

_ATTEMPTS = 5


class PlanOutdated(InstallerError):
    """What a plan was made from has changed since; nothing was written over it."""


def carry_out(make_plans: MakePlans, version: str, env: Environment) -> tuple[list[Plan], list[str]]:
    """Makes plans and carries them out; gives them, and lines about copies that were saved.

    A run that has nothing to do takes no lock and writes nothing. Under the lock the plans are made anew where another
    run came first, or another program changed the entry meanwhile. Raises InstallerError, after undoing what was done
    by then.
    """
    record = records.read(env.state_folder)
    plans = make_plans(record)
    if not _was_killed(env.state_folder) and not _has_work(plans, record, version, env):
        return plans, []
    _check_owner(env)
    state = folders.make(env.state_folder, 0o700)
    with _removed_on_error(state), locks.of_this_program(env.state_folder):
        recovered = journal.recover(env.state_folder)
        now = records.read(env.state_folder)
        if recovered or now != record:  # another run came first
            plans = make_plans(now)
        for attempt in range(_ATTEMPTS):
            run = _Run(_with_folders(now, state), version, env)
            try:
                return plans, run.carry_out(plans)
            except PlanOutdated:
                if attempt == _ATTEMPTS - 1:
                    raise
            plans = make_plans(now)
    raise AssertionError("the last attempt returns or raises")


def _unused_folders(record: Record, env: Environment) -> list[Path]:
    """The folders that this program made and that hold nothing that is installed."""
    needed = [Path(known.file) for known in record.entries.values()]
    needed = [path for path in (*needed, *map(Path, record.skills), env.store_folder) if path.exists()]
    return [
        path
        for path in map(Path, record.folders)
        if not any(path == other or path in other.parents for other in needed)
    ]


def _was_killed(state_folder: Path) -> bool:
    """Whether an earlier run has left something to clear up (or another one is at work, and is waited for)."""
    return journal.is_there(state_folder) or (state_folder / locks.FILE).exists()


@contextmanager
def _removed_on_error(paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        folders.remove_if_empty(paths)
        raise


def _with_folders(record: Record, paths: Sequence[Path]) -> Record:
    return record._replace(folders=tuple(dict.fromkeys((*record.folders, *map(str, paths)))))


def _has_work(plans: Sequence[Plan], record: Record, version: str, env: Environment) -> bool:
    steps = [step for plan in plans for step in plan.steps]
    if any(folders.is_empty(path) for path in _unused_folders(record, env)):
        return True
    return any(step.outcome not in UNCHANGED for step in steps) or _remembered(steps, record, version) != record


def _check_owner(env: Environment) -> None:
    """With sudo, files would be left in another user's home that this user cannot change any more."""
    if not hasattr(os, "geteuid"):
        return
    owner = env.home.stat().st_uid
    if owner != os.geteuid():
        raise InstallerError(
            f"{env.home} belongs to another user (number {owner}) than the one that runs this ({os.geteuid()})",
            "run this as that user, without sudo, or set HOME",
        )


class _Run:
    """One run under the lock: the record as it grows, and how to undo what was done."""

    def __init__(self, record: Record, version: str, env: Environment) -> None:
        self.before = record
        self.record = record
        self.version = version
        self.env = env
        self.saved: list[Path] = []
        self.swaps: list[tuple[folders.Swap, SkillChange]] = []
        self.undo: list[Callable[[], object]] = []

    def carry_out(self, plans: Sequence[Plan]) -> list[str]:
        steps = [step for plan in plans for step in plan.steps]
        last = [step for step in steps if isinstance(step, FolderStep) and step.outcome == "removed"]
        steps = [step for step in steps if step not in last]
        try:
            for step in steps:
                self._step(step)
            self._save_record()
        except BaseException as error:
            self._undo_all(error)
            raise
        for swap, _ in self.swaps:
            swap.end()
        for step in last:  # there is no way back from these
            self._private_folder(step)
        self._remove_made_folders()
        self._save_record()
        journal.remove(self.env.state_folder)
        self._tidy()
        return [f"The earlier folder is kept in {self.env.shown(copy)}" for copy in self.saved]

    def _step(self, step: Step) -> None:
        if isinstance(step, EntryStep) and step.outcome not in UNCHANGED:
            self._entry(step)
        elif isinstance(step, SkillStep) and step.outcome not in UNCHANGED:
            self._skill(step)
        elif isinstance(step, PinStep) and step.outcome not in UNCHANGED:
            self._pin(step)
        elif isinstance(step, FolderStep) and step.outcome not in UNCHANGED:
            self._private_folder(step)
        else:
            self.record = _remembered([step], self.record, self.version)

    def _undo_all(self, error: BaseException) -> None:
        """Raises InstallerError with what is left, where something cannot be undone."""
        left = []
        for undo in reversed(self.undo):
            try:
                undo()
            except InstallerError as other:
                left.append(str(other))
        if left:
            raise InstallerError(f"{error}; and what was done before could not be undone: {'; '.join(left)}") from error
        self.record = self.before
        self._save_record()
        journal.remove(self.env.state_folder)
        self._tidy()

    # Folders of this program's own, and those on the way to what it writes

    def _private_folder(self, step: FolderStep) -> None:
        if step.outcome == "made":
            self._make_folder(step.folder, 0o700)
        elif step.name == "backups":
            folders.clear(step.folder, keep=self.saved)
        else:
            folders.clear(step.folder, keep=())

    def _make_folder(self, folder: Path, mode: int = 0o777) -> None:
        """Remembered first: a folder that is not there is no harm in the record."""
        paths = folders.missing(folder)
        if not paths:
            return
        self.undo.append(partial(folders.remove_if_empty, paths))
        self.record = _with_folders(self.record, paths)
        self._save_record()
        folders.make(folder, mode)

    def _remove_made_folders(self) -> None:
        """Removes the folders that this program made, are empty now, and hold nothing that is installed."""
        unused = _unused_folders(self.record, self.env)
        folders.remove_if_empty(unused)
        rest = tuple(path for path in self.record.folders if Path(path) not in unused or Path(path).exists())
        self.record = self.record._replace(folders=rest)

    # Entries

    def _entry(self, step: EntryStep) -> None:
        removes = step.outcome in ("removed", "restored")
        files.check_within(step.path, step.place.within)
        if not removes:
            self._make_folder(step.path.parent)
        base = self.record  # for each attempt anew
        inverse = Inverse("", "", 0, 0, "")

        def edit(data: bytes | None) -> bytes | None:
            _check_still(step.before, step, data)
            return (
                _taken_away(step, base, data or b"")
                if removes
                else _with_entry(data or b"", step, step.before, step.after)
            )

        def announce(before: bytes | None, after: bytes | None) -> None:
            nonlocal inverse
            if not inverse.after:
                self.undo.append(lambda: self._undo_entry(step, inverse))
            if before is not None:
                backups.keep(self.env.state_folder, step.path, before)
            inverse = records.inverse_of(before, after or b"")
            self.record = _record_without(step, base, after) if removes else _record_with(step, base, before, inverse)
            locked, last = step.place.client_lock, None if after is None else step.after
            self._announce(EntryChange(step.client, str(step.path), step.keys, last, locked))

        self._rewrite(step, edit, announce)
        self._save_record()

    def _undo_entry(self, step: EntryStep, inverse: Inverse) -> None:
        """The inverse edit of what the file holds now, which others may have changed since."""

        def edit(data: bytes | None) -> bytes | None:
            current = None if data is None else step.place.format.read_member(data, step.keys)
            if current == step.before:
                return data  # it was never written
            exact, before = records.inverted(inverse, data or b"")
            if exact:
                return before
            _check_still(step.after, step, data)
            if step.before is None:
                return _without_entry(data or b"", step, self.record.objects)
            return _with_entry(data or b"", step, step.after, step.before)

        self._rewrite(step, edit, None)

    def _rewrite(
        self, step: EntryStep, edit: files.Edit, announce: files.Announce | None
    ) -> tuple[bytes | None, bytes | None]:
        with reading.located(step.path):
            if not step.place.client_lock:
                within, private = step.place.within, not step.place.shared
                return files.rewrite(step.path, edit, announce=announce, private=private, within=within)
            return files.rewrite(step.path, edit, announce=announce, lock=partial(locks.of_claude_code, step.path))

    # Skills

    def _skill(self, step: SkillStep) -> None:
        files.check_within(step.folder.parent, step.within)
        if step.skill is not None:
            self._make_folder(step.folder.parent)
        if step.save:
            self.saved.append(folders.save(step.folder, self.env.state_folder / "backups" / "skills"))
        known = self.record.skills.get(str(step.folder))
        self.record = _remembered([step], self.record, self.version)
        if step.skill is None:
            self._swap(step.folder, None, {}, known)
        else:
            self._swap(step.folder, step.skill.folder, step.skill.files, known)

    def _pin(self, step: PinStep) -> None:
        if step.source is not None:
            self._make_folder(step.folder.parent, 0o700)
        self._swap(step.folder, step.source, step.files)

    def _swap(self, folder: Path, source: Path | None, hashes: Hashes, known: SkillRecord | None = None) -> None:
        swap = folders.Swap(folder, source, hashes)
        wanted, before = None if source is None else dict(hashes), known._asdict() if known else None
        change = SkillChange(str(folder), str(swap.staging), wanted, before)
        self.swaps.append((swap, change))
        self._announce(change)
        swap.make()
        self.undo.append(swap.undo)
        self._save_record()

    # What survives a kill

    def _announce(self, last: EntryChange | SkillChange) -> None:
        skills = tuple(change for _, change in self.swaps)
        journal.write(self.env.state_folder, Journal(self.record, last, skills))

    def _save_record(self) -> None:
        data = records.to_bytes(self.record) if self._has_content() else None
        files.rewrite(self.env.state_folder / records.FILE, lambda _: data)

    def _has_content(self) -> bool:
        """A record of nothing but the folders that it lies in itself is none."""
        state = self.env.state_folder
        own = [path for path in map(Path, self.record.folders) if path == state or path in state.parents]
        return bool(self.record.entries or self.record.skills or len(own) < len(self.record.folders))

    def _tidy(self) -> None:
        """The state folder goes, where it holds nothing more than the lock of this run: that goes with it."""
        state = self.env.state_folder
        if not self._has_content() and {path.name for path in state.iterdir()} <= {locks.FILE}:
            (state / locks.FILE).unlink(missing_ok=True)
            folders.remove_if_empty(Path(path) for path in self.record.folders)


def _remembered(steps: Sequence[Step], record: Record, version: str) -> Record:
    """The record after `steps` that write nothing into a client's file."""
    for step in steps:
        if isinstance(step, EntryStep):
            record = _remembered_entry(step, record)
        elif isinstance(step, SkillStep):
            record = _remembered_skill(step, record, version)
    return record


def _remembered_entry(step: EntryStep, record: Record) -> Record:
    if step.outcome in ("absent", "left"):
        if not step.path.exists():  # a file that the user makes from now on is not ours
            made = tuple(one for one in record.objects if not one.startswith(f"{step.path}#"))
            record = record._replace(objects=made)
        return record.with_entry(step.path, step.keys, None)
    known = record.entry(step.path, step.keys)
    if step.outcome == "unchanged" and known is None:
        return record.with_entry(step.path, step.keys, _entry_record(step, None))
    if step.outcome == "unchanged" and known is not None and step.name == "entry" and known.installed != step.after:
        before = step.after if known.before == known.installed else known.before  # changed since, and just as wanted
        return record.with_entry(step.path, step.keys, known._replace(before=before, installed=step.after))
    return record


def _remembered_skill(step: SkillStep, record: Record, version: str) -> Record:
    if step.skill is None:
        return _without_user(step, record)
    known = record.skills.get(str(step.folder))
    if step.outcome == "shared" and known is None:
        return record  # a copy that this program did not install is not its to look after
    users = tuple(sorted({*(known.users if known else ()), step.user}))
    found = step.outcome in UNCHANGED and (known.found if known else step.outcome == "unchanged")
    return record.with_skill(step.folder, SkillRecord(version, dict(step.skill.files), users, found))


def _without_user(step: SkillStep, record: Record) -> Record:
    for folder, known in record.skills.items():
        gone = Path(folder) == step.folder and step.outcome in ("removed", "absent", "left")
        users = tuple(user for user in known.users if user != step.user)
        record = record.with_skill(Path(folder), None if gone or not users else known._replace(users=users))
    return record


def _check_still(expected: object, step: EntryStep, data: bytes | None) -> None:
    """The edit is made in what the file holds now; the entry itself has to be the one that it was made for."""
    current = None if data is None else step.place.format.read_member(data, step.keys)
    if current != expected:
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


def _record_with(step: EntryStep, base: Record, before: bytes | None, inverse: Inverse) -> Record:
    known = base.entry(step.path, step.keys)
    record = base._replace(objects=tuple(dict.fromkeys((*base.objects, *_missing_objects(before, step)))))
    return record.with_entry(step.path, step.keys, _entry_record(step, known, before, inverse))


def _record_without(step: EntryStep, base: Record, after: bytes | None) -> Record:
    missing = _missing_objects(after, step)
    rest = tuple(made for made in base.objects if made not in missing)
    return base._replace(objects=rest).with_entry(step.path, step.keys, None)


def _taken_away(step: EntryStep, base: Record, data: bytes) -> bytes | None:
    """`data` as it was before the entry was installed, exactly if nothing else has changed it since."""
    known = base.entry(step.path, step.keys)
    if known is not None and known.inverse is not None:
        exact, before = records.inverted(known.inverse, data)
        if exact:
            return before
    if step.after is not None:
        return _with_entry(data, step, step.before, step.after)
    return _without_entry(data, step, base.objects)


def _with_entry(data: bytes, step: EntryStep, before: object, after: object) -> bytes:
    """`data` with the entry as `after`, by edits of just what differs from `before`."""
    for path, value in entries.differences(before, after):
        keys = (*step.keys, *path)
        if value is entries.GONE:
            data = step.place.format.remove_member(data, keys)
        else:
            data = step.place.format.set_member(data, keys, value)
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


def _entry_record(
    step: EntryStep, known: EntryRecord | None, before: bytes | None = None, inverse: Inverse | None = None
) -> EntryRecord:
    """What has to be remembered: against the state before the first installation, as far as it can be told.

    `before` and `inverse`: of the edit of the file; none where the entry was there already.
    """
    original = step.before
    if inverse is not None and known is not None and step.outcome == "updated" and known.before != known.installed:
        original = known.before
        inverse = None if known.inverse is None else records.combined(known.inverse, inverse, before or b"")
    return EntryRecord(step.client, str(step.path), step.keys, original, step.after, inverse)
