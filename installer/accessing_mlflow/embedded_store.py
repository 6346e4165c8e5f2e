"""The embedded default: an SQLite tracking store of the user's own, `mlflow.db` in a folder that the caller names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import InstallerError

if TYPE_CHECKING:
    import sqlite3

FILE = "mlflow.db"

# MLflow's own client makes the tables, and the Default experiment, at its first question. It is asked from inside the
# folder: the Default experiment's artifacts go to `<working directory>/mlruns/0`, written as an absolute path.
_MAKE = """
import os, sys
os.chdir(sys.argv[2])
from mlflow import MlflowClient
MlflowClient(sys.argv[1]).search_experiments(max_results=1)
"""
_MAKE_SECONDS = 300.0

_TABLES = ("alembic_version", "experiments", "runs")
_WAL = b"\2\2"


class StoreReport(NamedTuple):
    """`experiments` and `runs`: how many there are that are not deleted."""

    exists: bool
    experiments: int
    runs: int


class StoreError(InstallerError):
    """The store cannot be made, or what is there is not one."""


def uri(folder: Path) -> str:
    """The tracking URI of the store in `folder`: `sqlite:////home/me/x/mlflow.db`, on Windows `sqlite:///C:/x/mlflow.db`.

    The path stands as it is: SQLAlchemy 2.0 takes it literally, and 2.1 decodes percent signs. Spaces, `#`, `@` and
    other alphabets work with both; `%` and `?` cannot work with both. Raises StoreError for these.
    """
    path = Path(os.path.abspath(folder / FILE)).as_posix()  # noqa: PTH100  # symlinks stay unresolved
    if "%" in path or "?" in path:
        raise StoreError(
            f"MLflow cannot use a local store in a folder with % or ? in its name: {folder}",
            "give a tracking server: --tracking-uri https://...",
        )
    return f"sqlite:///{path}"


def create(folder: Path, uvx: str, requirement: str, environ: Mapping[str, str], options: Sequence[str] = ()) -> bool:
    """Makes the store if it is not there, and says whether it did. `folder` gets mode 0700 where it is new.

    `requirement` must bring the full MLflow: `uvx --from requirement python` runs its client, 4 s when warm; `options`
    are what else uvx is given. The file appears whole or not at all. Raises StoreError.
    """
    import tempfile

    store = folder / FILE
    uri(folder)
    if store.exists():
        return False
    new_folder = not folder.exists()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as staging:
            made = Path(staging)
            _make(made, folder, [uvx, *options], requirement, environ)
            describe(made)
            if store.exists():  # made by another process meanwhile
                return False
            (made / FILE).replace(store)
    except OSError as error:
        raise StoreError(f"cannot make the local store {store}: {error.strerror or error}") from error
    finally:
        if new_folder and not store.exists():
            with suppress(OSError):
                folder.rmdir()
    return True


def fill(folder: Path, uvx: str, requirement: str, environ: Mapping[str, str], options: Sequence[str] = ()) -> int:
    """Adds the demo's made-up runs to the store that is there; how many there are more now. As `create` otherwise."""
    import subprocess

    from .processes import last_error, run

    script = str(Path(__file__).with_name("demo_runs.py"))
    argv = [uvx, *options, "--from", requirement, "python", script, uri(folder), str(folder / "artifacts")]
    before = describe(folder).runs
    try:
        variables = {**environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        done = run(argv, variables, timeout=_MAKE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"the made-up runs could not be added: {error}") from error
    if done.returncode != 0:
        raise StoreError(f"the made-up runs could not be added: {last_error(done.stderr) or done.returncode}")
    return describe(folder).runs - before


def describe(folder: Path) -> StoreReport:
    """What the store holds, read from the file itself: nothing is written, and a running server is not disturbed.

    Raises StoreError where the file cannot be read or is not an MLflow database.
    """
    return look(folder / FILE)


def look(store: Path) -> StoreReport:
    """As `describe`, for any file."""
    if not os.path.lexists(store):
        return StoreReport(exists=False, experiments=0, runs=0)
    active = "WHERE lifecycle_stage = 'active'"
    with _opened(store) as connection:
        experiments = connection.execute(f"SELECT count(*) FROM experiments {active}").fetchone()[0]  # noqa: S608
        runs = connection.execute(f"SELECT count(*) FROM runs {active}").fetchone()[0]  # noqa: S608
    return StoreReport(exists=True, experiments=experiments, runs=runs)


def tagged(store: Path, tag: str) -> int:
    """How many runs in the store, which is there, have that tag. Raises StoreError."""
    with _opened(store) as connection:
        question = (
            "SELECT count(DISTINCT tags.run_uuid) FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid"
            " WHERE tags.key = ? AND runs.lifecycle_stage = 'active'"
        )
        return int(connection.execute(question, (tag,)).fetchone()[0])


@contextmanager
def _opened(store: Path) -> Iterator[sqlite3.Connection]:
    """The database, read-only. Raises StoreError, also for what goes wrong inside of the block."""
    import sqlite3

    try:
        if store.exists() and not (store.is_file() or store.is_dir()):  # to open a pipe is to wait for a writer
            raise _not_mlflow(store, "it is no regular file")
        with store.open("rb") as file:
            header = file.read(20)
        connection = sqlite3.connect(_read_only(store, header), uri=True, timeout=2.0)
        try:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not names.issuperset(_TABLES):
                raise _not_mlflow(store, "it has none of MLflow's tables")
            yield connection
        finally:
            connection.close()
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreError(f"cannot read the local store {store}: {getattr(error, 'strerror', error)}") from error
    except sqlite3.Error as error:
        raise _not_mlflow(store, str(error)) from error


def _make(made: Path, folder: Path, uvx: list[str], requirement: str, environ: Mapping[str, str]) -> None:
    import subprocess

    from .processes import last_error, run

    argv = [*uvx, "--from", requirement, "python", "-c", _MAKE, uri(made), str(folder)]
    variables = {**environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    try:
        done = run(argv, variables, timeout=_MAKE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"MLflow did not make the local store within {_MAKE_SECONDS:.0f} s") from error
    if done.returncode != 0 or not (made / FILE).exists():
        raise StoreError(
            f"MLflow could not make the local store {folder / FILE}: {last_error(done.stderr) or done.returncode}",
            f"see that this works: {' '.join(uvx)} --from '{requirement}' python -c 'import mlflow'",
        )


def _read_only(store: Path, header: bytes) -> str:
    """SQLite's URI to read the file. Reading one in WAL mode makes files beside it unless it is said not to change:
    which is so as long as nobody has made them already.
    """
    idle = header[18:20] == _WAL and not Path(f"{store}-wal").exists()
    return f"{store.absolute().as_uri()}?mode=ro{'&immutable=1' if idle else ''}"


def _not_mlflow(store: Path, reason: str) -> StoreError:
    return StoreError(f"{store} is not an MLflow database: {reason}", "move that file away, then run it again")
