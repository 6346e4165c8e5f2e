"""The README, done by a new user: a clone, an empty home, its own commands; and what it shows is what they see."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import product
from tests.real.machines import REPOSITORY, Machine

pytestmark = pytest.mark.real

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's code blocks in that language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def clone(machine: Machine) -> Path:
    """A copy of the sources in the home folder, as a clone would be."""
    folder = machine.home / "accessing-mlflow"
    subprocess.run(["tar", "-xzf", product.sdist(), "-C", machine.home], check=True)
    next(machine.home.glob("accessing_mlflow-*")).rename(folder)
    return folder


@pytest.fixture
def newcomer(machine: Machine, tmp_path: Path) -> Iterator[Machine]:
    """A machine with nothing but Python and pip: installs go to the home folder, uv's cache is empty."""
    python = Path(sys.base_prefix) / "bin"
    machine.variables["PATH"] = os.pathsep.join([str(machine.home / ".local/bin"), str(python), "/usr/bin", "/bin"])
    machine.variables["PIP_USER"] = "1"
    machine.variables["PIP_BREAK_SYSTEM_PACKAGES"] = "1"
    machine.variables["UV_CACHE_DIR"] = str(tmp_path / "uv-cache")
    yield machine
    shutil.rmtree(tmp_path / "uv-cache", ignore_errors=True)  # nearly 1 GB


def normal(text: str) -> list[str]:
    """Lines without what differs from run to run: seconds."""
    return [re.sub(r"\d+\.\d s\b", "N s", line).rstrip() for line in text.splitlines() if line.strip()]


def test_the_first_minute(newcomer: Machine, clone: Path, claude_program: Path) -> None:
    """The command, its output as the README shows it, the client, and the way back."""
    programs = newcomer.home / ".local/bin"
    programs.mkdir(parents=True)
    (programs / "claude").symlink_to(claude_program)
    done = subprocess.run(
        ["sh", "-c", blocks("sh")[0]],
        cwd=clone,
        env=newcomer.variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = normal(done.stdout[done.stdout.index("Claude Code, user scope") :])
    assert shown == normal(blocks("text")[0])
    assert "✔ Connected" in newcomer.run("claude", "mcp", "list")
    undo = next(line.removeprefix("Undo: ") for line in shown if line.startswith("Undo: "))
    newcomer.run("sh", "-c", undo)
    assert not (newcomer.home / ".claude/skills").exists()
    assert "MLflow" not in newcomer.run("claude", "mcp", "list")


@pytest.mark.parametrize(
    "command",
    [
        'python3 -m venv "$HOME/v" && "$HOME/v/bin/pip" install --quiet . && ln -s "$HOME/v/bin" "$HOME/.local/bin"',
        "uv tool install --quiet .",
        "uvx pipx install --quiet .",
    ],
    ids=["pip", "uv", "pipx"],
)
def test_other_ways_to_install(machine: Machine, clone: Path, command: str) -> None:
    programs, *rest = machine.variables["PATH"].split(os.pathsep)
    for name in ("skill-install", "skill-uninstall", "skill-doctor"):
        Path(programs, name).unlink()
    python = str(Path(sys.base_prefix) / "bin")
    machine.variables["PATH"] = os.pathsep.join([str(machine.home / ".local/bin"), programs, python, *rest])
    if "-m venv" in command:
        (machine.home / ".local").mkdir()
    machine.run("sh", "-c", command, cwd=clone)
    shutil.rmtree(clone)
    assert re.fullmatch(r"accessing-mlflow \d+\.\d+\.\d+\n", machine.run("skill-install", "--version"))
    output = machine.run("skill-install", "claude", "--no-verify")
    assert "Undo: skill-uninstall claude" in output
    assert (machine.home / ".claude/skills/accessing-mlflow/SKILL.md").is_file()
    machine.run("skill-doctor", "claude", "--offline")
    machine.run("skill-uninstall", "claude")
