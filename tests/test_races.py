"""Many runs of ours at once on the same files: each leaves what it did, and nothing else."""

from __future__ import annotations

import os

import pytest

from tests import product
from tests.homes import URI, Home
from tests.races import ENTRY, Run, left_behind, lost, run_all

pytestmark = pytest.mark.slow

OTHERS = {"mcpServers": {"theirs": {"command": "true", "note": "🙂"}}, "kept": [1.50, None]}


def edit(home: Home, name: str) -> Run:
    """A process of its own that leaves one more variable in the entry, whatever the others left there."""
    options = ["--no-verify", "--tracking-uri", URI, "--env", f"{name}=1"]
    return Run(name, [product.program("skill-install"), "cursor", *options], home.path, os.environ)


@pytest.mark.parametrize("there", [False, True], ids=["no-file", "file"])
def test_40_runs_four_at_once(home: Home, there: bool) -> None:
    if there:
        home.write(".cursor/mcp.json", OTHERS)
    before = others(home)
    edits = [edit(home, f"N{number}") for number in range(40)]

    failed = run_all(edits, at_once=4)

    servers = home.read(".cursor/mcp.json")["mcpServers"]
    assert {
        "failed": failed,
        "lost": lost(edits, failed, servers[ENTRY]["env"]),
        "left behind": left_behind(home.path),
    } == {"failed": {}, "lost": [], "left behind": []}

    home.run("skill-uninstall cursor")
    assert others(home) == before
    assert left_behind(home.path) == []


def others(home: Home) -> dict[str, bytes]:
    """All files, without the versions that are kept of what was changed."""
    return {name: data for name, data in home.files().items() if "/accessing-mlflow/backups/" not in name}
