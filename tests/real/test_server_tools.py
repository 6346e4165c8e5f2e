"""The table of tools in bundle.toml against the live MCP server of the tested version."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "installer" / "tools" / "record_server_tools.py"


def check(bundle_file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--check", "--bundle-file", str(bundle_file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)


@pytest.mark.real
def test_tools_and_marks_are_the_live_server_s() -> None:
    found = check(REPOSITORY / "skills" / "bundle.toml")
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.real
def test_a_wrong_mark_is_found(tmp_path: Path) -> None:
    right = "delete_run = {read_only = false, destructive = true}"
    wrong = "delete_run = {read_only = true, destructive = false}"
    text = (REPOSITORY / "skills" / "bundle.toml").read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "bundle.toml").write_text(text.replace(right, wrong), encoding="utf-8")
    found = check(tmp_path / "bundle.toml")
    assert found.returncode == 1
    assert f"-{wrong}\n+{right}\n" in found.stdout
    assert (tmp_path / "bundle.toml").read_text(encoding="utf-8") == text.replace(right, wrong)
