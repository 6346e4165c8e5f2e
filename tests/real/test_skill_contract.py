"""Every call and command in the skill's files, on the real MCP server and what the real exporters have written.

A call that fails, finds nothing or is cut is a fault of the skill. What upstream's edition of the skill says is run as
well: what does not work in it is written down here, and in docs/skill.md.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import pytest

from accessing_mlflow import bundle
from tests.real.calls import session
from tests.real.exported import Exported
from tests.real.machines import REPOSITORY

pytestmark = pytest.mark.real

SKILL = REPOSITORY / "skills" / "accessing-mlflow"
FILES = {path.relative_to(SKILL).as_posix(): path.read_text(encoding="utf-8") for path in sorted(SKILL.rglob("*.md"))}
TEXT = "\n".join(FILES.values())

# A run of each form: launched here and by Slurm, exported with the default and with all options.
JOBS = {
    "local, default": "71f3f3199ea5e1f0.0",
    "Slurm, default": "9ab4c0d2e6f81735.0",
    "Slurm, all": "c0ffee0123456789.0",
    "local, all": "5eed5eed5eed5eed.0",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def tool_calls() -> list[str]:
    return [line for block in blocks("python") for line in block.splitlines() if line.startswith("MLflow:")]


def commands() -> list[str]:
    return [line for block in blocks("bash") for line in block.splitlines() if line.startswith("uv run")]


class Asked(NamedTuple):
    """What the server answered: a part for each row. `failed`: it says that it is an error."""

    parts: list[str]
    failed: bool

    @property
    def characters(self) -> int:
        return sum(map(len, self.parts))


async def ask_all(calls: list[tuple[str, dict[str, Any]]], uri: str, cwd: Path) -> list[Asked]:
    """The answers of one real MCP server to calls made one after the other."""
    server = bundle.load().server
    variables = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    answers = []
    async with session(["uvx", f"{server.package}=={server.tested}"], variables, cwd) as asked:
        for tool, arguments in calls:
            result = await asyncio.wait_for(asked.call_tool(tool, arguments), 60)
            answers.append(Asked([getattr(part, "text", "") for part in result.content], bool(result.is_error)))
    return answers


def parsed(call: str, values: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """A call as it is written, with its placeholders filled in."""
    text = re.sub(r"<(\w+)>", lambda match: values[match[1]], call.removeprefix("MLflow:"))
    expression = ast.parse(text, mode="eval").body
    assert isinstance(expression, ast.Call)
    assert isinstance(expression.func, ast.Name)
    assert not expression.args, f"{call}: MCP has only named arguments"
    return expression.func.id, {str(one.arg): ast.literal_eval(one.value) for one in expression.keywords}


def placeholders(evaluations: Exported) -> dict[str, dict[str, str]]:
    """What the placeholders stand for, for a run of each form."""
    found = {}
    of_bundle = evaluations.run("eval-20261105T101010Z-gpqa")
    for form, job in JOBS.items():
        run = evaluations.run(job)
        found[form] = {
            "experiment_id": evaluations.experiments["nemo-evaluator-launcher"],
            "run_id": run["info"]["run_id"],
            "harness": run["tags"]["harness"],
            "task": run["tags"]["task_name"],
            "bundle_experiment_id": evaluations.experiments["nemo-evaluator"],
            "bundle_run_id": of_bundle["info"]["run_id"],
            "benchmark": of_bundle["tags"]["benchmark"],
            "job_id": of_bundle["tags"]["job_id"],
        }
    return found


def test_every_tool_call_answers_for_every_form_and_is_not_cut(evaluations: Exported, tmp_path: Path) -> None:
    written = tool_calls()
    assert len(written) > 12
    asked = {
        (call, form): parsed(call, values) for form, values in placeholders(evaluations).items() for call in written
    }
    distinct = {repr(call): call for call in asked.values()}
    answers = dict(zip(distinct, asyncio.run(ask_all(list(distinct.values()), evaluations.uri, tmp_path)), strict=True))
    for (call, form), (tool, arguments) in asked.items():
        answer = answers[repr((tool, arguments))]
        assert not answer.failed, f"{call} ({form}): {answer.parts}"
        assert answer.characters > 2, f"{call} ({form}) finds nothing"
        if "limit" in arguments:
            assert len(answer.parts) < arguments["limit"], f"{call} ({form}) is cut"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project, with the installed skill beside it."""
    shutil.copytree(SKILL, tmp_path / "skill", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text('[project]\nname = "theirs"\nversion = "1"\n')
    return tmp_path / "project"


def run(command: str, project: Path, uri: str) -> subprocess.CompletedProcess[str]:
    """A command of the skill, as the agent's shell runs it in the user's project."""
    return subprocess.run(
        ["sh", "-c", command.replace("SKILL/", f"{quote(str(project.parent))}/skill/")],
        cwd=project,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_command_answers_and_leaves_nothing(evaluations: Exported, project: Path) -> None:
    written = commands()
    assert len(written) > 5
    for command in written:
        done = run(command, project, evaluations.uri)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert "|" in done.stdout, command
        assert "rows are shown" not in done.stdout, f"{command} is cut"
    assert sorted(path.name for path in project.iterdir()) == ["comparison.svg", "pyproject.toml"]
    shipped = {path.relative_to(SKILL) for path in SKILL.rglob("*") if "__pycache__" not in path.parts}
    skill = project.parent / "skill"
    assert {path.relative_to(skill) for path in skill.rglob("*")} == shipped


def test_answers_look_as_the_skill_shows_them(evaluations: Exported, project: Path) -> None:
    """The lines of its examples, without what differs: the server, and ids that MLflow makes."""

    def same(text: str) -> str:
        return re.sub(r"https?://[\w.:]+\w|[0-9a-f]{32}", "X", text)

    compared, found = blocks("text")
    for shown, command in (
        (compared, "compare_runs.py 71f3f3199ea5e1f0 c0ffee0123456789"),
        (found, "find_runs.py 71f3f3199ea5e1f0"),
    ):
        done = run(f"uv run --directory / --no-project SKILL/scripts/{command}", project, evaluations.uri)
        real = same(done.stdout).splitlines()
        assert [line for line in same(shown).splitlines() if line not in real] == []


def test_artifact_trees_are_as_the_reference_says(evaluations: Exported, tmp_path: Path) -> None:
    """Every name in the tables is there in the forms that they name, and nothing else is."""
    trees = {form: tree(evaluations, job) for form, job in JOBS.items()}
    default = {"results.yml", "eval_factory_metrics.json", "run_config.yml", "metadata.yaml"}
    more = {"launcher_unresolved_config.yaml", "report.html", "report.json"}
    for form, names in trees.items():
        root = "config.yml" if "Slurm" in form else "config.yaml"
        logs = {name.rpartition("/")[2] for name in names if "/logs/" in name}
        inside = {name.rpartition("/")[2] for name in names if "/artifacts/" in name}
        assert root in names
        assert inside >= default
        assert inside - default - {"config.yml"} == (more if "all" in form else set())
        assert bool(logs) == ("all" in form)
        known = FILES["references/artifacts.md"]
        assert all(re.sub(r"-\d.*\.log", "-*.log", name) in known for name in logs | inside)
    assert tree(evaluations, "eval-20261105T101010Z-gpqa") == {
        "gpqa/eval-20261105T101010Z-gpqa.json",
        "gpqa/results.jsonl",
    }


def tree(evaluations: Exported, job: str) -> set[str]:
    """The files of a job's run, from where the server keeps them."""
    info = evaluations.run(job)["info"]
    root = evaluations.folder / "server" / "artifacts" / info["experiment_id"] / info["run_id"] / "artifacts"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


class Upstream(NamedTuple):
    """A call as upstream's edition has it (commit 8fa16b2), and what comes of it: rows, or -1 for an error."""

    tool: str
    arguments: dict[str, Any]
    job: str
    wanted: int
    found: int


INVOCATION = {"invocation_id": "71f3f3199ea5e1f0"}
UPSTREAM = (
    Upstream("search_runs_by_tags", {"tags": INVOCATION}, "", wanted=6, found=3),
    Upstream("query_runs", {"query": "tags.model LIKE '%llama-3.1-8b%'"}, "", wanted=9, found=0),
    Upstream("query_runs", {"query": "tags.task_name LIKE '%gpqa_diamond%'"}, "", wanted=4, found=3),
    Upstream("get_artifact_content", {"artifact_path": "config.yml"}, "Slurm, default", wanted=1, found=1),
    Upstream("get_artifact_content", {"artifact_path": "config.yml"}, "local, default", wanted=1, found=-1),
    *(
        Upstream("get_artifact_content", {"artifact_path": "artifacts/eval_factory_metrics.json"}, form, 1, -1)
        for form in JOBS
    ),
)


def test_what_upstream_says_still_fails_where_the_documents_say_so(evaluations: Exported, tmp_path: Path) -> None:
    """As soon as one of these is mended, docs/skill.md has to say so."""
    calls = []
    for one in UPSTREAM:
        where: dict[str, Any] = {"experiment_id": evaluations.experiments["nemo-evaluator-launcher"]}
        if one.job:
            where = {"run_id": evaluations.run(JOBS[one.job])["info"]["run_id"]}
        calls.append((one.tool, {**where, **one.arguments}))
    answers = asyncio.run(ask_all(calls, evaluations.uri, tmp_path))
    found = [-1 if answer.failed else len(answer.parts) for answer in answers]
    assert found == [one.found for one in UPSTREAM]
    told = (REPOSITORY / "docs" / "skill.md").read_text(encoding="utf-8")
    for one in UPSTREAM:
        (argument,) = one.arguments.values()
        assert str(argument if isinstance(argument, str) else "invocation_id") in told


def test_claude_code_accepts_it(claude_program: Path, tmp_path: Path) -> None:
    """As the skill of a plugin: what its validator looks at is a plugin."""
    (tmp_path / ".claude-plugin").mkdir()
    (tmp_path / ".claude-plugin" / "plugin.json").write_text(
        '{"name": "x", "version": "1.0.0", "description": "d", "author": {"name": "a"}}', encoding="utf-8"
    )
    shutil.copytree(SKILL, tmp_path / "skills" / "accessing-mlflow")
    done = subprocess.run(
        [str(claude_program), "plugin", "validate", "--strict", "--json", str(tmp_path)],
        env={**os.environ, "HOME": str(tmp_path / "home"), "DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert '"x:accessing-mlflow"' in done.stdout


def test_a_public_scanner_reports_nothing(tmp_path: Path) -> None:
    """Cisco's scanner for skills, its static and its data flow rules; those that ask a language model are off."""
    command = ["uvx", "--from", "cisco-ai-skill-scanner==2.3.2", "skill-scanner", "scan", str(SKILL)]
    done = subprocess.run(
        [*command, "--use-behavioral", "--policy", "strict", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert '"findings": []' in done.stdout, done.stdout + done.stderr
