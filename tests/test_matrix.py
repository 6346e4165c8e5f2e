"""Every command for every client, from wheel and sdist, with newest and oldest dependencies, on every Python here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from accessing_mlflow.clients import CLIENTS
from tests import product, pythons
from tests.homes import Home
from tests.servers import with_server
from tests.webs import MLFLOW, serving

pytestmark = pytest.mark.slow

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
FORMS = ("wheel", "sdist", "lowest")


@pytest.fixture(scope="module")
def interpreters() -> dict[str, str | None]:
    return {version: pythons.find(version) for version in PYTHONS}


@pytest.fixture
def environment(interpreters: dict[str, str | None], request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The product, installed in one form for one Python."""
    form, version = request.param
    python = interpreters[version]
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    what = product.sdist() if form == "sdist" else product.wheel()
    options = ["--resolution", "lowest-direct"] if form == "lowest" else ["--upgrade"]
    product.install(what, tmp_path / "environment", *options, python=python)
    return tmp_path / "environment"


class User:
    """Runs the commands of one environment in the home folder."""

    def __init__(self, environment: Path) -> None:
        self.environment = environment

    def run(self, name: str, *arguments: str, expect: int = 0) -> str:
        command = [product.program(name, self.environment), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == expect, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout


@pytest.mark.parametrize(
    "environment",
    [pytest.param((form, version), id=f"{form}-{version}") for form in FORMS for version in PYTHONS],
    indirect=True,
)
def test_every_command_for_every_client(environment: Path, home: Home) -> None:
    with_server(home)
    home.variable("PATH", os.pathsep.join([str(home.programs), "/usr/bin", "/bin"]))
    user = User(environment)
    with serving(MLFLOW) as web:
        for client in CLIENTS:
            goes_there_and_back(user, client, web.uri, home)


def goes_there_and_back(user: User, client: str, uri: str, home: Home) -> None:
    before = home.files()
    options = (client, "--tracking-uri", uri)
    user.run("skill-install", *options, "--check", expect=1)
    assert home.files() == before
    if client == "claude":  # starting the server takes long
        assert "MCP server      starts (40 tools" in user.run("skill-install", *options)
        user.run("skill-doctor", client)
    user.run("skill-install", *options, "--no-verify")
    installed = home.files()
    user.run("skill-install", client, "--no-verify")
    assert json.loads(user.run("skill-install", client, "--no-verify", "--json"))["changed"] is False
    assert "Nothing would change." in user.run("skill-install", client, "--check")
    assert home.files() == installed
    user.run("skill-doctor", client, "--offline")
    for skill in list(home.path.rglob("SKILL.md")):
        shutil.rmtree(skill.parent)
    assert json.loads(user.run("skill-doctor", client, "--offline", "--json", expect=1))["ok"] is False
    user.run("skill-doctor", client, "--offline", "--fix")
    assert home.files() == installed
    user.run("skill-uninstall", client, "--check", expect=1)
    user.run("skill-uninstall", client)
    assert home.files() == before
    user.run("skill-install", client, "--no-verify", "--pin", "--tracking-uri", uri)
    user.run("skill-uninstall", client, "--purge")
    assert not list(home.path.rglob("backups"))
    assert home.files() == before
