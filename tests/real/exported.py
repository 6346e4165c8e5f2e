"""A real MLflow server that the real exporters of NeMo Evaluator have filled with the evaluations of `finished.py`."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests import pythons
from tests.real.machines import MLFLOW, missing, mlflow

LAUNCHER = "nemo-evaluator-launcher[mlflow]==0.2.6"
BUNDLES = "nemo-evaluator==0.3.0"
EXPORT = Path(__file__).with_name("export.py")


class Exported(NamedTuple):
    """`experiments`: ids by name. `runs`: as the REST API gives them, with tags as a mapping."""

    uri: str
    folder: Path
    experiments: dict[str, str]
    runs: list[dict[str, Any]]

    def run(self, job: str, experiment: str = "") -> dict[str, Any]:
        """The run of a job, in that experiment where it is in several."""
        wanted = self.experiments.get(experiment)
        found = [run for run in self.runs if run["tags"].get("job_id") == job]
        return next(run for run in found if wanted in (None, run["info"]["experiment_id"]))


@contextmanager
def server(folder: Path) -> Iterator[Exported]:
    """Starts it and fills it; the evaluations lie below `folder`, in `jobs` and `bundles`."""
    for name in ("server", "jobs", "bundles"):
        (folder / name).mkdir()
    with mlflow(folder / "server", "--artifacts-destination", str(folder / "server" / "artifacts")) as uri:
        _export(["--from", LAUNCHER], "launcher", uri, folder / "jobs")
        _export(["--python", python_for_bundles(), "--from", BUNDLES], "bundles", uri, folder / "bundles")
        found = ask(uri, "experiments/search", {"max_results": 100})["experiments"]
        experiments = {one["name"]: one["experiment_id"] for one in found}
        runs = ask(uri, "runs/search", {"experiment_ids": list(experiments.values()), "max_results": 1000})["runs"]
        for run in runs:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
        yield Exported(uri, folder, experiments, runs)


def ask(uri: str, path: str, body: Any) -> Any:
    """A question to MLflow's REST API."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow/{path}", data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def python_for_bundles() -> str:
    """A Python that nemo-evaluator 0.3 runs with: 3.12 or 3.13."""
    return pythons.find("3.13", "3.12") or missing("Python 3.12 or 3.13, which nemo-evaluator 0.3 needs, is not here")


def _export(python: list[str], form: str, uri: str, folder: Path) -> None:
    command = ["uvx", *python, "--with", MLFLOW, "python", str(EXPORT), form, uri, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
