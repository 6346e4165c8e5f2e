"""Made-up evaluation runs for the local store, in the form that nemo-evaluator-launcher's exporter gives them.

Not imported but run, by the Python that has MLflow: `demo_runs.py URI FOLDER` fills the store at URI, with artifacts
below FOLDER. What is there stays; a second time changes nothing.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

EXPERIMENT = "nemo-evaluator-launcher-demo"
MARK = "made-up data of accessing-mlflow"
SMALL, LARGE = "demo/small-8b-instruct", "demo/large-49b-instruct"


class Task(NamedTuple):
    """A task; its scores on the small and on the large model. `samples`: 0 where the harness gives no error."""

    harness: str
    name: str
    metric: str
    score: str
    samples: int
    small: float
    large: float


TASKS = (
    Task("simple_evals", "gpqa_diamond", "score", "micro", 198, 0.3131, 0.5758),
    Task("nemo_skills", "ns_aime2025", "pass@1[avg-of-8]", "symbolic_correct", 0, 0.0417, 0.4375),
    Task("lm-evaluation-harness", "ifeval", "prompt_level_strict_acc", "prompt_level_strict_acc", 541, 0.7431, 0.8244),
    Task("simple_evals", "mmlu_pro", "score", "micro", 12032, 0.4412, 0.7093),
    Task("livecodebench", "livecodebench_0724_0125", "pass@1", "pass@1", 342, 0.1228, 0.4181),
    Task("bigcode-evaluation-harness", "humaneval", "pass@1", "pass@1", 164, 0.6707, 0.6951),
)


class Invocation(NamedTuple):
    """One launch. `shift`: what its scores have more than the model's. `launched`: seconds since 1970."""

    id: str
    model: str
    launched: int
    shift: float
    temperature: float
    tasks: tuple[Task, ...] = TASKS


INVOCATIONS = (
    Invocation("71f3f3199ea5e1f0", SMALL, 1_793_700_000, 0.0, 0.6),
    Invocation("4be21c07d95a8e63", LARGE, 1_793_900_000, 0.012, 0.0, TASKS[:4]),
    Invocation("b80d6ee2a1473f59", LARGE, 1_794_100_000, 0.0, 0.6),
)


def main(uri: str, folder: Path) -> None:
    from mlflow import MlflowClient  # type: ignore[import-not-found,unused-ignore]

    client = MlflowClient(uri)
    experiment = _experiment(client, folder)
    there = {run.data.tags.get("job_id") for run in client.search_runs([experiment], "attributes.status = 'FINISHED'")}
    for invocation in INVOCATIONS:
        for number in range(len(invocation.tasks)):
            job = f"{invocation.id}.{number}"
            if job not in there:
                _clear(client, experiment, job)
                _make(client, experiment, invocation, number)


def _experiment(client: Any, folder: Path) -> str:
    """Its artifacts have an absolute place: a relative one would be another wherever the agent starts the server."""
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        if known.lifecycle_stage != "active":
            client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)
    place = (folder / EXPERIMENT).absolute().as_uri()
    return str(client.create_experiment(EXPERIMENT, place, {"mlflow.note.content": MARK}))


def _clear(client: Any, experiment: str, job: str) -> None:
    """Takes away what a run of this program that was killed has left half done."""
    for run in client.search_runs([experiment], f"tags.job_id = '{job}'"):
        client.delete_run(run.info.run_id)


def _make(client: Any, experiment: str, invocation: Invocation, number: int) -> None:
    from mlflow.entities import Metric, Param, RunTag  # type: ignore[import-not-found,unused-ignore]

    task, job = invocation.tasks[number], f"{invocation.id}.{number}"
    start = (invocation.launched + 600 * number) * 1000
    tags = {"invocation_id": invocation.id, "job_id": job, "task_name": task.name, "benchmark": task.name}
    tags |= {"harness": task.harness, "executor": "local", "demo": MARK}
    params = {
        "invocation_id": invocation.id,
        "executor": "local",
        "timestamp": str(float(invocation.launched + number)),
    }
    params |= {"launcher_command": "nemo-evaluator-launcher run --config demo.yaml", "results_dir": "/none: demo data"}
    run = client.create_run(experiment, start, tags, f"eval-{invocation.id}-{task.name}").info.run_id
    metric = task.metric if task.metric == task.score else f"{task.metric}_{task.score}"
    name = f"{task.name}_{metric}".replace("pass@", "pass_at_").replace("[", "_").replace("]", "")
    client.log_batch(
        run,
        [Metric(name, _score(invocation, task), start, 0)],
        [Param(key, value) for key, value in params.items()],
        [RunTag("mlflow.note.content", MARK)],
    )
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), invocation, task)
        client.log_artifacts(run, folder)
    client.set_terminated(run, "FINISHED", start + 5000)


def _score(invocation: Invocation, task: Task) -> float:
    return round((task.small if invocation.model == SMALL else task.large) + invocation.shift, 4)


def _write(folder: Path, invocation: Invocation, task: Task) -> None:
    artifacts = folder / f"{task.harness}.{task.name}" / "artifacts"
    artifacts.mkdir(parents=True)
    value = _score(invocation, task)
    error = {"stderr": round(math.sqrt(value * (1 - value) / task.samples), 4)} if task.samples else {}
    endpoint = {"model_id": invocation.model, "type": "chat", "url": "https://models.example.com/v1/chat/completions"}
    params = {"temperature": invocation.temperature, "top_p": 0.95, "max_new_tokens": 4096, "task": task.name}
    config = {"output_dir": "/results", "params": params, "type": task.name}
    launcher = {"execution": {"type": "local"}, "deployment": {"type": "none"}, "target": {"api_endpoint": endpoint}}
    metadata = {
        "launcher_resolved_config": launcher,
        "versioning": {"nemo_evaluator": "0.2.8", "nemo_evaluator_launcher": "0.2.6"},
        "launcher_command": "nemo-evaluator-launcher run --config demo.yaml",
    }
    scores = {"metrics": {task.metric: {"scores": {task.score: {"value": value, "stats": error}}}}}
    resolved = {"config": config, "target": {"api_endpoint": endpoint}}
    latency = round(1800 + 2600 * value, 2) if invocation.model == SMALL else round(3900 + 4100 * value, 2)
    statistics = {
        "response_stats": {"avg_latency_ms": latency, "count": task.samples or 240, "avg_completion_tokens": 1250.5},
        "evaluation": {"runtime_seconds": round(latency / 4, 1), "peak_memory_bytes": 536870912},
    }
    _yaml(folder / "config.yaml", launcher)
    _yaml(artifacts / "results.yml", {**resolved, "results": {"tasks": {task.name: scores}}, "metadata": metadata})
    _yaml(artifacts / "run_config.yml", {"framework_name": task.harness, "command": "none: demo data", **resolved})
    _yaml(artifacts / "metadata.yaml", metadata)
    (artifacts / "eval_factory_metrics.json").write_text(json.dumps(statistics, indent=2), encoding="utf-8")


def _yaml(path: Path, data: Any) -> None:
    import yaml  # MLflow needs it too

    path.write_text(f"# {MARK}\n{yaml.safe_dump(data, sort_keys=False)}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
