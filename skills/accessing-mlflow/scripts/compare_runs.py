#!/usr/bin/env -S sh -c 'exec uv run --directory / --no-project --script "$(realpath "$0")" "$@"'
# /// script
# requires-python = ">=3.10"
# dependencies = ["pyyaml>=6", "urllib3>=2", "tomli>=2; python_version < '3.11'"]
# ///
"""Compare evaluations in MLflow: scores with their errors, task by task, and what differs in the configuration.

A difference counts as more than its error where |B - A| > 1.96 * sqrt(SE_A^2 + SE_B^2): the 95 % interval of the
difference of two independent means (E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024). Both
sides answer the same questions, so this is on the careful side. SE: `stderr` in results.yml; for nemo-evaluator 0.3 the
width of the 95 % interval in its file divided by 2 * 1.96.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

sys.dont_write_bytecode = True  # leaves nothing beside the skill

from evaluations import (  # noqa: E402
    DAY,
    Problem,
    Run,
    Store,
    counted,
    day,
    document,
    figure,
    find_server,
    in_parallel,
    model_of,
    open_store,
    plain,
    report,
    runs_of,
    search,
    shown,
    table,
)

Z = 1.96
UNFINISHED = "its export broke off; what is here may be all or not"
NOT_THERE = "not in MLflow"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
STATISTICS = "eval_factory_metrics.json"
# Where a run wrote and what it was called says nothing about what was measured.
IGNORED = re.compile(r"(output_dir|task|type|supported_endpoint_types|api_key_name|benchmark|.*\.type)")
ASKED_FOR = re.compile(
    r"(avg|max|mean|p\d+)_.*|count|successful_count|inference_time|runtime_seconds|peak_memory_bytes"
)
HARMLESS = re.compile(r"model|endpoint\.url|parallelism|request_timeout|max_retries|version\..*|deployment\..*")


class Value(NamedTuple):
    """A measured value. `error`: its standard error, None where there is none."""

    value: float
    error: float | None = None


class Evaluated(NamedTuple):
    """A run with what its files say. `settings`: dotted names to values."""

    run: Run
    task: str
    values: dict[str, Value]
    settings: dict[str, str]
    statistics: dict[str, Value]

    @property
    def has_settings(self) -> bool:
        return any(name != "model" and not name.startswith("version.") for name in self.settings)

    def setting(self, name: str) -> str:
        return self.settings.get(name, "not set" if self.has_settings else NOT_THERE)


class Side(NamedTuple):
    """One of the things that are compared. `runs` by task."""

    letter: str
    label: str
    runs: dict[str, Evaluated]
    notes: list[str]


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    server = find_server(options.tracking_uri)
    store = open_store(server)
    experiments = list(store.experiments())
    texts = resolved(store, experiments, options.ids)
    sides = [side(store, experiments, LETTERS[n], one, options) for n, one in enumerate(texts)]
    data = compared(sides, options)
    data["tracking_server"] = server.shown
    if options.plot:
        draw(data, options.plot)
    print(as_json(data) if options.json else markdown(data, options))
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    about, _, method = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="compare_runs.py",
        description=about,
        epilog=method + "\nExit codes: 0 compared, 1 nothing found or an error, 2 wrong usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="invocation, job or MLflow run ids; the others are compared with the first. `last`: the newest other "
        "invocation. One alone is just shown. Several for one side: joined by commas",
    )
    parser.add_argument("--task", default="", metavar="TEXT", help="only tasks whose name holds this")
    parser.add_argument("--metric", default="", metavar="TEXT", help="only metrics whose name holds this")
    parser.add_argument("--stats", action="store_true", help="also latency, tokens and run time")
    parser.add_argument("--limit", type=int, default=60, metavar="N", help="rows to show (default: 60)")
    parser.add_argument("--plot", default="", metavar="FILE.svg", help="also draw a chart (SVG)")
    parser.add_argument("--json", action="store_true", help="print one JSON document, with all rows")
    parser.add_argument("--tracking-uri", default="", metavar="URI", help="default: environment, then client's entry")
    options = parser.parse_args(arguments)
    if options.plot and not options.plot.lower().endswith(".svg"):
        parser.error("--plot: the chart is SVG; give a name that ends in .svg")
    if len(options.ids) > len(LETTERS):
        parser.error(f"at most {len(LETTERS)} can be compared")
    return options


# What is compared


def resolved(store: Store, experiments: list[str], texts: list[str]) -> list[str]:
    """The ids, with `last` replaced by the newest invocation that is not among the others."""
    if "last" not in texts:
        return texts
    named = {run.invocation for text in texts if text != "last" for run in runs_named(store, experiments, text)}
    last = newest(store, experiments, named).invocation
    return [last if text == "last" else text for text in texts]


def newest(store: Store, experiments: list[str], named: set[str]) -> Run:
    """The newest evaluation of an invocation that is not named. Raises Problem where there is none.

    Nothing is exported before it is evaluated: so a newer one than a newly exported one was exported since then; a day
    for clocks that differ.
    """
    launched = "tags.invocation_id != ''"
    pages = ([run for run in page if run.invocation not in named] for page in store.pages(experiments, launched))
    others: Iterable[Run] = next((page for page in pages if page), [])
    if not others:
        raise Problem("there is no other invocation")
    since = int((max(run.evaluated for run in others) - DAY) * 1000)
    later = search(store, experiments, [f"{launched} AND attributes.start_time >= {since}"])
    others = chain(others, (run for run in later if run.invocation not in named))
    return max(others, key=lambda run: (run.evaluated, run.start, run.id))


def runs_named(store: Store, experiments: list[str], text: str) -> list[Run]:
    """The runs that one or several ids, joined by commas, mean."""
    return [run for one in text.split(",") for run in runs_of(store, experiments, one.strip())]


def side(store: Store, experiments: list[str], letter: str, text: str, options: argparse.Namespace) -> Side:
    runs = runs_named(store, experiments, text)
    if not runs:
        raise Problem(f"nothing found for {shown(text)} in {counted(len(experiments), 'experiment')}: ask the user")
    invocations = {run.invocation for run in runs}
    if len(invocations) > 1 and "," not in text:
        several = ", ".join(sorted(map(shown, invocations)))
        raise Problem(f"{shown(text)} begins {len(invocations)} invocations: {several}")
    by_task, notes = chosen(runs)
    by_task = {task: run for task, run in by_task.items() if options.task.lower() in task.lower()}
    read = in_parallel(lambda item: evaluated(store, item[1], item[0], options.stats), by_task.items())
    notes += [f"{one.task}: {plain(one.run.status)}: {UNFINISHED}" for one in read if one.run.status != "FINISHED"]
    invocation = next(iter(invocations))
    label = invocation if len(invocations) == 1 and invocation.startswith(text) else text
    return Side(letter, plain(label, 60), {one.task: one for one in read}, notes)


def chosen(runs: list[Run]) -> tuple[dict[str, Run], list[str]]:
    """One run for each task: of several exports of one job the finished one, else the newest."""
    jobs: dict[str, list[Run]] = {}
    for run in runs:
        jobs.setdefault(run.job or run.id, []).append(run)
    found: dict[str, Run] = {}
    notes = []
    for job, exports in sorted(jobs.items()):
        exports.sort(key=lambda run: (run.status == "FINISHED", run.start, run.id))
        run = exports[-1]
        if len(exports) > 1:
            notes.append(f"{plain(run.task)}: job {plain(job)} was exported {len(exports)} times; run {run.id} is used")
        task, number = plain(run.task or run.name or run.id, 120), 1
        while (task if number == 1 else f"{task} #{number}") in found:
            number += 1
        found[task if number == 1 else f"{task} #{number}"] = run
    return found, notes


def evaluated(store: Store, run: Run, task: str, with_statistics: bool) -> Evaluated:
    if run.form == "bundle":
        return from_bundle(run, task, document(store, run, f"{run.job}.json"))
    results = document(store, run, "results.yml")
    settings = results if "target" in results else document(store, run, "run_config.yml")
    metadata = results["metadata"] if "metadata" in results else document(store, run, "metadata.yaml")
    known = flat(member(settings, "config", "params"))
    endpoint = member(settings, "target", "api_endpoint")
    known |= {"model": endpoint.get("model_id") or model_of(store, run)}
    known |= flat({"url": endpoint.get("url")}, "endpoint") | flat(member(metadata, "versioning"), "version")
    known |= flat(member(metadata, "launcher_resolved_config", "deployment"), "deployment")
    if results.get("git_hash"):
        known["version.git_hash"] = results["git_hash"]
    values = with_errors(run, dict(scores_of(results)))
    statistics = measured(document(store, run, STATISTICS)) if with_statistics else {}
    return Evaluated(run, task, values, cleaned(known), statistics)


def from_bundle(run: Run, task: str, bundle: dict[str, Any]) -> Evaluated:
    values = {}
    scores = member(bundle, "benchmark", "scores")
    for name, score in scores.items():
        value = number(score.get("value") if isinstance(score, dict) else score)
        if value is not None:
            values[sanitized(name)] = Value(value, bundle_error(score))
    settings = flat(member(bundle, "config")) or {  # exported without files, perhaps, but with `log_config_params`
        name.removeprefix("config."): value
        for name, value in run.params.items()
        if name.startswith("config.") and value != "null"
    }
    settings.setdefault("model", run.tags.get("model", ""))
    settings["version.nemo_evaluator"] = bundle.get("sdk_version") or run.tags.get("sdk_version", "")
    return Evaluated(run, task, with_errors(run, values), cleaned(settings), measured(member(scores, "runtime")))


def bundle_error(score: Any) -> float | None:
    if not isinstance(score, dict):
        return None
    error = number(member(score, "stats").get("stderr"))
    low, high = number(score.get("ci_lower")), number(score.get("ci_upper"))
    return error if error is not None or low is None or high is None else (high - low) / (2 * Z)


def scores_of(results: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    """The scores of results.yml by the names that the exporter gives them in MLflow."""

    def inside(name: str, data: Any) -> Iterator[tuple[str, Value]]:
        for group, part in member(data, "groups").items():
            yield from inside(f"{name}_{group}", part)
        for metric, part in member(data, "metrics").items():
            for score, one in member(part, "scores").items():
                value = number(member(one).get("value"))
                if value is not None:
                    key = f"{name}_{metric}" if score == metric else f"{name}_{metric}_{score}"
                    yield sanitized(key), Value(value, number(member(one, "stats").get("stderr")))

    for section in ("groups", "tasks"):
        for task, data in member(results, "results", section).items():
            yield from inside(str(task), data)


def with_errors(run: Run, known: dict[str, Value]) -> dict[str, Value]:
    """MLflow's values with the errors from the file, or from a metric of that name; the file's where it has none."""
    errors = {name.removesuffix("_stderr") for name in run.metrics if name.endswith("_stderr")} & set(run.metrics)
    prefix = f"{sanitized(run.task)}_"
    result = {}
    for name in {**known, **run.metrics}:
        if name.endswith("_stderr") and name.removesuffix("_stderr") in errors:
            continue
        of_file = known.get(name, Value(math.nan))
        error = of_file.error if of_file.error is not None else run.metrics.get(f"{name}_stderr")
        result[name.removeprefix(prefix)] = Value(run.metrics.get(name, of_file.value), error)
    return dict(sorted(result.items(), key=lambda item: (len(item[0]), item[0])))


def measured(data: dict[str, Any]) -> dict[str, Value]:
    """The numbers of eval_factory_metrics.json that people ask for."""
    parts = [member(data, "response_stats"), member(data, "evaluation")] if "response_stats" in data else [data]
    pairs = [(name, number(value)) for part in parts for name, value in part.items() if ASKED_FOR.fullmatch(str(name))]
    return {str(name): Value(value) for name, value in pairs if value is not None}


def sanitized(name: str) -> str:
    """The name that both exporters make of a metric's."""
    name = re.sub(r"[^/\w.\- ]", "_", str(name).replace("pass@", "pass_at_"))
    return re.sub("_+", "_", name).strip()[:250]


def member(data: Any, *keys: str) -> dict[str, Any]:
    """The mapping at the end of the way, or an empty one."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def flat(data: Any, name: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`; lists as they are."""
    if not isinstance(data, dict):
        return {name: data}
    found: dict[str, Any] = {}
    for part, one in data.items():
        found |= flat(one, f"{name}.{part}" if name else str(part))
    return found


def cleaned(settings: dict[str, Any]) -> dict[str, str]:
    return {
        plain(name, 80): plain(value, 200)
        for name, value in settings.items()
        if value not in (None, "", {}, []) and not IGNORED.fullmatch(name)
    }


# The comparison


def compared(sides: list[Side], options: argparse.Namespace) -> dict[str, Any]:
    tasks = sorted({task for one in sides for task in one.runs})
    rows = [row for task in tasks for row in rows_of(task, sides, options)]
    missing = {one.letter: [task for task in tasks if task not in one.runs] for one in sides}
    unknown = {one.letter: [task for task, run in one.runs.items() if not run.has_settings] for one in sides}
    return {
        "sides": [described(one) for one in sides],
        "rows": rows,
        "missing_tasks": {letter: absent for letter, absent in missing.items() if absent},
        "unknown_settings": {letter: found for letter, found in unknown.items() if found},
        "differences": differences(sides, [task for task in tasks if sum(task in one.runs for one in sides) > 1]),
        "notes": [f"{one.letter}: {note}" for one in sides for note in one.notes],
    }


def described(one: Side) -> dict[str, Any]:
    found = list(one.runs.values())
    models = sorted({item.settings["model"] for item in found if "model" in item.settings})
    return {
        "side": one.letter,
        "id": one.label,
        "model": ", ".join(models) or "?",
        "evaluated": day(max((item.run.evaluated for item in found), default=0)),
        "runs": {task: item.run.id for task, item in one.runs.items()},
    }


def rows_of(task: str, sides: list[Side], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    there = [one.runs.get(task) for one in sides]
    for kind in ("values", "statistics"):
        maps: list[dict[str, Value]] = [getattr(one, kind) if one else {} for one in there]
        for name in dict.fromkeys(name for known in maps for name in known):
            if options.metric.lower() not in name.lower():
                continue
            values = [known.get(name) for known in maps]
            yield {
                "task": task,
                "metric": plain(name, 120),
                "kind": "score" if kind == "values" else "statistic",
                "values": [None if value is None else value._asdict() for value in values],
                "against_first": [against(values[0], value) for value in values[1:]],
            }


def against(first: Value | None, other: Value | None) -> dict[str, Any] | None:
    """None where a value is missing; `exceeds_error` is None where an error is."""
    if first is None or other is None:
        return None
    delta = other.value - first.value
    result: dict[str, Any] = {"delta": delta, "relative": delta / abs(first.value) if first.value else None}
    if first.error is None or other.error is None:
        return {**result, "error": None, "exceeds_error": None}
    error = math.hypot(first.error, other.error)
    return {**result, "error": error, "exceeds_error": abs(delta) > Z * error}


def differences(sides: list[Side], tasks: list[str]) -> list[dict[str, Any]]:
    """The settings that are not the same on all sides that have a task, with the tasks for which it is so."""
    found: dict[tuple[str, tuple[str | None, ...]], list[str]] = {}
    for task in tasks:
        there = [one.runs.get(task) for one in sides]
        names = dict.fromkeys(name for one in there if one for name in one.settings)
        for name in names:
            values = tuple(one.setting(name) if one else None for one in there)
            if len({*values} - {None, NOT_THERE}) > 1:
                found.setdefault((name, values), []).append(task)
    result = [
        {
            "setting": name,
            "values": list(values),
            "tasks": "all" if len(on) == len(tasks) else on,
            "may_change_scores": not HARMLESS.fullmatch(name),
        }
        for (name, values), on in found.items()
    ]
    return sorted(result, key=lambda one: (not one["may_change_scores"], one["setting"] != "model", one["setting"]))


# What is shown


def as_json(data: Any) -> str:
    """Numbers that JSON does not have become texts: `nan`, `inf`."""

    def sound(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: sound(one) for key, one in value.items()}
        if isinstance(value, list):
            return [sound(one) for one in value]
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(sound(data), indent=1)


def markdown(data: dict[str, Any], options: argparse.Namespace) -> str:
    sides, rows = data["sides"], data["rows"]
    lines = [
        f"{one['side']}: {shown(one['id'])}, {counted(len(one['runs']), 'run')}, {shown(one['model'])}, "
        f"evaluated {one['evaluated']}"
        for one in sides
    ]
    lines += [f"Note: {shown(note, 200)}" for note in data["notes"]]
    lines += [f"Missing in {letter}: {shown(', '.join(tasks), 300)}" for letter, tasks in data["missing_tasks"].items()]
    lines += [
        f"SETTINGS UNKNOWN in {letter}, not in MLflow: {shown(', '.join(tasks), 300)}. Do not call these runs alike."
        for letter, tasks in data["unknown_settings"].items()
    ]
    unlike = sorted({one["setting"] for one in data["differences"] if one["may_change_scores"]})
    if unlike:
        lines.append(f"SETTINGS DIFFER: {shown(', '.join(unlike), 300)}. Say so with every number.")
    cells = [cells_of(row) for row in rows[: options.limit]]
    header = ["task", "metric", *(one["side"] for one in sides)]
    for one in sides[1:]:
        header += [f"{one['side']}-A", "%", "more than error"]
    lines += ["", table(header, cells) if cells else "No metrics."]
    if len(rows) > options.limit:
        lines.append(f"{len(rows) - options.limit} more rows: narrow with --task or --metric, or raise --limit.")
    if data["differences"]:
        header = ["setting", *(one["side"] for one in sides), "tasks"]
        lines += ["", table(header, map(difference_cells, data["differences"][:30]))]
    elif len(sides) > 1 and not data["unknown_settings"]:
        lines += ["", "No settings differ."]
    return "\n".join(lines)


def cells_of(row: dict[str, Any]) -> list[str]:
    cells = [shown(row["task"], 60), shown(row["metric"], 60)]
    for value in row["values"]:
        error = "" if value is None or value["error"] is None else f" ±{value['error']:.2g}"
        cells.append("-" if value is None else figure(value["value"]) + error)
    for one in row["against_first"]:
        if one is None:
            cells += ["-", "-", "-"]
            continue
        relative = "-" if one["relative"] is None else f"{100 * one['relative']:+.1f}"
        verdict = {True: "yes", False: "no", None: "unknown"}[one["exceeds_error"]]
        cells += [f"{one['delta']:+.4g}", relative, verdict if row["kind"] == "score" else "-"]
    return cells


def difference_cells(one: dict[str, Any]) -> Iterable[str]:
    values = [shown("-" if value is None else value, 60) for value in one["values"]]
    return [shown(one["setting"], 60), *values, "all" if one["tasks"] == "all" else shown(", ".join(one["tasks"]), 120)]


# The chart


COLOURS = ("#1b6ca8", "#d1662a", "#3a8f4d", "#8a4fb0", "#b8860b", "#5a6470")
ROW, LEFT, WIDTH, TOP = 16, 330, 520, 64


def draw(data: dict[str, Any], file: str) -> None:
    try:
        Path(file).write_text(chart(data), encoding="utf-8")
    except OSError as error:
        raise Problem(f"the chart cannot be written to {file}: {error.strerror}") from None
    print(f"chart: {file}", file=sys.stderr)


def chart(data: dict[str, Any]) -> str:
    """A dot for each value with a bar of 1.96 standard errors to each side, one band for each metric."""
    sides = data["sides"]
    rows = [row for row in data["rows"] if row["kind"] == "score"][:80]
    if not rows:
        raise Problem("there are no scores to draw")
    ends = [
        end
        for row in rows
        for value in row["values"]
        if value is not None and math.isfinite(value["value"])
        for end in (value["value"] - Z * (value["error"] or 0), value["value"] + Z * (value["error"] or 0))
    ]
    low, high, step = scale(min(ends, default=0), max(ends, default=1))

    def x(value: float) -> float:
        return LEFT + WIDTH * (value - low) / (high - low)

    band = ROW * len(sides) + 14
    bottom = TOP + band * len(rows)
    parts = [text(LEFT, 22, "Scores with 95 % intervals", "start", 15, "bold")]
    for n, one in enumerate(sides):
        place = LEFT + n * WIDTH / len(sides)
        parts.append(f'<circle cx="{place + 5:.1f}" cy="41" r="5" fill="{COLOURS[n % len(COLOURS)]}"/>')
        name = one["id"] if len(sides) > 2 else f"{one['id']} · {one['model']}"
        parts.append(text(place + 15, 45, f"{one['side']} {cut(name, int(WIDTH / len(sides) / 6.4))}"))
    for n, row in enumerate(rows):
        top = TOP + n * band
        if n % 2 == 0:
            parts.append(f'<rect x="0" y="{top}" width="{LEFT + WIDTH + 70}" height="{band}" fill="#f4f6f8"/>')
        parts.append(text(LEFT - 12, top + band / 2 - 1, cut(row["task"], 44), "end", 12, "bold"))
        parts.append(text(LEFT - 12, top + band / 2 + 13, cut(row["metric"], 50), "end", 11))
    ticks = round((high - low) / step)
    for n in range(ticks + 1):
        value = low + n * step
        parts.append(f'<line x1="{x(value):.1f}" y1="{TOP}" x2="{x(value):.1f}" y2="{bottom}" stroke="#d5dae0"/>')
        parts.append(text(x(value), bottom + 18, f"{value:.6g}", "middle"))
    for n, row in enumerate(rows):
        for side_number, value in enumerate(row["values"]):
            if value is None or not math.isfinite(value["value"]):
                continue
            y = TOP + n * band + 7 + ROW * (side_number + 0.5)
            parts += dot(x, y, value, COLOURS[side_number % len(COLOURS)])
    width, height = LEFT + WIDTH + 70, bottom + 32
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def dot(x: Any, y: float, value: dict[str, Any], colour: str) -> list[str]:
    parts, end = [], x(value["value"])
    if value["error"] is not None:
        start, end = (x(value["value"] + sign * Z * value["error"]) for sign in (-1, 1))
        parts.append(f'<line x1="{start:.1f}" y1="{y}" x2="{end:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
    parts.append(f'<circle cx="{x(value["value"]):.1f}" cy="{y}" r="5" fill="{colour}"/>')
    parts.append(text(max(end, x(value["value"])) + 9, y + 4, figure(value["value"]), size=11))
    return parts


def scale(low: float, high: float) -> tuple[float, float, float]:
    """Round ends and steps; from 0 where the values are not far from it."""
    low = min(low, 0.0) if low < 0.5 * high or low < 0 else low
    rough = (high - low or 1.0) / 6
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return low, high if high > low else low + step, step


def text(x: float, y: float, given: str, anchor: str = "start", size: int = 12, weight: str = "normal") -> str:
    safe = given.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    style = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} fill="#22272e">{safe}</text>'


def cut(given: str, longest: int) -> str:
    return given if len(given) <= longest else given[: longest - 1] + "…"


if __name__ == "__main__":
    sys.exit(report(main))
