"""Many runs of commands at once, and what has to be there afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ENTRY = "MLflow"


@dataclass(frozen=True)
class Run:
    """One run of a command, named for what it leaves in the file."""

    name: str
    command: Sequence[str]
    folder: Path
    variables: Mapping[str, str]

    def failure(self) -> str:
        """Empty where it succeeds; else the exit code and what it printed."""
        done = subprocess.run(
            self.command,
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return f"exit code {done.returncode}: {done.stdout}" if done.returncode else ""


def run_all(runs: Iterable[Run], at_once: int) -> dict[str, str]:
    """Runs them in order, some at once; gives the failures, by name."""
    runs = list(runs)
    with ThreadPoolExecutor(at_once) as pool:
        return {run.name: text for run, text in zip(runs, pool.map(Run.failure, runs), strict=True) if text}


def lost(runs: Iterable[Run], failed: Collection[str], there: Collection[str]) -> list[str]:
    """Those that claimed to succeed, and what they did is not there."""
    return [run.name for run in runs if run.name not in failed and run.name not in there]


def left_behind(home: Path) -> list[str]:
    """Locks, temporary files, and whatever lies beside the skill: clients would load it."""
    skills = {path.parent.parent for path in home.glob("**/skills/accessing-mlflow/SKILL.md")}
    beside = [path for folder in skills for path in folder.iterdir() if path.name != "accessing-mlflow"]
    odd = [path for path in home.rglob("*") if _is_leftover(path)]
    return sorted(str(path.relative_to(home)) for path in {*beside, *odd})


def _is_leftover(path: Path) -> bool:
    return path.name == "lock" or path.suffix in (".lock", ".tmp") or ".tmp." in path.name or "journal" in path.name
