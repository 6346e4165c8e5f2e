"""The real Codex reads what `skill-install codex` writes: the entry, the skill and the guard."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from accessing_mlflow import bundle
from tests.real.machines import REPOSITORY, Machine

pytestmark = pytest.mark.real

TOOLS = bundle.load(REPOSITORY / "skills").server.tools
CONFIG = ".codex/config.toml"


class _Responses(BaseHTTPRequestHandler):
    """Answers every request to the model with one word, and keeps what was asked."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)  # type: ignore[attr-defined]
        item = {
            "type": "message",
            "role": "assistant",
            "id": "m",
            "content": [{"type": "output_text", "text": "hello"}],
        }
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.output_item.done", "item": item},
            {"type": "response.completed", "response": {"id": "r", "usage": usage}},
        ]
        self._send("".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events))

    def do_GET(self) -> None:
        self._send('{"models": []}', "application/json")

    def _send(self, text: str, kind: str = "text/event-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def model() -> Iterator[ThreadingHTTPServer]:
    """Stands in for the model's service, on 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Responses)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def listed(machine: Machine, cwd: Path | None = None) -> dict[str, Any]:
    """The servers that Codex knows, by name."""
    output = machine.run("codex", "mcp", "list", "--json", cwd=cwd)
    return {server["name"]: server for server in json.loads(output[output.index("[") :])}


def asked(machine: Machine, model: ThreadingHTTPServer, cwd: Path | None = None) -> dict[str, Any]:
    """What Codex sends to the model, once the server has started (`required`)."""
    machine.variables["TEST_KEY"] = "dummy"
    address = f"http://127.0.0.1:{model.server_address[1]}/v1"
    provider = f'{{name="t",base_url="{address}",env_key="TEST_KEY",wire_api="responses"}}'
    settings = [
        'model="gpt-5"',
        'model_provider="t"',
        f"model_providers.t={provider}",
        "mcp_servers.MLflow.required=true",
    ]
    options = [part for setting in settings for part in ("-c", setting)]
    machine.run("codex", "exec", "--skip-git-repo-check", *options, "hi", cwd=cwd)
    found: dict[str, Any] = model.asked[-1]  # type: ignore[attr-defined]
    return found


def offered(request: dict[str, Any]) -> set[str]:
    tools = next(tool["tools"] for tool in request["tools"] if tool.get("name") == "mcp__MLflow")
    return {tool["name"] for tool in tools}


def test_entry_skill_and_guard(codex: Machine, mlflow_server: str, model: ThreadingHTTPServer) -> None:
    (codex.home / CONFIG).write_text('# mine\nmodel = "gpt-5"\n')
    output = codex.install("codex", "--tracking-uri", mlflow_server)
    assert "MCP server      starts (40 tools" in output

    entry = listed(codex)["MLflow"]
    assert entry["enabled"] is True
    assert entry["transport"]["env"]["MLFLOW_TRACKING_URI"] == mlflow_server
    assert entry["startup_timeout_sec"] == 60

    request = asked(codex, model)
    assert offered(request) == {tool.name for tool in TOOLS if tool.read_only}
    assert "accessing-mlflow" in json.dumps(request["input"])

    assert "error" not in codex.run("skill-doctor", "codex")
    codex.run("skill-uninstall", "codex")
    assert listed(codex) == {}


def test_a_project_once_it_is_trusted(codex: Machine, mlflow_server: str) -> None:
    project = codex.home / "project"
    project.mkdir()
    codex.run("git", "init", "--quiet", str(project))
    codex.install("codex", "--scope", "project", "--no-verify", "--tracking-uri", mlflow_server, cwd=project)
    assert listed(codex, project) == {}
    (codex.home / CONFIG).write_text(f'[projects."{project}"]\ntrust_level = "trusted"\n')
    assert "MLflow" in listed(codex, project)


def test_with_allow_writes_everything_is_offered(
    codex: Machine, mlflow_server: str, model: ThreadingHTTPServer
) -> None:
    codex.install("codex", "--no-verify", "--allow-writes", "--tracking-uri", mlflow_server)
    assert offered(asked(codex, model)) == {tool.name for tool in TOOLS}


def test_codexs_own_rewriting_and_the_way_back(codex: Machine, mlflow_server: str) -> None:
    codex.run("codex", "mcp", "add", "first", "--", "x")
    before = (codex.home / CONFIG).read_bytes()
    codex.install("codex", "--no-verify", "--tracking-uri", mlflow_server)
    codex.run("codex", "mcp", "add", "second", "--", "x")
    codex.run("codex", "mcp", "remove", "second")
    codex.run("skill-uninstall", "codex")
    assert listed(codex).keys() == {"first"}
    assert (codex.home / CONFIG).read_bytes().strip() == before.strip()
