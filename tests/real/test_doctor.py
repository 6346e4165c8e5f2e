"""`skill-doctor` with the real things: all green where all is well, and the home as it was before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import product
from tests.real.fronts import TOKEN, Front
from tests.real.machines import REPOSITORY, Machine

pytestmark = pytest.mark.real

Checks = dict[str, dict[str, Any]]

PATIENT_DOCTOR = """
from accessing_mlflow.checks import tracking
from accessing_mlflow.cli import doctor
tracking.ANSWER_LIMIT = 60.0
doctor(prog_name="skill-doctor")
"""
"""The command; but the five seconds are for users: here, a sign-in on a busy machine may take longer."""

OFFLINE = ("--env", "UV_OFFLINE=1")
"""In Cursor's entries: a desktop program has none of the shell's variables, by which uv may reach the package index."""


@pytest.fixture(autouse=True)
def cache(machine: Machine, uv_cache: Path) -> None:
    """uv's cache where a program without the shell's variables looks for it."""
    (machine.home / ".cache").mkdir()
    (machine.home / ".cache" / "uv").symlink_to(uv_cache)


def everything(folder: Path) -> dict[str, tuple[int, int, int]]:
    """All below the folder: modes, times, sizes."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path): (stat.st_mode, stat.st_mtime_ns, stat.st_size) for path, stat in found.items()}


def examined(machine: Machine, client: str, expect: int = 0) -> Checks:
    """What the doctor finds; it changes nothing in the home folder."""
    before = everything(machine.home)
    data = json.loads(machine.run(product.program("python"), "-c", PATIENT_DOCTOR, client, "--json", expect=None))
    assert everything(machine.home) == before
    assert data["ok"] is (expect == 0), json.dumps(data, indent=1)
    return {check["id"]: check for check in data["checks"]}


def all_green(checks: Checks) -> None:
    others = [check for check in checks.values() if check["status"] not in ("ok", "info")]
    assert others == [], json.dumps(others, indent=1)
    assert checks["mcp-server"]["status"] == "ok"
    assert "40 tools" in checks["mcp-server"]["detail"]


def test_claude_code_with_a_server(claude: Machine, mlflow_server: str) -> None:
    claude.install("claude", "--tracking-uri", mlflow_server)
    checks = examined(claude, "claude")
    all_green(checks)
    assert {checks[name]["status"] for name in ("client", "uvx", "skill", "entry", "guard", "tracking-uri")} == {"ok"}
    assert "MLflow 3.17.2" in checks["tracking-server"]["detail"]


def test_cursors_files_with_the_embedded_store(machine: Machine) -> None:
    machine.install("cursor", *OFFLINE)
    all_green(examined(machine, "cursor"))
    store = next(machine.home.rglob("mlflow.db"))
    store.unlink()
    checks = examined(machine, "cursor")
    assert checks["mcp-server"]["status"] == "ok"
    assert not store.exists(), "starting the server makes no store"


@pytest.mark.parametrize("client", ["claude", "cursor"])
def test_a_name_and_a_password(machine: Machine, guarded: str, client: str) -> None:
    file = machine.home / ".mlflow" / "credentials"
    file.parent.mkdir()
    text = "[mlflow]\nmlflow_tracking_username = admin\nmlflow_tracking_password = long%%password\n"
    file.write_text(text, encoding="utf-8")
    machine.install(client, "--tracking-uri", guarded, *OFFLINE)
    all_green(examined(machine, client))
    file.unlink()
    assert examined(machine, client, expect=1)["tracking-server"]["status"] == "error"


@pytest.mark.parametrize("client", ["claude", "cursor"])
def test_an_own_certificate_and_a_token(machine: Machine, fronted: Front, client: str) -> None:
    variables = {"MLFLOW_TRACKING_TOKEN": TOKEN, "MLFLOW_TRACKING_SERVER_CERT_PATH": str(fronted.authority)}
    options = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    machine.install(client, "--tracking-uri", fronted.uri, *options, *OFFLINE)
    checks = examined(machine, client)
    all_green(checks)
    assert TOKEN not in json.dumps(checks)


def test_what_fix_mends_is_what_the_client_reads(claude: Machine, mlflow_server: str) -> None:
    """The older instructions' entry, in settings.json: moved, and the real client connects."""
    claude.install("claude", "--no-verify", "--tracking-uri", mlflow_server)
    entry = json.loads((claude.home / ".claude.json").read_text())["mcpServers"]["MLflow"]
    claude.run("skill-uninstall", "claude")
    claude.write(".claude/settings.json", {"mcpServers": {"MLflow": entry}})
    assert "MLflow" not in claude.run("claude", "mcp", "list")
    done = subprocess.run(
        ["skill-doctor", "claude", "--fix", "--json"],
        cwd=claude.home,
        env=claude.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    all_green({check["id"]: check for check in json.loads(done.stdout)["checks"]})
    assert "✔ Connected" in claude.run("claude", "mcp", "list")


def test_the_picture_in_the_readme_is_current(uv_cache: Path) -> None:
    command = [sys.executable, "installer/tools/doctor_picture.py", "--check"]
    variables = {**os.environ, "PATH": f"{Path(product.program('python')).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_project_does_not_say_where_the_scripts_packages_come_from(machine: Machine, tmp_path: Path) -> None:
    """With a uv that has nothing cached. The released skill itself lies in the project, as in a clone of somebody's."""
    project, mark = machine.home / "project", tmp_path / "started"
    (project / ".git").mkdir(parents=True)
    machine.install("claude", "--scope", "project", "--no-verify", "--tracking-uri", "http://127.0.0.1:9", cwd=project)
    interpreter = project / "python"
    interpreter.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    interpreter.chmod(0o755)
    (project / ".python-version").write_text(f"{interpreter}\n")
    (project / "uv.toml").write_text('index-url = "http://127.0.0.1:9/simple"\n')
    machine.variables["UV_CACHE_DIR"] = str(tmp_path / "empty")
    data = json.loads(machine.run("skill-doctor", "claude", "--json", cwd=project, expect=None))
    check = next(check for check in data["checks"] if check["id"] == "scripts")
    assert check["status"] == "ok", check
    assert not mark.exists()
