"""The check of a pinned entry: what it needs is here, and is what this release was tested with."""

from __future__ import annotations

import tempfile

from .. import entry as entries
from .. import fetch, reading, redact
from .. import pin as pins
from .. import tracking_uri as uris
from ..bundle import file_hashes
from ..entry import Entry
from ..pin import Pin
from .server import variables_of_start
from .subject import Finding, Subject


def pin(subject: Subject) -> Finding | None:
    """Whether a pinned server starts without the network. Asks nobody, and starts uv's Python, not the server.

    Remedy: `skill-install CLIENT`, or `skill-doctor CLIENT --fix`, which fetch it and bring its files back.
    """
    found = subject.own_entry
    pinned = None if found is None else pins.of_entry(found, subject.env)
    if found is None or pinned is None or not subject.may_use:
        return None
    path, fix = str(pinned.folder), subject.command("skill-install")
    damaged = _damage(pinned)
    if damaged:
        return Finding("error", damaged, path, fix)
    uri = subject.client.expand(reading.variable(found, uris.VARIABLE), subject.env)
    if pinned.form == "lean" and pins.form_for(uri) != "lean":
        return Finding("error", f"the lean form of MLflow is for http and https, not for {redact.uri(uri)}", path, fix)
    wanted = pins.files_of(subject.bundle.server, subject.env)
    if pinned.folder != wanted.folder:
        detail = f"pinned to {pinned.folder.name}; this release was tested with {wanted.folder.name}"
        return Finding("warning", detail, path, fix)
    offline = bool(reading.variable(found, pins.OFFLINE))
    if not _is_cached(found, subject):
        detail = "uv's cache does not hold the pinned server"
        if offline:
            return Finding("error", f"{detail} (any more), so it cannot start", path, fix)
        return Finding("warning", f"{detail}: the first start fetches it", path, fix)
    if not offline:
        return Finding("warning", f"no {pins.OFFLINE}: every start asks the package index", path, fix)
    return Finding(
        "ok", f"{subject.bundle.server.package} {subject.bundle.server.tested}, {pinned.form}, in uv's cache"
    )


def _damage(pinned: Pin) -> str:
    """What is wrong with the files that the entry names: the folder's name ends with their digest."""
    missing = [file.name for file in (pinned.constraints, pinned.overrides) if file and not file.is_file()]
    if missing:
        return f"the pinned entry names files that are gone: {', '.join(missing)}"
    digest = pins.digest(file_hashes(pinned.folder))
    return "" if pinned.folder.name.endswith(f"-{digest}") else "the files of the pinned entry were changed"


def _is_cached(entry: Entry, subject: Subject) -> bool:
    package = subject.bundle.server.package
    command = subject.client.expand(entry["command"], subject.env)
    if entries.runner_length(entry):  # uv tool run
        command = command.removesuffix(".exe") + "x"
    options = entries.runner_options(entry, package)
    with tempfile.TemporaryDirectory(prefix="accessing-mlflow-") as home:
        variables = variables_of_start(entry, subject, home)
        return fetch.fetched(command, entries.requirement(entry, package), variables, options)
