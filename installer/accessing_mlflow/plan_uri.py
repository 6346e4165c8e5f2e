"""Which tracking URI an installation writes: whoever may know it is asked, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from shlex import quote

from . import reading, tracking_uri, trust
from .clients import CLIENTS, Client, Entries
from .entry import Entry
from .environment import Environment
from .errors import InstallerError, UsageError
from .hints import runnable
from .request import Context, Request
from .steps import Note
from .tracking_uri import Candidate, Choice


def choose(
    client: Client, place: Entries, existing: Entry | None, found: Mapping[str, object], context: Context
) -> Choice:
    """The tracking URI for `client`. `existing`: its entry in `place`, if it is ours; `found`: all entries there.

    Raises TrackingUriError for one that cannot be right, InstallerError where a project's would have to be guessed.
    """
    given = _given(client, context.request)
    if given is not None:
        return given
    current = reading.variable(existing, tracking_uri.VARIABLE) or _own_in(client, place, found, context)
    here = Candidate(current, f"the entry in {context.env.shown(place.file)}")
    choice = tracking_uri.choose([here], context.embedded_uri)
    if choice is None and context.request.scope == "project":
        raise InstallerError(
            f"{place.file} is shared with other people, so its tracking URI is not guessed",
            f"give --tracking-uri URI, or --env {tracking_uri.VARIABLE} to let the entry refer to each one's own"
            " variable",
        )
    if choice is None:
        choice = tracking_uri.choose(_candidates(client, place, found, context), context.embedded_uri)
    if choice is not None:
        return choice
    offered = tuple(dict.fromkeys(_of_project(client, place, context)))
    return _asked(context, offered, asked_before=current != "" and current == context.embedded_uri)


def _own_in(client: Client, place: Entries, found: Mapping[str, object], context: Context) -> str:
    """The address of a project's entry that --force replaces, where it is the user's own."""
    name = context.bundle.server.name
    entry = found.get(name)
    if not place.shared or not isinstance(entry, dict):
        return ""
    uri = reading.variable(client.read_entry(entry), tracking_uri.VARIABLE)
    return uri if trust.is_own_uri(client, uri, name, context.env) else ""


def notes(choice: Choice, client: Client, scope: str, env: Environment) -> Iterator[Note]:
    """What the user should know about the choice. Raises InstallerError for credentials in a project's file."""
    for candidate in choice.not_taken:
        option = "" if scope == "user" else f" --scope {scope}"
        command = runnable(f"skill-install {client.name}{option} --tracking-uri {quote(candidate.value)}", env)
        yield Note(
            "warning",
            f"this project's files name the tracking URI {candidate.value} ({candidate.source}), which was not used;"
            f" if you trust that server, run: {command}",
        )
    if not tracking_uri.has_credentials(choice.value):
        return
    advice = "put them into ~/.mlflow/credentials, or into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if scope == "project":
        raise InstallerError(
            f"the tracking URI from {choice.source} holds credentials, and a project's files are shared", advice
        )
    yield Note("warning", f"the tracking URI holds credentials, readable in the entry; better {advice}")


def _given(client: Client, request: Request) -> Choice | None:
    """What the options say: a URI, or a reference in this client's form."""
    variables = request.variables or {}
    if request.tracking_uri is not None and tracking_uri.VARIABLE in variables:
        raise UsageError(f"--tracking-uri and --env {tracking_uri.VARIABLE} exclude each other")
    if request.tracking_uri is None and tracking_uri.VARIABLE not in variables:
        return None
    source = "--env" if request.tracking_uri is None else "--tracking-uri"
    value = request.tracking_uri if request.tracking_uri is not None else variables[tracking_uri.VARIABLE]
    if value is None:
        return Choice(client.reference % tracking_uri.VARIABLE, source)
    value = value.strip()
    if not tracking_uri.is_reference(value):
        tracking_uri.check(value, source)
        return Choice(value, source)
    if not tracking_uri.is_reference(client.references.sub("", value)):
        return Choice(value, source)
    for written_for in CLIENTS.values():
        if written_for is not client and (translated := _translated(client, written_for, value)):
            return Choice(translated, source)
    raise InstallerError(
        f"{source} holds a reference that {client.title} would not fill in: {value}",
        f"--env {tracking_uri.VARIABLE} lets the entry refer to the variable of that name",
    )


def _candidates(client: Client, place: Entries, found: Mapping[str, object], context: Context) -> Iterator[Candidate]:
    """The user's own sources of a tracking URI, in order, after the options and the entry itself."""
    env, name = context.env, context.bundle.server.name
    for dead, entry in reading.ignored_entries(client, name, env):
        if not dead.shared:
            yield _candidate(client, client, entry, _ignored(client, dead, env))
    for other, entry in reading.spelled_otherwise(dict(found), name):
        yield _candidate(client, client, entry, f'the entry "{other}" in {env.shown(place.file)}')
    yield Candidate(env.variables.get(tracking_uri.VARIABLE, ""), f"${tracking_uri.VARIABLE}")
    for plan in context.earlier:
        if plan.choice is not None and not plan.choice.embedded:
            yield Candidate(_translated(client, plan.client, plan.choice.value), plan.choice.source)
    for other_client, scope, other_place, entry in reading.live_entries(name, env):
        if other_place != place and not other_place.shared:
            yield _candidate(client, other_client, entry, f"the entry of {other_client.title}, {scope} scope")


def _of_project(client: Client, place: Entries, context: Context) -> Iterator[Candidate]:
    """Tracking URIs in the project's files. They are only shown; the user must confirm one."""
    env, name = context.env, context.bundle.server.name
    named = [
        (entry, _ignored(client, dead, env))
        for dead, entry in reading.ignored_entries(client, name, env)
        if dead.shared
    ]
    for other_client, _, other_place, entry in reading.live_entries(name, env):
        if other_place != place and other_place.shared:
            named.append((entry, f"the entry of {other_client.title} in {env.shown(other_place.file)}"))
    for entry, source in named:
        value = reading.variable(entry, tracking_uri.VARIABLE).strip()
        if is_showable(value) and value != context.embedded_uri:
            yield Candidate(value, source)


def is_showable(uri: str) -> bool:
    """Whether a project's tracking URI can be shown verbatim: printable ASCII, no credentials, no variables."""
    try:
        tracking_uri.check(uri, "the project")
    except tracking_uri.TrackingUriError:
        return False
    plain = uri.isprintable() and uri.isascii() and not re.search(r"\s", uri)
    return plain and not tracking_uri.is_reference(uri) and not tracking_uri.has_credentials(uri)


def _ignored(client: Client, dead: Entries, env: Environment) -> str:
    return f"{env.shown(dead.file)}, where {client.title} ignores it"


def _candidate(client: Client, written_for: Client, entry: object, source: str) -> Candidate:
    value = reading.variable(entry, tracking_uri.VARIABLE)
    if tracking_uri.is_reference(value):
        value = _translated(client, written_for, value)
    return Candidate(value, source)


def _translated(client: Client, written_for: Client, value: str) -> str:
    """A reference in one client's form as one in the other's; empty where it cannot be translated."""
    if client is written_for or not tracking_uri.is_reference(value):
        return value
    match = re.fullmatch(re.escape(written_for.reference).replace("%s", r"(\w+)"), value)
    return client.reference % match.group(1) if match else ""


def _asked(context: Context, offered: tuple[Candidate, ...], *, asked_before: bool) -> Choice:
    """The user's answer; Enter, the lack of a user, and an earlier Enter mean the local store."""
    asked_before = asked_before or any(plan.choice and plan.choice.embedded for plan in context.earlier)
    asks = context.ask is not None and not asked_before
    answer = context.ask.tracking_uri(offered) if context.ask is not None and asks else ""
    if answer:
        tracking_uri.check(answer, "the prompt")
        return Choice(answer, "the prompt")
    if not context.embedded_uri:
        raise InstallerError(
            f"no tracking server was found, and MLflow cannot use a local store in {context.env.store_folder}",
            "give --tracking-uri URI",
        )
    return Choice(context.embedded_uri, "no server was found", embedded=True, not_taken=() if asks else offered)
