"""The programs that are compared: one row each.

In commands `{name}` is the server's name, `{number}` the number of a write, `{home}` the throw-away home and
`{bin}` the folder the program was installed into.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import running

URI = "http://127.0.0.1:5000"
CLAUDE, CURSOR = "claude", "cursor"
FILES = {CURSOR: ".cursor/mcp.json", CLAUDE: ".claude.json"}
"""What each client reads, below the home."""
WRITES = 40
"""Writes in a race."""


def nothing(_program: Tool, _home: Path) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Tool:
    """A row: how the program puts `uvx mlflow-mcp` with MLFLOW_TRACKING_URI into a client's file."""

    title: str
    package: str
    """As the registry has it, with its version; empty for this project, which is taken from PATH."""
    registry: str
    """`npm` or `python`."""
    commands: Mapping[str, tuple[str, ...]]
    """By client."""
    entry: tuple[str, ...] = ("mcpServers", "{name}")
    """The keys that lead to what the command writes."""
    race: tuple[str, ...] = ()
    """Arguments that make each write in a race a different one, where the name does not do it."""
    effect: tuple[str, ...] = ()
    """The keys that lead to what one write in a race adds, where it is not `entry`."""
    owns_file: bool = False
    """Whether the file is the program's own state, where it may add keys of its own."""
    again: int = 0
    """The exit code of a second run."""
    prepare: Callable[[Tool, Path], None] = nothing
    """What must be in a home before, made once and copied."""
    notes: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    """Why a client has no command."""
    bin: str = ""
    """Set once it is installed."""

    def command(self, client: str, home: Path, name: str = "MLflow") -> list[str]:
        """The command line. Raises NotApplicableError where the program cannot write that client's file."""
        if client not in self.commands:
            raise running.NotApplicableError(self.absent.get(client, f"does not write `~/{FILES[client]}`"))
        return [word.format(name=name, home=home, bin=self.bin) for word in self.commands[client]]

    def racing(self, client: str, home: Path, number: int) -> list[str]:
        """The command line of one write in a race."""
        extra = [word.format(number=number) for word in self.race]
        return [*self.command(client, home, "MLflow" if self.race else f"S{number}"), *extra]

    def keys(self, name: str = "MLflow") -> list[str]:
        """The keys that lead to the entry."""
        return [key.format(name=name) for key in self.entry]

    def effect_of(self, number: int) -> list[str]:
        """The keys that lead to what a write in a race adds."""
        return [key.format(name=f"S{number}", number=number) for key in self.effect or self.entry]

    def fallback(self, client: str) -> str:
        """`client`, or the only one whose file the program writes."""
        return client if client in self.commands else next(iter(self.commands))


def server_file(_tool: Tool, home: Path) -> None:
    """fastmcp installs a Python file and nothing else."""
    (home / "server.py").write_text('from fastmcp import FastMCP\n\nmcp = FastMCP("MLflow")\n', encoding="utf-8")


def registered_servers(tool: Tool, home: Path) -> None:
    """mcpm writes only servers that it knows: one is made by itself, those for the races are copies of that one."""
    new = ["new", "MLflow", "--type", "stdio", "--command", "uvx", "--args", "mlflow-mcp"]
    made = running.run([f"{tool.bin}/mcpm", *new, "--env", f"MLFLOW_TRACKING_URI={URI}", "--force"], home)
    file = home / ".config/mcpm/servers.json"
    if made.code or not file.is_file():
        raise running.NotApplicableError(f"mcpm new: exit {made.code}")
    servers: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for number in range(WRITES):
        servers[f"S{number}"] = {**servers["MLflow"], "name": f"S{number}"}
    file.write_text(json.dumps(servers, indent=2), encoding="utf-8")


TOOLS = (
    Tool(
        title="accessing-mlflow",
        package="",
        registry="",
        commands={
            client: ("skill-install", client, "--no-verify", "--tracking-uri", URI) for client in (CURSOR, CLAUDE)
        },
        race=("--env", "N{number}=1"),
        effect=("mcpServers", "MLflow", "env", "N{number}"),
        notes=(
            "accessing-mlflow also installs the skill and keeps its record in the same run; in the races each run adds "
            "a variable to one entry (`--env N<i>=1`), the others add 40 entries.",
        ),
    ),
    Tool(
        title="claude mcp add",
        package="@anthropic-ai/claude-code@2.1.330",
        registry="npm",
        commands={
            CLAUDE: (
                "{bin}/claude",
                *("mcp", "add", "-s", "user", "{name}"),
                *("-e", f"MLFLOW_TRACKING_URI={URI}", "--", "uvx", "mlflow-mcp"),
            )
        },
        owns_file=True,
        again=1,  # it says that the entry is there
        notes=(
            "`claude mcp add` edits `~/.claude.json` in every row. That is its own file: the keys it adds there for "
            "itself do not count.",
        ),
    ),
    Tool(
        title="add-mcp",
        package="add-mcp@2.4.0",
        registry="npm",
        commands={
            client: (
                "{bin}/add-mcp",
                *("uvx mlflow-mcp", "-g", "-y", "-a", agent, "-n", "{name}"),
                *("--env", f"MLFLOW_TRACKING_URI={URI}"),
            )
            for client, agent in ((CURSOR, "cursor"), (CLAUDE, "claude-code"))
        },
    ),
    Tool(
        title="install-mcp",
        package="install-mcp@1.10.2",
        registry="npm",
        commands={
            client: (
                "{bin}/install-mcp",
                f"env MLFLOW_TRACKING_URI={URI} uvx mlflow-mcp",
                *("--name", "{name}", "--client", name, "--oauth", "no", "-y"),
            )
            for client, name in ((CURSOR, "cursor"), (CLAUDE, "claude-code"))
        },
        notes=("install-mcp has no option for variables: its entry runs `env NAME=VALUE uvx mlflow-mcp`.",),
    ),
    Tool(
        title="fastmcp",
        package="fastmcp==4.1.2",
        registry="python",
        commands={
            CURSOR: (
                "{bin}/fastmcp",
                *("install", "cursor", "{home}/server.py", "--name", "{name}", "--workspace", "{home}"),
                *("--env", f"MLFLOW_TRACKING_URI={URI}"),
            )
        },
        prepare=server_file,
        absent={CLAUDE: "runs `claude mcp add`"},
        notes=(
            "fastmcp installs a Python file only, so its entry is for a three-line server. Its 31 MB file is Cursor's, "
            "with the same content.",
        ),
    ),
    Tool(
        title="mcpm",
        package="mcpm==2.15.0",
        registry="python",
        commands={
            client: ("{bin}/mcpm", "client", "edit", name, "--add-server", "{name}", "--force")
            for client, name in ((CURSOR, "cursor"), (CLAUDE, "claude-code"))
        },
        entry=("mcpServers", "mcpm_{name}"),
        prepare=registered_servers,
        notes=(
            "mcpm writes an entry that runs `mcpm run MLflow`. Only its `client edit` is measured, not the `mcpm new` "
            "that it needs before.",
        ),
    ),
)
