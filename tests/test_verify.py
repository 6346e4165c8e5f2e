"""What `skill-install` proves afterwards; what fails is a warning, and what was installed stays."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.homes import Home

SERVER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        info = {"name": "fake", "version": "1"}
        version = message["params"]["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    elif message.get("method") == "tools/list":
        result = {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


class _MLflow(BaseHTTPRequestHandler):
    """Just what proves that a server is MLflow."""

    authorizations: list[str | None]

    def do_GET(self) -> None:
        self._answer({"/health": b"OK", "/version": b"3.17.2"}.get(self.path, b""))

    def do_POST(self) -> None:
        self._answer(b'{"experiments": []}')

    def _answer(self, body: bytes) -> None:
        self.authorizations.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mlflow() -> Iterator[str]:
    """The address of a stand-in for an MLflow server."""
    _MLflow.authorizations = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _MLflow)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def python() -> str:
    """The interpreter, before the home fixture hides it."""
    return sys.executable


@pytest.fixture
def working(python: str, home: Home) -> Home:
    """A home whose uvx has everything in its cache and starts a small MCP server."""
    server = home.path.parent / "server.py"
    server.write_text(SERVER)
    home.program("uvx", f'#!/bin/sh\ncase "$*" in\n  *--from*) exit 0;;\nesac\nexec {python} {server}\n')
    return home


def test_two_lines_say_that_it_works(working: Home, mlflow: str) -> None:
    lines = working.run("skill-install claude --tracking-uri", mlflow).output.splitlines()
    assert any(line.startswith("  MCP server      starts (1 tools, ") for line in lines)
    assert "  tracking server answers (MLflow 3.17.2)" in lines
    assert not any("Fetching" in line for line in lines)


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


def test_credentials_go_to_the_users_own_server_and_not_to_one_that_a_project_names(working: Home, mlflow: str) -> None:
    working.write(
        ".mlflow/credentials", "[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = hunter2\n"
    )
    working.variable("MLFLOW_TRACKING_TOKEN", "hunter3")
    working.cd("project")
    entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": mlflow}}
    working.write("project/.claude/settings.json", {"mcpServers": {"MLflow": entry}})
    working.run("skill-install claude")
    assert set(_MLflow.authorizations) == {None}
    working.run("skill-install claude --tracking-uri", mlflow)
    assert set(_MLflow.authorizations) > {None}
