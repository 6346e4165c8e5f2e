"""What an installation has to change: read here, written nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import (
    clients,
    consent,
    exposure,
    files,
    guard,
    installed_skill,
    plan_uri,
    project,
    reading,
    redact,
    tracking_uri,
    trust,
)
from . import entry as entries
from . import uvx as uvxs
from .bundle import Skill
from .clients import Client, Entries
from .entry import Entry
from .environment import Environment
from .errors import InstallerError
from .plan_pin import Planned, plan_pin
from .request import Conflict, Context
from .steps import UNCHANGED, EntryStep, FolderStep, Note, Plan, SkillStep, Step, installation
from .tracking_uri import Choice
from .trust import EntryAt
from .uvx import Uvx


def plan_install(client: Client, context: Context) -> Plan:
    """The plan for one client. Raises InstallerError for all that would keep it from being carried out."""
    request, env, name = context.request, context.env, context.bundle.server.name
    place = clients.entries(client, request.scope, env)
    check_places(client, request.scope, env)
    uvx = _uvx(context)
    found, warnings = reading.accepted_servers(client, place)
    notes = [Note("warning", text) for text in warnings]
    existing = _existing(client, found.get(name), place, context)
    choice = plan_uri.choose(client, place, existing, found, context)
    if request.demo and not choice.embedded:
        shown = f"{redact.uri(choice.value)} ({choice.source})"
        raise InstallerError(f"--demo fills the local store and no other; the tracking URI is {shown}", "leave it out")
    notes += plan_uri.notes(choice, client, request.scope, env)
    planned = _planned(client, place, existing, choice, uvx, context)
    after = planned.entry
    if existing is not None and place.shared:
        clean = _planned(client, place, None, choice, uvx, context).entry
        consent.check(EntryAt(client, request.scope, place, name, found[name]), after, clean, choice, context)
    notes += _entry_notes(client, place, found.get(name), after, uvx, context)
    notes += planned.notes
    steps: list[Step] = []
    if choice.embedded:
        steps.append(_store_step(client, context))
    root = clients.skills_root(client, request.scope, env)
    steps += [_skill_step(client, skill, context)._replace(within=root) for skill in context.bundle.skills]
    steps += _guard_steps(client, context)
    notes += _guard_notes(client, steps, existing is None, context)
    steps += planned.before
    steps.append(_entry_step(client, place, found.get(name), after, existing is None, context))
    steps += planned.after
    return Plan(client, request.scope, tuple(steps), tuple(notes), choice, uvx)


def check_places(client: Client, scope: str, env: Environment) -> None:
    """Raise FileError if a symlink in the project would redirect a write for `scope` outside it."""
    for place in (clients.entries(client, scope, env), clients.denials(client, scope, env, even_absent=True)):
        if place is not None:
            files.check_within(place.file, place.within)
    files.check_within(clients.skills_folder(client, scope, env), clients.skills_root(client, scope, env))


def _planned(
    client: Client, place: Entries, existing: Entry | None, choice: Choice, uvx: Uvx | None, context: Context
) -> Planned:
    """The entry that `existing` becomes, as `client` spells it, and what goes with it."""
    command = uvxs.written(uvx, desktop=client.desktop, shared=context.request.scope == "project", env=context.env)
    entry = _entry(client, place, existing, choice, command, context)
    planned = plan_pin(client, place, existing, entry, uvx, context)
    after = client.write_entry(planned.entry)
    if client.denials_in_entry:
        after = guard.in_entry(client, after, place, context)
    return planned._replace(entry=after)


def _uvx(context: Context) -> Uvx | None:
    try:
        return uvxs.find(context.env)
    except uvxs.UvxNotFound:
        if context.request.verify:
            raise
        return None


def _existing(client: Client, found: object, place: Entries, context: Context) -> Entry | None:
    """The entry that is there if it is ours; None where it is absent or to be replaced. Raises Conflict.

    With --force, nothing is kept of a project's entry, unless this program wrote it as it is and it may be used.
    """
    server = context.bundle.server
    if found is None:
        return None
    try:
        is_other = isinstance(found, dict) and "url" in found
        if not is_other:
            entries.check_shape(found, f"{place.file}#/{'/'.join((*place.keys, server.name))}")
        if not is_other and entries.is_ours(found, server.package):
            assert isinstance(found, dict)
            at = EntryAt(client, context.request.scope, place, server.name, found)
            is_kept = not (context.request.force and place.shared) or (
                trust.is_as_installed(at, context.record)
                and not trust.names_project_file(at, context.env, installed=True)
            )
            return client.read_entry(found) if is_kept else None
    except entries.EntryError:
        if not context.request.force:
            raise
        return None
    if context.request.force:
        return None
    raise Conflict(
        f"{place.file}: {place.label}.{server.name} runs something else\n"
        f"  there: {_compact(found)}\n"
        f"  ours:  {_compact({'command': 'uvx', 'args': [server.package]})}",
        "--force replaces it",
    )


def _compact(entry: object) -> str:
    import json

    return json.dumps(redact.entry(entry), ensure_ascii=False)


def _entry(
    client: Client, place: Entries, existing: Entry | None, choice: Choice, command: str, context: Context
) -> Entry:
    server, request = context.bundle.server, context.request
    entry = existing or entries.new(command, server.package)
    entry = {**entry, **{name: value for name, value in client.extras.items() if name not in entry}}
    entry = {**entry, "command": _command(entry["command"], command, request.scope, context.env)}
    given = {
        name: client.reference % name if value is None else value for name, value in (request.variables or {}).items()
    }
    variables = {**given, tracking_uri.VARIABLE: choice.value}
    exposure.check(variables, existing, place, context.env)
    return entries.with_variables(entry, variables, defaults=entries.LIMITS)


def _command(existing: str, wanted: str, scope: str, env: Environment) -> str:
    """The user's own command stays while it works on this machine; in a shared file only a plain name does.

    uv lies beside uvx, so what is said of one goes for the other.
    """
    if scope != "project" and _is_there(existing, env):
        return existing
    return wanted if entries.program(existing) == "uvx" or not wanted.endswith("uvx") else wanted.removesuffix("x")


def _is_there(command: str, env: Environment) -> bool:
    path = Path(command)
    try:
        return path.is_absolute() and path.exists() and not uvxs.is_in_cache(path, env)
    except OSError:  # a name that is too long
        return False


def _entry_notes(
    client: Client, place: Entries, before: object, after: Entry, uvx: Uvx | None, context: Context
) -> Iterator[Note]:
    env, name = context.env, context.bundle.server.name
    if any(not reading.variable(before, limit) for limit in entries.LIMITS):
        yield Note(
            "info",
            "the entry limits what one request may take; without that, a tracking server that is down blocks"
            " the agent for four minutes",
        )
    for dead, _ in reading.ignored_entries(client, name, env):
        yield Note(
            "warning",
            f"{client.title} ignores {dead.label} in {env.shown(dead.file)}; the entry that counts is in"
            f" {env.shown(place.file)}",
        )
    if uvx is not None and uvx.in_environment and after["command"] == str(uvx.path):
        yield Note(
            "warning",
            f"uvx is in a virtual environment, {uvx.path.parent.parent}: the entry works while that is there.",
        )


def _store_step(client: Client, context: Context) -> FolderStep:
    folder = context.env.store_folder
    planned = any(isinstance(step, FolderStep) for plan in context.earlier for step in plan.steps)
    outcome = "unchanged" if planned or folder.is_dir() else "made"
    return FolderStep(client.name, context.request.scope, "store", folder, outcome)


def _entry_step(
    client: Client, place: Entries, before: object, after: Entry, replaces: bool, context: Context
) -> EntryStep:
    if before is None:
        outcome = "added"
    elif before == after:
        outcome = "unchanged"
    else:
        outcome = "replaced" if replaces else "updated"
    detail = ""
    if client.denials_in_entry and not context.request.allow_writes:
        detail = guard.detail(client, context.bundle.server)
    return EntryStep(
        client.name, context.request.scope, place, context.bundle.server.name, before, after, outcome, detail
    )


def _guard_steps(client: Client, context: Context) -> list[EntryStep]:
    """Before the entry, so that no tool is there unguarded: the rules that deny the agent every tool that writes."""
    place = clients.denials(client, context.request.scope, context.env)
    if place is None or client.denials_in_entry:
        return []
    found = reading.denied(client, place)
    if context.request.allow_writes:
        return guard.removal(client, context.request.scope, place, found, context.record)
    wanted = guard.rules(client, context.bundle.server)
    after = [*(found or ()), *guard.missing(wanted, found or ())]
    outcome = "unchanged" if after == found else "added" if found is None else "updated"
    detail = guard.detail(client, context.bundle.server)
    return [guard.step(client, context.request.scope, place, found, after, outcome, detail)]


def _guard_notes(client: Client, steps: list[Step], is_new: bool, context: Context) -> Iterator[Note]:
    server = context.bundle.server
    if context.request.allow_writes:
        place = clients.denials(client, context.request.scope, context.env)
        if place is not None and not any(step.name == "guard" for step in steps) and not client.denials_in_entry:
            yield from guard.left(client, place, server, context.env)
        return
    for step in steps:
        if step.name == "guard" and step.outcome not in UNCHANGED and client.asks:
            file = context.env.shown(step.path)
            yield Note("info", client.asks % {"rule": guard.rule(client, server, "*"), "file": file})
    if is_new and client.unguarded:
        writing = len(guard.rules(client, server))
        yield Note("info", client.unguarded % {"count": writing, "server": server.name})


def _skill_step(client: Client, skill: Skill, context: Context) -> SkillStep:
    scope, env = context.request.scope, context.env
    folder = clients.skills_folder(client, scope, env) / skill.name
    user = user_of(client, scope, env)
    recorded = context.record.skills.get(str(folder))
    of_project = clients.skills_root(client, scope, context.env) is not None
    known = recorded.files if recorded else None
    found = installed_skill.inspect(folder, skill, context.bundle, known, of_project=of_project)
    if found.state == "absent":
        shared = _shared_copy(client, skill, context)
        if shared is not None:
            detail = f"{client.title} reads this copy too"
            return SkillStep(client.name, scope, shared, skill, "shared", user, detail=detail)
        return SkillStep(client.name, scope, folder, skill, "added", user, detail=context.bundle.version)
    if found.state == "same":
        return SkillStep(client.name, scope, folder, skill, "unchanged", user, detail=context.bundle.version)
    if found.state == "unedited":
        detail = f"{found.version or 'an unreleased copy'} to {context.bundle.version or 'the given bundle'}"
        return SkillStep(client.name, scope, folder, skill, "upgraded", user, detail=detail)
    if context.request.keep_edited:
        return SkillStep(client.name, scope, folder, skill, "left", user)
    if found.state in ("link", "not-a-folder"):
        raise Conflict(
            f"{folder} is {'a symlink' if found.state == 'link' else 'no folder'}", f"remove it: rm {folder}"
        )
    if context.request.force:
        return SkillStep(client.name, scope, folder, skill, "replaced", user, save=True)
    raise Conflict(_in_the_way(folder, found), "--force replaces it and keeps a copy in the backups")


def _in_the_way(folder: Path, found: installed_skill.InstalledSkill) -> str:
    what = "was edited" if found.state == "edited" else "was not installed by this program"
    listed = found.differences[:20]
    more = len(found.differences) - len(listed)
    return "\n  ".join((f"{folder} {what}:", *listed, *([f"and {more} more"] if more else [])))


def _shared_copy(client: Client, skill: Skill, context: Context) -> Path | None:
    """An identical copy in another client's folder that this client reads too, there or about to be."""
    planned = {
        step.path
        for plan in context.earlier
        for step in plan.steps
        if isinstance(step, SkillStep) and step.skill == skill and step.outcome not in UNCHANGED
    }
    for folder in clients.other_skills_folders(client, context.request.scope, context.env):
        copy = folder / skill.name
        if copy in planned:
            return copy
        of_project = context.request.scope == "project"
        if installed_skill.inspect(copy, skill, context.bundle, None, of_project=of_project).state == "same":
            return copy
    return None


def user_of(client: Client, scope: str, env: Environment) -> str:
    """The name in the record of this client's installation in this scope."""
    if scope == "user":
        return installation(client, scope)
    folder = project.repository(env) if scope == "local" else project.project(env)
    return installation(client, scope, str(folder))
