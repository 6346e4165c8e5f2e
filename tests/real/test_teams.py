"""docs/teams.md with the real things: Claude Code in a clone, an image, and Ansible."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import product
from tests.real.machines import REPOSITORY, Machine
from tests.real.test_claude_code import CONNECTED, listed, messages, repository, started
from tests.test_teams import IN_A_CLONE, command
from tests.test_teams import REPOSITORY as IN_THE_REPOSITORY

pytestmark = pytest.mark.real

PLAYBOOK = REPOSITORY / "docs" / "examples" / "ansible" / "playbook.yml"
ANSIBLE = "ansible-core==2.19.*" if sys.version_info >= (3, 11) else "ansible-core==2.17.*"

__all__ = ["messages"]


def with_home(machine: Machine, name: str) -> Machine:
    """Another user of the same machine."""
    home = machine.home.parent / name
    home.mkdir()
    return Machine(home, {**machine.variables, "HOME": str(home)})


def test_a_clone_is_ready_after_one_approval(
    claude: Machine, mlflow_server: str, messages: ThreadingHTTPServer
) -> None:
    project = repository(claude)
    claude.run(*command_line(IN_THE_REPOSITORY, mlflow_server), "--no-verify", cwd=project)
    claude.run(*command("git add").split(), cwd=project)
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    claude.run("git", *identity, "commit", "--quiet", "--message", "agents", cwd=project)

    colleague = with_home(claude, "colleague")
    clone = colleague.home / "clone"
    colleague.run("git", "clone", "--quiet", str(project), str(clone))
    proof = colleague.run(*command_line(IN_A_CLONE, mlflow_server), cwd=clone)
    assert "starts (40 tools" in proof
    assert "answers (MLflow" in proof
    assert colleague.run("git", "status", "--short", cwd=clone) == ""

    assert "Pending approval" in listed(colleague, clone)
    colleague.write(".claude/settings.json", {"enabledMcpjsonServers": ["MLflow"]})
    assert CONNECTED in listed(colleague, clone)
    loaded, _ = started(colleague, messages, cwd=clone)
    assert "accessing-mlflow" in loaded["skills"]
    assert "mcp__MLflow__query_runs" in loaded["tools"]


def command_line(line: str, uri: str) -> list[str]:
    return line.replace("https://mlflow.example.org", uri).split()


def test_an_image_made_before_uvx_was_there(claude: Machine, mlflow_server: str) -> None:
    assignment, _, line = command("HOME=/home/dev").partition(" ")
    assert assignment.startswith("HOME=")
    dev = with_home(claude, "dev")
    program, *arguments = command_line(line, mlflow_server)
    bare = Machine(dev.home, {**dev.variables, "PATH": "/usr/bin:/bin"})
    bare.run(product.program(program), *arguments)
    assert CONNECTED in listed(dev)
    assert listed(claude) == ""
    dev.run("sh", "-c", command("UV_COMPILE_BYTECODE=1"))


class Fleet:
    """A host, localhost, with two users who have a home each; as a matter of fact both are who runs the tests."""

    def __init__(self, machine: Machine, uri: str) -> None:
        self.machine = machine
        self.homes = [machine.home / name for name in ("first", "second")]
        for home in self.homes:
            home.mkdir()
        self.users = [{"name": getpass.getuser(), "home": str(home)} for home in self.homes]
        self.clients = ["claude", "cursor"]
        programs = machine.variables["PATH"].split(os.pathsep)[0]
        self.settings = {"programs": programs, "tracking_uri": uri}
        machine.variables.update(LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1", ANSIBLE_PYTHON_INTERPRETER=sys.executable)

    def play(self, *options: str, expect: int = 0) -> str:
        """Runs the example; gives what Ansible counts at the end: `ok=1 changed=1 ...`."""
        ansible = [
            "uvx",
            "--python",
            sys.executable,
            "--from",
            ANSIBLE,
            "ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
        ]
        settings = json.dumps({**self.settings, "users": self.users, "clients": self.clients})
        output = self.machine.run(*ansible, "-e", settings, str(PLAYBOOK), *options, expect=expect)
        counted = re.search(r"^localhost +: (.*)$", output, re.MULTILINE)
        assert counted, output
        return counted[1]

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for home in self.homes for path in home.rglob("*") if path.is_file()}


def test_a_fleet(machine: Machine, mlflow_server: str) -> None:
    fleet = Fleet(machine, mlflow_server)

    assert "changed=1" in fleet.play("--check")
    assert fleet.files() == {}

    assert re.match(r"ok=1 +changed=1 ", fleet.play())
    before = fleet.files()
    for home in fleet.homes:
        assert (home / ".claude/skills/accessing-mlflow/SKILL.md") in before
        for name in (".claude.json", ".cursor/mcp.json"):
            entry = json.loads(before[home / name])["mcpServers"]["MLflow"]
            assert entry["env"]["MLFLOW_TRACKING_URI"] == mlflow_server

    assert re.match(r"ok=1 +changed=0 ", fleet.play())
    assert re.match(r"ok=1 +changed=0 ", fleet.play("--check"))
    assert fleet.files() == before


def test_a_fleet_in_which_one_user_is_in_the_way(machine: Machine, mlflow_server: str) -> None:
    """The others are served, and the play fails."""
    fleet = Fleet(machine, mlflow_server)
    (fleet.homes[0] / ".claude.json").write_text("{broken", encoding="utf-8")
    assert "failed=1" in fleet.play(expect=2)
    assert (fleet.homes[1] / ".claude.json").is_file()
    assert "failed=1" in fleet.play("--tags", "doctor", expect=2)


def test_a_fleet_that_proves_itself(machine: Machine, mlflow_server: str) -> None:
    fleet = Fleet(machine, mlflow_server)
    fleet.clients, fleet.users = ["claude"], fleet.users[:1]
    fleet.play()
    assert re.match(r"ok=1 +changed=0 ", fleet.play("--tags", "doctor"))
