"""How each client fills in variables in an entry before it starts the server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .environment import Environment
from .project import worktree


def claude(text: str, env: Environment) -> str:
    """Claude Code: `${NAME}` and `${NAME:-default}`; an unset name without default stays as literal text."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = env.variables.get(name)
        if found is None:
            return match.group() if default is None else default
        return found

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text)


def cursor(text: str, env: Environment) -> str:
    """Cursor: `${env:NAME}` and its own names, from its documentation; an unset name becomes empty."""
    folder = worktree(env.cwd) or env.cwd
    names = {
        "userHome": str(env.home),
        "workspaceFolder": str(folder),
        "workspaceFolderBasename": folder.name,
        "pathSeparator": "\\" if env.platform == "win32" else "/",
        "/": "\\" if env.platform == "win32" else "/",
    }

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name.startswith("env:"):
            return env.variables.get(name.removeprefix("env:"), "")
        return names.get(name, match.group())

    return re.sub(r"\$\{([^}]+)\}", value, text)


def uv_folders(env: Environment) -> dict[str, str]:
    """Variables that lead uv to the user's own cache, interpreters, tools and settings from under another HOME.

    The places are those that uv's documentation gives for Linux and macOS.
    """
    cache = Path(env.variables.get("XDG_CACHE_HOME") or env.home / ".cache") / "uv"
    data = Path(env.variables.get("XDG_DATA_HOME") or env.home / ".local" / "share") / "uv"
    settings = Path(env.variables.get("XDG_CONFIG_HOME") or env.home / ".config") / "uv" / "uv.toml"
    netrc = env.home / ".netrc"
    found: dict[str, Any] = {
        "UV_CACHE_DIR": cache,
        "UV_PYTHON_INSTALL_DIR": data / "python",
        "UV_TOOL_DIR": data / "tools",
    }
    if settings.is_file():
        found["UV_CONFIG_FILE"] = settings
    if netrc.is_file():
        found["NETRC"] = netrc
    return {name: env.variables.get(name) or str(value) for name, value in found.items()}
