"""The tables, in Markdown."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .goals import Goal

Row = tuple[str, Mapping[str, str]]
"""What is measured, and a cell for each tool."""


def machine() -> list[str]:
    """When and on what this ran; not whose machine it is."""
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if _is_linux() else platform.platform(terse=True)
    return [
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Machine: {_processor()}, {os.cpu_count()} cores; {system}, {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, Node.js {_node()}",
    ]


def load() -> str:
    """How busy the machine is: the mean number of running processes in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def table(titles: Sequence[str], sections: Iterable[tuple[str, Sequence[Row]]]) -> list[str]:
    """A column for each tool, a bold line for each section."""
    lines = [f"| | {' | '.join(titles)} |", f"|---{'|---' * len(titles)}|"]
    for title, rows in sections:
        lines.append(f"| **{title}** |{' |' * len(titles)}")
        lines += [f"| {what} | {' | '.join(cells[tool] for tool in titles)} |" for what, cells in rows]
    return lines


def goal_table(goals: Iterable[Goal]) -> list[str]:
    """The goals, and whether they are met."""
    lines = ["| | measured | goal | met |", "|---|---|---|---|"]
    for goal in goals:
        digits = 0 if goal.unit == "ms" else 2 if goal.unit == "s" else 1
        limit = "" if goal.limit is None else f"under {goal.limit:.3g} {goal.unit}"
        met = {True: "yes", False: "**no**", None: ""}[goal.met]
        lines.append(f"| {goal.what} | {goal.value:.{digits}f} {goal.unit} | {limit} | {met} |")
    return lines


def _is_linux() -> bool:
    return platform.system() == "Linux"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _node() -> str:
    try:
        return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError:
        return "none"
