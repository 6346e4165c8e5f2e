"""What the skill's scripts take on a server with thousands of runs: seconds, memory, and against plain reading.

    python -m benchmarks.scale [--runs 5000] [--rounds 5] [--keep DIR]

A real MLflow server is filled by the real exporters; its runs are then copied in its database, each invocation as
often as it takes, with their tags, params and metrics, under IDs of their own, and their files are linked. It serves
with as many workers as MLflow starts by default. Every command runs in a process of its own, as the agent runs it, in
the environment that uv keeps for the script; the time is that of the whole process. Each round runs all of them. The
ratio is against one program that asks for all runs, 1,000 at a time, one page after the other, and does nothing with
them. `--keep`: the store stays there, and is used again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.real import exported
from tests.real.machines import REPOSITORY, mlflow

SCRIPTS = REPOSITORY / "skills" / "accessing-mlflow" / "scripts"
WORKERS = "4"
OF_A_RUN = ("tags", "params", "metrics", "latest_metrics")
OTHER = "71f3f3199ea5e1f0"
COMMANDS = (
    ("find_runs.py", OTHER),
    ("find_runs.py",),
    ("find_runs.py", "--task", "gpqa"),
    ("find_runs.py", "--invocations"),
    ("find_runs.py", "--limit", "10000"),
    ("find_runs.py", "--model", "nemotron"),
    ("find_runs.py", "--model", "nemotron", "--since", "2026-10-01"),
    ("compare_runs.py", OTHER, "last"),
)


PLAIN = """
import json, sys, urllib.request
def ask(path, **body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{sys.argv[1]}/api/2.0/mlflow/{path}", json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request))
ids = [one["experiment_id"] for one in ask("experiments/search", max_results=1000)["experiments"]]
token, count = "", 0
while True:
    page = ask("runs/search", experiment_ids=ids, max_results=1000, **({"page_token": token} if token else {}))
    count, token = count + len(page["runs"]), page.get("next_page_token")
    if not token:
        break
print(f"{count} runs read and thrown away")
"""


class Taken(NamedTuple):
    """One run of a command. `memory`: in MiB, of its largest process; `first`: the first line of the answer."""

    seconds: float
    memory: float
    first: str


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = (options.keep or Path(folder)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        store = place / f"{options.runs}-runs"
        if not store.is_dir():
            making = Path(tempfile.mkdtemp(dir=place))
            with exported.server(making):
                pass
            multiply(making / "server", options.runs)
            (making / "server").rename(store)  # only one that is whole is used again
        with mlflow(store, "--artifacts-destination", str(store / "artifacts"), "--workers", WORKERS) as uri:
            started = {" ".join(command): of_skill(command, uri) for command in COMMANDS}
            started = {"all pages, plain": [sys.executable, "-c", PLAIN, uri], **started}
            for command in started.values():  # the server's workers warm up, and uv makes the environments
                taken(command)
            rounds = [{name: taken(command) for name, command in started.items()} for _ in range(options.rounds)]
            show(rounds)


def of_skill(command: tuple[str, ...], uri: str) -> list[str]:
    """A command of the skill, as an agent starts it."""
    name, *arguments = command
    return ["uv", "run", "--no-project", str(SCRIPTS / name), *arguments, "--tracking-uri", uri]


def multiply(store: Path, wanted: int) -> None:
    """Copies the launcher's runs until there are that many, each invocation whole."""
    with closing(sqlite3.connect(store / "mlflow.db")) as base, base:
        base.row_factory = sqlite3.Row
        there = base.execute("SELECT count(*) FROM runs").fetchone()[0]
        templates = base.execute(
            "SELECT runs.*, tags.value AS invocation FROM runs JOIN tags USING (run_uuid)"
            " WHERE tags.key = 'invocation_id'"
        ).fetchall()
        copies = 0
        while there < wanted:
            copies += 1
            for template in templates:
                copy(base, store / "artifacts", template, copies)
            there += len(templates)


def copy(base: sqlite3.Connection, artifacts: Path, template: sqlite3.Row, number: int) -> None:
    """One run under another ID, as a run of another invocation that was exported a minute earlier each time."""
    old, was = template["run_uuid"], template["invocation"]
    run, invocation = digits(old, number, 32), digits(was, number, 16)
    columns: dict[str, Any] = {key: template[key] for key in template.keys() if key != "invocation"}  # noqa: SIM118
    columns |= {"run_uuid": run, "artifact_uri": template["artifact_uri"].replace(old, run)}
    columns["start_time"] -= 60_000 * number
    insert(base, "runs", columns)
    for table in OF_A_RUN:
        for row in base.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (old,)).fetchall():
            columns = {**dict(row), "run_uuid": run}
            if isinstance(columns["value"], str):
                columns["value"] = columns["value"].replace(was, invocation)
            if columns["key"] == "timestamp":
                columns["value"] = str(float(columns["value"]) - 60 * number)
            insert(base, table, columns)
    source = artifacts / str(template["experiment_id"]) / old
    if source.is_dir():
        shutil.copytree(source, source.with_name(run), copy_function=os.link)


def digits(of: str, number: int, count: int) -> str:
    """An ID that looks like any other."""
    return hashlib.sha256(f"{of}/{number}".encode()).hexdigest()[:count]


def insert(base: sqlite3.Connection, table: str, columns: dict[str, Any]) -> None:
    """A row."""
    marks = ", ".join("?" * len(columns))
    base.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", [*columns.values()])


def taken(started: list[str]) -> Taken:
    """Runs it, below a process of its own: what the system counts of memory is for all the children of a process."""
    measure = f"""
import resource, subprocess, sys, time
before = time.monotonic()
done = subprocess.run({started!r}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
print(time.monotonic() - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.stdout.buffer.write(done.stdout or done.stderr)
sys.exit(done.returncode)
"""
    done = subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    figures, _, answer = done.stdout.partition("\n")
    seconds, memory = map(float, figures.split())
    return Taken(seconds, memory / (1 << 20 if sys.platform == "darwin" else 1 << 10), answer.partition("\n")[0])


def show(rounds: list[dict[str, Taken]]) -> None:
    """The table: medians over the rounds, and the largest memory."""
    print("| command | seconds | ratio | memory | answer |")
    print("|---|---|---|---|---|")
    for name in rounds[0]:
        all_taken = [one[name] for one in rounds]
        ratio = statistics.median(one[name].seconds / one["all pages, plain"].seconds for one in rounds)
        seconds, memory = statistics.median(one.seconds for one in all_taken), max(one.memory for one in all_taken)
        answer = re.sub(r" on http\S+?(,|$)", r"\1", all_taken[0].first)
        print(f"| `{name}` | {seconds:.1f} | {ratio:.2f} | {memory:.0f} MiB | {answer} |")
    print(f"\n{os.cpu_count()} cores, for the server too. The load at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
