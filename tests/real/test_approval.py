"""What Claude Code starts, and what the doctor says that it starts: the same, whoever approved or switched off what."""

from __future__ import annotations

import json
import sys
from shlex import quote
from typing import Any

import pytest

from tests.real.machines import Machine

pytestmark = pytest.mark.real

OURS = ["MLflow"]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("pending", {}),
    ("pending", {"state": {"enabledMcpjsonServers": OURS}}),
    ("pending", {"local": {"enabledMcpjsonServers": OURS}}),
    ("approved", {"user": {"enabledMcpjsonServers": OURS}}),
    ("approved", {"user": {"enableAllProjectMcpServers": True}}),
    ("approved", {"state": {"enabledMcpjsonServers": OURS, "hasTrustDialogAccepted": True}}),
    ("approved", {"state": {"hasTrustDialogAccepted": True}, "local": {"enabledMcpjsonServers": OURS}}),
    ("approved", {"state": {"hasTrustDialogAccepted": True}, "project": {"enableAllProjectMcpServers": True}}),
    ("off", {"user": {"enabledMcpjsonServers": OURS, "disabledMcpjsonServers": OURS}}),
    ("off", {"user": {"enabledMcpjsonServers": OURS}, "project": {"disabledMcpjsonServers": OURS}}),
    ("off", {"user": {"enabledMcpjsonServers": OURS}, "state": {"disabledMcpjsonServers": OURS}}),
    ("off", {"user": {"enabledMcpjsonServers": OURS}, "state": {"disabledMcpServers": OURS}}),
    ("off", {"user": {"enabledMcpjsonServers": OURS, "deniedMcpServers": [{"serverName": "MLflow"}]}}),
    ("off", {"user": {"enabledMcpjsonServers": OURS, "allowedMcpServers": [{"serverName": "other"}]}}),
]
STATUS = {"approved": None, "pending": "warning", "off": "error"}
SERVER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        version, info = message["params"]["protocolVersion"], {"name": "fake", "version": "1"}
        result = {"protocolVersion": version, "capabilities": {}, "serverInfo": info}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


@pytest.mark.parametrize("users", [False, True], ids=["alone", "beside the user's"])
@pytest.mark.parametrize(("verdict", "files"), CASES)
def test_the_doctor_says_what_the_client_does(
    claude: Machine, verdict: str, files: dict[str, dict[str, Any]], users: bool
) -> None:
    project = claude.home / "project"
    project.mkdir()
    claude.run("git", "init", "--quiet", str(project))
    (claude.home / "server.py").write_text(SERVER)
    uvx = claude.home / "bin/uvx"
    uvx.parent.mkdir()
    uvx.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} {quote(str(claude.home))}/server.py "$2"\n')
    uvx.chmod(0o755)
    state: dict[str, Any] = {"projects": {str(project): files.get("state", {})}}
    if users:
        state["mcpServers"] = {"MLflow": {"command": str(uvx), "args": ["mlflow-mcp", "users"]}}
    claude.write(".claude.json", state)
    claude.write(".claude/settings.json", files.get("user", {}))
    claude.write("project/.claude/settings.json", files.get("project", {}))
    claude.write("project/.claude/settings.local.json", files.get("local", {}))
    claude.write(
        "project/.mcp.json", {"mcpServers": {"MLflow": {"command": str(uvx), "args": ["mlflow-mcp", "projects"]}}}
    )

    lines = claude.run("claude", "mcp", "list", cwd=project).splitlines()
    listed = next((line for line in lines if line.startswith("MLflow:")), "")
    data = json.loads(claude.run("skill-doctor", "claude", "--offline", "--json", cwd=project, expect=None))

    found = {check["scope"]: check["status"] for check in data["checks"] if check["id"] == "approval"}
    assert found.get("project") == STATUS[verdict]
    assert ("projects" in listed and "✔ Connected" in listed) is (verdict == "approved")
    assert ("Pending approval" in listed) is (verdict == "pending" and not users)
    # Where the client uses the user's entry, that is the one that the doctor looks into.
    winner = next(check["scope"] for check in data["checks"] if check["id"] == "tracking-uri")
    assert winner == ("user" if "users" in listed and "projects" not in listed else winner)
    assert ("users" in listed and "✔ Connected" in listed) is (users and verdict != "approved" and "user" not in found)


def test_the_variables_of_the_users_settings_reach_the_server(claude: Machine) -> None:
    """Over the shell's, and where an entry refers to them."""
    (claude.home / "server.py").write_text("import os\nopen('seen', 'w').write(os.environ['COPY'])\n" + SERVER)
    entry = {"command": sys.executable, "args": [str(claude.home / "server.py")], "env": {"COPY": "${TEAM}"}}
    claude.write(".claude.json", {"mcpServers": {"MLflow": entry}})
    claude.write(".claude/settings.json", {"env": {"TEAM": "from the settings"}})
    claude.variables["TEAM"] = "from the shell"
    assert "✔ Connected" in claude.run("claude", "mcp", "list")
    assert (claude.home / "seen").read_text() == "from the settings"
