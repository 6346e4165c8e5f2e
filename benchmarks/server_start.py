"""How long the MCP server takes to start, and what it costs: the plain entry, and the two forms of `--pin`.

    python -m benchmarks.server_start [--runs 9] [--keep DIR]

Each form gets a cache of uv of its own, which is fetched into as `skill-install` does it (download, disk, seconds), and
is then started: once the first time, and `--runs` times in turn with the other forms, so that a busy machine is so for
all of them. A start is the time from the spawn to the answer to `tools/list`; memory is that of the whole process
tree, uv included, right after it (on Linux the proportional set size, elsewhere the resident one). Needs uv and a
network that is reached without a proxy. `--keep`: the caches stay there, and are used again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from accessing_mlflow import bundle, entry, fetch, pin, uvx
from accessing_mlflow.environment import Environment
from accessing_mlflow.processes import child
from benchmarks.meter import metered

GOAL_SECONDS, GOAL_MIB = 1.5, 160
MIB = 1 << 20


class Form(NamedTuple):
    """A way to start the server: the entry, and the environment with a cache of its own."""

    name: str
    entry: entry.Entry
    variables: Mapping[str, str]

    @property
    def command(self) -> list[str]:
        return [self.entry["command"], *self.entry["args"]]


class Cold(NamedTuple):
    """`seconds` to fetch and compile into an empty cache, `received` and `disk` in bytes; `first`: the first start."""

    seconds: float
    received: int
    disk: int
    first: float


class Start(NamedTuple):
    """`seconds` from the spawn to the list of tools; `memory` of the tree in bytes."""

    seconds: float
    memory: int


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = options.keep or Path(folder)
        forms = made_forms(place)
        cold = {form.name: fetched(form) for form in forms}
        starts: dict[str, list[Start]] = {form.name: [] for form in forms}
        for _ in range(options.runs):
            for form in forms:
                starts[form.name].append(start(form))
        show(cold, starts)
        show_parts(forms[-1], starts["--pin, lean"], options.runs)


def made_forms(place: Path) -> list[Form]:
    """The three forms, with their files and caches below `place`."""
    env = Environment.of_process()._replace(store_folder=place / "data" / "store")
    server, found = bundle.load().server, uvx.find(env)
    python = uvx.python(found, env, desktop=False)
    files = pin.files_of(server, env)
    files.folder.mkdir(parents=True, exist_ok=True)
    for name in files.files:
        (files.folder / name).write_bytes((files.source / name).read_bytes())
    plain = entry.new(str(found.path), server.package)
    entries = {"plain": plain}
    for form in ("full", "lean"):
        entries[f"--pin, {form}"] = pin.pinned(plain, server, files.folder, form, python, env)
    hidden = ("PYTHONDONTWRITEBYTECODE", "UV_OFFLINE", "UV_COMPILE_BYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden and not name.startswith("XDG_")}
    kept["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    return [
        Form(name, one, {**kept, "UV_CACHE_DIR": str(place / name.removeprefix("--pin, "))})
        for name, one in entries.items()
    ]


def fetched(form: Form) -> Cold:
    """Fetches as an installation does it."""
    package = bundle.load().server.package
    command, started = form.entry["command"], time.monotonic()
    found = pin.of_entry(form.entry, _environment_of(form))
    options = entry.runner_options(form.entry, package)
    with metered() as meter:
        variables = {**form.variables, "HTTPS_PROXY": meter.address}
        if found is not None:
            uv = uvx.uv(Path(command))
            fetch.check_hashes(uv, found.python, found.constraints, found.overrides, variables, progress=False)
            variables[pin.OFFLINE] = "1"
        fetch.fetch(command, entry.requirement(form.entry, package), variables, options, progress=False)
    seconds = time.monotonic() - started
    used = int(subprocess.check_output(["du", "-sk", form.variables["UV_CACHE_DIR"]]).split()[0]) * 1024
    return Cold(seconds, meter.received, used, start(form).seconds)


def start(form: Form) -> Start:
    """Starts the server as a client does, asks for its tools, and ends it."""
    variables = {**form.variables, **({pin.OFFLINE: "1"} if form.name != "plain" else {})}
    started, pipe = time.monotonic(), subprocess.PIPE
    with child(form.command, env=variables, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
        _send(process.stdin, "initialize", about, 1)
        process.stdout.readline()
        _send(process.stdin, "notifications/initialized", {})
        _send(process.stdin, "tools/list", {}, 2)
        answer = json.loads(process.stdout.readline())
        seconds = time.monotonic() - started
        assert answer["result"]["tools"]
        return Start(seconds, sum(_memory(number) for number in _tree(process.pid)))


def _send(stream: IO[bytes], method: str, params: dict[str, Any], number: int | None = None) -> None:
    message = {"jsonrpc": "2.0", "method": method, "params": params, **({"id": number} if number else {})}
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def show(cold: Mapping[str, Cold], starts: Mapping[str, Sequence[Start]]) -> None:
    """The table, and whether the goal is reached."""
    head = ("form", "fetch ahead", "download", "disk", "first start", "start (median)", "memory")
    rows = [head]
    medians = {}
    for name, once in cold.items():
        seconds = statistics.median(one.seconds for one in starts[name])
        memory = statistics.median(one.memory for one in starts[name]) / MIB
        medians[name] = (seconds, memory)
        download, ahead, first = f"{once.received / MIB:.0f} MiB", f"{once.seconds:.1f} s", f"{once.first:.1f} s"
        rows.append(
            (name, ahead, download, f"{once.disk / MIB:.0f} MiB", first, f"{seconds:.2f} s", f"{memory:.0f} MiB")
        )
    for row in rows:
        print("| " + " | ".join(row) + " |")
        if row is head:
            print("|" + "---|" * len(head))
    seconds, memory = medians["--pin, lean"]
    reached = "reached" if seconds < GOAL_SECONDS and memory < GOAL_MIB else "NOT reached"
    ratio = medians["plain"][0] / seconds
    print(f"\nGoal, lean under {GOAL_SECONDS} s and {GOAL_MIB} MiB: {reached}.")
    print(f"The plain form takes {ratio:.1f} times as long.")


def show_parts(form: Form, starts: Sequence[Start], runs: int) -> None:
    """Where the time of a start goes."""
    package = bundle.load().server.package
    variables = {**form.variables, pin.OFFLINE: "1"}
    options = entry.runner_options(form.entry, package)
    requirement = entry.requirement(form.entry, package)
    through_uv = [form.entry["command"], *options, "--from", requirement, "python", "-c"]
    show_python = [*through_uv, "import sys; print(sys.executable)"]
    python = subprocess.check_output(show_python, env=variables, text=True, stderr=subprocess.DEVNULL).strip()
    commands = {
        "uv": [*through_uv, "import os; os._exit(0)"],
        "python": [python, "-c", "import os; os._exit(0)"],
        "mcp": [python, "-c", "import mcp.server.fastmcp, os; os._exit(0)"],
        "server": [python, "-c", "import mlflow_mcp.server, os; os._exit(0)"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            started = time.monotonic()
            subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, check=True)
            taken[name].append(time.monotonic() - started)
    one = {name: statistics.median(values) for name, values in taken.items()}
    total = statistics.median(start.seconds for start in starts)
    parts = {
        "uv: reads the entry's files, resolves, finds the environment": one["uv"] - one["python"],
        "Python itself": one["python"],
        "import of the MCP SDK": one["mcp"] - one["python"],
        "import of mlflow-skinny": one["server"] - one["mcp"],
        "the server makes its tools and answers twice": total - one["uv"] - one["server"] + one["python"],
    }
    print(f"\nOf the {total:.2f} s of the lean form:")
    for name, seconds in parts.items():
        print(f"{seconds * 1000:6.0f} ms  {name}")


def _environment_of(form: Form) -> Environment:
    """In which the form's pin is recognised as ours."""
    data = Path(form.variables["UV_CACHE_DIR"]).parent / "data"
    return Environment.of_process()._replace(store_folder=data / "store")


def _tree(number: int) -> list[int]:
    """A process and all below it."""
    listed = subprocess.check_output(["ps", "-A", "-o", "pid=,ppid="], text=True)
    parents = {int(line.split()[0]): int(line.split()[1]) for line in listed.splitlines()}
    found = [number]
    for one in found:
        found += [other for other, parent in parents.items() if parent == one]
    return found


def _memory(number: int) -> int:
    """Of one process, in bytes."""
    try:
        if sys.platform == "linux":
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(number)], text=True)) * 1024
    except (OSError, subprocess.CalledProcessError, ValueError):  # it has ended
        return 0


if __name__ == "__main__":
    main()
