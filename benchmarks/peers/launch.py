"""Runs one command and prints its exit code, its seconds, its processor seconds and its peak memory in KiB.

    python -I -S launch.py SECONDS BYTES OUTPUT COMMAND...

A program of its own because Linux counts the memory of the process that forks as a peak of the new one: this one
stays below bare Python. Exit code 124 means that the command was ended after SECONDS. BYTES limits the size of any
file it writes (0: no limit). The peak is that of the largest single process.
"""

import os
import resource
import signal
import sys
import time
from contextlib import suppress
from types import FrameType


def start(command: list[str], limit: int, output: str) -> int:
    """Starts the command in a session of its own; gives its process ID."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails with EFBIG, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def main() -> None:
    """Runs the command."""
    seconds, limit, output, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    expired = False
    started = time.perf_counter()
    child = start(command, limit, output)

    def end(_signal: int, _frame: "FrameType | None") -> None:
        nonlocal expired
        expired = True
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status, usage = os.wait4(child, 0)
    elapsed = time.perf_counter() - started
    signal.setitimer(signal.ITIMER_REAL, 0)
    with suppress(ProcessLookupError, PermissionError):  # the second is what macOS says of a group that is gone
        os.killpg(child, signal.SIGKILL)  # what the command may have left behind
    kib = usage.ru_maxrss // 1024 if sys.platform == "darwin" else usage.ru_maxrss
    code = 124 if expired else os.waitstatus_to_exitcode(status)
    print(code, elapsed, usage.ru_utime + usage.ru_stime, kib)


if __name__ == "__main__":
    main()
