"""The measurements, each of one program; what is in a cell of the tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import running
from .cases import INDENTED, Case
from .homes import Homes, others, place
from .running import NotApplicableError, Outcome
from .tools import FILES, WRITES, Tool
from .verdicts import data_of, judge, lookup

AT_ONCE = 4


def check(tool: Tool, homes: Homes) -> None:
    """Raises NotApplicableError unless the program writes its entry into every file that it is said to write."""
    for client in tool.commands:
        with homes.home(tool) as home:
            done = running.run(tool.command(client, home), home)
            _must_have_written(tool, home / FILES[client], done)


def _must_have_written(tool: Tool, file: Path, done: Outcome) -> None:
    if done.code == 0 and file.is_file() and lookup(data_of(file.read_bytes()), tool.keys()) is not None:
        return
    reason = "ended after its time" if done.code == 124 else f"exit {done.code}"
    last = (done.output.strip().splitlines() or ["no output"])[-1]
    raise NotApplicableError(f"{file.name} without its entry, {reason}: {last}")


def verdict(tool: Tool, case: Case, homes: Homes) -> str:
    """What the program makes of the case's file."""
    client = tool.fallback(case.client) if case.fallback else case.client
    with homes.home(tool) as home:
        command = tool.command(client, home)
        if not case.mode & 0o200:
            command = running.without_override(command)
        before = case.before(tool.keys()[-1])
        file = place(home, client, before, case.mode)
        done = running.run(command, home, file_limit=case.file_limit)
        if done.code == 124:
            return "ended after its time"
        after = file.read_bytes() if file.is_file() else None
        return judge(before, after, done.code, tool.keys(), others=others(home, file), own=tool.owns_file)


@dataclass(frozen=True)
class Race:
    """Of `WRITES` writes: those that said they were done and left nothing, and those that said they failed."""

    lost: int
    failed: int


def race(tool: Tool, client: str, homes: Homes) -> Race:
    """Runs the writes, four at once, on one file. Another server's entry that vanishes is a lost write too."""
    with homes.home(tool) as home:
        file = place(home, client, INDENTED.encode())
        commands = [tool.racing(client, home, number) for number in range(WRITES)]

        def write(number: int) -> Outcome:
            return running.run(commands[number], home, output=home / f".output{number}")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(write, range(WRITES)))
        try:
            data = data_of(file.read_bytes())
        except (FileNotFoundError, ValueError):
            data = {}
    there = [lookup(data, tool.effect_of(number)) is not None for number in range(WRITES)]
    lost = sum(not found and not outcome.code for found, outcome in zip(there, outcomes, strict=True))
    lost += sum(lookup(data, ["mcpServers", name]) is None for name in ("files", "web"))
    return Race(lost, sum(bool(outcome.code) for outcome in outcomes))


def twice(tool: Tool, client: str, content: bytes | None, homes: Homes) -> tuple[Outcome, Outcome]:
    """Writes the entry for the first time, into `content` where there is one; then the same with nothing to do."""
    with homes.home(tool) as home:
        used = tool.fallback(client)
        if content is not None:
            place(home, used, content)
        first = running.run(tool.command(used, home), home)
        _must_have_written(tool, home / FILES[used], first)
        second = running.run(tool.command(used, home), home)
        if second.code != tool.again:
            raise NotApplicableError(f"second run: exit {second.code}")
        return first, second
