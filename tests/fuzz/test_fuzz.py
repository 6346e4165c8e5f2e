"""The kept documents as they are, a short run of mutated ones, and that a careless editor would be found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.documents.reference import BOM
from tests.fuzz import edits, run
from tests.fuzz.commands import FILES, check_commands, hurry
from tests.fuzz.edits import cases, check_edit, check_whole
from tests.fuzz.mutate import corpus
from tests.homes import Home

CORPUS = corpus()


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.mark.parametrize("name", CORPUS)
def test_kept_document_is_edited_rightly_or_refused(name: str) -> None:
    data = CORPUS[name]
    for path, value in cases(data):
        check_edit(data, path, value)
    check_whole(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPUS)
def test_kept_document_in_the_clients_places(home: Home, name: str) -> None:
    """There and back; and back although the files have changed since."""
    files = dict.fromkeys(FILES if name.endswith(".json") else FILES[1:], CORPUS[name])
    if check_commands(home, files) == "installed":
        check_commands(home, files, change=lambda data: data + b"\n")


def test_mutated_documents(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes, failed = run.run_all(0, iter(range(150)), home, print)
    assert failed is None, capsys.readouterr().out
    assert {"edit: added", "edit: replaced", "edit: refused", "edit: too deep"} <= outcomes.keys()
    assert {"commands: installed", "commands: refused"} <= outcomes.keys()


def dumped(data: bytes, path: list[str], value: Any) -> bytes:
    """What many an installer does."""
    document = json.loads(data.removeprefix(BOM) or "{}")
    inner = document
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return json.dumps(document, indent=2).encode()


def stuck(data: bytes, path: list[str], value: Any) -> bytes:
    while True:
        pass


def careful(data: bytes, path: list[str], value: Any) -> bytes:
    """All is right but for a comment that it drops."""
    from accessing_mlflow.documents.jsonc import set_member

    after = set_member(data, path, value)
    return after if after is data else after.replace(b"/* between, the two */", b"")


@pytest.mark.parametrize(
    ("editor", "reason"),
    [(dumped, "Error"), (careful, "it changed something"), (stuck, "TookTooLong")],
)
def test_a_careless_editor_is_found(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, editor: Any, reason: str
) -> None:
    monkeypatch.setattr(edits, "set_member", editor)
    if editor is stuck:
        monkeypatch.setattr(edits, "SECONDS", 0.1)
    _, failed = run.run_all(0, iter(range(1, 2000)), home, print)
    assert failed is not None
    assert reason in capsys.readouterr().out


def test_a_failing_case_is_made_smaller_and_saved(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "set_member", dumped)
    data = CORPUS["cursor-ours.json"]
    small = run.smaller(run.Case({"document": data}, ["x"], 1), home)
    assert len(small.files["document"]) < len(data) / 4
    run.save(small, tmp_path / "saved", "a reason")
    assert (tmp_path / "saved/document").read_bytes() == small.files["document"]
    assert "path ['x'], value 1" in (tmp_path / "saved/case.txt").read_text()
