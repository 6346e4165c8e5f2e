"""Edits of other programs' configuration files, one module per document format.

A format module works on the file's bytes, neither reads nor writes a file, and offers:

- `set_member(data, path, value) -> bytes`: the document with the member at `path` set to `value`;
- `remove_member(data, path) -> bytes`: the document without that member;
- `read_member(data, path, default=None) -> Any`: that member's value.

`path` names the member from the outside in, such as `("mcpServers", "MLflow")`. Every byte outside the edited
member stays as it is, and an edit that changes nothing returns `data` itself. A document that the format does not
allow raises `DocumentError`; it is never mended, because only its owner knows what was meant.

`jsonc` is JSON, with the comments and trailing commas that some clients allow.
"""

from __future__ import annotations

from accessing_mlflow.errors import InstallerError


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
