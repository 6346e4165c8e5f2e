"""Processes that tests start through the code under test: whether they are there, and whether they are gone."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests import product

PATIENCE = 120.0
"""Seconds after which a test gives up: only a failure takes them."""

REPOSITORY = Path(__file__).parent.parent
PYTHON = sys.executable
"""The interpreter of the tests: the `home` fixture hides it from the code under test."""


def python_program(file: Path, text: str) -> Path:
    """Make `file` a program that runs `text`. A `#!` line could not name a Python whose path has a space or is long."""
    source = file.with_name(f"{file.name}.py")
    source.write_text(text, encoding="utf-8")
    file.write_text(f'#!/bin/sh\nexec {shlex.quote(PYTHON)} {shlex.quote(str(source))} "$@"\n', encoding="utf-8")
    file.chmod(0o755)
    return file


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true before our patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_gone(pid: int) -> bool:
    """Whether no such process runs; one that has ended and waits for its parent to notice does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.strip().startswith("Z")


def descendants(pid: int) -> set[int]:
    """The numbers of all processes below that one: watchers and others that are in no group of ours included."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as ps:
        listed, _ = ps.communicate()
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid, ps.pid}


def pids(file: Path) -> list[int]:
    """The process numbers that a fake wrote, one a line."""
    return [int(line) for line in file.read_text(encoding="utf-8").split()] if file.exists() else []


def all_gone(file: Path) -> bool:
    """Whether at least one process wrote its number there, and none of them is left."""
    numbers = pids(file)
    assert numbers, "the fake was never started"
    return wait_for(lambda: all(is_gone(pid) for pid in numbers))


def start_python(script: str, **options: object) -> subprocess.Popen[bytes]:
    """Start the installed product's Python with `script`."""
    return subprocess.Popen([product.program("python"), "-c", script], **options)  # type: ignore[call-overload, no-any-return]
