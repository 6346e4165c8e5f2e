"""A warm process that runs commands in forks of itself, and makes one of their changes to the disk go wrong.

Every change below home is a step: the interpreter announces its system calls to audit hooks, whichever module makes
them, and an exception in a hook comes out of the call. Writes and fsync, which it does not announce, are wrapped. A
write is two steps, so that half of it may be on the disk.

A job is one line of JSON (see `Job`); the answer is one line with `code` (negative: the signal), `output` and `steps`.
"""

from __future__ import annotations

import errno
import gc
import inspect
import io
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

_PATHS = {"os.mkdir": 1, "os.rmdir": 1, "os.remove": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.chmod": 1}
"""Audit events that announce a change, and how many paths they name."""
_TAKES_SPACE = ("open", "write", "os.mkdir", "os.link")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Job:
    """A command line, and what happens at its step number `step` (0: nothing).

    `fault`: kill; the name of an errno; full (from that step on nothing more fits on the disk); or, for the file
    `other`, swap (another program adds a member and replaces it) or delete. `limit`: bytes that a file may have; 0 for
    any number. `wait`: seconds to wait for locks.
    """

    home: str
    argv: tuple[str, ...]
    step: int = 0
    fault: str = ""
    other: str = ""
    limit: int = 0
    wait: float = 30.0


class Shim:
    """Counts the steps of the process that it is installed in, writes them down, and makes one go wrong."""

    def __init__(self, job: Job, log: int) -> None:
        self._job = job
        self._log = log
        self._count = 0
        self._busy = False

    def install(self) -> None:
        """For the rest of the process's life."""
        sys.addaudithook(self._hear)
        os.fsync = self._fsync  # type: ignore[assignment]
        os.fdopen = self._fdopen  # type: ignore[assignment]
        if hasattr(os, "sendfile"):
            self._send = os.sendfile
            os.sendfile = self._sendfile  # type: ignore[assignment]

    def step(self, name: str, path: str = "") -> None:
        """Before a change is made."""
        if self._busy:
            return
        self._count += 1
        os.write(self._log, f"{name} {path}\n".encode())
        if self._count == self._job.step:
            self._go_wrong(path)
        elif self._job.fault == "full" and 0 < self._job.step < self._count and name in _TAKES_SPACE:
            raise _error("ENOSPC", path)

    def _go_wrong(self, path: str) -> None:
        fault = self._job.fault
        self._busy = True
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault == "swap":
            swap(Path(self._job.other))
        elif fault == "delete":
            Path(self._job.other).unlink(missing_ok=True)
        self._busy = False
        if fault.startswith("E"):
            raise _error(fault, path)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(args[0], int) and args[2] & _WRITING:
            self._change(event, args[0])
        elif event in _PATHS:
            self._change(event, args[_PATHS[event] - 1])

    def _change(self, name: str, path: Any) -> None:
        """A number is an open file, and a relative path lies in an open folder: both are below home."""
        text = str(path) if isinstance(path, int) else os.fsdecode(path)
        if not text.startswith("/") or text.startswith(self._job.home):
            self.step(name, text)

    def _fsync(self, _: int) -> None:
        """Counted only: a test survives without."""
        self.step("fsync")

    def _sendfile(self, out: int, source: int, offset: int, count: int) -> int:
        """What copies are made with."""
        self.step("write")
        return self._send(out, source, offset, min(count, os.fstat(source).st_size // 2 + 1))

    def _fdopen(self, descriptor: int, mode: str = "r", *args: Any, **more: Any) -> Any:
        if mode != "wb":
            return io.open(descriptor, mode, *args, **more)  # noqa: UP020 (what fdopen calls)
        return io.BufferedWriter(_Stream(descriptor, self))


class _Stream(io.FileIO):
    """A file that is written in two halves."""

    def __init__(self, descriptor: int, shim: Shim) -> None:
        super().__init__(descriptor, "wb")
        self._shim = shim
        self._begun = False

    def write(self, data: Any) -> int:
        self._shim.step("write")
        whole = bytes(data)
        part = whole if self._begun else whole[: len(whole) // 2 + 1]
        self._begun = True
        return super().write(part)


def _error(name: str, path: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number), path)


def swap(file: Path) -> None:
    """As another program that replaces its file atomically, with one more member at the start of the document."""
    data = file.read_text(encoding="utf-8") if file.exists() else "{}"
    start = data.index("{") + 1
    comma = "" if data[start:].strip() == "}" else ","
    file.parent.mkdir(exist_ok=True)
    new = file.with_name("other-program.new")
    new.write_text(f'{data[:start]}"theirs": true{comma}{data[start:]}', encoding="utf-8")
    new.replace(file)


def answer(job: Job, commands: dict[str, click.Command]) -> dict[str, Any]:
    """Runs the job in a fork."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as log:
        pid = os.fork()
        if pid == 0:
            _run(job, commands[job.argv[0]], output.fileno(), log.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return {"code": code, "output": _text(output), "steps": _text(log).splitlines()}


def _run(job: Job, command: click.Command, output: int, log: int) -> None:
    code = 70
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["HOME"] = job.home
        os.chdir(job.home)
        if job.limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (job.limit, job.limit))
        _shorten_waiting(job.wait)
        Shim(job, log).install()
        command.main(list(job.argv[1:]), prog_name=job.argv[0])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _shorten_waiting(seconds: float) -> None:
    from accessing_mlflow import locks

    for function in (locks.of_this_program, locks.of_claude_code):
        inspect.unwrap(function).__defaults__ = (seconds,)


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode())


def main() -> None:
    """Answers jobs until standard input ends. Imports first what the commands import only when they need it."""
    import shutil  # noqa: F401

    from accessing_mlflow import cli, embedded_store, plan_uninstall  # noqa: F401

    gc.freeze()  # forks share what is there
    commands: dict[str, click.Command] = {"skill-install": cli.install, "skill-uninstall": cli.uninstall}
    for line in sys.stdin:
        data = json.loads(line)
        print(json.dumps(answer(Job(**{**data, "argv": tuple(data["argv"])}), commands)), flush=True)


if __name__ == "__main__":
    main()
