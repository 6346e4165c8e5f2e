"""Children that do not outlive us, even where we are killed; and which line of a program's last words is shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from accessing_mlflow.processes import child, last_error, run
from tests.children import PATIENCE, all_gone, descendants, is_gone, pids, start_python, wait_for

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[2:]:
    subprocess.Popen([sys.executable, *sys.argv[:2]])
with open(sys.argv[1], "a") as file:
    print(os.getpid(), file=file)
time.sleep(600)
"""
"""Writes its number into the file that the first argument names; with a second one, it has a child of its own."""

RUN = "run(command, os.environ)"
IN_THREADS = """
for _ in range(2):
    threading.Thread(target=run, args=(command, os.environ), daemon=True).start()
"""


class Ours:
    """A Python that has a stubborn child with a child of its own, as an installation has."""

    def __init__(self, folder: Path, script: str, children: int) -> None:
        self.born = folder / "born"
        stubborn = folder / "stubborn.py"
        stubborn.write_text(STUBBORN, encoding="utf-8")
        command = [sys.executable, str(stubborn), str(self.born), "parent"]
        start = f"import os, sys, threading, time\nfrom accessing_mlflow.processes import run\ncommand = {command!r}\n"
        self.process = start_python(start + script, stderr=subprocess.DEVNULL)
        assert wait_for(lambda: len(pids(self.born)) == children)
        self.below = descendants(self.process.pid)
        assert self.below > set(pids(self.born)), "there is a watcher, too"

    def nothing_is_left(self) -> bool:
        self.process.wait(PATIENCE)
        return all_gone(self.born) and wait_for(lambda: all(is_gone(pid) for pid in self.below))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_is_left_of_a_child_in_the_main_thread(tmp_path: Path, number: signal.Signals) -> None:
    ours = Ours(tmp_path, RUN, children=2)
    ours.process.send_signal(number)
    assert ours.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_is_left_of_children_in_threads(tmp_path: Path, number: signal.Signals) -> None:
    ours = Ours(tmp_path, f"{IN_THREADS}time.sleep(600)", children=4)
    ours.process.send_signal(number)
    assert ours.nothing_is_left()


def test_a_thread_that_is_left_behind_leaves_no_child(tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    ours = Ours(tmp_path, f"{IN_THREADS}\nwhile not os.path.exists({str(stop)!r}): time.sleep(0.01)", children=4)
    stop.touch()
    assert ours.nothing_is_left()
    assert ours.process.returncode == 0


def test_ctrl_c_at_the_terminal_does_not_end_the_watcher(tmp_path: Path) -> None:
    """The terminal's signal goes to the group of the foreground; and then the program is killed."""
    script = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + RUN
    ours = Ours(tmp_path, script, children=2)
    groups = {os.getpgid(pid) for pid in ours.below}
    assert os.getpgid(ours.process.pid) not in groups
    ours.process.kill()
    assert ours.nothing_is_left()


def test_no_watcher_outlives_its_child() -> None:
    before = descendants(os.getpid())
    with child(["sleep", "600"]) as process:
        assert len(descendants(os.getpid()) - before) == 2
    assert process.returncode == -signal.SIGTERM
    assert not descendants(os.getpid()) - before

    with pytest.raises(FileNotFoundError), child(["no-such-program"]):
        pass
    assert not descendants(os.getpid()) - before


def test_without_a_watcher_children_are_ended_all_the_same() -> None:
    """Killed (memory may run out), or stopped."""
    for number in (signal.SIGKILL, signal.SIGSTOP):
        before = descendants(os.getpid())
        with child(["sleep", "600"]) as process:
            (watcher,) = descendants(os.getpid()) - before - {process.pid}
            os.kill(watcher, number)
        assert process.returncode == -signal.SIGTERM
        assert is_gone(watcher)


CHAIN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "a") as file:
    print(os.getpid(), file=file)
if os.fork():
    time.sleep(600)
while True:
    if os.fork():
        os._exit(0)
"""
"""A process whose child forks on without end, so that each one that is seen is gone a moment later."""

AWAY = """
import os, subprocess, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        with open(sys.argv[1], "a") as file:
            print(os.getpid(), file=file)
        {then}
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep({stay})
"""
"""A process that leaves one behind as a daemon is made: in a session of its own, with init as its parent."""

CHILD_OF_ITS_OWN = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)"


def group_runs(group: int) -> bool:
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listed.splitlines()]
    return any(int(number) == group and not state.startswith("Z") for number, state in lines)


def program(folder: Path, text: str) -> list[str]:
    file = folder / "program.py"
    file.write_text(text, encoding="utf-8")
    return [sys.executable, str(file), str(folder / "born")]


@pytest.mark.slow
@pytest.mark.parametrize("_round", range(3))
def test_a_group_whose_processes_fork_on_is_ended_whole(tmp_path: Path, _round: int) -> None:
    with child(program(tmp_path, CHAIN)) as process:
        assert wait_for(lambda: bool(pids(tmp_path / "born")))
        assert group_runs(process.pid)
    assert not group_runs(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what has left the group is not found")
@pytest.mark.parametrize("stay", [0, 600], ids=["ends at once", "is ended"])
@pytest.mark.parametrize("then", ["pass", CHILD_OF_ITS_OWN], ids=["alone", "with a child"])
def test_what_has_left_the_group_is_ended_too(tmp_path: Path, stay: int, then: str) -> None:
    before = descendants(os.getpid())
    with child(program(tmp_path, AWAY.format(stay=stay, then=then))) as process:
        assert wait_for(lambda: bool(pids(tmp_path / "born")))
        (daemon,) = pids(tmp_path / "born")
        assert os.getsid(daemon) != process.pid
    assert is_gone(daemon)
    assert not descendants(os.getpid()) - before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what has left the group is not found")
def test_what_a_program_leaves_behind_does_not_disturb_another_that_runs(tmp_path: Path) -> None:
    """Nor is a process ended that was there before, and that nobody started here."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        with child(["sleep", "600"]) as process:
            assert run(program(tmp_path, AWAY.format(stay=0, then="pass")), os.environ).returncode == 0
            assert process.poll() is None
        assert all_gone(tmp_path / "born")
        assert other.poll() is None
        other.kill()


UV = """\
Downloading numpy (15.9MiB)
error: Failed to download `numpy==2.4.6`
  cause: Failed to extract archive: numpy-2.4.6.whl
  cause: failed to write to file `/cache/numpy/__init__.pyi`: No space left on device (os error 28)

hint: `numpy` (v2.4.6) was included because `mlflow-mcp` (v0.4.1) depends on `mlflow`
"""


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", ""),
        ("\n  \n----\n", ""),
        (
            "INFO:a.b:Starting\nERROR:mlflow_mcp.server:MLFLOW_TRACKING_URI is not set\n",
            "MLFLOW_TRACKING_URI is not set",
        ),
        ("Traceback (most recent call last):\n  File x\nValueError: no such port\n", "ValueError: no such port"),
        ("  | ValueError: in a group\n  +------------------------------------\n", "ValueError: in a group"),
        (UV, "failed to write to file `/cache/numpy/__init__.pyi`: No space left on device (os error 28)"),
        ("error: invalid value\n\nhint: try --help\n", "invalid value"),
        ("\x1b[1m\x1b[31merror\x1b[39m\x1b[0m: it is red\n", "it is red"),
        ("\r50%\r100%\rdone it\x07\n", "done it"),
        ("cannot reach https://me:pw@h/ with TOKEN=abc", "cannot reach https://***@h/ with TOKEN=***"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_the_line_that_tells_most(stderr: str, line: str) -> None:
    assert last_error(stderr) == line
