"""Secrets are refused in files that git tracks; everywhere else they are the user's own business."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from accessing_mlflow.exposure import looks_secret
from tests.homes import URI, Home

DOCUMENT = (Path(__file__).parents[1] / "docs" / "authentication.md").read_text(encoding="utf-8")
INSTALL = f"skill-install claude --no-verify --tracking-uri {URI}"
SECRET = ("--env", "MLFLOW_TRACKING_TOKEN=hunter2")


@pytest.fixture
def dotfiles(home: Home) -> Home:
    """A home with git on PATH and a repository of dotfiles in it."""
    found = shutil.which("git", path="/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin")
    assert found, "git is needed"
    (home.programs / "git").symlink_to(found)
    git(home.cd("dotfiles"), "init", "--quiet")
    return home


def git(folder: Path, *arguments: str) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=folder, env=plain, check=True)


def track(home: Home, name: str, folder: str = "dotfiles") -> Path:
    """A tracked file without entries."""
    file = home.write(f"{folder}/{name}" if folder else name, "{}\n")
    git(file.parent, "add", "-f", file.name)
    return file


def refused(home: Home, *more: str) -> str:
    before = home.files()
    output = home.run(INSTALL, *more, expect=1).output
    home.run(INSTALL, *more, "--check", expect=1)
    assert home.files() == before
    assert "hunter2" not in output
    return output


def test_the_file_behind_a_symlink(dotfiles: Home) -> None:
    file = track(dotfiles, "claude.json")
    (dotfiles.path / ".claude.json").symlink_to(file)

    output = refused(dotfiles, *SECRET)

    assert "MLFLOW_TRACKING_TOKEN looks like a secret, and git tracks ~/dotfiles/claude.json" in output
    assert "--env MLFLOW_TRACKING_TOKEN, without a value" in output
    assert "~/.mlflow/credentials" in output
    dotfiles.run(INSTALL, "--env", "MLFLOW_TRACKING_TOKEN")


def test_a_file_in_a_symlinked_folder(dotfiles: Home) -> None:
    track(dotfiles, "cursor/mcp.json")
    (dotfiles.path / ".cursor").symlink_to(dotfiles.path / "dotfiles" / "cursor")
    line = INSTALL.replace("claude", "cursor")
    assert "git tracks ~/dotfiles/cursor/mcp.json" in dotfiles.run(line, *SECRET, expect=1).output


def test_a_home_that_is_a_work_tree(dotfiles: Home) -> None:
    git(dotfiles.path, "init", "--quiet")
    dotfiles.run(INSTALL, *SECRET)
    dotfiles.run("skill-uninstall claude")

    track(dotfiles, ".claude.json", folder="")
    assert "git tracks ~/.claude.json" in refused(dotfiles, *SECRET)


def test_a_tracking_uri_with_credentials(dotfiles: Home) -> None:
    (dotfiles.path / ".claude.json").symlink_to(track(dotfiles, "claude.json"))
    line = "skill-install claude --no-verify"
    uri = "https://me:hunter2@mlflow.example.org"

    output = dotfiles.run(line, "--tracking-uri", uri, expect=1).output
    assert "the tracking URI holds credentials, and git tracks ~/dotfiles/claude.json" in output
    assert "hunter2" not in output

    dotfiles.variable("MLFLOW_TRACKING_URI", uri)
    dotfiles.run(line, expect=1)
    dotfiles.run(line, "--tracking-uri", "https://${ME}:${PASSWORD}@mlflow.example.org")


def test_the_local_scope_is_in_the_same_file(dotfiles: Home) -> None:
    (dotfiles.path / ".claude.json").symlink_to(track(dotfiles, "claude.json"))
    dotfiles.cd("project")
    assert "git tracks" in refused(dotfiles, *SECRET, "--scope", "local")


def test_what_is_there_already_stays_but_gets_no_company(dotfiles: Home) -> None:
    """Git has it already: updating the rest of the entry makes that no worse, another value would."""
    (dotfiles.path / ".claude.json").symlink_to(track(dotfiles, "claude.json"))
    env = {"MLFLOW_TRACKING_TOKEN": "hunter2", "MLFLOW_TRACKING_URI": "https://me:hunter2@mlflow.example.org"}
    entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": env}
    dotfiles.write("dotfiles/claude.json", {"mcpServers": {"MLflow": entry}})

    dotfiles.run("skill-install claude --no-verify", *SECRET)
    assert dotfiles.read(".claude.json")["mcpServers"]["MLflow"]["env"].items() > env.items()

    output = dotfiles.run("skill-install claude --no-verify --env MLFLOW_TRACKING_TOKEN=hunter3", expect=1).output
    assert "git tracks" in output
    assert "hunter" not in output
    dotfiles.run(INSTALL, "--env", "MLFLOW_TRACKING_TOKEN")
    assert "hunter2" not in (dotfiles.path / "dotfiles/claude.json").read_text(encoding="utf-8")


def test_a_file_that_is_not_tracked(dotfiles: Home) -> None:
    """Beside tracked ones, and in no repository at all, where git is not asked."""
    track(dotfiles, "other.json")
    (dotfiles.path / ".claude.json").symlink_to(dotfiles.write("dotfiles/claude.json", "{}"))
    dotfiles.run(INSTALL, *SECRET)

    dotfiles.program("git", "#!/bin/sh\nexit 99\n", dotfiles.path / "bin")
    dotfiles.variable("PATH", f"{dotfiles.path / 'bin'}{os.pathsep}{dotfiles.programs}")
    dotfiles.run(INSTALL.replace("claude", "cursor"), *SECRET)


def test_where_git_cannot_tell_it_may_be_tracked(dotfiles: Home) -> None:
    (dotfiles.path / ".claude.json").symlink_to(track(dotfiles, "claude.json"))
    (dotfiles.programs / "git").unlink()
    refused(dotfiles, *SECRET)
    dotfiles.program("git", "#!/bin/sh\necho 'fatal: detected dubious ownership' >&2\nexit 128\n")
    refused(dotfiles, *SECRET)


def test_variables_of_git_do_not_mislead(dotfiles: Home) -> None:
    """As in a hook of another repository."""
    (dotfiles.path / ".claude.json").symlink_to(track(dotfiles, "claude.json"))
    git(dotfiles.cd("other"), "init", "--quiet")
    dotfiles.variable("GIT_DIR", str(dotfiles.path / "other" / ".git"))
    assert "git tracks" in refused(dotfiles, *SECRET)


def test_git_is_not_asked_without_a_secret(dotfiles: Home) -> None:
    (dotfiles.path / ".claude.json").symlink_to(track(dotfiles, "claude.json"))
    (dotfiles.programs / "git").unlink()
    asked = dotfiles.path / "asked"
    dotfiles.program("git", f"#!/bin/sh\necho asked > {asked}\n")
    dotfiles.run(INSTALL, "--env", "MLFLOW_TRACKING_TOKEN", "--env", "MLFLOW_TRACKING_INSECURE_TLS=true")
    assert not asked.exists()


def test_cursors_own_file_of_variables_stays_named(home: Home) -> None:
    entry = {"command": "uvx", "args": ["mlflow-mcp"], "envFile": "/home/me/.config/mlflow.env"}
    home.write(".cursor/mcp.json", {"mcpServers": {"MLflow": entry}})
    home.run(INSTALL.replace("claude", "cursor"))
    assert home.read(".cursor/mcp.json")["mcpServers"]["MLflow"]["envFile"] == entry["envFile"]
    assert '"envFile": "/home/me/.config/mlflow.env"' in DOCUMENT


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("MLFLOW_TRACKING_PASSWORD", "x", True),
        ("MLFLOW_TRACKING_PASSWORD", "", False),
        ("MLFLOW_TRACKING_PASSWORD", "${env:PW}", False),
        ("MLFLOW_TRACKING_PASSWORD", "${A}x", True),
        ("MLFLOW_TRACKING_USERNAME", "me", False),
        ("HTTPS_PROXY", "http://me:pw@proxy:3128", True),
        ("HTTPS_PROXY", "http://${ME}:${PW}@proxy:3128", False),
        ("HTTPS_PROXY", "http://proxy:3128", False),
        ("NOTE", "ghp_abcdefghij0123456789", True),
        ("MLFLOW_TRACKING_URI", "https://me:pw@h", True),
        ("MLFLOW_TRACKING_URI", "https://h/?token=x", True),
        ("MLFLOW_TRACKING_URI", "${MLFLOW_TRACKING_URI}", False),
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", "/etc/ssl/ca.pem", False),
    ],
)
def test_what_looks_secret(name: str, value: str, secret: bool) -> None:
    assert looks_secret(name, value) == secret


def test_a_secret_is_not_given_to_a_projects_file_once_more(home: Home) -> None:
    home.cd("project")
    (home.path / "project" / ".git").mkdir()
    variables = {"MLFLOW_TRACKING_URI": URI, "MLFLOW_TRACKING_TOKEN": "hunter2"}
    entry = {"command": "uvx", "args": ["mlflow-mcp"], "env": variables}
    home.write("project/.mcp.json", {"mcpServers": {"MLflow": entry}})
    before = home.files()
    output = home.run("skill-install claude --scope project --no-verify", *SECRET, expect=1).output
    assert "a project's files are shared" in output
    assert "hunter2" not in output
    assert home.files() == before
