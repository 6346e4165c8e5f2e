"""Checks of the tracking server or store, and of what it holds: with questions of our own, and nothing is written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import reading, redact, trust
from .. import tracking_uri as uris
from ..errors import InstallerError
from .server import client_variables, entry_variables, not_usable
from .subject import Finding, Subject

if TYPE_CHECKING:
    from ..tracking_server import TrackingReport

ANSWER_LIMIT = 5.0


def tracking_server(subject: Subject) -> Finding | None:
    """Whether the tracking server answers as MLflow does, within 5 s; a local store is read from its file.

    Remedy: by what is wrong: the address, the certificate, the credentials ([authentication.md](authentication.md)),
    the network.
    """
    found = subject.own_entry
    if found is None:
        return None
    if not subject.may_use:
        return not_usable(subject)
    uri = _uri(subject)
    shown = redact.uri(uri)
    if uris.is_reference(reading.variable(found, uris.VARIABLE)) and (not uri or uris.is_reference(uri)):
        return Finding("skipped", f"{uris.VARIABLE} refers to a variable that is not set here")
    if _store(uri) is not None:
        return _local_store(subject, uri, shown)
    if not _is_http(uri):
        return Finding("skipped", "only HTTP servers and SQLite stores are asked", shown) if uri else None
    if _could_leak(subject):
        return Finding("skipped", "not contacted: the project's tracking URI expands your variables")
    from ..tracking_server import TrackingError

    try:
        report = _asked(subject)
    except TrackingError as error:
        if error.kind == "unauthorized" and not subject.may_send_credentials:
            detail = "requires credentials, which a project's entry is not given"
            fix = f"if you trust that server: {subject.command('skill-install')} --tracking-uri URI"
            return Finding("info", detail, shown, fix)
        return Finding("error", f"does not answer as it should: {error}", shown, error.fix)
    if report.version and int(report.version.partition(".")[0]) < 3:
        detail = f"answers (MLflow {report.version}), but with MLflow before 3 a wrong artifact path blocks for minutes"
        fix = "ask whoever runs it for MLflow 3; until then, list a run's artifacts before reading one"
        return Finding("warning", detail, shown, fix)
    return Finding("ok", f"answers (MLflow {report.version})" if report.version else "answers", shown)


def credentials(subject: Subject) -> Finding | None:
    """Whether the credentials for the tracking server are whole, and only one kind of them.

    Remedy: set what is missing, or keep only the credentials that are meant ([authentication.md](authentication.md)).
    """
    from .. import tracking_access

    uri = _uri(subject)
    if subject.own_entry is None or not subject.may_use or not _is_http(uri):
        return None
    try:
        parts = urlsplit(uri)
        found = list(tracking_access.doubts(parts, _variables(subject), subject.env.home))
    except ValueError:  # no address: the tracking URI's own check says so
        return None
    if not found:
        return None
    detail, fix = found[0]
    return Finding("warning", detail, redact.uri(uri), fix)


def data(subject: Subject) -> Finding | None:
    """Which experiments there are, and whether their runs have the form that the skill looks for.

    Remedy: none is needed: it says what there is to be found.
    """
    from .. import tracking_server as tracking

    uri = _uri(subject)
    if subject.own_entry is None or not subject.may_use or not uri or uris.is_reference(uri):
        return None
    store = _store(uri)
    if store is not None:
        return _stored(store, redact.uri(uri)) if store.is_file() else None
    if not _is_http(uri) or _could_leak(subject):
        return None
    try:
        _asked(subject)
        report = tracking.runs(uri, _trusted_variables(subject), home=_trusted_home(subject), timeout=ANSWER_LIMIT)
    except tracking.TrackingError as error:
        return Finding("skipped", f"the tracking server does not answer as it should: {error}")
    experiments = "more than 200" if report.experiments is None else str(report.experiments)
    most = tracking.COUNTED
    return _held(experiments, _number(report.launcher, most), _number(report.evaluator, most), report.others, uri)


def _stored(store: Path, shown: str) -> Finding | None:
    from .. import embedded_store
    from ..tracking_server import EVALUATOR_TAG, LAUNCHER_TAG

    try:
        there = embedded_store.look(store)
        launcher, evaluator = (embedded_store.tagged(store, tag) for tag in (LAUNCHER_TAG, EVALUATOR_TAG))
    except InstallerError:  # the store's own check reports it
        return None
    return _held(str(there.experiments), _number(launcher), _number(evaluator), there.runs > 0, shown)


def _held(experiments: str, launcher: str, evaluator: str, others: bool, uri: str) -> Finding:
    start, shown = f"experiments: {experiments}", redact.uri(uri)
    runs = [f"{launcher} of nemo-evaluator-launcher"] if launcher else []
    runs += [f"{evaluator} of nemo-evaluator 0.3"] if evaluator else []
    if runs:
        return Finding("ok", f"{start}; runs: {', '.join(runs)}", shown)
    if others:
        return Finding("info", f"{start}; runs, but none in the form of NeMo Evaluator's exporters", shown)
    return Finding("info", f"{start}; no runs yet", shown)


def _number(runs: int, most: int | None = None) -> str:
    return (f"{runs} or more" if runs == most else str(runs)) if runs else ""


def _asked(subject: Subject) -> TrackingReport:
    """What the tracking server says of itself, asked once for all checks. Raises TrackingError."""
    from .. import tracking_server as tracking

    variables, home = _trusted_variables(subject), _trusted_home(subject)
    return subject.memory.once(
        "tracking-server", lambda: tracking.ask(_uri(subject), variables, home=home, timeout=ANSWER_LIMIT)
    )


def _local_store(subject: Subject, uri: str, shown: str) -> Finding:
    from .. import embedded_store

    store = _store(uri)
    assert store is not None
    try:
        report = embedded_store.look(store)
    except InstallerError as error:
        return Finding("error", str(error), shown, error.fix)
    if report.exists:
        what = f"holds {report.runs} runs" if report.runs else "is ready; it holds no runs yet"
        return Finding("ok" if report.runs else "info", f"the local store {what}", shown)
    if uri == subject.embedded_uri:
        return Finding("info", "the local store will be made at the first call", shown)
    fix = f"correct the path: {subject.command('skill-install')} --tracking-uri URI"
    if not store.parent.is_dir():
        return Finding("error", f"there is no folder {store.parent}, so no store can be made there", shown, fix)
    return Finding("warning", f"there is no {store}: the first call would make an empty one", shown, fix)


def _store(uri: str) -> Path | None:
    """The file of an `sqlite:` URI with an absolute path, None for any other."""
    match = re.match(r"sqlite:///(/[^?]+|[A-Za-z]:[/\\][^?]*)", uri, re.IGNORECASE)
    return Path(match[1]) if match else None


def _is_http(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _uri(subject: Subject) -> str:
    return _variables(subject).get(uris.VARIABLE, "")


def _variables(subject: Subject) -> dict[str, str]:
    """What the server gets from client and entry."""
    return {**client_variables(subject), **entry_variables(subject.own_entry or {}, subject)}


def _could_leak(subject: Subject) -> bool:
    """Whether a tracking URI set only in the project's file expands the user's variables."""
    written = reading.variable(subject.own_entry, uris.VARIABLE)
    return uris.is_reference(written) and not subject.may_send_credentials


def _trusted_variables(subject: Subject) -> dict[str, str]:
    """The same variables, without credentials where the project's entry is not given any."""
    found = _variables(subject)
    return found if subject.may_send_credentials else trust.without_credentials(found)


def _trusted_home(subject: Subject) -> Path:
    return subject.env.home if subject.may_send_credentials else Path(os.devnull)
