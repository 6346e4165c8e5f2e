"""No other way to start or to ask: the process and the connection layers are replaced, and every command is run.

What a start or a connection is made of must not come from the project; which of them there are does not matter here.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import mcp.client.stdio  # noqa: F401  # looks at Popen as it is imported, which the layers replace
import pytest

from tests.homes import Home
from tests.traps import HERE, Traps, lay

pytestmark = pytest.mark.slow

OWN = "http://127.0.0.77:7"
THEIRS = "127.0.0.66"
CLIENTS = ("claude", "cursor", "codex")
SCOPES = [("claude", "user"), ("claude", "project"), ("claude", "local")]
SCOPES += [(client, scope) for client in ("cursor", "codex") for scope in ("user", "project")]
COMMANDS = [
    *(f"skill-doctor{who}{how}" for who in ("", " claude cursor codex") for how in ("", " --offline", " --fix")),
    *(
        f"skill-install {client} --scope {scope}{how}"
        for client, scope in SCOPES
        for how in ("", f" --tracking-uri {OWN}", f" --tracking-uri {OWN} --pin", " --check", " --force")
    ),
    *(f"skill-uninstall {client} --scope {scope}{how}" for client, scope in SCOPES for how in ("", " --force")),
]
FORCED = [
    f"skill-install {client} --scope {scope} --force --tracking-uri {OWN}{pin}"
    for client, scope in SCOPES
    for pin in ("", " --pin")
]
TRAPS: dict[str, dict[str, Any]] = {
    "a program": {"command": "HERE"},
    "arguments": {"args": ["--with", "./evil", "--find-links", "evil", "mlflow-mcp"]},
    "variables": {
        "env": {
            "PATH": "./b:/usr/bin",
            "UV_PYTHON": "./python3.12",
            "UV_FIND_LINKS": "evil",
            "UV_CONFIG_FILE": "uv.toml",
            "PYTHONPATH": "evil",
            "LD_PRELOAD": "evil",
        }
    },
    "an address": {},
}


class Layers:
    """What was started and what was connected to, all in vain."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.starts: list[tuple[list[str], str, Mapping[str, str]]] = []
        self.starts_of_all = 0
        self.hosts: list[str] = []
        patch.setattr(subprocess, "Popen", self._start)
        patch.setattr(os, "system", self._start)
        patch.setattr(os, "posix_spawn", self._start)
        patch.setattr(socket.socket, "connect", self._connect)
        patch.setattr(socket, "create_connection", lambda address, *_, **__: self._connect(None, address))
        patch.setattr(http.client.HTTPConnection, "connect", lambda one: self._connect(None, (one.host, one.port)))

    def _start(
        self,
        argv: Sequence[str | Path] | str,
        *_: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        executable: str = "",
        **__: object,
    ) -> NoReturn:
        words = [argv] if isinstance(argv, str) else [str(word) for word in argv]
        variables = os.environ if env is None else env
        self.starts.append(([executable, *words], str(cwd or Path.cwd()), dict(variables)))
        raise FileNotFoundError(2, "started in vain", words[0])

    def _connect(self, _: object, address: Any) -> NoReturn:
        self.hosts.append(str(address[0]))
        raise ConnectionRefusedError(111, "asked in vain")

    def from_project(self, project: Path) -> list[str]:
        """Everything of the starts and the connections that comes from the project.

        Not the scripts of the skill, which uv gets once this program has put them there: test_trust.py has the rest.
        """
        found = [f"connected to {host}" for host in self.hosts if host == THEIRS]
        for words, cwd, env in self.starts:
            if Path(cwd).is_relative_to(project):
                found.append(f"{words} in {cwd}")
            scripts = words[words.index("--script") :] if "--script" in words else []
            found += [f"{word} in {words}" for word in words if word not in scripts and _is_of(word, project)]
            found += [f"{name}={value} for {words}" for name, value in env.items() if _is_of(value, project, name)]
        return found


def _is_of(text: str, project: Path, name: str = "") -> bool:
    if name in ("PWD", "OLDPWD", "PYTEST_CURRENT_TEST"):
        return False
    is_relative = any(part.startswith("./") or part == "." for part in text.split(os.pathsep))
    return str(project) in text or THEIRS in text or "evil" in text or is_relative


@pytest.fixture
def python() -> str:
    """The interpreter, before the home fixture hides it."""
    return sys.executable


@pytest.fixture
def traps(python: str, home: Home) -> Traps:
    """A project with the same trap in the files of every client, live and dead, and skills of its own."""
    return lay(home, python)


def fill(traps: Traps, members: dict[str, Any]) -> None:
    for client in CLIENTS:
        own = {**members, "command": HERE[client]} if members.get("command") == "HERE" else members
        traps.entry(client, f"http://{THEIRS}:6", **own)
    entry = (traps.project / ".mcp.json").read_bytes()
    for name in (".claude/settings.json", ".claude/settings.local.json", ".claude/mcp.json", ".claude.json"):
        traps.home.write(f"project/{name}", entry)


@pytest.mark.parametrize("members", TRAPS.values(), ids=TRAPS)
def test_no_command_starts_or_asks_what_comes_from_the_project(
    traps: Traps, members: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(traps, members)
    layers = Layers(monkeypatch)
    for line in COMMANDS:
        traps.home.run(line, expect=None)
        assert layers.from_project(traps.project) == [], line
        layers.starts_of_all += len(layers.starts)
        layers.starts.clear()
    assert layers.starts_of_all  # of the user's own entries
    assert "127.0.0.77" in layers.hosts


@pytest.mark.parametrize("members", TRAPS.values(), ids=TRAPS)
def test_what_force_writes_is_all_our_own(
    traps: Traps, members: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(traps, members)
    layers = Layers(monkeypatch)
    for line in FORCED:
        traps.home.run(line)
        assert layers.from_project(traps.project) == [], line


@pytest.mark.parametrize("members", TRAPS.values(), ids=TRAPS)
def test_neither_after_a_change_of_what_was_installed(
    traps: Traps, members: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git pull` brings it."""
    for client in CLIENTS:
        traps.home.run(f"skill-install {client} --scope project --no-verify --tracking-uri {OWN}")
    fill(traps, members)
    layers = Layers(monkeypatch)
    for line in COMMANDS:
        if line.startswith("skill-uninstall") or "--scope project" in line:
            continue
        traps.home.run(line, expect=None)
        assert layers.from_project(traps.project) == [], line
