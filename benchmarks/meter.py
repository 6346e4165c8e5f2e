"""Counts what a program downloads: a proxy on 127.0.0.1 that passes everything on as it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Meter:
    """`received`: bytes that came in so far, for all who were given `address` as their HTTPS_PROXY."""

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def serve(self) -> None:
        """Until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Takes no new connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _tunnel(self, client: socket.socket) -> None:
        with client, suppress(OSError), client.makefile("rb", buffering=0) as lines:
            host, _, port = lines.readline().split()[1].decode().rpartition(":")
            while lines.readline().strip():
                pass
            with socket.create_connection((host, int(port))) as remote:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                threading.Thread(target=self._pass, args=(client, remote, False), daemon=True).start()
                self._pass(remote, client, True)

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
                if counted:
                    with self._lock:
                        self.received += len(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter at work."""
    meter = Meter()
    threading.Thread(target=meter.serve, daemon=True).start()
    try:
        yield meter
    finally:
        meter.close()
