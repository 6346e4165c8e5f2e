"""The real Claude Code reads what `skill-install claude` writes: skill and server, in every scope."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from accessing_mlflow import bundle, guard
from accessing_mlflow.clients import CLAUDE
from tests.real.machines import REPOSITORY, Machine

pytestmark = pytest.mark.real

SERVER = bundle.load(REPOSITORY / "skills").server
TOOLS = SERVER.tools

CONNECTED = "✔ Connected"


def listed(machine: Machine, cwd: Path | None = None) -> str:
    """The line of `claude mcp list`, at its default time limit, for MLflow; empty where there is none."""
    lines = machine.run("claude", "mcp", "list", cwd=cwd).splitlines()
    return next((line for line in lines if line.startswith("MLflow:")), "")


def repository(machine: Machine, name: str = "project") -> Path:
    """A git repository with one commit and a nested folder."""
    folder = machine.home / name
    (folder / "packages/deep").mkdir(parents=True)
    machine.run("git", "init", "--quiet", str(folder))
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    machine.run("git", *identity, "commit", "--quiet", "--allow-empty", "--message", "first", cwd=folder)
    return folder


class TestScopes:
    def test_user_scope_with_a_real_server(self, claude: Machine, mlflow_server: str) -> None:
        output = claude.install("claude", "--tracking-uri", mlflow_server)
        assert "starts (40 tools" in output
        assert "answers (MLflow 3.17.2)" in output
        assert CONNECTED in listed(claude)
        assert "Everything is in order." in claude.run("skill-doctor", "claude")

    def test_user_scope_with_the_embedded_store(self, claude: Machine) -> None:
        output = claude.install("claude")
        assert "the local store is ready" in output
        assert list(claude.home.rglob("mlflow.db"))
        assert CONNECTED in listed(claude)

    def test_local_scope_in_a_subfolder_and_a_worktree(self, claude: Machine, mlflow_server: str) -> None:
        project = repository(claude)
        claude.run("git", "worktree", "add", "--quiet", str(claude.home / "linked"), cwd=project)
        claude.install("claude", "--scope", "local", "--tracking-uri", mlflow_server, cwd=project / "packages/deep")
        for folder in (project, project / "packages", claude.home / "linked"):
            assert CONNECTED in listed(claude, folder)
        assert listed(claude) == ""

    def test_local_scope_from_a_worktree(self, claude: Machine, mlflow_server: str) -> None:
        project = repository(claude)
        linked = claude.home / "linked"
        claude.run("git", "worktree", "add", "--quiet", str(linked), cwd=project)
        claude.install("claude", "--scope", "local", "--tracking-uri", mlflow_server, cwd=linked)
        assert CONNECTED in listed(claude, project)

    def test_project_scope_waits_for_approval_and_connects_then(self, claude: Machine, mlflow_server: str) -> None:
        project = repository(claude)
        output = claude.install("claude", "--scope", "project", "--tracking-uri", mlflow_server, cwd=project)
        assert "approve" in output
        assert "Pending approval" in listed(claude, project / "packages/deep")
        claude.write(".claude/settings.json", {"enabledMcpjsonServers": ["MLflow"]})
        assert CONNECTED in listed(claude, project / "packages/deep")

    def test_a_moved_configuration(self, claude: Machine, mlflow_server: str) -> None:
        claude.variables["CLAUDE_CONFIG_DIR"] = str(claude.home / "moved")
        claude.install("claude", "--tracking-uri", mlflow_server)
        assert CONNECTED in listed(claude)
        del claude.variables["CLAUDE_CONFIG_DIR"]
        assert listed(claude) == ""

    def test_the_legacy_file(self, claude: Machine, mlflow_server: str) -> None:
        claude.write(".claude/.config.json", {})
        claude.install("claude", "--tracking-uri", mlflow_server)
        assert CONNECTED in listed(claude)


class TestEntry:
    def test_who_followed_the_old_instructions(self, claude: Machine, mlflow_server: str) -> None:
        """The entry in settings.json is dead; its tracking URI is shown, with the command that takes it."""
        project = repository(claude)
        env = {"MLFLOW_TRACKING_URI": mlflow_server}
        entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": env}
        claude.write("project/.claude/settings.json", {"mcpServers": {"MLflow": entry}})
        assert listed(claude, project) == ""
        assert "skill-install claude" in claude.run("skill-doctor", "claude", "--offline", cwd=project, expect=1)
        output = claude.install("claude", cwd=project)
        assert f"skill-install claude --tracking-uri {mlflow_server}" in output
        claude.install("claude", "--tracking-uri", mlflow_server, cwd=project)
        assert "Claude Code ignores mcpServers in ~/project/.claude/settings.json" in output
        assert CONNECTED in listed(claude, project)

    def test_a_reference_to_the_users_own_variable(self, claude: Machine, mlflow_server: str) -> None:
        claude.variables["MLFLOW_TRACKING_URI"] = mlflow_server
        claude.install("claude", "--env", "MLFLOW_TRACKING_URI")
        assert "${MLFLOW_TRACKING_URI}" in (claude.home / ".claude.json").read_text()
        assert CONNECTED in listed(claude)

    def test_pinned(self, claude: Machine, mlflow_server: str) -> None:
        claude.install("claude", "--pin", "--tracking-uri", mlflow_server)
        assert CONNECTED in listed(claude)

    def test_claude_codes_own_rewriting_and_the_way_back(self, claude: Machine, mlflow_server: str) -> None:
        claude.install("claude", "--tracking-uri", mlflow_server)
        claude.run("claude", "mcp", "add", "-s", "user", "other", "--", "true")
        assert CONNECTED in listed(claude)
        claude.run("skill-install", "claude", "--check")
        claude.run("skill-uninstall", "claude")
        assert listed(claude) == ""
        servers = json.loads((claude.home / ".claude.json").read_text())["mcpServers"]
        assert list(servers) == ["other"]
        assert not (claude.home / ".claude/skills").exists()

    def test_an_entry_that_claude_mcp_add_wrote_is_ours(self, claude: Machine, mlflow_server: str) -> None:
        variable = f"MLFLOW_TRACKING_URI={mlflow_server}"
        claude.run("claude", "mcp", "add", "-s", "user", "MLflow", "-e", variable, "--", "uvx", "mlflow-mcp")
        before = (claude.home / ".claude.json").read_bytes()
        output = claude.install("claude")
        assert "updated" in output
        assert f"{mlflow_server} (from the entry in ~/.claude.json)" in output
        assert CONNECTED in listed(claude)
        # Claude Code has rewritten its file since; what it was given is back all the same.
        claude.run("skill-uninstall", "claude")
        servers = json.loads((claude.home / ".claude.json").read_text())["mcpServers"]
        assert servers == json.loads(before)["mcpServers"]


class Messages(BaseHTTPRequestHandler):
    """Answers every request for a message with one word, unless told otherwise, and keeps what was asked."""

    def answer(self, asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str]:
        """A block, what is added to it, and why the message ends there."""
        return {"type": "text", "text": ""}, {"type": "text_delta", "text": "hello"}, "end_turn"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)  # type: ignore[attr-defined]
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        block, delta, reason = self.answer(body)
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ]
        text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def messages() -> Iterator[ThreadingHTTPServer]:
    """Stands in for the model's service, on 127.0.0.1: what Claude Code would send is kept in `asked`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Messages)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def started(machine: Machine, messages: ThreadingHTTPServer, cwd: Path | None = None) -> tuple[dict[str, Any], str]:
    """What Claude Code says that it loaded, and the whole of what it sends to the model."""
    variables = {
        **machine.variables,
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{messages.server_address[1]}",
        "ANTHROPIC_API_KEY": "dummy",
        "MCP_CONNECTION_NONBLOCKING": "0",
        "MCP_CONNECT_TIMEOUT_MS": "30000",
    }
    out = subprocess.run(
        ["claude", "-p", "hi", "--output-format", "stream-json", "--verbose"],
        cwd=cwd or machine.home,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    ).stdout
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    loaded = next(event for event in events if event.get("subtype") == "init")
    return loaded, json.dumps(messages.asked)  # type: ignore[attr-defined]


class TestWhatTheModelSees:
    def test_skill_and_tools(self, claude: Machine, mlflow_server: str, messages: ThreadingHTTPServer) -> None:
        claude.install("claude", "--tracking-uri", mlflow_server)
        loaded, sent = started(claude, messages)
        assert "accessing-mlflow" in loaded["skills"]
        assert {"name": "MLflow", "status": "connected"}.items() <= next(
            server for server in loaded["mcp_servers"] if server["name"] == "MLflow"
        ).items()
        assert "mcp__MLflow__query_runs" in loaded["tools"]
        assert "accessing-mlflow" in sent
        assert "mcp__MLflow__query_runs" in sent

    def test_a_projects_own_skill(self, claude: Machine, mlflow_server: str, messages: ThreadingHTTPServer) -> None:
        project = repository(claude)
        claude.install("claude", "--scope", "project", "--tracking-uri", mlflow_server, cwd=project / "packages")
        loaded, sent = started(claude, messages, cwd=project / "packages/deep")
        assert "accessing-mlflow" in loaded["skills"]
        assert "accessing-mlflow" in sent


class TestGuard:
    """The model is not even offered what it is denied."""

    @pytest.mark.parametrize(("scope", "cwd"), [("user", "."), ("project", "."), ("local", "packages/deep")])
    def test_only_what_reads_is_offered(
        self, claude: Machine, mlflow_server: str, messages: ThreadingHTTPServer, scope: str, cwd: str
    ) -> None:
        project = repository(claude)
        claude.install("claude", "--no-verify", "--scope", scope, "--tracking-uri", mlflow_server, cwd=project)
        assert offered(claude, messages, project / cwd) == {tool.name for tool in TOOLS if tool.read_only}

    @pytest.mark.parametrize("pattern", ["mcp__MLflow", "mcp__MLflow__*", "mcp__MLflow__delete_*", "mcp__*"])
    def test_a_pattern_of_the_users_is_counted_for_what_it_denies(
        self, claude: Machine, mlflow_server: str, messages: ThreadingHTTPServer, pattern: str
    ) -> None:
        claude.write(".claude/settings.json", {"permissions": {"deny": [pattern]}})
        claude.install("claude", "--no-verify", "--allow-writes", "--tracking-uri", mlflow_server)
        denied = {tool.name for tool in TOOLS} - offered(claude, messages)
        rules = {tool.name: guard.rule(CLAUDE, SERVER, tool.name) for tool in TOOLS}
        assert denied == {name for name, rule in rules.items() if not guard.missing([rule], [pattern])}

    def test_with_allow_writes_everything_is_offered(
        self, claude: Machine, mlflow_server: str, messages: ThreadingHTTPServer
    ) -> None:
        claude.install("claude", "--no-verify", "--allow-writes", "--tracking-uri", mlflow_server)
        assert offered(claude, messages) == {tool.name for tool in TOOLS}


def offered(machine: Machine, messages: ThreadingHTTPServer, cwd: Path | None = None) -> set[str]:
    """The server's tools that Claude Code offers to the model."""
    loaded, _ = started(machine, messages, cwd)
    return {tool.removeprefix("mcp__MLflow__") for tool in loaded["tools"] if tool.startswith("mcp__MLflow__")}


def test_the_doctor_writes_nothing(claude: Machine, mlflow_server: str) -> None:
    """Not even through the server that it starts, which has a home of its own."""
    claude.install("claude", "--no-verify", "--pin", "--tracking-uri", mlflow_server)
    before = {path: path.stat().st_mtime_ns for path in claude.home.rglob("*")}
    assert "starts (40 tools" in claude.run("skill-doctor", "claude")
    assert {path: path.stat().st_mtime_ns for path in claude.home.rglob("*")} == before
