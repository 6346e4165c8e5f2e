"""Checks of the machine: the client and what rules it, uvx, and the versions of its files that are kept."""

from __future__ import annotations

import re
from pathlib import Path

from .. import backups, client_version, clients, reading
from .. import uvx as uvxs
from .subject import Finding, Subject


def client(subject: Subject) -> Finding:
    """Whether the client itself is here, and in which version.

    Remedy: none is needed: its files are ready for the day it comes.
    """
    if not clients.is_present(subject.client, subject.env):
        return Finding("info", f"{subject.client.title} was not found on this machine")
    version = client_version.version(subject.client, subject.env)
    return Finding("ok", f"{subject.client.title} {version or 'is on this machine'}")


def uvx(subject: Subject) -> Finding:
    """Whether there is a uvx to start the server with.

    Remedy: install uv, in a place that lasts: the fix names this system's ways.
    """
    try:
        found = uvxs.find(subject.env)
    except uvxs.UvxNotFound as error:
        return Finding("error", str(error), fix=error.fix)
    path = str(found.path)
    if found.in_environment:
        detail = f"{path} is in a virtual environment: it lasts as long as that"
        return Finding("warning", detail, path, "install uv outside of it: pipx install uv")
    if not found.on_path:
        return Finding("info", f"{path}, which is not on PATH", path)
    return Finding("ok", path, path)


def wsl(subject: Subject) -> Finding | None:
    """Whether, under WSL, a client for Windows reads another home folder.

    Remedy: run `skill-install CLIENT` in Windows' own terminal as well.
    """
    if not subject.client.desktop or not subject.env.variables.get("WSL_DISTRO_NAME"):
        return None
    windows = _windows_home(subject)
    detail = f"this is WSL: a {subject.client.title} for Windows reads its files in Windows' home folder, not in this"
    if windows is None:
        return Finding("info", detail)
    place = clients.entries(subject.client, "user", subject.env._replace(home=windows))
    name = subject.bundle.server.name
    if name in reading.servers_if_readable(place):
        return Finding("info", f"{detail}; there is an {name} entry too", str(place.file))
    if not place.file.parent.is_dir():
        return Finding("info", detail, str(place.file))
    fix = f"in Windows' own terminal: skill-install {subject.client.name}"
    return Finding("warning", f"{detail}; there is no {name} entry there", str(place.file), fix)


def _windows_home(subject: Subject) -> Path | None:
    """The user's home folder on Windows, told from PATH: WSL adds Windows' own to it."""
    for folder in subject.env.path_folders:
        match = re.match(r".*/Users/[^/]+(?=/AppData/)", folder.as_posix())
        if match:
            return Path(match.group())
    return None


def managed(subject: Subject) -> Finding | None:
    """Whether the organisation's own configuration is in force: then no other server is loaded.

    Remedy: whoever manages the machine adds the entry to that file.
    """
    file = _existing(subject.client.managed, subject)
    if file is None:
        return None
    name, title = subject.bundle.server.name, subject.client.title
    place = clients.Entries(file, ("mcpServers",), subject.client.format, shared=True)
    if name in reading.servers(place):
        detail = f"the organisation's configuration is in force: {title} uses its {name} entry"
        return Finding("info", detail, str(file))
    detail = f"the organisation's configuration is in force and has no {name}: {title} loads no other server"
    return Finding("error", detail, str(file), f"ask whoever manages this machine to add {name} to {file}")


def legacy_file(subject: Subject) -> Finding | None:
    """Whether a legacy file of the client's is read in place of the usual one.

    Remedy: none is needed: `skill-install` writes to the file that is read.
    """
    file = _existing(subject.client.legacy, subject)
    if file is None:
        return None
    return Finding("info", f"a legacy file that {subject.client.title} reads in place of .claude.json", str(file))


def _existing(template: str, subject: Subject) -> Path | None:
    file = Path(clients.resolve(template, subject.client, subject.env)) if template else None
    return file if file is not None and file.exists() else None


def kept_versions(subject: Subject) -> Finding | None:
    """The earlier versions of the client's file that this program has kept.

    Remedy: none is needed; to go back, copy one of them over the file while the client is not running.
    """
    versions = backups.of(subject.env.state_folder, subject.place.file)
    if not versions:
        return None
    names = ", ".join(version.name for version in versions)
    return Finding("info", f"earlier versions of {subject.place.file.name}: {names}", str(versions[0].parent))
