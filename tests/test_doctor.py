"""`skill-doctor --offline`: what it finds, the fix it names, the exit code."""

from __future__ import annotations

import json

import pytest

from tests.homes import URI, Home

INSTALL = f"skill-install claude --no-verify --tracking-uri {URI}"
DOCTOR = "skill-doctor claude --offline"
ENTRY = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": URI}}


def found(home: Home, line: str = DOCTOR, expect: int = 0) -> dict[str, tuple[str, str, str]]:
    """Status, detail and fix by check."""
    data = home.json(line, expect=expect)
    assert data["schema"] == 1
    assert data["ok"] is (expect == 0)
    return {check["id"]: (check["status"], check["detail"], check["fix"]) for check in data["checks"]}


def test_a_healthy_home(home: Home) -> None:
    home.program("claude")
    home.run(INSTALL)
    checks = found(home)
    assert {name: status for name, (status, _, _) in checks.items()} == {
        "client": "ok",
        "uvx": "ok",
        "skill": "ok",
        "scripts": "skipped",
        "entry": "ok",
        "guard": "ok",
        "tracking-uri": "ok",
        "mcp-server": "skipped",
        "skill-calls": "skipped",
        "tracking-server": "skipped",
        "data": "skipped",
    }
    assert home.run(DOCTOR).output.splitlines()[-1] == "Everything is in order."


def test_an_empty_home(home: Home) -> None:
    checks = found(home, expect=1)
    assert checks["client"][0] == "info"
    assert checks["skill"] == ("error", "accessing-mlflow is not installed", "skill-install claude")
    assert checks["entry"] == ("error", "no MLflow entry", "skill-install claude")
    assert home.files() == {}


def test_without_uvx(home: Home) -> None:
    home.run(INSTALL)
    (home.programs / "uvx").unlink()
    status, _, fix = found(home, expect=1)["uvx"]
    assert status == "error"
    assert "pip install" in fix


@pytest.mark.parametrize(
    "place",
    [
        ".claude/settings.json",
        ".claude/settings.local.json",
        ".claude/mcp.json",
        ".claude/.mcp.json",
        "project/.claude/settings.json",
        "project/.claude/settings.local.json",
        "project/.claude/mcp.json",
        "project/.claude.json",
    ],
)
def test_an_entry_in_a_place_that_is_ignored(home: Home, place: str) -> None:
    home.cd("project")
    home.write(place, {"mcpServers": {"MLflow": ENTRY}})
    status, detail, fix = found(home, expect=1)["ignored-entry"]
    assert (status, fix) == ("error", "skill-install claude")
    assert f"~/{place}" in detail
    home.run("skill-install claude --no-verify")
    status, _, fix = found(home)["ignored-entry"]
    assert (status, fix) == ("warning", "skill-doctor claude --fix")


@pytest.mark.parametrize(
    ("entry", "status", "words"),
    [
        ({"command": "other"}, "warning", "runs something other"),
        ({"type": "http", "url": "https://x.example"}, "warning", "runs something other"),
        ({"command": "uvx", "args": "mlflow-mcp"}, "error", "#/mcpServers/MLflow/args"),
        (ENTRY, "warning", "four minutes"),
        ("text", "error", "#/mcpServers/MLflow"),
    ],
)
def test_entries(home: Home, entry: object, status: str, words: str) -> None:
    home.run(INSTALL)
    home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
    checks = found(home, expect=1 if status == "error" else 0)
    assert checks["entry"][0] == status
    assert words in checks["entry"][1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"mcpServers": {} // no\n}', "line 1, column 19: comment"),
        ('{"mcpServers": {"MLflow": ', "line 1, column"),
        ('{"mcpServers": 3}', "not an object"),
    ],
)
def test_files_that_claude_does_not_read(home: Home, text: str, words: str) -> None:
    home.run(INSTALL)
    home.write(".claude.json", text)
    status, detail, _ = found(home, expect=1)["entry"]
    assert status == "error"
    assert words in detail


def test_another_spelling_of_the_name(home: Home) -> None:
    home.run(INSTALL)
    state = home.read(".claude.json")
    state["mcpServers"]["mlflow"] = ENTRY
    home.write(".claude.json", state)
    assert found(home)["other-spelling"][0] == "warning"


@pytest.mark.parametrize(
    ("uri", "status", "words"),
    [
        ("localhost:5000", "error", "has no scheme"),
        ("https://<your-mlflow-server>/", "error", "placeholder"),
        ("", "error", "is empty"),
        ("https://h/#/experiments/1", "error", "address of a page"),
        ("${NOT_SET_HERE}", "error", "not set here"),
        ("${NOT_SET_HERE:-http://default:1}", "ok", "http://default:1"),
        ("https://user:hunter2@h", "warning", "credentials"),
    ],
)
def test_tracking_uris(home: Home, uri: str, status: str, words: str) -> None:
    home.run(INSTALL)
    state = home.read(".claude.json")
    state["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] = uri
    home.write(".claude.json", state)
    checks = found(home, expect=1 if status == "error" else 0)
    assert checks["tracking-uri"][0] == status
    assert words in checks["tracking-uri"][1]
    assert "hunter2" not in json.dumps(checks)


def test_an_entry_without_a_tracking_uri_takes_the_shells(home: Home) -> None:
    home.run(INSTALL)
    home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "uvx", "args": ["mlflow-mcp"]}}})
    assert found(home, expect=1)["tracking-uri"][0] == "error"
    home.variable("MLFLOW_TRACKING_URI", URI)
    assert found(home)["tracking-uri"][0] == "info"


def test_an_edited_skill(home: Home) -> None:
    home.run(INSTALL)
    with (home.path / ".claude/skills/accessing-mlflow/SKILL.md").open("a") as file:
        file.write("mine")
    status, detail, _ = found(home)["skill"]
    assert status == "warning"
    assert "SKILL.md (changed)" in detail


def test_a_projects_entry_is_looked_at_and_its_fix_names_the_scope(home: Home) -> None:
    home.cd("project")
    home.write("project/.mcp.json", {"mcpServers": {"MLflow": ENTRY}})
    data = home.json(DOCTOR, expect=1)
    skill = next(check for check in data["checks"] if check["id"] == "skill")
    assert (skill["scope"], skill["fix"]) == ("project", "skill-install claude --scope project")


def test_without_a_client_it_looks_at_those_on_this_machine(home: Home) -> None:
    home.program("cursor")
    data = home.json("skill-doctor --offline", expect=1)
    assert {check["client"] for check in data["checks"]} == {"cursor"}


def test_it_writes_nothing(home: Home) -> None:
    home.run(INSTALL)
    before = {p: p.stat().st_mtime_ns for p in home.path.rglob("*")}
    home.run(DOCTOR)
    assert {p: p.stat().st_mtime_ns for p in home.path.rglob("*")} == before


def test_a_damaged_record_keeps_no_check_from_running(home: Home) -> None:
    home.run(INSTALL)
    next(home.path.rglob("record.json")).write_text('{"schema": 1, "folders": [1]}')
    checks = found(home)
    assert checks["record"][0] == "warning"
    assert checks["entry"][0] == "ok"


def test_a_working_directory_that_is_gone(home: Home) -> None:
    home.cd("gone").rmdir()
    data = home.json(DOCTOR, expect=1)
    assert [check["detail"] for check in data["checks"]] == ["the working directory is gone"]


def test_verbose_names_the_last_five_versions_that_are_kept(home: Home) -> None:
    home.write(".claude.json", "{}")
    for port in range(7):
        home.run(f"skill-install claude --no-verify --tracking-uri http://h:{port}")
    assert "kept-versions" not in found(home)
    status, detail, _ = found(home, f"{DOCTOR} -v")["kept-versions"]
    assert status == "info"
    kept = sorted(next(home.path.rglob("backups/files/*")).iterdir())
    assert [file.name in detail for file in kept] == [True] * 5
    assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}
    assert [json.loads(file.read_text())["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] for file in kept] == [
        f"http://h:{port}" for port in range(1, 6)
    ]
