"""How the checks run: side by side, ended at once, whatever the server does, and without a trace."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from accessing_mlflow import checks
from tests.children import PATIENCE, all_gone, descendants, is_gone, pids, wait_for
from tests.homes import URI, Home
from tests.servers import start_doctor, with_server
from tests.webs import MLFLOW, serving


def test_servers_are_started_side_by_side_and_shown_in_order(home: Home) -> None:
    """Each of the two answers only once the other one is there."""
    born = with_server(home, "while len(open(BORN).readlines()) < 2: time.sleep(0.01)\nserve([TOOLS])")
    home.run("skill-install claude cursor --no-verify --tracking-uri", f"sqlite:///{home.path}/mlflow.db")
    data = home.json("skill-doctor claude cursor", expect=None)
    slow = [(check["client"], check["status"]) for check in data["checks"] if check["id"] == "mcp-server"]
    assert slow == [("claude", "ok"), ("cursor", "ok")]
    order = [check.id for check in checks.CHECKS]
    for client in ("claude", "cursor"):
        ids = [check["id"] for check in data["checks"] if check["client"] == client]
        assert ids == sorted(ids, key=order.index)
    assert all_gone(born)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.slow
def test_a_signal_ends_everything(home: Home, tmp_path: Path, number: signal.Signals) -> None:
    """Two stubborn servers with children of their own, and a tracking server that never answers."""
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    child = f"import signal, time\n{stubborn}time.sleep(600)"
    born_then = f"born(subprocess.Popen([sys.executable, '-c', {child!r}]).pid)"
    script = f"{stubborn}sys.stdin.readline()  # the start is over\n{born_then}\ntime.sleep(600)"
    born = with_server(home, script)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    home.run(f"skill-install claude cursor --no-verify --tracking-uri {URI}")
    ours = start_doctor(
        "claude", "cursor", env={"TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert wait_for(lambda: len(pids(born)) == 4)
    below = descendants(ours.pid)
    ours.send_signal(number)
    code = ours.wait(PATIENCE)
    assert code == {signal.SIGINT: 1, signal.SIGKILL: -signal.SIGKILL}.get(number, 128 + number)
    assert all_gone(born)
    assert wait_for(lambda: all(is_gone(pid) for pid in below))
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []


HOSTILE = {
    "floods its errors": "while True: print('x' * 10000, file=sys.stderr)",
    "floods its output": "while True: print('x' * 10000)",
    "half a message": 'sys.stdin.readline()\nsys.stdout.write(\'{"jsonrpc": "2.0", "id"\')',
    "ignores the end": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nserve([TOOLS])\nwhile True: time.sleep(60)",
    "dies": "sys.exit('error: \\x1b]0;title\\x07\\x1b[31mno TOKEN=hunter2')",
    "fills its home": "os.makedirs(os.path.join(os.environ['HOME'], 'd' * 200), mode=0o500)\nserve([TOOLS])",
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.slow
def test_hostile_servers(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr("accessing_mlflow.checks.server.LONGEST", 2.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    born = with_server(home, script)
    home.run("skill-install claude --no-verify --tracking-uri", f"sqlite:///{home.path}/mlflow.db")
    good = "serve(" in script
    data = home.json("skill-doctor claude", expect=None)
    found = next(check for check in data["checks"] if check["id"] == "mcp-server")
    assert found["status"] == ("ok" if good else "error")
    assert "hunter2" not in str(found)
    assert all_gone(born)
    assert list((tmp_path / "temporary").iterdir()) == []
    text = home.run("skill-doctor claude", expect=None).output
    assert not any(c in text for c in "\x1b\x07")


def database(file: Path, *, wal: bool = False) -> None:
    """An MLflow database with a run in it, as far as it is looked at."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as made:
        if wal:
            made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("CREATE TABLE experiments (lifecycle_stage TEXT)")
        made.execute("CREATE TABLE runs (lifecycle_stage TEXT)")
        made.execute("INSERT INTO runs VALUES ('active')")
    made.close()


def everything(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """All below the folder: modes, owners, times and content."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.lstat().st_ino,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder, *sorted(folder.rglob("*")))
    }


STORES = {
    "server": "",
    "folder": "{home}/mlruns",
    "embedded": "{home}/.local/share/accessing-mlflow/store/mlflow.db",
    "embedded-wal": "{home}/.local/share/accessing-mlflow/store/mlflow.db",
    "embedded-absent": "{home}/.local/share/accessing-mlflow/store/mlflow.db",
    "embedded-broken": "{home}/.local/share/accessing-mlflow/store/mlflow.db",
    "sqlite": "{home}/data/mlflow.db",
    "sqlite-wal": "{home}/data/mlflow.db",
    "sqlite-absent": "{home}/data/mlflow.db",
}
INSTALLATIONS = [
    *(("claude", "user", store) for store in STORES),
    *(("cursor", "user", store) for store in STORES),
    ("claude", "project", "embedded"),
    ("claude", "local", "embedded"),
    ("cursor", "project", "embedded"),
]


@pytest.mark.parametrize(("client", "scope", "store"), INSTALLATIONS)
def test_without_fix_nothing_at_all_is_written(home: Home, client: str, scope: str, store: str) -> None:
    with_server(home)
    home.program("claude", "#!/bin/sh\necho 2.1.330\n")
    home.cd("project")
    kind, _, state = store.partition("-")
    file = Path(STORES[store].format(home=home.path))
    if kind in ("embedded", "sqlite") and state in ("", "wal"):
        database(file, wal=state == "wal")
    if state == "broken":
        home.write(str(file.relative_to(home.path)), "no database")
    with serving(MLFLOW) as web:
        uri = {"server": web.uri, "folder": "http://h:1"}.get(kind, f"sqlite:///{file}")
        home.run(f"skill-install {client} --scope {scope} --no-verify --tracking-uri", uri)
        if kind == "folder":  # which the installer would refuse
            typed = home.path / (".claude.json" if client == "claude" else ".cursor/mcp.json")
            typed.write_text(typed.read_text().replace(uri, str(file)))
        before = everything(home.path)
        output = home.run(f"skill-doctor {client} -v", expect=None).output
    started = (client, scope) != ("cursor", "project")  # where uvx is not on a desktop program's PATH
    assert ("starts (40 tools" in output) == started
    assert everything(home.path) == before


def test_no_trace_in_the_temporary_folder(home: Home, tmp_path: Path) -> None:
    with_server(home)
    (tmp_path / "temporary").mkdir()
    home.run("skill-install claude --no-verify --tracking-uri", f"sqlite:///{home.path}/mlflow.db")
    with start_doctor("claude", env={"TMPDIR": str(tmp_path / "temporary")}, stdout=subprocess.PIPE) as ours:
        out, _ = ours.communicate(timeout=PATIENCE)
    assert b"starts (40 tools" in out
    assert os.listdir(tmp_path / "temporary") == []
