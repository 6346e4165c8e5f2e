"""`skill-install claude --demo`, as a newcomer does it: then the README's question has an answer."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.real.exported import Exported
from tests.real.machines import REPOSITORY, Machine

pytestmark = pytest.mark.real

MADE_UP = "made-up data"


def store(machine: Machine) -> Path:
    return next(machine.home.rglob("mlflow.db")).parent


def rows(machine: Machine, query: str) -> list[Any]:
    with sqlite3.connect(store(machine) / "mlflow.db") as connection:
        return connection.execute(query).fetchall()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_readmes_question_is_answered_and_a_second_time_changes_nothing(machine: Machine) -> None:
    assert "16 made-up runs were added" in machine.install("claude", "--demo")
    before, content = files(store(machine) / "artifacts"), rows(machine, "SELECT * FROM tags ORDER BY run_uuid, key")
    assert "the made-up runs are all there" in machine.install("claude", "--demo")
    assert files(store(machine) / "artifacts") == before
    assert rows(machine, "SELECT * FROM tags ORDER BY run_uuid, key") == content

    question = re.search(r"> Compare invocation (\w+) with the last one", (REPOSITORY / "README.md").read_text())
    assert question
    script = next(machine.home.rglob("scripts/compare_runs.py"))
    answer = machine.run("uv", "run", "--directory", "/", "--no-project", str(script), question[1], "last")
    assert answer.count("demo/small-8b-instruct") + answer.count("demo/large-49b-instruct") >= 2
    assert answer.count("|yes|") + answer.count("|no|") + answer.count("|unknown|") == 6
    uninstalled = machine.run("skill-uninstall", "claude", "--purge")
    assert "removed" in uninstalled
    assert not list(machine.home.rglob("mlflow.db"))


def test_its_runs_have_the_form_of_the_real_exporters(machine: Machine, evaluations: Exported) -> None:
    """Tags, params and files; and all is marked as made up, with absolute places for the artifacts."""
    machine.install("claude", "--demo")
    real = evaluations.run("71f3f3199ea5e1f0.0")
    job = "SELECT run_uuid FROM tags WHERE key = 'job_id' AND value = '71f3f3199ea5e1f0.0'"
    own = {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit"}
    own |= {"mlflow.source.git.branch", "mlflow.source.git.repoURL", "demo", "mlflow.note.content"}
    tags = dict(rows(machine, f"SELECT key, value FROM tags WHERE run_uuid IN ({job})"))
    assert set(tags) - own == set(real["tags"]) - own
    assert MADE_UP in tags["demo"]
    params = {key for (key,) in rows(machine, f"SELECT key FROM params WHERE run_uuid IN ({job})")}
    assert params == {param["key"] for param in real["data"]["params"]}
    assert rows(machine, f"SELECT key FROM metrics WHERE run_uuid IN ({job})") == [("gpqa_diamond_score_micro",)]
    ((place,),) = rows(machine, f"SELECT artifact_uri FROM runs WHERE run_uuid IN ({job})")
    assert place.startswith("file:///")
    info = real["info"]
    there = evaluations.folder / "server" / "artifacts" / info["experiment_id"] / info["run_id"] / "artifacts"
    here = files(Path(unquote(place.removeprefix("file://"))))
    assert set(here) == set(files(there))
    for name in here:
        if name.endswith(("results.yml", "run_config.yml", "metadata.yaml")):
            assert set(yaml.safe_load(here[name])) <= set(yaml.safe_load((there / name).read_text()))
            assert MADE_UP.encode() in here[name]
