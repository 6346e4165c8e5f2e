"""`skill-doctor --fix`: what it mends, that it shows it first and keeps every other byte, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.homes import URI, Home
from tests.test_pin import calls, editions, fake_uv

INSTALL = f"skill-install claude --no-verify --tracking-uri {URI}"
FIX = "skill-doctor claude --offline --fix"
ENTRY = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": URI}}
SKILL = ".claude/skills/accessing-mlflow/SKILL.md"


def statuses(home: Home, line: str = "skill-doctor claude --offline") -> dict[str, str]:
    return {check["id"]: check["status"] for check in home.json(line, expect=None)["checks"]}


def stamps(home: Home) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in home.path.rglob("*")}


def mended(home: Home, line: str = FIX) -> str:
    """Mends; a second time nothing is done."""
    output = home.run(line).output
    before = stamps(home)
    again = home.run(line).output
    assert stamps(home) == before
    assert output.endswith(again), "the second time there is just the report"
    assert output != again
    return output


def test_all_that_is_missing_is_installed(home: Home) -> None:
    home.variable("MLFLOW_TRACKING_URI", URI)
    output = mended(home)
    assert home.read(".claude.json")["mcpServers"]["MLflow"]["command"] == "uvx"
    assert (home.path / SKILL).is_file()
    assert output.index("added") < output.index("Everything is in order.")
    home.run("skill-uninstall claude")
    assert home.files() == {}


def test_limits_and_guard_come_back(home: Home) -> None:
    home.run(INSTALL)
    installed = home.files()
    state, settings = home.read(".claude.json"), home.read(".claude/settings.json")
    del state["mcpServers"]["MLflow"]["env"]["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    settings["permissions"]["deny"] = settings["permissions"]["deny"][:3]
    home.write(".claude.json", state)
    home.write(".claude/settings.json", settings)
    output = mended(home)
    assert '+     "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"' in output
    for name in (".claude.json", ".claude/settings.json"):
        assert home.read(name) == json.loads(installed[name])


def test_an_earlier_version_of_the_skill_is_refreshed(home: Home) -> None:
    home.run(INSTALL)
    wanted = (home.path / SKILL).read_bytes()
    (home.path / SKILL).write_bytes(b"earlier")
    record = next(home.path.rglob("record.json"))
    data = json.loads(record.read_text())
    known = next(iter(data["skills"].values()))
    known["files"]["SKILL.md"] = hashlib.sha256(b"earlier").hexdigest()
    record.write_text(json.dumps(data))
    assert statuses(home)["skill"] == "warning"
    mended(home)
    assert (home.path / SKILL).read_bytes() == wanted


@pytest.mark.parametrize(
    "place", [".claude/settings.json", ".claude/settings.local.json", ".claude/mcp.json", ".claude/.mcp.json"]
)
def test_an_entry_in_an_ignored_place_is_moved(home: Home, place: str) -> None:
    """Its tracking URI goes along, and every other byte of the file stays."""
    text = '{\r\n\t// mine\r\n\t"a": 1.50,\r\n\t"mcpServers": {%s"other": {"command": "x"}},\r\n\t"b": [ ]\r\n}'
    dead = f'"MLflow": {json.dumps(ENTRY)}, '
    file = home.write(place, text % dead if place != ".claude/settings.json" else (text % dead).replace("// mine", ""))
    expected = file.read_bytes().decode().replace(dead, "")
    output = mended(home)
    assert home.read(".claude.json")["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] == URI
    if place == ".claude/settings.json":
        guard = home.read(place)["permissions"]
        assert json.loads(expected) == {key: value for key, value in home.read(place).items() if key != "permissions"}
        assert guard["deny"]
    else:
        assert file.read_bytes().decode() == expected
    assert f"~/{place}, mcpServers.MLflow (Claude Code ignores it there)" in output
    kept = [path.read_bytes().decode() for path in home.path.rglob("backups/files/*/*")]
    assert any("MLflow" in version and '"other"' in version for version in kept), "an earlier version is kept"


def test_a_dead_entry_goes_where_there_is_a_live_one(home: Home) -> None:
    home.run(INSTALL)
    live = home.read(".claude.json")
    home.cd("project")
    secret = {**ENTRY, "env": {**ENTRY["env"], "MLFLOW_TRACKING_TOKEN": "hunter2"}}  # type: ignore[dict-item]
    text = f'{{"mcpServers": {{"mlflow": {json.dumps(secret)}, "MLflow": {{"command": "other"}}}} }}\n'
    file = home.write("project/.claude/settings.local.json", text)
    home.write("project/.claude/settings.json", {"mcpServers": {"MLflow": ENTRY}})
    output = home.run(FIX).output
    assert home.read("project/.claude/settings.json") == {"mcpServers": {}}
    assert file.read_text() == '{"mcpServers": {"MLflow": {"command": "other"}} }\n', "what is not ours stays"
    assert home.read(".claude.json") == live
    assert "hunter2" not in output


def test_the_state_file_that_is_out_of_force_for_now_is_left(home: Home) -> None:
    home.run(INSTALL)
    home.variable("CLAUDE_CONFIG_DIR", str(home.path / "moved"))
    home.run(f"{FIX}")
    before = stamps(home)
    checks = {check["id"]: check for check in home.json("skill-doctor claude --offline")["checks"]}
    assert checks["ignored-entry"]["fix"] == "remove mcpServers.MLflow from it"
    home.run(FIX)
    assert stamps(home) == before
    assert "MLflow" in home.read(".claude.json")["mcpServers"]


def test_an_edited_skill_is_left_and_the_rest_is_mended(home: Home) -> None:
    home.run(INSTALL)
    edited = (home.path / SKILL).read_text() + "mine"
    home.write(SKILL, edited)
    home.write(".claude.json", "{}")
    home.variable("MLFLOW_TRACKING_URI", URI)
    mended(home)
    assert (home.path / SKILL).read_text() == edited
    assert "MLflow" in home.read(".claude.json")["mcpServers"]
    assert statuses(home)["skill"] == "warning"


def refused(home: Home, words: str, line: str = FIX, expect: int = 1) -> None:
    before = home.files()
    output = home.run(line, expect=expect).output
    assert "not mended: " in output
    assert words in output
    assert home.files() == before


def test_without_uvx(home: Home) -> None:
    (home.programs / "uvx").unlink()
    refused(home, "uvx was not found")


def test_which_server_is_asked_is_not_decided(home: Home) -> None:
    home.run(INSTALL)
    state = home.read(".claude.json")
    state["mcpServers"]["MLflow"]["env"] = {"MLFLOW_TRACKING_URI": "https://<your-mlflow-server>/"}
    home.write(".claude.json", state)
    refused(home, "skill-install claude --tracking-uri URI")


def test_no_server_is_taken_from_a_project(home: Home) -> None:
    home.cd("project")
    home.write("project/.claude/settings.json", {"mcpServers": {"MLflow": ENTRY}})
    refused(home, "the only tracking URI found is in this project")


def test_a_file_that_cannot_be_read_is_left(home: Home) -> None:
    home.write(".claude.json", '{"mcpServers": {} // mine\n}')
    before = home.files()
    home.run(FIX, expect=1)
    assert home.files() == before


def test_what_runs_something_else_is_left(home: Home) -> None:
    home.run(INSTALL)
    home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "other"}}})
    before = home.files()
    home.run(FIX)
    assert home.files() == before


def test_each_client_and_scope_by_itself(home: Home) -> None:
    """Where one cannot be mended, the others are."""
    home.cd("project")
    home.write(".claude.json", {"mcpServers": {"MLflow": {**ENTRY, "env": {}}}})
    home.run(f"skill-install cursor --scope project --no-verify --tracking-uri {URI}")
    shutil.rmtree(home.path / "project/.cursor/skills")
    output = home.run("skill-doctor claude cursor --offline --fix", expect=1).output
    assert "Claude Code, user scope: not mended: " in output
    assert (home.path / "project/.cursor/skills/accessing-mlflow/SKILL.md").is_file()
    assert not (home.path / ".cursor").exists()


def test_the_document_is_the_only_thing_on_standard_output(home: Home) -> None:
    home.write(".claude/settings.json", {"mcpServers": {"MLflow": ENTRY}})
    result = home.run(f"{FIX} --json")
    data = json.loads(result.stdout)
    assert data["ok"] is True
    assert all(check["fix"] == "" for check in data["checks"])
    assert "dead entry" in result.stderr


def test_a_record_that_cannot_be_read(home: Home) -> None:
    home.run(INSTALL)
    home.write(".claude.json", "{}")
    next(home.path.rglob("record.json")).write_text("{")
    refused(home, "record.json")


def pin_status(home: Home) -> str:
    return statuses(home)["pin"]


def test_a_damaged_pin_comes_back(home: Home) -> None:
    fake_uv(home)
    home.run(f"{INSTALL} --pin")
    (edition,) = editions(home)
    before = {path: path.read_bytes() for path in edition.iterdir()}
    next(iter(before)).write_text("something else")
    assert pin_status(home) == "error"
    home.run(FIX, expect=None)
    assert {path: path.read_bytes() for path in edition.iterdir()} == before
    assert pin_status(home) == "ok"


def test_a_pinned_server_that_the_cache_has_lost_is_fetched(home: Home) -> None:
    log = fake_uv(home)
    home.run(f"{INSTALL} --pin")
    home.program("uvx", f'#!/bin/sh\necho "uvx $*" >> "{log}"\ncase "$*" in *--offline*) exit 1;; esac\n')
    assert pin_status(home) in ("warning", "error")
    home.run(FIX, expect=None)
    assert all("--offline" in call for call in calls(log) if "--from" in call)
    home.run("skill-doctor claude --fix", expect=None)
    assert any("--offline" not in call for call in calls(log) if "--from" in call)
