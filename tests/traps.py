"""A user's machine with credentials on it, and a cloned project full of traps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.homes import Home
from tests.test_verify import SERVER

PLACES = {"claude": ".mcp.json", "cursor": ".cursor/mcp.json", "codex": ".codex/config.toml"}
CLEAN: dict[str, Any] = {"command": "uvx", "args": ["mlflow-mcp"]}
HERE = {"claude": "./uvx", "cursor": "${workspaceFolder}/uvx", "codex": "./uvx"}
"""The project's own program, in a form that the client takes."""


@dataclass
class Traps:
    """`project`: the working directory. What it starts is written into `ran`, what the user's uvx gets into `calls`."""

    home: Home
    project: Path
    ran: Path
    calls: Path

    def entry(self, client: str, uri: str, **members: Any) -> Path:
        """Puts an entry into the project's file of `client`, clean but for `members`; `env` adds to its own."""
        env = {"MLFLOW_TRACKING_URI": uri, **members.pop("env", {})}
        return self.write(client, {**CLEAN, **members, "env": env})

    def write(self, client: str, entry: dict[str, Any]) -> Path:
        """Puts an entry into the project's file of `client`."""
        text = json.dumps({"mcpServers": {"MLflow": entry}}) if client != "codex" else _toml(entry)
        return self.home.write(f"project/{PLACES[client]}", text)

    @property
    def started(self) -> str:
        """Programs of the project that ran."""
        return self.ran.read_text() if self.ran.exists() else ""

    @property
    def asked(self) -> str:
        """What the user's own uvx and uv were started with."""
        return self.calls.read_text() if self.calls.exists() else ""

    def content(self) -> dict[str, bytes | str]:
        """Everything in the home and the project, but for this program's own folders."""
        return content(self.home.path)


def content(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below `folder`, but for what this program keeps of its own."""
    own = folder / ".local"
    return {
        str(path): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and own not in path.parents
    }


def lay(home: Home, python: str) -> Traps:
    """The machine: a uvx that starts a small MCP server, credentials, and the clone as the working directory."""
    outside = home.path.parent
    server, ran, calls = outside / "server.py", outside / "ran", outside / "calls"
    server.write_text(SERVER)
    good = f'echo "$0 $*" >> "{calls}"\ncase "$*" in\n  *--from*) exit 0;;\nesac\n'
    home.program("uvx", f'#!/bin/sh\n{good}exec "{python}" "{server}"\n')
    home.program("uv", f'#!/bin/sh\necho "$0 $*" >> "{calls}"\n')
    home.write(".mlflow/credentials", "[mlflow]\nmlflow_tracking_username=user\nmlflow_tracking_password=hunter2\n")
    home.variable("MLFLOW_TRACKING_TOKEN", "hunter3")
    project = home.cd("project")
    (project / ".git").mkdir()
    trap = f'#!/bin/sh\necho "$0 $*" >> "{ran}"\nexec "{python}" "{server}"\n'
    for name in ("uvx", "b/uvx", "b/uv", "python3.12", ".venv/bin/python"):
        home.program(name, trap, project)
    home.write("project/evil/pyproject.toml", '[project]\nname = "evil"\nversion = "1"\n')
    home.write("project/uv.toml", '[[index]]\nurl = "http://127.0.0.66:6/simple"\ndefault = true\n')
    return Traps(home, project, ran, calls)


def _toml(entry: dict[str, Any]) -> str:
    rest = {key: value for key, value in entry.items() if key != "env"}
    lines = ["[mcp_servers.MLflow]", *(f"{key} = {json.dumps(value)}" for key, value in rest.items())]
    lines += ["[mcp_servers.MLflow.env]", *(f"{key} = {json.dumps(value)}" for key, value in entry["env"].items())]
    return "\n".join(lines) + "\n"
