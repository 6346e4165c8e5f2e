"""What an agent sees when the tracking server fails, and after how many seconds: each failure in turn, over real MCP.

    python -m benchmarks.failures [--patience SECONDS] [--tools]

Has `skill-install`, from PATH, write the entry into an empty home, starts what the entry says (the real
`uvx mlflow-mcp`) against a server on 127.0.0.1 that fails in one way, and calls a tool. With `--tools`: also calls
every read-only tool, and prints those that make more than one failing request before they give up. Prints Markdown.
Takes about four minutes, most of it waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import trustme

from accessing_mlflow import bundle, redact
from tests.real.calls import Answer, call, session
from tests.webs import MLFLOW, PAGE, Reply, serving

if TYPE_CHECKING:
    from mcp import ClientSession, Tool

RUN = "a" * 32
RUN_FOUND = {
    "run": {"info": {"run_id": RUN, "experiment_id": "0", "artifact_uri": f"mlflow-artifacts:/0/{RUN}/artifacts"}}
}
GET_RUN = f"/api/2.0/mlflow/runs/get?run_uuid={RUN}&run_id={RUN}"
LIMIT = 30.0
"""Seconds that one failing request may take: the goal."""
ATTEMPTS = 2
"""Times that a request is sent, with the one retry of the entry."""


class Case(NamedTuple):
    """`failing`: gives the address of a server that fails so. `requests`: how many of the call's requests fail; 0
    where the entry's limits cannot end one.
    """

    title: str
    failing: Callable[[], AbstractContextManager[str]]
    requests: int = 1
    tool: str = "get_experiments"
    arguments: Mapping[str, Any] = MappingProxyType({})


@contextmanager
def nothing_listens() -> Iterator[str]:
    """A port that is ours, so that nobody else listens on it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def no_such_name() -> Iterator[str]:
    """`.invalid` is no domain, for ever (RFC 2606)."""
    yield "http://mlflow.invalid:5000"


@contextmanager
def no_packet_comes_back() -> Iterator[str]:
    """As behind a firewall: once the queue of a socket that accepts nobody is full, Linux drops what comes."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that accepts everybody and then does what `talk` does, in a thread for each."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:  # closed: we are done
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def says_nothing(connection: socket.socket) -> None:
    """Reads, and never answers."""
    with connection:
        while connection.recv(65536):
            pass


def knows_the_run_only(connection: socket.socket) -> None:
    """Answers what asks for the run, and is silent when it is asked for more."""
    with connection:
        if b"/runs/get?" in connection.recv(65536):
            body = json.dumps(RUN_FOUND)
            connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        else:
            says_nothing(connection)


def drips(connection: socket.socket) -> None:
    """A byte of an answer each second, for ever."""
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                connection.sendall(b" ")
                time.sleep(1)
        except OSError:  # nobody listens any more
            return


@contextmanager
def own_certificate() -> Iterator[str]:
    """A real answer behind a certificate that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(MLFLOW, tls=context) as web:
        yield web.uri.replace("http:", "https:")


@contextmanager
def answering(reply: Reply) -> Iterator[str]:
    """The same answer to everything."""
    with serving({"*": reply}) as web:
        yield web.uri


CASES = (
    Case("nothing listens on the port", nothing_listens),
    Case("no such host name", no_such_name),
    Case("no packet comes back (a firewall)", no_packet_comes_back),
    Case("accepts the connection, never answers", lambda: talking(says_nothing)),
    Case("503 from a gateway", lambda: answering(Reply(503, b"no upstream"))),
    Case("a certificate of its own", own_certificate),
    Case("a sign-on page with status 200", lambda: answering(Reply(200, PAGE, {"Content-Type": "text/html"}))),
    Case(
        "answers about the run, never about its artifacts",
        lambda: talking(knows_the_run_only),
        2,
        "get_artifact_content",
        {"run_id": RUN, "artifact_path": "config.yml"},
    ),
    Case("a byte each second, for ever", lambda: talking(drips), 0),
)


def entry_for(uri: str, home: Path) -> dict[str, Any]:
    """The entry as `skill-install` writes it for that address."""
    command = ["skill-install", "claude", "--no-verify", "--tracking-uri", uri]
    subprocess.run(command, env={**os.environ, "HOME": str(home)}, check=True, stdout=subprocess.DEVNULL)
    entry: dict[str, Any] = json.loads((home / ".claude.json").read_text(encoding="utf-8"))["mcpServers"]["MLflow"]
    return entry


@asynccontextmanager
async def session_of(uri: str) -> AsyncIterator[ClientSession]:
    """An initialized session with the server that the entry starts, in a home of its own and uv's shared cache."""
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as home:
        entry = entry_for(uri, Path(home))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "XDG_"))}
        variables = {**own, "HOME": home, "UV_CACHE_DIR": cache, **entry["env"]}
        async with session([entry["command"], *entry["args"]], variables, Path(home)) as found:
            yield found


async def failure(case: Case, patience: float) -> Answer:
    with case.failing() as uri:
        async with session_of(uri) as asked:
            return await call(asked, case.tool, case.arguments, patience)


def shown(answer: Answer) -> str:
    """One line of a cell: the end says why, the middle is the address once more."""
    if answer.text is None:
        return "nothing"
    text = " ".join(redact.text(answer.text).replace("|", "\\|").split())
    return f"`{text if len(text) <= 230 else f'{text[:110]} ... {text[-110:]}'}`"


async def failures(patience: float) -> bool:
    print("| the tracking server | tool | the agent sees | after |\n|---|---|---|---|", flush=True)
    kept = True
    for case in CASES:
        answer = await failure(case, patience)
        after = f"{answer.seconds:.1f} s" if answer.text is not None else f"> {patience:.0f} s"
        print(f"| {case.title} | `{case.tool}` | {shown(answer)} | {after} |", flush=True)
        kept = kept and (not case.requests or answer.seconds < LIMIT * case.requests)
    return kept


def filled(tool: Tool) -> dict[str, Any]:
    """Arguments of the right types for what a tool requires."""
    values: dict[str, Any] = {"string": RUN, "integer": 1, "number": 1.0, "boolean": True, "array": [RUN, RUN]}
    schema = tool.input_schema
    return {
        name: values.get(schema["properties"][name].get("type", "object"), {"a": "b"})
        for name in schema.get("required", ())
    }


async def requests_of_tools(patience: float) -> None:
    """The read-only tools that make several failing requests before they give up, where all fail, and after a run."""
    ours = {tool.name for tool in bundle.load().server.tools if tool.read_only}
    unavailable = {"*": Reply(503, b"no upstream")}
    failing = {"everything fails": unavailable, "the run is found": {GET_RUN: Reply(body=RUN_FOUND), **unavailable}}
    for title, replies in failing.items():
        counts: dict[str, int] = {}
        with serving(replies) as web:
            async with session_of(web.uri) as asked:
                tools = [tool for tool in (await asked.list_tools()).tools if tool.name in ours]
                for tool in tools:
                    web.asked.clear()
                    await call(asked, tool.name, filled(tool), patience)
                    attempts = [path for _, path in web.asked if path not in replies]
                    counts[tool.name] = len(attempts) // ATTEMPTS
        several = ", ".join(f"`{name}` {count}" for name, count in counts.items() if count > 1)
        print(f"\n{len(counts)} read-only tools, {title}; more than one failing request: {several or 'none'}.")


def versions() -> str:
    """What was measured, and when."""
    script = "from importlib.metadata import version; print(version('mlflow-mcp'), version('mlflow'))"
    command = ["uvx", "--from", "mlflow-mcp", "python", "-c", script]
    server, mlflow = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    today = datetime.now(tz=timezone.utc).date().isoformat()
    return f"Measured {today} on {platform.system()}: mlflow-mcp {server} with mlflow {mlflow}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patience", type=float, default=90.0, help="seconds to wait for an answer")
    parser.add_argument("--tools", action="store_true", help="also count the requests of every read-only tool")
    options = parser.parse_args()
    print(f"{versions()}\n")
    kept = asyncio.run(failures(options.patience))
    if options.tools:
        asyncio.run(requests_of_tools(options.patience))
    sys.exit(0 if kept else f"a failing request took {LIMIT:.0f} s or more")


if __name__ == "__main__":
    main()
