"""Child processes that do not outlive us: each in a process group of its own, which is ended whatever happens.

"Whatever" is success, an error, a time limit, Ctrl-C, SIGTERM and SIGHUP, and, through a watcher beside each child, the
sudden end of this process: SIGKILL, or an exit that leaves a thread with a child behind. All waits are bounded.
On Linux this includes processes that left their group (`setsid`), except if this process ends suddenly.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, NamedTuple

from . import redact

KEPT = 8192
"""Bytes kept of what a child writes to its standard error: the last ones."""

_TERM_SECONDS = 1.0
_KILL_SECONDS = 1.0
_POLL_SECONDS = 0.01

_running: set[subprocess.Popen[bytes]] = set()
"""The children of all threads, until nothing is left of them."""


@dataclass(frozen=True)
class Finished:
    """`stderr`: its last KEPT bytes, as text. `returncode`: negative for a signal, as in `subprocess`."""

    returncode: int
    stderr: str


ROOT = Path(os.sep).absolute()


@contextmanager
def child(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Starts `argv` (`options` as for Popen) in the root folder and ends its process group on the way out.

    The working directory may be anybody's project, whose files uv, git and version managers would go by.
    Where all of it has ended by itself that costs no time; otherwise it gets SIGTERM, then SIGKILL.
    In any thread; signals become exceptions in the main one only. Raises OSError where it cannot be started.
    """
    with _Signals() as signals, _adopting(), _Watcher() as watcher:
        process = subprocess.Popen(argv, bufsize=0, **_own_group(), **{"cwd": ROOT, **options})
        _running.add(process)
        try:
            watcher.tell(str(process.pid))
            signals.release()
            yield process
        finally:
            signals.hold()
            _end_group(process)
            _running.discard(process)
            watcher.tell("goodbye")


@contextmanager
def interruptible() -> Iterator[None]:
    """For a main thread that waits for threads with children: SIGINT, SIGTERM and SIGHUP become exceptions here.

    Before such an exception leaves the block, all that runs in `child`, in any thread, has been killed.
    """
    with _Signals() as signals:
        try:
            signals.release()
            yield
        except (KeyboardInterrupt, SystemExit):
            _kill_all()
            raise
        finally:
            signals.hold()


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    timeout: float | None = None,
    echo: bool = False,
) -> Finished:
    """Runs `argv` with nothing on its standard input and its standard output dropped.

    `echo`: what it writes to standard error goes to ours at once, progress bars included. `timeout`: seconds.
    Raises OSError where it cannot be started, `subprocess.TimeoutExpired` where it takes longer.
    """
    ours, theirs = _echo_pipe() if echo else os.pipe()
    tail = Tail(os.fdopen(ours, "rb", buffering=0), echo=echo)
    tail.start()
    try:
        nothing = subprocess.DEVNULL
        with child(argv, env=dict(env), stdin=nothing, stdout=nothing, stderr=theirs) as process:
            process.wait(timeout)
    finally:
        os.close(theirs)
    return Finished(process.returncode, tail.text())


def output(argv: Sequence[str], env: Mapping[str, str], *, timeout: float) -> tuple[int, str]:
    """The exit code of `argv` and what it prints on its standard output, without white space around it.

    Raises OSError where it cannot be started, `subprocess.TimeoutExpired` where it takes longer.
    """
    nothing = subprocess.DEVNULL
    with child(argv, env=dict(env), stdin=nothing, stdout=subprocess.PIPE, stderr=nothing) as process:
        text, _ = process.communicate(timeout=timeout)
    return process.returncode, text.decode("utf-8", "replace").strip()


class Tail(threading.Thread):
    """Reads a pipe to its end, so that whoever writes never waits for us, and keeps the last KEPT bytes."""

    def __init__(self, stream: IO[bytes], *, echo: bool = False) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._echo = echo
        self._kept = b""

    def run(self) -> None:
        # A terminal whose other end was closed reads as an error (EIO), a pipe as an empty answer.
        with self._stream, suppress(OSError):
            while data := self._stream.read(65536):
                self._kept = (self._kept + data)[-KEPT:]
                if self._echo:
                    os.write(2, data)

    def text(self, wait: float = 0.5) -> str:
        """What was written last; waits that many seconds for the end, which a stray grandchild may withhold."""
        self.join(wait)
        return self._kept.decode("utf-8", "replace")


def last_error(stderr: str) -> str:
    """The line of a program's standard error that tells most, on one line and redacted; "" where there is none.

    That is uv's innermost cause, otherwise the last line with words in it, without log level and logger.
    """
    plain = re.sub(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))", "", stderr)
    lines = [line.strip(" \t|+") for line in re.split(r"[\r\n]+", re.sub(r"[^\S\r\n]+", " ", plain))]
    lines = [re.sub(r"[\x00-\x1f\x7f]", "", line) for line in lines if re.search(r"[^\W\d_]", line)]
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if starts:
        causes = [line for line in lines[starts[-1] :] if re.match(r"(?i)(error|cause|caused by): ", line)]
        line = causes[-1].partition(": ")[2]
    else:
        line = next((line for line in reversed(lines) if not line.startswith("hint:")), "")
    line = re.sub(r"^(?:ERROR|CRITICAL|WARNING|INFO|DEBUG)[: ]+(?:[\w.]+:(?=\S))?", "", line)
    return redact.text(line)[:300].strip()


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


# Until the second line comes, or the end of the input: that is when every end of the pipe that we hold is closed,
# however that came about. SIGKILL at once: a number that is looked up later might be another group's by then.
_WATCH = 'read -r group || exit 0; read -r goodbye && exit 0; kill -9 "-$group"'


class _Watcher:
    """A shell in a session of its own that ends a child's group as soon as we are gone without a goodbye.

    Nothing that ends us reaches it, Ctrl-C at the terminal included, and it cannot stay: all that it does is to wait
    for our end of a pipe, which no other program inherits. The goodbye comes once the group is gone, so that its number
    is not used when it may be another's. Not covered: the millisecond from the start of a child to the word of its
    number, of which a child is left that finds its input closed and ends when it ends (to tell the number itself it
    would need `preexec_fn`, which threads do not go with); Windows, and systems without /bin/sh.
    It costs 3 ms for each child (measured on Linux).
    """

    def __enter__(self) -> _Watcher:
        self._theirs, self._ours = os.pipe()
        self._shell = None
        if sys.platform != "win32":
            nothing = subprocess.DEVNULL
            outside: dict[str, Any] = {"env": {}, "cwd": "/", **_own_group()}
            with suppress(OSError):
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _WATCH], stdin=self._theirs, stdout=nothing, stderr=nothing, **outside
                )
        return self

    def tell(self, line: str) -> None:
        """The number of the group; then the goodbye."""
        os.write(self._ours, f"{line}\n".encode())

    def __exit__(self, *_error: object) -> None:
        os.close(self._ours)
        os.close(self._theirs)
        if self._shell is not None:
            try:
                self._shell.wait(_KILL_SECONDS)
            except subprocess.TimeoutExpired:  # somebody has stopped it
                self._shell.kill()
                self._shell.wait()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        if process.poll() is None:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        for number, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
            process.poll()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            if _group_is_gone(process, seconds):
                break
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_SECONDS)


def _kill_all() -> None:
    """Kills what runs, and what threads still start meanwhile, until they have cleared up after it."""
    deadline = time.monotonic() + _TERM_SECONDS + _KILL_SECONDS
    while _running and time.monotonic() < deadline:
        for process in _running.copy():
            if sys.platform == "win32":
                process.kill()
            else:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _group_is_gone(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until the group is empty; False on timeout or if only zombies are visible.

    Zombies do not prove that the group is finished, because a fork may have been missed. Only SIGKILL, which reaches
    the whole group at once, ensures that.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            with suppress(ChildProcessError):  # adopted ones
                os.waitpid(-process.pid, os.WNOHANG)
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # macOS says this of a group of zombies
        if {each.state for each in _processes() if each.group == process.pid} == {b"Z"}:
            return False  # init has not reaped them; in some containers it never does
        time.sleep(_POLL_SECONDS)
    return False


class _Process(NamedTuple):
    number: int
    state: bytes
    parent: int
    group: int


def _processes() -> Iterator[_Process]:
    """All that run, as Linux lists them; none elsewhere."""
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112
        if not name.isdigit():
            continue
        try:
            stat = Path("/proc", name, "stat").read_bytes()
        except OSError:  # gone meanwhile
            continue
        state, parent, group = stat.rpartition(b")")[2].split()[:3]
        yield _Process(int(name), state, int(parent), int(group))


_PR_SET_CHILD_SUBREAPER = 36

_adopting_lock = threading.Lock()
_adopting_for = 0
_children_before: set[int] = set()


@contextmanager
def _adopting() -> Iterator[None]:
    """Kill orphans outside our process groups when the last child ends.

    On Linux this process becomes their subreaper. An orphan cannot be assigned to one child, so cleanup waits until
    no child is left.
    """
    global _adopting_for, _children_before
    if sys.platform != "linux":
        yield
        return
    with _adopting_lock:
        if not _adopting_for:
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            _children_before = {each.number for each in _children()}
        _adopting_for += 1
    try:
        yield
    finally:
        with _adopting_lock:
            _adopting_for -= 1
            if not _adopting_for:
                _end_adopted()


def _children() -> list[_Process]:
    return [each for each in _processes() if each.parent == os.getpid()]


def _end_adopted() -> None:
    """Kill adopted processes, and any orphans that this gives us."""
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:
        adopted = [each for each in _children() if each.number not in _children_before]
        if not adopted:
            return
        for each in adopted:
            with suppress(ProcessLookupError, PermissionError):
                if each.group == os.getpgrp():
                    os.kill(each.number, signal.SIGKILL)
                else:
                    os.killpg(each.group, signal.SIGKILL)  # the whole group: it may keep forking
            with suppress(ChildProcessError):
                os.waitpid(each.number, os.WNOHANG)
        time.sleep(_POLL_SECONDS)


def _echo_pipe() -> tuple[int, int]:
    """Two ends: ours to read, the child's to write. Where our standard error is a terminal, so is the child's."""
    if sys.platform == "win32" or not os.isatty(2):
        return os.pipe()
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, fcntl.ioctl(2, termios.TIOCGWINSZ, bytes(8)))
    return ours, theirs


class _Signals:
    """Turns SIGINT, SIGTERM and SIGHUP into exceptions, so that `finally` runs; held back at first and on demand.

    Held back while a child is being made or ended: that must not stop half-way. Only for signals that nobody else
    handles, and only in the main thread, where Python delivers them.
    """

    def __init__(self) -> None:
        self._held = True
        self._received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._received = self._received or number
        if not self._held:
            self._raise()

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        self._held = False
        if self._received:
            self._raise()

    def _raise(self) -> None:
        self._held = True
        assert self._received is not None
        raise KeyboardInterrupt if self._received == signal.SIGINT else SystemExit(128 + self._received)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._received and (kind is None or issubclass(kind, Exception)):
            self._raise()
