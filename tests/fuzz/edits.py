"""What an edit of any bytes has to be: refused with a place in them, or right to the byte.

Judged by the plain parser of `tests.documents.reference`, which knows the data, the comments and where things are.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any, NamedTuple

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
from tests.fuzz.mutate import tokens_of

SECONDS = 2
"""The processor time that one call may take; a busy machine makes no difference to it."""
SHALLOW = 500
"""So many levels may not be too deep for anyone."""

LONGEST = 8
"""Keys in a path: no caller has more, and an edit goes along them by recursion."""

_ABSENT = object()
_PATHS = (
    ["mcpServers"],
    ["mcpServers", "MLflow"],
    ["mcpServers", "MLflow", "env"],
    ["mcpServers", "MLflow", "env", "MLFLOW_TRACKING_URI"],
    ["projects", "/home/user/work", "mcpServers", "MLflow"],
    ["x"],
    ["", "é😀", "\ud800"],
)
_VALUES: tuple[Any, ...] = (
    {"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}},
    "https://mlflow.example.org/?a=//*,}",
    {},
    [],
    None,
    True,
    0,
    -1.5e300,
    [1, [], {"a": {}}],
    'é\U0001f600\ud800\u2028\n"\\/\0',
    {"": {"\udc00": [None]}},
)


class TookTooLong(BaseException):
    """A call that had not ended after SECONDS of processor time. No `Exception`: nothing may take it for a refusal."""


def chosen(random: Random, data: bytes) -> tuple[list[str], Any]:
    """A path, as often as not of a member that is there, and a value for it."""
    value = random.choice(_VALUES)
    paths = paths_in(data) if random.random() < 0.6 else []
    if paths:
        path = random.choice(paths)
        return (path if random.random() < 0.7 else [*path[:-1], "new"]), value
    strings = [token for token in tokens_of(data) if token.startswith(b'"')]
    if strings and random.random() < 0.5:
        return [_decoded(token) for token in random.choices(strings, k=random.randint(1, 3))], value
    return random.choice(_PATHS), value


def paths_in(data: bytes) -> list[list[str]]:
    """The paths of all members, and some that are not there; only the latter where `data` is no document."""
    try:
        with deeply():
            reference = Reference(data)
    except (NotADocument, RecursionError):
        return []
    found: list[list[str]] = []
    spans: list[tuple[list[str], Span | None]] = [([], _root(reference))]
    while spans:
        path, span = spans.pop()
        for key, _, value, _ in span.members if span and len(path) < LONGEST else ():
            found.append([*path, key])
            spans.append(([*path, key], reference.objects.get(value)))
    return found


def cases(data: bytes) -> Iterator[tuple[list[str], Any]]:
    """For a whole document: the usual paths and some forty of those in it, each with some value, all in turn."""
    paths = paths_in(data)
    for number, path in enumerate([*_PATHS, *paths[:: len(paths) // 40 + 1]]):
        yield path, _VALUES[number % len(_VALUES)]


def check_edit(data: bytes, path: list[str], value: Any) -> str:
    """Sets, removes and reads the member; gives what came of it.

    Raises AssertionError for a wrong result, TookTooLong, and whatever but DocumentError an edit itself raises.
    """
    after = _attempt(lambda: set_member(data, path, value))
    without = _attempt(lambda: remove_member(data, path))
    there = _attempt(lambda: read_member(data, path, _ABSENT))
    refusals = [result for result in (after, without, there) if isinstance(result, DocumentError)]
    for refusal in refusals:
        _check_place(data, refusal)
    try:
        with deeply():
            before = Reference(data)
            changed, removed = (expected(before.data, path, new) for new in (as_data(value), None))
    except (NotADocument, NotEditable):
        assert len(refusals) == 3, "it has to be refused"
        return "refused"
    except RecursionError:
        return "too deep"
    if refusals:
        _check_depth(before, refusals)
        return "too deep"
    with deeply():
        _check_read(data, before, path, there)
        _check_removed(data, before, path, without, removed)
        return _check_set(data, before, path, value, after, changed)


def check_whole(data: bytes) -> None:
    """Reads the whole document and lists what is not strict JSON in it. Raises as `check_edit`.

    To be called behind that: the editor remembers the document that it walked last, but not an equal one.
    """
    equal = bytes(bytearray(data))
    places, content = _attempt(lambda: relaxations(data)), _attempt(lambda: read_member(equal, []))
    refusals = [result for result in (places, content) if isinstance(result, DocumentError)]
    for refusal in refusals:
        _check_place(data, refusal)
    try:
        with deeply():
            reference = Reference(data)
            if reference.data[0] == "object" and not refusals:
                assert places == reference.places(), "other comments or trailing commas"
                assert is_same(content, as_python(reference.data)), "other data"
                return
    except NotADocument:
        assert len(refusals) == 2, "it has to be refused"
    except RecursionError:
        return
    else:
        if reference.data[0] == "object":
            _check_depth(reference, refusals)
        assert refusals, "it has to be refused"


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TookTooLong after so much processor time. What does not come back to Python cannot be stopped."""
    earlier = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, earlier)


def _stop(_: int, __: FrameType | None) -> None:
    raise TookTooLong


def _attempt(act: Callable[[], Any]) -> Any:
    try:
        with time_limit(SECONDS):
            return act()
    except DocumentError as error:
        return error


@contextmanager
def deeply() -> Iterator[None]:
    """The plain parser, in Python itself, needs three frames for a level: more than the limit of the edits."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _decoded(token: bytes) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.decode("utf-8", "replace")


# Refusals


def _check_place(data: bytes, error: DocumentError) -> None:
    lines = data.removeprefix(BOM).split(b"\n")
    assert 1 <= error.line <= len(lines), f"there is no line {error.line}: {error}"
    width = len(lines[error.line - 1].decode("utf-8", "replace"))
    assert 1 <= error.column <= width + 1, f"there is no column {error.column}: {error}"


def _check_depth(reference: Reference, refusals: list[DocumentError]) -> None:
    """What the plain parser takes may be refused for its depth only."""
    for refusal in refusals:
        assert refusal.reason == "Nested too deeply", f"it is a document: {refusal}"
        assert _depth(reference.data) > SHALLOW, "it is not deep"


def _depth(data: Any) -> int:
    depth, level = 0, [data]
    while level:
        inner: list[Any] = []
        for kind, content in level:
            if kind == "object":
                inner += [value for _, value in content]
            elif kind == "array":
                inner += content
        depth, level = depth + 1, inner
    return depth


# Results


class _Place(NamedTuple):
    """Where the wanted member is or would be: the innermost object on its path, and its number in there."""

    span: Span
    at: int | None
    has_parents: bool


def _root(reference: Reference) -> Span | None:
    return reference.objects[min(reference.objects)] if reference.objects else None


def _place(reference: Reference, path: list[str]) -> _Place | None:
    """None in an empty document. The path has to be one that can be edited."""
    span = _root(reference)
    if span is None:
        return None
    for key in path[:-1]:
        inner = next((value for name, _, value, _ in span.members if name == key), None)
        if inner is None:
            return _Place(span, None, has_parents=False)
        span = reference.objects[inner]
    names = [name for name, *_ in span.members]
    return _Place(span, names.index(path[-1]) if path[-1] in names else None, has_parents=True)


def _check_read(data: bytes, reference: Reference, path: list[str], there: Any) -> None:
    place = _place(reference, path)
    if place is None or place.at is None:
        assert there is _ABSENT, "it read what is not there"
        return
    content = reference.data
    for depth, key in enumerate(path, 1):
        content = dict(content[1])[key]
        found = there if depth == len(path) else read_member(data, path[:depth])
        assert is_same(found, as_python(content)), "it read something else"


def _check_removed(data: bytes, before: Reference, path: list[str], after: bytes, wanted: Any) -> None:
    place = _place(before, path)
    if place is None or place.at is None:
        assert after is data, "there was nothing to remove"
        return
    span, index = place.span, place.at
    _, key, _, end = span.members[index]
    start = span.members[index - 1][3] if index else span.start + 1
    stop = span.members[index + 1][1] if index + 1 < len(span.members) else span.end
    _check_outside(data, before, after, start, stop)
    _check_result(after, wanted, comments_outside(before, key, end))
    assert remove_member(after, path) is after, "removed twice is not the same"
    again = Reference(set_member(after, path, 1))
    assert again.data == expected(wanted, path, ("number", "1")), "set after removed is wrong"


def _check_set(data: bytes, before: Reference, path: list[str], value: Any, after: bytes, wanted: Any) -> str:
    if holds(before.data, path, value):
        assert after is data, "there was nothing to set"
        return "unchanged"
    place = _place(before, path)
    comments = left = before.comments
    if place is None:
        assert after.startswith(BOM) == data.startswith(BOM), "byte order mark"
    elif place.at is None:
        span = place.span
        _check_outside(data, before, after, span.members[-1][3] if span.members else span.start + 1, span.end)
    else:
        _, key, start, end = place.span.members[place.at]
        _check_outside(data, before, after, start, end)
        comments, left = comments_outside(before, start, end), comments_outside(before, key, end)
    _check_result(after, wanted, comments)
    _check_newlines(data, after)
    assert set_member(after, path, value) is after, "set twice is not the same"
    _check_undone(data, place, remove_member(after, path), expected(wanted, path, None), left)
    return "replaced" if place and place.at is not None else "added"


def _check_undone(data: bytes, place: _Place | None, undone: bytes, wanted: Any, comments: list[str]) -> None:
    """Removed after set: the same bytes where the documentation says so, the right data elsewhere."""
    if place and place.at is None and place.has_parents:
        span = place.span
        if span.members or span.end == span.start + 1:
            assert undone == data, "removed after set is not as before"
    _check_result(undone, wanted, comments)


def _check_result(after: bytes, wanted: Any, comments: list[str]) -> None:
    try:
        result = Reference(after)
    except NotADocument:
        raise AssertionError("the result is no document") from None
    assert result.data == wanted, "the result holds other data"
    assert result.comments == comments, "the result holds other comments"


def _check_outside(data: bytes, before: Reference, after: bytes, start: int, end: int) -> None:
    """Bytes before the character `start` and from `end` on are the same in both."""
    first, last = (
        len(before.text[:offset].encode()) + len(data) - len(before.text.encode()) for offset in (start, end)
    )
    assert after.startswith(data[:first]), "it changed something before the member"
    assert after[first:].endswith(data[last:]), "it changed something behind the member"


def comments_outside(reference: Reference, start: int, end: int) -> list[str]:
    offsets = [offset for offset, kind in reference.relaxed if kind == "comment"]
    found = zip(offsets, reference.comments, strict=True)
    return [comment for offset, comment in found if not start <= offset < end]


def _check_newlines(data: bytes, after: bytes) -> None:
    """What was added has the line ends of the document's first line."""
    crlf, lf = after.count(b"\r\n") - data.count(b"\r\n"), after.count(b"\n") - data.count(b"\n")
    is_crlf = data[: data.find(b"\n") + 1].endswith(b"\r\n")
    assert lf <= crlf if is_crlf else crlf <= 0, "other line ends"
