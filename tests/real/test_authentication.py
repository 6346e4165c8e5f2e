"""docs/authentication.md, form by form: its own commands, the real mlflow-mcp, and the environment of each client."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from accessing_mlflow.clients import CLIENTS
from accessing_mlflow.environment import Environment
from accessing_mlflow.fetch import fetch, fetched
from tests.real.calls import START_SECONDS, call, session
from tests.real.fronts import TOKEN, Front, Proxy, proxy
from tests.real.machines import REPOSITORY, Machine, free_port

pytestmark = pytest.mark.real

DOCUMENT = (REPOSITORY / "docs" / "authentication.md").read_text(encoding="utf-8")
EXAMPLE = "https://mlflow.example.org"
USER = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "long%password"}


@pytest.fixture
def passing() -> Iterator[Proxy]:
    with proxy() as found:
        yield found


@pytest.fixture(autouse=True)
def ready(machine: Machine) -> None:
    """The server's package is in the cache, and no proxy stands in the tests' own way."""
    uvx = str(Path(machine.variables["PATH"].split(os.pathsep)[0]) / "uvx")
    if not fetched(uvx, "mlflow-mcp", machine.variables):
        fetch(uvx, "mlflow-mcp", machine.variables, progress=False)
    for name in [name for name in machine.variables if name.lower().endswith("_proxy")]:
        del machine.variables[name]


def install(machine: Machine, uri: str, *documented: str, client: str, **real: str) -> None:
    """Runs the document's commands, with the real address, and `real` values in place of the examples."""
    commands = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    lines = [line for block in commands for line in block.splitlines()]
    variables: list[str] = []
    for option in documented:
        line = f"skill-install {client} --tracking-uri {EXAMPLE} --env {option}"
        assert line in lines
        name, equals, _ = option.partition("=")
        variables += ["--env", f"{name}={real[name]}" if equals else name]
    machine.run("skill-install", client, "--no-verify", "--tracking-uri", uri, *variables)


def environment(variables: Mapping[str, str]) -> Environment:
    """This machine, with other variables."""
    nowhere = Path(os.devnull)
    return Environment(nowhere, Path.cwd(), variables, sys.platform, nowhere, nowhere, nowhere)


def experiments(machine: Machine, client: str, shell: Mapping[str, str]) -> str:
    """What an agent gets that asks for the experiments, where the client fills in the entry and starts the server.

    `shell`: what is exported in the shell that the client is started from; a desktop client has none of it.
    Besides, the server is given uv's cache, and not to look for a newer version: the tests' own need.
    """
    row = CLIENTS[client]
    file = {"claude": ".claude.json", "cursor": ".cursor/mcp.json"}[client]
    entry = row.format.read_member((machine.home / file).read_bytes(), ("mcpServers", "MLflow"), None)
    desktop = {"HOME": str(machine.home), "USER": "me", "PATH": environment({}).desktop_path}
    around = {**machine.variables, **shell} if client == "claude" else {**desktop, **shell}
    own = {name: row.expand(value, environment(around)) for name, value in entry["env"].items()}
    variables = {**around, "UV_CACHE_DIR": machine.variables["UV_CACHE_DIR"], "UV_OFFLINE": "1", **own}
    command = [entry["command"], *entry["args"]]
    if client == "claude":  # found on the shell's PATH
        command[0] = str(Path(machine.variables["PATH"].split(os.pathsep)[0]) / command[0])

    async def ask() -> str:
        async with session(command, variables, machine.home) as server:
            answer = await call(server, "get_experiments", {}, START_SECONDS)
            return answer.text or "nothing"

    return asyncio.run(ask())


def credentials_file(machine: Machine) -> None:
    """The document's file, with the real values, a `%` as it says."""
    form = re.search(r"```ini\n(.*?)```", DOCUMENT, re.DOTALL)
    assert form
    file = machine.home / ".mlflow" / "credentials"
    file.parent.mkdir()
    file.write_text(form[1].replace("NAME", "admin").replace("PASSWORD", "long%%password"), encoding="utf-8")


def test_what_claude_code_really_passes_on(claude: Machine) -> None:
    """The shell's variables, and references filled in: seen by a program that stands in for uvx."""
    install(claude, EXAMPLE, "MLFLOW_TRACKING_TOKEN", client="claude")
    uvx = Path(claude.variables["PATH"].split(os.pathsep)[0]) / "uvx"
    uvx.unlink()
    uvx.write_text('#!/bin/sh\nenv > "$HOME/seen"\n', encoding="utf-8")
    uvx.chmod(0o755)
    claude.variables.update(MLFLOW_TRACKING_TOKEN=TOKEN, HTTPS_PROXY="http://127.0.0.1:1", **USER)
    claude.run("claude", "mcp", "list")
    seen = (claude.home / "seen").read_text(encoding="utf-8").splitlines()
    wanted = {"MLFLOW_TRACKING_TOKEN": TOKEN, "HTTPS_PROXY": "http://127.0.0.1:1", **USER}
    assert {f"{name}={value}" for name, value in wanted.items()} <= set(seen)

    del claude.variables["MLFLOW_TRACKING_TOKEN"]
    claude.run("claude", "mcp", "list")
    assert "MLFLOW_TRACKING_TOKEN=${MLFLOW_TRACKING_TOKEN}" in (claude.home / "seen").read_text(encoding="utf-8")


class TestAUserNameAndAPassword:
    def test_without_them_the_agent_is_told(self, machine: Machine, guarded: str) -> None:
        install(machine, guarded, client="claude")
        answer = experiments(machine, "claude", {})
        assert answer.startswith("error: ")
        assert "You are not authenticated" in answer

    def test_of_the_shell(self, machine: Machine, guarded: str) -> None:
        install(machine, guarded, client="claude")
        for name in USER:
            assert f"export {name}=" in DOCUMENT
        assert '"name": "Default"' in experiments(machine, "claude", USER)

    @pytest.mark.parametrize("client", ["claude", "cursor"])
    def test_in_the_file(self, machine: Machine, guarded: str, client: str) -> None:
        credentials_file(machine)
        install(machine, guarded, client=client)
        assert '"name": "Default"' in experiments(machine, client, {})


class TestATokenACertificateAndAProxy:
    def test_of_the_shell(self, machine: Machine, fronted: Front, passing: Proxy) -> None:
        install(machine, fronted.uri, client="claude")
        shell = {
            "MLFLOW_TRACKING_TOKEN": TOKEN,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(fronted.authority),
            "HTTPS_PROXY": passing.address,
        }
        assert '"name": "Default"' in experiments(machine, "claude", shell)
        assert passing.asked == [fronted.uri.removeprefix("https://")]

    @pytest.mark.parametrize("client", ["claude", "cursor"])
    def test_a_reference(self, machine: Machine, fronted: Front, client: str) -> None:
        """Cursor was started in a terminal, and so sees the shell's variables."""
        install(machine, fronted.uri, "MLFLOW_TRACKING_TOKEN", client=client)
        shell = {"MLFLOW_TRACKING_TOKEN": TOKEN, "MLFLOW_TRACKING_SERVER_CERT_PATH": str(fronted.authority)}
        assert '"name": "Default"' in experiments(machine, client, shell)

    def test_in_the_entry(self, machine: Machine, fronted: Front, passing: Proxy) -> None:
        install(
            machine,
            fronted.uri,
            "MLFLOW_TRACKING_TOKEN=TOKEN",
            "MLFLOW_TRACKING_SERVER_CERT_PATH=/etc/ssl/mine.pem",
            "HTTPS_PROXY=http://proxy.example.org:3128",
            client="cursor",
            MLFLOW_TRACKING_TOKEN=TOKEN,
            MLFLOW_TRACKING_SERVER_CERT_PATH=str(fronted.authority),
            HTTPS_PROXY=passing.address,
        )
        assert (machine.home / ".cursor/mcp.json").stat().st_mode & 0o077 == 0
        assert '"name": "Default"' in experiments(machine, "cursor", {})
        assert passing.asked == [fronted.uri.removeprefix("https://")]

    def test_without_a_check_and_without_the_proxy(self, machine: Machine, fronted: Front) -> None:
        install(
            machine,
            fronted.uri,
            "MLFLOW_TRACKING_TOKEN=TOKEN",
            "MLFLOW_TRACKING_INSECURE_TLS=true",
            "HTTPS_PROXY=http://proxy.example.org:3128",
            "NO_PROXY=mlflow.example.org",
            client="cursor",
            MLFLOW_TRACKING_TOKEN=TOKEN,
            MLFLOW_TRACKING_INSECURE_TLS="true",
            HTTPS_PROXY=f"http://127.0.0.1:{free_port()}",
            NO_PROXY="127.0.0.1",
        )
        assert '"name": "Default"' in experiments(machine, "cursor", {})
