"""`skill-install`: what it writes where, and what it refuses."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from accessing_mlflow.entry import LIMITS
from tests.homes import URI, Home

CLAUDE = f"skill-install claude --no-verify --tracking-uri {URI}"
CURSOR = f"skill-install cursor --no-verify --tracking-uri {URI}"
ENTRY = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": URI, **LIMITS}}
SKILL = "skills/accessing-mlflow/SKILL.md"


def git(folder: Path) -> None:
    (folder / ".git").mkdir(parents=True)


class TestWhere:
    def test_claude_user_scope(self, home: Home) -> None:
        home.run(CLAUDE)
        assert home.read(".claude.json") == {"mcpServers": {"MLflow": ENTRY}}
        assert (home.path / ".claude" / SKILL).is_file()

    def test_cursor_user_scope_names_uvx_absolutely(self, home: Home) -> None:
        home.run(CURSOR)
        entry = home.read(".cursor/mcp.json")["mcpServers"]["MLflow"]
        assert entry == {**ENTRY, "command": str(home.programs / "uvx")}
        assert (home.path / ".cursor" / SKILL).is_file()

    def test_claude_project_scope_from_a_subfolder(self, home: Home) -> None:
        git(home.path / "project")
        home.cd("project/deep/er")
        home.run(CLAUDE, "--scope", "project")
        assert home.read("project/.mcp.json") == {"mcpServers": {"MLflow": ENTRY}}
        assert (home.path / "project/.claude" / SKILL).is_file()

    def test_cursor_project_scope_names_uvx_plainly(self, home: Home) -> None:
        git(home.path / "project")
        home.cd("project")
        home.run(CURSOR, "--scope", "project")
        assert home.read("project/.cursor/mcp.json") == {"mcpServers": {"MLflow": ENTRY}}

    def test_claude_local_scope_uses_the_main_worktree_and_the_users_skills(self, home: Home) -> None:
        main, linked = home.path / "main", home.path / "linked"
        (main / ".git/worktrees/linked").mkdir(parents=True)
        (main / ".git/worktrees/linked/commondir").write_text("../..\n")
        (main / ".git/worktrees/linked/gitdir").write_text(f"{linked}/.git\n")
        home.cd("linked/sub")
        (linked / ".git").write_text(f"gitdir: {main}/.git/worktrees/linked\n")
        home.run(CLAUDE, "--scope", "local")
        assert home.read(".claude.json") == {"projects": {str(main): {"mcpServers": {"MLflow": ENTRY}}}}
        assert (home.path / ".claude" / SKILL).is_file()

    def test_claude_config_dir_moves_everything(self, home: Home, tmp_path: Path) -> None:
        home.variable("CLAUDE_CONFIG_DIR", str(tmp_path / "moved"))
        home.run(CLAUDE)
        assert json.loads((tmp_path / "moved/.claude.json").read_text())["mcpServers"]["MLflow"] == ENTRY
        assert (tmp_path / "moved" / SKILL).is_file()
        assert not (home.path / ".claude.json").exists()

    def test_an_empty_claude_config_dir_means_unset(self, home: Home) -> None:
        home.variable("CLAUDE_CONFIG_DIR", "")
        home.run(CLAUDE)
        assert (home.path / ".claude.json").exists()

    def test_the_legacy_file_replaces_the_other(self, home: Home) -> None:
        home.write(".claude/.config.json", {})
        home.run(CLAUDE)
        assert home.read(".claude/.config.json")["mcpServers"]["MLflow"] == ENTRY
        assert not (home.path / ".claude.json").exists()

    @pytest.mark.parametrize("scope", ["project", "local"])
    def test_home_is_not_a_project(self, home: Home, scope: str) -> None:
        home.cd(".")
        assert "is your home folder" in home.run(CLAUDE, "--scope", scope, expect=1).output
        assert home.files() == {}

    def test_a_scope_that_the_client_does_not_have_is_a_usage_error(self, home: Home) -> None:
        assert "choose from: user, project" in home.run(CURSOR, "--scope", "local", expect=2).output


class TestFiles:
    def test_every_other_byte_stays(self, home: Home) -> None:
        before = '{\r\n\t"numbers": [1e2, 1.0],\r\n\t"mcpServers": {\r\n\t\t"other": {"command":"x"}\r\n\t},'
        before += '\r\n\t"z": "\\u00e9"\r\n}'
        file = home.write(".claude.json", before)
        home.run(CLAUDE)
        after = file.read_bytes().decode()
        start, end = before.index('{"command"') + len('{"command":"x"}'), '\r\n\t},\r\n\t"z": "\\u00e9"\r\n}'
        assert after.startswith(before[:start])
        assert after.endswith(end)
        assert json.loads(after)["mcpServers"]["MLflow"] == ENTRY

    def test_comments_in_cursors_file_stay(self, home: Home) -> None:
        file = home.write(".cursor/mcp.json", '{\n  // mine\n  "mcpServers": {} /* here */\n}\n')
        home.run(CURSOR)
        assert "// mine" in file.read_text()
        assert "/* here */" in file.read_text()

    def test_a_trailing_comma_in_cursors_file_is_warned_about(self, home: Home) -> None:
        home.write(".cursor/mcp.json", '{\n  "mcpServers": {},\n}\n')
        assert "line 2, column 19: trailing comma" in home.run(CURSOR).output

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ('{\n  "a": 1 // no\n}', "line 2, column 10: comment"),
            ('{\n  "a": 1,\n}', "line 2, column 9: trailing comma"),
            ('{"mcpServers": ', "line 1, column"),
            ('{"mcpServers": []}', "mcpServers"),
            ("[]", "line 1, column 1"),
        ],
    )
    def test_a_file_that_claude_would_not_read_is_refused_and_left(self, home: Home, text: str, where: str) -> None:
        file = home.write(".claude.json", text)
        output = home.run(CLAUDE, expect=1).output
        assert where in output
        assert ".claude.json" in output
        assert file.read_text() == text
        assert list(home.files()) == [".claude.json"]

    def test_a_new_file_is_private_and_an_old_one_keeps_its_mode(self, home: Home) -> None:
        home.write(".cursor/mcp.json", "{}").chmod(0o644)
        home.run("skill-install claude cursor --no-verify --tracking-uri " + URI)
        assert stat.S_IMODE((home.path / ".claude.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((home.path / ".cursor/mcp.json").stat().st_mode) == 0o644

    def test_a_projects_file_is_as_readable_as_any_other_in_it(self, home: Home) -> None:
        other = home.write("project/README.md", "")
        home.cd("project")
        home.run(CLAUDE, "--scope", "project")
        assert (home.path / "project/.mcp.json").stat().st_mode == other.stat().st_mode

    def test_a_symlinked_state_file_is_written_through(self, home: Home, tmp_path: Path) -> None:
        target = tmp_path / "dotfiles.json"
        target.write_text("{}")
        (home.path / ".claude.json").symlink_to(target)
        home.run(CLAUDE)
        assert (home.path / ".claude.json").is_symlink()
        assert json.loads(target.read_text())["mcpServers"]["MLflow"] == ENTRY

    def test_a_project_file_that_is_a_symlink_out_of_it_is_refused(self, home: Home) -> None:
        project = home.cd("project")
        home.write("shared.json", "{}")
        (project / ".mcp.json").symlink_to(home.path / "shared.json")
        assert "is outside the project" in home.run(CLAUDE, "--scope", "project", expect=1).output

    def test_nothing_of_the_staging_stays_where_clients_look(self, home: Home) -> None:
        home.run(CLAUDE)
        assert sorted(os.listdir(home.path / ".claude")) == ["settings.json", "skills"]
        assert os.listdir(home.path / ".claude/skills") == ["accessing-mlflow"]

    def test_what_is_no_regular_file_is_refused(self, home: Home) -> None:
        os.mkfifo(home.path / ".claude.json")
        assert "not a regular file" in home.run(CLAUDE, expect=1).output

    def test_a_second_run_writes_nothing(self, home: Home) -> None:
        home.run(CLAUDE)
        before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in home.path.rglob("*")}
        assert home.json(CLAUDE)["changed"] is False
        assert {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in home.path.rglob("*")} == before


class TestEntry:
    def entry(self, home: Home) -> dict[str, object]:
        found = home.read(".claude.json")["mcpServers"]["MLflow"]
        assert isinstance(found, dict)
        return found

    def test_an_entry_typed_by_hand_is_brought_up_to_date_and_keeps_what_the_user_put_there(self, home: Home) -> None:
        mine = {
            "type": "stdio",
            "command": "uvx",
            "args": ["--python", "3.12", "mlflow-mcp==0.4.0"],
            "env": {"MLFLOW_TRACKING_URI": "http://mine:5000", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60", "X": "${X}"},
            "timeout": 5,
        }
        home.write(".claude.json", {"mcpServers": {"MLflow": mine}})
        home.run("skill-install claude --no-verify")
        env = {**mine["env"], "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # type: ignore[dict-item]
        assert self.entry(home) == {**mine, "env": env}

    @pytest.mark.parametrize(
        "entry",
        [
            {"command": "/usr/local/bin/uvx", "args": ["mlflow-mcp"]},
            {"command": "uv", "args": ["tool", "run", "mlflow_mcp@0.4.1"]},
            {"command": "uvx", "args": ["--from=mlflow-mcp>=0.4", "mlflow-mcp"]},
            {"command": "C:\\uv\\uvx.exe", "args": ["--with", "six", "mlflow-mcp[x]"]},
            {"command": "uvx", "args": ["-p3.12", "-qn", "--python", "3.12", "--", "mlflow-mcp"]},
        ],
    )
    def test_ours(self, home: Home, entry: dict[str, object]) -> None:
        home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
        home.run(CLAUDE)
        assert self.entry(home)["args"] == entry["args"]

    @pytest.mark.parametrize(
        "entry",
        [
            {"command": "uvx", "args": ["other-mcp"]},
            {"command": "uvx", "args": ["--with", "mlflow-mcp", "other"]},
            {"command": "docker", "args": ["run", "mlflow-mcp"]},
            {"command": "uvx", "args": ["mlflow-mcp-plus"]},
            {"command": "uvx", "args": ["--from", "mlflow-mcp", "python", "x.py"]},
            {"type": "http", "url": "https://token:secret@mcp.example.org"},
        ],
    )
    def test_something_else_behind_the_name_is_a_conflict(self, home: Home, entry: dict[str, object]) -> None:
        file = home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
        before = file.read_bytes()
        output = home.run(CLAUDE, expect=1).output
        assert "there:" in output
        assert "ours:" in output
        assert "--force" in output
        assert "secret" not in output
        assert file.read_bytes() == before
        home.run(CLAUDE, "--force")
        assert self.entry(home) == ENTRY

    def test_a_wrong_shape_is_refused_with_its_json_pointer(self, home: Home) -> None:
        home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "uvx", "args": "mlflow-mcp"}}})
        output = home.run(CLAUDE, expect=1).output
        assert "#/mcpServers/MLflow/args" in output
        assert 'write a list of texts, such as ["mlflow-mcp"]' in output

    def test_a_wrong_shape_does_not_show_values(self, home: Home) -> None:
        entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_TOKEN": ["hunter2"]}}
        home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
        assert "hunter2" not in home.run(CLAUDE, expect=1).output

    def test_uv_is_named_absolutely_for_cursor_too(self, home: Home) -> None:
        entry = {"command": "uv", "args": ["tool", "run", "mlflow-mcp"]}
        home.write(".cursor/mcp.json", {"mcpServers": {"MLflow": entry}})
        home.run(CURSOR)
        assert home.read(".cursor/mcp.json")["mcpServers"]["MLflow"]["command"] == str(home.programs / "uv")

    def test_a_version_that_the_user_gave_stays(self, home: Home) -> None:
        entry = {"command": "uvx", "args": ["mlflow-mcp==0.4.1"], "env": {"MLFLOW_TRACKING_URI": URI}}
        home.write(".claude.json", {"mcpServers": {"MLflow": entry}})
        home.run(CLAUDE)
        assert self.entry(home)["args"] == ["mlflow-mcp==0.4.1"]

    def test_env_adds_values_and_each_clients_own_reference(self, home: Home) -> None:
        line = f"skill-install claude cursor --no-verify --tracking-uri {URI}"
        home.run(line, "--env", "MLFLOW_TRACKING_TOKEN", "--env", "A=b=c")
        for file, reference in ((".claude.json", "${%s}"), (".cursor/mcp.json", "${env:%s}")):
            env = home.read(file)["mcpServers"]["MLflow"]["env"]
            assert env["MLFLOW_TRACKING_TOKEN"] == reference % "MLFLOW_TRACKING_TOKEN"
            assert env["A"] == "b=c"

    def test_a_name_that_is_none_is_a_usage_error(self, home: Home) -> None:
        home.run(CLAUDE, "--env", "1X=2", expect=2)

    def test_secrets_are_refused_in_a_projects_file(self, home: Home) -> None:
        home.cd("project")
        output = home.run(CLAUDE, "--scope", "project", "--env", "MLFLOW_TRACKING_TOKEN=hunter2", expect=1).output
        assert "--env MLFLOW_TRACKING_TOKEN, without a value" in output
        assert "hunter2" not in output
        home.run(CLAUDE, "--scope", "project", "--env", "MLFLOW_TRACKING_TOKEN")

    def test_a_uvx_that_is_gone_is_replaced_in_the_entry(self, home: Home) -> None:
        home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "/gone/uvx", "args": ["mlflow-mcp"]}}})
        home.run(CLAUDE)
        assert self.entry(home)["command"] == "uvx"


class TestUvx:
    LINE = f"skill-install claude --tracking-uri {URI}"

    def test_without_uvx_nothing_is_written(self, home: Home) -> None:
        (home.programs / "uvx").unlink()
        output = home.run(self.LINE, expect=1).output
        assert "uvx was not found" in output
        assert "pip install" in output
        assert home.files() == {}

    def test_a_uvx_in_a_cache_counts_for_nothing(self, home: Home) -> None:
        (home.programs / "uvx").unlink()
        for folder in ("home/.cache/uv/archive-v0/x/bin", "elsewhere/environments-v2/y/bin"):
            home.program("uvx", folder=home.path.parent / folder)
            home.variable("PATH", str(home.path.parent / folder))
            home.run(self.LINE, expect=1)

    def test_a_uvx_in_a_virtual_environment_is_named_absolutely_with_a_warning(
        self, home: Home, tmp_path: Path
    ) -> None:
        (home.programs / "uvx").unlink()
        link = tmp_path / "venv/bin/uvx"
        home.program("uvx", folder=tmp_path / "lib")
        link.parent.mkdir(parents=True)
        link.symlink_to(tmp_path / "lib/uvx")
        (tmp_path / "venv/pyvenv.cfg").touch()
        home.variable("PATH", str(link.parent))
        assert "virtual environment" in home.run(CLAUDE).output
        assert home.read(".claude.json")["mcpServers"]["MLflow"]["command"] == str(link)

    def test_a_lasting_uvx_is_preferred_to_one_in_a_virtual_environment(self, home: Home, tmp_path: Path) -> None:
        home.program("uvx", folder=tmp_path / "venv/bin")
        (tmp_path / "venv/pyvenv.cfg").touch()
        home.variable("PATH", f"{tmp_path}/venv/bin{os.pathsep}{home.programs}")
        home.run(CLAUDE)
        assert home.read(".claude.json")["mcpServers"]["MLflow"]["command"] == "uvx"

    def test_beside_the_interpreter(self, home: Home, tmp_path: Path) -> None:
        (home.programs / "uvx").unlink()
        beside = home.program("uvx", folder=tmp_path / "python")
        home.run(CLAUDE)
        assert home.read(".claude.json")["mcpServers"]["MLflow"]["command"] == str(beside)


class TestTrackingUri:
    LINE = "skill-install claude --no-verify"

    def uri(self, home: Home, file: str = ".claude.json") -> str:
        return str(home.read(file)["mcpServers"]["MLflow"]["env"]["MLFLOW_TRACKING_URI"])

    def entry(self, uri: str, name: str = "MLflow") -> dict[str, object]:
        return {"mcpServers": {name: {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": uri}}}}

    def test_the_order(self, home: Home) -> None:
        """Each source, the weakest first, wins over those before it."""
        home.cd("project")
        home.run(self.LINE)
        assert self.uri(home).startswith(f"sqlite:///{home.path}/")
        home.write(".cursor/mcp.json", self.entry("http://cursor:1"))
        assert "the entry of Cursor, user scope" in home.run(self.LINE).output
        assert self.uri(home) == "http://cursor:1"
        (home.path / ".claude.json").unlink()
        home.variable("MLFLOW_TRACKING_URI", "http://shell:1")
        assert "$MLFLOW_TRACKING_URI" in home.run(self.LINE).output
        assert self.uri(home) == "http://shell:1"
        (home.path / ".claude.json").unlink()
        home.write(".claude.json", self.entry("http://other-name:1", "mlflow"))
        home.run(self.LINE)
        assert self.uri(home) == "http://other-name:1"
        home.write(".claude.json", self.entry("http://other-name:1", "mlflow"))
        home.write("project/.claude/settings.json", self.entry("http://projects:1"))
        home.run(self.LINE)
        assert self.uri(home) == "http://other-name:1"  # not the project's
        home.write(".claude.json", self.entry("http://other-name:1", "mlflow"))
        home.write(".claude/settings.json", self.entry("http://dead:1"))
        output = home.run(self.LINE).output
        assert "settings.json, where Claude Code ignores it" in output
        assert "the entry that counts is in ~/.claude.json" in output
        assert self.uri(home) == "http://dead:1"
        home.write(".claude.json", self.entry("http://here:1"))
        home.run(self.LINE)
        assert self.uri(home) == "http://here:1"
        home.run(self.LINE, "--tracking-uri", "http://given:1")
        assert self.uri(home) == "http://given:1"

    @pytest.mark.parametrize("text", ["https://<your-mlflow-server>/", "http://your-server", "", "  "])
    def test_placeholders_and_empty_values_are_skipped(self, home: Home, text: str) -> None:
        home.write(".claude.json", self.entry(text))
        home.variable("MLFLOW_TRACKING_URI", "http://shell:1")
        home.run(self.LINE)
        assert self.uri(home) == "http://shell:1"

    @pytest.mark.parametrize(
        ("uri", "advice"),
        [
            ("localhost:5000", "write http://localhost:5000"),
            ("mlflow.example.org", "write http://mlflow.example.org"),
            ("https://h.example/ml/#/experiments/1", "write the server's address: https://h.example/ml"),
            ("https://h.example/experiments/1/runs/2", "write the server's address: https://h.example"),
            ("", "such as https://"),
            ("http://", "such as https://"),
            ("https://<your-mlflow-server>/", "such as https://"),
            ("sqlite:///mlflow.db", "sqlite:////absolute/path"),
            ("file:mlruns", "absolute"),
            ("HTTP://h.example/#/x", "write the server's address: HTTP://h.example"),
        ],
    )
    def test_what_cannot_be_right_is_refused_with_the_right_form(self, home: Home, uri: str, advice: str) -> None:
        assert advice in home.run(self.LINE, "--tracking-uri", uri, expect=1).output
        assert home.files() == {}

    @pytest.mark.parametrize(
        "uri", ["http://h:5000/", "https://h.example/experiments", "databricks", "sqlite:////x/y.db"]
    )
    def test_what_can_be_right_is_taken_as_it_is(self, home: Home, uri: str) -> None:
        home.run(self.LINE, "--tracking-uri", uri)
        assert self.uri(home) == uri

    def test_a_bad_shell_value_is_refused_by_name(self, home: Home) -> None:
        home.variable("MLFLOW_TRACKING_URI", "localhost:5000")
        assert "$MLFLOW_TRACKING_URI has no scheme" in home.run(self.LINE, expect=1).output

    def test_credentials_are_warned_about_refused_in_projects_and_never_shown(self, home: Home) -> None:
        uri = "https://user:hunter2@mlflow.example.org"
        output = home.run(self.LINE, "--tracking-uri", uri).output
        assert "credentials" in output
        assert "hunter2" not in output + json.dumps(home.json(self.LINE)) + home.run(self.LINE, "--check").output
        assert self.uri(home) == uri
        home.cd("project")
        output = home.run(self.LINE, "--scope", "project", "--tracking-uri", uri, expect=1).output
        assert "hunter2" not in output

    def test_a_project_gets_no_guessed_uri(self, home: Home) -> None:
        home.variable("MLFLOW_TRACKING_URI", "http://shell:1")
        project = home.cd("project")
        output = home.run(self.LINE, "--scope", "project", expect=1).output
        assert "--tracking-uri" in output
        assert "--env MLFLOW_TRACKING_URI" in output
        assert list(project.iterdir()) == []
        home.run(self.LINE, "--scope", "project", "--env", "MLFLOW_TRACKING_URI")
        assert self.uri(home, "project/.mcp.json") == "${MLFLOW_TRACKING_URI}"
        home.run(self.LINE, "--scope", "project")

    def test_a_reference_is_translated_between_clients(self, home: Home) -> None:
        home.write(".cursor/mcp.json", self.entry("${env:TEAM_MLFLOW}"))
        home.run(self.LINE)
        assert self.uri(home) == "${TEAM_MLFLOW}"

    def test_the_embedded_default_is_not_sticky_and_its_folder_is_private(self, home: Home) -> None:
        output = home.run(self.LINE).output
        assert "--tracking-uri" in output.splitlines()[-1]
        folder = Path(self.uri(home).removeprefix("sqlite:///")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        home.variable("MLFLOW_TRACKING_URI", "http://shell:1")
        home.run(self.LINE)
        assert self.uri(home) == "http://shell:1"

    @pytest.mark.parametrize("place", ["project/.claude/settings.json", "project/.mcp.json"])
    def test_a_uri_that_came_with_a_project_is_named_and_not_taken(self, home: Home, place: str) -> None:
        home.cd("project")
        home.write(place, self.entry("http://somebody:1"))
        output = home.run(self.LINE).output
        assert "skill-install claude --tracking-uri http://somebody:1" in output
        assert self.uri(home).startswith("sqlite:")

    @pytest.mark.parametrize("uri", ["alice:hunter2@h.example", "hunter2@h.example:80", "alice:hunter2@h.example/x"])
    def test_credentials_without_a_scheme_are_refused_and_never_shown(self, home: Home, uri: str) -> None:
        result = home.run(self.LINE, "--tracking-uri", uri, expect=1)
        assert "has no scheme" in result.output
        assert "hunter2" not in result.output + json.dumps(home.json(self.LINE, "--tracking-uri", uri, expect=1))

    @pytest.mark.parametrize("given", ["${TEAM}", "${env:TEAM}"])
    def test_a_given_reference_is_written_in_each_clients_form(self, home: Home, given: str) -> None:
        home.run("skill-install claude cursor --no-verify --tracking-uri", given)
        assert self.uri(home) == "${TEAM}"
        assert self.uri(home, ".cursor/mcp.json") == "${env:TEAM}"

    def test_what_only_one_client_fills_in_is_not_copied_to_the_other(self, home: Home) -> None:
        home.write(".claude.json", self.entry("${TEAM:-http://h:1}"))
        home.run("skill-install claude cursor --no-verify")
        assert self.uri(home) == "${TEAM:-http://h:1}"
        assert self.uri(home, ".cursor/mcp.json").startswith("sqlite:///")
        line = "skill-install cursor --no-verify --tracking-uri"
        assert "would not fill in" in home.run(line, "${TEAM:-http://h:1}", expect=1).output

    def test_the_file_that_another_one_replaces_is_a_dead_place(self, home: Home, tmp_path: Path) -> None:
        home.write(".claude.json", self.entry("http://before:1"))
        home.variable("CLAUDE_CONFIG_DIR", str(tmp_path / "moved"))
        assert "http://before:1 (from ~/.claude.json, where Claude Code ignores it)" in home.run(self.LINE).output

    def test_both_options_for_it_exclude_each_other(self, home: Home) -> None:
        home.run(CLAUDE, "--env", "MLFLOW_TRACKING_URI", expect=2)


class TestSkill:
    @pytest.fixture
    def folder(self, home: Home) -> Path:
        home.run(CLAUDE)
        return home.path / ".claude/skills/accessing-mlflow"

    def test_an_edited_skill_is_refused_with_the_files_and_saved_when_forced(self, home: Home, folder: Path) -> None:
        (folder / "SKILL.md").write_text("mine\n")
        (folder / "notes.md").write_text("mine too\n")
        output = home.run(CLAUDE, expect=1).output
        assert "SKILL.md (changed)" in output
        assert "notes.md (added)" in output
        home.run(CLAUDE, "--force")
        assert not (folder / "notes.md").exists()
        saved = list(home.path.rglob("notes.md"))
        assert [p.read_text() for p in saved] == ["mine too\n"]
        assert "skills" not in saved[0].relative_to(home.path).parts[:2]

    def test_a_foreign_skill_of_the_same_name_is_refused(self, home: Home) -> None:
        home.write(".claude/skills/accessing-mlflow/SKILL.md", "somebody else's")
        assert "was not installed by this program" in home.run(CLAUDE, expect=1).output
        assert not (home.path / ".claude.json").exists()

    def test_a_copy_with_other_line_ends_is_the_same(self, home: Home, folder: Path) -> None:
        file = folder / "SKILL.md"
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
        assert home.json(CLAUDE)["changed"] is False

    def test_an_unedited_copy_of_another_release_is_upgraded_without_a_record(
        self, home: Home, folder: Path, tmp_path: Path
    ) -> None:
        home.run("skill-uninstall claude")
        bundle = _bundle(tmp_path, "SKILL of another release\n", "0.0.9")
        home.run(CLAUDE, "--bundle", str(bundle))
        for record in home.path.rglob("record.json"):
            record.unlink()
        newer = _bundle(tmp_path / "newer", "SKILL, newer\n", "0.1.1", released=bundle)
        output = home.run(CLAUDE, "--bundle", str(newer)).output
        assert "0.0.9 to 0.1.1" in output
        assert "newer" in (folder / "SKILL.md").read_text()

    def test_a_symlinked_skill_is_refused_and_a_symlinked_skills_folder_followed(
        self, home: Home, tmp_path: Path
    ) -> None:
        (tmp_path / "dotfiles/skills").mkdir(parents=True)
        (home.path / ".claude").mkdir()
        (home.path / ".claude/skills").symlink_to(tmp_path / "dotfiles/skills")
        home.run(CLAUDE)
        assert (tmp_path / "dotfiles" / SKILL).is_file()
        assert os.listdir(tmp_path / "dotfiles") == ["skills"]
        home.run("skill-uninstall claude")
        (tmp_path / "dotfiles/skills/accessing-mlflow").symlink_to(tmp_path)
        assert "is a symlink" in home.run(CLAUDE, expect=1).output

    def test_cursor_is_not_given_a_second_identical_copy(self, home: Home, folder: Path) -> None:
        assert "Cursor reads this copy too" in home.run(CURSOR).output
        assert not (home.path / ".cursor/skills").exists()

    def test_nor_when_both_are_installed_at_once(self, home: Home) -> None:
        home.run(f"skill-install claude cursor --no-verify --tracking-uri {URI}")
        assert not (home.path / ".cursor/skills").exists()
        assert (home.path / ".claude" / SKILL).is_file()


def _bundle(parent: Path, text: str, version: str, released: Path | None = None) -> Path:
    """A bundle of another version, made from ours; `released`: one whose version it knows as released."""
    import shutil

    from accessing_mlflow import bundle

    ours = bundle.load()
    root = parent / "bundle"
    shutil.copytree(ours.root, root)
    toml = root / "bundle.toml"
    toml.write_text(toml.read_text().replace(f'version = "{ours.version}"', f'version = "{version}"', 1))
    skill = root / "accessing-mlflow/SKILL.md"
    skill.write_text(skill.read_text().replace(ours.version, version) + text)
    if released is not None:
        older = bundle.load(released)
        known = json.loads((root / "releases.json").read_text())
        known[older.version] = {skill.name: dict(skill.files) for skill in older.skills}
        (root / "releases.json").write_text(json.dumps(known))
    return root


class TestCheckAndJson:
    def test_check_writes_nothing_and_shows_only_the_entry(self, home: Home) -> None:
        home.write(".claude.json", {"oauth": "somebody's token", "mcpServers": {}})
        before = home.files()
        output = home.run(CLAUDE, "--check", expect=1).output
        assert '+   "command": "uvx"' in output
        assert "token" not in output
        assert home.files() == before
        home.run(CLAUDE)
        home.run(CLAUDE, "--check")

    def test_json_is_one_document(self, home: Home) -> None:
        data = home.json(CLAUDE)
        assert data["ok"] is True
        assert data["changed"] is True
        assert [(s["step"], s["outcome"], s["path"]) for s in data["steps"]] == [
            ("skill", "added", "~/.claude/skills/accessing-mlflow"),
            ("guard", "added", "~/.claude/settings.json"),
            ("entry", "added", "~/.claude.json"),
        ]

    def test_json_of_a_refusal(self, home: Home) -> None:
        home.write(".claude.json", "{")
        data = home.json(CLAUDE, expect=1)
        assert data["ok"] is False
        assert "~/.claude.json, line 1" in data["error"]

    def test_secrets_do_not_reach_the_document(self, home: Home) -> None:
        line = f"{CLAUDE} --env MLFLOW_TRACKING_TOKEN=hunter2"
        assert "hunter2" not in json.dumps(home.json(line + " --check", expect=1)) + json.dumps(home.json(line))

    def test_a_refusal_for_one_client_keeps_the_other_from_being_written(self, home: Home) -> None:
        home.write(".cursor/mcp.json", "{")
        home.run(f"skill-install claude cursor --no-verify --tracking-uri {URI}", expect=1)
        assert list(home.files()) == [".cursor/mcp.json"]

    def test_a_client_that_is_not_here_gets_its_files_all_the_same(self, home: Home) -> None:
        assert "Claude Code not found; its files are ready." in home.run(CLAUDE).output
        home.program("claude")
        assert "not found" not in home.run(CLAUDE).output


class TestScripts:
    def test_are_installed_with_their_folders_and_executable_bits(self, home: Home) -> None:
        home.run(CLAUDE)
        skill = home.path / ".claude" / SKILL
        for name in ("find_runs.py", "compare_runs.py"):
            assert os.access(skill.parent / "scripts" / name, os.X_OK)
        assert (skill.parent / "references" / "queries.md").is_file()

    def test_an_edited_script_is_in_the_way_and_what_python_leaves_is_not(self, home: Home) -> None:
        home.run(CLAUDE)
        scripts = (home.path / ".claude" / SKILL).parent / "scripts"
        (scripts / "__pycache__").mkdir()
        (scripts / "__pycache__" / "evaluations.cpython-311.pyc").write_bytes(b"x")
        assert "unchanged" in home.run(CLAUDE).output
        (scripts / "find_runs.py").write_text("mine\n")
        assert "scripts/find_runs.py (changed)" in home.run(CLAUDE, expect=1).output


class TestDemo:
    def test_no_other_store_is_filled(self, home: Home) -> None:
        home.variable("MLFLOW_TRACKING_URI", URI)
        assert "fills the local store and no other" in home.run("skill-install claude --demo", expect=1).output
        assert home.files() == {}

    def test_without_the_proofs_there_is_nothing_to_fill_it_with(self, home: Home) -> None:
        assert "--no-verify" in home.run("skill-install claude --demo --no-verify", expect=2).output
        assert home.files() == {}
