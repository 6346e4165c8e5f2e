"""Decide what a project's entry may do: run programs, contact servers, receive credentials.

A project is a cloned repository and may be hostile. Anything that acts on an entry must ask here first. The model is
in docs/security.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from . import approval, bundle, project, reading, tracking_uri
from .clients import Client, Entries
from .environment import Environment
from .errors import InstallerError
from .record import Record


class Trust(Enum):
    """What may be done with an entry."""

    OWN = "own"
    """It lies in a file of the user's own."""
    APPROVED = "approved"
    """It lies in a project's file, and the user approved it in the client, or had it installed by this program."""
    NONE = "none"
    """It lies in a project's file, and may only be looked at."""


class EntryAt(NamedTuple):
    """The entry called `name` in one place: `entry` as it is spelled there, of any shape."""

    client: Client
    scope: str
    place: Entries
    name: str
    entry: Any


def may_use(at: EntryAt, env: Environment, record: Record) -> Trust:
    """What may be done with an entry. One that refers to files in the project is never used, even if approved."""
    if not at.place.shared:
        return Trust.OWN
    if names_project_file(at, env):
        return Trust.NONE
    if is_as_installed(at, record) or approval.verdict(at.client, at.scope, at.name, env).state == "approved":
        return Trust.APPROVED
    return Trust.NONE


def is_as_installed(at: EntryAt, record: Record) -> bool:
    """Whether this program put the entry there, and every member is still the same."""
    known = record.entry(at.place.file, (*at.place.keys, at.name))
    return known is not None and at.entry is not None and known.installed == at.entry


def may_send_credentials(at: EntryAt, uri: str, env: Environment, record: Record) -> bool:
    """Whether a server at `uri`, the entry's expanded tracking URI, may receive the user's credentials."""
    return not at.place.shared or is_as_installed(at, record) or is_own_address(uri, at.name, env)


def is_own_uri(client: Client, uri: str, name: str, env: Environment) -> bool:
    """Whether a tracking URI as an entry of `client` spells it is the user's own, or refers to their own variable."""
    if tracking_uri.is_reference(uri):
        return uri == client.reference % tracking_uri.VARIABLE
    return is_own_address(uri, name, env)


def is_own_address(uri: str, name: str, env: Environment) -> bool:
    """Whether the user's own environment, or an entry in a file of their own, names that tracking server."""
    own = [env.variables.get(tracking_uri.VARIABLE, "")]
    own += [
        client.expand(reading.variable(client.read_entry(entry), tracking_uri.VARIABLE), env)
        for client, _, place, entry in reading.live_entries(name, env)
        if not place.shared and isinstance(entry, dict)
    ]
    return uri.strip().rstrip("/") in {value.strip().rstrip("/") for value in own if value.strip()}


def may_run_skill(folder: Path, env: Environment, record: Record) -> bool:
    """Whether uv may run an installed skill's scripts: outside the project, or unchanged since we installed it."""
    try:
        if project.project(env) not in folder.parents:
            return True
    except InstallerError:  # no project here
        return True
    known = record.skills.get(str(folder))
    return known is not None and known.files == bundle.file_hashes(folder)


def program(name: str, path: str) -> str | None:
    """The path of program `name` in the folders of `path`. Skip relative folders, which may be the project's."""
    folders = [folder for folder in path.split(os.pathsep) if os.path.isabs(folder)]  # noqa: PTH117
    return shutil.which(name, path=os.pathsep.join(folders)) if folders else None


def names_project_file(at: EntryAt, env: Environment) -> bool:
    """Whether an entry's command, arguments or variables refer to a file or folder in the project."""
    if not isinstance(at.entry, dict):
        return False
    entry, folder = at.client.read_entry(at.entry), at.place.within or env.cwd
    filled = env._replace(variables=reading.client_variables(at.client, env))
    return any(
        _is_in(at.client.expand(text, filled), folder, env.cwd, must_exist=must_exist)
        for text, must_exist in _paths(entry)
    )


def _paths(entry: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Possible paths in an entry, and whether one without a separator counts only if it exists."""
    command, args, variables = entry.get("command"), entry.get("args"), entry.get("env")
    if isinstance(command, str) and os.path.dirname(command.replace("\\", "/")):  # noqa: PTH120  # no bare name
        yield command, False
    texts = [arg for arg in args if isinstance(arg, str)] if isinstance(args, list) else []
    for before, arg in zip(["", *texts], texts, strict=False):
        if "/" in arg.replace("\\", "/") or before.startswith("-"):  # any other may be the name of a package
            yield arg.rpartition("=")[2] if arg.startswith("-") else arg, True
    for name, value in variables.items() if isinstance(variables, dict) else ():
        for part in value.split(os.pathsep) if isinstance(value, str) and "://" not in value else ():
            yield part, name != "PATH"


def _is_in(text: str, folder: Path, cwd: Path, *, must_exist: bool) -> bool:
    """Whether `text`, as a path, leads into `folder`, or is relative and so may do so."""
    plain = text.replace("\\", "/").removeprefix("file://")
    if "://" in plain or (must_exist and "/" not in plain and not _exists(cwd / plain)):
        return False
    if not os.path.isabs(plain):  # noqa: PTH117
        return plain != "" or not must_exist
    tops = (folder, Path(os.path.realpath(folder)))
    return any(Path(path).is_relative_to(top) for top in tops for path in (os.path.normpath(plain), _real(plain)))


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a null byte, say
        return os.path.normpath(path)


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False
