"""The questions of docs/questions.md: our steps answer all of them, for a tenth of what upstream's have to read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import questions
from tests.real.exported import Exported


@pytest.mark.real
def test_all_answers_are_right_and_comparisons_cost_a_tenth(evaluations: Exported, tmp_path: Path) -> None:
    outcomes = asyncio.run(questions.answers(evaluations, tmp_path))
    assert len(outcomes) >= 30
    assert [one.detail for one in outcomes if not one.ours] == []
    compared = [one for one in outcomes if one.question.comparison]
    assert 10 * sum(one.our_characters for one in compared) <= sum(one.their_characters for one in compared)
