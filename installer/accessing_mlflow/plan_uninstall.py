"""What an uninstallation has to change: exactly what was installed. Read here, written nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import clients, installed_skill, reading, tracking_uri
from . import entry as entries
from .bundle import Bundle, Skill
from .clients import CLIENTS, Client, Entries
from .environment import Environment
from .plan_install import Conflict, user_of
from .record import Record, SkillRecord
from .steps import BackupsStep, EntryStep, Note, Plan, SkillStep, Step, StoreStep


@dataclass(frozen=True)
class Context:
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
    entry_step, notes = _entry_step(client, place, context)
    steps: list[Step] = [entry_step]
    for skill in context.bundle.skills:
        skill_steps, skill_notes = _skill_steps(client, skill, context)
        steps += skill_steps
        notes += skill_notes
    if not any(step.outcome == "removed" for step in steps):
        notes += _elsewhere(client, context)
    return Plan(client, context.scope, tuple(steps), tuple(notes))


def plan_purge(context: Context, embedded_uri: str) -> Plan:
    """The plan that removes the embedded store and the backups, after the other plans."""
    env, last = context.env, context.removing[-1]
    users = [
        f"{client.title} ({scope} scope)"
        for client, scope, place, entry in reading.live_entries(context.bundle.server.name, env)
        if not (scope == context.scope and client in context.removing)
        and reading.variable(entry, tracking_uri.VARIABLE) == embedded_uri
    ]
    steps: list[Step] = []
    if env.store_folder.is_dir():
        outcome, detail = ("kept", f"in use by {', '.join(users)}") if users else ("removed", "")
        steps.append(StoreStep(last.name, context.scope, env.store_folder, outcome, detail))
    backups = env.state_folder / "backups"
    if backups.is_dir():
        steps.append(BackupsStep(last.name, context.scope, backups, "removed"))
    return Plan(last, context.scope, tuple(steps))


def _entry_step(client: Client, place: Entries, context: Context) -> tuple[EntryStep, list[Note]]:
    name = context.bundle.server.name
    keys = (*place.keys, name)
    found = reading.servers(place).get(name)
    if found is None:
        return EntryStep(client.name, context.scope, place.file, keys, None, None, "absent"), []
    if not entries.is_ours(found, context.bundle.server.package):
        note = Note(
            "warning",
            f"{context.env.shown(place.file)}: {place.label}.{name} runs something else; left alone",
        )
        return EntryStep(client.name, context.scope, place.file, keys, found, found, "left"), [note]
    known = context.record.entry(place.file, keys)
    after = entries.undone(known.before, known.installed, found) if known else None
    outcome = "left" if after == found else "restored"
    if after is None:
        outcome = "removed"
    return EntryStep(client.name, context.scope, place.file, keys, found, after, outcome), []


def _skill_steps(client: Client, skill: Skill, context: Context) -> tuple[list[SkillStep], list[Note]]:
    scope, env = context.scope, context.env
    folder = clients.skills_folder(client, scope, env) / skill.name
    me = user_of(client, scope, env)
    known = context.record.skills.get(str(folder))
    found = installed_skill.inspect(folder, skill, context.bundle, known.files if known else None)

    def step(outcome: str, detail: str = "", *, save: bool = False) -> SkillStep:
        return SkillStep(client.name, scope, folder, None, outcome, me, save, detail)

    if found.state == "absent":
        return [step("absent")], []
    if found.state in ("foreign", "link", "not-a-folder"):
        return [step("left")], [Note("warning", f"{env.shown(folder)} was not installed by this program; left alone")]
    needed_by = _other_scope(client, known, me, context)
    if needed_by:
        return [step("kept", f"in use in {needed_by} scope")], []
    if found.state == "edited" and not context.force:
        listed = "\n  ".join((f"{folder} was edited:", *found.differences))
        raise Conflict(listed, "--force removes it and keeps a copy in the backups")
    moved = list(_for_other_clients(known, skill, context))
    return [step("removed", save=found.state == "edited"), *moved], []


def _other_scope(client: Client, known: SkillRecord | None, me: str, context: Context) -> str:
    """The other scope of this client that needs the same skill folder; empty where none does."""
    for user in known.users if known else ():
        name, scope, *_ = user.split(":", 2)
        if name == client.name and user != me:
            return scope
    if known and me in known.users:
        return ""
    mine = clients.skills_folder(client, context.scope, context.env)
    for other, scope, _, entry in reading.live_entries(context.bundle.server.name, context.env):
        if other is not client or scope == context.scope or not entries.is_ours(entry, context.bundle.server.package):
            continue
        if clients.skills_folder(client, scope, context.env) == mine:
            return scope
    return ""


def _for_other_clients(known: SkillRecord | None, skill: Skill, context: Context) -> Iterator[SkillStep]:
    """Copies for clients that relied on the folder that goes."""
    for user in known.users if known else ():
        name, scope, *_ = user.split(":", 2)
        other = CLIENTS.get(name)
        if other is None or other in context.removing or scope != context.scope:
            continue
        folder = clients.skills_folder(other, scope, context.env) / skill.name
        if not folder.exists():
            detail = f"{other.title} used the copy that goes"
            yield SkillStep(other.name, scope, folder, skill, "added", user, detail=detail)


def _elsewhere(client: Client, context: Context) -> Iterator[Note]:
    """Where else an entry of ours is, when there was none in the scope that was asked for."""
    for other, scope, place, entry in reading.live_entries(context.bundle.server.name, context.env):
        if other is client and scope != context.scope and entries.is_ours(entry, context.bundle.server.package):
            yield Note(
                "info",
                f"There is an entry in {scope} scope, in {context.env.shown(place.file)}:"
                f" skill-uninstall {client.name} --scope {scope}",
            )
