"""What an installation has to change: read here, written nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import (
    clients,
    files,
    installed_skill,
    project,
    reading,
    redact,
    tracking_uri,
)
from . import (
    entry as entries,
)
from . import (
    uvx as uvxs,
)
from .bundle import Bundle, Skill
from .clients import Client, Entries
from .documents import jsonc
from .entry import Entry
from .environment import Environment
from .errors import InstallerError, UsageError
from .record import Record
from .steps import UNCHANGED, EntryStep, Note, Plan, SkillStep, Step, StoreStep, installation
from .tracking_uri import Candidate, Choice
from .uvx import Uvx

Ask = Callable[[], str]
"""Asks the user for a tracking URI; an empty answer means the local store."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for. `variables`: of --env, with None for a reference."""

    scope: str = "user"
    tracking_uri: str | None = None
    variables: Mapping[str, str | None] | None = None
    pin: bool = False
    force: bool = False
    verify: bool = True


class Conflict(InstallerError):
    """Something that is not ours, or not as we left it, is in the way; --force replaces it."""


@dataclass(frozen=True)
class Context:
    """All that a plan is made from."""

    request: Request
    env: Environment
    bundle: Bundle
    record: Record
    embedded_uri: str
    ask: Ask | None = None
    earlier: tuple[Plan, ...] = ()
    """The plans for other clients that are carried out before this one."""


def plan_install(client: Client, context: Context) -> Plan:
    """The plan for one client. Raises InstallerError for all that would keep it from being carried out."""
    request, env, name = context.request, context.env, context.bundle.server.name
    place = clients.entries(client, request.scope, env)
    uvx = _uvx(context)
    notes = list(_file_notes(client, request.scope, place))
    found = reading.servers(place)
    existing = _existing(found.get(name), place, context)
    choice = _choose(client, place, existing, found, context)
    notes += _choice_notes(choice, request.scope)
    command = uvxs.written(uvx, desktop=client.desktop, shared=request.scope == "project", env=env)
    after = _entry(client, existing, choice, command, context)
    notes += _entry_notes(client, place, found.get(name), after, uvx, context)
    steps: list[Step] = []
    if choice.embedded:
        steps.append(_store_step(client, context))
    steps += [_skill_step(client, skill, context) for skill in context.bundle.skills]
    steps.append(_entry_step(client, place, found.get(name), after, existing is None, context))
    return Plan(client, request.scope, tuple(steps), tuple(notes), choice, uvx)


def _uvx(context: Context) -> Uvx | None:
    try:
        return uvxs.find(context.env)
    except uvxs.UvxNotFound:
        if context.request.verify:
            raise
        return None


def _file_notes(client: Client, scope: str, place: Entries) -> Iterator[Note]:
    """Refuses a file that the client would not read, or only in part."""
    if scope in client.refuses_symlink and place.file.is_symlink():
        raise InstallerError(
            f"{place.file} is a symlink, which {client.title} refuses to read", "put the file itself there"
        )
    data = files.read(place.file)
    with reading.located(place.file):
        relaxations = [] if data is None else jsonc.relaxations(data)
    for found in relaxations:
        where = f"{place.file}, line {found.line}, column {found.column}: {found.kind}"
        if not client.comments:
            raise reading.BrokenFile(
                f"{where}; {client.title} reads strict JSON only", "remove it; the file was left untouched"
            )
        if found.kind == "trailing comma":
            yield Note("warning", f"{where}; {client.title} may reject it")


def _existing(found: object, place: Entries, context: Context) -> Entry | None:
    """The entry that is there if it is ours; None where it is absent or to be replaced. Raises Conflict."""
    server = context.bundle.server
    if found is None:
        return None
    try:
        is_other = isinstance(found, dict) and "url" in found
        if not is_other:
            entries.check_shape(found, f"{place.file}#/{'/'.join((*place.keys, server.name))}")
        if not is_other and entries.is_ours(found, server.package):
            assert isinstance(found, dict)
            return found
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


def _choose(
    client: Client, place: Entries, existing: Entry | None, found: Mapping[str, object], context: Context
) -> Choice:
    request = context.request
    given = _given(request)
    if given is not None:
        if not tracking_uri.is_reference(given.value):
            tracking_uri.check(given.value, given.source)
        return Choice(given.value, given.source)
    if request.variables and tracking_uri.VARIABLE in request.variables:
        return Choice(client.reference % tracking_uri.VARIABLE, "--env")
    here = Candidate(reading.variable(existing, tracking_uri.VARIABLE), f"the entry in {context.env.shown(place.file)}")
    if request.scope == "project":
        choice = tracking_uri.choose([here], context.embedded_uri)
        if choice is None:
            raise InstallerError(
                f"{place.file} is shared with other people, so its tracking URI is not guessed",
                f"give --tracking-uri URI, or --env {tracking_uri.VARIABLE} to let the entry refer to"
                " each one's own variable",
            )
        return choice
    elsewhere = _candidates(client, place, found, context)
    return tracking_uri.choose([here], context.embedded_uri) or (
        tracking_uri.choose(elsewhere, context.embedded_uri) or _asked(context)
    )


def _given(request: Request) -> Candidate | None:
    literal = (request.variables or {}).get(tracking_uri.VARIABLE)
    if request.tracking_uri is not None:
        if tracking_uri.VARIABLE in (request.variables or {}):
            raise UsageError(f"--tracking-uri and --env {tracking_uri.VARIABLE} exclude each other")
        return Candidate(request.tracking_uri, "--tracking-uri")
    return None if literal is None else Candidate(literal, "--env")


def _candidates(client: Client, place: Entries, found: Mapping[str, object], context: Context) -> Iterator[Candidate]:
    """Whoever may know the tracking URI, in order, after the options and the entry itself."""
    env, name = context.env, context.bundle.server.name
    for other, value in reading.spelled_otherwise(dict(found), name):
        yield _candidate(client, client, value, f'the entry "{other}" in {env.shown(place.file)}')
    for dead, value in reading.ignored_entries(client, name, env):
        yield _candidate(client, client, value, _dead(client, dead, env))
    yield Candidate(env.variables.get(tracking_uri.VARIABLE, ""), f"${tracking_uri.VARIABLE}")
    for plan in context.earlier:
        if plan.choice is not None and not plan.choice.embedded:
            yield _translated(client, plan.client, plan.choice.value, plan.choice.source)
    for other_client, scope, other_place, value in reading.live_entries(name, env):
        if other_place != place:
            source = f"the entry of {other_client.title}, {scope} scope"
            yield _candidate(client, other_client, value, source)


def _candidate(client: Client, written_for: Client, entry: object, source: str) -> Candidate:
    return _translated(client, written_for, reading.variable(entry, tracking_uri.VARIABLE), source)


def _translated(client: Client, written_for: Client, value: str, source: str) -> Candidate:
    """A reference in one client's form becomes one in the other's; what cannot be translated says nothing."""
    if not tracking_uri.is_reference(value) or client is written_for:
        return Candidate(value, source)
    match = re.fullmatch(re.escape(written_for.reference).replace("%s", r"(\w+)"), value)
    return Candidate(client.reference % match.group(1) if match else "", source)


def _dead(client: Client, dead: Entries, env: Environment) -> str:
    return f"{env.shown(dead.file)}, where {client.title} ignores it"


def _asked(context: Context) -> Choice:
    for plan in context.earlier:
        if plan.choice is not None:  # asked already, and the answer was the local store
            return plan.choice
    answer = context.ask() if context.ask is not None else ""
    if not answer and not context.embedded_uri:
        raise InstallerError(
            f"no tracking server was found, and MLflow cannot use a local store in {context.env.store_folder}",
            "give --tracking-uri URI",
        )
    if not answer:
        return Choice(context.embedded_uri, "no server was found", embedded=True)
    tracking_uri.check(answer, "the prompt")
    return Choice(answer, "the prompt")


def _choice_notes(choice: Choice, scope: str) -> Iterator[Note]:
    if not tracking_uri.has_credentials(choice.value):
        return
    advice = "put them into ~/.mlflow/credentials, or into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if scope == "project":
        raise InstallerError(
            f"the tracking URI from {choice.source} holds credentials, and a project's files are shared",
            advice,
        )
    yield Note("warning", f"the tracking URI holds credentials, readable in the entry; better {advice}")


def _entry(client: Client, existing: Entry | None, choice: Choice, command: str, context: Context) -> Entry:
    server, request = context.bundle.server, context.request
    entry = existing or entries.new(command, server.package)
    entry = {**entry, "command": _command(entry["command"], command, request.scope, context.env)}
    if request.pin:
        entry = entries.pinned(entry, server.package, server.tested)
    variables = {tracking_uri.VARIABLE: choice.value}
    for name, value in (request.variables or {}).items():
        variables[name] = client.reference % name if value is None else value
    if request.scope == "project":
        _refuse_secrets(variables)
    return entries.with_variables(entry, variables, defaults=entries.LIMITS)


def _command(existing: str, wanted: str, scope: str, env: Environment) -> str:
    """The user's own command stays while it works on this machine; in a shared file only a plain name does."""
    if Path(existing).name.lower().removesuffix(".exe") != "uvx":
        return existing
    own = Path(existing)
    if scope != "project" and own.is_absolute() and own.exists() and not uvxs.is_in_cache(own, env):
        return existing
    return wanted


def _refuse_secrets(variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        if redact.is_secret_name(name) and not tracking_uri.is_reference(value):
            raise InstallerError(
                f"{name} looks like a secret, and a project's files are shared",
                f"--env {name}, without a value, writes a reference to each one's own variable",
            )


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


def _store_step(client: Client, context: Context) -> StoreStep:
    folder = context.env.store_folder
    planned = any(isinstance(step, StoreStep) for plan in context.earlier for step in plan.steps)
    outcome = "unchanged" if planned or folder.is_dir() else "made"
    return StoreStep(client.name, context.request.scope, folder, outcome)


def _entry_step(
    client: Client, place: Entries, before: object, after: Entry, replaces: bool, context: Context
) -> EntryStep:
    if before is None:
        outcome = "added"
    elif before == after:
        outcome = "unchanged"
    else:
        outcome = "replaced" if replaces else "updated"
    keys = (*place.keys, context.bundle.server.name)
    return EntryStep(client.name, context.request.scope, place.file, keys, before, after, outcome)  # type: ignore[arg-type]


def _skill_step(client: Client, skill: Skill, context: Context) -> SkillStep:
    scope, env = context.request.scope, context.env
    folder = clients.skills_folder(client, scope, env) / skill.name
    user = user_of(client, scope, env)
    recorded = context.record.skills.get(str(folder))
    found = installed_skill.inspect(folder, skill, context.bundle, recorded.files if recorded else None)
    if found.state == "absent":
        shared = _shared_copy(client, skill, context)
        if shared is not None:
            detail = f"{client.title} reads this copy too"
            return SkillStep(client.name, scope, shared, skill, "shared", user, detail=detail)
        return SkillStep(client.name, scope, folder, skill, "added", user, detail=context.bundle.version)
    if found.state == "same":
        return SkillStep(client.name, scope, folder, skill, "unchanged", user, detail=context.bundle.version)
    if found.state == "unedited":
        detail = f"{found.version or 'an earlier build'} to {context.bundle.version or 'the given bundle'}"
        return SkillStep(client.name, scope, folder, skill, "upgraded", user, detail=detail)
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
        if installed_skill.inspect(copy, skill, context.bundle, None).state == "same":
            return copy
    return None


def user_of(client: Client, scope: str, env: Environment) -> str:
    """The name in the record of this client's installation in this scope."""
    if scope == "user":
        return installation(client, scope)
    folder = project.repository(env) if scope == "local" else project.project(env)
    return installation(client, scope, str(folder))
