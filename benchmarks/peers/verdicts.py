"""What became of a file: a few words, from its bytes before and after and the exit code.

`kept` (every byte of before is there, with one insertion) and `refuses` (nothing written, exit not 0) are the two good
ones. Exit codes other than 0 are in the words. None of this project's own code is used to judge.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

KEPT, REFUSED = "kept", "refuses"

_COMMENTS_OR_STRINGS = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STRINGS_OR_COMMAS = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[\]}])')


@dataclass(frozen=True)
class Number:
    """A number as it is written in a file."""

    text: str


def data_of(content: bytes) -> Any:
    """The data of a file, comments and trailing commas allowed. Raises ValueError where it is broken."""
    text = content.decode("utf-8-sig")
    try:
        return json.loads(text, parse_int=Number, parse_float=Number)
    except ValueError:
        for pattern in (_COMMENTS_OR_STRINGS, _STRINGS_OR_COMMAS):
            text = pattern.sub(lambda match: match[1] or "", text)
        return json.loads(text, parse_int=Number, parse_float=Number)


def inserted_only(before: bytes, after: bytes) -> bool:
    """Whether `after` is `before` with one run of bytes inserted."""
    room = len(after) - len(before)
    if room < 0:
        return False
    same = next((at for at, (one, other) in enumerate(zip(before, after)) if one != other), len(before))  # noqa: B905
    return before[same:] == after[same + room :]


def lines_kept(before: bytes, after: bytes) -> bool:
    """Whether `after` has all lines of `before` in their order, with others between them; commas at ends apart."""
    lines = iter(_lines(after))
    return all(line in lines for line in _lines(before))


def _lines(content: bytes) -> list[bytes]:
    return [re.sub(rb",(?=\r?\n?$)", b"", line) for line in content.splitlines(keepends=True)]


def lookup(data: Any, keys: Sequence[str]) -> Any:
    """What the keys lead to, or None."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def judge(
    before: bytes,
    after: bytes | None,
    code: int,
    keys: Sequence[str],
    *,
    others: Iterable[Path] = (),
    own: bool = False,
) -> str:
    """The verdict. `keys` lead to the new entry; `others` are the files in the home besides the client's.

    With `own` the file is the program's own state: keys that it adds at the top are its business.
    """
    if after == before:
        return REFUSED if code else "nothing written"
    old, new = _parsed(before), _parsed(after or b"")
    if own and isinstance(old, dict) and isinstance(new, dict):
        new = {key: value for key, value in new.items() if key in old or key == keys[0]}
        if new == old and code:
            return REFUSED
    what = _damage(old, new, before, after, others) or _edit(old, new, keys)
    if not what:
        kept = inserted_only(before, after or b"") or (own and lines_kept(before, after or b""))
        what = KEPT if kept else _changes(old, new, keys) or _respelling(before, after or b"")
    return f"{what}, exit {code}" if code else what


def _damage(old: Any, new: Any, before: bytes, after: bytes | None, others: Iterable[Path]) -> str:
    """What is wrong with the file as a whole, if anything."""
    if after is None:
        return "file gone"
    if not after.strip():
        return "emptied"
    if new is None:
        return "written into the broken file" if old is None else "truncated" if len(after) < len(before) else "broken"
    if old is None or _all_lost(old, new):
        return "moved away" if any(path.read_bytes() == before for path in others) else "wiped"
    return ""


def _edit(old: Any, new: Any, keys: Sequence[str]) -> str:
    """What is wrong with the place of the new entry, if anything."""
    place, entry = lookup(old, keys[:-1]), lookup(new, keys)
    if lookup(old, keys) is not None:
        return _same_name(lookup(old, keys), entry)
    if isinstance(place, list) and not isinstance(lookup(new, keys[:-1]), list):
        return "list lost"
    if entry is None:
        return "reformatted, nothing added" if old == new else "damaged"
    return ""


def _parsed(content: bytes) -> Any:
    try:
        return data_of(content)
    except ValueError:
        return None


def _respelling(before: bytes, after: bytes) -> str:
    return "comments lost" if len(_comments(after)) < len(_comments(before)) else "reformatted"


def _comments(content: bytes) -> list[str]:
    text = content.decode("utf-8-sig", errors="replace")
    return [match[0] for match in _COMMENTS_OR_STRINGS.finditer(text) if not match[1]]


def _all_lost(old: Any, new: Any) -> bool:
    """Whether none of the servers that were there is there now."""
    servers, left = lookup(old, ["mcpServers"]), lookup(new, ["mcpServers"])
    return isinstance(servers, dict) and not (isinstance(left, dict) and set(servers) & set(left))


def _same_name(old: Mapping[str, Any], new: Any) -> str:
    if new == old:
        return "reformatted"
    return "merged" if isinstance(new, dict) and set(old) <= set(new) else "replaced"


def _changes(old: Any, new: dict[str, Any], keys: Sequence[str]) -> str:
    """What is not the same in the data, the new entry apart; empty if all is."""
    servers = dict(lookup(new, keys[:-1]))
    del servers[keys[-1]]
    new = {**new, keys[0]: servers}
    counted: Counter[str] = Counter()
    _count(old, new, counted)
    plural = {what: what.replace(" ", "s ", 1) for what in counted}
    return ", ".join(f"{number} {what if number == 1 else plural[what]}" for what, number in sorted(counted.items()))


def _count(old: Any, new: Any, counted: Counter[str]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        counted.update(["key lost"] * len(set(old) - set(new)) + ["key added"] * len(set(new) - set(old)))
        for key in set(old) & set(new):
            _count(old[key], new[key], counted)
    elif isinstance(old, Number) and isinstance(new, Number):
        if old.text != new.text:
            counted["number respelled" if Decimal(old.text) == Decimal(new.text) else "number changed"] += 1
    elif old != new:
        counted["value changed"] += 1
