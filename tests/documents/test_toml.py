"""Edits of TOML: only the member changes; comments, order and layout of the rest stay."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accessing_mlflow.documents import DocumentError
from accessing_mlflow.documents.toml import read_member, relaxations, remove_member, set_member

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PATH = ("mcp_servers", "MLflow")
ENTRY = {"command": "uvx", "args": ["mlflow-mcp"], "env": {"A": "1"}, "startup_timeout_sec": 60}

LAYOUTS = {
    "empty": "",
    "a comment": "# mine\n",
    "a key": 'model = "x"  # mine\n',
    "other servers": "[mcp_servers.a] # a\ncommand = 'x'\n\n[profiles.\"x y\"]\nn = 0x10\n",
    "servers apart": '[mcp_servers.a]\ncommand = "x"\n[b]\n[mcp_servers.c]\ncommand = "d"\n',
    "dotted keys": 'mcp_servers.a.command = "x"\nz = 1_000\n',
    "quoted names": '["mcp_servers" . \'a b\']\n"command" = "x"\n',
    "arrays of tables": "[[a]]\nx = 1\n[[a]]\nx = 2\n",
    "a heading for all": "[mcp_servers]\n",
    "CRLF": 'a = 1\r\n\r\n[b] # c\r\nx = """\r\n"""\r\n',
    "a byte order mark": "\ufeffa = 1\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_new_table_goes_to_the_end_and_leaves_no_trace(layout: str) -> None:
    before = LAYOUTS[layout].encode()
    after = set_member(before, PATH, ENTRY)
    assert after.startswith(before)
    assert read_member(after, PATH) == ENTRY
    assert b"\r\n" not in before or b"\n" not in after.replace(b"\r\n", b"")
    assert set_member(after, PATH, ENTRY) is after
    assert remove_member(after, PATH) == before


def test_an_inline_table_stays_one() -> None:
    before = b'mcp_servers = { a = { command = "x" } } # mine\nb = 1\n'
    after = set_member(before, PATH, {"command": "uvx"})
    assert read_member(after, PATH) == {"command": "uvx"}
    assert after.splitlines()[0].endswith(b"# mine")
    assert after.splitlines()[1:] == before.splitlines()[1:]
    assert remove_member(after, PATH) == before


WRITTEN = """# top
[mcp_servers.MLflow] # ours
command = "uvx" # c
args = [
  "mlflow-mcp", # a
]
[mcp_servers.MLflow.env]
A = '1' # e

[other]
x = 1.50
"""


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("command",), "/opt/uvx", 'command = "/opt/uvx" # c'),
        (("args",), ["mlflow-mcp", "--x"], '  "--x",'),
        (("env", "B"), "2", 'B = "2"'),
        (("env", "A"), "2", 'A = "2" # e'),
        (("startup_timeout_sec",), 60, "startup_timeout_sec = 60"),
        (("disabled_tools",), ["a", "b"], 'disabled_tools = ["a", "b"]'),
    ],
)
def test_a_member_is_changed_and_every_other_line_stays(path: tuple[str, ...], value: Any, line: str) -> None:
    after = set_member(WRITTEN.encode(), (*PATH, *path), value)
    assert read_member(after, (*PATH, *path)) == value
    lines = after.decode().splitlines()
    assert line in lines
    old = [text for text in WRITTEN.splitlines() if text and text.partition(" ")[0] != path[-1]]
    assert [text for text in lines if text in old] == old


def test_removing_the_last_member_of_an_implied_parent() -> None:
    assert remove_member(b"a = 1\n[x.y]\nz = 1\n", ("x", "y")) == b"a = 1\n"
    assert remove_member(b"a = 1\n", ("x", "y")) == b"a = 1\n"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (b"a = \n", 1, 5),
        (b"a = 1\na = 2\n", 2, 6),
        (b'a = "x\n', 1, 7),
        (b"a = [1,\n", 2, 1),
        (b"[a]\nb = 1\n\xff", 3, 1),
    ],
)
def test_refused_with_line_and_column(text: bytes, line: int, column: int) -> None:
    edits: tuple[Callable[[], object], ...] = (
        lambda: set_member(text, PATH, ENTRY),
        lambda: remove_member(text, PATH),
        lambda: relaxations(text),
    )
    for edit in edits:
        with pytest.raises(DocumentError) as caught:
            edit()
        assert caught.value.line == line
        assert abs(caught.value.column - column) <= 2  # the parsers of different Pythons differ by one or two


@pytest.mark.parametrize(
    "text", [b"mcp_servers = 1\n", b'[[mcp_servers]]\ncommand = "x"\n', b"[mcp_servers]\nMLflow = 1\n"]
)
def test_a_parent_that_is_no_table(text: bytes) -> None:
    with pytest.raises(DocumentError, match="is not a table"):
        set_member(text, (*PATH, "env"), {"A": "1"})


KEYS = st.sampled_from(["a", "b-c", '"x y"', "'q.r'", "1", "mcp_servers"])
VALUES = st.sampled_from(
    ["1", "0x1F", "1e3", '"text"', "'''\nlines\n'''", "[1, 2, # c\n  3]", "true", "1979-05-27", "{ k = 1 }"]
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: f"[{'.'.join(keys)}]"),
    KEYS.map(lambda key: f"[[{key}]]"),
    st.tuples(KEYS, KEYS, VALUES).map(lambda found: f"{found[0]}.{found[1]} = {found[2]}"),
    st.sampled_from(["", "# comment", "   "]),
)
DOCUMENTS = st.lists(LINES, max_size=12).map(lambda lines: "\n".join([*lines, ""]))


def without(data: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in data.items() if name != key}


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(DOCUMENTS, st.sampled_from([PATH, ("a", "MLflow"), ("MLflow",), (*PATH, "env")]))
def test_any_document_is_edited_rightly_or_refused(text: str, path: tuple[str, ...]) -> None:
    data = text.encode()
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(DocumentError):
            set_member(data, path, ENTRY)
        return
    try:
        after = set_member(data, path, ENTRY)
    except DocumentError:
        return
    assert read_member(after, path) == ENTRY
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in after.decode().splitlines() if line.startswith("#")] == comments
    again = tomllib.loads(remove_member(after, path).decode())
    for key in path[:-1]:  # parents that were made may stay, empty, or go
        assert without(again, key) == without(before, key)
        again, before = again.get(key, {}), before.get(key, {})
    assert again == without(before, path[-1])
