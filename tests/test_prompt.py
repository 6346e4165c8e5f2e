"""Where a person is there, they are asked for the tracking URI: on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess

from tests import product
from tests.homes import Home

QUESTION = "MLflow tracking URI [Enter: local store]: "


def talk(answers: list[str], *arguments: str, question: str = QUESTION) -> tuple[str, int]:
    """Runs `skill-install` on a terminal, gives an answer at each question; gives what it printed and its exit code."""
    ours, theirs = pty.openpty()
    command = [product.program("skill-install"), *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
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
            if printed.count(question) > asked and asked < len(answers):
                os.write(ours, answers[asked].encode() + b"\n")
                asked += 1
        code = process.wait(30)
    os.close(ours)
    return printed, code


def test_a_bad_answer_is_asked_again(home: Home) -> None:
    printed, code = talk(["localhost:5000", "http://localhost:5000"], "claude", "cursor", "--no-verify")
    assert code == 0
    assert "write http://localhost:5000" in printed
    assert printed.count(QUESTION) == 2
    for file in (".claude.json", ".cursor/mcp.json"):
        env = home.read(file)["mcpServers"]["MLflow"]["env"]
        assert env["MLFLOW_TRACKING_URI"] == "http://localhost:5000"


def test_enter_means_the_local_store_and_is_asked_once(home: Home) -> None:
    printed, code = talk([""], "claude", "cursor", "--no-verify")
    assert code == 0
    assert printed.count(QUESTION) == 1
    assert "sqlite:///" in home.read(".cursor/mcp.json")["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"]


def test_no_question_where_it_is_known(home: Home) -> None:
    home.variable("MLFLOW_TRACKING_URI", "http://shell:1")
    printed, code = talk([], "claude", "--no-verify")
    assert code == 0
    assert QUESTION not in printed
