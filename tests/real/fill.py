"""Fills an MLflow server with what the exporters write, and with all else that the read-only tools look at.

Run by MLflow's own Python: `fill.py ADDRESS FOLDER` prints the ids that it made as JSON. `FOLDER` is for its files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlflow import MlflowClient  # type: ignore[import-not-found,unused-ignore]
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag  # type: ignore[import-not-found,unused-ignore]

TASKS = ("gpqa_diamond", "aime_2025", "mmlu_pro", "ifeval", "livecodebench", "humaneval")
START = 1_760_000_000_000


def main(address: str, folder: Path) -> None:
    client = MlflowClient(address)
    experiment = client.create_experiment("nemo-evaluator-launcher", tags={"team": "größe", "stage": "eval"})
    other = client.create_experiment("nemo-evaluator")
    runs = [_run(client, experiment, number, folder) for number in range(12)]
    child = client.create_run(other, START, {"mlflow.parentRunId": runs[0], "benchmark": "gsm8k"}, "child").info.run_id
    client.set_terminated(child, "FAILED", START + 5)
    dataset = Dataset(name="gsm8k", digest="d1", source_type="local", source="/data", schema="{}", profile="{}")
    client.log_inputs(child, [DatasetInput(dataset)])
    print(json.dumps({"experiment": experiment, "other": other, "runs": runs, "child": child, **_models(client, runs)}))


def _run(client: Any, experiment: str, number: int, folder: Path) -> str:
    task, invocation = TASKS[number % 6], f"71f3f3199ea5e1f{number // 6}"
    tags = {"invocation_id": invocation, "job_id": f"{invocation}.{number % 6}", "task_name": task, "harness": "simple"}
    run = client.create_run(experiment, START + number * 1000, tags, f"eval-{number}").info.run_id
    metrics = [Metric(f"{task}_score_micro", 0.1 * number, START, 0), Metric("loss", 1 / (number + 1), START, 0)]
    metrics += [Metric("loss", 1 / (number + 2), START + step, step) for step in range(1, 4)]
    metrics += [Metric("odd", float(value), START, 0) for value in (("nan", "inf", "-inf")[number % 3],)]
    params = [Param("invocation_id", invocation), Param("executor", "local"), Param("config.temperature", "0.6")]
    client.log_batch(run, metrics, params, [RunTag("model", "meta/llama-3.1-8b-instruct")])
    results = folder / f"{number}" / f"simple.{task}" / "artifacts"
    results.mkdir(parents=True)
    (results / "results.yml").write_text(f"task: {task}\nscore: {0.1 * number}\nname: größe ✓\n", encoding="utf-8")
    (results / "eval_factory_metrics.json").write_text(json.dumps({"score": number, "list": list(range(50))}))
    (results / "plot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / f"{number}" / "config.yml").write_text("deployment: none\n")
    client.log_artifacts(run, str(folder / f"{number}"))
    client.set_terminated(run, "FAILED" if number == 5 else "FINISHED", START + number * 1000 + 500)
    return str(run)


def _models(client: Any, runs: list[str]) -> dict[str, str]:
    client.create_registered_model("judge", {"owner": "eval"}, "the judge")
    client.create_registered_model("empty")
    for run in runs[:3]:
        client.create_model_version("judge", f"runs:/{run}/model", run, {"of": run[:4]}, description="v")
    client.set_registered_model_alias("judge", "champion", "2")
    experiment = client.get_run(runs[0]).info.experiment_id
    model = client.create_logged_model(experiment, "agent", runs[0], {"k": "v"}, {"p": "1"}, "agent")
    return {"model": str(model.model_id)}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
