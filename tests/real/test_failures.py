"""Calls of the real mlflow-mcp, with the entry as it is written, to tracking servers that fail: docs/failures.md."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks import failures
from tests.real.machines import REPOSITORY, Machine
from tests.real.test_claude_code import Messages, started

pytestmark = pytest.mark.real

DOCUMENT = (REPOSITORY / "docs" / "failures.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (failures.CASES[0], "Connection refused"),
        (failures.CASES[3], "Read timed out. (read timeout=10)"),
    ],
    ids=lambda value: value.title if isinstance(value, failures.Case) else "",
)
def test_one_failing_request_is_over_in_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, case: failures.Case, words: str
) -> None:
    monkeypatch.setenv("PATH", machine.variables["PATH"])
    answer = asyncio.run(failures.failure(case, patience=failures.LIMIT))
    assert answer.text is not None, f"no answer in {failures.LIMIT:.0f} s"
    assert answer.text.startswith("error: ")
    assert words in answer.text
    assert f"| {case.title} | `{case.tool}` | `{words}` |" in DOCUMENT


def test_every_failure_is_in_the_document() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [case.title for case in failures.CASES]


class _Calling(Messages):
    """A model that calls one tool of MLflow, and is content with whatever comes back."""

    def answer(self, asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str]:
        name = "mcp__MLflow__get_experiments"
        if "tool_result" in json.dumps(asked["messages"]) or name not in [tool["name"] for tool in asked["tools"]]:
            return super().answer(asked)
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
        return block, {"type": "input_json_delta", "partial_json": "{}"}, "tool_use"


def test_what_no_variable_of_mlflow_ends_claude_code_does(claude: Machine) -> None:
    """The document's setting, with fewer milliseconds, against bytes that trickle for ever."""
    (setting,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    settings = json.loads(setting)
    assert settings == {"env": {"MCP_TOOL_TIMEOUT": "60000"}}
    settings["env"]["MCP_TOOL_TIMEOUT"] = "2000"
    claude.write(".claude/settings.json", settings | {"permissions": {"allow": ["mcp__MLflow__get_experiments"]}})
    claude.variables["ENABLE_TOOL_SEARCH"] = "false"
    with failures.CASES[-1].failing() as uri, ThreadingHTTPServer(("127.0.0.1", 0), _Calling) as model:
        model.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=model.serve_forever, daemon=True).start()
        claude.install("claude", "--no-verify", "--tracking-uri", uri)
        _, sent = started(claude, model)
        model.shutdown()
    assert "timed out after 2s" in sent
