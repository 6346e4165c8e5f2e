"""This project's own goals, each measured in turn with what it is compared to."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import running
from .homes import Homes, place
from .running import NotApplicableError, Outcome
from .state_file import LARGE, SMALL, content
from .tools import CLAUDE, CURSOR, Tool

Pair = tuple[Outcome, Outcome]


@dataclass(frozen=True)
class Goal:
    """A line of the table; `limit` None where there is no goal."""

    what: str
    value: float
    limit: float | None
    unit: str

    @property
    def met(self) -> bool | None:
        """Whether the value is below the limit."""
        return None if self.limit is None else self.value < self.limit


def python_of(program: str) -> str:
    """The Python that runs an installed command: the one beside it."""
    beside = Path(program).resolve().parent / "python"
    return str(beside) if beside.exists() else sys.executable


def install(client: str, home: Path, *options: str) -> Outcome:
    """`skill-install CLIENT --no-verify`. Raises NotApplicableError where it fails."""
    done = running.run(["skill-install", client, "--no-verify", *options], home)
    if done.code:
        raise NotApplicableError(f"skill-install {client}: exit {done.code}: {done.output.strip()}")
    return done


def measure(tool: Tool, homes: Homes, runs: int) -> list[Goal]:
    """All goals but the one about the others; `runs` pairs each."""
    return [*_start_up(tool, homes, runs), *_large_file(tool, homes, runs)]


def _start_up(tool: Tool, homes: Homes, runs: int) -> list[Goal]:
    program = shutil.which("skill-install")
    assert program
    bare = [python_of(program), "-c", "pass"]
    with homes.home(tool) as home:
        install(CURSOR, home)
        install(CURSOR, home)
        pairs = [(running.run(bare, home), install(CURSOR, home)) for _ in range(runs)]
    what = "`skill-install cursor --no-verify`, nothing to do"
    return [
        Goal("`python -c pass`: time", 1000 * _median([one.seconds for one, _ in pairs]), None, "ms"),
        Goal("`python -c pass`: peak", _median([one.peak for one, _ in pairs]) / 1e6, None, "MB"),
        Goal(f"{what}: time over `python -c pass`", 1000 * _longer(pairs), 80, "ms"),
        Goal(f"{what}: processor time over `python -c pass`", 1000 * _busier(pairs), None, "ms"),
        Goal(f"{what}: peak", _median([other.peak for _, other in pairs]) / 1e6, 35, "MB"),
    ]


def _large_file(tool: Tool, homes: Homes, runs: int) -> list[Goal]:
    small, large = content(SMALL), content(LARGE)
    rounds = [(_three_runs(tool, homes, small), _three_runs(tool, homes, large)) for _ in range(runs)]
    goals = []
    for at, what in enumerate(("first run", "nothing to do", "one more variable (`--env A=1`)")):
        pairs = [(one[at], other[at]) for one, other in rounds]
        text = f"`skill-install claude --no-verify`, {len(large) / 1e6:.0f} MB `~/.claude.json`, {what}"
        peak = _median([other.peak for _, other in pairs]) / len(large)
        over = f"time over a {len(small) // 1000} kB file"
        goals += [
            Goal(f"{text}: {over}", _longer(pairs), 0.4, "s"),
            Goal(f"{text}: processor {over}", _busier(pairs), None, "s"),
            Goal(f"{text}: peak", peak, 3, "x its size"),
        ]
    return goals


def _three_runs(tool: Tool, homes: Homes, state: bytes) -> list[Outcome]:
    with homes.home(tool) as home:
        place(home, CLAUDE, state)
        return [install(CLAUDE, home), install(CLAUDE, home), install(CLAUDE, home, "--env", "A=1")]


def _longer(pairs: Sequence[Pair]) -> float:
    return _median([other.seconds - one.seconds for one, other in pairs])


def _busier(pairs: Sequence[Pair]) -> float:
    return _median([other.processor - one.processor for one, other in pairs])


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
