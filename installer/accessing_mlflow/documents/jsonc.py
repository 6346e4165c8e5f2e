"""JSON, with or without comments and trailing commas: set, remove or read one member and keep every other byte.

No JSON library keeps the bytes that it was not asked to change, so the text is not parsed and dumped again. The
objects on the way to the member are walked here; everything beside that way is validated by the standard library's
scanner, which also tells where a value ends; then the original bytes are spliced.

The scanner gets the bytes decoded as Latin-1: its offsets are then byte offsets, and one emoji does not make the text
four times as large. That the bytes are UTF-8 is checked apart. Where the text is not strict JSON, comments and
trailing commas are overwritten with as many spaces, so that offsets hold, and it is walked again.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, NoReturn, cast

from accessing_mlflow.documents import DocumentError, Relaxation, kept

__all__ = ["Relaxation", "read_member", "relaxations", "remove_member", "set_member"]

_Kind = Literal["comment", "trailing comma"]

_BLANKS = b" \t\r\n"
_UTF8_CHUNK = 1 << 18
_MAX_DIGITS = 640  # the lowest limit that `sys.set_int_max_str_digits` allows
_TOO_DEEP = "Nested too deeply"
_EMPTY = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*")
_MARGIN = re.compile(rb"[ \t]*")
_GAP = re.compile(r"[ \t\r\n]*")
_COLON = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
_SEPARATOR = re.compile(r"[ \t\r\n]*([,}])[ \t\r\n]*")

# A string that is never closed runs to the end, so that nothing in it is taken for something else.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_CONSTANT = re.compile(_STRING + r"|(NaN|-?Infinity)", re.DOTALL)
_RELAXED: tuple[tuple[_Kind, re.Pattern[bytes]], ...] = (
    ("comment", re.compile((_STRING + r"|(//[^\r\n]*|/\*.*?\*/)|/\*.*").encode(), re.DOTALL)),
    # The last comma of `[,]` or `[1,,]` trails nothing: it is matched first, and passed over.
    ("trailing comma", re.compile((_STRING + r"|[\[{,][ \t\r\n]*,|(,)[ \t\r\n]*[\]}]").encode(), re.DOTALL)),
)
# All that can stand between two values, apart from white space; only for text that is known to be just that.
_BETWEEN = re.compile(rb"//[^\r\n]*|/\*.*?\*/|,", re.DOTALL)


def set_member(data: bytes, path: Sequence[str], value: object) -> bytes:
    """Return the document with the member at `path` set to `value`, which must be JSON data.

    Missing parents are created. New text follows the indentation, newlines and spacing around it; an empty document
    becomes one with an indentation of two. `data` itself is returned if the member is equal as data (1 equals 1.0).
    Of an array that stays one and shares its first items, only those items change that differ.

    Raises:
        DocumentError: the document is invalid, its root or a parent is not an object, or a key on `path` is double.
    """
    keys, value = _keys(path), _normal(value)
    if _EMPTY.fullmatch(data):
        style = _Style(newline=_newline(data))
        return data[: _start(data)] + _render(_nested(keys, value), style) + style.newline
    chain, relaxed = _parse(data, keys)
    owner, style = chain[-1], _style(data, chain)
    if owner.found is None:
        key, *deeper = keys[len(chain) - 1 :]
        member = _render(key, style) + style.colon + _render(_nested(deeper, value), style)
        return _insert(data, owner, member, style)
    start, end = owner.found.value, owner.found.end
    old, new = _load(_COMPARED, data, start, end, relaxed), _COMPARED.decode(json.dumps(value))
    if old == new:
        return data
    if isinstance(old, list) and isinstance(value, list) and (stay := kept(old, new)):
        removed = [index for index in range(len(old)) if index not in stay]
        return _set_items(data, keys, removed, value[len(stay) :])
    if data[start : start + 1] in (b"{", b"[") and end - start > 2 and not _has_newline(data[start:end]):
        style = style._replace(one_line=True)
    return _splice(data, start, _render(value, style), end)


def remove_member(data: bytes, path: Sequence[str]) -> bytes:
    """Return the document without the member at `path`; `data` itself if there is no such member.

    Comments stay, and so does the parent, as `{}` if nothing else was in it. This undoes `set_member` byte for byte
    where that added a member to an object that has members or is spelled `{}`; not where it made parents or the
    document, nor where the object held only white space or comments.

    Raises:
        DocumentError: as `set_member`.
    """
    keys = _keys(path)
    if _EMPTY.fullmatch(data):
        return data
    owner = _parse(data, keys)[0][-1]
    return data if owner.found is None else _remove(data, owner, owner.found)


def read_member(data: bytes, path: Sequence[str], default: object = None) -> Any:
    """Return the value of the member at `path`, or `default`; with an empty `path` the whole document.

    An empty document reads as `{}`. An integer that an interpreter may refuse (over 640 digits) comes as a float.

    Raises:
        DocumentError: as `set_member`.
    """
    keys = _normal(list(path))
    if _EMPTY.fullmatch(data):
        return default if keys else {}
    chain, relaxed = _parse(data, keys)
    if not keys:
        return _load(_PLAIN, data, chain[0].start, chain[0].end + 1, relaxed)
    found = chain[-1].found
    return default if found is None else _load(_PLAIN, data, found.value, found.end, relaxed)


def relaxations(data: bytes) -> list[Relaxation]:
    """Return the comments and trailing commas in the document, in their order; none if it is strict JSON or empty.

    Raises:
        DocumentError: as `set_member`.
    """
    places = [] if _EMPTY.fullmatch(data) else _parse(data, [])[1]
    positions = _positions(data, (offset for offset, _ in places))
    return [Relaxation(kind, *position) for (_, kind), position in zip(places, positions, strict=True)]


# Where things are


class _Member(NamedTuple):
    """The byte offsets of a member."""

    lead: int  # behind the value before it, or behind the "{"
    comma: int | None  # between `lead` and `key`
    key: int
    value: int
    end: int

    def moved(self, by: int) -> _Member:
        comma = None if self.comma is None else self.comma + by
        return _Member(self.lead + by, comma, self.key + by, self.value + by, self.end + by)


class _Object:
    """The byte offsets of an object on the way to the wanted member."""

    def __init__(self, start: int) -> None:
        self.start = start  # of its "{"
        self.end = 0  # of its "}"
        self.found: _Member | None = None  # the one that the path names
        self.following: _Member | None = None  # the one after `found`
        self.last: _Member | None = None

    def add(self, member: _Member, found: bool) -> None:
        if found:
            self.found = member
        elif self.found and self.found == self.last:
            self.following = member
        self.last = member

    def moved(self, by: int) -> _Object:
        """The same, in a document that has `by` more bytes before it."""
        result = _Object(self.start + by)
        result.end = self.end + by
        result.found = self.found and self.found.moved(by)
        result.following = self.following and self.following.moved(by)
        result.last = self.last and self.last.moved(by)
        return result


class _Parsed(NamedTuple):
    """A valid document: what is not strict JSON in it, and the objects on the ways along the keys asked for so far."""

    data: bytes
    relaxed: list[tuple[int, _Kind]]
    chains: list[tuple[list[str], list[_Object]]]

    def chain(self, keys: list[str]) -> list[_Object] | None:
        """The objects on the way along `keys`, where these or longer ones were asked for."""
        for known, chain in self.chains:
            if known[: len(keys)] == keys:
                return chain[: max(len(keys), 1)]
        return None


# The last large document and the last small one. An edit asks several questions about it, before and after the file is
# read again, and meanwhile about others: comparing takes a thirtieth of the time of walking.
_last: dict[bool, _Parsed] = {}
_LARGE = 1 << 20


def _parse(data: bytes, keys: list[str]) -> tuple[list[_Object], list[tuple[int, _Kind]]]:
    """Validate the document. Return the objects on the way along `keys`, root first, and what is not strict JSON."""
    is_large = len(data) > _LARGE
    parsed = _last.pop(is_large, None)
    if parsed is None or parsed.data != data:
        parsed = None  # before another large text is made
        chain, relaxed = _parse_anew(data, keys)
        _last[is_large] = _Parsed(data, relaxed, [(keys, chain)])
        return chain, relaxed
    _last[is_large] = parsed = parsed._replace(data=data)  # of two that are equal, the one that is in use
    found = parsed.chain(keys)
    if found is None:
        found = _walk_again(parsed, keys)
        parsed.chains.append((keys, found))
    return found, parsed.relaxed


def _walk_again(parsed: _Parsed, keys: list[str]) -> list[_Object]:
    """Walk a document that was valid along other keys: from the end of a known way on, where that leads on."""
    try:
        for known, chain in parsed.chains:
            if known and known == keys[: len(known)]:
                return _walk_on(parsed, chain, keys)
        text = _strict(parsed.data)[0] if parsed.relaxed else parsed.data
        return _walk(text.decode("latin-1"), _start(text), keys)
    except json.JSONDecodeError as error:
        raise _error(parsed.data, error.pos, error.msg) from None


def _walk_on(parsed: _Parsed, chain: list[_Object], keys: list[str]) -> list[_Object]:
    """`chain`, and the objects from the member at its end on."""
    member = chain[-1].found
    if member is None:
        return chain
    piece = parsed.data[member.value : member.end]
    if not piece.startswith(b"{"):
        raise json.JSONDecodeError(f"{_shown(keys[len(chain) - 1])} is not an object", "", member.value)
    text = _strict(piece)[0] if parsed.relaxed else piece
    inner: list[_Object] = []
    try:
        _object(text.decode("latin-1"), 0, keys[len(chain) :], inner)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(error.msg, "", member.value + error.pos) from None
    return [*chain, *(here.moved(member.value) for here in inner)]


def _parse_anew(data: bytes, keys: list[str]) -> tuple[list[_Object], list[tuple[int, _Kind]]]:
    _check_utf8(data)
    try:
        return _walk(data.decode("latin-1"), _start(data), keys), []
    except json.JSONDecodeError:
        pass  # dealt with below, where the text of this attempt is out of memory
    strict, relaxed = _strict(data)
    try:
        return _walk(strict.decode("latin-1"), _start(data), keys), relaxed
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at").removesuffix(" starting")
        raise _error(data, error.pos, reason) from None


def _check_utf8(data: bytes) -> None:
    """In pieces: of the whole, the decoded text would be up to four times as large."""
    done = len(data) if data.isascii() else 0
    while done < len(data):
        piece = data[done : done + _UTF8_CHUNK]
        try:
            done += codecs.utf_8_decode(piece, "strict", done + len(piece) == len(data))[1]
        except UnicodeDecodeError as error:
            raise _error(data, done + error.start, "Not UTF-8") from None


def _strict(data: bytes) -> tuple[bytearray, list[tuple[int, _Kind]]]:
    """Return the text with comments and trailing commas made spaces, and the offset and kind of each."""
    text = bytearray(data)
    places: list[tuple[int, _Kind]] = []
    for kind, pattern in _RELAXED:
        for match in pattern.finditer(text):
            if match[1]:
                start, end = match.span(1)
                text[start:end] = b" " * (end - start)
                places.append((start, kind))
    return text, sorted(places)


def _walk(text: str, start: int, keys: list[str]) -> list[_Object]:
    """Validate the whole text and return the objects on the way along `keys`."""
    start = _gap(text, start)
    if not text.startswith("{", start):
        raise json.JSONDecodeError("The document is not an object", text, start)
    chain: list[_Object] = []
    end = _gap(text, _object(text, start, keys, chain))
    if end < len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return chain


def _object(text: str, start: int, keys: list[str], chain: list[_Object]) -> int:
    """Walk through an object on the way: put it, then those in it, into `chain`. Return its end."""
    wanted = keys[len(chain)] if len(chain) < len(keys) else None
    is_parent = len(chain) + 1 < len(keys)
    here = _Object(start)
    chain.append(here)
    lead, comma, key = start + 1, None, _gap(text, start + 1)
    if text.startswith("}", key):
        here.end = key
        return key + 1
    while True:
        name, value = _name(text, key)
        found = name == wanted
        if found and here.found:
            raise json.JSONDecodeError(f"Duplicate key {_shown(name)}", text, key)
        if found and is_parent and not text.startswith("{", value):
            raise json.JSONDecodeError(f"{_shown(name)} is not an object", text, value)
        end = _object(text, value, keys, chain) if found and is_parent else _value_end(text, value)
        here.add(_Member(lead, comma, key, value, end), found)
        separator = _SEPARATOR.match(text, end)
        if not separator:
            raise json.JSONDecodeError("Expecting ',' delimiter", text, _gap(text, end))
        if separator[1] == "}":
            here.end = separator.start(1)
            return here.end + 1
        lead, comma, key = end, separator.start(1), separator.end()


def _name(text: str, start: int) -> tuple[str, int]:
    """Return the key at `start`, decoded, and where its value starts."""
    if not text.startswith('"', start):
        raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, start)
    name, end = _SCANNER.raw_decode(text, start)
    if not (spelled := text[start:end]).isascii():
        name = json.loads(spelled.encode("latin-1"))
    colon = _COLON.match(text, end)
    if not colon:
        raise json.JSONDecodeError("Expecting ':' delimiter", text, _gap(text, end))
    return name, colon.end()


def _value_end(text: str, start: int) -> int:
    """Validate the value at `start` without keeping it, and return its end."""
    try:
        return _SCANNER.raw_decode(text, start)[1]
    except RecursionError:
        raise json.JSONDecodeError(_TOO_DEEP, text, start) from None
    except _ConstantError as error:
        # The scanner does not say where; but all before it is valid.
        at = next(match.start() for match in _CONSTANT.finditer(text, start) if match[1])
        raise json.JSONDecodeError(f"{error} is not JSON", text, at) from None


def _gap(text: str, start: int) -> int:
    """Return the end of the white space at `start`."""
    gap = _GAP.match(text, start)
    return gap.end() if gap else start


def _start(data: bytes | bytearray) -> int:
    return len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0


def _positions(data: bytes, offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield line and column of each of the ascending offsets; a byte order mark has no column."""
    line, column, done = 1, 1, _start(data)
    for offset in offsets:
        if newlines := data.count(b"\n", done, offset):
            line, column, done = line + newlines, 1, data.rfind(b"\n", done, offset) + 1
        column += len(data[done:offset].decode("utf-8", "replace"))
        done = offset
        yield line, column


def _error(data: bytes, offset: int, reason: str) -> DocumentError:
    return DocumentError(reason, *next(_positions(data, [offset])))


# Values


class _ConstantError(Exception):
    """NaN, Infinity or -Infinity."""


def _refuse_constant(constant: str) -> NoReturn:
    raise _ConstantError(constant)


def _int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


# For values that are passed by: `bool` makes nothing of an object or a number at the speed of C.
_SCANNER = json.JSONDecoder(object_pairs_hook=bool, parse_int=bool, parse_float=bool, parse_constant=_refuse_constant)
_PLAIN = json.JSONDecoder(parse_int=_int)
# For comparison: 1 equals 1.0 but not true, and numbers that Python refuses to convert are compared as spelled.
_COMPARED = json.JSONDecoder(
    parse_int=lambda digits: (int(digits) if len(digits) <= _MAX_DIGITS else digits,),
    parse_float=lambda number: (float(number),),
)


def _load(decoder: json.JSONDecoder, data: bytes, start: int, end: int, relaxed: list[tuple[int, _Kind]]) -> Any:
    text = _strict(data[start:end])[0] if relaxed else data[start:end]
    try:
        return decoder.decode(text.decode())
    except RecursionError:
        raise _error(data, start, _TOO_DEEP) from None


def _normal(value: object) -> Any:
    """Return `value` as it comes back from JSON: tuples as lists, the halves of a surrogate pair as one character."""
    return json.loads(json.dumps(value, allow_nan=False))


def _keys(path: Sequence[str]) -> list[str]:
    if not path:
        raise ValueError("an empty path names no member")
    return cast("list[str]", _normal(list(path)))


def _nested(keys: list[str], value: object) -> object:
    for key in reversed(keys):
        value = {key: value}
    return value


def _shown(name: str) -> str:
    return _render(name, _Style()).decode()


def _render(value: object, style: _Style) -> bytes:
    """Return `value` as JSON, its first line without the margin; a lone surrogate is escaped, nothing else is."""
    colon = style.colon.decode()
    if style.one_line:
        text = json.dumps(value, ensure_ascii=False, separators=(colon.replace(":", ","), colon))
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", colon), indent=style.indent.decode())
    return text.encode("utf-8", "backslashreplace").replace(b"\n", style.newline + style.margin)


# Style


class _Style(NamedTuple):
    """How the text around the edited member is written."""

    newline: bytes = b"\n"
    indent: bytes = b"  "  # one level
    margin: bytes = b""  # the white space that the member's line begins with
    colon: bytes = b": "
    one_line: bool = False


def _style(data: bytes, chain: list[_Object]) -> _Style:
    """Tell the style of the object to edit (the last of `chain`) from its members, or from itself as a member."""
    owner, newline, indent = chain[-1], _newline(data), _indent(data, chain)
    holder = owner if owner.last else chain[-2] if len(chain) > 1 else None
    model = holder and (holder.found or holder.last)
    if not model:
        return _Style(newline, indent, _margin(data, owner.start) + indent)
    tail = data[(owner.last.end if owner.last else owner.start) : owner.end]
    return _Style(
        newline,
        indent,
        margin=_margin(data, model.key) if owner.last else _margin(data, owner.start) + indent,
        colon=b":" if data[model.value - 1 : model.value] == b":" else b": ",
        one_line=not _has_newline(data[model.lead : model.key] + tail),
    )


def _indent(data: bytes, chain: list[_Object]) -> bytes:
    """Return one level of indentation: the nearest that shows on the way; two spaces where none does."""
    for holder in reversed(chain):
        if model := holder.found or holder.last:
            outer, inner = _margin(data, holder.start), _margin(data, model.key)
            if inner != outer and inner.startswith(outer):
                return inner[len(outer) :]
    return b"  "


def _margin(data: bytes, offset: int) -> bytes:
    """Return the white space at the start of the line that `offset` is on."""
    margin = _MARGIN.match(data, data.rfind(b"\n", 0, offset) + 1, offset)
    return margin[0] if margin else b""


def _newline(data: bytes) -> bytes:
    return b"\r\n" if data[: data.find(b"\n") + 1].endswith(b"\r\n") else b"\n"


def _has_newline(text: bytes) -> bool:
    return b"\n" in text or b"\r" in text


# Edits


def _insert(data: bytes, owner: _Object, member: bytes, style: _Style) -> bytes:
    """Add a member behind the last one and the comments that follow it."""
    start = owner.last.end if owner.last else owner.start + 1
    between = data[start : owner.end]
    comma, _, length = _content(between)
    before, after = between[:length], between[length:]
    lead = style.colon[1:] if style.one_line else style.newline + style.margin
    if owner.last:
        if comma is None:
            before = b"," + before
        else:
            member += b","  # who ends with a comma goes on doing so
    elif not style.one_line:
        after = style.newline + _margin(data, owner.start)
    elif not before:
        lead = after = b""
    return _splice(data, start, before + lead + member + after, owner.end)


def _remove(data: bytes, owner: _Object, member: _Member) -> bytes:
    """Remove a member, one comma (the one behind it if there is one) and the white space on one side."""
    stop = owner.following.key if owner.following else owner.end
    before, after = data[member.lead : member.key], data[member.end : stop]
    comma, _, _ = _content(after)
    if comma is not None:
        after = after[:comma] + after[comma + 1 :]
    elif member.comma is not None:
        before = data[member.lead : member.comma] + data[member.comma + 1 : member.key]
    _, in_line_comment, length = _content(before)
    gap = after[: len(after) - len(after.lstrip(_BLANKS))]
    if not _has_newline(gap) and (owner.following or in_line_comment):
        after = after[len(gap) :]  # what follows on the line takes the member's place
    else:
        before = before[:length]
        after = after.lstrip(b" \t") if in_line_comment else after  # the comment gets no longer
    if owner.last == member and member.comma is None and not before + after.strip(_BLANKS):
        after = b""
    return _splice(data, member.lead, before + after, stop)


def _content(between: bytes) -> tuple[int | None, bool, int]:
    """Look into the text between two values, or between a value and a brace.

    Returns the offset of the comma, whether a line comment comes last, and the length without white space at the end.
    """
    comma, last, length = None, b"", 0
    for match in _BETWEEN.finditer(between):
        last, length = match[0], match.end()
        if last == b",":
            comma = match.start()
    return comma, last.startswith(b"//"), length


# Arrays


def _set_items(data: bytes, keys: list[str], removed: Sequence[int], added: Sequence[Any]) -> bytes:
    """Remove the items with these indexes from the array at `keys`, then add others at its end."""
    for index in reversed(removed):
        array, _ = _array(data, keys, index)
        assert array.found is not None
        data = _remove(data, array, array.found)
    for value in added:
        array, chain = _array(data, keys)
        style = _style(data, [*chain, array])
        data = _insert(data, array, _render(value, style), style)
    return data


def _array(data: bytes, keys: list[str], index: int = -1) -> tuple[_Object, list[_Object]]:
    """The array at `keys`, as an object whose members have no names, and the objects on the way to it.

    `index`: of the item that is to be `found`.
    """
    chain, relaxed = _parse(data, keys)
    found = chain[-1].found
    assert found is not None
    piece = data[found.value : found.end]
    text = (_strict(piece)[0] if relaxed else piece).decode("latin-1")
    array, number = _Object(0), 0
    lead, comma, at = 1, None, _gap(text, 1)
    while text[at] != "]":
        end = _value_end(text, at)
        array.add(_Member(lead, comma, at, at, end), number == index)
        number += 1
        lead, comma = end, _gap(text, end)
        at = _gap(text, comma + 1) if text[comma] == "," else comma
    array.end = at
    return array.moved(found.value), chain


def _splice(data: bytes, start: int, new: bytes, end: int) -> bytes:
    view = memoryview(data)
    return b"".join((view[:start], new, view[end:]))
