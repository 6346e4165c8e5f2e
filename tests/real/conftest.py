"""The real things: Claude Code, uvx with mlflow-mcp, MLflow servers. Homes are temporary, uv's cache is shared."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests import product
from tests.real import exported
from tests.real.fronts import TOKEN, Front, front
from tests.real.machines import MLFLOW, Machine, await_answer, free_port, missing, mlflow, node_folder, same_disk


@pytest.fixture(scope="session")
def uv_cache() -> Path:
    """uv's cache, shared by all tests: the server's package is fetched once."""
    out = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout
    return Path(out.strip())


@pytest.fixture
def machine(tmp_path: Path, uv_cache: Path) -> Machine:
    """An empty home folder with uv and uvx on PATH, in a place that lasts, beside the commands under test."""
    home, programs = tmp_path / "home", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    for name in ("uv", "uvx"):
        found = shutil.which(name)
        assert found, f"{name} is not on PATH: run tests/run"
        os.link(found, programs / name) if same_disk(Path(found), programs) else shutil.copy2(found, programs / name)
    for name in product.COMMANDS:
        (programs / name).symlink_to(product.program(name))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLAUDE", "ANTHROPIC", "MLFLOW", "XDG_", "VIRTUAL_ENV", "PYTHONDONTWRITE"))
    }
    path = os.pathsep.join([str(programs), "/usr/local/bin", "/usr/bin", "/bin", *node_folder()])
    return Machine(
        home,
        {
            **kept,
            "HOME": str(home),
            "PATH": path,
            "UV_CACHE_DIR": str(uv_cache),
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    )


@pytest.fixture(scope="session")
def claude_program() -> Path:
    """The real Claude Code, in the pinned version, where tests/run puts it."""
    found = Path(os.environ.get("TEST_CLAUDE", ""))
    if not found.is_file():
        missing("the real Claude Code is not here: tests/run installs it where npm is")
    return found


@pytest.fixture
def claude(machine: Machine, claude_program: Path) -> Machine:
    """The machine with the real Claude Code on PATH."""
    (Path(machine.variables["PATH"].split(os.pathsep)[0]) / "claude").symlink_to(claude_program)
    return machine


@pytest.fixture
def codex(machine: Machine, uv_cache: Path) -> Machine:
    """The machine with the real Codex on PATH. It passes no UV_CACHE_DIR on, so uv's cache is where uv looks for it."""
    program = Path(os.environ.get("TEST_CODEX", ""))
    if not program.is_file():
        missing("the real Codex is not here: tests/run installs it where npm is")
    (Path(machine.variables["PATH"].split(os.pathsep)[0]) / "codex").symlink_to(program)
    (machine.home / ".cache").mkdir()
    (machine.home / ".cache/uv").symlink_to(uv_cache)
    (machine.home / ".codex").mkdir()
    return machine


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server on 127.0.0.1; gives its address."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = ["uvx", "--from", MLFLOW, "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            await_answer(f"{address}/health", server, folder / "log")
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(3)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server with its own sign-in: user admin, password `long%password`."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\n"
        "admin_username = admin\nadmin_password = long%%password\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
        encoding="utf-8",
    )
    variables = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "only a test"}
    with mlflow(folder, "--app-name", "basic-auth", extra="[auth]", variables=variables) as uri:
        yield uri


@pytest.fixture(scope="session")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[exported.Exported]:
    """A real MLflow server with what the real exporters write."""
    with exported.server(tmp_path_factory.mktemp("evaluations")) as filled:
        yield filled


@pytest.fixture(scope="session")
def fronted(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A real MLflow server behind TLS and tokens."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path_factory.mktemp("authority") / "mine.pem"
    authority.cert_pem.write_to_path(str(file))
    with front(mlflow_server, context, TOKEN) as uri:
        yield Front(uri, file)
