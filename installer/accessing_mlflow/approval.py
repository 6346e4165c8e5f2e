"""Whether a client starts a server: what the user, and the client itself, have approved or switched off. Reads only.

Measured with Claude Code 2.1.330. A name in `disabledMcpjsonServers` hides a project's server, wherever it stands, and
wins over an approval. What approves counts in the user's settings, and in the project's files and the client's own
state once the folder is trusted. `disabledMcpServers` is what switching a server off under /mcp writes; a server of any
scope is then off in that project. `deniedMcpServers` and `allowedMcpServers` hide servers of every scope.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from . import clients, files, reading
from .clients import Approval, Client, FolderTrust, Place
from .environment import Environment
from .errors import InstallerError

_APPROVES, _APPROVES_ALL = "enabledMcpjsonServers", "enableAllProjectMcpServers"
_DISABLES, _SWITCHED_OFF = "disabledMcpjsonServers", "disabledMcpServers"
_DENIES, _ALLOWS = "deniedMcpServers", "allowedMcpServers"
_TRUST = "hasTrustDialogAccepted"


class Verdict(NamedTuple):
    """`state`: unknown if the client's approval cannot be read. If off: the `file` and `key` that say so."""

    state: Literal["approved", "pending", "off", "unknown"]
    file: Path | None = None
    key: str = ""

    @property
    def is_used(self) -> bool:
        """Whether the client may be using the entry, as far as its files tell."""
        return self.state in ("approved", "unknown")


APPROVED = Verdict("approved")
PENDING = Verdict("pending")
UNKNOWN = Verdict("unknown")


def verdict(client: Client, scope: str, name: str, env: Environment) -> Verdict:
    """Whether `client` may start the server `name` of `scope`. A file that cannot be read has nothing to say."""
    rules = client.approval
    if rules is None:
        return UNKNOWN if clients.is_of_project(client, scope) else APPROVED
    if isinstance(rules, FolderTrust):
        return APPROVED if scope != rules.scope or _trusts_folder(rules, client, env) else PENDING
    return _by_name(rules, client, scope, name, env)


def _trusts_folder(rules: FolderTrust, client: Client, env: Environment) -> bool:
    for place in rules.folders:
        stated = _Settings(place, client, env).data.get(rules.member)
        if stated is not None:
            return bool(stated == rules.trusted)
    return False


def _by_name(rules: Approval, client: Client, scope: str, name: str, env: Environment) -> Verdict:
    own = _Settings(rules.state, client, env)
    users = _Settings(rules.always, client, env)
    for settings, key in ((own, _SWITCHED_OFF), (users, _DENIES)):
        if name in settings.names(key):
            return Verdict("off", settings.file, key)
    if not users.allows(name):
        return Verdict("off", users.file, _ALLOWS)
    if scope != rules.scope:
        return APPROVED
    theirs = [_Settings(place, client, env) for place in rules.trusted]
    for settings in (users, own, *theirs):
        if name in settings.names(_DISABLES):
            return Verdict("off", settings.file, _DISABLES)
    approved = users.approves(name) or (
        any(settings.approves(name) for settings in (own, *theirs)) and _is_trusted(rules.state, client, env)
    )
    return APPROVED if approved else PENDING


class _Settings:
    """An object of settings in a file; empty where there is none that can be read."""

    def __init__(self, place: Place, client: Client, env: Environment) -> None:
        there = clients.place_of(place, client, env)
        self.file = there.file if there else None
        self.data = _object(there.file, there.keys, client) if there else {}

    def names(self, key: str) -> list[str]:
        found = self.data.get(key)
        return list(_names(found)) if isinstance(found, list) else []

    def approves(self, name: str) -> bool:
        return name in self.names(_APPROVES) or self.data.get(_APPROVES_ALL) is True

    def allows(self, name: str) -> bool:
        """Whether a list of allowed servers, if there is one, has the name. One that tells commands is passed over."""
        found = self.data.get(_ALLOWS)
        if not isinstance(found, list) or any(isinstance(one, dict) and "serverName" not in one for one in found):
            return True
        return name in self.names(_ALLOWS)


def _names(found: list[Any]) -> Iterator[str]:
    """The names in a list of names, or of objects with names."""
    for one in found:
        name = one.get("serverName") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name


def _object(file: Path, keys: tuple[str, ...], client: Client) -> dict[str, Any]:
    try:
        data = files.read(file)
        with reading.located(file):
            found = None if data is None else client.format.read_member(data, keys)
    except InstallerError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_trusted(state: Place, client: Client, env: Environment) -> bool:
    """Whether the user trusts the project's folder, or one above it."""
    place = clients.place_of(state, client, env)
    if place is None:
        return False
    *keys, folder = place.keys
    known = (_object(place.file, (*keys, str(one)), client) for one in (Path(folder), *Path(folder).parents))
    return any(project.get(_TRUST) is True for project in known)
