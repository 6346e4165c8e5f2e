"""uv runs nothing that a project brings: with a `.venv` in it that leaves a mark when its Python is run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.machines import REPOSITORY, Machine
from tests.real.test_skill_contract import commands

pytestmark = pytest.mark.real

SKILL = REPOSITORY / "skills" / "accessing-mlflow"
PYTHONS = ("python", "python3", *(f"python3.{minor}" for minor in range(10, 15)))
URI = "http://127.0.0.1:9"


class Project:
    """A cloned repository: every way to name a Python in it leads to the trap. `mark` is there once it was run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder.parent / "the-trap-was-run"
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name in PYTHONS:
            trap = programs / name
            trap.write_text(f'#!/bin/sh\necho "$0 $*" >> "{self.mark}"\nexit 1\n')
            trap.chmod(0o755)
        (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.0\n")
        (folder / ".python-version").write_text(f"{programs / 'python'}\n")
        (folder / "deep" / "er").mkdir(parents=True)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "a project ü")


@pytest.fixture
def fresh(machine: Machine, uv_cache: Path, tmp_path: Path) -> Iterator[Machine]:
    """The machine with a cache of uv that has packages, but no environment and no interpreter in it."""
    cache = tmp_path / "uv-cache"
    cache.mkdir()
    for bucket in uv_cache.iterdir():
        if not bucket.name.startswith(("environments-", "interpreter-", ".")):
            (cache / bucket.name).symlink_to(bucket)
    machine.variables["UV_CACHE_DIR"] = str(cache)
    yield machine
    shutil.rmtree(cache, ignore_errors=True)


def environments(machine: Machine) -> list[Path]:
    """Those that uv has made in the cache of the machine."""
    return sorted(Path(machine.variables["UV_CACHE_DIR"]).glob("environments-*/*"))


def test_the_trap_works(fresh: Machine, project: Project) -> None:
    """Where uv runs in the project, this Python is what it runs."""
    fresh.run("uv", "run", "--no-project", str(SKILL / "scripts/find_runs.py"), "--help", cwd=project.folder)
    assert project.mark.exists()


@pytest.mark.parametrize("shell", [name for name in ("sh", "bash", "dash", "zsh") if shutil.which(name)])
def test_the_commands_of_the_skill_run_no_python_of_the_project(fresh: Machine, project: Project, shell: str) -> None:
    for command in {command.partition(".py ")[0] for command in commands()}:
        line = command.replace("SKILL/", f"'{SKILL}'/") + ".py --help"
        assert "usage: " in fresh.run(shell, "-c", line, cwd=project.folder / "deep/er")
    assert len(environments(fresh)) == 2
    assert not project.mark.exists()


def test_nor_do_the_scripts_as_programs(fresh: Machine, project: Project) -> None:
    copy = shutil.copytree(SKILL, project.folder.parent / "my skill")
    for script in (str(copy / "scripts/find_runs.py"), "../my skill/scripts/compare_runs.py"):
        assert "usage: " in fresh.run(script, "--help", cwd=project.folder)
    assert len(environments(fresh)) == 2
    assert not project.mark.exists()


def test_the_scripts_work_in_the_users_folder_all_the_same(fresh: Machine, project: Project) -> None:
    """Claude Code's local scope goes by the folder, and `--plot` is a path from it."""
    folder = project.folder / "deep/er"
    entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9/of-this"}}
    fresh.write(".claude.json", {"projects": {str(project.folder): {"mcpServers": {"MLflow": entry}}}})
    line = f"uv run --directory / --no-project '{SKILL}/scripts/find_runs.py'"
    assert "127.0.0.1:9" in fresh.run("sh", "-c", line, cwd=folder, expect=1)
    assert "no MLflow server is configured" in fresh.run("sh", "-c", line, expect=1)
    assert not project.mark.exists()


@pytest.mark.parametrize("options", [(), ("--pin",), ("--demo",)], ids=["plain", "pinned", "demo"])
def test_the_installer_and_the_doctor_run_no_python_of_the_project(
    fresh: Machine, project: Project, options: tuple[str, ...]
) -> None:
    where = () if "--demo" in options else ("--tracking-uri", URI)
    output = fresh.install("claude", *options, *where, cwd=project.folder)
    assert "MCP server      starts (40 tools" in output
    assert "scripts         have what they need" in output
    assert ("16 made-up runs were added" in output) == ("--demo" in options)
    for made in environments(fresh):  # the doctor has to make them anew
        made.unlink() if made.is_symlink() else shutil.rmtree(made)
    checks = json.loads(fresh.run("skill-doctor", "claude", "--json", cwd=project.folder, expect=None))["checks"]
    found = {check["id"]: check["status"] for check in checks if check["client"] == "claude"}
    assert found["scripts"] == found["mcp-server"] == "ok"
    assert not project.mark.exists()


def test_what_was_fetched_ahead_is_what_the_clients_start_takes(fresh: Machine, project: Project) -> None:
    """Compiled where uv ran in the root, then started by a client in the project, without the network."""
    fresh.install("claude", "--tracking-uri", URI, cwd=project.folder)
    made = environments(fresh)
    line = ["uvx", "--offline", "--from", "mlflow-mcp", "python", "-c", "import sys; print(sys.prefix)"]
    first = fresh.run(*line, cwd=project.folder)
    assert first == fresh.run(*line, cwd=Path("/"))
    assert environments(fresh) == made


def test_a_relative_cache_is_that_of_the_working_directory(machine: Machine, project: Project) -> None:
    """As CI jobs set it."""
    machine.variables["UV_CACHE_DIR"] = ".uv-cache"
    before = set(os.listdir("/"))
    machine.install("claude", "--no-verify", "--tracking-uri", URI, cwd=project.folder)
    checks = json.loads(machine.run("skill-doctor", "claude", "--json", cwd=project.folder, expect=None))["checks"]
    assert next(check for check in checks if check["id"] == "scripts")["status"] == "ok"
    assert list((project.folder / ".uv-cache").glob("environments-*/find-runs*"))
    assert set(os.listdir("/")) == before
