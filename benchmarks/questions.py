"""Questions about evaluations, each followed mechanically by our skill's steps and by upstream's.

    python -m benchmarks.questions [--write]

A real MLflow server is filled by the real exporters. The right answers come from the files that were exported, not from
MLflow and not from our scripts. For each way it counts whether the answer is right and how many characters the agent
has to read. Upstream's steps are the calls of its SKILL.md (commit 8fa16b2) as they stand there, over all experiments;
where it has none for a question, what comes nearest. `--write` puts the table into docs/questions.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import yaml

from accessing_mlflow import bundle
from tests.real import exported
from tests.real.calls import session
from tests.real.machines import REPOSITORY

if TYPE_CHECKING:
    from mcp import ClientSession

SCRIPTS = REPOSITORY / "skills" / "accessing-mlflow" / "scripts"
DOCUMENT = REPOSITORY / "docs" / "questions.md"
A, B, C, LAST = "71f3f3199ea5e1f0", "9ab4c0d2e6f81735", "c0ffee0123456789", "0ddba11c0ddba11c"
BUNDLE_A, BUNDLE_B = "eval-20261105T101010Z-gpqa", "eval-20261106T101010Z-gpqa"
SMALL, LARGE = "llama-3.1-8b", "nemotron-super-49b"

Answer: TypeAlias = str | float | bool | frozenset[str] | None


# The truth: from the exported files


class Job(NamedTuple):
    """What one exported job's files say. `score` and `error`: of the metric that the task is known by."""

    id: str
    task: str
    model: str
    when: float
    score: float
    error: float | None
    settings: dict[str, Any]
    statistics: dict[str, Any]

    @property
    def invocation(self) -> str:
        return self.id.partition(".")[0]


class Truth:
    """All jobs by id, read from the folders that were exported."""

    def __init__(self, folder: Path) -> None:
        self.jobs = {job.id: job for job in [*_launched(folder / "jobs"), *_bundled(folder / "bundles")]}
        # A link that leads nowhere cannot be uploaded, so the exporter fails there.
        links = [path for path in (folder / "jobs").glob("*/*/artifacts/*") if path.is_symlink()]
        self.broken = frozenset(_job_of(path.parent) for path in links)

    def of(self, invocation: str) -> dict[str, Job]:
        """The jobs of an invocation by task."""
        return {job.task: job for job in self.jobs.values() if job.invocation == invocation}

    def deltas(self, one: str, other: str) -> dict[str, float]:
        first, second = self.of(one), self.of(other)
        return {task: second[task].score - first[task].score for task in first if task in second}

    def exceeds(self, one: Job, other: Job) -> bool:
        assert one.error is not None
        assert other.error is not None
        return abs(other.score - one.score) > 1.96 * math.sqrt(one.error**2 + other.error**2)

    def differing(self, one: str, other: str) -> frozenset[str]:
        first, second = self.of(one), self.of(other)
        return frozenset(
            name
            for task in first
            if task in second
            for name in {**first[task].settings, **second[task].settings}
            if first[task].settings.get(name) != second[task].settings.get(name)
        )


def _job_of(artifacts: Path) -> str:
    return f"{artifacts.parents[1].name.partition('-')[2]}.{artifacts.parent.name.rpartition('.')[2]}"


def _launched(folder: Path) -> Iterator[Job]:
    lines = (folder / "exec.v1.jsonl").read_text(encoding="utf-8").splitlines()
    times = {record["job_id"]: record["timestamp"] for record in map(json.loads, lines)}
    for artifacts in sorted(folder.glob("*/*/artifacts")):
        results = yaml.safe_load((artifacts / "results.yml").read_text(encoding="utf-8"))
        config = yaml.safe_load((artifacts / "run_config.yml").read_text(encoding="utf-8"))
        task, data = next((task, data) for part in results["results"].values() for task, data in part.items())
        (score,) = (score for metric in data["metrics"].values() for score in metric["scores"].values())
        model = config["target"]["api_endpoint"]["model_id"]
        settings = {**config["config"]["params"], "model": model}
        statistics = json.loads((artifacts / "eval_factory_metrics.json").read_text(encoding="utf-8"))
        job, error = _job_of(artifacts), score["stats"].get("stderr")
        when = times.get(job, artifacts.parents[1].stat().st_mtime)
        flat = {**statistics["response_stats"], **statistics["evaluation"]}
        yield Job(job, task, model, when, score["value"], error, settings, flat)


def _bundled(folder: Path) -> Iterator[Job]:
    for path in sorted(folder.glob("*/*/eval-*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        score = data["benchmark"]["scores"]["pass@1"]
        error = (score["ci_upper"] - score["ci_lower"]) / (2 * 1.96)
        when = datetime.fromisoformat(data["timestamp"]).timestamp()
        name, model = data["benchmark"]["name"], data["config"]["model"]
        yield Job(data["run_id"], name, model, when, score["value"], error, data["config"], {})


# Our way: the scripts


class Ours:
    """Runs the scripts; `read`: the characters that they have printed."""

    def __init__(self, uri: str, cwd: Path) -> None:
        self._variables = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PWD": str(cwd)}
        self._cwd = cwd
        self.read = 0

    def output(self, script: str, *arguments: str) -> str:
        command = ["uv", "run", "--directory", "/", "--no-project", str(SCRIPTS / f"{script}.py"), *arguments]
        done = subprocess.run(
            command, env=self._variables, cwd=self._cwd, capture_output=True, text=True, timeout=120, check=False
        )
        self.read += len(done.stdout)
        return done.stdout

    def rows(self, script: str, *arguments: str) -> list[dict[str, str]]:
        """The rows of all tables that it prints, and of the `All: name value` above them."""
        found: list[dict[str, str]] = []
        text = self.output(script, *arguments)
        shared = dict(re.findall(r"^All: (\w+) (.*)$", text, re.MULTILINE))
        header: list[str] = []
        for line in text.splitlines():
            cells = line.strip("|").split("|")
            if not line.startswith("|"):
                header = []
            elif not header:
                header = cells
            elif set(line) != {"|", "-"} or "-" not in cells[0]:
                found.append({**shared, **dict(zip(header, cells, strict=True))})
        return found

    def scores(self, *arguments: str) -> dict[str, dict[str, str]]:
        """The row that a task is known by: that of the metric with the shortest name, which comes first."""
        found: dict[str, dict[str, str]] = {}
        for row in self.rows("compare_runs", *arguments):
            if "task" in row and row["task"] not in found:
                found[row["task"]] = row
        return found

    def deltas(self, *arguments: str) -> dict[str, float]:
        return {task: float(row["B-A"]) for task, row in self.scores(*arguments).items() if row["B-A"] != "-"}

    def settings(self, *arguments: str) -> frozenset[str]:
        rows = self.rows("compare_runs", *arguments)
        return frozenset(row["setting"] for row in rows if not row.get("setting", "version.").startswith("version."))


def verdict(row: dict[str, str]) -> bool:
    return {"yes": True, "no": False}[row["more than error"]]


def value(cell: str) -> float:
    return float(cell.split(" ")[0])


# Upstream's way: the calls of its SKILL.md


class Theirs:
    """Makes the calls on the real MCP server; `read`: the characters of the answers."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.read = 0

    async def call(self, tool: str, **arguments: Any) -> list[str]:
        """The parts of an answer: none where it is an error, which is read all the same."""
        result = await self._session.call_tool(tool, arguments)
        parts = [str(getattr(part, "text", "")) for part in result.content]
        self.read += sum(map(len, parts))
        return [] if result.is_error else parts

    async def over_experiments(self, tool: str, **arguments: Any) -> list[dict[str, Any]]:
        experiments = [json.loads(part) for part in await self.call("get_experiments")]
        found = []
        for experiment in experiments:
            found += await self.call(tool, experiment_id=experiment["id"], **arguments)
        return [json.loads(part) for part in found]

    async def invocation(self, invocation: str) -> list[dict[str, Any]]:
        return await self.over_experiments("search_runs_by_tags", tags={"invocation_id": invocation})

    async def queried(self, query: str) -> list[dict[str, Any]]:
        return await self.over_experiments("query_runs", query=query)

    async def scores(self, invocation: str) -> dict[str, float]:
        runs = await self.invocation(invocation)
        return {run["tags"]["task_name"]: run["metrics"][min(run["metrics"], key=len)] for run in runs}

    async def deltas(self, one: str, other: str) -> dict[str, float]:
        first, second = await self.scores(one), await self.scores(other)
        return {task: second[task] - first[task] for task in first if task in second}

    async def config(self, run: dict[str, Any]) -> dict[str, Any]:
        parts = await self.call("get_artifact_content", run_id=run["run_id"], artifact_path="config.yml")
        return yaml.safe_load(parts[0]) if parts else {}

    async def settings(self, invocation: str) -> dict[str, Any]:
        """From the configuration of the first run: that of the launcher, which is the same for all."""
        runs = await self.invocation(invocation)
        config = await self.config(runs[0]) if runs else {}
        params = config.get("evaluation", {}).get("nemo_evaluator_config", {}).get("config", {}).get("params", {})
        return {**params, "model": config["target"]["api_endpoint"]["model_id"]} if config else {}

    async def differing(self, one: str, other: str) -> Answer:
        first, second = await self.settings(one), await self.settings(other)
        if not first or not second:
            return None
        return frozenset(name for name in {**first, **second} if first.get(name) != second.get(name))

    async def statistics(self, invocation: str) -> dict[str, dict[str, Any]]:
        found = {}
        for run in await self.invocation(invocation):
            path = "artifacts/eval_factory_metrics.json"
            parts = await self.call("get_artifact_content", run_id=run["run_id"], artifact_path=path)
            if parts:
                found[run["tags"]["task_name"]] = json.loads(parts[0])
        return found

    async def with_error(self, invocation: str, task: str) -> tuple[float, float] | None:
        """A score and its standard error, from the results.yml that upstream's tree names."""
        for run in await self.invocation(invocation):
            if run["tags"]["task_name"] == task:
                path = f"{run['tags']['harness']}.{task}/artifacts/results.yml"
                parts = await self.call("get_artifact_content", run_id=run["run_id"], artifact_path=path)
                results = yaml.safe_load(parts[0])["results"] if parts else {}
                for data in (part[task] for part in results.values() if task in part):
                    (score,) = (one for metric in data["metrics"].values() for one in metric["scores"].values())
                    return score["value"], score["stats"].get("stderr", 0.0)
        return None

    async def exceeds(self, one: str, other: str, task: str) -> bool | None:
        first, second = await self.with_error(one, task), await self.with_error(other, task)
        if first is None or second is None:
            return None
        return abs(second[0] - first[0]) > 1.96 * math.hypot(first[1], second[1])


# The questions


class Question(NamedTuple):
    """`comparison`: whether it compares; those count for the goal in characters."""

    text: str
    comparison: bool
    truth: Callable[[Truth], Answer]
    ours: Callable[[Ours], Answer]
    theirs: Callable[[Theirs], Awaitable[Answer]]


def of_pair(one: str, other: str) -> Iterator[Question]:
    """What people ask of two invocations."""

    def largest(deltas: dict[str, float]) -> str | None:
        return max(deltas, key=lambda task: abs(deltas[task])) if deltas else None

    async def their_largest(they: Theirs) -> Answer:
        return largest(await they.deltas(one, other))

    async def their_delta(they: Theirs) -> Answer:
        return (await they.deltas(one, other)).get("mmlu_pro")

    async def their_missing(they: Theirs) -> Answer:
        return frozenset(set(await they.scores(one)) ^ set(await they.scores(other)))

    async def their_mean(they: Theirs) -> Answer:
        deltas = await they.deltas(one, other)
        return sum(deltas.values()) / len(deltas) if deltas else None

    async def their_verdict(they: Theirs) -> Answer:
        return await they.exceeds(one, other, "gpqa_diamond")

    async def their_settings(they: Theirs) -> Answer:
        return await they.differing(one, other)

    def our_missing(we: Ours) -> Answer:
        return frozenset(task for task, row in we.scores(one, other).items() if row["B-A"] == "-")

    def our_mean(we: Ours) -> Answer:
        deltas = we.deltas(one, other)
        return sum(deltas.values()) / len(deltas)

    def mean(truth: Truth) -> Answer:
        deltas = truth.deltas(one, other)
        return sum(deltas.values()) / len(deltas)

    pair = f"{one[:4]} and {other[:4]}"
    yield Question(
        f"Which task moved most between {pair}?",
        True,
        lambda truth: largest(truth.deltas(one, other)),
        lambda we: largest(we.deltas(one, other)),
        their_largest,
    )
    yield Question(
        f"By how much does mmlu_pro differ between {pair}?",
        True,
        lambda truth: truth.deltas(one, other)["mmlu_pro"],
        lambda we: we.deltas(one, other, "--task", "mmlu_pro")["mmlu_pro"],
        their_delta,
    )
    yield Question(
        f"Is the difference on gpqa_diamond between {pair} more than its error?",
        True,
        lambda truth: truth.exceeds(truth.of(one)["gpqa_diamond"], truth.of(other)["gpqa_diamond"]),
        lambda we: verdict(we.scores(one, other, "--task", "gpqa")["gpqa_diamond"]),
        their_verdict,
    )
    yield Question(
        f"Which tasks are in only one of {pair}?",
        True,
        lambda truth: frozenset(set(truth.of(one)) ^ set(truth.of(other))),
        our_missing,
        their_missing,
    )
    yield Question(f"What is the mean difference over the tasks of {pair}?", True, mean, our_mean, their_mean)
    yield Question(
        f"Which settings differ between {pair}?",
        True,
        lambda truth: truth.differing(one, other),
        lambda we: we.settings(one, other),
        their_settings,
    )


def of_comparisons() -> Iterator[Question]:
    """Further comparisons."""

    async def their_verdict(they: Theirs, task: str) -> Answer:
        return await they.exceeds(A, B, task)

    for task in ("mmlu_pro", "livecodebench_0724_0125"):
        yield Question(
            f"Is the difference on {task} between {A[:4]} and {B[:4]} more than its error?",
            True,
            lambda truth, task=task: truth.exceeds(truth.of(A)[task], truth.of(B)[task]),  # type: ignore[misc]
            lambda we, task=task: verdict(we.scores(A, B, "--task", task)[task]),  # type: ignore[misc]
            lambda they, task=task: their_verdict(they, task),  # type: ignore[misc]
        )

    async def their_relative(they: Theirs) -> Answer:
        first, second = await they.scores(A), await they.scores(B)
        known = "humaneval" in first and "humaneval" in second
        return 100 * (second["humaneval"] / first["humaneval"] - 1) if known else None

    yield Question(
        f"By how many percent did humaneval change from {A[:4]} to {B[:4]}?",
        True,
        lambda truth: 100 * (truth.of(B)["humaneval"].score / truth.of(A)["humaneval"].score - 1),
        lambda we: float(we.scores(A, B, "--task", "humaneval")["humaneval"]["%"]),
        their_relative,
    )

    async def their_common(they: Theirs) -> Answer:
        runs = await they.over_experiments("get_runs")
        last = max((run for run in runs if "invocation_id" in run.get("tags", {})), key=_when)["tags"]["invocation_id"]
        return frozenset(set(await they.scores(A)) & set(await they.scores(last)))

    yield Question(
        f"Compare invocation {A[:4]} with the last one: which tasks have both?",
        True,
        lambda truth: frozenset(set(truth.of(A)) & set(truth.of(LAST))),
        lambda we: frozenset(we.deltas(A, "last")),
        their_common,
    )

    async def their_bundles(they: Theirs) -> tuple[float, float] | None:
        found = []
        for job in (BUNDLE_A, BUNDLE_B):
            runs = await they.over_experiments("search_runs_by_tags", tags={"job_id": job})
            found += [run["metrics"]["pass_at_1"] for run in runs]
        return (found[0], found[1]) if len(found) == 2 else None

    async def their_bundle_delta(they: Theirs) -> Answer:
        found = await their_bundles(they)
        return found[1] - found[0] if found else None

    async def their_bundle_verdict(they: Theirs) -> Answer:
        await their_bundles(they)  # and no word of where an error is to be had from
        return None

    yield Question(
        "nemo-evaluator 0.3: how far are the two gpqa runs apart?",
        True,
        lambda truth: truth.jobs[BUNDLE_B].score - truth.jobs[BUNDLE_A].score,
        lambda we: we.deltas(BUNDLE_A, BUNDLE_B)["gpqa"],
        their_bundle_delta,
    )
    yield Question(
        "nemo-evaluator 0.3: is that more than its error?",
        True,
        lambda truth: truth.exceeds(truth.jobs[BUNDLE_A], truth.jobs[BUNDLE_B]),
        lambda we: verdict(we.scores(BUNDLE_A, BUNDLE_B, "--metric", "pass")["gpqa"]),
        their_bundle_verdict,
    )

    async def their_latency(they: Theirs) -> Answer:
        first, second = await they.statistics(A), await they.statistics(B)
        if "gpqa_diamond" not in first or "gpqa_diamond" not in second:
            return None
        return float(_statistic(second, "avg_latency_ms") - _statistic(first, "avg_latency_ms"))

    yield Question(
        f"How did the mean latency on gpqa_diamond change from {A[:4]} to {B[:4]}?",
        True,
        lambda truth: _latency(truth.of(B)["gpqa_diamond"]) - _latency(truth.of(A)["gpqa_diamond"]),
        lambda we: we.deltas(A, B, "--stats", "--task", "gpqa", "--metric", "avg_latency")["gpqa_diamond"],
        their_latency,
    )


def _latency(job: Job) -> float:
    return float(job.statistics["avg_latency_ms"])


def _statistic(found: dict[str, dict[str, Any]], name: str) -> float:
    return float(found["gpqa_diamond"]["response_stats"][name])


def _when(run: dict[str, Any]) -> float:
    return float(run["params"]["timestamp"])


def of_finding() -> Iterator[Question]:
    """Which runs there are."""

    async def their_count(they: Theirs, query: str) -> Answer:
        return float(len(await they.queried(query)))

    def our_count(we: Ours, *arguments: str) -> Answer:
        return float(re.findall(r"^(\d+) run", we.output("find_runs", *arguments))[0])

    def counted(text: str, arguments: list[str], query: str, fits: Callable[[Job], bool], extra: int = 0) -> Question:
        """`extra`: runs that are in MLflow twice."""
        return Question(
            text,
            False,
            lambda truth: float(sum(map(fits, truth.jobs.values())) + extra),
            lambda we: our_count(we, *arguments),
            lambda they: their_count(they, query),
        )

    async def their_runs(they: Theirs) -> Answer:
        return float(len(await they.invocation(A)))

    yield Question(
        f"How many runs has invocation {A[:4]}?",
        False,
        lambda truth: float(len(truth.of(A))),
        lambda we: our_count(we, A),
        their_runs,
    )

    async def their_tasks(they: Theirs) -> Answer:
        return frozenset(await they.scores(C))

    yield Question(
        f"Which tasks has invocation {C[:4]}?",
        False,
        lambda truth: frozenset(truth.of(C)),
        lambda we: frozenset(row["task"] for row in we.rows("find_runs", C)),
        their_tasks,
    )
    small, large = f"tags.model LIKE '%{SMALL}%'", f"tags.model LIKE '%{LARGE}%'"
    yield counted(f"How many runs of {SMALL} are there?", ["--model", SMALL], small, lambda job: SMALL in job.model)
    yield counted(f"How many of {LARGE}?", ["--model", LARGE], large, lambda job: LARGE in job.model, 1)
    gpqa = "tags.task_name LIKE '%gpqa%'"
    yield counted("How many runs of gpqa, in any form?", ["--task", "gpqa"], gpqa, lambda job: "gpqa" in job.task)
    aime = "tags.task_name LIKE '%aime%'"
    yield counted("How many runs of aime?", ["--task", "aime"], aime, lambda job: "aime" in job.task, 1)
    since = 1_791_158_400  # 2026-10-05
    yield counted(
        f"How many runs of {SMALL} were evaluated since 2026-10-05?",
        ["--model", SMALL, "--since", "2026-10-05"],
        f"{small} AND attributes.start_time >= {since}000",
        lambda job: SMALL in job.model and job.when >= since,
    )

    async def their_failed(they: Theirs) -> Answer:
        runs = await they.queried("attributes.status = 'FAILED'")
        return frozenset(run.get("tags", {}).get("job_id", "?") for run in runs)

    yield Question(
        "Which jobs failed?",
        False,
        lambda truth: truth.broken,
        lambda we: frozenset(row["job"] for row in we.rows("find_runs", "--status", "FAILED")),
        their_failed,
    )

    async def their_newest(they: Theirs) -> Answer:
        runs = await they.over_experiments("get_runs")
        launched = [run for run in runs if "invocation_id" in run.get("tags", {})]
        return str(max(launched, key=_when)["tags"]["invocation_id"]) if launched else None

    yield Question(
        "Which is the newest launcher invocation?",
        False,
        lambda truth: max((job for job in truth.jobs.values() if "." in job.id), key=lambda job: job.when).invocation,
        lambda we: next(
            row["id"] for row in we.rows("find_runs", "--invocations") if not row["id"].startswith("eval-")
        ),
        their_newest,
    )

    async def their_places(they: Theirs) -> Answer:
        return float(len({run["experiment_id"] for run in await they.invocation(C)}))

    yield Question(
        f"Over how many experiments is {C[:4]} spread?",
        False,
        lambda _: 2.0,
        lambda we: float(len({row["experiment"] for row in we.rows("find_runs", C)})),
        their_places,
    )


def of_single() -> Iterator[Question]:
    """What one run or invocation says."""

    async def their_model(they: Theirs, invocation: str) -> Answer:
        return str((await they.settings(invocation)).get("model", "")) or None

    for invocation in (A, B):
        yield Question(
            f"Which model is {invocation[:4]}?",
            False,
            lambda truth, invocation=invocation: truth.of(invocation)["gpqa_diamond"].model,  # type: ignore[misc]
            lambda we, invocation=invocation: we.rows("find_runs", invocation)[0]["model"],  # type: ignore[misc]
            lambda they, invocation=invocation: their_model(they, invocation),  # type: ignore[misc]
        )

    async def their_best(they: Theirs) -> Answer:
        runs = await they.queried("tags.task_name LIKE '%gpqa_diamond%'")
        best = max(runs, key=lambda run: float(run["metrics"]["gpqa_diamond_score_micro"]))
        return str(best["params"]["invocation_id"])

    yield Question(
        "Which invocation is best on gpqa_diamond?",
        False,
        lambda truth: (
            max(
                (job for job in truth.jobs.values() if job.task == "gpqa_diamond"), key=lambda job: job.score
            ).invocation
        ),
        lambda we: max(we.rows("find_runs", "--task", "gpqa_diamond"), key=lambda row: float(row["score"].split()[1]))[
            "job"
        ].partition(".")[0],
        their_best,
    )

    async def their_mean_latency(they: Theirs) -> Answer:
        found = [data["response_stats"]["avg_latency_ms"] for data in (await they.statistics(A)).values()]
        return sum(found) / len(found) if found else None

    def our_mean_latency(we: Ours) -> Answer:
        found = [value(row["A"]) for row in we.rows("compare_runs", A, "--stats", "--metric", "avg_latency")]
        return sum(found) / len(found)

    yield Question(
        f"What is the mean latency of {A[:4]} over its tasks?",
        False,
        lambda truth: sum(map(_latency, truth.of(A).values())) / len(truth.of(A)),
        our_mean_latency,
        their_mean_latency,
    )

    async def their_longest(they: Theirs) -> Answer:
        found = await they.statistics(B)
        return max(found, key=lambda task: float(found[task]["evaluation"]["runtime_seconds"])) if found else None

    yield Question(
        f"Which task of {B[:4]} ran longest?",
        False,
        lambda truth: max(truth.of(B).values(), key=lambda job: float(job.statistics["runtime_seconds"])).task,
        lambda we: max(we.rows("compare_runs", B, "--stats", "--metric", "runtime"), key=lambda row: value(row["A"]))[
            "task"
        ],
        their_longest,
    )

    async def their_tokens(they: Theirs) -> Answer:
        found = await they.statistics(C)
        return _statistic(found, "avg_completion_tokens") if "gpqa_diamond" in found else None

    yield Question(
        f"How many tokens were an average answer on gpqa_diamond in {C[:4]}?",
        False,
        lambda truth: float(truth.of(C)["gpqa_diamond"].statistics["avg_completion_tokens"]),
        lambda we: value(we.rows("compare_runs", f"{C}.0", "--stats", "--metric", "avg_completion")[0]["A"]),
        their_tokens,
    )

    async def their_error(they: Theirs) -> Answer:
        found = await they.with_error(A, "ifeval")
        return found[1] if found else None

    yield Question(
        f"What is the standard error of ifeval in {A[:4]}?",
        False,
        lambda truth: truth.of(A)["ifeval"].error,
        lambda we: float(we.scores(A, "--task", "ifeval")["ifeval"]["A"].partition("±")[2]),
        their_error,
    )

    async def their_gsm8k(they: Theirs) -> Answer:
        runs = await they.queried("tags.task_name LIKE '%gsm8k%'")
        return float(runs[0]["metrics"]["pass_at_1"]) if runs else None

    yield Question(
        "What is the score on gsm8k?",
        False,
        lambda truth: next(job.score for job in truth.jobs.values() if job.task == "gsm8k"),
        lambda we: float(we.rows("find_runs", "--task", "gsm8k")[0]["score"].split()[1]),
        their_gsm8k,
    )


def questions() -> list[Question]:
    pairs = [question for pair in ((A, B), (B, C), (A, C)) for question in of_pair(*pair)]
    return [*pairs, *of_comparisons(), *of_finding(), *of_single()]


# Asking them


class Outcome(NamedTuple):
    """Of one question: whether each way gives the right answer, and the characters read."""

    question: Question
    ours: bool
    our_characters: int
    theirs: bool
    their_characters: int
    detail: str


def right(answer: Answer, truth: Answer) -> bool:
    """Numbers are right in the digits that the scripts show: errors have two, all else has four."""
    if isinstance(truth, float) and isinstance(answer, float):
        return math.isclose(answer, truth, rel_tol=0.002 if truth > 0.1 or truth < 0 else 0.03, abs_tol=0.0002)
    return type(answer) is type(truth) and answer == truth


async def answers(server: exported.Exported, folder: Path) -> list[Outcome]:
    contract = bundle.load().server
    variables = {**os.environ, "MLFLOW_TRACKING_URI": server.uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    truth, outcomes = Truth(server.folder), []
    async with session(["uvx", f"{contract.package}=={contract.tested}"], variables, folder) as asked:
        for question in questions():
            wanted, we, they = question.truth(truth), Ours(server.uri, folder), Theirs(asked)
            our, their = question.ours(we), await question.theirs(they)
            detail = f"wanted {wanted}; ours {our}; theirs {their}"
            outcomes.append(Outcome(question, right(our, wanted), we.read, right(their, wanted), they.read, detail))
    return outcomes


def report(outcomes: list[Outcome]) -> str:
    lines = ["| question | ours | characters | upstream's | characters |", "|---|---|---:|---|---:|"]
    for one in outcomes:
        marks = ["right" if ok else "**wrong**" for ok in (one.ours, one.theirs)]
        lines.append(
            f"| {one.question.text} | {marks[0]} | {one.our_characters:,} | {marks[1]} | {one.their_characters:,} |"
        )
    lines += ["", "| | questions | ours right | characters | upstream's right | characters | ours to theirs |"]
    lines += ["|---|---:|---:|---:|---:|---:|---:|"]
    for title, wanted in (("comparisons", True), ("all others", False)):
        part = [one for one in outcomes if one.question.comparison is wanted]
        ours, theirs = sum(one.our_characters for one in part), sum(one.their_characters for one in part)
        good = [sum(one.ours for one in part), sum(one.theirs for one in part)]
        lines.append(
            f"| {title} | {len(part)} | {good[0]} | {ours:,} | {good[1]} | {theirs:,} | 1 to {theirs / ours:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/questions.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, exported.server(Path(name)) as server:
        outcomes = asyncio.run(answers(server, Path(name)))
    print(report(outcomes))
    wrong = [f"{one.question.text} {one.detail}" for one in outcomes if not one.ours]
    if options.write:
        before, mark, _ = DOCUMENT.read_text(encoding="utf-8").partition(
            "<!-- from here on: benchmarks/questions.py -->\n"
        )
        DOCUMENT.write_text(f"{before}{mark}\n{report(outcomes)}\n", encoding="utf-8")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
