"""What `skill-install` proves afterwards; what fails is a warning, and what was installed stays."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from shlex import quote

import pytest

from tests.children import PYTHON
from tests.homes import Home
from tests.webs import MLFLOW, Web, serving

SCRIPTS = ("compare_runs.py", "find_runs.py")
SERVER = """
import json, sys
HINTS = {"readOnlyHint": True}
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        info = {"name": "fake", "version": "1"}
        version = message["params"]["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    elif message.get("method") == "tools/list":
        result = {"tools": [{"name": "look", "inputSchema": {"type": "object"}, "annotations": HINTS}]}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server that answers just what proves that it is MLflow."""
    with serving(MLFLOW) as server:
        yield server


@pytest.fixture
def mlflow(web: Web) -> str:
    """Its address."""
    return web.uri


@pytest.fixture
def working(home: Home) -> Home:
    """A home whose uvx has everything in its cache and starts a small MCP server."""
    server = home.path.parent / "server.py"
    server.write_text(SERVER)
    home.program(
        "uvx", f'#!/bin/sh\ncase "$*" in\n  *--from*) exit 0;;\nesac\nexec {quote(PYTHON)} {quote(str(server))}\n'
    )
    return home


def test_two_lines_say_that_it_works(working: Home, mlflow: str) -> None:
    lines = working.run("skill-install claude --tracking-uri", mlflow).output.splitlines()
    assert any(line.startswith("  MCP server      starts (1 tools, ") for line in lines)
    assert "  tracking server answers (MLflow 3.17.2)" in lines
    assert not any("Fetching" in line for line in lines)


def test_what_the_skills_scripts_need_is_fetched_and_no_project_has_a_say(working: Home, mlflow: str) -> None:
    log = working.path / "uv.log"
    find = 'case "$*" in *"python find"*) test "$(pwd)" = / && echo /opt/python; exit;; esac'
    working.program("uv", f'#!/bin/sh\n{find}\necho "$(pwd) $UV_CONFIG_FILE $*" >> {quote(str(log))}\n')
    lines = working.run("skill-install claude --tracking-uri", mlflow).output.splitlines()
    assert "  scripts         have what they need (compare_runs.py, find_runs.py)" in lines
    working.write(".config/uv/uv.toml", "")
    working.json("skill-doctor claude")
    scripts = [working.path / ".claude/skills/accessing-mlflow/scripts" / name for name in SCRIPTS]
    assert log.read_text().splitlines() == [
        *(f"/  sync --no-config --python /opt/python --script {script}" for script in scripts),
        *(f"/ {working.path}/.config/uv/uv.toml sync --python /opt/python --script {script}" for script in scripts),
    ]


def test_packages_that_cannot_be_fetched_are_a_warning_with_the_next_step(working: Home, mlflow: str) -> None:
    working.program("uv", "#!/bin/sh\necho 'error: Failed to fetch: urllib3: dns error' >&2\nexit 2\n")
    output = working.run("skill-install claude --tracking-uri", mlflow).output
    assert "warning: cannot fetch what compare_runs.py needs: Failed to fetch: urllib3: dns error" in output
    assert "check the network" in output
    working.program("uv", "#!/bin/sh\necho oops >&2\nexit 2\n")
    check = next(check for check in working.json("skill-doctor claude")["checks"] if check["id"] == "scripts")
    assert check["status"] == "warning"
    assert "compare_runs.py --help" in check["fix"]
    (working.programs / "uv").unlink()
    check = next(check for check in working.json("skill-doctor claude")["checks"] if check["id"] == "scripts")
    assert "cannot be started: No such file" in check["detail"]


def test_nothing_is_fetched_for_a_script_that_somebody_has_edited(working: Home, mlflow: str) -> None:
    working.run("skill-install claude --no-verify --tracking-uri", mlflow)
    log = working.path / "uv.log"
    working.program("uv", f'#!/bin/sh\necho "$*" >> {quote(str(log))}\n')
    assert "scripts" in {check["id"] for check in working.json("skill-doctor claude")["checks"]}
    log.unlink()
    script = working.path / ".claude/skills/accessing-mlflow/scripts/find_runs.py"
    script.write_text(script.read_text() + "\n# mine\n")
    assert "scripts" not in {check["id"] for check in working.json("skill-doctor claude")["checks"]}
    assert not log.exists()


def test_each_client_is_named_where_there_are_several(working: Home, mlflow: str) -> None:
    output = working.run("skill-install claude cursor --tracking-uri", mlflow).output
    assert "tracking server Claude Code: answers" in output
    assert "tracking server Cursor: answers" in output


def test_what_fails_is_a_warning_and_what_was_installed_stays(home: Home) -> None:
    home.program("uvx", "#!/bin/sh\necho 'error: no route to the package index' >&2\nexit 2\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}"
        output = home.run("skill-install claude --tracking-uri", dead).output
    assert "no route to the package index" in output
    assert "MCP server      warning: does not start" in output
    assert "tracking server warning:" in output
    assert home.read(".claude.json")["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] == dead
    assert (home.path / ".claude/skills/accessing-mlflow/SKILL.md").is_file()


def test_the_document_holds_the_proofs(working: Home, mlflow: str) -> None:
    data = working.json("skill-install claude --tracking-uri", mlflow)
    assert [(check["id"], check["status"]) for check in data["verification"]] == [
        ("scripts", "ok"),
        ("mcp-server", "ok"),
        ("tracking-server", "ok"),
    ]


def test_the_server_is_started_with_the_clients_own_expansion(working: Home, mlflow: str) -> None:
    working.variable("TEAM", mlflow)
    working.run("skill-install claude --no-verify --tracking-uri", mlflow)
    state = working.read(".claude.json")
    state["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] = "${TEAM}"
    working.write(".claude.json", state)
    data = working.json("skill-doctor claude")
    found = {check["id"]: check for check in data["checks"]}
    assert found["tracking-server"]["status"] == "ok"
    assert found["tracking-server"]["path"] == mlflow
    assert mlflow in json.dumps(found["tracking-uri"])


def test_credentials_go_to_the_users_own_server_and_not_to_one_that_a_project_names(working: Home, web: Web) -> None:
    working.write(".mlflow/credentials", "[mlflow]\nmlflow_tracking_username=user\nmlflow_tracking_password=hunter2\n")
    working.cd("project")
    entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": web.uri}}
    working.write("project/.claude/settings.json", {"mcpServers": {"MLflow": entry}})
    working.run("skill-install claude")
    assert web.asked == []
    working.run("skill-install claude --tracking-uri", web.uri)
    assert web.authorization is not None
