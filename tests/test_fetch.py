"""Fetching a package ahead, with fake uvx programs; the real uvx is in tests/real."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import venv
from pathlib import Path

import pytest

from accessing_mlflow.fetch import FetchError, fetch, fetched
from tests.children import PATIENCE, all_gone, pids, start_python, wait_for

ENVIRON = {"PATH": "/usr/bin:/bin"}


def fake_uvx(folder: Path, script: str) -> str:
    """A uvx that writes down its arguments, and whether it is to compile, before it runs `script`."""
    path = folder / "uvx"
    log = f'echo "compile=$UV_COMPILE_BYTECODE" "$@" >> "{folder}/calls"'
    path.write_text(f"#!/bin/sh\n{log}\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def calls(folder: Path) -> list[str]:
    """The first line of what each call was given."""
    lines = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("compile=")]


def test_fetched_asks_uv_without_the_network_and_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uvx = fake_uvx(tmp_path, "echo out; echo error >&2; exit 0")
    assert fetched(uvx, "mlflow-mcp==0.4.1", ENVIRON)

    assert calls(tmp_path)[0].startswith("compile= --offline --from mlflow-mcp==0.4.1 python -c")
    assert capfd.readouterr() == ("", "")


def test_it_is_not_fetched_where_uv_says_so_or_is_not_there(tmp_path: Path) -> None:
    assert not fetched(fake_uvx(tmp_path, "exit 1"), "mlflow-mcp", ENVIRON)
    assert not fetched(str(tmp_path / "absent"), "mlflow-mcp", ENVIRON)


def test_fetch_compiles_and_gives_the_seconds(tmp_path: Path) -> None:
    assert fetch(fake_uvx(tmp_path, "sleep 0.05"), "mlflow-mcp", ENVIRON, progress=False) >= 0.05
    assert calls(tmp_path)[0].startswith("compile=1 --from mlflow-mcp python -c")


def test_progress_is_shown_only_where_it_is_wanted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    uvx = fake_uvx(tmp_path, "echo 'Installed 100 packages' >&2; echo out")
    fetch(uvx, "mlflow-mcp", ENVIRON, progress=False)
    assert capfd.readouterr() == ("", "")

    fetch(uvx, "mlflow-mcp", ENVIRON, progress=True)
    assert capfd.readouterr() == ("", "Installed 100 packages\n")


def test_uv_draws_its_progress_on_a_terminal(tmp_path: Path) -> None:
    """And its words are still known afterwards: they are in the error."""
    uvx = fake_uvx(tmp_path, "test -t 2 && echo 'it is a terminal' >&2; echo 'error: disk on fire' >&2; exit 2")
    ours, theirs = pty.openpty()
    python = start_python(
        "from accessing_mlflow.fetch import FetchError, fetch\n"
        f"try: fetch({uvx!r}, 'x', {ENVIRON!r}, progress=True)\n"
        "except FetchError as error: print(error)",
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    with python:
        out = python.communicate(timeout=PATIENCE)[0]
    shown = os.read(ours, 1000)
    for end in (ours, theirs):
        os.close(end)

    assert b"it is a terminal" in shown
    assert out.decode() == "cannot fetch x: disk on fire\n"


FAILURES = [
    ("dns error\n  cause: failed to lookup address information: Name or service not known", "network"),
    ("error sending request\n  cause: Connection refused (os error 111)", "network"),
    ("failed to write to file `/c/x`: No space left on device (os error 28)", "room"),
    ("Because mlflow-mcp was not found in the package registry, we can conclude that ...", "name"),
    ("Because there is no version of mlflow-mcp==9.9 and you require it, ...", "version"),
    ("No interpreter found for Python 3.14 in managed installations or search path", "uv python install"),
    ("the current Python version (3.9.1) does not satisfy Python>=3.10", "uv python install"),
    ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
    ("HTTP status client error (401 Unauthorized) for url (https://me:pw@h/simple/)", "credentials"),
    ("failed to create directory `/x`: Permission denied (os error 13)", "writable"),
]


@pytest.mark.parametrize(("cause", "step"), FAILURES)
@pytest.mark.parametrize("progress", [False, True])
def test_a_failure_gives_the_reason_and_a_next_step(tmp_path: Path, cause: str, step: str, *, progress: bool) -> None:
    said = f"Downloading numpy\nerror: Failed to fetch\n  cause: {cause}\n\nhint: none of this matters\n"
    (tmp_path / "said").write_text(said, encoding="utf-8")
    with pytest.raises(FetchError) as caught:
        fetch(fake_uvx(tmp_path, f"cat '{tmp_path}/said' >&2; exit 1"), "mlflow-mcp", ENVIRON, progress=progress)

    reason = cause.rpartition("cause: ")[2].replace("me:pw", "***")
    assert str(caught.value) == f"cannot fetch mlflow-mcp: {reason}"
    assert step in caught.value.fix


def test_a_silent_failure_and_a_uvx_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="uvx ended with 3"):
        fetch(fake_uvx(tmp_path, "exit 3"), "mlflow-mcp", ENVIRON, progress=False)
    with pytest.raises(FetchError, match="absent cannot be started: No such file"):
        fetch(str(tmp_path / "absent"), "mlflow-mcp", ENVIRON, progress=False)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_uv_does_not_go_on_after_a_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    born = tmp_path / "born"
    uvx = fake_uvx(tmp_path, f"trap '' INT; sleep 600 & echo $! >> '{born}'; echo $$ >> '{born}'; wait")
    ours = start_python(
        f"from accessing_mlflow.fetch import fetch\nfetch({uvx!r}, 'x', {ENVIRON!r}, progress=True)",
        stderr=subprocess.DEVNULL,
    )
    with ours:
        assert wait_for(lambda: len(pids(born)) == 2)
        ours.send_signal(number)
        ours.wait(PATIENCE)

    assert ours.returncode == code
    assert all_gone(born)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with one package, not compiled, in which a fake uvx runs Python."""
    folder = tmp_path / "environment"
    venv.EnvBuilder(symlinks=True).create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    for name, text in {
        "server/__init__.py": "",
        "server/late.py": "x = 1",
        "server/broken.py": "x = ",
        "server-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: server\nVersion: 1.0\n",
        "server-1.0.dist-info/RECORD": "server/__init__.py,,\nserver/late.py,,\nserver/broken.py,,\n",
    }.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    fake_uvx(tmp_path, f'[ "$1" = --offline ] && shift\nshift 3\nexec "{folder}/bin/python" "$@"')
    return site


def compiled(site: Path) -> set[str]:
    return {path.name.split(".")[0] for path in site.rglob("*.pyc")}


@pytest.mark.parametrize("environ", [ENVIRON, {**ENVIRON, "PYTHONDONTWRITEBYTECODE": "1"}])
def test_an_environment_that_was_made_without_is_compiled(
    tmp_path: Path, environment: Path, environ: dict[str, str]
) -> None:
    uvx = str(tmp_path / "uvx")
    assert not fetched(uvx, "server[x]>=1", environ)
    assert compiled(environment) == set()

    fetch(uvx, "server[x]>=1", environ, progress=False)

    assert fetched(uvx, "server[x]>=1", environ)
    assert compiled(environment) == {"__init__", "late"}


def test_an_environment_in_which_the_server_ran_is_warm_enough(tmp_path: Path, environment: Path) -> None:
    uvx = str(tmp_path / "uvx")
    python = environment.parents[2] / "bin" / "python"
    subprocess.run([python, "-c", "import server"], env=ENVIRON, check=True)

    assert fetched(uvx, "server", ENVIRON)
    fetch(uvx, "server", ENVIRON, progress=False)
    assert compiled(environment) == {"__init__"}


def test_a_package_by_another_name_than_its_requirement_is_no_error(tmp_path: Path, environment: Path) -> None:
    uvx = str(tmp_path / "uvx")
    assert fetched(uvx, "./dist/server-1.0-py3-none-any.whl", ENVIRON)
    fetch(uvx, "./dist/server-1.0-py3-none-any.whl", ENVIRON, progress=False)
