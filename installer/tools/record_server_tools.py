"""Rewrite the table of tools in skills/bundle.toml from the live MCP server, or compare the two.

    python installer/tools/record_server_tools.py [--check] [--bundle-file FILE]

Starts `uvx <package>==<tested>` as the table's own [server] says, so a new version is recorded by changing `tested`
and running this. Needs uvx, the network (or uv's cache), mcp and tomlkit. Exits with 1 where --check finds a
difference, with 2 where the server does not answer.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import tomlkit

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "installer"))

from accessing_mlflow import mcp_server  # noqa: E402
from accessing_mlflow.bundle import Tool  # noqa: E402
from accessing_mlflow.errors import InstallerError  # noqa: E402

START_LIMIT = 300.0
"""Seconds for the server to start and answer; a first start downloads the package."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Record the MCP server's tools and their marks in bundle.toml.")
    parser.add_argument("--check", action="store_true", help="write nothing; print what differs and exit with 1")
    parser.add_argument("--bundle-file", type=Path, default=REPOSITORY / "skills" / "bundle.toml", metavar="FILE")
    options = parser.parse_args(arguments)

    path: Path = options.bundle_file
    before = path.read_text(encoding="utf-8")
    server = tomlkit.parse(before)["server"]
    requirement = f"{server['package']}=={server['tested']}"
    try:
        after = with_tools(before, live_tools(requirement))
    except InstallerError as error:
        print(error, error.fix, sep="\n", file=sys.stderr)
        return 2
    if before == after:
        print(f"{path}: the same as {requirement}")
        return 0
    if options.check:
        changed = difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), requirement, lineterm="")
        print("\n".join(changed))
        return 1
    path.write_text(after, encoding="utf-8")
    print(f"{path}: tools of {requirement} recorded")
    return 0


def live_tools(requirement: str) -> tuple[Tool, ...]:
    """The tools that the server of this requirement lists, with its marks. Raises mcp_server.ServerError."""
    uvx = shutil.which("uvx") or str(Path(sys.executable).with_name("uvx"))
    # The server needs an address but asks nothing of it until a tool is called.
    env = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    return mcp_server.probe(uvx, [requirement], env, timeout=START_LIMIT).tools


def with_tools(text: str, tools: Iterable[Tool]) -> str:
    """The text of a bundle.toml with these tools, sorted, in place of its own; all else stays as it is."""
    document = tomlkit.parse(text)
    table = document["server"]["tools"]
    for name in list(table):
        del table[name]
    for tool in sorted(tools, key=lambda tool: tool.name):
        marks = tomlkit.inline_table()
        marks.update({"read_only": tool.read_only, "destructive": tool.destructive})
        table[tool.name] = marks
    return tomlkit.dumps(document)


if __name__ == "__main__":
    sys.exit(main())
