"""Edits of JSON documents, compared as whole texts, and refusals with their exact place."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from accessing_mlflow.documents import DocumentError
from accessing_mlflow.documents.jsonc import (
    Relaxation,
    read_member,
    relaxations,
    remove_member,
    set_member,
)
from accessing_mlflow.errors import InstallerError

ENTRY = {"command": "uvx", "args": ["mlflow-mcp"]}
TWO = """{
  "theme": "dark",
  "mcpServers": {
    "other": {"command": "x"}
  },
  "last": 1
}
"""
TWO_WITH_ENTRY = """{
  "theme": "dark",
  "mcpServers": {
    "other": {"command": "x"},
    "MLflow": {
      "command": "uvx",
      "args": [
        "mlflow-mcp"
      ]
    }
  },
  "last": 1
}
"""
BOM = "\ufeff"


def edited(text: str, path: list[str], value: object) -> str:
    return set_member(text.encode(), path, value).decode()


def set_nothing(data: bytes, path: list[str]) -> bytes:
    return set_member(data, path, None)


def without(text: str, path: list[str]) -> str:
    return remove_member(text.encode(), path).decode()


def with_indent(text: str, indent: str) -> str:
    """Re-indent a text that has two spaces for each level."""
    lines = text.split("\n")
    return "\n".join(indent * ((len(li) - len(li.lstrip())) // 2) + li.lstrip() for li in lines)


LAYOUTS: dict[str, Callable[[str], str]] = {
    "two spaces": lambda text: text,
    "four spaces": lambda text: with_indent(text, "    "),
    "three spaces": lambda text: with_indent(text, "   "),
    "tabs": lambda text: with_indent(text, "\t"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "tabs and CRLF": lambda text: with_indent(text, "\t").replace("\n", "\r\n"),
    "BOM": lambda text: BOM + text,
    "BOM and CRLF": lambda text: BOM + text.replace("\n", "\r\n"),
    "no final newline": lambda text: text.rstrip("\n"),
    "blank lines around": lambda text: "\n\n" + text + "\n\n",
    "no space after colons": lambda text: text.replace('": ', '":'),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_new_member_follows_the_layout_and_goes_again(layout: str) -> None:
    before, after = LAYOUTS[layout](TWO), LAYOUTS[layout](TWO_WITH_ENTRY)
    assert edited(before, ["mcpServers", "MLflow"], ENTRY) == after
    assert without(after, ["mcpServers", "MLflow"]) == before


# Each: text, path, value, the text with the member, and whether removing the member restores the first text.
ADDED: dict[str, tuple[str, list[str], object, str, bool]] = {
    "minified": ('{"a":{"b":1}}', ["a", "c"], {"d": [1, 2]}, '{"a":{"b":1,"c":{"d":[1,2]}}}', True),
    "one line with spaces": (
        '{"a": {"b": 1}}\n',
        ["a", "c"],
        {"d": [1, 2]},
        '{"a": {"b": 1, "c": {"d": [1, 2]}}}\n',
        True,
    ),
    "one line with padded braces": ('{ "a": 1 }', ["b"], {"c": 2}, '{ "a": 1, "b": {"c": 2} }', True),
    "one line inside of several": (
        '{\n  "a": {"b": 1},\n  "z": 0\n}',
        ["a", "c"],
        2,
        '{\n  "a": {"b": 1, "c": 2},\n  "z": 0\n}',
        True,
    ),
    "only braces": ("{}", ["a"], {"b": 1}, '{\n  "a": {\n    "b": 1\n  }\n}', True),
    "only braces and a newline": ("{}\r\n", ["a"], 1, '{\r\n  "a": 1\r\n}\r\n', True),
    "only braces and a BOM": (BOM + "{}", ["a"], 1, BOM + '{\n  "a": 1\n}', True),
    "braces apart": ("{\n}\n", ["a"], 1, '{\n  "a": 1\n}\n', False),
    "empty object with tabs around": (
        '{\n\t"a": {},\n\t"b": 1\n}',
        ["a", "c"],
        [1],
        '{\n\t"a": {\n\t\t"c": [\n\t\t\t1\n\t\t]\n\t},\n\t"b": 1\n}',
        True,
    ),
    "empty object in a minified file": ('{"a":{},"b":1}', ["a", "c"], {}, '{"a":{"c":{}},"b":1}', True),
    "empty object with white space": ('{"a": { }}', ["a", "b"], 1, '{"a": {"b": 1}}', False),
    "empty object with a comment": (
        '{\n  "a": {\n    // none yet\n  }\n}',
        ["a", "b"],
        1,
        '{\n  "a": {\n    // none yet\n    "b": 1\n  }\n}',
        True,
    ),
    "empty object with a comment behind the brace": (
        '{"a":{ // none yet\n}}',
        ["a", "b"],
        1,
        '{"a":{ // none yet\n  "b":1\n}}',
        True,
    ),
    "empty object with a comment on one line": (
        '{"a": {/* none */}}',
        ["a", "b"],
        1,
        '{"a": {/* none */ "b": 1}}',
        True,
    ),
    "empty text": ("", ["a", "b"], [], '{\n  "a": {\n    "b": []\n  }\n}\n', False),
    "white space": (" \r\n\t\r\n", ["a"], 1, '{\r\n  "a": 1\r\n}\r\n', False),
    "only a BOM": (BOM, ["a"], 1, BOM + '{\n  "a": 1\n}\n', False),
    "a BOM and white space": (BOM + "\n \n", ["a"], 1, BOM + '{\n  "a": 1\n}\n', False),
    "nested creation": (
        '{\n    "x": 1\n}\n',
        ["a", "b", "c"],
        True,
        '{\n    "x": 1,\n    "a": {\n        "b": {\n            "c": true\n        }\n    }\n}\n',
        False,
    ),
    "nested creation in a minified file": ('{"x":1}', ["a", "b"], None, '{"x":1,"a":{"b":null}}', False),
    "brace on its own line": (
        '{\n  "a":\n  {\n    "b": 1\n  }\n}',
        ["a", "c"],
        2,
        '{\n  "a":\n  {\n    "b": 1,\n    "c": 2\n  }\n}',
        True,
    ),
    "last brace behind the last value": ('{\n  "a": 1}', ["b"], 2, '{\n  "a": 1,\n  "b": 2}', True),
    "two members on a line": (
        '{\n  "a": 1, "b": 2\n}',
        ["c"],
        3,
        '{\n  "a": 1, "b": 2,\n  "c": 3\n}',
        True,
    ),
    "comment behind the last member": (
        '{\n  "a": 1 // last\n}',
        ["b"],
        2,
        '{\n  "a": 1, // last\n  "b": 2\n}',
        True,
    ),
    "comment right behind the last member, CRLF": (
        '{\r\n  "a": 1// last\r\n}',
        ["b"],
        2,
        '{\r\n  "a": 1,// last\r\n  "b": 2\r\n}',
        True,
    ),
    "comments below the last member": (
        '{\n  "a": 1\n  // "old": 2,\n  /* } */\n}\n// end',
        ["b"],
        2,
        '{\n  "a": 1,\n  // "old": 2,\n  /* } */\n  "b": 2\n}\n// end',
        True,
    ),
    "comment on the line of the closing brace": (
        '{"a": 1 /* one */}',
        ["b"],
        2,
        '{"a": 1, /* one */ "b": 2}',
        True,
    ),
    "comment that holds a newline": (
        '{"a": 1 /* one\n */}',
        ["b"],
        2,
        '{"a": 1, /* one\n */\n"b": 2}',
        True,
    ),
    "line comment that ends in a block comment's end": (
        '{"a": 1 // one */\n}',
        ["b"],
        2,
        '{"a": 1, // one */\n"b": 2\n}',
        True,
    ),
    "trailing comma": ('{"a": 1,}', ["b"], 2, '{"a": 1, "b": 2,}', True),
    "trailing comma, minified": ('{"a":1,}', ["b"], 2, '{"a":1,"b":2,}', True),
    "trailing comma, several lines": (
        '{\n  "a": 1,\n}\n',
        ["b"],
        {"c": 2},
        '{\n  "a": 1,\n  "b": {\n    "c": 2\n  },\n}\n',
        True,
    ),
    "comments before and behind a trailing comma": (
        '{\n  "a": 1 /* x, */ , // y,\n  // z,\n}\n',
        ["b"],
        2,
        '{\n  "a": 1 /* x, */ , // y,\n  // z,\n  "b": 2,\n}\n',
        True,
    ),
    "comments before the first member": (
        '// top\n{ // open\n  // about a\n  "a": 1\n}\n',
        ["b"],
        2,
        '// top\n{ // open\n  // about a\n  "a": 1,\n  "b": 2\n}\n',
        True,
    ),
    "what looks like a comment in a string": (
        '{"u": "http://x/*", "v": "\\"//*/,}" /* c */}',
        ["b"],
        2,
        '{"u": "http://x/*", "v": "\\"//*/,}", /* c */ "b": 2}',
        True,
    ),
    "a carriage return ends a line comment": ('{"a":1 // x\r}', ["b"], 2, '{"a":1, // x\n"b":2\r}', True),
    "odd spellings beside the member": (
        '{"n": -0, "m": 1E+2, "h": 1e999, "e": "\\u00e9\\/\\ud800", "\\u0061": 1, "a": 2}',
        ["b"],
        3,
        '{"n": -0, "m": 1E+2, "h": 1e999, "e": "\\u00e9\\/\\ud800", "\\u0061": 1, "a": 2, "b": 3}',
        True,
    ),
    "duplicate keys elsewhere": (
        '{"x": 1, "x": 2, "a": {"y": 1, "y": 2}, "z": {"w": 1, "w": 1}}',
        ["a", "b"],
        3,
        '{"x": 1, "x": 2, "a": {"y": 1, "y": 2, "b": 3}, "z": {"w": 1, "w": 1}}',
        True,
    ),
    "characters that JSON need not escape": (
        '{"é": "🙂"}',
        ["né\u2028\x7f"],
        'ü🙂\n"\\\u0001',
        '{"é": "🙂", "né\u2028\x7f": "ü🙂\\n\\"\\\\\\u0001"}',
        True,
    ),
    "lone surrogates": ("{}", ["\udc00"], "a\\\ud800z", '{\n  "\\udc00": "a\\\\\\ud800z"\n}', True),
    "halves of a surrogate pair": ("{}", ["\ud83d\ude00"], "\ud83d\ude00", '{\n  "😀": "😀"\n}', True),
    "a newline in a string that is written": (
        "{}",
        ["a"],
        ["x\ny"],
        '{\n  "a": [\n    "x\\ny"\n  ]\n}',
        True,
    ),
    "an empty key": ('{"": 1}', ["b"], 2, '{"": 1, "b": 2}', True),
}


@pytest.mark.parametrize("case", ADDED)
def test_added_member(case: str) -> None:
    before, path, value, after, goes_back = ADDED[case]
    assert edited(before, path, value) == after
    assert (without(after, path) == before) is goes_back


REPLACED: dict[str, tuple[str, list[str], object, str]] = {
    "scalar": ('{\n  "a": 1 , // one\n  "b": 2\n}', ["a"], "x", '{\n  "a": "x" , // one\n  "b": 2\n}'),
    "by an object at its depth": (
        '{\r\n    "a": {\r\n        "b" : 1\r\n    }\r\n}',
        ["a", "b"],
        {"c": []},
        '{\r\n    "a": {\r\n        "b" : {\r\n            "c": []\r\n        }\r\n    }\r\n}',
    ),
    "minified": ('{"a":[1],"b":2}', ["a"], {"c": 1, "d": 2}, '{"a":{"c":1,"d":2},"b":2}'),
    "a list on one line stays on one": (
        '{\n  "args": ["mlflow-mcp"],\n  "env": {}\n}',
        ["args"],
        ["mlflow-mcp==1", "x"],
        '{\n  "args": ["mlflow-mcp==1", "x"],\n  "env": {}\n}',
    ),
    "a list on several lines stays on several": (
        '{\n  "args": [\n    "a"\n  ]\n}',
        ["args"],
        ["b", "c"],
        '{\n  "args": [\n    "b",\n    "c"\n  ]\n}',
    ),
    "items come and go, the others stay as they are": (
        '{"a": [\n  "one", // 1\n  2.50,\n  "three" // 3\n]}',
        ["a"],
        ["one", 2.5, "four"],
        '{"a": [\n  "one", // 1\n  2.50, // 3\n  "four"\n]}',
    ),
    "an empty one opens": ('{\n  "env": {}\n}', ["env"], {"A": "1"}, '{\n  "env": {\n    "A": "1"\n  }\n}'),
    "true is not 1": ('{"a": true}', ["a"], 1, '{"a": 1}'),
    "0 is not false": ('{"a": 0}', ["a"], False, '{"a": false}'),
    "null is not missing": ('{"a": 0}', ["a"], None, '{"a": null}'),
    "an integer too long for Python": ('{"a": ' + "7" * 5000 + "}", ["a"], 7, '{"a": 7}'),
    "a number too large for Python": ('{"a": 1e999}', ["a"], 1e300, '{"a": 1e+300}'),
    "an escaped key": ('{"\\u0061": 1}', ["a"], 2, '{"\\u0061": 2}'),
    "a key in Latin-1's range": ('{"Ã©": 0, "é": 1}', ["é"], 2, '{"Ã©": 0, "é": 2}'),
    "the same key, escaped": ('{"Ã©": 0, "\\u00E9": 1}', ["é"], 2, '{"Ã©": 0, "\\u00E9": 2}'),
    "an emoji as a key": ('{"😀": 1}', ["😀"], 2, '{"😀": 2}'),
    "an emoji escaped": ('{"\\ud83d\\ude00": 1}', ["😀"], 2, '{"\\ud83d\\ude00": 2}'),
    "half a character and a whole one": ('{"é\\ud83d": 1}', ["é\ud83d"], 2, '{"é\\ud83d": 2}'),
    "comments all around": (
        '{/*1*/"a"/*2*/:/*3*/{"b"//4\n:/*5*/1/*6*/,/*7*/}/*8*/,}//9',
        ["a", "b"],
        2,
        '{/*1*/"a"/*2*/:/*3*/{"b"//4\n:/*5*/2/*6*/,/*7*/}/*8*/,}//9',
    ),
    "comments in the value go with it": ('{"a": {"b": 1 /* x */,}}', ["a"], [1], '{"a": [1]}'),
}


@pytest.mark.parametrize("case", REPLACED)
def test_replaced_value(case: str) -> None:
    before, path, value, after = REPLACED[case]
    assert edited(before, path, value) == after


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a" :\t{ "y": [1, 2.0], "x": "\\u00e9" } }', {"x": "é", "y": (1.0, 2)}),
        ('{"a": -0}', 0),
        ('{"a": 1E+2}', 100),
        ('{"a": "\\ud83d\\ude00"}', "\ud83d\ude00"),
        ('{"a": "\\ud800"}', "\ud800"),
        ('{"a": [1, /* two */ 2,],}', [1, 2]),
        (BOM + '{"a": null}', None),
        ('{"a": ' + "7" * 4000 + "}", int("7" * 4000)),
    ],
)
def test_equal_value_leaves_the_document_alone(text: str, value: object) -> None:
    data = text.encode()
    assert set_member(data, ["a"], value) is data


REMOVED: dict[str, tuple[str, list[str], str]] = {
    "first of several lines": ('{\n  "a": 1,\n  "b": 2\n}', ["a"], '{\n  "b": 2\n}'),
    "middle": ('{\n\t"a": 1,\n\t"b": 2,\n\t"c": 3\n}', ["b"], '{\n\t"a": 1,\n\t"c": 3\n}'),
    "last": ('{\n  "a": 1,\n  "b": 2\n}', ["b"], '{\n  "a": 1\n}'),
    "first on a line": ('{"a": 1, "b": 2}', ["a"], '{"b": 2}'),
    "middle on a line": ('{"a": 1, "b": 2, "c": 3}', ["b"], '{"a": 1, "c": 3}'),
    "middle, minified": ('{"a":1,"b":2,"c":3}', ["b"], '{"a":1,"c":3}'),
    "only": ('{\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}', ["a", "b"], '{\r\n  "a": {}\r\n}'),
    "only, with a trailing comma": ('{"a": {\n  "b": 1,\n},}', ["a", "b"], '{"a": {},}'),
    "only, with comments": (
        '{\n  // about a\n  "a": 1, // one\n  // end\n}',
        ["a"],
        "{\n  // about a\n  // one\n  // end\n}",
    ),
    "only, a line comment before it": ('{ // x\n"a": 1 }', ["a"], "{ // x\n}"),
    "last with a trailing comma": ('{\n  "a": 1,\n  "b": 2,\n}', ["b"], '{\n  "a": 1,\n}'),
    "first, with its comments": (
        '{\n  // about a\n  "a": 1, // one\n  // about b\n  "b": 2 // two\n}',
        ["a"],
        '{\n  // about a\n  // one\n  // about b\n  "b": 2 // two\n}',
    ),
    "last, behind a line comment": ('{"a": 1, // one\n"b": 2}', ["b"], '{"a": 1 // one\n}'),
    "last, comma first": ('{"a": 1 // one\n, "b": 2}', ["b"], '{"a": 1 // one\n }'),
    "last, comments around": (
        '{"a": 1 /*1*/ , /*2*/ "b" /*3*/ : 2 /*4*/ }',
        ["b"],
        '{"a": 1 /*1*/  /*2*/ /*4*/ }',
    ),
    "by an escaped key": ('{"\\u00e9": 1, "b": 2}', ["é"], '{"b": 2}'),
}


@pytest.mark.parametrize("case", REMOVED)
def test_removed_member(case: str) -> None:
    before, path, after = REMOVED[case]
    assert without(before, path) == after
    relaxations(after.encode())  # it is still a document


@pytest.mark.parametrize("text", ["", " \n", BOM, "{}", '{"b": {"a": 1}}', '{"A": 1}', '["a"]'[:0]])
@pytest.mark.parametrize("path", [["a"], ["a", "b"]])
def test_removing_what_is_not_there_leaves_the_document_alone(text: str, path: list[str]) -> None:
    data = text.encode()
    assert remove_member(data, path) is data


READ: list[tuple[str, list[str], Any]] = [
    ('{"a": {"b": [1, {"c": null}]}}', ["a", "b"], [1, {"c": None}]),
    ('{"a": {"b": 1}}', ["a", "c"], "default"),
    ('{"a": {"b": 1}}', ["c", "d"], "default"),
    ('{"a": null}', ["a"], None),
    ('// x\n{"a": [1, /* 2 */ "//",], /* y */}', ["a"], [1, "//"]),
    ('// x\n{"a": [1,],}//', [], {"a": [1]}),
    (BOM + '{"é": "ü"}', ["é"], "ü"),
    ('{"\\u00e9": "Ã©"}', ["é"], "Ã©"),
    ("{}", [], {}),
    ("", [], {}),
    (BOM + "\r\n", [], {}),
    ("", ["a"], "default"),
    ('{"a": "\\ud800"}', ["a"], "\ud800"),
    ('{"a": -0}', ["a"], 0),
    ('{"a": 1e999}', ["a"], float("inf")),
    ('{"a": -' + "1" * 5000 + "}", ["a"], float("-inf")),
    ('{"x": 1, "x": 2, "a": {"y": 1, "y": 2}}', ["a"], {"y": 2}),
]


@pytest.mark.parametrize(("text", "path", "value"), READ)
def test_read_member(text: str, path: list[str], value: object) -> None:
    assert read_member(text.encode(), path, "default") == value


def test_relaxations_are_listed_in_their_order() -> None:
    text = BOM + '// é\n{"é": [1, /* 🙂\n */ 2,\n ], "u": "http://,]" // x\n, } /**/'
    assert relaxations(text.encode()) == [
        Relaxation("comment", 1, 1),
        Relaxation("comment", 2, 11),
        Relaxation("trailing comma", 3, 6),
        Relaxation("comment", 4, 22),
        Relaxation("trailing comma", 5, 1),
        Relaxation("comment", 5, 5),
    ]


@pytest.mark.parametrize("text", ["", BOM, " \n", "{}", BOM + TWO, '{"a": "// x /* y */ ,]"}'])
def test_strict_json_has_no_relaxations(text: str) -> None:
    assert relaxations(text.encode()) == []


DEEP = 100_000
REFUSED: dict[str, tuple[bytes, int, int, str]] = {
    "truncated object": (b'{\n  "a": 1', 2, 9, "Expecting ',' delimiter"),
    "truncated behind a comma": (
        b'{"a": 1, ',
        1,
        10,
        "Expecting property name enclosed in double quotes",
    ),
    "truncated behind a colon": (b'{"a":', 1, 6, "Expecting value"),
    "truncated key": (b'{\r\n\t"a', 2, 2, "Unterminated string"),
    "truncated sibling": (b'{"a": 1, "b": [1, "x', 1, 19, "Unterminated string"),
    "truncated escape": (b'{"b": "\\u12"}', 1, 9, "Invalid \\uXXXX escape"),
    "truncated comment": (b'{"a": 1}\n /* x', 2, 2, "Extra data"),
    "truncated comment that holds its own end": (b'{"a": 1 /*/ }', 1, 9, "Expecting ',' delimiter"),
    "NaN": (b'{"a": 1,\n "b": ["NaN", NaN]}', 2, 15, "NaN is not JSON"),
    "NaN as the member": (b'{"a": NaN}', 1, 7, "NaN is not JSON"),
    "Infinity": ('{"é": "\\"é", "b": Infinity}'.encode(), 1, 19, "Infinity is not JSON"),
    "-Infinity, behind a comment": (b'{"b": /* NaN */ -Infinity}', 1, 17, "-Infinity is not JSON"),
    "single quotes around a key": (b"{'a': 1}", 1, 2, "Expecting property name enclosed in double quotes"),
    "single quotes around a value": (b"{\"b\": 'x'}", 1, 7, "Expecting value"),
    "a bare key": (b'{"x": {}, a: 1}', 1, 11, "Expecting property name enclosed in double quotes"),
    "no colon": (b'{"a" 1}', 1, 6, "Expecting ':' delimiter"),
    "no comma": (b'{"a": 1\n "b": 2}', 2, 2, "Expecting ',' delimiter"),
    "a comma too many": (b'{"a": 1,, "b": 2}', 1, 9, "Expecting property name enclosed in double quotes"),
    "two trailing commas": (b'{"a": 1,,}', 1, 9, "Expecting property name enclosed in double quotes"),
    "only a comma": (b"{ ,}", 1, 3, "Expecting property name enclosed in double quotes"),
    "only a comma in an array": (b'{"b": [,]}', 1, 8, "Expecting value"),
    "only a comment and a comma in an array": (b'{"b": [/**/,]}', 1, 12, "Expecting value"),
    "a leading zero": (b'{"b": 01}', 1, 8, "Expecting ',' delimiter"),
    "a plus sign": (b'{"b": +1}', 1, 7, "Expecting value"),
    "a hexadecimal number": (b'{"b": 0x1}', 1, 8, "Expecting ',' delimiter"),
    "a digit that is not ASCII": ('{"b": ١}'.encode(), 1, 7, "Expecting value"),
    "True": (b'{"b": True}', 1, 7, "Expecting value"),
    "a tab in a string": ('{"é": "ü\t"}'.encode(), 1, 9, "Invalid control character"),
    "a newline in a string": (b'{"b": "x\n"}', 1, 9, "Invalid control character"),
    "a newline and a comment in a string": (b'{"b": "x /* \n " */ "}', 1, 13, "Invalid control character"),
    "a newline in a key": (b'{"a\nb": 1}', 1, 4, "Invalid control character"),
    "an unknown escape": (b'{"b": "\\x"}', 1, 8, "Invalid \\escape"),
    "a no-break space": ('{"b":\u00a01}'.encode(), 1, 6, "Expecting value"),
    "a form feed": (b'{"b":\f1}', 1, 6, "Expecting value"),
    "a form feed before a key": (b'{\f"a": 1}', 1, 2, "Expecting property name enclosed in double quotes"),
    "a form feed before a brace": (b'{"a": 1\f}', 1, 8, "Expecting ',' delimiter"),
    "a form feed behind": (b'{"a": 1}\f', 1, 9, "Extra data"),
    "a hash comment": (b'# x\n{"a": 1}', 1, 1, "The document is not an object"),
    "only a comment": (b"// x\n", 2, 1, "The document is not an object"),
    "garbage behind": ('{"a": "é"}\n\n é{}'.encode(), 3, 2, "Extra data"),
    "two documents": (b'{"a": 1}{"a": 2}', 1, 9, "Extra data"),
    "a NUL byte behind": (b'{"a": 1}\0', 1, 9, "Extra data"),
    "a second BOM": ((BOM + BOM + "{}").encode(), 1, 1, "The document is not an object"),
    "an array": (b" [1]", 1, 2, "The document is not an object"),
    "an array behind a BOM": ((BOM + " [1]").encode(), 1, 2, "The document is not an object"),
    "a string": (b'"a"', 1, 1, "The document is not an object"),
    "not UTF-8": ('{"é": "'.encode() + b'\xff"}', 1, 8, "Not UTF-8"),
    "Latin-1": ('{\n  "a": "é"\n}'.encode("latin-1"), 2, 9, "Not UTF-8"),
    "an encoded surrogate": (b'{"a": "\xed\xa0\x80"}', 1, 8, "Not UTF-8"),
    "a character cut off at the end": ('{"a": 1} é'.encode()[:-1], 1, 10, "Not UTF-8"),
    "not UTF-8, far behind": (b"{}" + b" \xc3\xa9" * 300_000 + b"\n\xff", 2, 1, "Not UTF-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), 1, 1, "Not UTF-8"),
    "nested too deeply": (b'{"a": 1,\n "b": ' + b"[" * DEEP + b"]" * DEEP + b"}", 2, 7, "Nested too deeply"),
    "nested too deeply, in the member": (
        b'{"a": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
        1,
        7,
        "Nested too deeply",
    ),
    "nested and truncated": (b'{"a": 1, "b": ' + b'[{"x":' * DEEP, 1, 15, "Nested too deeply"),
    "double key": (b'{"a": 1,\n  "a": 2}', 2, 3, 'Duplicate key "a"'),
    "double key, spelled otherwise": (b'{"a": 1, "\\u0061": 1}', 1, 10, 'Duplicate key "a"'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_column(case: str) -> None:
    data, line, column, reason = REFUSED[case]
    for act in (set_nothing, remove_member, read_member):
        with pytest.raises(DocumentError) as caught:
            act(data, ["a"])
        error = caught.value
        assert (error.line, error.column, error.reason) == (line, column, reason)
        assert str(error) == f"line {line}, column {column}: {reason}"


def test_document_error_is_an_installer_error_and_may_name_the_next_step() -> None:
    error = DocumentError("Expecting value", 2, 7, fix="correct it by hand")
    assert isinstance(error, InstallerError)
    assert (str(error), error.fix) == ("line 2, column 7: Expecting value", "correct it by hand")


@pytest.mark.parametrize("case", [name for name in REFUSED if not name.startswith("double key")])
def test_relaxations_refuse_what_is_not_a_document(case: str) -> None:
    with pytest.raises(DocumentError):
        relaxations(REFUSED[case][0])


ON_THE_PATH: list[tuple[str, int, int, str]] = [
    ('{"é": {"b": 1, "b": 2}}', 1, 16, 'Duplicate key "b"'),
    ('{"é": {"b": 1},\n "\\u00e9": {}}', 2, 2, 'Duplicate key "é"'),
    ('{"é": [], "z": 1}', 1, 7, '"é" is not an object'),
    ('{"é":\n  null}', 2, 3, '"é" is not an object'),
    ('{"é": {"b": 1}, "z": tru}', 1, 22, "Expecting value"),
    ('{"é": {"a": tru, "b": 1}}', 1, 13, "Expecting value"),
]


@pytest.mark.parametrize(("text", "line", "column", "reason"), ON_THE_PATH)
def test_refused_on_a_longer_path(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        set_member(text.encode(), ["é", "b"], 1)
    assert (caught.value.line, caught.value.column, caught.value.reason) == (line, column, reason)
    with pytest.raises(DocumentError):
        remove_member(text.encode(), ["é", "b"])
    with pytest.raises(DocumentError):
        read_member(text.encode(), ["é", "b"])


def test_nesting_around_the_recursion_limit_is_read_or_refused() -> None:
    outcomes = set()
    for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit() + 50, 3):
        data = b'{"a":' + b"[" * depth + b"1" + b"]" * depth + b"}"
        for act in (read_member, remove_member, set_nothing):
            try:
                act(data, ["a"])
                outcomes.add("read")
            except DocumentError as error:
                outcomes.add(str(error))
    assert outcomes <= {"read", "line 1, column 6: Nested too deeply"}
    assert "read" in outcomes


def test_long_strings_and_many_comments_are_not_a_burden() -> None:
    text = '{"a": "' + "\\n/" * 200_000 + '", ' + "/* x" * 200_000 + "*/" + "//\n" * 100_000 + '"b": [1' + " " * 200_000
    data = (text + ",]}").encode()
    after = set_member(data, ["b"], 1)
    assert after == data[: data.rindex(b"[")] + b"1}"
    assert len(relaxations(data)) == 100_002
    with pytest.raises(DocumentError):
        relaxations(b"{" + b"/* x" * 200_000 + b"}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
@pytest.mark.parametrize("text", ["", '{"a": 1}'])
def test_a_value_that_is_not_json_is_the_callers_mistake(value: object, text: str) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        set_member(text.encode(), ["a"], value)


def test_an_empty_path_names_no_member() -> None:
    for act in (set_nothing, remove_member):
        with pytest.raises(ValueError, match="empty path"):
            act(b"{}", [])


def test_the_written_value_is_the_value() -> None:
    value: dict[str, Any] = {"a": [1, 2.5, True, None, "é\ud800", {"": {}}], "b": {"c": []}}
    for text in ("{}", '{"x":1}', '{\n\t"x": 1\n}'):
        after = set_member(text.encode(), ["k"], value)
        assert json.loads(after)["k"] == value
        assert set_member(after, ["k"], value) is after
