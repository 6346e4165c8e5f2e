"""What an uninstallation has to change: exactly what was installed. Read here, written nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import clients, files, guard, installed_skill, pin, reading, tracking_uri
from . import entry as entries
from .bundle import Bundle, Skill
from .clients import CLIENTS, Client, Entries
from .environment import Environment
from .plan_install import check_places, user_of
from .record import Record, SkillRecord
from .request import Conflict
from .steps import EntryStep, FolderStep, Note, PinStep, Plan, SkillStep, Step


class Context(NamedTuple):
    """All that a plan is made from. `removing`: all clients of this command, in the same scope."""

    scope: str
    force: bool
    env: Environment
    bundle: Bundle
    record: Record
    removing: tuple[Client, ...]


def plan_uninstall(client: Client, context: Context) -> Plan:
    """The plan for one client. Raises InstallerError for all that would keep it from being carried out."""
    place = clients.entries(client, context.scope, context.env)
    check_places(client, context.scope, context.env)
    entry_step, notes = _entry_step(client, place, context)
    guard_steps, guard_notes = _guard_steps(client, context)
    notes += guard_notes
    steps: list[Step] = [entry_step, *guard_steps]
    for skill in _skills(client, context):
        skill_steps, skill_notes = _skill_steps(client, skill, context)
        steps += skill_steps
        notes += skill_notes
    if all(step.outcome == "absent" for step in steps):
        notes += _elsewhere(client, context)
    return Plan(client, context.scope, tuple(steps), tuple(notes))


def plan_purge(context: Context, embedded_uri: str) -> Plan:
    """The plan that removes the embedded store and the backups, after the other plans: what these save stays."""
    env, last = context.env, context.removing[-1]
    steps: list[Step] = []
    if env.store_folder.is_dir():
        users = _store_users(context, embedded_uri)
        outcome, detail = ("kept", f"in use: {'; '.join(users)}") if users else ("removed", "")
        steps.append(FolderStep(last.name, context.scope, "store", env.store_folder, outcome, detail))
    backups = env.state_folder / "backups"
    if backups.is_dir():
        steps.append(FolderStep(last.name, context.scope, "backups", backups, "removed"))
    return Plan(last, context.scope, tuple(steps))


def _store_users(context: Context, embedded_uri: str) -> list[str]:
    """The entries, of this project and of any that the record knows, that stay and use the embedded store."""
    return [
        label for label, entry in _staying(context) if reading.variable(entry, tracking_uri.VARIABLE) == embedded_uri
    ]


def _staying(context: Context) -> Iterator[tuple[str, Any]]:
    """The entries that stay, of this project and of any that the record knows, each with its label."""
    going = {(place.file, place.keys) for place in _places(context)}
    for label, place, entry in reading.known_entries(context.bundle.server.name, context.env, context.record):
        if (place.file, place.keys) not in going:
            yield label, entry


def unused_pins(context: Context) -> Iterator[Step]:
    """Steps that remove the files of pinned entries that are gone, after all others."""
    env, last = context.env, context.removing[-1]
    folders = sorted(env.server_folder.iterdir()) if env.server_folder.is_dir() else []
    staying = [entry for _, entry in _staying(context)] if folders else []
    for folder in folders:
        if not any(pin.uses(entry, folder) for entry in staying):
            yield PinStep(last.name, context.scope, folder, None, {}, "removed")


def _places(context: Context) -> Iterator[Entries]:
    for client in context.removing:
        yield clients.entries(client, context.scope, context.env)


def _entry_step(client: Client, place: Entries, context: Context) -> tuple[EntryStep, list[Note]]:
    name, package = context.bundle.server.name, context.bundle.server.package
    found = reading.servers(place).get(name)
    known = context.record.entry(place.file, (*place.keys, name))

    def step(outcome: str, after: Any) -> EntryStep:
        return EntryStep(client.name, context.scope, place, name, found, after, outcome)

    if found is None:
        return step("absent", None), []
    where = f"{context.env.shown(place.file)}: {place.label}.{name}"
    if not entries.is_ours(found, package):
        return step("left", found), [Note("warning", f"{where} runs something else; left alone")]
    if known is None or known.before == known.installed:
        if context.force:
            return step("removed", None), []
        why = "was there before" if known else "is not in this program's record"
        return step("left", found), [Note("info", f"{where} {why}; left alone (--force removes it)")]
    after = entries.undone(known.before, known.installed, found, package)
    if after is not None and entries.is_ours(after, package) and pin.of_entry(after, context.env):
        after = pin.unpinned(after, context.bundle.server, context.env)  # its files go
    if after == found:
        return step("left", found), []
    return step("removed" if after is None else "restored", after), []


def _guard_steps(client: Client, context: Context) -> tuple[list[EntryStep], list[Note]]:
    place = clients.denials(client, context.scope, context.env, even_absent=True)
    if place is None or client.denials_in_entry:
        return [], []
    if context.record.entry(place.file, place.keys) is not None:
        return guard.removal(client, context.scope, place, reading.denied(client, place), context.record), []
    return [], guard.left(client, place, context.bundle.server, context.env)


def _skills(client: Client, context: Context) -> list[Skill]:
    """The bundle's skills, and those of other bundles that the record knows of this installation."""
    me = user_of(client, context.scope, context.env)
    folder = clients.skills_folder(client, context.scope, context.env)
    skills = {folder / skill.name: skill for skill in context.bundle.skills}
    for path, known in context.record.skills.items():
        if me in known.users and Path(path).parent == folder:
            skills.setdefault(Path(path), Skill(Path(path).name, Path(path), known.files))
    return list(skills.values())


def _skill_steps(client: Client, skill: Skill, context: Context) -> tuple[list[SkillStep], list[Note]]:
    scope, env = context.scope, context.env
    folder = clients.skills_folder(client, scope, env) / skill.name
    me = user_of(client, scope, env)
    known = context.record.skills.get(str(folder))
    root = clients.skills_root(client, scope, env)
    recorded = known.files if known else None
    found = installed_skill.inspect(folder, skill, context.bundle, recorded, of_project=root is not None)

    def step(outcome: str, detail: str = "", *, save: bool = False) -> SkillStep:
        return SkillStep(client.name, scope, folder, None, outcome, me, save, detail, root)

    if found.state == "absent":
        return [step("absent")], []
    if found.state in ("foreign", "link", "not-a-folder"):
        return [step("left")], [Note("warning", f"{env.shown(folder)} was not installed by this program; left alone")]
    needed_by = _other_scope(client, known, me, context)
    if needed_by:
        return [step("kept", f"in use in {needed_by}")], []
    if (known is None or known.found) and not context.force:
        why = "was there before" if known else "is not in this program's record"
        return [step("left")], [Note("info", f"{env.shown(folder)} {why}; left alone (--force removes it)")]
    if found.state == "edited" and not context.force:
        listed = "\n  ".join((f"{folder} was edited:", *found.differences))
        raise Conflict(listed, "--force removes it and keeps a copy in the backups")
    moved = list(_for_other_clients(known, skill, context))
    return [step("removed", save=found.state == "edited"), *moved], []


def _other_scope(client: Client, known: SkillRecord | None, me: str, context: Context) -> str:
    """The other scope of this client that needs the same skill folder; empty where none does."""
    for user in known.users if known else ():
        name, scope, *project = user.split(":", 2)
        if name == client.name and user != me and all(Path(folder).exists() for folder in project):
            return " of ".join((f"{scope} scope", *map(context.env.shown, map(Path, project))))
    if known and me in known.users:
        return ""
    mine = clients.skills_folder(client, context.scope, context.env)
    for other, scope, _, entry in reading.live_entries(context.bundle.server.name, context.env):
        if other is not client or scope == context.scope or not entries.is_ours(entry, context.bundle.server.package):
            continue
        if clients.skills_folder(client, scope, context.env) == mine:
            return f"{scope} scope"
    return ""


def _for_other_clients(known: SkillRecord | None, skill: Skill, context: Context) -> Iterator[SkillStep]:
    """Copies of the bundle's skill for clients that relied on the folder that goes."""
    for user in known.users if known and skill in context.bundle.skills else ():
        name, scope, *_ = user.split(":", 2)
        other = CLIENTS.get(name)
        if other is None or other in context.removing or scope != context.scope:
            continue
        folder = clients.skills_folder(other, scope, context.env) / skill.name
        if not folder.exists():
            detail, root = f"{other.title} used the copy that goes", clients.skills_root(other, scope, context.env)
            files.check_within(folder.parent, root)
            yield SkillStep(other.name, scope, folder, skill, "added", user, detail=detail, within=root)


def _elsewhere(client: Client, context: Context) -> Iterator[Note]:
    """Where else an entry of ours is, when there was none in the scope that was asked for."""
    for other, scope, place, entry in reading.live_entries(context.bundle.server.name, context.env):
        if other is client and scope != context.scope and entries.is_ours(entry, context.bundle.server.package):
            yield Note(
                "info",
                f"there is an entry in {scope} scope, in {context.env.shown(place.file)}:"
                f" skill-uninstall {client.name} --scope {scope}",
            )
