"""This project beside add-mcp, install-mcp, fastmcp, mcpm and `claude mcp add`: the same work, in one run.

    python -m benchmarks.peers [--runs N] [--rounds N] [--only TITLE] [--json FILE]

Takes `skill-install` from PATH and installs the others, at the versions in `tools.py`, into `.cache/peers` (npm and uv
are needed for that, and the network; the first time takes about a minute). Prints Markdown. Everything runs in
throw-away homes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from . import goals, measuring, report
from .benchmark import Benchmark, Timed
from .cases import BYTES, REFUSALS
from .goals import Goal
from .homes import Homes
from .state_file import LARGE, content
from .tools import CLAUDE, CURSOR, TOOLS, WRITES
from .verdicts import KEPT, REFUSED

CACHE = Path(__file__).parents[2] / ".cache/peers"
GOAL_PAIRS = 3
"""Pairs measured for a goal, for each run of the other programs."""

Section = tuple[str, list[report.Row]]


def faster_than_all(ours: str, timed: Mapping[str, Timed]) -> list[Goal]:
    """The goal about the others: our second run against the fastest of theirs."""
    medians = {tool: 1000 * statistics.median(again.seconds for _, again in pairs) for tool, pairs in timed.items()}
    others = {tool: median for tool, median in medians.items() if tool != ours}
    if ours not in medians or not others:
        return []
    fastest = min(others, key=others.__getitem__)
    what = f"a run with nothing to do: time, beside the fastest of the others ({fastest})"
    return [Goal(what, medians[ours], others[fastest], "ms")]


def timed(benchmark: Benchmark, runs: int) -> tuple[Section, list[Goal]]:
    """What takes time and memory, and the goals."""
    state = content(LARGE)
    empty, pairs = benchmark.times("empty home", CURSOR, None, runs)
    large, _ = benchmark.times(f"{len(state) / 1e6:.0f} MB `~/.claude.json`", CLAUDE, state, runs)
    reached = []
    for ours in (tool for tool in benchmark.tools if not tool.package):
        reached += goals.measure(ours, benchmark.homes, GOAL_PAIRS * runs) + faster_than_all(ours.title, pairs)
    return ("Time (processor time), peak memory", [*empty, *large]), reached


def judged(benchmark: Benchmark, rounds: int) -> list[Section]:
    """What becomes of the files."""
    return [
        ("Bytes of the file", benchmark.cases(BYTES, KEPT, {})),
        ("What should be refused", benchmark.cases(REFUSALS, REFUSED, {KEPT: "written"})),
        (f"{WRITES} writes, {measuring.AT_ONCE} at once: lost without a word", benchmark.races(rounds)),
    ]


def printed(benchmark: Benchmark, sections: list[Section], reached: list[Goal], head: list[str]) -> str:
    """The report."""
    lines = [*head, "", *report.table(benchmark.titles, sections)]
    lines += ["", *[f"- {note}" for tool in benchmark.tools for note in tool.notes]]
    if reached:
        lines += ["", *report.goal_table(reached)]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each program; three times as many for goals")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each race")
    titles = [tool.title for tool in TOOLS]
    parser.add_argument("--only", action="append", choices=titles, help="only this column; repeatable")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the other programs are installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    given = arguments()
    tools = [tool for tool in TOOLS if given.only is None or tool.title in given.only]
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(tools, Homes(Path(folder)), given.cache.absolute())
        before = report.load()
        times, reached = timed(benchmark, given.runs)
        after = report.load()
        sections = [*judged(benchmark, given.rounds), times]
    head = [
        *report.machine(),
        f"- {', '.join(tool.package for tool in benchmark.tools if tool.package)}",
        f"- Medians of {given.runs} runs in turn, for the goals of {GOAL_PAIRS * given.runs} pairs; "
        f"{given.rounds} rounds of each race",
        f"- Load average {before} before and {after} after what was timed; other work makes times longer",
        "- Peak memory is that of the largest process; MB are 10^6 bytes. Exit code 0 unless another is given.",
    ]
    print(printed(benchmark, sections, reached, head))
    if given.json:
        result = {"head": head, "sections": sections, "goals": [asdict(goal) for goal in reached]}
        given.json.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
