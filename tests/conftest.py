"""A temporary home with a faked PATH."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import product
from tests.homes import Home, raise_bugs

# A shell starts what runs in the background with Ctrl-C ignored, and nohup with SIGHUP. Programs inherit that, and ours
# respect it; but what they do on a signal is what the tests are about.
for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before the workers of xdist start: they find it in their environment, as all do where tests/run has made it."""
    if product.FOLDER not in os.environ and not session.config.option.collectonly:
        folder = Path(tempfile.mkdtemp(prefix="product-"))
        session.config.stash[_PRODUCT] = folder
        product.make(folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = session.config.stash.get(_PRODUCT, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


_PRODUCT = pytest.StashKey[Path]()


OURS = ("accessing-mlflow-", "sync-upstream.")
"""How the names of temporary files begin that our programs make."""
PYTHONS = "tmp"
"""How those begin that nobody has named. The real MLflow server and client leave such ones, for each file they send."""


@pytest.fixture(autouse=True)
def temporary_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A TMPDIR of the test's own, in which our programs leave nothing unless they are killed."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    if not request.node.get_closest_marker("kills"):
        starts = OURS if request.node.get_closest_marker("real") else (*OURS, PYTHONS)
        assert [path.name for path in folder.iterdir() if path.name.startswith(starts)] == []


@pytest.fixture(autouse=True)
def bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    raise_bugs(monkeypatch)


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
