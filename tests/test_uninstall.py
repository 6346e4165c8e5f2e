"""`skill-uninstall`: exactly what was installed goes, and everything is as it was before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.homes import URI, Home

INSTALL = f"skill-install claude cursor --no-verify --tracking-uri {URI}"
UNINSTALL = "skill-uninstall claude cursor"
SKILL = ".claude/skills/accessing-mlflow"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "{ }\n",
        "{\n}",
        '{"mcpServers": {}}',
        '{"mcpServers": {\n}}\n',
        '{"mcpServers":{"other":{"command":"x"}}}',
        '{\r\n\t"a": 1,\r\n\t"mcpServers": {\r\n\t\t"other": {"command": "x"}\r\n\t}\r\n}',
        '{"mcpServers": {"MLflow": {"args": [ "mlflow-mcp" ],   "command":"uvx"}}, "z": [1,\t2]}',
        '\ufeff{"a": "\\ud83d\\ude00 \U0001f600"}\r\n',
    ],
)
def test_what_nothing_else_changed_is_as_it_was(home: Home, text: str | None) -> None:
    if text is not None:
        home.write(".claude.json", text)
        home.write(".cursor/mcp.json", text)
    files, folders = home.files(), home.folders()
    home.run(INSTALL)
    assert home.files() != files
    home.run(UNINSTALL)
    assert home.files() == files
    assert home.folders() == folders


def test_an_update_in_between_makes_no_difference(home: Home) -> None:
    home.write(".claude.json", '{ "mcpServers" : { } }')
    files = home.files()
    home.run(f"skill-install claude --no-verify --tracking-uri {URI}")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI}/other --pin")
    home.run("skill-uninstall claude")
    assert home.files() == files


def test_what_others_wrote_since_stays(home: Home) -> None:
    home.run(INSTALL)
    state = home.read(".claude.json")
    state["numStartups"] = 1
    state["mcpServers"]["other"] = {"command": "x"}
    home.write(".claude.json", state)
    home.run(UNINSTALL)
    assert home.read(".claude.json") == {"numStartups": 1, "mcpServers": {"other": {"command": "x"}}}


def test_objects_that_were_made_for_the_entry_go_with_it(home: Home) -> None:
    home.write(".claude.json", '{"a": 1}')
    home.run(INSTALL)
    home.write(".claude.json", {"a": 1, "b": 2, "mcpServers": home.read(".claude.json")["mcpServers"]})
    home.run(UNINSTALL)
    assert home.read(".claude.json") == {"a": 1, "b": 2}


def test_an_entry_typed_by_hand_comes_back_with_later_changes_kept(home: Home) -> None:
    mine = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": "http://mine:1"}}
    home.write(".claude.json", {"mcpServers": {"MLflow": mine}})
    home.run("skill-install claude --no-verify")
    state = home.read(".claude.json")
    state["mcpServers"]["MLflow"]["env"]["EXTRA"] = "added since"
    home.write(".claude.json", state)
    home.run("skill-uninstall claude")
    mine["env"]["EXTRA"] = "added since"  # type: ignore[index]
    assert home.read(".claude.json") == {"mcpServers": {"MLflow": mine}}


def test_without_a_record_entry_and_unedited_skill_go_when_forced(home: Home) -> None:
    home.run(INSTALL)
    for record in home.path.rglob("record.json"):
        record.unlink()
    output = home.run(UNINSTALL).output
    assert "is not in this program's record; left alone (--force removes it)" in output
    assert "these rules are not recorded as this program's" in output
    assert (home.path / SKILL).exists()
    home.run(UNINSTALL, "--force")
    assert home.read(".claude.json") == {"mcpServers": {}}
    assert not (home.path / SKILL).exists()


OWN = {"mcpServers": {"MLflow": {"command": "uvx", "args": ["mlflow-mcp"]}}}


def test_a_second_removal_takes_nothing_more(home: Home) -> None:
    before = home.write(".claude.json", OWN).read_bytes()
    home.run(INSTALL)
    for _ in range(3):
        home.run(UNINSTALL)
        assert (home.path / ".claude.json").read_bytes() == before


def test_an_entry_that_no_installation_touched_stays(home: Home) -> None:
    before = home.write(".claude.json", OWN).read_bytes()
    home.run(f"skill-install cursor --no-verify --tracking-uri {URI}")
    home.run("skill-uninstall claude cursor")
    assert (home.path / ".claude.json").read_bytes() == before


def test_of_variables_that_were_added_only_the_users_own_stay(home: Home) -> None:
    home.write(".claude.json", OWN)
    home.run(INSTALL)
    entry = home.read(".claude.json")["mcpServers"]["MLflow"]
    home.write(".claude.json", {"mcpServers": {"MLflow": {**entry, "env": {**entry["env"], "FOO": "1"}}}})
    home.run(UNINSTALL)
    assert home.read(".claude.json")["mcpServers"]["MLflow"]["env"] == {"FOO": "1"}


@pytest.mark.parametrize("first", [None, "node FIRST.js"])
def test_what_was_replaced_by_force_last_comes_back(home: Home, first: str | None) -> None:
    if first:
        home.write(".claude.json", {"mcpServers": {"MLflow": {"command": first}}})
        home.run(INSTALL, "--force")
    else:
        home.run(INSTALL)
    mine = home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "node", "args": ["MINE.js"]}}}).read_bytes()
    home.run(INSTALL, "--force")
    home.run(UNINSTALL)
    assert (home.path / ".claude.json").read_bytes() == mine


def test_a_file_that_the_user_has_made_meanwhile_stays(home: Home) -> None:
    home.run(INSTALL)
    (home.path / ".claude.json").unlink()
    home.run(UNINSTALL)
    home.write(".claude.json", '{"mcpServers": {}}')
    home.run(INSTALL)
    home.write(".claude.json", (home.path / ".claude.json").read_bytes() + b"\n")
    home.run(UNINSTALL)
    assert home.read(".claude.json") == {"mcpServers": {}}


def test_a_store_that_cannot_be_removed_keeps_nothing_else(home: Home) -> None:
    home.run("skill-install claude --no-verify")
    store = home.path / ".local/share/accessing-mlflow/store"
    store.rmdir()
    store.symlink_to(home.path)
    assert "store cannot be removed" in home.run("skill-uninstall claude --purge", expect=1).output
    assert not (home.path / ".claude.json").exists()
    assert store.is_symlink()


def test_a_removal_undoes_a_pin_that_the_user_has_added_to(home: Home) -> None:
    home.write(".claude.json", OWN)
    home.run(INSTALL, "--pin")
    entry = home.read(".claude.json")["mcpServers"]["MLflow"]
    home.write(".claude.json", {"mcpServers": {"MLflow": {**entry, "args": ["--verbose", *entry["args"]]}}})
    home.run(UNINSTALL)
    assert home.read(".claude.json")["mcpServers"]["MLflow"]["args"] == ["--verbose", "mlflow-mcp"]


def test_the_last_version_is_kept_when_the_clock_was_set_back(home: Home) -> None:
    before = home.write(".claude.json", '{"mine": 1}').read_bytes()
    home.run(INSTALL)
    folder = next((home.path / ".local/state/accessing-mlflow/backups/files").glob(".claude.json-*"))
    [first] = folder.iterdir()
    for number in range(5):
        (folder / f"20990101T00000{number}Z-000000000.json").write_text("later")
    first.unlink()
    home.write(".claude.json", before)
    home.run(INSTALL)
    assert sorted(folder.iterdir())[-1].read_bytes() == before


def test_something_else_behind_the_name_is_left_alone(home: Home) -> None:
    file = home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "other"}}})
    before = file.read_bytes()
    assert "left alone" in home.run("skill-uninstall claude --force").output
    assert file.read_bytes() == before


def test_an_edited_skill_is_refused_and_saved_when_forced(home: Home) -> None:
    home.run(INSTALL)
    home.write(f"{SKILL}/SKILL.md", "mine")
    before = home.files()
    assert "SKILL.md (changed)" in home.run(UNINSTALL, expect=1).output
    assert home.files() == before
    home.run(UNINSTALL, "--force")
    assert [p.read_text() for p in home.path.rglob("SKILL.md")] == ["mine"]
    assert not (home.path / SKILL).exists()


def test_a_skill_in_use_in_another_scope_stays(home: Home) -> None:
    home.cd("project")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI}")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI} --scope local")
    assert "in use in local scope" in home.run("skill-uninstall claude").output
    home.run("skill-uninstall claude --scope local")
    assert not (home.path / ".claude").exists()
    assert not (home.path / ".claude.json").exists()


def test_cursor_keeps_the_skill_that_it_read_from_claudes_folder(home: Home) -> None:
    home.run(INSTALL)
    home.run("skill-uninstall claude")
    assert (home.path / ".cursor/skills/accessing-mlflow/SKILL.md").is_file()
    home.run("skill-uninstall cursor")
    assert home.files() == {}


def test_nothing_installed_is_nothing_to_do(home: Home) -> None:
    assert home.json("skill-uninstall claude")["changed"] is False
    assert home.files() == {}


def test_another_scope_is_pointed_to(home: Home) -> None:
    home.cd("project")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI} --scope project")
    assert "skill-uninstall claude --scope project" in home.run("skill-uninstall claude").output


def test_check_writes_nothing(home: Home) -> None:
    home.run(INSTALL)
    before = home.files()
    assert '-   "command": "uvx"' in home.run(UNINSTALL, "--check", expect=1).output
    assert home.files() == before
    home.run(UNINSTALL)
    home.run(UNINSTALL, "--check")


def test_a_broken_file_is_refused_and_nothing_removed(home: Home) -> None:
    home.run(INSTALL)
    home.write(".cursor/mcp.json", "{")
    before = home.files()
    home.run(UNINSTALL, expect=1)
    assert home.files() == before


def test_purge_removes_store_and_backups(home: Home) -> None:
    home.run("skill-install claude --no-verify")
    uri = home.read(".claude.json")["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"]
    store = Path(uri.removeprefix("sqlite:///"))
    store.write_text("data")
    home.write(f"{SKILL}/SKILL.md", "mine")
    home.run("skill-uninstall claude --force")
    assert store.exists()
    home.run("skill-uninstall claude --purge")
    assert home.files() == {}


def test_purge_keeps_a_store_that_another_entry_uses(home: Home) -> None:
    home.run("skill-install claude cursor --no-verify")
    output = home.run("skill-uninstall claude --purge").output
    assert "in use: Cursor, user scope)" in output
    data = home.json("skill-uninstall cursor --purge")
    assert {s["step"]: s["outcome"] for s in data["steps"]}["store"] == "removed"
    assert home.files() == {}


def test_a_record_that_is_damaged_is_named_and_left(home: Home) -> None:
    home.run(INSTALL)
    record = next(home.path.rglob("record.json"))
    record.write_text(json.dumps({"schema": 1}))
    output = home.run(UNINSTALL, expect=1).output
    assert "record.json cannot be read" in output
    assert "mv " in output
    assert record.read_text() == '{"schema": 1}'


def test_purge_keeps_a_store_that_another_projects_entry_uses(home: Home) -> None:
    home.cd("one")
    home.run("skill-install claude --no-verify --scope local")
    home.cd("two")
    home.run("skill-install claude --no-verify")
    output = home.run("skill-uninstall claude --purge").output
    assert 'in use: ~/.claude.json, projects["' in output
    assert list(home.path.rglob("store"))


def test_purge_keeps_what_was_saved_in_the_same_run(home: Home) -> None:
    home.run(INSTALL)
    home.write(f"{SKILL}/SKILL.md", "first")
    home.run(INSTALL, "--force")
    home.write(f"{SKILL}/SKILL.md", "second")
    home.run(UNINSTALL, "--force", "--purge")
    assert [p.read_text() for p in home.path.rglob("SKILL.md")] == ["second"]


@pytest.mark.parametrize("foreign", ["text", ["list"], {"command": "docker", "args": ["run", "x"], "env": {"A": "b"}}])
@pytest.mark.parametrize("edited", [False, True])
def test_what_was_replaced_by_force_comes_back_whole(home: Home, foreign: object, edited: bool) -> None:
    home.write(".claude.json", {"mcpServers": {"MLflow": foreign}})
    home.run(f"skill-install claude --no-verify --force --tracking-uri {URI}")
    if edited:
        state = home.read(".claude.json")
        state["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"] = "http://other:1"
        home.write(".claude.json", state)
    home.run("skill-uninstall claude")
    assert home.read(".claude.json") == {"mcpServers": {"MLflow": foreign}}


def test_the_order_of_clients_makes_no_difference(home: Home) -> None:
    home.run(INSTALL)
    home.run("skill-uninstall cursor")
    home.run("skill-uninstall claude")
    assert home.files() == {}


def test_what_was_there_before_an_installation_found_nothing_to_do_stays(home: Home) -> None:
    """A repository that carries entry and skill: another's installation changes nothing, so neither does its end."""
    home.cd("project")
    install = f"skill-install claude --no-verify --tracking-uri {URI} --scope project"
    home.run(install)
    for record in home.path.rglob("record.json"):
        record.unlink()
    before = {name: data for name, data in home.files().items() if name.startswith("project")}
    assert home.json(install)["changed"] is False
    output = home.run("skill-uninstall claude --scope project").output
    assert output.count("was there before; left alone (--force removes it)") == 2
    assert {name: data for name, data in home.files().items() if name.startswith("project")} == before
    home.run(install)
    home.run("skill-uninstall claude --scope project --force")
    assert not (home.path / "project/.claude/skills/accessing-mlflow").exists()


def test_a_project_that_is_gone_does_not_keep_the_skill(home: Home) -> None:
    project = home.cd("project")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI}")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI} --scope local")
    home.cd(".")
    shutil.rmtree(project)
    home.run("skill-uninstall claude")
    assert not (home.path / SKILL).exists()


def test_skills_of_another_bundle_go_as_well(home: Home, tmp_path: Path) -> None:
    skill = tmp_path / "edition/other-skill/SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: other-skill\ndescription: x\n---\n")
    home.run(f"skill-install claude --no-verify --tracking-uri {URI} --bundle", str(tmp_path / "edition"))
    assert (home.path / ".claude/skills/other-skill/SKILL.md").is_file()
    home.run("skill-uninstall claude")
    assert home.files() == {}
