"""docs/doctor.md and the picture in the README are made from the program."""

from __future__ import annotations

import subprocess
import sys

from accessing_mlflow import checks
from tests.children import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_the_list_of_checks_is_current() -> None:
    command = [sys.executable, "installer/tools/doctor_docs.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_check_has_a_meaning_and_a_remedy() -> None:
    _, *sections = DOCUMENT.split("### `")
    assert len(sections) == len(checks.CHECKS)
    assert [section for section in sections if "\nRemedy: " not in section] == []
