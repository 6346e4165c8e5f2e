"""Edits of random documents in random formatting, checked against a plain parser of its own."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from accessing_mlflow.documents import DocumentError
from accessing_mlflow.documents.jsonc import read_member, relaxations, remove_member, set_member
from tests.documents.reference import (
    BOM,
    NotADocument,
    NotEditable,
    Reference,
    Span,
    as_data,
    as_python,
    expected,
    holds,
    is_same,
)

pytestmark = pytest.mark.slow

# Random documents


@dataclass
class Document:
    data: bytes
    objects: dict[tuple[str, ...], Span]


DOUBLE = "double"  # a key that is in an object twice, and on no path
KEYS = ["a", "b", "mcpServers", "é", "Ã©", "😀", "", 'q"\\/', "//", "/*", "\ud800", "\udc00x", "a,}"]
SPELLED = [
    "-0",
    "0",
    "1E+2",
    "1e999",
    "7" * 700,
    "0.10",
    "true",
    "false",
    "null",
    '"\\u00e9\\/"',
    '"//,]"',
    '""',
]
OPAQUE = ['{"d":1,"d":2}', "[1 ,\t2]", '"\\ud800"', '"/* \\" */"', "[[[]]]", '"\u2028🙂"', '{"x" :{}}', "[]"]
COMMENTS = ["x", "é 🙂", 'a "quote', "} ] ,", "http://x", "// y", "* /", "\\", "  ", "'"]

keys = st.sampled_from(KEYS)
trees = st.recursive(
    st.sampled_from(SPELLED + OPAQUE),
    lambda inner: st.dictionaries(keys, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)
roots = st.dictionaries(keys, trees, max_size=5)
paths = st.lists(keys, min_size=1, max_size=3)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([*KEYS, "x\ny", "\x00\x7f", "100", -0.0, 100])
    | st.text(max_size=5),
    lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=5,
)


@dataclass
class Format:
    layout: str  # "lines", "spaced", "minified" or "chaos"
    newline: str
    indent: str
    comments: bool
    commas: bool
    doubles: bool
    rng: random.Random
    count: int = 0

    def comment(self) -> str:
        self.count += 1  # so that each is there once
        text = f"{self.count}{self.rng.choice(COMMENTS)}"
        if self.rng.random() < 0.5:
            return f"//{text}{self.newline}"
        return f"/*{text}{self.rng.choice(['', self.newline])}*/"

    def gap(self, depth: int, is_break: bool) -> str:
        """Return white space and comments; `is_break` where a layout of many lines has a line's end."""
        plain = {
            "lines": self.newline + self.indent * depth if is_break else "",
            "spaced": "",
            "minified": "",
            "chaos": "".join(self.rng.choice([" ", "\t", self.newline, ""]) for _ in range(3)),
        }[self.layout]
        if not self.comments or self.rng.random() < 0.7:
            return plain
        return self.rng.choice(["", " "]) + self.comment() + self.rng.choice(["", plain, self.comment() + plain])

    def key(self, key: str) -> str:
        if self.rng.random() < 0.7:
            return json.dumps(key)[1:-1] if not key.isprintable() else json.dumps(key, ensure_ascii=False)[1:-1]
        return "".join(f"\\u{unit:04X}" for unit in utf16(key))


def utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-le", "surrogatepass")
    return [raw[i] | raw[i + 1] << 8 for i in range(0, len(raw), 2)]


class Renderer:
    def __init__(self, form: Format, bom: bool) -> None:
        self.form = form
        self.out = bytearray(BOM if bom else b"")
        self.objects: dict[tuple[str, ...], Span] = {}

    def put(self, text: str) -> None:
        self.out += text.encode()

    def value(self, tree: Any, depth: int, path: tuple[str, ...] | None) -> None:
        """Render; `path` is None inside of arrays."""
        if isinstance(tree, str):
            self.put(tree)
            return
        is_object = isinstance(tree, dict)
        span = Span(len(self.out))
        items: list[Any] = list(tree.items()) if is_object else list(tree)
        if is_object and self.form.doubles and items:
            items = [(DOUBLE, "1"), *items, (DOUBLE, "[]")]
        self.put("{" if is_object else "[")
        for index, item in enumerate(items):
            self.put(self.form.gap(depth + 1, True))
            if is_object:
                name, inner = item
                self.member(name, inner, depth + 1, path, span)
            else:
                self.value(item, depth + 1, None)
            last = index == len(items) - 1
            if not last or (self.form.commas and self.form.rng.random() < 0.5):
                self.put(self.form.gap(depth + 1, False) + ",")
            if self.form.layout == "spaced" and not last:
                self.put(" ")
        if items or self.form.layout == "chaos":
            self.put(self.form.gap(depth, True))
        span.end = len(self.out)
        self.put("}" if is_object else "]")
        if is_object and path is not None:
            self.objects[path] = span

    def member(self, key: str, tree: Any, depth: int, path: tuple[str, ...] | None, span: Span) -> None:
        key_start = len(self.out)
        self.put(f'"{self.form.key(key)}"')
        self.put(self.form.gap(depth, False) + ":" + ("" if self.form.layout == "minified" else " "))
        self.put(self.form.gap(depth, False))
        start = len(self.out)
        self.value(tree, depth, None if path is None else (*path, key))
        span.members.append((key, key_start, start, len(self.out)))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    layout = draw(st.sampled_from(["lines", "lines", "spaced", "minified", "chaos"]))
    form = Format(
        layout=layout,
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        indent=draw(st.sampled_from(["  ", "    ", "\t", " "])),
        comments=draw(st.booleans()),
        commas=draw(st.booleans()),
        doubles=draw(st.booleans()),
        rng=random.Random(draw(st.integers(0, 10_000))),
    )
    renderer = Renderer(form, bom=draw(st.booleans()))
    renderer.put(draw(st.sampled_from(["", form.newline, " "])) + form.gap(0, False))
    renderer.value(draw(roots), 0, ())
    renderer.put(form.gap(0, False) + draw(st.sampled_from(["", form.newline])))
    return Document(bytes(renderer.out), renderer.objects)


def owner_of(document: Document, path: list[str]) -> tuple[Span, str]:
    """Return the innermost object there is on the path, and the key that is wanted in it."""
    for length in range(len(path)):
        span = document.objects[tuple(path[:length])]
        if tuple(path[: length + 1]) not in document.objects:
            break
    return span, path[length]


def without(comments: list[str], edited: bytes) -> list[str]:
    """Return the comments that were not in the edited text: a value, or a member."""
    return [comment for comment in comments if comment.encode() not in edited]


DAMAGE = [b"", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"/", b"//", b"/*", b"*/", b"\n", b"\r", b" "]
DAMAGE += [b"\xff", b"\xc3", b"\xa0", b"\0", b"'", b"NaN", b"-Infinity", b"01", b"1.", b"tru", b'"a"', b"\\u12"]

fast = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@settings(fast, max_examples=500)
@given(documents(), paths, values)
def test_set_member(document: Document, path: list[str], value: object) -> None:
    before = Reference(document.data)
    try:
        data = expected(before.data, path, as_data(value))
    except NotEditable:
        reject()
    after = set_member(document.data, path, value)
    span, key = owner_of(document, path)
    start, end = span.members[-1][3] if span.members else span.start + 1, span.end
    is_there, replaced = False, b""
    for name, _, value_start, value_end in span.members:
        if name == key:
            start, end = value_start, value_end
            is_there = holds(before.data, path, value)
            replaced = b"" if is_there else document.data[start:end]

    if is_there:
        assert after is document.data
    else:
        assert Reference(after).data == data
        assert is_same(read_member(after, path), value)
    assert after.startswith(document.data[:start])
    assert after[start:].endswith(document.data[end:])
    if not (replaced.startswith(b"[") and isinstance(value, list | tuple)):  # of an array, items may stay
        assert Reference(after).comments == without(before.comments, replaced)
    assert set_member(after, path, value) is after


@settings(fast, max_examples=400)
@given(documents(), st.data(), keys, values)
def test_removing_an_added_member_restores_the_document(
    document: Document, draw: st.DataObject, key: str, value: object
) -> None:
    """Where the object has members, or is written `{}`."""
    objects = [
        [*path]
        for path, span in document.objects.items()
        if key not in [name for name, *_ in span.members] and (span.members or span.end == span.start + 1)
    ]
    assume(objects)
    path = [*draw.draw(st.sampled_from(objects)), key]
    after = set_member(document.data, path, value)
    assert after != document.data
    assert remove_member(after, path) == document.data


@settings(fast, max_examples=400)
@given(documents(), st.data())
def test_remove_member(document: Document, draw: st.DataObject) -> None:
    members = [
        (span, index, [*path, name])
        for path, span in document.objects.items()
        for index, (name, *_) in enumerate(span.members)
        if name != DOUBLE
    ]
    assume(members)
    span, index, path = draw.draw(st.sampled_from(members))
    _, key_start, _, value_end = span.members[index]
    start = span.members[index - 1][3] if index else span.start + 1
    end = span.members[index + 1][1] if index + 1 < len(span.members) else span.end
    after = remove_member(document.data, path)

    before = Reference(document.data)
    assert Reference(after).data == expected(before.data, path, None)
    assert after.startswith(document.data[:start])
    assert after[start:].endswith(document.data[end:])
    assert Reference(after).comments == without(before.comments, document.data[key_start:value_end])
    assert remove_member(after, path) is after


@settings(fast, max_examples=300)
@given(documents(), keys, st.lists(values, min_size=1), st.lists(values), st.sets(st.integers(0, 5)))
def test_items_of_an_array(
    document: Document, key: str, items: list[object], more: list[object], gone: set[int]
) -> None:
    """Added ones go again and leave no trace; without some, the rest of the document is as it was."""
    try:
        expected(Reference(document.data).data, [key], None)
    except NotEditable:
        reject()
    before = set_member(document.data, [key], items)
    after = set_member(before, [key], [*items, *more])
    assert is_same(read_member(after, [key]), [*items, *more])
    assert set_member(after, [key], items) == before

    rest = [item for index, item in enumerate(items) if index not in gone]
    less = set_member(after, [key], [*rest, *more])
    assert is_same(read_member(less, [key]), [*rest, *more])
    assert is_same(remove_member(less, [key]), remove_member(before, [key]))


@settings(fast, max_examples=200)
@given(documents())
def test_reading_the_whole_document(document: Document) -> None:
    reference = Reference(document.data)
    assert is_same(read_member(document.data, []), as_python(reference.data))
    assert relaxations(document.data) == reference.places()


@settings(fast, max_examples=700)
@given(
    documents(),
    paths,
    values,
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.sampled_from(DAMAGE)), min_size=1, max_size=3),
)
def test_damaged_document_is_edited_rightly_or_refused(
    document: Document, path: list[str], value: object, damage: list[tuple[float, int, bytes]]
) -> None:
    data = document.data
    for where, removed, added in damage:
        at = int(where * len(data))
        data = data[:at] + added + data[at + removed :]
    check_like_the_reference(data, path, value)


@settings(fast, max_examples=200)
@given(documents(), st.floats(0, 1), paths)
def test_truncated_document_is_edited_rightly_or_refused(document: Document, where: float, path: list[str]) -> None:
    check_like_the_reference(document.data[: int(where * len(document.data))], path, 1)


@settings(fast, max_examples=300)
@given(st.text(alphabet='{}[]:,"\\/*\n a1-.eE\ufeff') | st.binary(), paths)
def test_any_text_is_edited_rightly_or_refused(text: str | bytes, path: list[str]) -> None:
    check_like_the_reference(text if isinstance(text, bytes) else b"{" + text.encode() + b"}", path, 1)


def check_like_the_reference(data: bytes, path: list[str], value: object) -> None:
    try:
        reference = Reference(data)
        changed, removed = (expected(reference.data, path, new) for new in (as_data(value), None))
    except (NotADocument, NotEditable):
        with pytest.raises(DocumentError) as caught:
            set_member(data, path, value)
        assert 1 <= caught.value.line <= data.count(b"\n") + 1
        assert 1 <= caught.value.column <= len(data) + 1
        with pytest.raises(DocumentError):
            remove_member(data, path)
        return
    after = set_member(data, path, value)
    assert after is data or Reference(after).data == changed
    assert is_same(read_member(after, path), value)
    assert Reference(remove_member(data, path)).data == removed
    assert relaxations(data) == reference.places()
