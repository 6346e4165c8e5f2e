"""The tracking URI: which one to use, and whether it can be right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import redact
from .errors import InstallerError

VARIABLE = "MLFLOW_TRACKING_URI"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"<[^>]*>|\byour[-_.]|\{\{|\.\.\.|…", re.IGNORECASE)
# A server may lie under a path of its own, so only what MLflow's pages put behind it tells a page's address.
_PAGE = re.compile(r"#|/experiments/\d|/compare-(runs|experiments)\b|/(ajax-)?api/2\.0(/|$)|/models/\w")
_REFERENCE = re.compile(r"\$\{[^}]+\}")


@dataclass(frozen=True)
class Candidate:
    """A value that somebody has set, and where, for people."""

    value: str
    source: str


@dataclass(frozen=True)
class Choice:
    """The tracking URI to write. `embedded`: nothing else was found, so it is our own local store."""

    value: str
    source: str
    embedded: bool = False


class TrackingUriError(InstallerError):
    """The tracking URI cannot be right; `fix` shows the right form."""


def choose(candidates: Iterable[Candidate], embedded: str) -> Choice | None:
    """The first candidate that says something: not empty, no placeholder, not the embedded default.

    The embedded default is never sticky: a real server found anywhere replaces it. None where nobody says anything.
    Raises TrackingUriError where the first that says something cannot be right.
    """
    for candidate in candidates:
        if candidate.value.strip() and not is_placeholder(candidate.value) and candidate.value != embedded:
            check(candidate.value, candidate.source)
            return Choice(candidate.value, candidate.source)
    return None


def check(value: str, source: str) -> None:
    """Raises TrackingUriError unless `value` can be a tracking URI. References to variables are let through."""
    if is_reference(value):
        return
    shown = redact.uri(value)
    if not value.strip():
        raise TrackingUriError(f"the tracking URI from {source} is empty", _FORM)
    if is_placeholder(value):
        raise TrackingUriError(f"the tracking URI from {source} is a placeholder: {shown}", _FORM)
    if value == "databricks":
        return
    if not _SCHEME.match(value) or re.match(r"[\w.-]+:\d+(/|$)", value):
        raise TrackingUriError(
            f"the tracking URI from {source} has no scheme: {shown}",
            f"write http://{shown} or https://{shown}",
        )
    if value.startswith(("http:", "https:")):
        _check_server(value, shown, source)
    if re.match(r"sqlite:(///)?[^/]", value) and not re.match(r"sqlite:///[A-Za-z]:[/\\]", value):
        raise TrackingUriError(
            f"the tracking URI from {source} is a relative path: {shown}",
            "the agent starts the server in any folder; write sqlite:////absolute/path/mlflow.db",
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
