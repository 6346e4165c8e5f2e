"""The embedded store: its address, how it is made (with a fake uvx; the real one is in tests/real), what is in it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from accessing_mlflow.embedded_store import FILE, StoreError, StoreReport, create, describe, uri
from tests.children import PATIENCE, all_gone, pids, python_program, start_python, wait_for

# What MLflow 3.17.2 makes, as far as it matters here.
TABLES = """
CREATE TABLE alembic_version (version_num VARCHAR(32));
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT, lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, lifecycle_stage TEXT);
INSERT INTO experiments VALUES (0, 'Default', '/x/mlruns/0', 'active');
"""

# A uvx that runs none of the script it is given but makes the same file, and writes down how it was called.
FAKE = f"""
import json, os, sqlite3, sys
uri, folder = sys.argv[-2:]
call = {{"args": sys.argv[1:4], "cwd": os.getcwd(), "folder": folder, "uri": uri}}
call["telemetry"] = os.environ.get("MLFLOW_DISABLE_TELEMETRY")
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps(call), file=calls)
connection = sqlite3.connect(uri.removeprefix("sqlite:///"))
connection.executescript({TABLES!r})
connection.close()
"""


@pytest.fixture
def uvx(tmp_path: Path) -> Path:
    return python_program(tmp_path / "uvx", FAKE)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "CALLS": str(tmp_path / "calls")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "with space, ünï" / "store"


@pytest.fixture
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """A store with two experiments and three runs, of which one each is deleted."""
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.executescript(
            f"{TABLES} INSERT INTO experiments VALUES (1, 'old', '/x/mlruns/1', 'deleted');"
            "INSERT INTO runs VALUES ('a', 'active'), ('b', 'active'), ('c', 'deleted');"
        )
        yield connection


def test_the_address_is_absolute_and_as_sqlalchemy_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert uri(Path("/home/me/my store ü")) == "sqlite:////home/me/my store ü/mlflow.db"
    monkeypatch.chdir("/tmp")
    assert uri(Path("store/../x")) == "sqlite:////tmp/x/mlflow.db"


@pytest.mark.parametrize("name", ["100%", "why?"])
def test_a_folder_that_sqlalchemy_would_read_otherwise_is_refused(tmp_path: Path, name: str, uvx: Path) -> None:
    with pytest.raises(StoreError, match="in its name"):
        uri(tmp_path / name)
    with pytest.raises(StoreError, match="in its name"):
        create(tmp_path / name, str(uvx), "mlflow-mcp", {})
    assert not (tmp_path / name).exists()


def test_the_store_is_made_once(folder: Path, uvx: Path, environ: dict[str, str]) -> None:
    assert create(folder, str(uvx), "mlflow-mcp==0.4.1", environ)
    assert not create(folder, str(uvx), "mlflow-mcp==0.4.1", environ)

    calls = [json.loads(line) for line in Path(environ["CALLS"]).read_text(encoding="utf-8").splitlines()]
    assert len(calls) == 1
    assert calls[0]["args"] == ["--from", "mlflow-mcp==0.4.1", "python"]
    assert calls[0]["telemetry"] == "true"
    # In that folder, which MLflow's Default experiment goes by, only once uv has started Python outside of any project.
    assert calls[0]["cwd"] == "/"
    assert calls[0]["folder"] == str(folder)
    # It grew under another name.
    assert calls[0]["uri"] != uri(folder)
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert describe(folder) == StoreReport(exists=True, experiments=1, runs=0)


def test_a_folder_that_is_there_keeps_its_mode_and_files(folder: Path, uvx: Path, environ: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "notes").write_text("mine", encoding="utf-8")

    assert create(folder, str(uvx), "mlflow-mcp", environ)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in folder.iterdir()) == [FILE, "notes"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'ModuleNotFoundError: No module named mlflow' >&2; exit 1", "No module named mlflow"),
        ("exit 0", "could not make"),
        ('for folder; do :; done; : > "$folder/$(ls -A "$folder")/mlflow.db"', "none of MLflow's tables"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_failure_leaves_nothing(folder: Path, uvx: Path, script: str, said: str, *, there: bool) -> None:
    uvx.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    if there:
        folder.mkdir(parents=True)
    with pytest.raises(StoreError, match=said):
        create(folder, str(uvx), "mlflow-mcp", {"PATH": "/usr/bin:/bin"})

    assert folder.exists() == there
    assert not there or not list(folder.iterdir())


def test_a_uvx_that_is_not_there(folder: Path) -> None:
    with pytest.raises(StoreError, match="cannot make the local store"):
        create(folder, "/nowhere/uvx", "mlflow-mcp", {})
    assert not folder.exists()


def test_a_signal_leaves_nothing(folder: Path, uvx: Path, tmp_path: Path) -> None:
    born = tmp_path / "born"
    make = 'for folder; do :; done; cd "$folder"; : > $(ls -Ad .new-*)/mlflow.db'
    uvx.write_text(f"#!/bin/sh\n{make}\necho $$ > '{born}'\nsleep 600\n", encoding="utf-8")
    ours = start_python(
        "from pathlib import Path; from accessing_mlflow.embedded_store import create\n"
        f"create(Path({str(folder)!r}), {str(uvx)!r}, 'mlflow-mcp', {{'PATH': '/usr/bin:/bin'}})",
        stderr=subprocess.DEVNULL,
    )
    with ours:
        assert wait_for(lambda: bool(pids(born)))
        ours.send_signal(signal.SIGTERM)
        ours.wait(PATIENCE)

    assert all_gone(born)
    assert not folder.exists()


def test_one_that_another_process_made_meanwhile_is_kept(folder: Path, uvx: Path, environ: dict[str, str]) -> None:
    other = folder / FILE
    python_program(uvx, f"{FAKE}open({str(other)!r}, 'w').write('theirs')\n")

    assert not create(folder, str(uvx), "mlflow-mcp", environ)
    assert other.read_text(encoding="utf-8") == "theirs"


def test_no_store_yet(folder: Path) -> None:
    assert describe(folder) == StoreReport(exists=False, experiments=0, runs=0)
    assert not folder.exists()


def test_what_is_deleted_does_not_count(folder: Path, database: sqlite3.Connection) -> None:
    database.close()
    assert describe(folder) == StoreReport(exists=True, experiments=1, runs=2)
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_a_server_that_is_writing_is_not_disturbed(folder: Path, database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO runs VALUES ('d', 'active')")

    assert describe(folder).runs == 2
    database.execute("COMMIT")
    assert describe(folder).runs == 3


def test_write_ahead_log(folder: Path, database: sqlite3.Connection) -> None:
    """Idle, the file is read without its helper files being made; in use, what is in the log counts."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("INSERT INTO runs VALUES ('d', 'active')")
    database.commit()
    assert (folder / f"{FILE}-wal").exists()
    assert describe(folder).runs == 3

    database.close()
    assert describe(folder).runs == 3
    assert [path.name for path in folder.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_what_is_no_database(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(content)

    with pytest.raises(StoreError, match="is not an MLflow database") as caught:
        describe(folder)
    assert str(folder / FILE) in str(caught.value)
    assert (folder / FILE).read_bytes() == content


def test_another_database(folder: Path) -> None:
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("CREATE TABLE runs (x)")

    with pytest.raises(StoreError, match="none of MLflow's tables"):
        describe(folder)


def test_what_cannot_be_read(folder: Path) -> None:
    (folder / FILE).mkdir(parents=True)
    with pytest.raises(StoreError, match="Is a directory"):
        describe(folder)

    (folder / FILE).rmdir()
    (folder / FILE).symlink_to("nowhere")
    with pytest.raises(StoreError, match="No such file"):
        describe(folder)
