"""Mutated documents: of their bytes, of their tokens, of their members. All chance is the generator's that is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.documents.reference import BOM

CORPUS = Path(__file__).parent / "corpus"
LIMIT = 64 * 1024
"""The longest document, in bytes."""

# A string or a comment that is never closed runs to the end, so that nothing is looked for again and again.
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|//[^\r\n]*|/\*.*?(?:\*/|\Z)|[ \t\r\n]+|[^\s"{}\[\],:/]+|.', re.DOTALL
)
_NEWLINES = (b"\n", b"\r\n", b"\r", b"\n\n", b"\n\r")
_INDENTS = (b"", b" ", b"  ", b"    ", b"\t", b" \t", b"\xc2\xa0", b"\f")
_BLANKS = (b"", b" ", b"\t", b"\n", b"\r\n", b"\r", b"\n  ", b"\r\n\t\t", b"  \n\n ", b" " * 200)
_COMMENTS = (
    b"// x\n",
    b"//\r\n",
    b"/**/",
    b"/* x\n */",
    b"/* // */",
    b"// */\n",
    b'/* " */',
    b'// "a": 1,\n',
    b"/*/*/",
)
_WRONG = tuple(rb"""NaN -Infinity undefined 01 1. +1 0x1 .5 tru 'a' "\x" """.split())
_PIECES = (*rb"""{ } [ ] , : " \ / ' # // /* */ \u \ud8""".split(), b"\0", b"\x1b", b"\r", b"\n", BOM, *_WRONG)
_SCALARS = (*rb"null true -0 1E+2 1e999 0.10".split(), b"7" * 700, b"9" * 4400, b'""', rb'"// /* ,] \" */"')
_STRINGS = (*rb'"\ud800" "\udc00x" "\ud83d\ude00" "\u0000" "\\" "uvx" "mlflow-mcp" "/nowhere/uvx"'.split(),)
_STRINGS += (
    '"é😀\u2028"'.encode(),
    b'"/' + b"a" * 5000 + b'/uvx"',
    rb'"C:\\bin\\uvx.exe"',
    b'"${MLFLOW_TRACKING_URI}"',
)
_KEYS = tuple(rb'"mcpServers" "MLflow" "\u004dLflow" "mlflow" "env" "args" "command" "MLFLOW_TRACKING_URI"'.split())
_KEYS += tuple(b'"url" "" "__proto__" "projects" "/home/user/work"'.split())
_OURS = b'{"command": "uvx", "args": ["mlflow-mcp"], "env": {"MLFLOW_TRACKING_URI": "http://localhost:5000"}}'
_OBJECTS = (b"{}", b"{ }", b"[]", b"[1,]", b'{"command": "x"}', b'["mlflow-mcp"]', _OURS, b'{"MLflow": ' + _OURS + b"}")
_VALUES = (*_OBJECTS, *_OBJECTS, *_SCALARS, *_STRINGS)


def corpus() -> dict[str, bytes]:
    """The kept documents, by file name."""
    return {file.name: file.read_bytes() for file in sorted(CORPUS.glob("*.json*"))}


def mutated(random: Random, documents: list[bytes], *, gently: bool = False) -> bytes:
    """One of the documents after a few mutations, now and then none; `gently`: most stay documents."""
    data = random.choice(documents)
    kinds = (*[_OF_MEMBERS] * 6, _OF_TOKENS) if gently else (_OF_MEMBERS, _OF_TOKENS, _OF_BYTES)
    for _ in range(random.choice((0, 1, 1, 2) if gently else (0, 1, 1, 1, 2, 2, 3, 5))):
        kind = random.choice(kinds)
        data = random.choice(kind)(random, data, random.choice(documents))[:LIMIT]
    return data


# Bytes


def _range(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 1, 2, 5, 20, 100)))


def _flip_bit(random: Random, data: bytes, _: bytes) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _put_byte(random: Random, data: bytes, _: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + bytes([random.randrange(256)]) + data[at + random.randint(0, 1) :]


def _put_piece(random: Random, data: bytes, _: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_PIECES) + data[at:]


def _drop_range(random: Random, data: bytes, _: bytes) -> bytes:
    start, end = _range(random, data)
    return data[:start] + data[end:]


def _repeat_range(random: Random, data: bytes, _: bytes) -> bytes:
    start, end = _range(random, data)
    return data[:start] + data[start:end] * random.choice((2, 2, 2, 3, 3, 500)) + data[end:]


def _truncate(random: Random, data: bytes, _: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] if random.random() < 0.8 else data[at:]


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _cut_character(random: Random, data: bytes, _: bytes) -> bytes:
    """Cuts a character of several bytes in half, or puts half a one where there is none."""
    halves = [at for at, byte in enumerate(data) if byte >= 0x80]
    if not halves:
        at = random.randint(0, len(data))
        return data[:at] + random.choice((b"\xf0\x9f", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xc0\xaf")) + data[at:]
    at = random.choice(halves)
    return data[:at] + data[at + 1 :] if random.random() < 0.7 else data[:at]


def _swap_newlines(random: Random, data: bytes, _: bytes) -> bytes:
    return data.replace(random.choice((b"\n", b"\r\n", b"\r")), random.choice(_NEWLINES))


def _toggle_mark(random: Random, data: bytes, _: bytes) -> bytes:
    return data.removeprefix(BOM) if data.startswith(BOM) and random.random() < 0.7 else BOM + data


# Tokens: most documents stay documents


def tokens_of(data: bytes) -> list[bytes]:
    """Strings, comments, white space, brackets, colons, commas and the rest: together they are `data`."""
    return _TOKEN.findall(data)


def _changed(random: Random, tokens: list[bytes], which: list[int], by: tuple[bytes, ...]) -> bytes:
    """The text with one of the tokens `which` replaced."""
    if which:
        tokens[random.choice(which)] = random.choice(by)
    return b"".join(tokens)


def _put_gap(random: Random, data: bytes, _: bytes) -> bytes:
    tokens = tokens_of(data)
    tokens.insert(random.randint(0, len(tokens)), random.choice(_BLANKS + _COMMENTS))
    return b"".join(tokens)


def _change_gap(random: Random, data: bytes, _: bytes) -> bytes:
    tokens = tokens_of(data)
    return _changed(random, tokens, [at for at, token in enumerate(tokens) if token.isspace()], _BLANKS + _COMMENTS)


def _change_all_gaps(random: Random, data: bytes, _: bytes) -> bytes:
    gap = random.choice(_BLANKS)
    return b"".join(gap if token.isspace() else token for token in tokens_of(data))


def _indent(random: Random, data: bytes, _: bytes) -> bytes:
    """All indentation made of another unit, or the line breaks put before every value."""
    unit, newline = random.choice(_INDENTS), random.choice(_NEWLINES)
    if random.random() < 0.5:
        return re.sub(rb"\n[ \t]+", lambda match: b"\n" + unit * (len(match[0]) // 2), data)
    return b"".join(newline + unit + token if token in b"{[" else token for token in tokens_of(data))


def _put_comma(random: Random, data: bytes, _: bytes) -> bytes:
    """Before a bracket, where it is a trailing comma."""
    tokens = tokens_of(data)
    closing = [at for at, token in enumerate(tokens) if token in (b"}", b"]")]
    return _changed(random, tokens, closing, (b",}", b",]", b", ]", b",// x\n}", b"/**/,}", b",,]"))


def _change_scalar(random: Random, data: bytes, _: bytes) -> bytes:
    tokens = tokens_of(data)
    scalars = [at for at, token in enumerate(tokens) if token[:1] not in b"{}[],:/" and not token.isspace()]
    return _changed(random, tokens, scalars, _SCALARS + _STRINGS + _KEYS + _WRONG)


def _change_token(random: Random, data: bytes, _: bytes) -> bytes:
    """One dropped, doubled or swapped with another."""
    tokens = tokens_of(data)
    if tokens:
        one, other = random.randrange(len(tokens)), random.randrange(len(tokens))
        action = random.randrange(3)
        if action < 2:
            tokens[one] *= action * 2
        else:
            tokens[one], tokens[other] = tokens[other], tokens[one]
    return b"".join(tokens)


def _bloat(random: Random, data: bytes, _: bytes) -> bytes:
    """One thing, many times: neither time nor the stack may run out."""
    tokens = tokens_of(data)
    filling = random.choice(
        (b" ", b"\n", b"/**/", b"//\n", b"/* ", b"\\", b'"', b"{", b"[", b",", b"\xc3\xa9", b"1", b'"":{')
    )
    tokens.insert(random.randint(0, len(tokens)), filling * random.choice((100, 1000, 1000, 10_000, 30_000)))
    return b"".join(tokens)


# Members


class _Member(NamedTuple):
    """Where a member stands among the tokens."""

    key: int
    value: int
    end: int


def _members(tokens: list[bytes]) -> list[_Member]:
    """The members of all objects, as far as the tokens make a document."""
    solid = [at for at, token in enumerate(tokens) if not token.isspace() and token[:2] not in (b"//", b"/*")]
    ends, opened = {}, []
    for at in solid:
        if tokens[at] in (b"{", b"["):
            opened.append(at)
        elif tokens[at] in (b"}", b"]") and opened:
            ends[opened.pop()] = at + 1
    return [
        _Member(key, value, ends.get(value, value + 1))
        for key, colon, value in zip(solid, solid[1:], solid[2:], strict=False)
        if tokens[colon] == b":" and tokens[key].startswith(b'"')
    ]


def _picked(random: Random, data: bytes) -> tuple[list[bytes], _Member] | None:
    """The tokens, and any member, as often as not one that matters to the commands."""
    tokens = tokens_of(data)
    members = _members(tokens)
    known = [member for member in members if tokens[member.key] in _KEYS]
    if known and random.random() < 0.5:
        members = known
    return (tokens, random.choice(members)) if members else None


def _double_member(random: Random, data: bytes, _: bytes) -> bytes:
    if not (picked := _picked(random, data)):
        return data
    tokens, member = picked
    whole = tokens[member.key : member.end]
    return b"".join([*tokens[: member.end], random.choice((b",", b", ", b"\n, ")), *whole, *tokens[member.end :]])


def _drop_member(random: Random, data: bytes, _: bytes) -> bytes:
    if not (picked := _picked(random, data)):
        return data
    tokens, member = picked
    behind = member.end + (tokens[member.end : member.end + 1] == [b","])
    return b"".join(tokens[: member.key] + tokens[behind:])


def _put_member(random: Random, data: bytes, _: bytes) -> bytes:
    """In front of another one."""
    if not (picked := _picked(random, data)):
        return data
    tokens, member = picked
    new = random.choice(_KEYS) + random.choice((b":", b": ", b" :\n")) + random.choice(_VALUES) + b","
    return b"".join([*tokens[: member.key], new, *tokens[member.key :]])


def _rename(random: Random, data: bytes, _: bytes) -> bytes:
    if not (picked := _picked(random, data)):
        return data
    tokens, member = picked
    return _changed(random, tokens, [member.key], _KEYS + _STRINGS)


def _put_value(random: Random, data: bytes, other: bytes) -> bytes:
    """A value from another document, or a usual one, in the place of a value."""
    if not (picked := _picked(random, data)):
        return data
    tokens, member = picked
    value = random.choice(_VALUES)
    if random.random() < 0.5 and (taken := _picked(random, other)):
        value = b"".join(taken[0][taken[1].value : taken[1].end])
    return b"".join([*tokens[: member.value], value, *tokens[member.end :]])


def _nest(random: Random, data: bytes, _: bytes) -> bytes:
    """A value put deep into arrays or objects."""
    if not (picked := _picked(random, data)):
        return data
    tokens, member = picked
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"":\n', b"},]")))
    depth = random.choice((1, 3, 50, 200, 330, 480, random.randint(900, 1100), 5000))
    value = b"".join(tokens[member.value : member.end])
    return b"".join([*tokens[: member.value], opening * depth, value, closing * depth, *tokens[member.end :]])


_Mutation = Callable[[Random, bytes, bytes], bytes]
_OF_BYTES: tuple[_Mutation, ...] = (
    _flip_bit,
    _put_byte,
    _put_piece,
    _put_piece,
    _drop_range,
    _repeat_range,
    _truncate,
    _splice,
    _cut_character,
    _swap_newlines,
    _toggle_mark,
)
_OF_TOKENS: tuple[_Mutation, ...] = (
    _put_gap,
    _put_gap,
    _change_gap,
    _change_all_gaps,
    _indent,
    _put_comma,
    _put_comma,
    _change_scalar,
    _change_scalar,
    _change_token,
    _change_token,
    _bloat,
)
_OF_MEMBERS: tuple[_Mutation, ...] = (
    _double_member,
    _drop_member,
    _put_member,
    _put_member,
    _rename,
    _put_value,
    _nest,
)
