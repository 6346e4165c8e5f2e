"""Starts an MCP server as a client would, and asks it what it offers."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import redact
from .bundle import Tool
from .mcp_transport import Server, ServerError
from .processes import child
from .trust import program

if TYPE_CHECKING:
    from mcp import ClientSession

__all__ = ["ServerError", "ServerReport", "probe"]

_PAGES = 100
"""The most pages of a list of tools that are asked for: a server may never stop."""


@dataclass(frozen=True)
class ServerReport:
    """`seconds`: from the start of the process to the answer to `tools/list`. `name`, `version`: its own words.

    `schemas`: by tool, the JSON Schema of its arguments, as the server says.
    """

    tools: tuple[Tool, ...]
    seconds: float
    name: str
    version: str
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def probe(command: str, args: Sequence[str], env: Mapping[str, str], *, timeout: float) -> ServerReport:
    """Starts `command args` with exactly the environment `env`, initializes it and lists its tools.

    `command` is looked up on the PATH in `env`. `timeout`: seconds for both answers together. When this returns or
    raises, on Ctrl-C and SIGTERM too, the server's whole process group has ended. Raises ServerError.
    """
    import mcp  # noqa: F401  # takes the better part of a second: not the server's

    _quiet_sdk()
    with _started(command, args, env) as server:
        try:
            report = _in_a_thread(lambda: asyncio.run(asyncio.wait_for(_interview(server), timeout)))
        except asyncio.TimeoutError:
            raise server.error(f"no answer within {timeout:g} s") from None
        server.leave()
    return report


def _in_a_thread(work: Callable[[], ServerReport]) -> ServerReport:
    """What `work` gives or raises. Python delivers signals to the main thread, which only waits here: an exception
    out of a signal's handler in the midst of an event loop can leave the loop waiting for ever.
    """
    answers: queue.Queue[ServerReport | BaseException] = queue.Queue()

    def run() -> None:
        try:
            answers.put(work())
        except BaseException as error:  # raised in the main thread, below
            answers.put(error)

    threading.Thread(target=run, daemon=True).start()
    answer = answers.get()
    if isinstance(answer, BaseException):
        raise answer
    return answer


async def _interview(server: Server) -> ServerReport:
    from mcp import MCPError
    from pydantic import ValidationError

    async with server.session() as session:
        try:
            about = (await session.initialize()).server_info
            found = await _tools(session)
            seconds = time.monotonic() - server.started
            tools = tuple(tool for tool, _ in found)
            return ServerReport(tools, seconds, about.name, about.version, {tool.name: form for tool, form in found})
        except MCPError as error:
            reason = "" if server.closed else f"refuses to answer: {error}"
        except (ValidationError, RuntimeError):  # RuntimeError: a version of the protocol that there is not
            reason = "its answer is not MCP"
    raise server.error(reason or server.end())


async def _tools(session: ClientSession) -> list[tuple[Tool, Mapping[str, Any]]]:
    """Each tool, and the schema of its arguments."""
    from mcp.types import PaginatedRequestParams

    tools: list[tuple[Tool, Mapping[str, Any]]] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        for tool in page.tools:
            hints = tool.annotations
            marks = (hints.read_only_hint, hints.destructive_hint) if hints else (None, None)
            tools.append((Tool.from_hints(tool.name, *marks), tool.input_schema))
        cursor = page.next_cursor
        if not cursor:
            break
    return tools


@contextmanager
def _started(command: str, args: Sequence[str], env: Mapping[str, str]) -> Iterator[Server]:
    pipe = subprocess.PIPE
    path = env.get("PATH", os.defpath)
    found = command if os.path.dirname(command) else program(command, path)  # noqa: PTH120
    if not found:
        raise ServerError(f"command not found: {command} (PATH: {path})", "write its absolute path into the entry")
    started = time.monotonic()
    with ExitStack() as stack:
        try:
            process = stack.enter_context(
                child([command, *args], executable=found, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe)
            )
        except OSError as error:
            raise ServerError(f"cannot be started: {error.strerror}: {error.filename or command}") from error
        secrets = redact.secrets(env)
        server = Server(process, [command, *args], started, secrets)
        stack.callback(server.close_input)
        yield server


def _quiet_sdk() -> None:
    """Keeps the SDK's log records from Python's handler of last resort, which prints them. For good: servers may be
    asked in several threads.
    """
    logger = logging.getLogger("mcp")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
