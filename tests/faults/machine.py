"""The tests' side of `shim`: a home that is put back for every case, and commands that are run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from tests import product
from tests.children import REPOSITORY
from tests.faults.shim import Job

Tree: TypeAlias = "dict[str, tuple[int, bytes | None]]"
"""Mode and content (None: a folder) by path below home."""

LOCK = ".claude.json.lock"
STATE = ".local/state/accessing-mlflow"
SKILL = ".claude/skills/accessing-mlflow"
CLIENT_FILES = (".claude.json", ".cursor/mcp.json")


@dataclass(frozen=True)
class Outcome:
    """`code` is negative where a signal ended the run. `steps`: a call and its path each, the last one first."""

    code: int
    output: str
    steps: tuple[str, ...]


@dataclass
class Machine:
    """A home folder, and the process that runs commands in it."""

    home: Path
    server: subprocess.Popen[str]

    def run(
        self,
        line: str,
        *,
        step: int = 0,
        fault: str = "",
        other: str = "",
        limit: int = 0,
        wait: float = 30.0,
    ) -> Outcome:
        """Runs a command line such as `skill-uninstall claude`."""
        path = str(self.home / other) if other else ""
        job = Job(str(self.home), tuple(line.split()), step, fault, path, limit, wait)
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(asdict(job)) + "\n")
        self.server.stdin.flush()
        data = json.loads(self.server.stdout.readline())
        assert "Traceback" not in data["output"], data["output"]
        assert "a bug in accessing-mlflow" not in data["output"], data["output"]
        return Outcome(data["code"], data["output"], tuple(data["steps"]))

    def succeed(self, line: str) -> Outcome:
        """Runs it without a fault; it has to end with 0."""
        outcome = self.run(line)
        assert outcome.code == 0, outcome.output
        return outcome

    def tree(self) -> Tree:
        """What is there, without the backups and the folders that only hold them."""
        found = {str(path.relative_to(self.home)): path for path in sorted(self.home.rglob("*"))}
        kept = {name for name in found if f"{STATE}/backups" in name}
        above = {str(parent) for name in kept for parent in Path(name).parents}
        only = {name for name in above if all(_is_or_holds(name, other, kept | above) for other in found)}
        return {name: _item(path) for name, path in found.items() if name not in kept | only}

    def restore(self, tree: Tree) -> None:
        """Makes the home hold just this."""
        shutil.rmtree(self.home)
        self.home.mkdir()
        for name, (mode, data) in tree.items():
            path = self.home / name
            if data is None:
                path.mkdir()
            else:
                path.write_bytes(data)
            path.chmod(mode)

    def age_lock(self) -> None:
        """Claude Code's lock, where a killed run left it, is made as old as it would get while one waits."""
        if (self.home / LOCK).exists():
            os.utime(self.home / LOCK, (0, 0))


def _is_or_holds(folder: str, other: str, kept: set[str]) -> bool:
    """Whether `other` is none of what lies in `folder`, or belongs to the backups."""
    return not other.startswith(folder + "/") or other in kept


def _item(path: Path) -> tuple[int, bytes | None]:
    return path.stat().st_mode & 0o7777, None if path.is_dir() else path.read_bytes()


def below(tree: Tree, folder: str) -> Tree:
    """The part of it in that folder."""
    return {name: item for name, item in tree.items() if name.startswith(folder + "/")}


def of_others(tree: Tree) -> Tree:
    """The files that are not this program's own."""
    return {
        name: item
        for name, item in tree.items()
        if item[1] is not None and not name.startswith(STATE + "/") and "/.accessing-mlflow-" not in name
    }


@contextmanager
def machine(folder: Path, prefix: Sequence[str] = ()) -> Iterator[Machine]:
    """A new home in `folder`. `prefix`: a program that the commands run under, such as setpriv."""
    home, programs = folder / "home", folder / "programs"
    for path in (home, programs):
        path.mkdir()
    uvx = programs / "uvx"
    uvx.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    uvx.chmod(0o755)
    variables = {
        "PATH": str(programs),
        "HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [*prefix, product.program("python"), "-m", "tests.faults.shim"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, cwd=REPOSITORY, text=True
    ) as server:
        yield Machine(home, server)
        assert server.stdin is not None
        server.stdin.close()
