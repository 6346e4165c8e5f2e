"""The probes with the real things: uv, mlflow-mcp, MLflow servers with and without sign-in, MLflow's SQLite store."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from accessing_mlflow import bundle, embedded_store, tracking_server
from accessing_mlflow.fetch import fetch, fetched
from accessing_mlflow.mcp_server import ServerError, probe
from accessing_mlflow.tracking_server import TrackingError, TrackingReport
from tests.real.machines import MLFLOW, REPOSITORY, Machine, mlflow

pytestmark = pytest.mark.real

SERVER = bundle.load(REPOSITORY / "skills").server
PINNED = f"{SERVER.package}=={SERVER.tested}"
VERSION = MLFLOW.partition("==")[2]
START = 120.0
# The five seconds are for users; here, a first sign-in on a busy machine may take longer.
ask = partial(tracking_server.ask, timeout=START)


def uvx(machine: Machine) -> str:
    return str(Path(machine.variables["PATH"].split(os.pathsep)[0]) / "uvx")


def call(machine: Machine, uri: str, tool: str, **arguments: object) -> str:
    """The text that a tool of the real mlflow-mcp answers, asked through the SDK's own client."""
    variables = {**machine.variables, "MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

    async def ask_tool() -> str:
        parameters = StdioServerParameters(command=uvx(machine), args=[PINNED], env=variables, cwd=machine.home)
        with Path(os.devnull).open("w", encoding="utf-8") as errors:
            async with stdio_client(parameters, errors) as streams, ClientSession(*streams) as session:
                await session.initialize()
                result = await session.call_tool(tool, arguments)
                return "\n".join(getattr(part, "text", "") for part in result.content)

    return anyio.run(ask_tool)


def test_fetched_ahead_the_server_starts_and_its_tools_are_as_recorded(machine: Machine, mlflow_server: str) -> None:
    fetch(uvx(machine), PINNED, machine.variables, progress=False)
    assert fetched(uvx(machine), PINNED, machine.variables)

    report = probe("uvx", [PINNED], {**machine.variables, "MLFLOW_TRACKING_URI": mlflow_server}, timeout=START)

    assert sorted(report.tools, key=lambda tool: tool.name) == list(SERVER.tools)
    assert report.version


def test_it_is_not_fetched_in_an_empty_cache(machine: Machine, tmp_path: Path) -> None:
    assert not fetched(uvx(machine), PINNED, {**machine.variables, "UV_CACHE_DIR": str(tmp_path / "cache")})


def test_without_a_tracking_uri_the_server_says_so(machine: Machine) -> None:
    with pytest.raises(ServerError, match="MLFLOW_TRACKING_URI is not set"):
        probe("uvx", [PINNED], machine.variables, timeout=START)


def test_a_version_that_cannot_start_says_why(machine: Machine) -> None:
    """Older versions import a module that today's MCP SDK does not have."""
    with pytest.raises(ServerError, match=r"No module named 'mcp\.server\.fastmcp'"):
        probe("uvx", [f"{SERVER.package}==0.4.0"], machine.variables, timeout=START)


def test_a_package_that_there_is_not_says_so(machine: Machine) -> None:
    with pytest.raises(ServerError, match=f"no version of {SERVER.package}==99"):
        probe("uvx", [f"{SERVER.package}==99"], machine.variables, timeout=START)


def test_the_tracking_server(machine: Machine, mlflow_server: str) -> None:
    report = ask(mlflow_server, {}, home=machine.home)
    assert report.version == VERSION
    assert report.experiments  # as many as there are: the server is shared with other tests
    assert ask(f"{mlflow_server}/", {}, home=machine.home).version == VERSION

    with pytest.raises(TrackingError) as caught:
        ask(f"{mlflow_server}/mlflow", {}, home=machine.home)
    assert caught.value.kind == "not-mlflow"


def test_a_server_under_a_path(machine: Machine, tmp_path: Path) -> None:
    with mlflow(tmp_path, "--static-prefix", "/team", path="/team") as uri:
        assert ask(uri, {}, home=machine.home) == TrackingReport(VERSION, 1)


def refusal(uri: str, environ: Mapping[str, str], home: Path) -> TrackingError:
    with pytest.raises(TrackingError) as caught:
        ask(uri, environ, home=home)
    assert caught.value.kind == "unauthorized"
    return caught.value


def test_sign_in(machine: Machine, guarded: str) -> None:
    assert str(refusal(guarded, {}, machine.home)) == "it wants a user name and a password (HTTP 401)"

    right = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "long%password"}
    assert ask(guarded, right, home=machine.home) == TrackingReport(VERSION, 1)
    assert ask(guarded.replace("//", "//admin:long%25password@"), {}, home=machine.home).version == VERSION

    assert "does not accept" in str(refusal(guarded, {**right, "MLFLOW_TRACKING_PASSWORD": "x"}, machine.home))
    assert "MLFLOW_TRACKING_TOKEN" in str(refusal(guarded, {"MLFLOW_TRACKING_TOKEN": "x"}, machine.home))


def test_the_form_of_the_credentials_file_that_we_tell_is_the_one_that_mlflow_reads(
    machine: Machine, guarded: str
) -> None:
    fix = refusal(guarded, {}, machine.home).fix
    lines = [line for line in fix.splitlines() if line.startswith(("[mlflow]", "mlflow_"))]
    assert len(lines) == 3
    file = machine.home / ".mlflow" / "credentials"
    file.parent.mkdir()
    file.write_text("\n".join(lines).replace("NAME", "admin").replace("PASSWORD", "long%%password"), encoding="utf-8")

    assert ask(guarded, {}, home=machine.home).version == VERSION
    assert "Default" in call(machine, guarded, "get_experiments")


@pytest.mark.parametrize("name", ["store", "with space, ünï # @"])
def test_the_embedded_store(machine: Machine, name: str) -> None:
    folder = machine.home / name
    assert embedded_store.create(folder, uvx(machine), PINNED, machine.variables)
    assert embedded_store.describe(folder) == embedded_store.StoreReport(exists=True, experiments=1, runs=0)
    assert [path.name for path in folder.iterdir()] == [embedded_store.FILE]

    uri = embedded_store.uri(folder)
    assert "Default" in call(machine, uri, "get_experiments")

    # Artifacts go into the folder, wherever the program that logs them runs.
    log = "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); mlflow.log_text('hello', 'greeting.txt')"
    command = [uvx(machine), "--from", PINNED, "python", "-c", log, uri]
    subprocess.run(command, env=machine.variables, cwd=machine.home, check=True, capture_output=True, timeout=START)
    assert embedded_store.describe(folder).runs == 1
    assert [path.read_text(encoding="utf-8") for path in folder.rglob("greeting.txt")] == ["hello"]
