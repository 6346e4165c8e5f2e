"""A user's machine for the real things, and servers to start on it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import pytest

from accessing_mlflow.processes import child

MLFLOW = "mlflow==3.17.2"
REPOSITORY = Path(__file__).resolve().parents[2]
NOTHING: Mapping[str, str] = MappingProxyType({})


def missing(what: str) -> NoReturn:
    """Skips the test, loudly; in CI nothing is skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: nothing may be skipped in CI")
    pytest.skip(what)


@dataclass
class Machine:
    """A home folder, with programs on PATH that a user would have: uv, uvx, git, and the client."""

    home: Path
    variables: dict[str, str]

    def run(self, *command: str, cwd: Path | None = None, expect: int | None = 0) -> str:
        """Runs a program to its end; gives what it prints, on both streams."""
        done = subprocess.run(
            command,
            cwd=cwd or self.home,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def install(self, *arguments: str, cwd: Path | None = None) -> str:
        """Runs `skill-install`, with all its proofs."""
        return self.run("skill-install", *arguments, cwd=cwd)

    def write(self, name: str, data: Any) -> None:
        """Writes a JSON file below the home folder."""
        file = self.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(data), encoding="utf-8")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_answer(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the server answers; fails with its log where it ends or takes over three minutes."""
    limit = time.monotonic() + 180
    while time.monotonic() < limit and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the MLflow server does not answer:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def mlflow(
    folder: Path, *options: str, extra: str = "", path: str = "", variables: Mapping[str, str] = NOTHING
) -> Iterator[str]:
    """A real MLflow server on 127.0.0.1, started with `options`, that answers below `path`."""
    port = free_port()
    package = MLFLOW.replace("mlflow", f"mlflow{extra}", 1)
    command = ["uvx", "--from", package, "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", *options]
    log = folder / "log"
    environ = {**os.environ, **variables}
    with log.open("wb") as out, child(command, cwd=folder, env=environ, stdout=out, stderr=out) as server:
        await_answer(f"http://127.0.0.1:{port}{path}/health", server, log)
        yield f"http://127.0.0.1:{port}{path}"


def same_disk(one: Path, other: Path) -> bool:
    """Whether one can be hard-linked into the other."""
    return one.stat().st_dev == other.stat().st_dev


def node_folder() -> list[str]:
    """The folder of Node.js, which npm's launchers need; none where it is not here."""
    node = shutil.which("node")
    return [str(Path(node).parent)] if node else []
