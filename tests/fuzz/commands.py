"""The commands on any bytes in the clients' files: refused, or no trace left by installing and uninstalling."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.documents.reference import NotADocument, Reference, as_python
from tests.fuzz.edits import comments_outside, deeply, time_limit
from tests.homes import COMMANDS, URI, Home, raise_bugs

FILES = (".claude.json", ".cursor/mcp.json", ".claude/settings.json")
SECONDS = 10
"""The processor time that one command may take."""

_INSTALL = f"skill-install claude cursor --no-verify --tracking-uri {URI}"
_UNINSTALL = "skill-uninstall claude cursor"
_EDITED = (".claude.json", ".cursor/mcp.json")
_STATE = ".local/state/"


@contextmanager
def home_in(folder: Path) -> Iterator[Home]:
    """A home folder with uvx on PATH and nothing else, to be used again and again."""
    with pytest.MonkeyPatch.context() as patch:
        home = Home(folder / "home", folder / "programs", patch)
        for name in [name for name in os.environ if name.startswith(("XDG_", "UV", "MLFLOW_", "CLAUDE_"))]:
            patch.delenv(name)
        home.variable("HOME", str(home.path))
        home.variable("PATH", str(home.programs))
        patch.setattr(sys, "executable", str(folder / "python3"))
        home.program("uvx")
        hurry(patch)
        (folder / "work").mkdir()
        patch.chdir(folder / "work")
        yield home


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Has nothing wait for the disk: no power fails here."""
    patch.setattr(os, "fsync", lambda descriptor: None)
    raise_bugs(patch)


def check_commands(home: Home, files: Mapping[str, bytes], change: Callable[[bytes], bytes] | None = None) -> str:
    """Installs for both clients on just these files, and uninstalls; gives what came of it.

    `change`: what another program makes of each file in between. Raises AssertionError for a wrong result, TookTooLong,
    and whatever a command lets out.
    """
    shutil.rmtree(home.path, ignore_errors=True)
    home.path.mkdir()
    for name, data in files.items():
        home.write(name, data)
    before = _files(home)
    if not _runs(home, _INSTALL):
        _runs(home, _UNINSTALL)
        return "refused"
    installed = _files(home)
    for name in _EDITED:
        _check_installed(files.get(name, b""), installed[name])
    if change:
        return _check_changed(home, {name: change(installed[name]) for name in _EDITED})
    assert _runs(home, _UNINSTALL), "what was installed cannot be uninstalled"
    assert _files(home) == before, "installed and uninstalled is not as before"
    return "installed"


def _check_changed(home: Home, changed: Mapping[str, bytes]) -> str:
    """Uninstalling takes away nothing but the entry, or refuses."""
    for name, data in changed.items():
        home.write(name, data)
    if not _runs(home, _UNINSTALL):
        return "installed, changed, refused"
    left = _files(home)
    for name, data in changed.items():
        _check_left(data, left.get(name, b""))
    return "installed, changed"


def _check_left(before: bytes, after: bytes) -> None:
    """All but the entry is what it was; of an entry that stays, all but what the commands may set."""
    try:
        with deeply():
            was, now = Reference(before), Reference(after)
            assert was.data[0] == "object", "it has to be refused"
            old, new = _entry(was), _entry(now)
            assert _others(was) == _others(now), "it took away something else"
            if old and new:
                assert _members(old) == _members(new), "it changed something else in the entry"
                assert _comments(was) == _comments(now), "it took comments away"
    except NotADocument:
        raise AssertionError("it has to be refused") from None
    except RecursionError:  # too deep for the plain parser
        return


def _others(document: Reference) -> list[Any]:
    """What is in the document beside our entry."""
    rest = []
    for key, (kind, servers) in document.data[1]:
        if key == "mcpServers" and kind == "object":
            servers = [server for server in servers if server[0] != "MLflow"]
        if key != "mcpServers" or servers:
            rest.append((key, kind, servers))
    return rest


def _entry(document: Reference) -> Any:
    """Our entry's data; None where there is none."""
    kind, servers = dict(document.data[1]).get("mcpServers", ("", []))
    return dict(servers).get("MLflow") if kind == "object" else None


def _comments(document: Reference) -> list[str]:
    """The comments outside of our entry: in it, they go with the values that go."""
    start, end = min(document.objects), 0
    for name in ("mcpServers", "MLflow"):
        members = document.objects[start].members
        start, end = next(member[2:] for member in reversed(members) if member[0] == name)
    return comments_outside(document, start, end)


def _members(entry: Any) -> Any:
    kind, members = entry
    return {key: value for key, value in members if key not in ("command", "env")} if kind == "object" else members


def _check_installed(before: bytes, after: bytes) -> None:
    """The entry is there, for any parser, and so is every comment."""
    try:
        with deeply():
            was, now = Reference(before), Reference(after)
            entry = as_python(_entry(now))
            assert entry["env"]["MLFLOW_TRACKING_URI"] == URI, "another tracking URI"
            assert was.comments == now.comments, "it changed comments"
    except RecursionError:  # too deep for the plain parser
        return


def _files(home: Home) -> dict[str, bytes]:
    """All files but this program's own."""
    return {name: data for name, data in home.files().items() if not name.startswith(_STATE)}


def _runs(home: Home, line: str) -> bool:
    """Whether the command does it; if it refuses, it must not have written anything."""
    before = _files(home)
    name, *arguments = line.split()
    with time_limit(SECONDS):
        code = CliRunner().invoke(COMMANDS[name], arguments, catch_exceptions=False).exit_code
    assert code in (0, 1), f"{name}: exit code {code}"
    assert code == 0 or _files(home) == before, "refused, and something was written"
    return code == 0
