"""Standard streams that let a command finish even if its output cannot be written."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any, TextIO, cast


class Streams:
    """Replace `sys.stdout` and `sys.stderr`, and report lost output at the end.

    A closed pipe (`| head -1`) or a stream closed by the caller (`<&-`, `>&-`) is not an error. Other write failures,
    such as a full disk, print one line on standard error and exit with 1.
    """

    def __enter__(self) -> Streams:
        if sys.stdin is None:
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123  # until we end
        self._before = sys.stdout, sys.stderr
        self._out, self._err = (_Patient(stream) for stream in self._before)
        sys.stdout, sys.stderr = cast("TextIO", self._out), cast("TextIO", self._err)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()
        lost = self._out.error
        if lost is not None:
            self._err.write(f"error: cannot write to standard output: {lost.strerror}\n")
        self._err.flush()
        sys.stdout, sys.stderr = self._before
        if lost is not None and isinstance(error, SystemExit) and not error.code:
            raise SystemExit(1)


class _Patient:
    """A text stream that drops what cannot be written. `error`: the reason, unless it was a closed pipe."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # until we end
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Redirect this stream to the null device, including buffered output."""
        if not isinstance(error, BrokenPipeError):
            self.error = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
