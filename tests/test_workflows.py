"""What the release's workflow may do, and by what it is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
RELEASE = Path(".github/workflows/release.yml")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_named_by_commit(workflow: Path) -> None:
    used = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_that_can_sign_runs_no_code_of_the_repository(workflow: Path) -> None:
    document = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert document["permissions"] == {"contents": "read"}
    for name, job in document["jobs"].items():
        if job.get("permissions"):
            assert (workflow, name) == (RELEASE, "attest")
            assert [step.get("uses", "").partition("@")[0] for step in job["steps"]] == [
                "actions/download-artifact",
                "actions/attest-build-provenance",
            ]


def test_a_release_is_built_by_listed_files_only() -> None:
    listed = Path(".github/build.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", listed, re.MULTILINE)
    assert {"build", "hatchling", "jsonschema"} <= set(pins)
    assert len(pins) == len(re.findall("^[^ #]", listed, re.MULTILINE))
    commands = RELEASE.read_text(encoding="utf-8")
    assert "pip install --require-hashes --only-binary :all: --requirement .github/build.txt" in commands
    assert "python -m build --no-isolation\n" in commands
