"""Codex: its TOML, its own way of passing variables on, and its list of denied tools in the entry itself."""

from __future__ import annotations

import sys

import pytest

from tests.homes import Home

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

URI = "https://mlflow.example.org"
INSTALL = f"skill-install codex --no-verify --tracking-uri {URI}"
FILE = ".codex/config.toml"
MINE = """# mine
model = "gpt-5"  # best

[mcp_servers.other]
command = "x"

[projects."/x y"]
trust_level = "trusted"
"""


def entry(home: Home, file: str = FILE) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((home.path / file).read_text(encoding="utf-8"))["mcp_servers"]["MLflow"]
    return found


def test_the_entry_the_skill_and_the_guard(home: Home) -> None:
    home.write(FILE, MINE)
    output = home.run(INSTALL).output
    assert (
        "entry           added     ~/.codex/config.toml, mcp_servers.MLflow (the agent is denied the 13 tools" in output
    )
    assert (home.path / FILE).read_text().startswith(MINE)
    found = entry(home)
    assert found["command"] == "uvx"
    assert found["args"] == ["mlflow-mcp"]
    assert found["startup_timeout_sec"] == 60
    denied = found["disabled_tools"]
    assert isinstance(denied, list)
    assert len(denied) == 13
    assert (home.path / ".agents/skills/accessing-mlflow/SKILL.md").is_file()
    assert "unchanged ~/.codex/config.toml" in home.run(INSTALL).output


def test_the_way_back_is_exact(home: Home) -> None:
    home.write(FILE, MINE)
    home.run(INSTALL)
    home.run(INSTALL, "--env", "A=1")
    home.run("skill-uninstall codex")
    assert home.files() == {FILE: MINE.encode()}


def test_what_the_user_changes_meanwhile_stays(home: Home) -> None:
    home.write(FILE, MINE)
    home.run(INSTALL)
    text = (home.path / FILE).read_text().replace('model = "gpt-5"', 'model = "other"')
    (home.path / FILE).write_text(text)
    home.run("skill-uninstall codex")
    assert (home.path / FILE).read_text() == MINE.replace('"gpt-5"', '"other"')


def test_a_reference_is_a_name_to_pass_on(home: Home) -> None:
    home.run("skill-install codex --no-verify --env MLFLOW_TRACKING_URI --env MLFLOW_TRACKING_TOKEN")
    found = entry(home)
    assert found["env_vars"] == ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"] or found["env_vars"] == [
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_URI",
    ]
    assert "MLFLOW_TRACKING_URI" not in found["env"]  # type: ignore[operator]
    assert "unchanged ~/.codex/config.toml" in home.run("skill-install codex --no-verify").output


def test_a_reference_to_another_name_is_refused(home: Home) -> None:
    output = home.run("skill-install codex --no-verify --tracking-uri ${MINE}", expect=2).output
    assert "by their own name only" in output
    assert home.files() == {}


def test_allow_writes_takes_the_guard_away_and_leaves_the_users_own(home: Home) -> None:
    own = '[mcp_servers.MLflow]\ncommand = "uvx"\nargs = ["mlflow-mcp"]\ndisabled_tools = ["delete_run"]\n'
    home.write(FILE, own)
    home.run(INSTALL)
    home.run(INSTALL, "--allow-writes")
    assert entry(home)["disabled_tools"] == ["delete_run"]
    home.run("skill-uninstall codex")
    assert (home.path / FILE).read_text() == own


def test_a_moved_home(home: Home) -> None:
    (home.path / "moved").mkdir()
    home.variable("CODEX_HOME", str(home.path / "moved"))
    home.run(INSTALL)
    assert entry(home, "moved/config.toml")["command"] == "uvx"
    assert not (home.path / ".codex").exists()


def test_a_project(home: Home) -> None:
    home.cd("project")
    home.run(INSTALL, "--scope", "project")
    assert entry(home, "project/.codex/config.toml")["command"] == "uvx"
    assert (home.path / "project/.agents/skills/accessing-mlflow/SKILL.md").is_file()


@pytest.mark.parametrize("text", ["a = \n", "mcp_servers = 1\n", "[mcp_servers]\nMLflow = 1\n"])
def test_a_broken_file_is_named_and_left_alone(home: Home, text: str) -> None:
    home.write(FILE, text)
    assert "~/.codex/config.toml" in home.run(INSTALL, expect=1).output
    assert home.files() == {FILE: text.encode()}
    assert home.run("skill-install claude --no-verify --tracking-uri", URI).exit_code == 0  # the others do not mind


def test_the_doctor(home: Home) -> None:
    home.program("codex")
    home.run(INSTALL)
    checks = {check["id"]: check["status"] for check in home.json("skill-doctor codex --offline")["checks"]}
    assert checks.items() >= {"client": "ok", "skill": "ok", "entry": "ok", "guard": "ok", "tracking-uri": "ok"}.items()


def test_another_clients_reference_becomes_a_name(home: Home) -> None:
    home.run("skill-install claude --no-verify --env MLFLOW_TRACKING_URI")
    home.run("skill-install codex --no-verify")
    assert entry(home)["env_vars"] == ["MLFLOW_TRACKING_URI"]
