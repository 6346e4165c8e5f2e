"""The doctor's checks that start the MCP server and ask the tracking server, against fakes that are really there."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from tests.children import PYTHON
from tests.homes import Home
from tests.webs import DEFAULT, MLFLOW, SEARCH, Reply, serving

RUNS = "/api/2.0/mlflow/runs/search"
# A server with the tools, and arguments, that its first argument names.
SERVER = """
import json, sys, time
time.sleep(float(sys.argv[2]))
HINTS = {"readOnlyHint": True}
TOOLS = [
    {"name": name, "inputSchema": schema, "annotations": HINTS}
    for name, schema in json.load(open(sys.argv[1])).items()
]
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        open(sys.argv[1] + ".starts", "a").write("x")
        info = {"name": "fake", "version": "1"}
        version = message["params"]["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    elif message.get("method") == "tools/list":
        result = {"tools": TOOLS}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""
SEARCH_TAGS = {
    "type": "object",
    "properties": {"experiment_id": {"type": "string"}, "tags": {"type": "object"}, "limit": {"type": "integer"}},
    "required": ["experiment_id", "tags"],
}
CALL = 'MLflow:search_runs_by_tags(experiment_id="<id>", tags={"a": "b (c)"}, limit=100)'


@pytest.fixture
def machine(home: Home) -> Home:
    """A home whose uvx starts a small MCP server."""
    server = home.path.parent / "server.py"
    server.write_text(SERVER)
    home.write("tools.json", {"search_runs_by_tags": SEARCH_TAGS})
    home.program(
        "uvx",
        f'#!/bin/sh\nexec {quote(PYTHON)} {quote(str(server))} {quote(str(home.path))}/tools.json "${{DELAY:-0}}"\n',
    )
    home.run("skill-install claude --no-verify --tracking-uri http://127.0.0.1:9")
    shutil.rmtree(home.path / ".claude/skills/accessing-mlflow/references")
    home.write(".claude/skills/accessing-mlflow/SKILL.md", f"`MLflow:tool(...)` is a call.\n{CALL}\n")
    return home


def found(home: Home, uri: str = "") -> dict[str, dict[str, str]]:
    """The doctor's checks, by id. `uri`: the entry's."""
    if uri:
        state = home.read(".claude.json")
        state["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] = uri
        home.write(".claude.json", state)
    return {check["id"]: check for check in home.json("skill-doctor claude", expect=1)["checks"]}


def test_a_call_that_the_server_takes(machine: Home) -> None:
    checks = found(machine)
    assert checks["mcp-server"]["status"] == "ok"
    assert checks["skill-calls"]["detail"] == "the server takes the 1 calls that the skill shows"
    assert (machine.path / "tools.json.starts").read_text() == "x", "it is started once for both checks"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("MLflow:gone(a=1)", "SKILL.md, line 1: there is no tool gone"),
        (
            'x\nMLflow:search_runs_by_tags(experiment_id="1", tags={}, most=3)',
            "line 2: search_runs_by_tags takes no most",
        ),
        ('MLflow:search_runs_by_tags(tags={"a": "b"})', "needs experiment_id"),
        ("MLflow:search_runs_by_tags(experiment_id=1, tags={})", "wants another type of experiment_id"),
    ],
)
def test_a_call_that_the_server_does_not_take(machine: Home, text: str, says: str) -> None:
    machine.write(".claude/skills/accessing-mlflow/SKILL.md", text)
    check = found(machine)["skill-calls"]
    assert check["status"] == "warning"
    assert says in check["detail"]
    assert check["fix"] == "skill-install claude --pin"


def test_calls_in_other_files_of_the_skill_are_looked_at(machine: Home) -> None:
    machine.write(".claude/skills/accessing-mlflow/more/notes.md", "MLflow:gone(a=1)")
    assert "notes.md, line 1" in found(machine)["skill-calls"]["detail"]


@pytest.mark.parametrize(
    "tools", [{"search_runs_by_tags": {}}, {"search_runs_by_tags": {"properties": 3, "required": 3}}]
)
def test_schemas_of_any_form(machine: Home, tools: Mapping[str, Any]) -> None:
    machine.write("tools.json", {**tools})
    assert "itself failed" not in found(machine)["skill-calls"]["detail"]


@pytest.mark.parametrize(
    ("limit", "delay", "status"),
    [("2000", "1.2", "warning"), ("500", "0.6", "error"), ("junk", "0", "ok"), ("0", "0", "ok")],
)
@pytest.mark.parametrize("where", ["shell", "settings"])
@pytest.mark.slow
def test_the_time_that_a_start_takes(machine: Home, where: str, limit: str, delay: str, status: str) -> None:
    if where == "shell":
        machine.variable("MCP_TIMEOUT", limit)
    else:
        machine.variable("MCP_TIMEOUT", "600000")
        machine.write(".claude/settings.json", {**machine.read(".claude/settings.json"), "env": {"MCP_TIMEOUT": limit}})
    machine.variable("DELAY", delay)
    check = found(machine)["mcp-server"]
    assert check["status"] == status
    assert ("export MCP_TIMEOUT=60000" in check["fix"]) is (status != "ok")


def test_a_projects_server_is_not_started_before_it_is_approved(machine: Home) -> None:
    """Nor is its tracking server asked; once it is approved, it gets no credentials of the user's."""
    machine.variable("MLFLOW_TRACKING_TOKEN", "hunter2")
    machine.run("skill-uninstall claude --force")
    machine.cd("project")
    with serving(MLFLOW) as web:
        entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": web.uri}}
        machine.write("project/.mcp.json", {"mcpServers": {"MLflow": entry}})
        checks = found(machine)
        assert (checks["mcp-server"]["status"], checks["tracking-server"]["status"]) == ("skipped", "skipped")
        assert web.asked == []
        assert not (machine.path / "tools.json.starts").exists()
        machine.write(".claude/settings.json", {"enabledMcpjsonServers": ["MLflow"]})
        assert found(machine)["mcp-server"]["status"] == "ok"
        assert web.asked
        assert web.authorization is None


def test_mlflow_2(machine: Home) -> None:
    with serving({**MLFLOW, "/version": Reply(body=b"2.22.5")}) as web:
        check = found(machine, web.uri)["tracking-server"]
    assert check["status"] == "warning"
    assert "2.22.5" in check["detail"]
    assert check["fix"].startswith("ask whoever runs it for MLflow 3")


@pytest.mark.parametrize(
    ("replies", "status", "says"),
    [
        ({RUNS: Reply(body={"runs": [{}, {}]})}, "ok", "runs: 2 of nemo-evaluator-launcher, 2 of nemo-evaluator 0.3"),
        ({RUNS: Reply(body={"runs": [{}] * 100})}, "ok", "100 or more of nemo-evaluator-launcher"),
        ({RUNS: Reply(body={})}, "info", "experiments: 1; no runs yet"),
        ({SEARCH: Reply(body={})}, "info", "experiments: 0; no runs yet"),
        (
            {SEARCH: Reply(body={"experiments": [DEFAULT], "next_page_token": "x"}), RUNS: Reply(body={})},
            "info",
            "more than 200",
        ),
        ({RUNS: Reply(body=b"[" * 100_000)}, "skipped", "does not answer"),
        ({"/health": Reply(503)}, "skipped", "does not answer"),
    ],
)
def test_what_the_server_holds(machine: Home, replies: Mapping[str, Reply], status: str, says: str) -> None:
    with serving({**MLFLOW, **replies}) as web:
        check = found(machine, web.uri)["data"]
    assert check["status"] == status
    assert says in check["detail"]


def store(path: Path, tags: str = "") -> str:
    """A store of MLflow's as far as it is asked; gives its URI."""
    with closing(sqlite3.connect(path)) as made:
        made.executescript(
            "CREATE TABLE alembic_version (x); CREATE TABLE experiments (lifecycle_stage);"
            "CREATE TABLE runs (run_uuid, lifecycle_stage); CREATE TABLE tags (key, value, run_uuid);"
            "INSERT INTO experiments VALUES ('active'); INSERT INTO runs VALUES ('1', 'active'), ('2', 'deleted');"
            + tags
        )
    return f"sqlite:///{path}"


def test_a_store_of_ones_own(machine: Home) -> None:
    tags = "INSERT INTO tags VALUES ('invocation_id', 'a', '1'), ('invocation_id', 'a', '2')"
    uri = store(machine.path / "own.db", tags)
    before = machine.files()
    checks = found(machine, uri)
    assert (checks["tracking-server"]["status"], checks["data"]["status"]) == ("ok", "ok")
    assert checks["data"]["detail"] == "experiments: 1; runs: 1 of nemo-evaluator-launcher"
    assert {name: data for name, data in machine.files().items() if name.endswith(".db")} == {
        "own.db": before["own.db"]
    }
    assert "none in the form" in found(machine, store(machine.path / "other.db"))["data"]["detail"]


@pytest.mark.parametrize(
    ("name", "status", "says", "fix"),
    [
        ("missing.db", "warning", "there is no", "correct the path"),
        ("no/folder/x.db", "error", "there is no folder", "correct the path"),
        ("notes.db", "error", "is not an MLflow database", "move that file away"),
    ],
)
def test_a_store_that_is_none(machine: Home, name: str, status: str, says: str, fix: str) -> None:
    machine.write("notes.db", "my notes" * 100)
    checks = found(machine, f"sqlite:///{machine.path}/{name}")
    assert checks["tracking-server"]["status"] == status
    assert says in checks["tracking-server"]["detail"]
    assert fix in checks["tracking-server"]["fix"]
    assert "itself failed" not in json.dumps(checks)
    assert not (machine.path / "missing.db").exists()
