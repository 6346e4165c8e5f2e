"""docs/teams.md: its commands for a repository, an image and CI."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.homes import Home

DOCUMENT = (Path(__file__).parents[1] / "docs" / "teams.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL) for line in block.splitlines()]


def command(start: str) -> str:
    """The only command of the document that begins like that."""
    found: list[str] = [line for line in COMMANDS if line.startswith(start)]
    assert len(found) == 1
    return found[0]


REPOSITORY = command("skill-install claude cursor --scope project --tracking-uri")
IN_A_CLONE = command("skill-install claude --scope project")
CHECK = command("skill-install claude cursor --scope project --check")
DOCTOR = command("skill-doctor")


def clone(home: Home) -> Path:
    """What a colleague gets: just what the document adds to git, and a home without anything."""
    added = command("git add").split()[2:]
    project = home.cd("project")
    home.run(REPOSITORY, "--no-verify")
    assert {path.name for path in project.iterdir()} == {Path(name).parts[0] for name in added}
    copy = home.path / "clone"
    for name in added:
        source = project / name
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy / name)
    shutil.rmtree(home.path / ".local")  # the record is not theirs
    return home.cd("clone")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_changes_in_a_clone(home: Home) -> None:
    before = content(clone(home))
    output = home.run(IN_A_CLONE, "--no-verify").output
    assert re.findall(r"^  (\w+) +unchanged", output, re.MULTILINE) == ["skill", "guard", "entry"]
    assert content(home.path / "clone") == before


def test_ci_passes_in_a_clone(home: Home) -> None:
    clone(home)
    assert "Nothing would change." in home.run(CHECK).output
    document = json.loads(home.run(DOCTOR).stdout)
    assert document["ok"] is True
    assert {check["client"] for check in document["checks"]} == {"claude", "cursor"}
    (home.programs / "uvx").unlink()
    home.run(CHECK)


def test_ci_finds_an_edited_skill(home: Home) -> None:
    with (clone(home) / ".claude/skills/accessing-mlflow/SKILL.md").open("a", encoding="utf-8") as file:
        file.write("one more line\n")
    output = home.run(CHECK, expect=1).output
    assert "SKILL.md" in output
    assert "--force replaces it" in output


def test_ci_finds_an_entry_that_is_not_as_it_should_be(home: Home) -> None:
    file = clone(home) / ".mcp.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    del data["mcpServers"]["MLflow"]["env"]["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    file.write_text(json.dumps(data), encoding="utf-8")
    output = home.run(CHECK, expect=1).output
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" in output
    assert "Nothing was written." in output
    del data["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"]
    file.write_text(json.dumps(data), encoding="utf-8")
    found = json.loads(home.run(DOCTOR, expect=1).stdout)
    assert {"claude tracking-uri"} == {
        f"{check['client']} {check['id']}" for check in found["checks"] if check["status"] == "error"
    }


def test_an_image_without_uvx_and_with_another_home(home: Home, tmp_path: Path) -> None:
    """Also where Claude Code's folder is elsewhere."""
    assignment, _, line = command("HOME=/home/dev").partition(" ")
    (home.programs / "uvx").unlink()
    dev = tmp_path / Path(assignment.partition("=")[2]).name
    dev.mkdir()
    home.variable("HOME", str(dev))
    home.run(line)
    entry = json.loads((dev / ".claude.json").read_text(encoding="utf-8"))["mcpServers"]["MLflow"]
    assert (entry["command"], entry["args"]) == ("uvx", ["mlflow-mcp"])
    assert (dev / ".claude/skills/accessing-mlflow/SKILL.md").is_file()

    home.variable("CLAUDE_CONFIG_DIR", str(tmp_path / "moved"))
    home.run(line)
    assert (tmp_path / "moved/.claude.json").is_file()
    assert home.files() == {}
