"""Calls of the MCP server's tools, as an agent makes them: a real process, and the official SDK's session."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from accessing_mlflow.mcp_transport import Server
from accessing_mlflow.processes import child

if TYPE_CHECKING:
    from mcp import ClientSession

START_SECONDS = 120.0


class Answer(NamedTuple):
    """`text`: what the agent is told; None where there was no answer when our patience ended."""

    text: str | None
    seconds: float


@asynccontextmanager
async def session(command: Sequence[str], variables: Mapping[str, str], cwd: Path) -> AsyncIterator[ClientSession]:
    """An initialized session with the server that the command starts, with exactly those variables."""
    pipe = subprocess.PIPE
    with child(command, env=dict(variables), cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        server = Server(process, list(command), time.monotonic())
        async with server.session() as session:
            await asyncio.wait_for(session.initialize(), START_SECONDS)
            yield session
        server.close_input()


async def call(session: ClientSession, tool: str, arguments: Mapping[str, Any], patience: float) -> Answer:
    """Calls a tool; `patience`: seconds to wait for the answer. What it says of an error begins with `error: `."""
    started = time.monotonic()
    try:
        result = await asyncio.wait_for(session.call_tool(tool, dict(arguments)), patience)
    except asyncio.TimeoutError:
        return Answer(None, patience)
    text = " ".join(getattr(part, "text", "") for part in result.content)
    return Answer(("error: " if result.is_error else "") + text, time.monotonic() - started)
