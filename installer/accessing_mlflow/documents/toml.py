"""TOML: set, remove or read one member and keep all the rest, through tomlkit, which keeps comments, order and layout.

tomlkit is trusted with the layout only: whatever it makes of a document is read back with the standard library's
parser, and an edit that changes anything but the member is refused rather than written.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, cast

from accessing_mlflow.documents import DocumentError, Relaxation, kept

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read_member", "relaxations", "remove_member", "set_member"]


def set_member(data: bytes, path: Sequence[str], value: object) -> bytes:
    """Return the document with the member at `path` set to `value`; missing parents are made, as tables.

    Raises:
        DocumentError: the document is invalid, a parent is not a table, or the edit would change something else.
    """
    before = _read(data)
    wanted = _with(before, list(path), value, data)
    if wanted == before:
        return data
    if isinstance(value, dict) and _at(before, path, _ABSENT) is _ABSENT:
        appended = _appended(data, list(path), value, wanted)
        if appended is not None:
            return appended
    document = _document(data)
    _set(document, before, list(path), value)
    return _written(document, data, wanted)


def remove_member(data: bytes, path: Sequence[str]) -> bytes:
    """Return the document without the member at `path`; `data` itself if there is no such member.

    A parent that no heading of its own names goes with its last member.

    Raises:
        DocumentError: as `set_member`.
    """
    before = _read(data)
    if _at(before, path, _ABSENT) is _ABSENT:
        return data
    wanted = _without(before, list(path))
    cut = _cut(data, list(path))
    if cut is not None and _says(cut, wanted):
        return cut
    document = _document(data)
    owner = document
    for key in path[:-1]:
        owner = owner[key]
    del owner[path[-1]]
    return _written(document, data, *wanted)


def read_member(data: bytes, path: Sequence[str], default: object = None) -> Any:
    """Return the value of the member at `path`, or `default`; with an empty `path` the whole document.

    Raises:
        DocumentError: the document is invalid, or a parent is not a table.
    """
    found: Any = _read(data)
    for depth, key in enumerate(path):
        if not isinstance(found, dict):
            raise _not_a_table(data, path[:depth])
        if key not in found:
            return default
        found = found[key]
    return found


def relaxations(data: bytes) -> list[Relaxation]:
    """Return an empty list: TOML has comments, and nobody reads it otherwise than it is written.

    Raises:
        DocumentError: the document is invalid.
    """
    _read(data)
    return []


_ABSENT = object()


def _read(data: bytes) -> dict[str, Any]:
    text = _text(data)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _located(text, str(error)) from None
    except RecursionError:
        raise DocumentError("Nested too deeply", 1, 1) from None


def _text(data: bytes) -> str:
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise DocumentError("Not UTF-8", line, column) from None
    return text


def _located(text: str, said: str) -> DocumentError:
    """The error, from the parser's own words: `reason (at line 1, column 5)`, or `(at end of document)`."""
    reason, _, place = said.rpartition(" (at ")
    numbers = [int(number) for number in "".join(c if c.isdigit() else " " for c in place).split()]
    if len(numbers) == 2:
        return DocumentError(reason, numbers[0], numbers[1])
    return DocumentError(reason or said, text.count("\n") + 1, len(text) - text.rfind("\n"))


def _not_a_table(data: bytes, path: Sequence[str]) -> DocumentError:
    """The line on which the last key of the path first stands, which is the best there is."""
    lines = _text(data).splitlines()
    line = next((number for number, line in enumerate(lines, 1) if path[-1] in line), 1)
    return DocumentError(f'"{path[-1]}" is not a table', line, 1)


def _document(data: bytes) -> MutableMapping[str, Any]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    text = _text(data)
    try:
        document = tomlkit.parse(text)
        if tomlkit.dumps(document) == text:
            return document
    except (TOMLKitError, RecursionError):
        pass
    raise DocumentError("This document cannot be edited without changing the rest of it", 1, 1, "edit it by hand")


def _appended(data: bytes, path: list[str], value: dict[str, Any], wanted: dict[str, Any]) -> bytes | None:
    """The document with a new table under a heading of its own at its end; None where it must go elsewhere."""
    import tomlkit

    heading = "[" + ".".join(tomlkit.key(key).as_string() for key in path) + "]\n"
    plain = {key: item for key, item in value.items() if not isinstance(item, dict)}
    text = heading + tomlkit.dumps(plain)
    for key, item in value.items():
        if isinstance(item, dict):
            text += "\n" + heading[:-2] + "." + tomlkit.key(key).as_string() + "]\n" + tomlkit.dumps(item)
    new = text.encode()
    if data.strip():
        new = (b"\n" if data.endswith(b"\n") else b"\n\n") + new
    result = data + (new.replace(b"\n", b"\r\n") if _is_crlf(data) else new)
    try:
        return result if _read(result) == wanted else None
    except DocumentError:  # in an inline table, say
        return None


def _cut(data: bytes, path: list[str]) -> bytes | None:
    """The document without the tables under headings of `path` or below it; None where there is no such heading.

    What stands before the next heading, comments and empty lines, is the next one's; the empty line before the first is
    its own.
    """
    lines = data.splitlines(keepends=True)
    headings = [(number, heading) for number, line in enumerate(lines) if (heading := _heading(line))]
    keep = [True] * len(lines)
    ends = [number for number, _ in headings[1:]] + [len(lines)]
    for (start, heading), stop in zip(headings, ends, strict=False):
        if heading[: len(path)] != path:
            continue
        while not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith(b"#"):
            stop -= 1
        keep[start:stop] = [False] * (stop - start)
        if start and not lines[start - 1].strip():
            keep[start - 1] = False
    return None if all(keep) else b"".join(line for line, stays in zip(lines, keep, strict=True) if stays)


def _heading(line: bytes) -> list[str]:
    """The keys of a heading; none where the line is something else, or the heading of an array's item."""
    if not line.lstrip().startswith(b"["):
        return []
    try:
        found: Any = tomllib.loads(line.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return []
    keys = []
    while isinstance(found, dict) and found:
        [(key, found)] = found.items()
        keys.append(key)
    return keys


def _says(data: bytes, wanted: list[dict[str, Any]]) -> bool:
    try:
        return _read(data) in wanted
    except DocumentError:
        return False


def _is_crlf(data: bytes) -> bool:
    return b"\r\n" in data and b"\n" not in data.replace(b"\r\n", b"")


def _set(owner: MutableMapping[str, Any], there: Mapping[str, Any], path: list[str], value: object) -> None:
    """Sets the member in tomlkit's document, of which `there` is the plain data."""
    key, *deeper = path
    if deeper and key in there:
        _set(owner[key], there[key], deeper, value)
    elif not deeper and isinstance(value, dict) and isinstance(there.get(key), dict):
        _update(owner[key], there[key], value)
    elif not deeper and isinstance(value, list) and isinstance(there.get(key), list):
        _set_items(owner[key], there[key], value)
    else:
        for name in reversed(deeper):
            value = {name: value}
        owner[key] = value


def _update(owner: MutableMapping[str, Any], there: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    for key in there.keys() - value.keys():
        del owner[key]
    for key, item in value.items():
        if key not in there or there[key] != item:
            _set(owner, there, [key], item)


def _set_items(array: Any, old: list[Any], new: list[Any]) -> None:
    """Only what differs: items that stay keep their comments."""
    stay = kept(old, new)
    for index in reversed(range(len(old))):
        if index not in stay:
            del array[index]
    for item in new[len(stay) :]:
        array.append(item)


def _written(document: MutableMapping[str, Any], data: bytes, *wanted: dict[str, Any]) -> bytes:
    """The document's bytes, once they are seen to say one of what is wanted."""
    import tomlkit

    text = tomlkit.dumps(cast("tomlkit.TOMLDocument", document))
    if _is_crlf(data):
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    try:
        if tomllib.loads(text) in wanted:
            mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
            return mark + text.encode()
    except tomllib.TOMLDecodeError:
        pass
    raise DocumentError("This document cannot be edited without changing the rest of it", 1, 1, "edit it by hand")


def _at(found: Any, path: Sequence[str], default: object) -> Any:
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return default
        found = found[key]
    return found


def _with(document: dict[str, Any], path: list[str], value: object, data: bytes) -> dict[str, Any]:
    key, *deeper = path
    there = document.get(key)
    if deeper:
        if there is not None and not isinstance(there, dict):
            raise _not_a_table(data, [key])
        value = _with(there or {}, deeper, value, data)
    return {**document, key: value}


def _without(document: dict[str, Any], path: list[str]) -> list[dict[str, Any]]:
    """The document without the member, and without one or more parents that are empty then."""
    key, *deeper = path
    rest = {name: item for name, item in document.items() if name != key}
    if not deeper:
        return [rest]
    inner = _without(document[key], deeper)
    return [*({**rest, key: item} for item in inner), *([rest] if {} in inner else [])]
