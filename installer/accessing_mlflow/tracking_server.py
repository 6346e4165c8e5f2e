"""Asks an MLflow tracking server directly, as MLflow's client would reach it.

Three questions, no retries, one time limit over all. What proves that a server is MLflow: `GET /health` says exactly
`OK`, and `experiments/search` answers as MLflow's REST interface does. `/health` alone proves nothing.
"""

from __future__ import annotations

import http.client
import json
import queue
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from . import redact, tracking_access
from .tracking_access import TrackingError

__all__ = ["RunsReport", "TrackingError", "TrackingReport", "ask", "runs"]

_T = TypeVar("_T")

_BODY_LIMIT = 4 << 20
_EXPERIMENTS_ASKED = 200
_SEARCH = "/api/2.0/mlflow/experiments/search"
_RUNS = "/api/2.0/mlflow/runs/search"
_ADDRESS = "check the address: it is the one of the MLflow server itself, such as http://mlflow.example.com:5000"
_SIGN_ON = (
    "programs cannot sign on there: ask for an address or a token (MLFLOW_TRACKING_TOKEN) meant for MLflow clients"
)
_CLIENT_CERTIFICATE = "name the file of your own certificate in MLFLOW_TRACKING_CLIENT_CERT_PATH"
_TRUST = "name the file of the authority's certificate in MLFLOW_TRACKING_SERVER_CERT_PATH"


@dataclass(frozen=True)
class TrackingReport:
    """`version`: as the server says, "" where it does not. `experiments`: how many, None for more than 200."""

    version: str
    experiments: int | None


@dataclass(frozen=True)
class RunsReport:
    """Whose runs a server holds. `experiments`: as in TrackingReport; the others count runs, COUNTED standing for more.

    `launcher`: in the form of nemo-evaluator-launcher; `evaluator`: in that of nemo-evaluator 0.3; `others`: whether
    there are runs at all, where there are none of these.
    """

    experiments: int | None
    launcher: int
    evaluator: int
    others: bool


COUNTED = 100
LAUNCHER_TAG, EVALUATOR_TAG = "invocation_id", "config_hash"
"""The tags that tell the two forms (measured)."""


def ask(uri: str, environ: Mapping[str, str], *, home: Path, timeout: float = 5.0) -> TrackingReport:
    """Asks the server at `uri` (http or https, a path in it is kept) whether it is MLflow and may be used.

    `environ` and `home` are those of the process that would use it: credentials, certificates and proxies come from
    there. `timeout`: seconds for everything, whatever the server or the network does. Raises TrackingError.
    """
    return _within(timeout, lambda: _Server(uri, environ, home, timeout).report())


def runs(uri: str, environ: Mapping[str, str], *, home: Path, timeout: float = 5.0) -> RunsReport:
    """What the server at `uri` holds; as `ask` otherwise. Raises TrackingError."""
    return _within(timeout, lambda: _Server(uri, environ, home, timeout).runs())


def _within(timeout: float, question: Callable[[], _T]) -> _T:
    answer: queue.Queue[_T | BaseException] = queue.Queue()

    def work() -> None:
        try:
            answer.put(question())
        except BaseException as error:  # raised by the caller, below
            answer.put(error)

    # A thread, because no socket option bounds a name lookup or a server that sends a byte now and then. It is left
    # behind where it hangs, and as a daemon does not outlive the program.
    threading.Thread(target=work, daemon=True).start()
    try:
        result = answer.get(timeout=timeout)
    except queue.Empty:
        raise _too_slow(timeout) from None
    if isinstance(result, BaseException):
        raise result
    return result


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    secrets: Collection[str]
    """Credentials that were sent with the request."""

    @property
    def status_line(self) -> str:
        known = self.status in HTTPStatus.__members__.values()
        return f"HTTP {self.status} {HTTPStatus(self.status).phrase}" if known else f"HTTP {self.status}"

    @property
    def is_page(self) -> bool:
        start = self.body.lstrip()[:15].lower()
        return start.startswith((b"<!doctype html", b"<html"))

    @property
    def title(self) -> str:
        """What a person sees of it: a page's title, or the first line."""
        match = re.search(rb"(?is)<title[^>]*>(.*?)</title>", self.body) if self.is_page else None
        text = (match[1] if match else b"" if self.is_page else self.body).decode("utf-8", "replace").strip()
        return self.quotable(" ".join(text.partition("\n")[0].split()))[:100]

    def quotable(self, text: str) -> str:
        """Part of the response, without credentials that it may echo. Redact before truncating."""
        return redact.without(text, self.secrets)


class _Server:
    def __init__(self, uri: str, environ: Mapping[str, str], home: Path, timeout: float) -> None:
        try:
            parts = urlsplit(uri)
            self._where = parts.netloc.rpartition("@")[2]
            proxies = tracking_access.proxies(parts, environ)
        except ValueError as error:
            raise TrackingError("unknown-host", f"not an address: {error}", _ADDRESS) from None
        if not parts.hostname:
            raise TrackingError("unknown-host", "the address names no host", _ADDRESS)
        self._base = f"{parts.scheme}://{self._where}{quote(parts.path.rstrip('/'), safe='/%:@!$&()*+,;=~')}"
        self._scheme = parts.scheme
        self._timeout = timeout
        self._authorization, self._credentials = tracking_access.authorization(parts, environ, home)
        proxy = urlsplit(proxies.get(parts.scheme, ""))
        self._proxy = proxy.netloc.rpartition("@")[2]
        self._secrets = tracking_access.secrets(self._authorization, parts, proxy)
        self._foreign_sign_in = bool(environ.get("MLFLOW_TRACKING_AUTH") or environ.get("MLFLOW_TRACKING_AWS_SIGV4"))
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler(proxies), _NoRedirect()]
        if parts.scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=tracking_access.tls(environ)))
        self._opener = urllib.request.build_opener(*handlers)

    def report(self) -> TrackingReport:
        health = self._accepted(self._request("/health"))
        search = self._accepted(self._request(_SEARCH, {"max_results": _EXPERIMENTS_ASKED}))
        found = _experiments(search)
        if health.body != b"OK" or found is None:
            raise self._not_mlflow(health if health.body != b"OK" else search)
        version = self._request("/version")
        text = version.quotable(version.body.decode("ascii", "replace").strip())[:50]
        text = text if version.status == HTTPStatus.OK else ""
        experiments = None if found.get("next_page_token") else len(found.get("experiments", []))
        return TrackingReport(text if re.fullmatch(r"\d+\.\d[\w.+-]*", text) else "", experiments)

    def runs(self) -> RunsReport:
        search = self._accepted(self._request(_SEARCH, {"max_results": _EXPERIMENTS_ASKED}))
        found = _experiments(search)
        if found is None:
            raise self._not_mlflow(search)
        there = found.get("experiments", [])
        ids = [str(one.get("experiment_id")) for one in there if isinstance(one, dict)]
        launcher, evaluator = (self._count(ids, f"tags.{tag} != ''") for tag in (LAUNCHER_TAG, EVALUATOR_TAG))
        others = not launcher and not evaluator and self._count(ids, "", 1) > 0
        return RunsReport(None if found.get("next_page_token") else len(there), launcher, evaluator, others)

    def _count(self, experiments: list[str], filtered: str, most: int = COUNTED) -> int:
        """How many runs there are, up to `most`."""
        if not experiments:
            return 0
        question = {"experiment_ids": experiments, "filter": filtered, "max_results": most}
        answer = self._accepted(self._request(_RUNS, question))
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if answer.status != HTTPStatus.OK or not isinstance(found, dict):
            raise self._not_mlflow(answer)
        listed = found.get("runs", [])
        return len(listed) if isinstance(listed, list) else 0

    def _request(self, path: str, question: object = None) -> _Answer:
        headers = {"User-Agent": "accessing-mlflow", "Accept": "*/*"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        data = None
        if question is not None:
            data = json.dumps(question).encode()
            headers["Content-Type"] = "application/json"
        try:
            request = urllib.request.Request(self._base + path, data, headers)
            try:
                response = self._opener.open(request, timeout=self._timeout)
            except urllib.error.HTTPError as error:  # an answer all the same
                response = error
            with response:
                return _Answer(response.status, response.headers, response.read(_BODY_LIMIT), self._secrets)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> TrackingError:
        """What went wrong before there was an answer."""
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        through = f" (through the proxy {self._proxy})" if self._proxy else ""
        where = f"{self._where}{through}"
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
            return TrackingError("unknown-host", f"no name server answers for {where}", "check the network and the VPN")
        if isinstance(cause, socket.gaierror | UnicodeError):
            return TrackingError("unknown-host", f"there is no host of that name: {where}", _ADDRESS)
        if isinstance(cause, ssl.SSLCertVerificationError):
            fix = _TRUST if "mismatch" not in cause.verify_message else "use a name that is in its certificate"
            return TrackingError("tls", f"the certificate of {where} is not trusted: {cause.verify_message}", fix)
        if isinstance(cause, ssl.SSLError):
            fix = _CLIENT_CERTIFICATE if "REQUIRED" in cause.reason else "try it with http://"
            return TrackingError("tls", f"no TLS connection with {where}: {cause.reason}", fix)
        if isinstance(cause, TimeoutError):
            return _too_slow(self._timeout)
        if isinstance(cause, ConnectionRefusedError):
            return TrackingError("refused", f"nothing listens at {where}", "start the server, or correct the address")
        if isinstance(cause, http.client.HTTPException | ConnectionError):
            fix = "try it with https://" if self._scheme == "http" else _ADDRESS
            return TrackingError("not-mlflow", f"{where} does not answer in HTTP", fix)
        reason = cause.strerror or str(cause) if isinstance(cause, OSError) else str(cause)
        return TrackingError("refused", f"no connection with {where}: {reason}", "check the network and the proxy")

    def _accepted(self, answer: _Answer) -> _Answer:
        """The answer, unless it is a refusal."""
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            raise self._redirected(answer)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
            raise self._unauthorized(answer)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise _forbidden(answer)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            reason = f"{self._where} is there but does not work: {answer.status_line}"
            raise TrackingError("unavailable", reason, "try again later, or ask whoever runs it")
        return answer

    def _redirected(self, answer: _Answer) -> TrackingError:
        target = urlsplit(urljoin(self._base + "/", answer.headers.get("Location") or ""))
        to = answer.quotable(f"{target.scheme}://{target.netloc.rpartition('@')[2]}")
        here = urlsplit(self._base)
        if target.hostname != here.hostname or re.search(r"(?i)log-?in|sign-?[io]n|sso|oauth|saml|auth", target.path):
            return TrackingError("sign-on", f"a sign-on page stands before it: it redirects to {to}", _SIGN_ON)
        path = answer.quotable(target.path)
        return TrackingError("not-mlflow", f"it redirects to {to}{path}", f"use the address {to}{here.path}")

    def _unauthorized(self, answer: _Answer) -> TrackingError:
        if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            fix = "put them into the proxy's address: http://NAME:PASSWORD@HOST:PORT"
            return TrackingError("unauthorized", f"the proxy {self._proxy} wants a user name and a password", fix)
        if self._foreign_sign_in:
            reason = "it wants credentials (HTTP 401), and only MLflow itself can use MLFLOW_TRACKING_AUTH or AWS_SIGV4"
            return TrackingError("unauthorized", reason)
        if self._credentials:
            return TrackingError(
                "unauthorized", f"it does not accept {self._credentials} (HTTP 401)", tracking_access.FORM
            )
        scheme = answer.quotable((answer.headers.get("WWW-Authenticate") or "").partition(" ")[0])
        wants = "a user name and a password" if scheme.lower() == "basic" else f"credentials{scheme and f' ({scheme})'}"
        return TrackingError("unauthorized", f"it wants {wants} (HTTP 401)", tracking_access.FORM)

    def _not_mlflow(self, answer: _Answer) -> TrackingError:
        said = f": {answer.title}" if answer.title else ""
        if answer.is_page and answer.status == HTTPStatus.OK:
            return TrackingError("sign-on", f"it answers with a web page, as a sign-on page does{said}", _SIGN_ON)
        if answer.status == HTTPStatus.OK:
            return TrackingError("not-mlflow", "it is a web server, but not MLflow", _ADDRESS)
        fix = "try it with https://" if "https" in answer.title.lower() and self._scheme == "http" else _ADDRESS
        return TrackingError("not-mlflow", f"MLflow is not at this address ({answer.status_line}{said})", fix)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: following it would take the credentials elsewhere."""

    def redirect_request(self, *_args: object) -> None:
        return None


def _experiments(answer: _Answer) -> dict[str, Any] | None:
    """MLflow's answer to a search; None for anything else. Where all experiments are deleted it is `{}`."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    if answer.status != HTTPStatus.OK or not isinstance(found, dict):
        return None
    return found if found == {} or isinstance(found.get("experiments"), list) else None


def _forbidden(answer: _Answer) -> TrackingError:
    if "host header" in answer.title.lower():
        fix = "whoever runs it adds this host: mlflow server --allowed-hosts"
        return TrackingError("forbidden", f"it does not answer under this name: {answer.title}", fix)
    said = f": {answer.title}" if answer.title else ""
    fix = "ask whoever runs it for the permission to read experiments"
    return TrackingError("forbidden", f"access is not allowed ({answer.status_line}{said})", fix)


def _too_slow(timeout: float) -> TrackingError:
    return TrackingError("timeout", f"no answer within {timeout:g} s", "check the address, the network and the VPN")
