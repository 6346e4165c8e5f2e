"""Finished evaluations as NeMo Evaluator leaves them on disk, for its exporters: made up, but always the same.

Two forms: the launcher's job folders (`nemo-evaluator-launcher` 0.2) and bundles of `nemo-evaluator` 0.3. What the
files hold is what the tests and benchmarks compute right answers from.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SMALL, LARGE = "meta/llama-3.1-8b-instruct", "nvidia/llama-3.3-nemotron-super-49b-v1"


class Task(NamedTuple):
    """A task of a harness. `samples`: how many it has, for the standard error; 0: its harness gives none."""

    harness: str
    name: str
    metric: str
    score: str
    samples: int

    @property
    def key(self) -> str:
        """The folder of its artifacts in MLflow."""
        return f"{self.harness}.{self.name}"


TASKS = (
    Task("simple_evals", "gpqa_diamond", "score", "micro", 198),
    Task("nemo_skills", "ns_aime2025", "pass@1[avg-of-8]", "symbolic_correct", 0),
    Task("lm-evaluation-harness", "ifeval", "prompt_level_strict_acc", "prompt_level_strict_acc", 541),
    Task("simple_evals", "mmlu_pro", "score", "micro", 12032),
    Task("livecodebench", "livecodebench_0724_0125", "pass@1", "pass@1", 342),
    Task("bigcode-evaluation-harness", "humaneval", "pass@1", "pass@1", 164),
)


class Invocation(NamedTuple):
    """One launch. `settings` are `config.params`; `options` are the exporter's; `first` is the time of the launch."""

    id: str
    model: str
    executor: str
    tasks: tuple[int, ...]
    first: int
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    broken: tuple[int, ...] = ()
    """Tasks whose artifacts cannot be uploaded, so that the exporter leaves a failed run."""

    @property
    def folder(self) -> str:
        return f"20261101_000000-{self.id}"


PLAIN = {"temperature": 0.6, "top_p": 0.95, "max_new_tokens": 4096, "parallelism": 16, "request_timeout": 3600}
ALL = (0, 1, 2, 3, 4, 5)
FULL = {"only_required": False, "copy_logs": True}

INVOCATIONS = (
    Invocation("71f3f3199ea5e1f0", SMALL, "local", ALL, 1_790_000_000, PLAIN, {}),
    Invocation("9ab4c0d2e6f81735", LARGE, "slurm", ALL, 1_790_600_000, PLAIN, {}),
    Invocation(
        "c0ffee0123456789",
        LARGE,
        "slurm",
        (0, 1, 2, 3),
        1_791_000_000,
        {**PLAIN, "temperature": 0.0, "limit_samples": 100},
        {**FULL, "tags": {"model": "nemotron-super", "team": "reasoning"}, "log_config_params": True},
    ),
    Invocation("5eed5eed5eed5eed", SMALL, "local", (0, 2, 5), 1_791_500_000, PLAIN, FULL, (5,)),
    Invocation("0ddba11c0ddba11c", SMALL, "slurm", (0, 3), 1_792_000_000, PLAIN, {"experiment_name": "team-reasoning"}),
)


class Bundle(NamedTuple):
    """One evaluation of nemo-evaluator 0.3."""

    benchmark: str
    model: str
    stamp: str
    problems: int
    correct: int


BUNDLES = (
    Bundle("gpqa", SMALL, "20261105T101010Z", 40, 14),
    Bundle("gsm8k", SMALL, "20261105T111010Z", 50, 41),
    Bundle("gpqa", LARGE, "20261106T101010Z", 40, 22),
)


def number(*parts: object) -> float:
    """A number between 0 and 1 that is always the same for these parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def score(invocation: Invocation, task: Task) -> float:
    base = 0.25 + 0.5 * number(task.name)
    gain = 0.0 if invocation.model == SMALL else 0.12 * number(task.name, "gain")
    return round(base + gain + 0.02 * (number(invocation.id, task.name) - 0.5), 6)


def results(invocation: Invocation, task: Task) -> dict[str, Any]:
    """What results.yml holds, without the configuration."""

    def one(value: float) -> dict[str, Any]:
        error = math.sqrt(value * (1 - value) / task.samples) if task.samples else None
        stats = {} if error is None else {"count": task.samples, "stderr": round(error, 6)}
        return {"metrics": {task.metric: {"scores": {task.score: {"value": value, "stats": stats}}}}}

    value = score(invocation, task)
    if task.name != "mmlu_pro":
        return {"tasks": {task.name: one(value)}}
    groups = {group: one(round(value + shift, 6)) for group, shift in (("stem", -0.05), ("humanities", 0.06))}
    return {"groups": {task.name: {**one(value), "groups": groups}}}


def statistics(invocation: Invocation, task: Task) -> dict[str, Any]:
    """What eval_factory_metrics.json holds."""
    draw = number(invocation.id, task.name, "statistics")
    return {
        "response_stats": {
            "description": "Response statistics saved during processing",
            "avg_prompt_tokens": round(300 + 200 * draw, 2),
            "avg_completion_tokens": round(900 + 900 * draw, 2),
            "avg_latency_ms": round(2000 + 5000 * draw, 2),
            "max_latency_ms": round(20000 + 5000 * draw, 2),
            "count": task.samples or 240,
            "successful_count": task.samples or 240,
            "finish_reason": {"stop": task.samples or 240},
            "inference_time": round(400 + 100 * draw, 2),
        },
        "evaluation": {
            "runtime_seconds": round(600 + 600 * draw, 2),
            "peak_memory_bytes": int(5e8 + 1e8 * draw),
            "total_runs": 1,
        },
    }


def launcher_config(invocation: Invocation) -> dict[str, Any]:
    """The launcher's resolved configuration, as long as a usual one."""
    execution: dict[str, Any] = {"type": invocation.executor, "output_dir": "/results", "extra_docker_args": ""}
    if invocation.executor == "slurm":
        execution |= {"hostname": None, "username": "someone", "account": "evaluation", "partition": "batch"}
        execution |= {"num_nodes": 1, "ntasks_per_node": 1, "gres": "gpu:8", "walltime": "04:00:00"}
        execution |= {"mounts": {"deployment": {}, "evaluation": {}, "mount_home": True}}
        execution |= {"auto_export": {"destinations": ["mlflow"]}, "env_vars": {"deployment": {}, "evaluation": {}}}
    endpoint = {"model_id": invocation.model, "url": "https://models.example.com/v1/chat/completions"}
    endpoint |= {"api_key_name": "MODEL_API_KEY"}
    settings = {"config": {"params": dict(invocation.settings)}}
    # A task that is launched several times stands there several times, so all have their places.
    tasks = [{"name": task.name, "env_vars": {"HF_TOKEN": "HF_TOKEN"}} for task in TASKS]
    return {
        "execution": execution,
        "deployment": {"type": "none"},
        "target": {"api_endpoint": endpoint},
        "evaluation": {"nemo_evaluator_config": settings, "env_vars": {}, "tasks": tasks},
        "export": {"mlflow": {"tracking_uri": "MLFLOW_TRACKING_URI", "experiment_name": "nemo-evaluator-launcher"}},
    }


def write_job(invocation: Invocation, place: int, root: Path) -> Path:
    """One job's folder, below `root`; gives its path."""
    task = TASKS[place]
    folder = root / invocation.folder / f"{task.name}.{place}"
    artifacts, logs = folder / "artifacts", folder / "logs"
    artifacts.mkdir(parents=True)
    logs.mkdir()
    params = {**invocation.settings, "task": task.name, "extra": {"n_samples": 8} if not task.samples else {}}
    config = {"output_dir": "/results", "params": params, "supported_endpoint_types": ["chat"], "type": task.name}
    endpoint = {**launcher_config(invocation)["target"]["api_endpoint"], "type": "chat"}
    version = "0.2.5" if invocation.first < 1_790_500_000 else "0.2.6"
    versions = {"nemo_evaluator": "0.2.8", "nemo_evaluator_launcher": version}
    metadata = {
        "launcher_resolved_config": launcher_config(invocation),
        "versioning": versions,
        "launcher_command": f"nemo-evaluator-launcher run --config {invocation.executor}.yaml",
    }
    command = "export API_KEY=${{target.api_endpoint.api_key_name}} && run_eval --eval_name {{config.type}}"
    command += " --model {{target.api_endpoint.model_id}} --url {{target.api_endpoint.url}}"
    command += " --temperature {{config.params.temperature}} --out_dir {{config.output_dir}}"
    run = {"framework_name": task.harness, "pkg_name": task.harness.replace("-", "_"), "command": command}
    resolved = {"config": config, "target": {"api_endpoint": endpoint}}
    _yaml(artifacts / "run_config.yml", {**run, **resolved})
    _yaml(artifacts / "metadata.yaml", metadata)
    report = {
        "command": command,
        **resolved,
        "git_hash": "abc123",
        "results": results(invocation, task),
        "metadata": metadata,
    }
    _yaml(artifacts / "results.yml", report)
    _json(artifacts / "eval_factory_metrics.json", statistics(invocation, task))
    _yaml(artifacts / "launcher_unresolved_config.yaml", {"defaults": ["execution: local"]})
    (artifacts / "report.html").write_text("<html><body>one <b>sample</b></body></html>", encoding="utf-8")
    _json(artifacts / "report.json", [{"request": "2+2?", "response": "4"}])
    if invocation.executor == "slurm":  # written there by the job, for the export that follows it
        _yaml(artifacts / "config.yml", launcher_config(invocation))
        names = ["client-77.log", "server-0-77-0.log", "slurm-77.log", "proxy-77.log"]
    else:
        names = ["client_stdout.log", "server_stdout.log", "stdout.log"]
    for name in names:
        (logs / name).write_text("".join(f"INFO {task.name} line {n}\n" for n in range(300)), encoding="utf-8")
    if place in invocation.broken:
        (artifacts / "samples.jsonl").symlink_to("gone.jsonl")
    return folder


def write_jobs(root: Path) -> dict[str, Any]:
    """All jobs of the launcher's form, with the records of those that ran here (the launcher's own database)."""
    records = []
    for invocation in INVOCATIONS:
        for place in invocation.tasks:
            folder = write_job(invocation, place, root)
            if invocation.executor == "local":
                job = f"{invocation.id}.{place}"
                record = {"invocation_id": invocation.id, "job_id": job, "timestamp": float(invocation.first + place)}
                record |= {"executor": "local", "data": {"output_dir": str(folder), "eval_image": "eval:26.01"}}
                records.append({**record, "config": launcher_config(invocation)})
        top = root / invocation.folder
        os.utime(top, (invocation.first, invocation.first))
    (root / "exec.v1.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    exports: list[dict[str, Any]] = [
        {"ids": [invocation.id], "options": {**invocation.options, "job_dirs": [str(root)]}}
        for invocation in INVOCATIONS
    ]
    # One job of an invocation is in another experiment as well as its own.
    elsewhere = {"experiment_name": "team-reasoning", "job_dirs": [str(root)]}
    exports.append({"ids": [f"{INVOCATIONS[2].id}.1"], "options": elsewhere})
    return {"exports": exports}


def write_bundles(root: Path) -> list[Path]:
    """All evaluations of the 0.3 form, each in a run folder of its own."""
    return [_write_bundle(bundle, root) for bundle in BUNDLES]


def _write_bundle(bundle: Bundle, root: Path) -> Path:
    folder = root / f"run-{bundle.stamp}" / bundle.benchmark
    folder.mkdir(parents=True)
    run_id = f"eval-{bundle.stamp}-{bundle.benchmark}"
    mean = bundle.correct / bundle.problems
    half = 1.96 * math.sqrt(mean * (1 - mean) / bundle.problems)
    value = {"value": round(mean, 4), "ci_lower": round(mean - half, 4), "ci_upper": round(mean + half, 4)}
    config = {"model": bundle.model, "benchmark": bundle.benchmark, "repeats": 1, "temperature": 0.2}
    config |= {"max_problems": bundle.problems}
    data = {
        "run_id": run_id,
        "config_hash": "sha256:" + hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        "sdk_version": "0.3.0",
        "timestamp": f"{bundle.stamp[:4]}-{bundle.stamp[4:6]}-{bundle.stamp[6:8]}T10:10:10+00:00",
        "config": config,
        "benchmark": {
            "name": bundle.benchmark,
            "samples": bundle.problems,
            "repeats": 1,
            "scores": {"mean_reward": value, "pass@1": value, "summary": {"n": bundle.problems, "mean": mean}},
        },
        "n_results": bundle.problems,
    }
    _json(folder / f"{run_id}.json", data)
    with (folder / "results.jsonl").open("w", encoding="utf-8") as file:
        for number in range(bundle.problems):
            row = {"problem_idx": number, "repeat": 0, "reward": float(number < bundle.correct), "prompt": "2+2?"}
            file.write(json.dumps({**row, "response": "4", "metadata": {}, "scoring_details": {}}) + "\n")
    return folder.parent


def jobs() -> Iterator[tuple[Invocation, int, Task]]:
    """All jobs of the launcher's form."""
    for invocation in INVOCATIONS:
        for place in invocation.tasks:
            yield invocation, place, TASKS[place]


def _yaml(path: Path, data: Any) -> None:
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def _json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=2), encoding="utf-8")
