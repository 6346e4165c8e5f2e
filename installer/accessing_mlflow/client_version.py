"""Which version of a client is here, read from where its program lies: asking the program would start it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from . import clients
from .clients import Client
from .environment import Environment

# npm's packages, and Electron's on Linux, Windows and macOS, from the folder of the program or one above it.
_MANIFESTS = ("package.json", "resources/app/package.json", "Contents/Resources/app/package.json")
_LEVELS = 4
_LIMIT = 1 << 20
# `~/.local/share/claude/versions/2.1.330`, as the clients' own installers lay them out.
_FOLDER = re.compile(r"/versions/v?(\d+\.[\w.+-]+)")


def version(client: Client, env: Environment) -> str:
    """The version of `client`; empty where it cannot be told."""
    for program in clients.programs(client, env):
        try:
            real = program.resolve()
        except (OSError, RuntimeError):  # a loop of links
            continue
        match = _FOLDER.search(real.as_posix())
        if match:
            return match[1]
        for folder in (real, *real.parents[:_LEVELS]):
            for name in _MANIFESTS:
                found = _stated(folder / name, client)
                if found:
                    return found
    return ""


def _stated(manifest: Path, client: Client) -> str:
    """The version in a package.json, if that is the client's own: another project may lie above the program."""
    try:
        if not manifest.is_file() or manifest.stat().st_size > _LIMIT:
            return ""
        data = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(data, dict) or client.name not in str(data.get("name")).lower():
        return ""
    found = data.get("version")
    return found if isinstance(found, str) and re.fullmatch(r"\d[\w.+-]{0,40}", found) else ""
