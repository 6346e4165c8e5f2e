"""How each client fills in variables in an entry before it starts the server."""

from __future__ import annotations

import re

from .environment import Environment
from .project import worktree

CLAUDE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
CURSOR = re.compile(r"\$\{(?:env:(\w+)|(userHome|workspaceFolder|workspaceFolderBasename|pathSeparator|/))\}")


BY_NAME = re.compile(r"\$\{(\w+)\}")


def by_name(text: str, env: Environment) -> str:
    """A client that passes on variables by their name only: see `dialects`."""
    return BY_NAME.sub(lambda match: env.variables.get(match.group(1), match.group()), text)


def claude(text: str, env: Environment) -> str:
    """Claude Code: `${NAME}` and `${NAME:-default}`; an unset name without default stays as literal text."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = env.variables.get(name)
        if found is None:
            return match.group() if default is None else default
        return found

    return CLAUDE.sub(value, text)


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
        variable, name = match.groups()
        return names[name] if name else env.variables.get(variable, "")

    return CURSOR.sub(value, text)
