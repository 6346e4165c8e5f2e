"""A home whose `uvx` starts an MCP server of a few lines of Python; and the doctor as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from shlex import quote

from accessing_mlflow import bundle
from tests import product
from tests.children import PYTHON
from tests.homes import Home
from tests.test_mcp_server import START

GOOD = """
import pathlib
settings = pathlib.Path(os.environ["HOME"], ".config", "mlflow")
settings.mkdir(parents=True, exist_ok=True)
(settings / "telemetry.json").write_text("{}")
serve([TOOLS])
"""
"""Lists the tools of the tested version; writes into its home, as the real one does."""


def with_server(home: Home, script: str = GOOD) -> Path:
    """Puts a uvx on PATH that has every package and starts `script`; gives the file of its process numbers."""
    born, server = home.path.parent / "born", home.path.parent / "server.py"
    tools = [
        {"name": tool.name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": tool.read_only}}
        for tool in bundle.load().server.tools
    ]
    start = START.replace('os.environ["PIDS"]', repr(str(born)))
    server.write_text(
        f"{start}\nBORN = {str(born)!r}\nTOOLS = json.loads({json.dumps(tools)!r})\n{script}", encoding="utf-8"
    )
    home.variable("PATH", os.pathsep.join([str(home.programs), "/usr/bin", "/bin"]))  # with ps
    others = "*--from*) exit 0;;\n  --version) echo uvx 0.13.9; exit 0;;"
    home.program("uvx", f'#!/bin/sh\ncase "$*" in\n  {others}\nesac\nexec {quote(PYTHON)} {quote(str(server))}\n')
    return born


def start_doctor(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    """Start the installed `skill-doctor` in the environment that the test has made."""
    environ = {**os.environ, **options.pop("env", {})}  # type: ignore[dict-item]
    return subprocess.Popen([product.program("skill-doctor"), *arguments], env=environ, **options)  # type: ignore[call-overload, no-any-return]
