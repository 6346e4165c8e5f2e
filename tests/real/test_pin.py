"""`--pin` with the real things: no network, no other file than the tested ones, and no other answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from accessing_mlflow import bundle
from tests.real.machines import MLFLOW, REPOSITORY, Machine

pytestmark = pytest.mark.real

SERVER = bundle.load(REPOSITORY / "skills").server
CONNECTED = "✔ Connected"
NO_NETWORK = ("unshare", "--map-root-user", "--net")


@pytest.fixture
def own_cache(claude: Machine, tmp_path: Path) -> Iterator[Path]:
    """The machine's own cache of uv, empty."""
    folder = tmp_path / "uv-cache"
    claude.variables["UV_CACHE_DIR"] = str(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def without_network(machine: Machine, *command: str) -> str:
    """What a program prints that has no network at all, not even 127.0.0.1; where the system does not let us take it
    away, all that goes out goes to a closed port.
    """
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode == 0:
        return machine.run(*NO_NETWORK, *command)
    closed = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    return replace(machine, variables={**machine.variables, **closed}).run(*command)


def entry_of(machine: Machine) -> Any:
    return json.loads((machine.home / ".claude.json").read_text())["mcpServers"]["MLflow"]


@pytest.mark.parametrize(("uri", "form"), [("http://127.0.0.1:9", "lean"), ("sqlite:////tmp/none.db", "full")])
def test_claude_code_connects_without_any_network(claude: Machine, uri: str, form: str) -> None:
    assert "MCP server      starts (40 tools" in claude.install("claude", "--pin", "--tracking-uri", uri)
    assert any(arg.endswith(f"/{form}.txt") for arg in entry_of(claude)["args"])
    assert CONNECTED in without_network(claude, "claude", "mcp", "list")
    found = without_network(claude, "skill-doctor", "claude", "--offline")
    assert re.search(rf"ok +pin +mlflow-mcp {re.escape(SERVER.tested)}, {form}, in uv's cache", found)


def test_the_doctor_notices_an_emptied_cache_and_its_fix_mends_it(claude: Machine, own_cache: Path) -> None:
    claude.install("claude", "--pin", "--tracking-uri", "http://127.0.0.1:9")
    claude.run("uv", "cache", "clean", "certifi")  # as little as one package
    shutil.rmtree(next(own_cache.glob("environments-*")))
    output = claude.run("skill-doctor", "claude", "--offline", expect=1)
    assert "uv's cache does not hold the pinned server (any more), so it cannot start" in output
    assert "fix: skill-install claude\n" in output
    assert CONNECTED not in claude.run("claude", "mcp", "list")
    claude.run("skill-install", "claude")
    assert "in uv's cache" in claude.run("skill-doctor", "claude", "--offline")
    assert CONNECTED in without_network(claude, "claude", "mcp", "list")


@pytest.mark.parametrize("cached", [False, True], ids=["from the index", "in the cache already"])
def test_a_file_with_another_hash_never_runs(claude: Machine, own_cache: Path, tmp_path: Path, cached: bool) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(REPOSITORY / "skills", folder)
    lean = folder / "server" / "lean.txt"
    before, name, rest = lean.read_text().partition("\ncertifi==")
    mine, following, others = rest.partition("\ncffi==")
    lean.write_text(before + name + re.sub("sha256:(.)", _other_digit, mine) + following + others)
    if cached:
        claude.run("uvx", "--from", f"certifi=={mine.split()[0]}", "python", "-c", "pass")
    command = ("claude", "cursor", "--pin", "--bundle", str(folder), "--tracking-uri", "http://127.0.0.1:9")
    output = claude.run("skill-install", *command, expect=1)
    assert "error: the package index serves another file for certifi==" in output
    assert not (claude.home / ".claude.json").exists()
    assert not (claude.home / ".cursor/mcp.json").exists()


def _other_digit(match: re.Match[str]) -> str:
    return f"sha256:{'1' if match[1] == '0' else '0'}"


@pytest.fixture(scope="module")
def filled(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The ids of what is on a filled server, and its `address`."""
    folder = tmp_path_factory.mktemp("filled")
    script = REPOSITORY / "tests" / "real" / "fill.py"
    command = ["uvx", "--from", MLFLOW, "python", str(script), mlflow_server, str(folder)]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout.decode()
    return {**json.loads(out.splitlines()[-1]), "address": mlflow_server}


def calls(ids: Mapping[str, Any]) -> list[tuple[str, dict[str, object]]]:
    """Every read-only tool, with what is there, and with what is not."""
    experiment, other, run, child = ids["experiment"], ids["other"], ids["runs"][0], ids["child"]
    of_experiment, of_run, file = {"experiment_id": experiment}, {"run_id": run}, "simple.gpqa_diamond/artifacts"
    query = "metrics.gpqa_diamond_score_micro >= 0 and tags.invocation_id = '71f3f3199ea5e1f0'"
    return [
        ("health", {}),
        ("get_experiments", {}),
        ("search_experiments", {}),
        ("search_experiments", {"filter_string": "name LIKE 'nemo%'", "order_by": ["name DESC"], "max_results": 1}),
        ("get_experiment_by_name", {"name": "nemo-evaluator-launcher"}),
        ("get_experiment_by_name", {"name": "not there"}),
        *((f"get_experiment_{what}", of_experiment) for what in ("metrics", "params", "tags")),
        ("get_runs", of_experiment),
        ("get_runs", {**of_experiment, "limit": 50, "order_by": ["start_time ASC"]}),
        ("get_runs", {"experiment_id": "999"}),
        ("get_run", of_run),
        ("get_run", {"run_id": child}),
        ("get_run", {"run_id": "f" * 32}),
        ("get_parent_run", {"run_id": child}),
        ("get_parent_run", of_run),
        ("query_runs", {**of_experiment, "query": query, "limit": 50}),
        ("query_runs", {**of_experiment, "query": "tags.task_name LIKE '%gpqa%'", "offset": 1}),
        ("query_runs", {**of_experiment, "query": "a OR b"}),
        ("search_runs_by_tags", {**of_experiment, "tags": {"invocation_id": "71f3f3199ea5e1f1"}, "limit": 50}),
        ("search_runs_by_tags", {**of_experiment, "tags": {"task_name": "none"}}),
        ("get_run_artifacts", of_run),
        ("get_run_artifacts", {**of_run, "path": file}),
        ("get_run_artifact", {**of_run, "artifact_path": f"{file}/results.yml"}),
        ("get_artifact_content", {**of_run, "artifact_path": f"{file}/results.yml"}),
        ("get_artifact_content", {**of_run, "artifact_path": f"{file}/eval_factory_metrics.json"}),
        ("get_artifact_content", {**of_run, "artifact_path": f"{file}/plot.png"}),
        ("get_artifact_content", {**of_run, "artifact_path": "config.yml"}),
        ("get_artifact_content", {**of_run, "artifact_path": "not/there.txt"}),
        *(("get_run_metrics", {"run_id": one}) for one in ids["runs"][:3]),
        ("get_run_metric", {**of_run, "metric_name": "loss"}),
        ("get_run_metric", {**of_run, "metric_name": "none"}),
        ("get_best_run", {**of_experiment, "metric": "loss", "ascending": True}),
        ("get_best_run", {"experiment_id": other, "metric": "loss"}),
        ("compare_runs", {**of_experiment, "run_ids": ids["runs"][:3]}),
        ("get_registered_models", {}),
        ("get_registered_model", {"name": "judge"}),
        ("get_registered_model", {"name": "not there"}),
        ("get_model_versions", {"model_name": "judge"}),
        ("get_model_versions", {"model_name": "empty"}),
        ("get_model_version", {"model_name": "judge", "version": "1"}),
        ("get_model_version_by_alias", {"name": "judge", "alias": "champion"}),
        ("get_latest_versions", {"name": "judge"}),
        ("search_logged_models", {"experiment_ids": [experiment], "max_results": 5}),
        ("search_logged_models", {"experiment_ids": [other]}),
        ("get_logged_model", {"model_id": ids["model"]}),
    ]


def answers(machine: Machine, entry: Any, wanted: list[tuple[str, dict[str, object]]]) -> list[str]:
    """What the server of `entry` answers to each call, through the SDK's own client."""
    variables = {**machine.variables, **entry["env"]}
    parameters = StdioServerParameters(command="uvx", args=entry["args"], env=variables, cwd=machine.home)

    async def ask() -> list[str]:
        with Path(os.devnull).open("w", encoding="utf-8") as errors:
            async with stdio_client(parameters, errors) as streams, ClientSession(*streams) as session:
                await session.initialize()
                return [(await session.call_tool(name, given)).model_dump_json() for name, given in wanted]

    return anyio.run(ask)


@pytest.mark.parametrize("form", ["lean", "full"])
def test_every_read_only_tool_answers_as_in_the_plain_form(machine: Machine, filled: dict[str, Any], form: str) -> None:
    machine.install("claude", "--tracking-uri", filled["address"])
    plain = entry_of(machine)
    machine.install("claude", "--pin", *(() if form == "lean" else ("--env", "MLFLOW_TRACKING_URI=${URI}")))
    pinned = entry_of(machine)
    assert any(arg.endswith(f"/{form}.txt") for arg in pinned["args"])
    pinned["env"]["MLFLOW_TRACKING_URI"] = plain["env"]["MLFLOW_TRACKING_URI"]
    wanted = calls(filled)
    assert {name for name, _ in wanted} == {tool.name for tool in SERVER.tools if tool.read_only}
    expected = answers(machine, plain, wanted)
    assert sum('"isError":true' in answer or '"is_error":true' in answer for answer in expected) < len(wanted) / 3
    for call, one, other in zip(wanted, expected, answers(machine, pinned, wanted), strict=True):
        assert _without_places(other) == _without_places(one), call


def _without_places(answer: str) -> str:
    """Without the temporary folder that a download goes to."""
    return re.sub(r"/tmp\w+(?=/)", "/tmp", answer)
