"""Checks of the machine: the client, uvx, and the versions of its files that are kept."""

from __future__ import annotations

from .. import backups, clients
from .. import uvx as uvxs
from .subject import Finding, Subject


def client(subject: Subject) -> Finding:
    """Whether the client itself is here.

    Remedy: none is needed: its files are ready for the day it comes.
    """
    if clients.is_present(subject.client, subject.env):
        return Finding("ok", f"{subject.client.title} is on this machine")
    return Finding("info", f"{subject.client.title} was not found on this machine")


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
        return Finding("warning", f"{path} is in a virtual environment: it lasts as long as that", path)
    if not found.on_path:
        return Finding("info", f"{path}, which is not on PATH", path)
    return Finding("ok", path, path)


def kept_versions(subject: Subject) -> Finding | None:
    """The earlier versions of the client's file that this program has kept.

    Remedy: none is needed; to go back, copy one of them over the file while the client is not running.
    """
    versions = backups.of(subject.env.state_folder, subject.place.file)
    if not versions:
        return None
    names = ", ".join(version.name for version in versions)
    return Finding("info", f"earlier versions of {subject.place.file.name}: {names}", str(versions[0].parent))
