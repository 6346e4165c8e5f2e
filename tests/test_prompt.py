"""Where a person is there, they are asked for the tracking URI: on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.homes import Home

SOURCE = Path(__file__).parents[1] / "installer"
RUN = "import sys; sys.argv[0] = 'skill-install'; from accessing_mlflow.cli import install; install()"
QUESTION = "MLflow tracking URI [Enter: local store]: "


def talk(python: str, answers: list[str], *arguments: str) -> tuple[str, int]:
    """Runs `skill-install` on a terminal, gives an answer at each question; gives what it printed and its exit code."""
    ours, theirs = pty.openpty()
    command = [python, "-c", RUN, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        printed, asked = "", 0
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # what a closed terminal says on Linux
                data = b""
            if not data:
                break
            printed += data.decode()
            if printed.count(QUESTION) > asked and asked < len(answers):
                os.write(ours, answers[asked].encode() + b"\n")
                asked += 1
        code = process.wait(30)
    os.close(ours)
    return printed, code


@pytest.fixture
def python() -> str:
    """The interpreter, before the home fixture hides it."""
    return sys.executable


def test_a_bad_answer_is_asked_again(python: str, home: Home) -> None:
    printed, code = talk(python, ["localhost:5000", "http://localhost:5000"], "claude", "cursor", "--no-verify")
    assert code == 0
    assert "write http://localhost:5000" in printed
    assert printed.count(QUESTION) == 2
    for file in (".claude.json", ".cursor/mcp.json"):
        env = home.read(file)["mcpServers"]["MLflow"]["env"]
        assert env["MLFLOW_TRACKING_URI"] == "http://localhost:5000"


def test_enter_means_the_local_store_and_is_asked_once(python: str, home: Home) -> None:
    printed, code = talk(python, [""], "claude", "cursor", "--no-verify")
    assert code == 0
    assert printed.count(QUESTION) == 1
    assert "sqlite:///" in home.read(".cursor/mcp.json")["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"]


def test_no_question_where_it_is_known(python: str, home: Home) -> None:
    home.variable("MLFLOW_TRACKING_URI", "http://shell:1")
    printed, code = talk(python, [], "claude", "--no-verify")
    assert code == 0
    assert QUESTION not in printed
