"""Puts the programs, each at its version, into a cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .running import NotApplicableError
from .tools import Tool

SECONDS = 600


def installed(tool: Tool, cache: Path) -> Tool:
    """The tool with its `bin`. Raises NotApplicableError with what the package manager says."""
    if not tool.package:
        program = shutil.which("skill-install")
        if program is None:
            raise NotApplicableError("skill-install is not on PATH: install this project first")
        return replace(tool, bin=str(Path(program).parent))
    folder = cache / tool.package.replace("/", "-").lstrip("@")
    bin_folder = folder / ("node_modules/.bin" if tool.registry == "npm" else "bin")
    done = folder / "installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for command in _commands(tool, folder):
            _call(command)
        done.touch()
    return replace(tool, bin=str(bin_folder))


def _commands(tool: Tool, folder: Path) -> list[list[str]]:
    if tool.registry == "npm":
        return [["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), tool.package]]
    uv = ["uv", "--quiet"]
    return [
        [*uv, "venv", "--allow-existing", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "--python", str(folder / "bin/python"), tool.package],
    ]


def _call(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise NotApplicableError(f"{command[0]} is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise NotApplicableError(f"{command[0]} took more than {SECONDS} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise NotApplicableError(f"{command[0]}: {lines[-1]}")
