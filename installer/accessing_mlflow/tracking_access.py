"""How MLflow's client would reach a tracking server: credentials, certificates and proxies, found where it finds them.

As read in mlflow 3.17.2 (`mlflow.utils.credentials`, `rest_utils`) and in `requests`, which it uses: credentials in
`.netrc` or in the URI win over MLflow's own, a user name and password win over a token.
"""

from __future__ import annotations

import base64
import configparser
import importlib
import importlib.util
import ipaddress
import netrc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote

from . import redact
from .errors import InstallerError

if TYPE_CHECKING:
    import ssl

FORM = """\
put a user name and a password into ~/.mlflow/credentials:
[mlflow]
mlflow_tracking_username = NAME
mlflow_tracking_password = PASSWORD
or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) where the client is started"""

_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_TOKEN = "MLFLOW_TRACKING_TOKEN"
_INSECURE, _CERTIFICATES = "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH"
_CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"


class TrackingError(InstallerError):
    """Why a tracking server cannot be used.

    `kind`: refused, unknown-host, timeout, tls, not-mlflow, sign-on, unauthorized, forbidden or unavailable.
    """

    def __init__(self, kind: str, reason: str, fix: str = "") -> None:
        super().__init__(redact.text(reason), fix)
        self.kind = kind


def authorization(parts: SplitResult, environ: Mapping[str, str], home: Path) -> tuple[str, str]:
    """The Authorization header's value, and where it comes from, for people; both "" where there is none.

    Raises TrackingError where MLflow could not read its file either.
    """
    header, source = _found(parts, environ, home)
    if not header.isprintable() or not header.isascii():
        raise TrackingError("unauthorized", f"{source} cannot be sent: it holds a line break or another alphabet", FORM)
    return header, source


def secrets(header: str, *addresses: SplitResult) -> set[str]:
    """Secrets in an Authorization header and in the user information of these addresses."""
    credential = header.partition(" ")[2]
    found = {header, credential}
    if header.startswith("Basic "):
        found |= _of_user(base64.b64decode(credential).decode())
    for parts in addresses:
        userinfo = parts.netloc.rpartition("@")[0]
        found |= _of_user(userinfo) | _of_user(unquote(userinfo))
    return found - {""}


def _of_user(userinfo: str) -> set[str]:
    """`userinfo` and its password, or the user if there is none: it is then a token."""
    user, _, password = userinfo.partition(":")
    return {userinfo, password or user}


def _found(parts: SplitResult, environ: Mapping[str, str], home: Path) -> tuple[str, str]:
    machine = _netrc(parts.hostname or "", environ, home)
    if machine:
        return _basic(*machine), "the user name and password in .netrc"
    if parts.password is not None:
        return _basic(unquote(parts.username or ""), unquote(parts.password)), "the user name and password in the URI"
    in_file = _credentials_file(home / ".mlflow" / "credentials")
    user, password = environ.get(_USER) or in_file[0], environ.get(_PASSWORD) or in_file[1]
    if user and password:
        from_file = not (environ.get(_USER) and environ.get(_PASSWORD))
        return _basic(user, password), "~/.mlflow/credentials" if from_file else f"{_USER} and {_PASSWORD}"
    token = environ.get(_TOKEN)
    return (f"Bearer {token}", _TOKEN) if token else ("", "")


def doubts(parts: SplitResult, environ: Mapping[str, str], home: Path) -> Iterator[tuple[str, str]]:
    """What is contradictory or half in the credentials, for people, and the remedy. Nothing is asked.

    Raises TrackingError where MLflow could not read its file.
    """
    in_file = _credentials_file(home / ".mlflow" / "credentials")
    user, password = environ.get(_USER) or in_file[0], environ.get(_PASSWORD) or in_file[1]
    if bool(user) != bool(password):
        there, lacking = (_USER, _PASSWORD) if user else (_PASSWORD, _USER)
        source = there if environ.get(there) else f"{there.lower()} in ~/.mlflow/credentials"
        yield f"{source} without {lacking}: MLflow uses neither", f"set {lacking} as well, or neither of them"
    if environ.get(_INSECURE, "").lower() in ("1", "true") and environ.get(_CERTIFICATES):
        yield f"MLflow refuses {_INSECURE} and {_CERTIFICATES} together", "unset one of them"
    sources = {
        "the user name and password in .netrc": _netrc(parts.hostname or "", environ, home) is not None,
        "the user name and password in the URI": parts.password is not None,
        "the user name and password of MLflow's own": bool(user and password),
        _TOKEN: bool(environ.get(_TOKEN)),
    }
    used, *others = [name for name, there in sources.items() if there] or [""]
    if others:
        yield f"several credentials: MLflow uses {used}, and not {' or '.join(others)}", "keep the one that is right"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _netrc(host: str, environ: Mapping[str, str], home: Path) -> tuple[str, str] | None:
    named = environ.get("NETRC")
    places = [Path(named)] if named else [home / ".netrc", home / "_netrc"]
    path = next((place for place in places if place.is_file()), None)  # to open a pipe is to wait for a writer
    try:
        found = netrc.netrc(str(path)).authenticators(host) if path else None
    except (netrc.NetrcParseError, OSError):
        return None  # as `requests` does: such a file counts for nothing
    return (found[0] or found[1] or "", found[2] or "") if found else None


def _credentials_file(path: Path) -> tuple[str | None, str | None]:
    if not path.is_file():  # a pipe, say: to open it is to wait for a writer
        return None, None
    parser = configparser.ConfigParser()
    try:
        parser.read(path)
        if not parser.has_section("mlflow"):
            return None, None
        section = parser["mlflow"]
        return section.get(_USER.lower()), section.get(_PASSWORD.lower())
    except configparser.InterpolationError as error:
        raise TrackingError(
            "unauthorized",
            f"MLflow cannot read ~/.mlflow/credentials: {error.option} holds a single %",
            "write it as %%",
        ) from None
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        # The parser's own message quotes the line, which may be the password.
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise TrackingError("unauthorized", f"MLflow cannot read ~/.mlflow/credentials{where}", FORM) from None


def tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    """What is trusted: MLFLOW_TRACKING_SERVER_CERT_PATH, else REQUESTS_CA_BUNDLE, else certifi's list, if it is there.

    MLflow does not look at the system's own list. Raises TrackingError where the settings contradict themselves.
    """
    import ssl

    insecure = environ.get(_INSECURE, "").lower() in ("1", "true")
    if insecure and environ.get(_CERTIFICATES):
        raise TrackingError("tls", f"MLflow refuses {_INSECURE} and {_CERTIFICATES} together", "unset one of them")
    names = (_CERTIFICATES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    name = next((name for name in names if environ.get(name)), "")
    trusted = Path(environ[name]) if name else _certifi()
    client = environ.get(_CLIENT_CERTIFICATE)
    try:
        if trusted is None:
            context = ssl.create_default_context()
        elif trusted.is_dir():
            context = ssl.create_default_context(capath=trusted)
        else:
            context = ssl.create_default_context(cafile=trusted)
        if client:
            name, trusted = _CLIENT_CERTIFICATE, Path(client)
            context.load_cert_chain(client)
    except OSError as error:  # a missing file, or ssl.SSLError for one without a certificate in it
        why = error.strerror if isinstance(error, FileNotFoundError) else "no certificate in PEM form is in it"
        raise TrackingError("tls", f"{name} cannot be used: {trusted}: {why}", f"correct {name}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _certifi() -> Path | None:
    if importlib.util.find_spec("certifi") is None:
        return None
    return Path(importlib.import_module("certifi").where())


def proxies(parts: SplitResult, environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy for that address, by its scheme; empty where it is reached directly."""

    def variable(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    proxy = variable(f"{parts.scheme}_proxy") or variable("all_proxy")
    exempt = any(_names(entry.strip(), parts) for entry in variable("no_proxy").split(","))
    return {parts.scheme: proxy} if proxy and not exempt else {}


def _names(entry: str, parts: SplitResult) -> bool:
    """Whether an entry of `no_proxy` names that address: `*`, a domain, a host, a host and port, or a network."""
    host = parts.hostname or ""
    if "/" in entry:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        except ValueError:  # one of the two is a name
            return False
    name = entry.lstrip("*.").lower()
    if not name:
        return entry == "*"
    return any(each == name or each.endswith("." + name) for each in (host, f"{host}:{parts.port}"))
