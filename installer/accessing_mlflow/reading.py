"""Reading clients' files: entries with their path in every error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import files
from .clients import CLIENTS, Client, Entries, entries, ignored, place_of
from .documents import DocumentError
from .environment import Environment
from .errors import InstallerError
from .record import Record


class BrokenFile(InstallerError):
    """A client's file cannot be parsed, or has a form that the client rejects; it was left untouched."""


@contextmanager
def located(file: Path) -> Iterator[None]:
    """Puts the file's path before a DocumentError's line and column."""
    try:
        yield
    except DocumentError as error:
        raise BrokenFile(f"{file}, {error}", error.fix or "mend the file first; it was left untouched") from None


def servers(place: Entries) -> dict[str, Any]:
    """All the server entries at `place`, by name; none where the file or the object is absent.

    Raises FileError, and BrokenFile where the file cannot be parsed or the entries are not an object.
    """
    return _servers(place, _data(place))


def _data(place: Entries) -> bytes | None:
    return files.read(place.file, files.SHARED_LIMIT if place.shared else files.LIMIT)


def accepted_servers(client: Client, place: Entries) -> tuple[dict[str, Any], list[str]]:
    """As `servers`, for a file that is to be edited; with warnings about what `client` may reject.

    Raises BrokenFile also for what the client would not read.
    """
    data = _data(place)
    entries_there = _servers(place, data)
    if not client.comments:
        _refuse_relaxations(client, place, data)
    warnings = [
        f"{where}; {client.title} may reject it"
        for where, kind in _relaxations(place, data)
        if kind == "trailing comma"
    ]
    return entries_there, warnings


def denied(client: Client, place: Entries) -> list[Any] | None:
    """The rules at `place`, a client's list of denied tools; None where there is none.

    Raises FileError, and BrokenFile for what `client` would ignore without a word: Claude Code a whole file with a
    comment in it, or a list that is none.
    """
    data = _data(place)
    if data is None:
        return None
    with located(place.file):
        found = place.format.read_member(data, place.keys)
    _refuse_relaxations(client, place, data)
    if found is not None and not isinstance(found, list):
        raise BrokenFile(f"{place.file}: {place.label} is not a list", "write a list of rules there")
    return found


def _refuse_relaxations(client: Client, place: Entries, data: bytes | None) -> None:
    for where, _ in _relaxations(place, data):
        raise BrokenFile(f"{where}; {client.title} reads strict JSON only", "remove it; the file was left untouched")


def _relaxations(place: Entries, data: bytes | None) -> Iterator[tuple[str, str]]:
    """Each comment and trailing comma, as its place for people and its kind."""
    if data is not None:
        with located(place.file):
            for found in place.format.relaxations(data):
                yield f"{place.file}, line {found.line}, column {found.column}: {found.kind}", found.kind


def _servers(place: Entries, data: bytes | None) -> dict[str, Any]:
    if data is None:
        return {}
    with located(place.file):
        found = place.format.read_member(data, place.keys, {})
    if not isinstance(found, dict):
        raise BrokenFile(f"{place.file}: {place.label} is not an object", "write an object of server entries there")
    return found


def servers_if_readable(place: Entries) -> dict[str, Any]:
    """As `servers`, for a place that is only looked at: a broken file there has nothing to say."""
    try:
        return servers(place)
    except InstallerError:
        return {}


def spelled_otherwise(found: dict[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """The entries whose name is `name` but for upper and lower case: for the clients these are other servers."""
    for other, entry in found.items():
        if other != name and other.lower() == name.lower():
            yield other, entry


def ignored_entries(client: Client, name: str, env: Environment) -> Iterator[tuple[Entries, Any]]:
    """Entries called `name`, in any spelling, in places that `client` does not read."""
    live = {place.file for place in live_places(client, env)}
    for place in ignored(client, env):
        if place.file in live:
            continue
        for other, entry in servers_if_readable(place).items():
            if other.lower() == name.lower():
                yield place, entry


def live_places(client: Client, env: Environment) -> Iterator[Entries]:
    """Every place that `client` reads; not a project's where there is no project."""
    for scope in client.precedence:
        try:
            yield entries(client, scope, env)
        except InstallerError:
            continue


def live_entries(name: str, env: Environment) -> Iterator[tuple[Client, str, Entries, Any]]:
    """Entries called `name` in every scope of every client, as far as they can be read."""
    for client in CLIENTS.values():
        for scope in client.precedence:
            try:
                place = entries(client, scope, env)
            except InstallerError:
                continue
            entry = servers_if_readable(place).get(name)
            if entry is not None:
                yield client, scope, place, entry


def known_entries(name: str, env: Environment, record: Record) -> Iterator[tuple[str, Entries, Any]]:
    """Entries called `name`, each with a label for people and its place: those of `live_entries`, and those of other
    projects that the record knows. What cannot be read counts as it was installed.
    """
    seen = []
    for client, scope, place, entry in live_entries(name, env):
        seen.append((place.file, place.keys))
        yield f"{client.title}, {scope} scope", place, entry
    for known in record.entries.values():
        place = Entries(Path(known.file), known.keys[:-1], CLIENTS[known.client].format, shared=False)
        if (place.file, place.keys) in seen:
            continue
        try:
            entry = servers(place).get(name)
        except InstallerError:
            entry = known.installed
        if entry is not None:
            yield f"{env.shown(place.file)}, {place.label}", place, entry


def client_variables(client: Client, env: Environment) -> dict[str, str]:
    """What is in the client's environment where it is started from this shell: its settings win (measured)."""
    place = client.variables and place_of(client.variables, client, env)
    added = servers_if_readable(place) if place else {}
    return {**env.variables, **{name: value for name, value in added.items() if isinstance(value, str)}}


def variable(entry: object, name: str) -> str:
    """The value of an environment variable in an entry of any shape; empty where there is none."""
    env = entry.get("env") if isinstance(entry, dict) else None
    value = env.get(name) if isinstance(env, dict) else None
    return value if isinstance(value, str) else ""
