"""The guard: rules in the client's settings that deny the agent what writes; the user's own rules are left alone."""

from __future__ import annotations

import pytest

from tests.homes import Home

URI = "https://mlflow.example.org"
INSTALL = f"skill-install claude --no-verify --tracking-uri {URI}"
SETTINGS = ".claude/settings.json"
DENIED = "mcp__MLflow__delete_experiment"
READ = "mcp__MLflow__query_runs"


def rules(home: Home, file: str = SETTINGS) -> list[str]:
    found = home.read(file)["permissions"]["deny"]
    assert isinstance(found, list)
    return found


def finding(home: Home) -> tuple[str, str]:
    checks = home.json("skill-doctor claude --offline", expect=0)["checks"]
    return next((check["status"], check["detail"]) for check in checks if check["id"] == "guard")


def test_every_tool_that_writes_is_denied_and_no_other(home: Home) -> None:
    output = home.run(INSTALL).output
    assert "guard           added     ~/.claude/settings.json, permissions.deny" in output
    assert 'add "mcp__MLflow__*" to permissions.allow in ~/.claude/settings.json' in output
    assert len(rules(home)) == 13
    assert DENIED in rules(home)
    assert READ not in rules(home)
    assert finding(home)[0] == "ok"
    assert "unchanged ~/.claude/settings.json" in home.run(INSTALL).output


@pytest.mark.parametrize(
    "text",
    [
        '{"permissions": {"deny": ["Bash(rm)"], "allow": []}, "model": "x"}',
        '{\n\t"permissions": {\n\t\t"deny": [\n\t\t\t"Bash(rm)"\n\t\t]\n\t}\n}\n',
        '{\r\n  "hooks": {}\r\n}',
        "",
    ],
)
def test_the_rest_of_the_settings_stays_and_the_way_back_is_exact(home: Home, text: str) -> None:
    home.write(SETTINGS, text)
    home.run(INSTALL)
    assert DENIED in rules(home)
    home.run("skill-uninstall claude")
    assert (home.path / SETTINGS).read_bytes() == text.encode()


def test_the_earlier_version_of_the_settings_is_kept(home: Home) -> None:
    before = '{ "permissions": {"deny": ["Bash"]} }'
    home.write(SETTINGS, before)
    home.run(INSTALL)
    assert home.read(SETTINGS) != before
    assert before in [path.read_text() for path in home.path.rglob("backups/files/settings.json-*/*")]


def test_a_file_that_was_made_for_it_goes_with_it(home: Home) -> None:
    home.run(INSTALL)
    home.run("skill-uninstall claude")
    assert home.files() == {}


def test_rules_that_the_user_has_written_stay(home: Home) -> None:
    home.write(SETTINGS, {"permissions": {"deny": [DENIED]}})
    home.run(INSTALL)
    assert rules(home).count(DENIED) == 1
    home.write(SETTINGS, {"permissions": {"deny": [*rules(home), "Bash(dd)"]}})
    home.run("skill-uninstall claude")
    assert rules(home) == [DENIED, "Bash(dd)"]


@pytest.mark.parametrize("pattern", ["mcp__MLflow", "mcp__MLflow__*", "mcp__*"])
def test_what_a_pattern_of_the_user_covers_is_not_added(home: Home, pattern: str) -> None:
    home.write(SETTINGS, {"permissions": {"deny": [pattern]}})
    home.run(INSTALL)
    assert rules(home) == [pattern]
    assert finding(home)[0] == "ok"


def test_allow_writes_leaves_it_out_and_takes_it_away_again(home: Home) -> None:
    home.run(INSTALL, "--allow-writes")
    assert not (home.path / SETTINGS).exists()
    status, detail = finding(home)
    assert status == "warning"
    assert "13 tools" in detail
    home.run(INSTALL)
    assert DENIED in rules(home)
    assert "guard           removed" in home.run(INSTALL, "--allow-writes").output
    assert not (home.path / SETTINGS).exists()


def test_check_shows_the_rules_and_writes_nothing(home: Home) -> None:
    output = home.run(INSTALL, "--check", expect=1).output
    assert f'+   "{DENIED}"' in output
    assert home.files() == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('// mine\n{"permissions": {}}', "settings.json, line 1, column 1: comment"),
        ('{"permissions": {"deny": "all"}}', "permissions.deny is not a list"),
        ('{"permissions": []}', "line 1, column 17"),
        ("{", "settings.json, line 1"),
    ],
)
def test_settings_that_claude_code_would_ignore_are_refused_and_left_alone(home: Home, text: str, said: str) -> None:
    home.write(SETTINGS, text)
    assert said in home.run(INSTALL, expect=1).output
    assert (home.path / SETTINGS).read_text() == text
    assert list(home.files()) == [SETTINGS]


@pytest.mark.parametrize(("scope", "file"), [("project", "settings.json"), ("local", "settings.local.json")])
def test_it_lies_in_the_settings_of_the_scope(home: Home, scope: str, file: str) -> None:
    home.cd("project/sub")
    home.cd("project")
    (home.path / "project/.git").mkdir()
    home.run(INSTALL, "--scope", scope)
    assert DENIED in rules(home, f"project/.claude/{file}")
    assert not (home.path / SETTINGS).exists()
    assert finding(home)[0] == "ok"


def test_a_moved_configuration(home: Home) -> None:
    home.variable("CLAUDE_CONFIG_DIR", str(home.path / "moved"))
    home.run(INSTALL)
    assert DENIED in rules(home, "moved/settings.json")


def test_cursors_editor_has_no_such_list_and_its_command_line_has(home: Home) -> None:
    cursor = INSTALL.replace("claude", "cursor")
    assert "Cursor's editor has no list of denied tools" in home.run(cursor).output
    home.run("skill-uninstall cursor")
    settings = '{\n  "version": 1,\n  "permissions": {\n    "allow": [],\n    "deny": []\n  }\n}\n'
    file = home.write(".cursor/cli-config.json", settings)
    home.run(cursor)
    assert "Mcp(MLflow:delete_experiment)" in rules(home, ".cursor/cli-config.json")
    home.run("skill-uninstall cursor")
    assert file.read_text() == settings
