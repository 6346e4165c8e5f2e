"""What stands between an agent and an MLflow server, on 127.0.0.1: a front with TLS and tokens, and a proxy."""

from __future__ import annotations

import http.client
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

TOKEN = "a-token-of-the-test"


class Front(NamedTuple):
    """An MLflow server behind TLS with an authority of its own, and a check for TOKEN."""

    uri: str
    authority: Path


@contextmanager
def front(upstream: str, tls: ssl.SSLContext, token: str) -> Iterator[str]:
    """Passes on to `upstream` what comes with that token; 401 for all else."""
    target = urlsplit(upstream)

    class Handler(_Quiet):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {token}":
                self.reply(401, b"a token is wanted", "text/plain")
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port or 80)
            headers = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            connection.request(self.command, self.path, body, headers)
            found = connection.getresponse()
            self.reply(found.status, found.read(), found.headers["Content-Type"])
            connection.close()

        def reply(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

    with _serving(Handler, tls) as port:
        yield f"https://127.0.0.1:{port}"


class Proxy:
    """A proxy's address, and the hosts with ports that it was asked for."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []


@contextmanager
def proxy() -> Iterator[Proxy]:
    """Tunnels to wherever it is asked to: CONNECT."""

    class Handler(_Quiet):
        def do_CONNECT(self) -> None:
            result.asked.append(self.path)
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as target:
                self.send_response(200)
                self.end_headers()
                _relay(self.connection, target)
            self.close_connection = True

    result = Proxy(0)
    with _serving(Handler) as port:
        result.address = f"http://127.0.0.1:{port}"
        yield result


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until either has said all."""
    with selectors.DefaultSelector() as selector, suppress(OSError):
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_args: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: object) -> None: ...


@contextmanager
def _serving(handler: type[_Quiet], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    with _Server(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
