"""Web servers for tests, each a real one on a port of 127.0.0.1, that answer what they are told to."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SEARCH = "/api/2.0/mlflow/experiments/search"
DEFAULT = {"experiment_id": "0", "name": "Default", "lifecycle_stage": "active"}
PAGE = b"<!DOCTYPE html><html><head><title>Sign in\n to Example</title></head></html>"


@dataclass
class Reply:
    status: int = 200
    body: bytes | object = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


MLFLOW: dict[str, Reply] = {
    "/health": Reply(body=b"OK"),
    "/version": Reply(body=b"3.17.2"),
    SEARCH: Reply(body={"experiments": [DEFAULT]}),
}


class Web:
    """What a server answers, by path (`*`: any other), and what it was asked."""

    def __init__(self, replies: Mapping[str, Reply], port: int) -> None:
        self.replies = replies
        self.port = port
        self.uri = f"http://127.0.0.1:{port}"
        self.asked: list[tuple[str, str]] = []
        self.authorization: str | None = None
        self.sent: list[str] = []
        """Every Authorization header of all requests."""


@contextmanager
def serving(replies: Mapping[str, Reply], tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length:
                json.loads(self.rfile.read(length))
            web.asked.append((self.command, self.path))
            web.authorization = self.headers.get("Authorization")
            web.sent += [web.authorization] if web.authorization else []
            reply = web.replies.get(self.path) or web.replies.get("*") or Reply(404)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.data)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_args: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web = Web(replies, server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
