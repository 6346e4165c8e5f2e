"""A running MCP server and its messages: the official SDK's session over a process of our own.

Our own, because the SDK's stdio client adds variables to the environment, does not tell the process's number, and
leaves grandchildren behind where the server itself ends in good order.
"""

from __future__ import annotations

import asyncio
import queue
import shlex
import subprocess
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING

from . import redact
from .errors import InstallerError
from .processes import Tail, last_error

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp import ClientSession
    from mcp.shared.message import SessionMessage

_MESSAGE_LIMIT = 16 << 20
"""Bytes of one message: a list of 40 tools takes 26,000."""
_NOISE_LIMIT = 1 << 20
"""Bytes on standard output that are no message, until it is clear that no message will come."""
_CHUNK = 65536
_CHUNKS_AHEAD = 16
_GRACE = 1.0
"""Seconds for the server to end by itself once its standard input is closed: the MCP specification's own way."""


class ServerError(InstallerError):
    """The server cannot be started, ends, or does not answer as an MCP server; with its own last words."""


class Server:
    """A running server: its process, its messages, and the last that it wrote to standard error."""

    def __init__(
        self, process: subprocess.Popen[bytes], argv: list[str], started: float, secrets: Collection[str] = ()
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.started = started
        self.closed = False
        self._process = process
        self._argv = argv
        self._secrets = secrets
        self._stdout = process.stdout
        self._noise = b""
        self._writer = _Writer(process.stdin)
        self._tail = Tail(process.stderr)
        self._writer.start()
        self._tail.start()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ClientSession]:
        """The SDK's session on this server's standard input and output."""
        import anyio
        from mcp import ClientSession
        from mcp.shared.message import SessionMessage

        to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        with to_session, incoming, outgoing, from_session:
            pumps = [asyncio.create_task(self._receive(to_session)), asyncio.create_task(self._send(from_session))]
            try:
                async with ClientSession(incoming, outgoing) as session:
                    yield session
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

    async def _send(self, messages: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async for message in messages:
            self._writer.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

    async def _receive(self, session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Passes messages on until the server closes its output, or has written too much that is no message."""
        from mcp.shared.message import SessionMessage
        from mcp.types import jsonrpc_message_adapter

        reader = _Reader(self._stdout, asyncio.get_running_loop())
        rest = bytearray()
        noise = 0
        while (chunk := await reader.read()) and noise <= _NOISE_LIMIT and len(rest) <= _MESSAGE_LIMIT:
            rest += chunk
            *lines, rest = rest.split(b"\n") if b"\n" in chunk else (rest,)
            for line in lines:
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    noise += len(line)
                    self._noise = self._noise or bytes(line.strip()[:200])
                else:
                    await session.send(SessionMessage(message))
        self._noise = self._noise or bytes(rest.strip()[:200])
        self.closed = True
        await session.aclose()

    def close_input(self) -> None:
        self._writer.close()

    def leave(self) -> None:
        """Closes the server's standard input and lets it end by itself."""
        self.close_input()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)

    def end(self) -> str:
        """Why it answers no more."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        code = self._process.returncode
        if code is None:
            return "stopped answering"
        return f"ended before it answered ({f'exit code {code}' if code >= 0 else f'signal {-code}'})"

    def error(self, reason: str) -> ServerError:
        """The error for `reason`, with the server's last words and the command to try by hand."""
        written = self._tail.text(0.5 if self._process.poll() is not None else 0)
        said = last_error(redact.without(written, self._secrets))
        noise = redact.text(redact.without(self._noise.decode("utf-8", "replace"), self._secrets))
        parts = [reason, f"not MCP on its standard output: {noise!r}" if noise else "", said]
        shown = redact.entry(self._argv)
        assert isinstance(shown, list)
        return ServerError(": ".join(filter(None, parts)), f"see what it says: {shlex.join(map(str, shown))}")


class _Reader(threading.Thread):
    """Hands a blocking pipe's data to the event loop, only a little ahead of what is taken there."""

    def __init__(self, stream: IO[bytes], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._loop = loop
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = threading.Semaphore(_CHUNKS_AHEAD)
        self.start()

    def run(self) -> None:
        # RuntimeError: the loop has been closed, nobody is waiting any more.
        with self._stream, suppress(OSError, RuntimeError):
            chunk = b"-"
            while chunk:
                chunk = self._stream.read(_CHUNK)
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)

    async def read(self) -> bytes:
        """The next data; empty at the end."""
        chunk = await self._chunks.get()
        self._room.release()
        return chunk


class _Writer(threading.Thread):
    """Writes to a pipe apart from the event loop, which a server that does not read must not block."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._queue: queue.Queue[bytes] = queue.Queue(1000)

    def run(self) -> None:
        with self._stream, suppress(OSError):
            while data := self._queue.get():
                while data:
                    data = data[self._stream.write(data) :]

    def write(self, data: bytes) -> None:
        """Writes when the pipe takes it; what a server that never reads makes pile up is dropped."""
        with suppress(queue.Full):
            self._queue.put_nowait(data)

    def close(self) -> None:
        """Closes the pipe once everything is written."""
        self.write(b"")
