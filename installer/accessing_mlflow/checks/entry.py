"""Checks of the server entry and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import clients, exposure, guard, reading, redact, repairs
from .. import entry as entries
from .. import tracking_uri as uris
from ..clients import Entries
from ..errors import InstallerError
from .subject import Finding, Subject


def entry(subject: Subject) -> Finding:
    """Whether the entry is in the file that the client reads, in a form that it accepts, and runs our server.

    Remedy: `skill-install CLIENT`; a file that the client cannot read has to be mended by hand first, at the line
    that is named.
    """
    place, name = subject.place, subject.bundle.server.name
    path = str(place.file)
    servers, warnings = reading.accepted_servers(subject.client, place)
    found = servers.get(name)
    if found is None and subject.other_scopes:
        return Finding("info", f"no {name} entry here; there is one in the {subject.other_scopes[0]} scope", path)
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
    """Whether the agent is denied what the server does not mark read-only, in this scope or in another.

    Remedy: `skill-install CLIENT`.
    """
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
    """Entries in places that look right and that the client never reads.

    Remedy: `skill-install CLIENT` puts the entry where it counts, `skill-doctor CLIENT --fix` removes the dead one as
    well.
    """
    found = list(reading.ignored_entries(subject.client, subject.bundle.server.name, subject.env))
    if not found:
        return None
    places = [subject.env.shown(place.file) for place, _ in found]
    has_live = any(
        other is subject.client for other, *_ in reading.live_entries(subject.bundle.server.name, subject.env)
    )
    fix = subject.command("skill-install")
    if has_live:
        removed = {place for place, *_ in repairs.removable(subject.client, subject.env, subject.bundle)}
        mended = all(place in removed for place, _ in found)
        fix = repairs.removal(subject.client) if mended else f"remove mcpServers.{subject.bundle.server.name} from it"
    detail = f"{subject.client.title} ignores the entry in {', '.join(places)}"
    return Finding("warning" if has_live else "error", detail, str(found[0][0].file), fix)


def other_spelling(subject: Subject) -> Finding | None:
    """An entry whose name differs from ours in upper and lower case only: another server for the client.

    Remedy: remove that entry; the skill calls the tools of `MLflow`.
    """
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
    """Whether the tracking URI can be right, without asking the server.

    Remedy: `skill-install CLIENT --tracking-uri URI`.
    """
    found = subject.own_entry
    if found is None:
        return None
    written = reading.variable(found, uris.VARIABLE)
    fix = subject.command("skill-install") + " --tracking-uri URI"
    if uris.VARIABLE not in found.get("env", {}):
        if subject.client.desktop or not subject.variables.get(uris.VARIABLE):
            return Finding("error", f"the entry has no {uris.VARIABLE}", str(subject.place.file), fix)
        source = "the shell" if subject.env.variables.get(uris.VARIABLE) else f"{subject.client.title}'s settings"
        return Finding("info", f"{uris.VARIABLE} comes from {source}", str(subject.place.file))
    if uris.is_reference(subject.client.references.sub("", written)):
        return None  # the check of foreign syntax reports it
    uri = subject.expand(written)
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
        fix = f"put them into ~/.mlflow/credentials, then {subject.command('skill-install')} --tracking-uri URI"
        return Finding("warning", f"{shown} holds credentials, readable in the entry", shown, fix)
    return Finding("ok", shown, shown)


def embedded_default(subject: Subject) -> Finding | None:
    """Whether the entry uses the installer's own local store though a tracking server is known here.

    Remedy: `skill-install CLIENT`, which takes that server.
    """
    found = subject.own_entry
    uri = subject.expand(reading.variable(found, uris.VARIABLE))
    if found is None or not uri or uri != subject.embedded_uri:
        return None
    for value, source in _known_servers(subject):
        if value.strip() and not uris.is_placeholder(value) and value != subject.embedded_uri:
            detail = f"the entry uses the local store, though {source} names {redact.uri(value)}"
            return Finding("warning", detail, str(subject.place.file), subject.command("skill-install"))
    return None


def _known_servers(subject: Subject) -> Iterator[tuple[str, str]]:
    yield subject.env.variables.get(uris.VARIABLE, ""), f"${uris.VARIABLE}"
    for client, scope, place, entry in reading.live_entries(subject.bundle.server.name, subject.env):
        if not place.shared and (place.file, place.keys) != (subject.place.file, subject.place.keys):
            value = client.expand(reading.variable(entry, uris.VARIABLE), subject.env)
            yield "" if uris.is_reference(value) else value, f"the entry of {client.title}, {scope} scope,"


def secrets(subject: Subject) -> Finding | None:
    """Whether the entry holds a secret in a file that other people get to see: a project's, or one that git tracks.

    Remedy: `skill-install CLIENT --env NAME` writes a reference in its place; have what git has seen replaced.
    """
    found = subject.own_entry
    if found is None:
        return None
    names = [name for name, value in found.get("env", {}).items() if exposure.looks_secret(name, value)]
    args = found.get("args", [])
    names += ["args"] if redact.entry(args) != args else []
    if not names:
        return None
    tracked = subject.may_use and exposure.is_tracked(subject.place.file, subject.env)
    if not tracked and not subject.place.shared:
        return None
    why = "git tracks this file" if tracked else "a project's files are shared"
    detail = f"{' and '.join(names)} {'hold secrets' if len(names) > 1 else 'holds a secret'}, and {why}"
    # A reference to each one's own variable takes its place; only the entry's env can have one.
    is_variable = names[0] != "args" and re.fullmatch(r"[A-Za-z_]\w*", names[0])
    fix = f"{subject.command('skill-install')} --env {names[0]}" if is_variable else "take it out of the entry"
    if tracked:
        fix += "\nand have the secret itself replaced: git keeps what was committed"
    return Finding("error" if tracked else "warning", detail, str(subject.place.file), fix)
