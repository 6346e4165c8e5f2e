"""Rows of the tables: each measurement, for every program that is there."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from . import measuring
from .cases import Case
from .homes import Homes
from .installing import installed
from .report import Row
from .running import NotApplicableError, Outcome
from .tools import CLAUDE, CURSOR, FILES, Tool

Timed = list[tuple[Outcome, Outcome]]
"""First and second runs."""


class Benchmark:
    """The tools that are there, and why others are not."""

    def __init__(self, tools: Sequence[Tool], homes: Homes, cache: Path) -> None:
        self.titles = [tool.title for tool in tools]
        self.homes = homes
        self.tools: list[Tool] = []
        self.missing: dict[str, str] = {}
        for tool in tools:
            say(f"{tool.title}: installing, one run")
            try:
                there = installed(tool, cache)
                measuring.check(there, homes)
            except NotApplicableError as reason:
                self.missing[tool.title] = f"n/a ({reason})"
            else:
                self.tools.append(there)

    def row(self, what: str, cell: Callable[[Tool], str]) -> Row:
        """A row of cells."""
        say(what)
        cells = dict(self.missing)
        for tool in self.tools:
            try:
                cells[tool.title] = cell(tool)
            except NotApplicableError as reason:
                cells[tool.title] = f"n/a ({reason})"
        return what, cells

    def cases(self, cases: Sequence[Case], good: str, otherwise: Mapping[str, str]) -> list[Row]:
        """A row for each case, and one that counts the `good` verdicts; `otherwise` has words for this table."""

        def cell(case: Case, tool: Tool) -> str:
            verdict = measuring.verdict(tool, case, self.homes)
            return otherwise.get(verdict, verdict)

        rows = [self.row(case.title, partial(cell, case)) for case in cases]
        counts = {title: _share([cells[title] for _, cells in rows], good) for title in self.titles}
        return [*rows, (f"{good}, of those that apply", counts)]

    def races(self, rounds: int) -> list[Row]:
        """Losses of each round, by client."""

        def cell(client: str, tool: Tool) -> str:
            results = [measuring.race(tool, client, self.homes) for _ in range(rounds)]
            failed = _range([result.failed for result in results])
            return _range([result.lost for result in results]) + (f" ({failed} failed aloud)" if failed != "0" else "")

        return [self.row(f"`~/{FILES[client]}`", partial(cell, client)) for client in (CURSOR, CLAUDE)]

    def times(self, what: str, client: str, state: bytes | None, runs: int) -> tuple[list[Row], dict[str, Timed]]:
        """Time and peak of a first and a second run; the tools in turn, so that all have the same bad moments."""
        timed: dict[str, Timed] = {tool.title: [] for tool in self.tools}
        failed = dict(self.missing)
        for number in range(runs):
            say(f"{what}, run {number + 1} of {runs}")
            for tool in self.tools:
                if tool.title in failed:
                    continue
                try:
                    timed[tool.title].append(measuring.twice(tool, client, state, self.homes))
                except NotApplicableError as reason:
                    failed[tool.title] = f"n/a ({reason})"
        rows: list[Row] = []
        for at, which in enumerate(("", ", once more")):
            cells = {tool: _cost([pair[at] for pair in pairs]) for tool, pairs in timed.items() if tool not in failed}
            rows.append((what + which, {**cells, **failed}))
        return rows, {tool: pairs for tool, pairs in timed.items() if tool not in failed}


def say(text: str) -> None:
    """Progress, apart from the report."""
    print(text, file=sys.stderr, flush=True)


def _share(cells: Sequence[str], good: str) -> str:
    apply = [cell for cell in cells if not cell.startswith("n/a")]
    return f"**{sum(cell == good for cell in apply)} of {len(apply)}**" if apply else "n/a"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _cost(outcomes: Sequence[Outcome]) -> str:
    seconds = statistics.median(outcome.seconds for outcome in outcomes)
    processor = statistics.median(outcome.processor for outcome in outcomes)
    return f"{seconds:.2f} s ({processor:.2f}), {statistics.median(outcome.peak for outcome in outcomes) / 1e6:.0f} MB"
