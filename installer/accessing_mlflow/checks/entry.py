"""Checks of the server entry and what it says."""

from __future__ import annotations

from collections.abc import Iterator

from .. import clients, guard, reading, redact
from .. import entry as entries
from .. import tracking_uri as uris
from ..clients import Entries
from ..errors import InstallerError
from .subject import Finding, Subject


def entry(subject: Subject) -> Finding:
    """Whether the entry is in the file that the client reads, in a form that it accepts, and runs our server."""
    place, name = subject.place, subject.bundle.server.name
    path = str(place.file)
    servers, warnings = reading.accepted_servers(subject.client, subject.scope, place)
    found = servers.get(name)
    if found is None:
        return Finding("error", f"no {name} entry", path, subject.command("skill-install"))
    if not (isinstance(found, dict) and "url" in found):
        try:
            entries.check_shape(found, f"{place.file}#/{'/'.join((*place.keys, name))}")
        except entries.EntryError as error:
            return Finding("error", str(error), path, error.fix)
    if not entries.is_ours(found, subject.bundle.server.package):
        fix = subject.command("skill-install") + " --force"
        return Finding("warning", f"{name} runs something other than {subject.bundle.server.package}", path, fix)
    missing = [limit for limit in entries.LIMITS if not reading.variable(found, limit)]
    if missing:
        detail = f"no {' and '.join(missing)}: a tracking server that is down blocks the agent for four minutes"
        return Finding("warning", detail, path, subject.command("skill-install"))
    if warnings:
        return Finding("warning", warnings[0], path, "remove it")
    return Finding("ok", f"{place.label}.{name}", path)


def guarded(subject: Subject) -> Finding | None:
    """Whether the agent is denied what the server does not mark read-only, in this scope or in another."""
    client, env = subject.client, subject.env
    place = clients.denials(client, subject.scope, env)
    wanted = guard.rules(client, subject.bundle.server)
    if place is None or subject.own_entry is None:
        return None
    there = [rule for other in _denials(subject) for rule in reading.denied(client, other) or ()]
    open_to_it = guard.missing(wanted, there)
    if not open_to_it:
        return Finding("ok", guard.detail(client, subject.bundle.server), str(place.file))
    detail = f"the agent may use {len(open_to_it)} tools that write or delete, such as {open_to_it[0]}"
    return Finding("warning", detail, str(place.file), subject.command("skill-install"))


def _denials(subject: Subject) -> Iterator[Entries]:
    """The lists of denied tools of all scopes that there are here: the client goes by all of them."""
    for scope in subject.client.scopes:
        try:
            place = clients.denials(subject.client, scope, subject.env)
        except InstallerError:  # no project here
            continue
        if place is not None:
            yield place


def ignored_entry(subject: Subject) -> Finding | None:
    """Entries in places that look right and that the client never reads."""
    found = list(reading.ignored_entries(subject.client, subject.bundle.server.name, subject.env))
    if not found:
        return None
    places = [subject.env.shown(place.file) for place, _ in found]
    has_live = any(
        other is subject.client for other, *_ in reading.live_entries(subject.bundle.server.name, subject.env)
    )
    fix = f"remove mcpServers.{subject.bundle.server.name} from it" if has_live else subject.command("skill-install")
    detail = f"{subject.client.title} ignores the entry in {', '.join(places)}"
    return Finding("warning" if has_live else "error", detail, str(found[0][0].file), fix)


def other_spelling(subject: Subject) -> Finding | None:
    """An entry whose name differs from ours in upper and lower case only: another server for the client."""
    name = subject.bundle.server.name
    try:
        found = [other for other, _ in reading.spelled_otherwise(reading.servers(subject.place), name)]
    except InstallerError:  # the entry's own check reports the file
        return None
    if not found:
        return None
    detail = f'"{found[0]}" is another server than "{name}", whose tools the skill calls'
    return Finding("warning", detail, str(subject.place.file), f'remove the entry "{found[0]}"')


def tracking_uri(subject: Subject) -> Finding | None:
    """Whether the tracking URI can be right, without asking the server."""
    found = subject.own_entry
    if found is None:
        return None
    written = reading.variable(found, uris.VARIABLE)
    fix = subject.command("skill-install") + " --tracking-uri URI"
    if uris.VARIABLE not in found.get("env", {}):
        if subject.client.desktop or not subject.env.variables.get(uris.VARIABLE):
            return Finding("error", f"the entry has no {uris.VARIABLE}", str(subject.place.file), fix)
        return Finding("info", f"{uris.VARIABLE} comes from the shell", str(subject.place.file))
    uri = subject.client.expand(written, subject.env)
    shown = redact.uri(uri)
    if uris.is_reference(uri) or (uris.is_reference(written) and not uri):
        detail = f"{written} refers to a variable that is not set here"
        return Finding("error", detail, written, f"export {uris.VARIABLE}=https://..., or {fix}")
    try:
        uris.check(uri, "the entry")
    except uris.TrackingUriError as error:
        return Finding("error", str(error), shown, fix)
    if uri == subject.embedded_uri:
        return Finding("info", f"{shown} (local store)", shown)
    if uris.has_credentials(uri):
        return Finding("warning", f"{shown} holds credentials, readable in the entry", shown)
    return Finding("ok", shown, shown)
