"""Commands that the user can really type."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from .environment import APP, Environment
from .uvx import is_in_cache


def runnable(command: str, env: Environment) -> str:
    """`command`, one of this program's own, so that it works in the user's shell.

    Run from a throw-away environment (`uvx --from ...`) the commands are not on PATH; then uvx goes before them.
    """
    name = command.split()[0]
    if _on_path(name, env):
        return command
    if is_in_cache(Path(sys.prefix), env):
        runner = "uvx" if _on_path("uvx", env) else "python3 -m uv tool run"
        return f"{runner} --from {_quoted(_source(), env)} {command}"
    beside = Path(env.interpreter).parent / name
    return command.replace(name, _quoted(str(beside), env), 1) if beside.exists() else command


def _quoted(source: str, env: Environment) -> str:
    return env.shown_in_command(shlex.quote(source))


def _on_path(name: str, env: Environment) -> bool:
    import shutil

    found = shutil.which(name, path=env.variables.get("PATH", ""))
    return found is not None and not is_in_cache(Path(found), env)


def _source() -> str:
    """Where this distribution was installed from, as uv takes it: a path, a repository's commit, else its name."""
    import json
    from importlib.metadata import distribution
    from urllib.parse import unquote, urlsplit

    origin = json.loads(distribution(APP).read_text("direct_url.json") or "{}")
    url = origin.get("url", "")
    if "vcs_info" in origin:
        return f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    if url.startswith("file:"):
        return unquote(urlsplit(url).path)
    return url or f"{APP}=={distribution(APP).version}"
