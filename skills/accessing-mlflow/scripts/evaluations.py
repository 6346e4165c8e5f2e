"""What find_runs.py and compare_runs.py share: where MLflow is, the runs and files in it, and how they are shown.

Only read: nothing here changes anything on the server. What comes from there is data by others: `shown` makes it safe
to print. Needs Python 3.10 or later, PyYAML and urllib3; SQLite stores are read by MLflow's own client.
"""

from __future__ import annotations

import base64
import configparser
import json
import math
import netrc
import os
import re
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

DAY = 86400
PAGE = 1000
FIRST_PAGE = 100
EXPERIMENTS_AT_ONCE = 200
LARGEST_FILE = 16 << 20
READERS = 8
PAGES_AT_ONCE = 4
REDIRECTS = 5
MOST_ALIASES = 100
LONGEST_PATH = 1000

_URI = "MLFLOW_TRACKING_URI"
_SECRETS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_IN_CLIENT = "ACCESSING_MLFLOW_IN_CLIENT"
_REFUSED = object()
_T = TypeVar("_T")
_R = TypeVar("_R")


class Problem(Exception):
    """What went wrong, for people, with the next step."""


class Unfit(Problem):
    """The server does not take the question in this form, or not in time."""


class Server(NamedTuple):
    """Where the tracking server is. `source`: who says so. `trusted`: whether it may get the user's credentials.

    `python`: a command that runs Python with MLflow's client in it. `variables` are those of the environment, under
    those of the server entry that the address is from.
    """

    uri: str
    source: str
    variables: Mapping[str, str]
    trusted: bool = True
    python: tuple[str, ...] = ("uvx", "--from", "mlflow-mcp", "python")

    @property
    def shown(self) -> str:
        """The address without user name and password."""
        parts = urllib.parse.urlsplit(self.uri)
        if not parts.netloc:
            return shown(self.uri, 200)
        return shown(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), 200)


class Run(NamedTuple):
    """A run as MLflow has it. `start`: of the export, in milliseconds. `files`: the address of its artifacts."""

    id: str
    experiment: str
    name: str
    status: str
    start: int
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    files: str = ""

    @property
    def invocation(self) -> str:
        return self.tags.get("invocation_id") or self.params.get("invocation_id", "")

    @property
    def job(self) -> str:
        return self.tags.get("job_id", "")

    @property
    def task(self) -> str:
        return self.tags.get("task_name") or self.tags.get("benchmark", "")

    @property
    def form(self) -> str:
        """Who wrote it: `launcher` (nemo-evaluator-launcher), `bundle` (nemo-evaluator 0.3) or `other`."""
        if self.invocation:
            return "launcher"
        return "bundle" if "config_hash" in self.tags and "sdk_version" in self.tags else "other"

    @property
    def evaluated(self) -> float:
        """When it was evaluated, in seconds since 1970, as the exporter noted it; else when it was exported.

        A time after the export is not believed, but for a day for clocks that differ.
        """
        noted, exported = moment(self.params.get("timestamp", "")), self.start / 1000
        return noted if noted and (not exported or noted <= exported + DAY) else exported

    @property
    def folder(self) -> str:
        """Where its exporter puts its files."""
        if self.form == "launcher":
            return f"{self.tags.get('harness', 'None')}.{self.task}/artifacts"
        return re.sub(r"[^a-zA-Z0-9_.-]", "_", self.task)


class File(NamedTuple):
    """A file or folder of a run."""

    path: str
    is_folder: bool
    size: int


class Store(Protocol):
    """What is asked of a tracking server, whichever way it is reached."""

    def experiments(self) -> dict[str, str]:
        """The names of all experiments, by id."""

    def pages(self, experiments: list[str], condition: str) -> Iterator[list[Run]]:
        """All runs, up to PAGE at a time: the newest exports first, the rest in any order; some may come twice."""

    def run(self, run_id: str) -> Run | None:
        """The run of that id."""

    def files(self, run: Run, folder: str) -> list[File]:
        """What is directly in a folder of a run's files."""

    def read(self, run: Run, path: str) -> bytes | None:
        """A file of a run; None where there is none."""


# Where the server is


def find_server(option: str = "", environ: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Server:
    """The server of `--tracking-uri`, else of the environment, else of the clients' entries. Raises Problem."""
    if option:
        return Server(option, "--tracking-uri", environ)
    if environ.get(_URI):
        return Server(environ[_URI], f"${_URI}", environ)
    found = next(_entries(environ, (cwd or Path.cwd()).absolute()), None)
    if found is None:
        raise Problem(
            f"no MLflow server is configured: give --tracking-uri, set {_URI}, or run "
            "`skill-install CLIENT --tracking-uri URI`; ask the user for the address"
        )
    if "${" in found.uri:
        raise Problem(f"the tracking URI in {found.source} refers to a variable that is not set: {shown(found.uri)}")
    return found


def _entries(environ: Mapping[str, str], cwd: Path) -> Iterator[Server]:
    """The servers named in the configurations of Claude Code, Cursor and Codex, the one that would be used first.

    A project's file comes from whoever wrote the project: until the user has approved it in Claude Code, or trusts the
    folder in Codex, it is taken last, its references are not filled in, and it gets none of the user's credentials.
    """
    home = Path(environ.get("HOME") or Path.home())
    moved = environ.get("CLAUDE_CONFIG_DIR")
    folder = cwd / moved if moved else home / ".claude"
    legacy = folder / ".config.json"
    state_file = legacy if legacy.exists() else (cwd / moved if moved else home) / ".claude.json"
    state = _json_file(state_file)
    last = []
    projects = [path for path in (cwd, *cwd.parents) if path != home]
    for key in (key for path in projects for key in (path, *_main_folder(path))):
        yield from _entry(_member(state, "projects", str(key)), f"{state_file} (this project)", environ, cwd)
    for path in projects:
        approved = _approved(path, folder, state)
        entry = _entry(_json_file(path / ".mcp.json"), str(path / ".mcp.json"), environ, cwd, approved)
        if approved:
            yield from entry
        else:
            last += entry
    yield from _entry(state, str(state_file), environ, cwd)
    yield from _entry(_json_file(home / ".cursor" / "mcp.json"), str(home / ".cursor/mcp.json"), environ, cwd)
    own = cwd / environ["CODEX_HOME"] if environ.get("CODEX_HOME") else home / ".codex"
    settings = _toml_file(own / "config.toml")
    for path in projects:
        trusted = _member(settings, "projects", str(path)).get("trust_level") == "trusted"
        found = {"mcpServers": _member(_toml_file(path / ".codex/config.toml"), "mcp_servers")}
        entry = _entry(found, str(path / ".codex/config.toml"), environ, cwd, trusted)
        if trusted:
            yield from entry
        else:
            last += entry
    yield from _entry({"mcpServers": _member(settings, "mcp_servers")}, str(own / "config.toml"), environ, cwd)
    for path in projects:
        last += _entry(_json_file(path / ".cursor/mcp.json"), str(path / ".cursor/mcp.json"), environ, cwd, False)
    yield from last


def _main_folder(path: Path) -> list[Path]:
    """Of a linked worktree of git, the folder under whose name Claude Code keeps the project (measured)."""
    try:
        git = path / (path / ".git").read_text(encoding="utf-8").partition("gitdir:")[2].strip()
        common = Path(os.path.normpath(git / (git / "commondir").read_text(encoding="utf-8").strip()))
    except (OSError, ValueError):
        return []
    return [common.parent if common.name == ".git" else common]


def _entry(data: Any, source: str, environ: Mapping[str, str], cwd: Path, trusted: bool = True) -> list[Server]:
    servers = _member(data, "mcpServers")
    entry = next((value for name, value in servers.items() if name.lower() == "mlflow"), None)
    given = {name: value for name, value in _member(entry, "env").items() if isinstance(value, str)}
    if not isinstance(entry, dict) or not given.get(_URI):
        return []
    known = environ if trusted else {}
    filled = {name: _filled(value, known, cwd) for name, value in given.items()}
    kept = {name: value for name, value in environ.items() if trusted or name not in _SECRETS}
    server = Server(filled[_URI], source, {**kept, **filled}, trusted)
    command, arguments = entry.get("command"), entry.get("args")
    if isinstance(command, str) and isinstance(arguments, list) and Path(command).stem == "uvx" and arguments:
        *options, package = (_filled(str(argument), known, cwd) for argument in arguments)
        start = [command, *options] if "--from" in options else [command, *options, "--from", package]
        server = server._replace(python=(*start, "python"))
    return [server]


def _approved(project: Path, folder: Path, state: Any) -> bool:
    """Whether the user has approved the project's server in Claude Code."""
    sources = [_json_file(folder / "settings.json"), _member(state, "projects", str(project))]
    if _member(state, "projects", str(project)).get("hasTrustDialogAccepted") is True:
        sources.append(_json_file(project / ".claude" / "settings.local.json"))
    for source in sources:
        named = _member(source).get("enabledMcpjsonServers")
        if "MLflow" in (named if isinstance(named, list) else []):
            return True
        if _member(source).get("enableAllProjectMcpServers") is True:
            return True
    return False


def _filled(text: str, environ: Mapping[str, str], cwd: Path) -> str:
    """`${NAME}`, `${NAME:-default}` (Claude Code) and `${env:NAME}` (Cursor); what is not set stays."""

    def value(match: re.Match[str]) -> str:
        found = environ.get(match[1])
        return found if found is not None else match[2] if match[2] is not None else match[0]

    text = text.replace("${userHome}", environ.get("HOME", "${userHome}")).replace("${workspaceFolder}", str(cwd))
    return re.sub(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}", value, text)


def _json_file(path: Path) -> Any:
    """A configuration file, with comments and trailing commas or without; {} where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        string = r'("(?:\\.|[^"\\])*")'
        text = re.sub(string + r"|//[^\n]*|/\*.*?\*/", lambda match: match[1] or " ", text, flags=re.DOTALL)
        return json.loads(re.sub(string + r"|,(?=\s*[}\]])", lambda match: match[1] or "", text))
    except (OSError, ValueError, RecursionError):
        return {}


def _toml_file(path: Path) -> Any:
    """A configuration file; {} where it cannot be read."""
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _member(data: Any, *keys: str) -> dict[str, Any]:
    """The object at the end of the way, or an empty one."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


# Reaching it


def open_store(server: Server) -> Store:
    """The store behind the address. Raises Problem for one that is neither HTTP nor SQLite."""
    scheme = urllib.parse.urlsplit(server.uri).scheme.lower()
    if scheme in ("http", "https"):
        return Rest(server)
    if scheme == "sqlite":
        return Client(server)
    raise Problem(f"only http, https and sqlite tracking URIs can be read, not {server.shown} ({server.source})")


class Rest:
    """An MLflow server, by its REST API 2.0, which all versions since 1.0 answer."""

    def __init__(self, server: Server) -> None:
        parts = urllib.parse.urlsplit(server.uri)
        if not parts.netloc.isascii():
            parts = parts._replace(netloc=_ascii(parts.netloc))
        self._server = server
        self._base = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
        self._headers = {"Accept": "*/*", "User-Agent": "accessing-mlflow"}
        authorization = _authorization(parts, server)
        if authorization:
            self._headers["Authorization"] = authorization
        self._connections = _connections(parts, server)

    def experiments(self) -> dict[str, str]:
        found, token = {}, ""
        while True:
            body = {"max_results": PAGE, **({"page_token": token} if token else {})}
            answer = self._json("experiments/search", body)
            found.update({item["experiment_id"]: item.get("name", "") for item in answer.get("experiments", [])})
            token = answer.get("next_page_token", "")
            if not token:
                return found

    def pages(self, experiments: list[str], condition: str) -> Iterator[list[Run]]:
        """Of many runs, most of the time is the server's: so they are asked for in parts, a few at a time.

        MLflow makes the IDs at random (`uuid.uuid4().hex`), so their first digit makes sixteen equal parts. A server
        that does not take or heed such a filter, has the newest or the oldest run under another kind of ID, or cannot
        answer several questions in time, is asked for one page after the other.
        """
        newest, token = self._page(experiments, condition, "", FIRST_PAGE)
        yield newest
        if not token:
            return
        found: set[str] = set()
        try:
            oldest, _ = self._page(experiments, condition, "", FIRST_PAGE, "ASC")
            for runs in self._parts(experiments, condition):
                found.update(run.id for run in runs)
                yield runs
            is_whole = found.issuperset(run.id for run in (*newest, *oldest))
        except Unfit:
            is_whole = False
        if not is_whole:
            yield from self._one_after_other(experiments, condition)

    def _one_after_other(self, experiments: list[str], condition: str) -> Iterator[list[Run]]:
        runs, token = self._page(experiments, condition, "")
        yield runs
        while token:
            runs, token = self._page(experiments, condition, token)
            yield runs

    def _parts(self, experiments: list[str], condition: str) -> Iterator[list[Run]]:
        """The runs by the first digit of their IDs. Raises Unfit."""
        begun = f"{condition} AND " if condition else ""
        parts = {digit: begun + "attributes.run_id LIKE " + quoted(f"{digit}%") for digit in "0123456789abcdef"}
        todo = [(digit, "") for digit in parts]
        waiting: dict[Future[tuple[list[Run], str]], str] = {}
        with ThreadPoolExecutor(PAGES_AT_ONCE) as readers:
            while todo or waiting:
                while todo and len(waiting) < PAGES_AT_ONCE:  # no more, for each page is held in memory
                    digit, token = todo.pop()
                    waiting[readers.submit(self._page, experiments, parts[digit], token)] = digit
                for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                    digit = waiting.pop(done)
                    runs, token = done.result()
                    if not all(run.id.startswith(digit) for run in runs):
                        raise Unfit(f"{self._server.shown} does not heed a filter by the run's ID")
                    if token:
                        todo.append((digit, token))
                    yield runs

    def _page(
        self, experiments: list[str], condition: str, token: str, size: int = PAGE, order: str = "DESC"
    ) -> tuple[list[Run], str]:
        """Runs, newest export first, and the token of the next page: "" after the last."""
        body = {"experiment_ids": experiments, "filter": condition, "max_results": size}
        body |= {"order_by": [f"attributes.start_time {order}"], **({"page_token": token} if token else {})}
        answer = self._json("runs/search", body)
        return [_run(item) for item in answer.get("runs", [])], answer.get("next_page_token", "")

    def run(self, run_id: str) -> Run | None:
        answer = self._json("runs/get?" + urllib.parse.urlencode({"run_id": run_id}), absent={})
        return _run(answer["run"]) if "run" in answer else None

    def files(self, run: Run, folder: str) -> list[File]:
        query = {"run_id": run.id, **({"path": folder} if folder else {})}
        answer = self._json("artifacts/list?" + urllib.parse.urlencode(query), absent={})
        return [
            File(item["path"], bool(item.get("is_dir")), int(item.get("file_size") or 0))
            for item in answer.get("files", [])
        ]

    def read(self, run: Run, path: str) -> bytes | None:
        """From the server's own store of files, as MLflow's client does it; from any other by way of the run.

        The first takes the server a third of the time. A path that leads elsewhere once it is tidied up, here or on the
        way, goes as a query.
        """
        place = urllib.parse.urlsplit(run.files)
        missing: tuple[int, ...] = (400, 404, 500)
        whole = f"{place.path.strip('/')}/{path}"
        is_own = place.scheme == "mlflow-artifacts" and not (place.netloc or place.query or place.fragment)
        if is_own and not {"", ".", ".."} & {*re.split(r"[/\\]", whole)}:
            way = "api/2.0/mlflow-artifacts/artifacts/" + urllib.parse.quote(whole)
            missing = (*missing, 503)  # where the server was started without one
        else:
            way = "get-artifact?" + urllib.parse.urlencode({"run_uuid": run.id, "path": path})
        return self._answer(f"{self._base}/{way}", None, missing, LARGEST_FILE + 1)

    def _json(self, path: str, body: Any = None, absent: Any = None) -> dict[str, Any]:
        """`absent`: what to give where MLflow says that there is no such thing."""
        missing = () if absent is None else (400, 404)
        data = self._answer(f"{self._base}/api/2.0/mlflow/{path}", body, missing)
        if data is None:
            return dict(absent)
        try:
            answer = json.loads(data)
        except ValueError:
            page = " but an HTML page, perhaps of a single sign-on" if b"<" in data[:200] else ""
            raise Problem(f"{self._server.shown} does not answer as MLflow does{page}; tell the user") from None
        return answer if isinstance(answer, dict) else {}

    def _answer(self, address: str, body: Any, missing: tuple[int, ...], most: int | None = None) -> bytes | None:
        from urllib3.exceptions import HTTPError

        try:
            with self._asked(address, body) as answer:
                data: bytes = answer.read(most)
        except (HTTPError, OSError, ValueError) as error:
            *_, cause = _causes(error)
            kind = Unfit if isinstance(cause, TimeoutError) else Problem
            reason = shown(cause, 100)
            raise kind(f"{self._server.shown} does not answer ({reason}); do not try again, tell the user") from None
        if answer.status < 300:
            return data
        if answer.status in missing:
            return None
        raise (Unfit if answer.status == 400 else Problem)(self._refusal(answer.status, data[:2000]))

    def _asked(self, address: str, body: Any) -> Any:
        """The answer to one request. Where the server has just given up the connection, it is made anew, once."""
        from urllib3.exceptions import HTTPError, ProtocolError
        from urllib3.util import Retry

        more = {} if body is None else {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        # Another host that a redirect leads to does not get the credentials.
        options: dict[str, Any] = {"headers": {**self._headers, **more}, "body": data, "preload_content": False}
        options["retries"] = Retry(
            connect=0, read=0, status=0, other=0, redirect=REDIRECTS, respect_retry_after_header=False
        )
        ask = partial(self._connections.request, "GET" if body is None else "POST", address, **options)
        try:
            return ask()
        except HTTPError as error:
            if not any(isinstance(cause, (ProtocolError, ConnectionResetError)) for cause in _causes(error)):
                raise
            return ask()

    def _refusal(self, code: int, body: bytes) -> str:
        where = f"{self._server.shown} (from {self._server.source})"
        if code in (401, 403) and not self._server.trusted:
            return f"{where} wants credentials, which are kept from a project that you have not approved: set {_URI}"
        if code in (401, 403):
            return f"{where} refuses the credentials ({code}); the user puts them into ~/.mlflow/credentials"
        try:
            message = json.loads(body).get("message", "")
        except (ValueError, AttributeError):
            message = ""
        if not message and body.lstrip().startswith(b"<"):
            return f"{where} answers {code} with an HTML page, perhaps of a single sign-on; tell the user"
        return f"{where} answers {code}: {shown(str(message), 300)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was that failed, at the end without the names of all who noticed."""
    yield error
    cause = getattr(error, "reason", None) or getattr(error, "original_error", None) or error.__cause__
    if isinstance(cause, BaseException):
        yield from _causes(cause)


def _ascii(host: str) -> str:
    """An international name as the network knows it."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise Problem(f"{shown(host.rpartition('@')[2])} is no name of a host") from None


def _connections(parts: urllib.parse.SplitResult, server: Server) -> Any:
    """Connections for the questions, through the proxy that the environment names. Those over TLS are kept.

    MLflow's own server sends an answer in two parts, and on a connection that is kept it waits 40 ms for the word that
    the first one came (measured). With TLS, a new connection would cost as much.
    """
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    class Closing(urllib3.HTTPConnectionPool):
        def _put_conn(self, conn: Any) -> None:
            if conn is not None:
                conn.close()
            super()._put_conn(conn)

    limit = server.variables.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "")
    timeout = max(10.0, float(limit)) if limit.isdigit() else 30.0
    options: dict[str, Any] = {"maxsize": READERS, "timeout": timeout, "ssl_context": _tls(server.variables)}
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user has asked for it
    proxy = getproxies().get(parts.scheme.lower())
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        pools = urllib3.PoolManager(**options)
    else:
        scheme, _, rest = proxy.rpartition("://")
        signed, _, host = rest.rpartition("@")
        name, _, password = map(urllib.parse.unquote, signed.partition(":"))
        headers = {"Proxy-Authorization": _basic(name, password)} if signed else {}
        try:
            address = f"{scheme or 'http'}://{host.partition('/')[0]}"
            pools = urllib3.ProxyManager(address, proxy_headers=headers, **options)
        except (urllib3.exceptions.HTTPError, ValueError):
            what = f"the {parts.scheme} proxy that the environment names cannot be used"
            raise Problem(f"{what}: its address must be that of an http or https proxy") from None
    pools.pool_classes_by_scheme = {**pools.pool_classes_by_scheme, "http": Closing}
    return pools


def _authorization(parts: urllib.parse.SplitResult, server: Server) -> str:
    """The header's value as MLflow's client makes it: .netrc and the URI win, then user name, then token."""
    if parts.password is not None:
        return _basic(urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password))
    variables = server.variables
    home = Path(variables.get("HOME") or Path.home())
    if server.trusted:
        try:
            found = netrc.netrc(variables.get("NETRC") or str(home / ".netrc")).authenticators(parts.hostname or "")
        except (OSError, netrc.NetrcParseError):
            found = None
        if found:
            return _basic(found[0] or "", found[2] or "")
    stored = configparser.ConfigParser()
    try:
        if server.trusted:
            stored.read(home / ".mlflow" / "credentials", encoding="utf-8")
        section = dict(stored["mlflow"]) if stored.has_section("mlflow") else {}
    except (configparser.Error, UnicodeDecodeError):
        raise Problem("~/.mlflow/credentials cannot be read: a line is wrong, or a % is not written as %%") from None
    user, password = (variables.get(name) or section.get(name.lower(), "") for name in _SECRETS[:2])
    token = variables.get(_SECRETS[2], "")
    return _basic(user, password) if user and password else f"Bearer {token.strip()}" if token.strip() else ""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _tls(variables: Mapping[str, str]) -> ssl.SSLContext:
    names = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    trusted = next((variables[name] for name in names if variables.get(name)), None)
    try:
        folder = trusted is not None and Path(trusted).is_dir()
        context = ssl.create_default_context(cafile=None if folder else trusted, capath=trusted if folder else None)
        if variables.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
            context.load_cert_chain(variables["MLFLOW_TRACKING_CLIENT_CERT_PATH"])
    except OSError as error:
        raise Problem(f"the certificate that the environment names cannot be used: {error}") from None
    if variables.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("1", "true"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _run(item: Mapping[str, Any]) -> Run:
    info, data = item["info"], item.get("data", {})

    def pairs(name: str) -> dict[str, Any]:
        return {pair["key"]: pair.get("value", "") for pair in data.get(name, [])}

    metrics = {key: float(value) for key, value in pairs("metrics").items() if value != ""}
    run_id = info.get("run_id") or info.get("run_uuid", "")
    name = info.get("run_name") or pairs("tags").get("mlflow.runName", "")
    start = int(info.get("start_time") or 0)
    status = info.get("status", "")
    experiment, files = info.get("experiment_id", ""), info.get("artifact_uri") or ""
    return Run(run_id, experiment, name, status, start, metrics, pairs("params"), pairs("tags"), files)


class Client:
    """An SQLite store, by MLflow's own client: without it, this program starts again with a Python that has it."""

    def __init__(self, server: Server) -> None:
        path = Path(urllib.parse.urlsplit(server.uri).path[1:])
        if not path.is_file():
            raise Problem(f"there is no store at {path} ({server.source})")
        if not server.trusted:
            raise Problem(f"{server.source} names a file on this machine and was not approved: set {_URI}")
        _check_store(path)
        try:
            import mlflow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            _start_again(server)
        try:
            self._client: Any = mlflow.MlflowClient(server.uri)
        except Exception as error:  # MLflow's and SQLAlchemy's
            raise Problem(f"MLflow cannot open {path}: {plain(error, 300)}") from None

    def experiments(self) -> dict[str, str]:
        found, token = {}, None
        while True:
            page = self._ask("search_experiments", max_results=PAGE, page_token=token)
            found.update({item.experiment_id: item.name for item in page})
            token = page.token
            if not token:
                return found

    def pages(self, experiments: list[str], condition: str) -> Iterator[list[Run]]:
        order, token = ["attributes.start_time DESC"], None
        while True:
            page = self._ask("search_runs", experiments, condition, 1, PAGE, order, token)
            yield [self._plain(run) for run in page]
            token = page.token
            if not token:
                return

    def run(self, run_id: str) -> Run | None:
        found = self._ask("get_run", run_id, absent=None)
        return None if found is None else self._plain(found)

    def files(self, run: Run, folder: str) -> list[File]:
        found = self._ask("list_artifacts", run.id, folder or None, absent=[])
        return [File(item.path, item.is_dir, item.file_size or 0) for item in found]

    def read(self, run: Run, path: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as folder:
            found = self._ask("download_artifacts", run.id, path, folder, absent=None)
            return None if found is None else Path(found).read_bytes()

    def _ask(self, method: str, *arguments: Any, absent: Any = _REFUSED, **named: Any) -> Any:
        """`absent`: what to give where MLflow cannot; its errors are of as many kinds as there are stores for files."""
        try:
            return getattr(self._client, method)(*arguments, **named)
        except Exception as error:
            if absent is not _REFUSED:
                return absent
            raise Problem(f"MLflow cannot read this store: {plain(error, 300)}") from None

    @staticmethod
    def _plain(run: Any) -> Run:
        info, data = run.info, run.data
        return Run(
            info.run_id,
            info.experiment_id,
            info.run_name or "",
            info.status,
            int(info.start_time or 0),
            dict(data.metrics),
            dict(data.params),
            dict(data.tags),
        )


def _check_store(path: Path) -> None:
    """MLflow's client would make its tables in any other database. Raises Problem."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise Problem(f"{path} cannot be read: {error}") from None
    if not tables >= {"alembic_version", "experiments", "runs"}:
        raise Problem(f"{path} is not an MLflow store")


def _start_again(server: Server) -> None:
    """Runs this program with the Python of the MCP server, which has MLflow, and ends with its exit code."""
    if os.environ.get(_IN_CLIENT):
        raise Problem(f"{' '.join(server.python)} has no MLflow: an SQLite store cannot be read")
    variables = {**server.variables, _IN_CLIENT: "1", "MLFLOW_DISABLE_TELEMETRY": "true", _URI: server.uri}
    variables["PWD"] = str(Path.cwd())  # working_folder() goes back there
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        variables.pop(name, None)
    try:
        command = [*server.python, str(Path(sys.argv[0]).absolute()), *sys.argv[1:]]
        done = subprocess.run(command, env=variables, cwd=Path.cwd().anchor, check=False)
    except OSError as error:
        raise Problem(f"{server.python[0]} cannot be started ({error}): install uv, which brings it") from None
    sys.exit(done.returncode)


# Runs and what belongs to them


def search(store: Store, experiments: Iterable[str], conditions: Iterable[str]) -> Iterator[Run]:
    """All runs of these experiments for which one of the conditions holds, each once, in no order."""
    ids, seen, started, told = list(experiments), set(), time.monotonic(), 2.0
    for condition in conditions:
        for first in range(0, len(ids), EXPERIMENTS_AT_ONCE):
            for runs in store.pages(ids[first : first + EXPERIMENTS_AT_ONCE], condition):
                for run in runs:
                    if run.id not in seen:
                        seen.add(run.id)
                        yield run
                if time.monotonic() - started > told:
                    told += 2.0
                    print(f"... {len(seen)} runs read", file=sys.stderr)


def quoted(text: str) -> str:
    """A text in a filter. Raises Problem for one that MLflow's syntax cannot hold."""
    mark = "'" if "'" not in text else '"'
    if mark in text or "\\" in text:
        raise Problem(f"MLflow cannot search for this text: {shown(text)}")
    return f"{mark}{text}{mark}"


def conditions_of(text: str) -> list[str]:
    """The filters that find the runs that an id means: of a run, a job, an invocation (or its beginning)."""
    if re.fullmatch(r"[0-9a-f]{4,15}", text):
        return ["tags.invocation_id LIKE " + quoted(text + "%")]
    keys = ["job_id"] if "." in text or text.startswith("eval-") else ["invocation_id", "job_id"]
    if text.startswith("sha256:"):
        keys = ["config_hash"]
    return [f"tags.{key} = {quoted(text)}" for key in keys]


def runs_of(store: Store, experiments: Iterable[str], text: str) -> list[Run]:
    """The runs that an id means."""
    if re.fullmatch(r"[0-9a-f]{32}", text):
        run = store.run(text)
        if run:
            return [run]
    return list(search(store, experiments, conditions_of(text)))


def document(store: Store, run: Run, name: str) -> dict[str, Any]:
    """A YAML or JSON file of the run's own folder; {} where there is none, or what is there is none."""
    if len(run.folder) > LONGEST_PATH:
        return {}
    data = store.read(run, f"{run.folder}/{name}")
    if data is None:
        listed = [file.path for file in store.files(run, "") if file.is_folder]
        places = [f"{folder}/artifacts/{name}" if run.form == "launcher" else f"{folder}/{name}" for folder in listed]
        data = next((found for found in (store.read(run, place) for place in places) if found is not None), None)
    return _parsed(data, is_json=name.endswith(".json"))


def _parsed(data: bytes | None, is_json: bool = False) -> dict[str, Any]:
    import yaml

    if data is None or len(data) > LARGEST_FILE:
        return {}
    try:
        found = json.loads(data) if is_json else yaml.load(data, Loader=_loader(yaml))  # noqa: S506  # a safe one
    except (ValueError, yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _loader(yaml: Any) -> Any:
    """PyYAML's safe loader without aliases, of which a small file can make a huge one; the fast one where it is."""
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(fast):  # type: ignore[misc,valid-type]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                self.aliases = getattr(self, "aliases", 0) + 1
                if self.aliases > MOST_ALIASES:
                    raise yaml.YAMLError("too many aliases")
            return super().compose_node(parent, index)

    return Loader


def model_of(store: Store, run: Run) -> str:
    """The model's id from the run's own configuration; else its `model` tag, else ""."""
    if run.form == "bundle":
        found = run.params.get("config.model")
        found = found or _member(document(store, run, f"{run.job}.json"), "config").get("model")
    else:
        found = run.params.get("config.target.api_endpoint.model_id")
        if not found and run.form == "launcher":
            found = _member(document(store, run, "run_config.yml"), "target", "api_endpoint").get("model_id")
            if not found:  # a broken upload leaves just the launcher's configuration
                found = _member(_root_config(store, run), "target", "api_endpoint").get("model_id")
    return str(found or run.tags.get("model", ""))


def _root_config(store: Store, run: Run) -> dict[str, Any]:
    """The launcher's configuration: `.yml` after a Slurm job's own export, else `.yaml`."""
    names = ("config.yml", "config.yaml")
    return _parsed(next((data for data in (store.read(run, name) for name in names) if data is not None), None))


def in_parallel(function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """The results in the order of the items, with a few questions to the server at a time."""
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(function, items))


# Times and texts


def moment(text: str) -> float:
    """Seconds since 1970 of a number of seconds, a date, or a date and time (UTC unless it says otherwise); else 0."""
    try:
        seconds = float(text)
        return seconds if math.isfinite(seconds) else 0.0
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def day(seconds: float) -> str:
    """`2026-11-05 10:10`, UTC."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "?"


def plain(text: object, longest: int = 80) -> str:
    """One line without control and invisible characters, which are written as `\\u001b`, and not too long."""
    given = str(text)
    result = "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else char
        for char in given[:longest]
    )
    rest = len(given) - longest
    return f"{result}… (+{rest} characters)" if rest > 0 else result


def shown(text: object, longest: int = 80) -> str:
    """`plain`, and safe in a cell of a Markdown table: no markup and no HTML comes to life."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", plain(text, longest)).replace("<", "&lt;").replace(">", "&gt;")


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def figure(value: float | None) -> str:
    """A value in as many digits as people compare."""
    if value is None:
        return "-"
    return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"


def table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table of cells that are safe."""
    lines = ["|".join(cells) for cells in (header, ["-"] * len(header), *rows)]
    return "\n".join(f"|{line}|" for line in lines)


def working_folder() -> Path:
    """The user's. `uv run --directory /` keeps uv out of it, so that no `.venv` of a project is run; the shell's PWD
    still names it.
    """
    here, shell = Path.cwd(), Path(os.environ.get("PWD", ""))
    return shell if here == Path(here.anchor) and shell.is_absolute() and shell.is_dir() else here


def report(main: Callable[[list[str]], int]) -> int:
    """Runs a program; what it cannot do is one line on standard error. Exit codes: 0 done, 1 refused, 2 usage."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        with suppress(OSError):  # it is gone, or may not be entered
            os.chdir(working_folder())
        return main(sys.argv[1:])
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
