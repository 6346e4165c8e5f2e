"""Edits of other programs' configuration files, one module per document format.

A format module works on the file's bytes, neither reads nor writes a file, and offers:

- `set_member(data, path, value) -> bytes`: the document with the member at `path` set to `value`;
- `remove_member(data, path) -> bytes`: the document without that member;
- `read_member(data, path, default=None) -> Any`: that member's value;
- `relaxations(data) -> list[Relaxation]`: where the document is laxer than the format's standard.

`path` names the member from the outside in, such as `("mcpServers", "MLflow")`. Every byte outside the edited
member stays as it is, and an edit that changes nothing returns `data` itself. A document that the format does not
allow raises `DocumentError`; it is never mended, because only its owner knows what was meant.

`jsonc` is JSON, with the comments and trailing commas that some clients allow; `toml` is TOML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from accessing_mlflow.errors import InstallerError


class Relaxation(NamedTuple):
    """A place where a document is not what the standard says though accepted here; positions as in `DocumentError`."""

    kind: Literal["comment", "trailing comma"]
    line: int
    column: int


class Format(Protocol):
    """What a format module offers."""

    def set_member(self, data: bytes, path: Sequence[str], value: object) -> bytes: ...

    def remove_member(self, data: bytes, path: Sequence[str]) -> bytes: ...

    def read_member(self, data: bytes, path: Sequence[str], default: object = None) -> Any: ...

    def relaxations(self, data: bytes) -> list[Relaxation]: ...


def kept(old: Sequence[object], new: Sequence[object]) -> list[int]:
    """The indexes of those items of `old`, in order, that `new` begins with: what an edit of an array leaves alone."""
    found: list[int] = []
    for index, item in enumerate(old):
        if len(found) < len(new) and item == new[len(found)]:
            found.append(index)
    return found


class DocumentError(InstallerError):
    """A document that cannot be edited or read, and where.

    `line` and `column` count from 1, columns in characters; `reason` is without the position. The caller, who knows
    the file, adds its path.
    """

    def __init__(self, reason: str, line: int, column: int, fix: str = "") -> None:
        super().__init__(f"line {line}, column {column}: {reason}", fix)
        self.reason = reason
        self.line = line
        self.column = column
