"""Calls of the real mlflow-mcp, with the entry as it is written, to tracking servers that fail: docs/failures.md."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import failures
from tests.real.machines import REPOSITORY, Machine

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
