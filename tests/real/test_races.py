"""Races with the real Claude Code for its state file: no update is lost on either side, and nothing is left behind.

RACE_ROUNDS in the environment says how often each race is run: 1 if it is not set.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from accessing_mlflow.processes import child
from tests.children import PATIENCE, wait_for
from tests.races import ENTRY, Run, left_behind, lost, run_all
from tests.real.machines import Machine

pytestmark = pytest.mark.real

ROUNDS = range(int(os.environ.get("RACE_ROUNDS", "1")))
STATE = ".claude.json"
KEY = "sk-0123456789abcdefghij"
NO_SERVER = "http://127.0.0.1:9"  # the port that nothing listens on: nothing is to leave this machine
OTHERS: dict[str, Any] = {"ours": {"of another program": ["🙂", 1.50, None]}}
CTRL_C = b"\x03"
PROMPT = "❯".encode()


def add(machine: Machine, name: str) -> Run:
    command = ["claude", "mcp", "add", "-s", "user", name, "--", "true"]
    return Run(name, command, machine.home, machine.variables)


def edit(machine: Machine, name: str) -> Run:
    """A run of ours that leaves one more variable in the entry, whatever the others left there."""
    command = ["skill-install", "claude", "--no-verify", "--tracking-uri", NO_SERVER, "--env", f"{name}=1"]
    return Run(name, command, machine.home, machine.variables)


def state(machine: Machine) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((machine.home / STATE).read_text(encoding="utf-8"))
    return data


def absent(machine: Machine) -> None:
    """Claude Code makes the file without its lock."""


def plain(machine: Machine) -> None:
    machine.write(STATE, OTHERS)


def linked(machine: Machine) -> None:
    """The lock is beside the link, not beside the file."""
    machine.write("dotfiles/claude.json", OTHERS)
    (machine.home / STATE).symlink_to("dotfiles/claude.json")


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize("prepare", [absent, plain, linked])
def test_24_servers_that_claude_code_adds_against_120_edits(
    claude: Machine, prepare: Callable[[Machine], None], round_: int
) -> None:
    prepare(claude)
    adds = [add(claude, f"s{number}") for number in range(24)]
    edits = [edit(claude, f"N{number}") for number in range(120)]

    with ThreadPoolExecutor(2) as pool:
        theirs, ours = pool.submit(run_all, adds, 2), pool.submit(run_all, edits, 2)
        failed = {**theirs.result(), **ours.result()}

    after = state(claude)
    servers = after["mcpServers"]
    assert {
        "failed": failed,
        "servers lost": lost(adds, failed, servers),
        "edits lost": lost(edits, failed, servers[ENTRY]["env"]),
        "left behind": left_behind(claude.home),
    } == {"failed": {}, "servers lost": [], "edits lost": [], "left behind": []}
    assert prepare is absent or after.items() >= OTHERS.items()
    assert (claude.home / STATE).is_symlink() == (prepare is linked)

    claude.run("skill-uninstall", "claude")
    assert set(state(claude)["mcpServers"]) == {run.name for run in adds}
    assert left_behind(claude.home) == []


@pytest.mark.parametrize("round_", ROUNDS)
def test_interactive_starts_of_claude_code_against_60_edits(claude: Machine, round_: int) -> None:
    """A start rewrites the file about 16 times, most of them in its first second, a few after ten, one at its end.

    So one stays from before the first edit until after the last, and others come and go meanwhile.
    """
    asked_before = {"hasTrustDialogAccepted": True}
    answers = {"approved": [KEY[-20:]], "rejected": []}
    known = {"hasCompletedOnboarding": True, "theme": "dark", "projects": {str(claude.home): asked_before}}
    claude.write(STATE, {**OTHERS, **known, "customApiKeyResponses": answers})
    edits = [edit(claude, f"N{number}") for number in range(60)]
    screens = []

    with ThreadPoolExecutor(1) as pool, session(claude) as first:
        running = pool.submit(run_all, edits, 2)
        while not running.done():
            with session(claude) as screen:
                screens.append(screen)
    failed = running.result()

    after = state(claude)
    assert {
        "failed": failed,
        "edits lost": lost(edits, failed, after["mcpServers"][ENTRY]["env"]),
        "starts": after["numStartups"],
        "left behind": left_behind(claude.home),
    } == {"failed": {}, "edits lost": [], "starts": 1 + len(screens), "left behind": []}
    assert after.items() >= OTHERS.items()
    assert after["projects"][str(claude.home)]["lastGracefulShutdown"] is True
    assert not [screen for screen in (first, *screens) if b"corrupt" in screen.lower()]
    assert not list(claude.home.glob(".claude/**/*corrupt*"))
    assert len(screens) > 1


@contextmanager
def session(machine: Machine) -> Iterator[bytearray]:
    """An interactive Claude Code, from when it shows its prompt until it has ended; gives what is on its screen."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    variables = {**machine.variables, "TERM": "xterm-256color", "ANTHROPIC_BASE_URL": NO_SERVER}
    variables["ANTHROPIC_API_KEY"] = KEY
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    screen = bytearray()
    with ThreadPoolExecutor(1) as pool, child(["claude"], cwd=machine.home, env=variables, **streams) as process:
        os.close(theirs)
        reading = pool.submit(read_all, ours, screen)
        assert wait_for(lambda: PROMPT in screen), f"it does not start:\n{screen.decode(errors='replace')}"
        yield screen
        leave(process, ours)
        reading.result()
    os.close(ours)


def read_all(terminal: int, screen: bytearray) -> None:
    try:
        while data := os.read(terminal, 65536):
            screen += data
    except OSError:  # Linux's way to say that the other end is closed
        pass


def leave(process: subprocess.Popen[bytes], terminal: int) -> None:
    """Ctrl-C twice, as a user would."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        os.write(terminal, CTRL_C)
        try:
            process.wait(0.3)
        except subprocess.TimeoutExpired:
            continue
    assert process.poll() == 0, "it does not end"
