"""What is different where a person looks on: colours, and a line of progress."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from types import TracebackType
from typing import IO

_PATIENCE = 0.3
"""Seconds that nobody needs to be told about."""


def has_colours(stream: IO[str], variables: Mapping[str, str]) -> bool:
    """Whether to colour what goes to `stream`: on a terminal, unless the user has said otherwise.

    By the conventions of no-color.org and bixense.com/clicolors: NO_COLOR wins, then CLICOLOR_FORCE, then CLICOLOR=0.
    """
    if variables.get("NO_COLOR"):
        return False
    if variables.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return variables.get("CLICOLOR") != "0" and _is_capable(stream, variables)


def _is_capable(stream: IO[str], variables: Mapping[str, str]) -> bool:
    return stream.isatty() and variables.get("TERM") != "dumb"


def columns(stream: IO[str], *, coloured: bool) -> int | None:
    """How wide the terminal is that `stream` goes to, or what is coloured as if for one; None for all else."""
    return shutil.get_terminal_size().columns if coloured or stream.isatty() else None


class Progress:
    """One line on a terminal that says what is waited for; it is gone at the end. Nothing elsewhere."""

    def __init__(self, stream: IO[str], variables: Mapping[str, str]) -> None:
        self._stream = stream
        self._shows = _is_capable(stream, variables)
        self._shown = ""

    def __enter__(self) -> Progress:
        return self

    def show(self, text: str, seconds: float) -> None:
        """`seconds`: since it began."""
        if self._shows and seconds >= _PATIENCE:
            self._show(f"{text} ({seconds:.0f} s)")

    def _show(self, line: str) -> None:
        if line != self._shown:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{line[:width]}")
            self._stream.flush()
            self._shown = line

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._shown:
            self._show("")
