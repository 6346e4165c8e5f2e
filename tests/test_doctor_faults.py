"""Each fault that the doctor is to find, made for real in a temporary home: the check, its status, and the remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from accessing_mlflow.clients import CLAUDE, CLIENTS
from tests.homes import URI, Home

GIT = shutil.which("git")
SKILL = "accessing-mlflow"
LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
FRONTMATTER = f"---\nname: {SKILL}\ndescription: What it does.\n---\n"


@dataclass(frozen=True)
class Fault:
    """`make`: makes it, in a home where everything is in order. `says` and `fix` are parts of what is reported."""

    id: str
    status: str
    make: Callable[[Home], object]
    says: str
    fix: str = ""
    client: str = "claude"
    scope: str = ""


def entry(**env: str) -> dict[str, Any]:
    """A healthy entry with some more, or other, variables."""
    return {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": URI, **LIMITS, **env}}


def changed(client: str = "claude", **members: Any) -> Callable[[Home], object]:
    """Makes other members of the user's entry."""
    file = ".claude.json" if client == "claude" else ".cursor/mcp.json"

    def make(home: Home) -> None:
        data = home.read(file)
        data["mcpServers"]["MLflow"].update(members)
        home.write(file, data)

    return make


def variables(client: str = "claude", **env: str) -> Callable[[Home], object]:
    """Makes other variables of the user's entry."""
    return changed(client, env=entry(**env)["env"])


def args(*found: str) -> Callable[[Home], object]:
    """Makes other arguments of the user's entry."""
    return changed(args=list(found))


def project(name: str = ".mcp.json", **env: str) -> Callable[[Home], object]:
    """Changes into a project with an entry of its own."""

    def make(home: Home) -> None:
        home.write(f"project/{name}", {"mcpServers": {"MLflow": entry(**env)}})
        git(home, "init", "-q")
        (home.programs / "git").symlink_to(str(GIT))

    return make


def git(home: Home, *command: str) -> None:
    """Runs git in the project."""
    assert GIT, "git is not here"
    folder = home.cd("project")
    subprocess.run([GIT, "-C", str(folder), *command], check=True)


def both(*makers: Callable[[Home], object]) -> Callable[[Home], object]:
    """Makes all of them."""

    def make(home: Home) -> None:
        for one in makers:
            one(home)

    return make


def state(**members: Any) -> Callable[[Home], object]:
    """What Claude Code itself keeps of the project."""

    def make(home: Home) -> None:
        data = home.read(".claude.json")
        data.setdefault("projects", {}).setdefault(str(home.path / "project"), {}).update(members)
        home.write(".claude.json", data)

    return make


def file(name: str, content: str | bytes | dict[str, Any]) -> Callable[[Home], object]:
    """Writes a file below the home folder."""
    return lambda home: home.write(name, content)


def settings(**members: Any) -> Callable[[Home], object]:
    """Claude Code's settings of the user's, beside what is there."""
    return lambda home: home.write(".claude/settings.json", {**home.read(".claude/settings.json"), **members})


def shell(name: str, value: str) -> Callable[[Home], object]:
    """Sets a variable."""
    return lambda home: home.variable(name, value)


def skill(text: str | bytes, folder: str = f".claude/skills/{SKILL}") -> Callable[[Home], object]:
    """Makes another SKILL.md."""
    return file(f"{folder}/SKILL.md", text)


def copied(to: str, more: str = "") -> Callable[[Home], object]:
    """Copies the user's skill."""

    def make(home: Home) -> None:
        shutil.copytree(home.path / f".claude/skills/{SKILL}", home.path / to)
        with (home.path / to / "SKILL.md").open("a") as copy:
            copy.write(more)

    return make


def restated(version: str) -> Callable[[Home], object]:
    """Makes the skill say another version of itself."""

    def make(home: Home) -> None:
        found = home.path / f".claude/skills/{SKILL}/SKILL.md"
        found.write_text(found.read_text().replace('version: "', f'version: "{version}', 1))

    return make


def uv(version: str, code: int = 0) -> Callable[[Home], object]:
    """Makes another uvx."""
    return lambda home: home.program("uvx", f"#!/bin/sh\necho 'uvx {version}'\nexit {code}\n")


def managed(entries: dict[str, Any]) -> Callable[[Home], object]:
    """Puts an organisation's configuration in force."""

    def make(home: Home) -> None:
        found = home.write("etc/managed-mcp.json", {"mcpServers": entries})
        home.patch.setitem(CLIENTS, "claude", CLAUDE._replace(managed=str(found)))

    return make


def wsl(folder: str) -> Callable[[Home], object]:
    """A shell under WSL, which has the PATH of Windows too."""

    def make(home: Home) -> None:
        home.variable("WSL_DISTRO_NAME", "Ubuntu")
        home.variable("PATH", f"{home.programs}:{home.path}/mnt/c/Users/me/AppData/Local/Programs/cursor/bin")
        (home.path / "mnt/c/Users/me" / folder).mkdir(parents=True)

    return make


def lasting_uvx(home: Home) -> None:
    """A uvx in an environment that was there at the installation, and is not any more."""
    home.program("uvx", folder=home.path / "venv/bin")
    changed(command=str(home.path / "venv/bin/uvx"))(home)
    shutil.rmtree(home.path / "venv")


def locked(name: str) -> Callable[[Home], object]:
    """Puts a folder, with something in it, in place of a file, which is as unreadable for root as for others."""
    return both(lambda home: (home.path / name).unlink(), lambda home: home.write(f"{name}/x", "x"))


def codex(line: str) -> Callable[[Home], object]:
    """An entry of Codex's, with another line in its env."""
    text = f"""[mcp_servers.MLflow]
command = "uvx"
args = ["mlflow-mcp"]
startup_timeout_sec = 60
[mcp_servers.MLflow.env]
MLFLOW_TRACKING_URI = "{URI}"
{line}
"""
    return file(".codex/config.toml", text)


LIBRARY = ["--with", "mcp<2", "mlflow-mcp==0.3.0"]
FAULTS = [
    # the environment
    Fault("wsl", "info", wsl("Documents"), "this is WSL", client="cursor"),
    Fault("wsl", "warning", wsl(".cursor"), "no MLflow entry there", "in Windows' own terminal", client="cursor"),
    Fault("managed", "error", managed({"other": {}}), "loads no other server", "ask whoever manages this machine"),
    Fault("managed", "info", managed({"MLflow": entry()}), "uses its MLflow entry"),
    Fault("legacy-file", "info", file(".claude/.config.json", "{}"), "in place of .claude.json"),
    Fault("uv-version", "error", uv("0.2.30"), "0.2.30 is too old: uvx mlflow-mcp needs 0.2.33", "uv self update"),
    Fault("uv-version", "error", uv("0.13.0", code=2), "--version fails (exit code 2)", "install uv anew"),
    Fault(
        "uv-version",
        "error",
        both(uv("0.5.30"), args("mlflow-mcp==0.4.1")),
        "uvx mlflow-mcp==0.4.1 needs 0.5.31",
        "uv self update",
    ),
    Fault(
        "uv-version",
        "error",
        both(uv("0.6.4"), args("--constraints", "x.txt", "mlflow-mcp==0.4.1")),
        "--constraints needs 0.6.5",
        "uv self update",
    ),
    # the skill
    Fault("skill", "warning", restated("9"), "is newer than this program", "upgrade accessing-mlflow", scope="user"),
    Fault("skill", "warning", skill(FRONTMATTER), "SKILL.md (changed)", scope="user"),
    Fault("skill-frontmatter", "error", skill("# no\n"), "no frontmatter", "skill-install claude --force"),
    Fault("skill-frontmatter", "error", skill(b"---\nname: \xff\n---\n"), "UTF-8", "skill-install claude --force"),
    Fault(
        "skill-frontmatter", "error", skill("---\nname: x\n---\n"), "the folder's is", "skill-install claude --force"
    ),
    Fault(
        "skill-frontmatter",
        "error",
        skill(f"---\nname: {SKILL}\ndescription: Use: when\n---\n"),
        "line 3",
        "skill-install claude --force",
    ),
    Fault(
        "skill-frontmatter",
        "error",
        skill(f"---\nname: {SKILL}\n---\n"),
        "no description",
        "skill-install claude --force",
    ),
    Fault(
        "skill-frontmatter",
        "error",
        skill(f"---\nname: {SKILL}\ndescription: {'x' * 1025}\n---\n"),
        "1025 characters",
        "skill-install claude --force",
    ),
    Fault("skill-frontmatter", "error", locked(f".claude/skills/{SKILL}/SKILL.md"), "cannot be read", "--force"),
    Fault("skill-copies", "warning", copied(f".claude/skills/{SKILL}.bak"), f"{SKILL}.bak", "move it out of"),
    Fault("skill-copies", "warning", copied(".claude/skills/.hidden"), ".hidden", "move it out of ~/.claude/skills"),
    Fault("skill-elsewhere", "info", copied(f".agents/skills/{SKILL}"), "2 times, the same", client="cursor"),
    Fault(
        "skill-elsewhere",
        "warning",
        both(project(), copied(f"project/.claude/skills/{SKILL}", "more")),
        "Claude Code uses ~/.claude/skills",
        "skill-install claude --scope project --force",
    ),
    # the entry
    Fault(
        "shadowed",
        "warning",
        both(project(X="y"), settings(enabledMcpjsonServers=["MLflow"])),
        "uses the entry of the project scope",
        "skill-uninstall claude --scope project --force",
        scope="user",
    ),
    Fault("shadowed", "warning", project(X="y"), "the entry of the user scope", scope="project"),
    Fault(
        "shadowed",
        "info",
        both(project(), settings(enableAllProjectMcpServers=True)),
        "the same",
        scope="user",
    ),
    Fault(
        "shadowed",
        "warning",
        both(lambda home: home.cd("project"), state(mcpServers={"MLflow": entry(X="y")})),
        "the local scope",
        "skill-uninstall claude --scope local --force",
        scope="user",
    ),
    Fault(
        "nested-entry",
        "warning",
        both(
            project(),
            file("project/sub/.mcp.json", {"mcpServers": {"MLflow": entry(X="y")}}),
            lambda h: h.cd("project/sub"),
        ),
        "~/project/sub/.mcp.json",
        "remove mcpServers.MLflow from it",
    ),
    Fault("approval", "warning", project(), "has not been told", "approve MLflow under /mcp", scope="project"),
    Fault(
        "approval",
        "warning",
        both(project(), state(enabledMcpjsonServers=["MLflow"])),
        "has not been told",
        "approve MLflow",
        scope="project",
    ),
    Fault(
        "approval",
        "error",
        both(project(), settings(enabledMcpjsonServers=["MLflow"], disabledMcpjsonServers=["MLflow"])),
        "disabledMcpjsonServers lists MLflow",
        "remove MLflow from it",
        scope="project",
    ),
    Fault(
        "approval",
        "error",
        both(project(), file("project/.claude/settings.json", {"disabledMcpjsonServers": ["MLflow"]})),
        "disabledMcpjsonServers",
        "remove MLflow from it",
        scope="project",
    ),
    Fault(
        "approval",
        "error",
        both(lambda home: home.cd("project"), state(disabledMcpServers=["MLflow"])),
        "switched off",
        "/mcp",
        scope="user",
    ),
    Fault("approval", "error", settings(deniedMcpServers=[{"serverName": "MLflow"}]), "lists MLflow", "remove MLflow"),
    Fault("approval", "error", settings(allowedMcpServers=[{"serverName": "x"}]), "does not list", "add MLflow to it"),
    Fault("command", "error", lasting_uvx, "venv is gone", "skill-install claude", scope="user"),
    Fault("command", "error", changed(command="/nowhere/uvx"), "not there (any more)", "skill-install claude"),
    Fault(
        "command", "error", lambda home: (home.programs / "uvx").unlink(), "not on Claude Code's PATH", "pip install"
    ),
    Fault(
        "command",
        "error",
        changed("cursor", command="uvx"),
        "not on that of a Cursor started from the desktop",
        "skill-install cursor",
        client="cursor",
    ),
    Fault(
        "command",
        "warning",
        project(".cursor/mcp.json"),
        "started from the desktop",
        "start Cursor from a terminal",
        client="cursor",
        scope="project",
    ),
    Fault("server-version", "error", args("mlflow-mcp==0.3.0"), "cannot start", "write mlflow-mcp in its place"),
    Fault("server-version", "error", args("mlflow-mcp@0.4.0"), "cannot start", "--with 'mcp<2'"),
    Fault("server-version", "error", args("--from", "mlflow-mcp<0.4.1", "mlflow-mcp"), "cannot start", "mlflow-mcp"),
    Fault("server-version", "error", args("mlflow-mcp~=0.3.0"), "cannot start", "mlflow-mcp"),
    Fault("server-version", "error", args("mlflow-mcp==0.3.*"), "cannot start", "mlflow-mcp"),
    Fault("references", "warning", variables(TEAM="${NOT_SET}"), "refers to NOT_SET", "export NOT_SET=..."),
    Fault("references", "error", args("--index", "${NOT_SET}", "mlflow-mcp"), "args[1] refers to", "export NOT_SET="),
    Fault(
        "references",
        "warning",
        variables("cursor", TEAM="${env:NOT_SET}"),
        "an empty text",
        "export NOT_SET=...",
        client="cursor",
    ),
    Fault("foreign-syntax", "error", variables(TEAM="${env:TEAM}"), "${env:TEAM}", "write ${TEAM}"),
    Fault("foreign-syntax", "error", variables(TEAM="$TEAM"), "does not fill in $TEAM", "write ${TEAM}"),
    Fault(
        "foreign-syntax",
        "error",
        variables("cursor", MLFLOW_TRACKING_URI="${TEAM:-hunter2}"),
        "does not fill in ${TEAM}",
        "write ${env:TEAM}",
        client="cursor",
    ),
    Fault(
        "secrets",
        "warning",
        project(MLFLOW_TRACKING_TOKEN="hunter2"),
        "MLFLOW_TRACKING_TOKEN holds a secret, and a project's files are shared",
        "skill-install claude --scope project --env MLFLOW_TRACKING_TOKEN",
        scope="project",
    ),
    Fault(
        "secrets",
        "error",
        both(
            project(MLFLOW_TRACKING_TOKEN="hunter2"),
            lambda home: home.write(".claude/settings.json", {"enabledMcpjsonServers": ["MLflow"]}),
            lambda home: git(home, "add", ".mcp.json"),
        ),
        "git tracks this file",
        "have the secret itself replaced",
        scope="project",
    ),
    Fault(
        "secrets",
        "warning",
        both(
            project(),
            file(
                "project/.mcp.json",
                {
                    "mcpServers": {
                        "MLflow": {"command": "uvx", "args": ["--index", "https://me:hunter2@x", "mlflow-mcp"]}
                    }
                },
            ),
        ),
        "args holds a secret",
        "take it out of the entry",
        scope="project",
    ),
    Fault(
        "foreign-syntax",
        "error",
        codex('TEAM = "${TEAM}"'),
        "Codex does not fill in ${TEAM}",
        "name TEAM among those",
        client="codex",
    ),
    # the tracking URI
    Fault(
        "embedded-default",
        "warning",
        both(
            lambda home: home.run("skill-uninstall claude cursor"),
            lambda home: home.run("skill-install claude --no-verify"),
            shell("MLFLOW_TRACKING_URI", URI),
        ),
        f"$MLFLOW_TRACKING_URI names {URI}",
        "skill-install claude",
    ),
    Fault(
        "embedded-default",
        "warning",
        both(
            lambda home: home.run("skill-uninstall claude cursor"),
            lambda home: home.run("skill-install claude --no-verify"),
            file(".cursor/mcp.json", {"mcpServers": {"MLflow": entry()}}),
        ),
        "the entry of Cursor, user scope, names",
        "skill-install claude",
    ),
    Fault(
        "tracking-uri",
        "warning",
        variables(MLFLOW_TRACKING_URI="https://a:hunter2@h"),
        "holds credentials",
        "put them into",
    ),
    Fault(
        "credentials",
        "warning",
        shell("MLFLOW_TRACKING_USERNAME", "me"),
        "without MLFLOW_TRACKING_PASSWORD",
        "set MLFLOW",
    ),
    Fault(
        "credentials",
        "warning",
        variables(MLFLOW_TRACKING_PASSWORD="hunter2"),
        "MLFLOW_TRACKING_PASSWORD without",
        "set ",
    ),
    Fault(
        "credentials",
        "warning",
        file(".mlflow/credentials", "[mlflow]\nmlflow_tracking_username = me\n"),
        "in ~/.mlflow/credentials without",
        "set MLFLOW_TRACKING_PASSWORD",
    ),
    Fault(
        "credentials",
        "warning",
        variables(MLFLOW_TRACKING_USERNAME="me", MLFLOW_TRACKING_PASSWORD="hunter2", MLFLOW_TRACKING_TOKEN="hunter2"),
        "and not MLFLOW_TRACKING_TOKEN",
        "keep the one",
    ),
    Fault(
        "credentials",
        "warning",
        both(
            file(".netrc", "machine mlflow.example.org login me password hunter2\n"),
            shell("MLFLOW_TRACKING_TOKEN", "hunter2"),
        ),
        ".netrc, and not MLFLOW_TRACKING_TOKEN",
        "keep the one",
    ),
    Fault(
        "credentials",
        "warning",
        variables(MLFLOW_TRACKING_INSECURE_TLS="true", MLFLOW_TRACKING_SERVER_CERT_PATH="/x.pem"),
        "refuses MLFLOW_TRACKING_INSECURE_TLS",
        "unset one",
    ),
]


@pytest.fixture
def healthy(home: Home) -> Home:
    """A home where the doctor has nothing to say, for both clients."""
    home.program("claude")
    home.program("cursor")
    home.program("uvx", "#!/bin/sh\necho 'uvx 0.13.9 (x86_64)'\n")
    home.run(f"skill-install claude cursor --no-verify --tracking-uri {URI}")
    return home


def found(home: Home, client: str, line: str = "--offline") -> list[dict[str, str]]:
    """The doctor's checks, whatever it exits with."""
    code = 1
    for code in (0, 1):
        try:
            checks: list[dict[str, str]] = home.json(f"skill-doctor {client} {line}", expect=code)["checks"]
        except AssertionError:
            continue
        return checks
    raise AssertionError


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.id}: {fault.says[:40]}")
def test_fault(healthy: Home, fault: Fault) -> None:
    before = {(check["id"], check["scope"]): check for check in found(healthy, fault.client)}
    fault.make(healthy)
    files = {path: path.lstat().st_mtime_ns for path in healthy.path.rglob("*") if ".git" not in path.parts}
    checks = found(healthy, fault.client)
    here = [c for c in checks if c["id"] == fault.id and (not fault.scope or c["scope"] == fault.scope)]
    assert here, f"{fault.id} has nothing to say"
    assert here[0]["status"] == fault.status
    assert fault.says in here[0]["detail"]
    assert fault.fix in here[0]["fix"]
    assert fault.status == "info" or here[0]["fix"]
    assert before.get((fault.id, fault.scope), {}).get("status") in (None, "ok")
    assert "hunter2" not in json.dumps(checks)
    assert {p: p.lstat().st_mtime_ns for p in healthy.path.rglob("*") if ".git" not in p.parts} == files
    if here[0]["fix"].startswith("skill-"):
        mend(healthy, here[0]["fix"])
        assert fault.id not in {c["id"] for c in found(healthy, fault.client) if c["status"] == fault.status}


def mend(home: Home, fix: str) -> None:
    """Does what the doctor says: its first line is commands."""
    for command in fix.splitlines()[0].split(" && "):
        home.run(command + (" --no-verify" if command.startswith("skill-install") else ""))


@pytest.mark.parametrize(
    "make",
    [
        args("mlflow-mcp==0.4.1"),
        args("mlflow-mcp>=0.3"),
        args("mlflow-mcp~=0.4.0"),
        args("mlflow-mcp<1"),
        args("mlflow-mcp@latest"),
        args(*LIBRARY),
        variables(TEAM="${NOT_SET:-x}", OTHER="costs $5"),
        changed(command="uvx", env={**entry()["env"], "HOME": "${HOME}"}),
        both(project(), settings(enabledMcpjsonServers=["MLflow"])),
        both(project(), state(enabledMcpjsonServers=["MLflow"], hasTrustDialogAccepted=True)),
        both(project(), settings(enableAllProjectMcpServers=True)),
        variables(MLFLOW_TRACKING_TOKEN="${MY_TOKEN:-}"),
        both(shell("MLFLOW_TRACKING_USERNAME", "me"), shell("MLFLOW_TRACKING_PASSWORD", "hunter2")),
        uv("0.2.33"),
        both(args("--constraints", "x", "mlflow-mcp==0.4.1"), uv("0.6.5")),
        both(settings(env={"TEAM": "red"}), variables(TEAM="${TEAM}")),
        file(".claude/skills/other/SKILL.md", "---\nname: other\ndescription: x\n---\n"),
    ],
)
def test_no_fault(healthy: Home, make: Callable[[Home], object]) -> None:
    make(healthy)
    assert [check for check in found(healthy, "claude") if check["status"] in ("warning", "error")] == []


def test_the_version_of_a_client(healthy: Home) -> None:
    def detail(client: str) -> str:
        return next(check["detail"] for check in found(healthy, client) if check["id"] == "client")

    healthy.write("lib/claude-code/package.json", {"name": "@anthropic-ai/claude-code", "version": "2.1.330"})
    healthy.write("package.json", {"name": "mine", "version": "1.0.0"})
    program = healthy.program("claude", folder=healthy.path / "lib/claude-code/bin")
    (healthy.programs / "claude").unlink()
    (healthy.programs / "claude").symlink_to(program)
    assert detail("claude") == "Claude Code 2.1.330"
    real = healthy.program("cursor-agent", folder=healthy.path / "share/cursor-agent/versions/2026.11.2-ab12")
    (healthy.programs / "cursor").unlink()
    (healthy.programs / "cursor-agent").symlink_to(real)
    assert detail("cursor") == "Cursor 2026.11.2-ab12"


def test_a_skill_without_an_entry_is_looked_at_and_the_users_entry_is_enough(healthy: Home) -> None:
    both(lambda home: home.cd("project"), copied(f"project/.claude/skills/{SKILL}"))(healthy)
    checks = {check["id"]: check for check in found(healthy, "claude") if check["scope"] == "project"}
    assert checks["skill"]["status"] == "ok"
    assert checks["entry"]["status"] == "info"


HOSTILE: list[Any] = [
    os.urandom(4096),
    b"[" * 100_000,
    b'{"mcpServers":' * 50_000,
    json.dumps({"mcpServers": {f"s{n}": {"command": "x"} for n in range(10_000)}}).encode(),
    b'{"mcpServers": {"MLflow": {"command": "uvx", "args": ["mlflow-mcp", ' + b'"${' * 20_000 + b'"]}}}',
    json.dumps({"mcpServers": {"MLflow": {"command": "${" * 9000, "args": ["-" * 9000] * 99}}}).encode(),
    json.dumps({"mcpServers": {"MLflow": {**entry(), "args": ["mlflow-mcp==" + "9" * 9000]}}}).encode(),
    json.dumps({"mcpServers": {"MLflow": {"command": "uvx\0", "args": ["mlflow-mcp"], "env": {}}}}).encode(),
    json.dumps({"mcpServers": {"MLflow": entry(MLFLOW_TRACKING_URI="http://[")}}).encode(),
]
FILES = [
    ".claude.json",
    ".claude/settings.json",
    ".claude/.config.json",
    ".cursor/mcp.json",
    "project/.mcp.json",
    "project/.claude/settings.json",
    f".claude/skills/{SKILL}/SKILL.md",
    ".mlflow/credentials",
    ".netrc",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_hostile_files_break_no_check(healthy: Home, name: str) -> None:
    healthy.cd("project")
    kinds: list[Callable[[Path], object]] = [partial(Path.write_bytes, data=data) for data in HOSTILE]
    kinds += [lambda path: path.symlink_to(path.name), os.mkfifo, Path.mkdir]
    for make in kinds:
        path = healthy.write(name, "")
        path.unlink()
        make(path)
        for check in found(healthy, "claude cursor"):
            assert "the check itself failed" not in check["detail"], check
        path.rmdir() if path.is_dir() else path.unlink()


HEADS = [
    b"---\nmetadata:\n" + b" " * 60_000,
    b"---\n" + b"name: " + b"a: " * 20_000,
    b"---\n" * 16_000,
    FRONTMATTER.encode() + b"MLflow:query_runs(" * 50_000,
    FRONTMATTER.encode() + b"MLflow:query_runs(" + b"(" * 3000 + b")" * 3001,
]


@pytest.mark.parametrize("head", HEADS)
def test_hostile_skills_break_no_check(healthy: Home, head: bytes) -> None:
    skill(head)(healthy)
    skill(head, f".claude/skills/{SKILL}.bak")(healthy)
    (healthy.path / ".claude/skills/loop").symlink_to(healthy.path / ".claude/skills")
    os.mkfifo(healthy.path / f".claude/skills/{SKILL}/pipe.md")
    for check in found(healthy, "claude"):
        assert "the check itself failed" not in check["detail"], check


def test_a_uvx_that_hangs_or_floods_breaks_no_check(healthy: Home) -> None:
    healthy.patch.setattr("accessing_mlflow.checks.launch._UV_SECONDS", 0.5)
    for script in ("while :; do :; done", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"):
        healthy.program("uvx", f"#!/bin/sh\n{script}\n")
        assert "uv-version" not in {check["id"] for check in found(healthy, "claude")}
