"""A temporary home with a faked PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.homes import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home folder with uv and uvx on PATH and nothing else."""
    path, programs, work = tmp_path / "home", tmp_path / "programs", tmp_path / "work"
    for folder in (path, programs, work):
        folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("XDG_", "UV", "MLFLOW_", "CLAUDE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.setenv("PATH", str(programs))
    # The interpreter of the tests may have a uvx beside it.
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python3"))
    monkeypatch.chdir(work)
    result = Home(path, programs, monkeypatch)
    result.program("uvx")
    result.program("uv")
    return result
