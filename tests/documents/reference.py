"""A plain parser of JSON with comments and trailing commas, to check edits against: nothing of it is the product's.

It reads one character at a time. Data comes as ("object", pairs), ("array", items) or (kind, text as spelled), so that
order, duplicate keys and the spelling of numbers count.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Literal

from accessing_mlflow.documents import Relaxation

BOM = b"\xef\xbb\xbf"
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class NotADocument(Exception):
    pass


@dataclass
class Span:
    """Offsets of an object's braces and of its members: key, start and end of the value."""

    start: int
    end: int = 0
    members: list[tuple[str, int, int, int]] = field(default_factory=list)


class Reference:
    """A document; raises `NotADocument`. Offsets count characters, without a byte order mark.

    `data`; `comments` (their texts) and `relaxed` (offset and kind), in order; `objects` by the offset of their "{".
    """

    def __init__(self, document: bytes) -> None:
        try:
            self.text = document.removeprefix(BOM).decode()
        except UnicodeDecodeError as error:
            raise NotADocument from error
        self.at = 0
        self.comments: list[str] = []
        self.relaxed: list[tuple[int, Literal["comment", "trailing comma"]]] = []
        self.objects: dict[int, Span] = {}
        if not self.text.strip(" \t\r\n"):
            self.data: Any = ("object", [])
            return
        self.data = self.value()
        self.between()
        if self.at < len(self.text):
            raise NotADocument

    def next_is(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def between(self) -> None:
        while self.at < len(self.text):
            start = self.at
            if self.text[self.at] in " \t\r\n":
                self.at += 1
            elif self.next_is("//"):
                while self.at < len(self.text) and self.text[self.at] not in "\r\n":
                    self.at += 1
                self.comment(start)
            elif self.next_is("/*"):
                end = self.text.find("*/", self.at)
                if end < 0:
                    raise NotADocument
                self.at = end + 2
                self.comment(start)
            else:
                return

    def comment(self, start: int) -> None:
        self.comments.append(self.text[start : self.at])
        self.relaxed.append((start, "comment"))

    def value(self) -> Any:
        self.between()
        start = self.at
        if self.next_is("{"):
            span = self.objects[start] = Span(start)
            pairs = self.items("}", lambda: self.member(span))
            span.end = self.at - 1
            return ("object", pairs)
        if self.next_is("["):
            return ("array", self.items("]", self.value))
        if match := NUMBER.match(self.text, self.at):
            self.at = match.end()
            return ("number", match[0])
        for constant in ("true", "false", "null"):
            if self.next_is(constant):
                return ("constant", constant)
        return ("string", self.string())

    def string(self) -> str:
        match = STRING.match(self.text, self.at)
        if not match:
            raise NotADocument
        self.at = match.end()
        return str(json.loads(match[0]))

    def member(self, span: Span) -> tuple[str, Any]:
        key_start = self.at
        key = self.string()
        self.between()
        if not self.next_is(":"):
            raise NotADocument
        self.between()
        start = self.at
        value = self.value()
        span.members.append((key, key_start, start, self.at))
        return key, value

    def items(self, close: str, item: Any) -> list[Any]:
        found: list[Any] = []
        comma: int | None = None
        while True:
            self.between()
            if self.next_is(close):
                if comma is not None:
                    self.relaxed.append((comma, "trailing comma"))
                return found
            if found and comma is None:
                raise NotADocument
            found.append(item())
            self.between()
            comma = self.at - 1 if self.next_is(",") else None

    def places(self) -> list[Relaxation]:
        starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        found = [(bisect_right(starts, offset), offset, kind) for offset, kind in sorted(self.relaxed)]
        return [Relaxation(kind, line, offset - starts[line - 1] + 1) for line, offset, kind in found]


def as_data(value: object) -> Any:
    return Reference(b'{"v":' + json.dumps(value).encode() + b"}").data[1][0][1]


def as_python(data: Any) -> Any:
    kind, content = data
    if kind == "object":
        return {key: as_python(value) for key, value in content}
    if kind == "array":
        return [as_python(item) for item in content]
    if kind == "number" and (len(content) > 640 or not content.lstrip("-").isdigit()):
        return float(content)
    return content if kind == "string" else json.loads(content)


def is_same(one: Any, other: Any) -> bool:
    """Compare as JSON data: `True` is not 1, but 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def holds(data: Any, path: list[str], value: object) -> bool:
    for key in path:
        members = dict(data[1])
        if key not in members:
            return False
        data = members[key]
    return is_same(as_python(data), value)


class NotEditable(Exception):
    """A key on the path is double, or a parent is not an object."""


def expected(data: Any, path: list[str], value: Any) -> Any:
    """Return what is to be in the document; `value` None removes the member."""
    kind, pairs = data
    if kind != "object" or [key for key, _ in pairs].count(path[0]) > 1:
        raise NotEditable
    here = [index for index, (key, _) in enumerate(pairs) if key == path[0]]
    if len(path) > 1:
        if not here and value is None:
            return data
        old = pairs[here[0]][1] if here else ("object", [])
        value = expected(old, path[1:], value)
    new = [] if value is None else [(path[0], value)]
    if here:
        return kind, pairs[: here[0]] + new + pairs[here[0] + 1 :]
    return kind, pairs + new
