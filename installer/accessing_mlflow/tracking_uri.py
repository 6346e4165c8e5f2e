"""The tracking URI: which one to use, and whether it can be right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from . import redact
from .errors import InstallerError

VARIABLE = "MLFLOW_TRACKING_URI"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|(file|sqlite):/", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"<[^>]*>|\byour[-_.]|\{\{|\.\.\.|…", re.IGNORECASE)
# A server may lie under a path of its own, so only what MLflow's pages put behind it tells a page's address.
_PAGE = re.compile(r"#|/experiments/\d|/compare-(runs|experiments)\b|/(ajax-)?api/2\.0(/|$)")
_REFERENCE = re.compile(r"\$\{[^}]+\}")
_WITHOUT_SCHEME = frozenset({"databricks", "databricks-uc"})


class Candidate(NamedTuple):
    """A value that somebody has set, and where, for people."""

    value: str
    source: str


class Choice(NamedTuple):
    """The tracking URI to write. `embedded`: nothing else was found, so it is our own local store.

    `not_taken`: tracking URIs that only the project's files name and that the user was not asked about.
    """

    value: str
    source: str
    embedded: bool = False
    not_taken: tuple[Candidate, ...] = ()


class TrackingUriError(InstallerError):
    """The tracking URI cannot be right; `fix` shows the right form."""


def choose(candidates: Iterable[Candidate], embedded: str) -> Choice | None:
    """The first candidate that says something: not empty, no placeholder, not the embedded default.

    The embedded default is never sticky: a real server found anywhere replaces it. None where nobody says anything.
    Raises TrackingUriError where the first that says something cannot be right.
    """
    for candidate in candidates:
        value = candidate.value.strip()
        if value and not is_placeholder(value) and value != embedded:
            check(value, candidate.source)
            return Choice(value, candidate.source)
    return None


def check(value: str, source: str) -> None:
    """Raises TrackingUriError unless `value` can be a tracking URI. References to variables are let through."""
    if is_reference(value) or value in _WITHOUT_SCHEME:
        return
    shown = redact.uri(value)
    if not value:
        raise TrackingUriError(f"the tracking URI from {source} is empty", _FORM)
    if is_placeholder(value):
        raise TrackingUriError(f"the tracking URI from {source} is a placeholder: {shown}", _FORM)
    scheme = value.partition(":")[0].lower()
    if scheme in ("file", "sqlite") and re.match(r"sqlite:(//)?/?[^/]|file:(//)?[^/]", value, re.IGNORECASE):
        _check_local(value, shown, source)
    if not _SCHEME.match(value):
        raise TrackingUriError(
            f"the tracking URI from {source} has no scheme: {shown}", f"write http://{shown} or https://{shown}"
        )
    if scheme in ("http", "https"):
        _check_server(value, shown, source)


def _check_local(value: str, shown: str, source: str) -> None:
    """A relative path would be another one wherever the agent starts the server. `C:` begins an absolute one."""
    if not re.match(r"\w+:///[A-Za-z]:[/\\]", value):
        raise TrackingUriError(
            f"the tracking URI from {source} is a relative path: {shown}",
            "write an absolute one: sqlite:////absolute/path/mlflow.db",
        )


def _check_server(value: str, shown: str, source: str) -> None:
    try:
        host = urlsplit(value).hostname
    except ValueError:
        host = None
    if not host:
        raise TrackingUriError(f"the tracking URI from {source} names no host: {shown}", _FORM)
    page = _PAGE.search(shown)
    if page:
        raise TrackingUriError(
            f"the tracking URI from {source} is the address of a page: {shown}",
            f"write the server's address: {shown[: page.start()].rstrip('/') or shown}",
        )


_FORM = "write the server's address, such as https://mlflow.example.org"


def is_placeholder(value: str) -> bool:
    """Whether `value` was copied from instructions and never filled in."""
    return bool(_PLACEHOLDER.search(value))


def is_reference(value: str) -> bool:
    """Whether `value` refers to an environment variable, in any client's form."""
    return bool(_REFERENCE.search(value))


def has_credentials(value: str) -> bool:
    """Whether a user or password is written into the URI."""
    return redact.uri(value) != value
