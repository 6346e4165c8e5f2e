#!/usr/bin/env -S sh -c 'exec uv run --directory / --no-project --script "$(realpath "$0")" "$@"'
# /// script
# requires-python = ">=3.10"
# dependencies = ["pyyaml>=6", "urllib3>=2", "tomli>=2; python_version < '3.11'"]
# ///
"""Find evaluation runs in MLflow: by ID, task, model or time, in all experiments at once; says how many there are."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

sys.dont_write_bytecode = True  # leaves nothing beside the skill

from evaluations import (  # noqa: E402
    DAY,
    Problem,
    Run,
    Store,
    counted,
    day,
    figure,
    find_server,
    in_parallel,
    model_of,
    moment,
    open_store,
    plain,
    quoted,
    report,
    runs_of,
    search,
    shown,
    table,
)

EACH_MODEL_UP_TO = 200
SHORT_SCORES = 60


class Found(NamedTuple):
    """What is kept of a run that was found: little, for there may be very many. `run` has lost most of its data."""

    run: Run
    scores: str
    evaluated: float
    model: str = ""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    server = find_server(options.tracking_uri)
    store = open_store(server)
    names = store.experiments()
    chosen = experiments(names, options.experiment)
    found, guessed = find(store, chosen, options)
    if options.invocations:
        rows, there = invocation_rows(store, found, options.limit)
    else:
        first, there = found[: options.limit], len(found)
        if not options.model:
            first, guessed = with_models(store, first)
        rows = [described(one, names) for one in first]
    counts = {
        "runs": len(found),
        "invocations": len({one.run.invocation for one in found if one.run.invocation}),
        "shown": len(rows),
        "more": len(rows) < there,
        "experiments": len(chosen),
        "tracking_server": server.shown,
    }
    if options.json:
        print(json.dumps({**counts, "model_read_once_per_invocation": guessed, "rows": rows}, indent=1))
    else:
        print(text(counts, rows, options.invocations, guessed))
    return 0 if found else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="find_runs.py",
        description=__doc__,
        epilog="Times are UTC. Exit codes: 0 found, 1 nothing found or an error, 2 wrong usage.",
    )
    parser.add_argument(
        "id",
        nargs="?",
        default="",
        help="invocation id (or its first 4 or more digits), job id (71f3f3199ea5e1f0.0, eval-...), MLflow run id, "
        "or config hash (sha256:...)",
    )
    parser.add_argument("--task", default="", metavar="TEXT", help="part of the task's or benchmark's name")
    parser.add_argument("--model", default="", metavar="TEXT", help="part of the model's id or of the `model` tag")
    parser.add_argument("--since", default="", metavar="TIME", help="evaluated since: 2026-11-05, 2026-11-05T10:10")
    parser.add_argument("--until", default="", metavar="TIME", help="evaluated before")
    parser.add_argument("--status", default="", help="FINISHED, FAILED, RUNNING, ...")
    parser.add_argument("--experiment", default="", metavar="NAME", help="only this experiment (name or id)")
    parser.add_argument("--invocations", action="store_true", help="one row for each invocation")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="rows to show (default: 50)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--tracking-uri", default="", metavar="URI", help="default: environment, then client's entry")
    options = parser.parse_args(arguments)
    for name in ("since", "until"):
        given = getattr(options, name)
        setattr(options, name, moment(given))
        if given and not moment(given):
            parser.error(f"--{name}: {given} is not a time; write 2026-11-05 or 2026-11-05T10:10")
    if options.limit < 1:
        parser.error("--limit: at least 1")
    return options


def experiments(names: dict[str, str], wanted: str) -> list[str]:
    chosen = [key for key, name in names.items() if not wanted or wanted in (key, name)]
    if not chosen:
        there = ", ".join(sorted(shown(name, 60) for name in names.values())[:20])
        raise Problem(f"there is no experiment {shown(wanted)}; there are: {there}")
    return chosen


def find(store: Store, chosen: list[str], options: argparse.Namespace) -> tuple[list[Found], bool]:
    """All that fits, the newest evaluation first; and whether models were read just once for each invocation."""
    found = [keep(run) for run in candidates(store, chosen, options) if wanted(run, options)]
    found.sort(key=lambda one: (one.evaluated, one.run.job, one.run.start, one.run.id), reverse=True)
    if not options.model:
        return found, False
    found, guessed = with_models(store, found)
    return [one for one in found if matches(options.model, one.model, one.run.tags.get("model", ""))], guessed


def candidates(store: Store, chosen: list[str], options: argparse.Namespace) -> Iterable[Run]:
    """What the server finds; its LIKE takes `_` for any character, so `wanted` looks again."""
    if options.id:
        return runs_of(store, chosen, options.id)
    shared = []
    if options.status:
        shared.append(f"attributes.status = {quoted(options.status.upper())}")
    if options.since:  # nothing is exported before it is evaluated; a day for clocks that differ
        shared.append(f"attributes.start_time >= {int((options.since - DAY) * 1000)}")
    by_task = [""]
    if options.task:
        part = quoted(f"%{options.task}%")
        by_task = [f"tags.{key} ILIKE " + part for key in ("task_name", "benchmark")]
    return search(store, chosen, [" AND ".join(filter(None, [one, *shared])) for one in by_task])


def wanted(run: Run, options: argparse.Namespace) -> bool:
    return (
        matches(options.task, run.task)
        and (not options.since or run.evaluated >= options.since)
        and (not options.until or run.evaluated < options.until)
        and (not options.status or run.status == options.status.upper())
    )


def matches(part: str, *texts: str) -> bool:
    return not part or any(part.lower() in text.lower() for text in texts)


def keep(run: Run) -> Found:
    names = ("invocation_id", "config.target.api_endpoint.model_id", "config.model")
    params = {sys.intern(key): value for key, value in run.params.items() if key in names}
    tags = {sys.intern(key): sys.intern(value) for key, value in run.tags.items() if not key.startswith("mlflow.")}
    return Found(run._replace(metrics={}, params=params, tags=tags), scores(run), run.evaluated)


def scores(run: Run) -> str:
    """The score with the shortest name, without the task before it; and how many more there are."""
    if not run.metrics:
        return "-"
    name = min(run.metrics, key=lambda key: (len(key), key))
    label = name.removeprefix(f"{run.task}_") or name
    more = f" (+{len(run.metrics) - 1})" if len(run.metrics) > 1 else ""
    return f"{shown(label, SHORT_SCORES)} {figure(run.metrics[name])}{more}"


def with_models(store: Store, found: list[Found]) -> tuple[list[Found], bool]:
    """With the model of each run; of very many, one run for each invocation is looked at, and True is given."""
    if len(found) <= EACH_MODEL_UP_TO:
        models = in_parallel(lambda one: model_of(store, one.run), found)
        return [one._replace(model=model) for one, model in zip(found, models, strict=True)], False
    groups = grouped(found)
    print(f"reading the model of {len(groups)} invocations", file=sys.stderr)
    models = in_parallel(lambda group: model_of_group(store, group), groups)
    of_run = {one.run.id: model for group, model in zip(groups, models, strict=True) for one in group}
    return [one._replace(model=of_run[one.run.id]) for one in found], True


def model_of_group(store: Store, group: list[Found]) -> str:
    """From one of its runs: one that is finished, for where an export broke off the file may be missing."""
    finished = (one.run for one in group if one.run.status == "FINISHED")
    return group[0].model or model_of(store, next(finished, group[0].run))


def invocation_rows(store: Store, found: list[Found], limit: int) -> tuple[list[dict[str, Any]], int]:
    """One row for each of the newest invocations, and how many there are."""
    groups = grouped(found)
    first = groups[:limit]
    models = in_parallel(lambda group: model_of_group(store, group), first)
    return [summary(group, model) for group, model in zip(first, models, strict=True)], len(groups)


def grouped(found: list[Found]) -> list[list[Found]]:
    """The runs of each invocation together, in the order of the newest."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.run.invocation or one.run.job or one.run.id, []).append(one)
    return list(groups.values())


def summary(group: list[Found], model: str) -> dict[str, Any]:
    first = group[0]
    tasks = sorted({one.run.task for one in group})
    statuses = Counter(one.run.status for one in group)
    return {
        "id": plain(first.run.invocation or first.run.job or first.run.id, 200),
        "runs": len(group),
        "tasks": [plain(task, 200) for task in tasks],
        "status": dict(statuses),
        "evaluated": day(max(one.evaluated for one in group)),
        "model": plain(model or "?", 200),
    }


def described(one: Found, names: dict[str, str]) -> dict[str, Any]:
    run = one.run
    return {
        "job": plain(run.job or run.name or "-", 200),
        "task": plain(run.task or "-", 200),
        "model": plain(one.model or "?", 200),
        "status": plain(run.status, 20),
        "score": one.scores,
        "evaluated": day(one.evaluated),
        "experiment": plain(names.get(run.experiment, run.experiment), 200),
        "run_id": plain(run.id, 64),
    }


def text(counts: dict[str, Any], rows: list[dict[str, Any]], by_invocation: bool, guessed: bool) -> str:
    where = f"{counted(counts['experiments'], 'experiment')} on {counts['tracking_server']}"
    if not rows:
        return f"No runs found in {where}. Tell the user; do not guess."
    of = f" of {counted(counts['invocations'], 'invocation')}" if counts["invocations"] else ""
    lines = [f"{counted(counts['runs'], 'run')}{of} in {where}, newest evaluation first."]
    if counts["more"]:
        lines.append(f"Only {counts['shown']} rows are shown: narrow the search, or raise --limit.")
    if guessed:
        lines.append(f"More than {EACH_MODEL_UP_TO} runs: the model was read once for each invocation.")
    if by_invocation:
        header = ["id", "runs", "status", "model", "evaluated", "tasks"]
        cells = [
            [
                shown(row["id"], 60),
                str(row["runs"]),
                ", ".join(f"{count} {shown(status)}" for status, count in row["status"].items()),
                shown(row["model"]),
                row["evaluated"],
                shown(", ".join(row["tasks"]), 120),
            ]
            for row in rows
        ]
        return "\n".join([*lines, "", table(header, cells)])
    shared = [name for name in ("model", "experiment", "status") if len({row[name] for row in rows}) == 1]
    if len(rows) > 1:
        lines += [f"All: {name} {shown(rows[0][name])}" for name in shared]
    else:
        shared = []
    header = [name for name in rows[0] if name not in shared]
    cells = [[row[name] if name == "score" else shown(row[name]) for name in header] for row in rows]
    return "\n".join([*lines, "", table(header, cells)])


if __name__ == "__main__":
    sys.exit(report(main))
