"""An unexpected exception, for people: one line, and a saved traceback that they can attach to a report."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator

from . import redact


def line(error: Exception) -> str:
    """Save the traceback, and return one line with its path. Only the class of `error` is shown."""
    what = f"unexpected {type(error).__name__}, a bug in accessing-mlflow; please report it"
    try:
        return f"{what} with the traceback in {save(error)}"
    except OSError as other:
        return f"{what} (the traceback could not be saved: {other.strerror})"


def save(error: Exception) -> str:
    """Write the redacted traceback of `error` to a new file in the temporary folder; return its path.

    Only the user can read the file. Raises OSError.
    """
    text = "".join(traceback.format_exception(error))
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, redact.HIDDEN).replace(repr(secret)[1:-1], redact.HIDDEN)
    number, path = tempfile.mkstemp(prefix="accessing-mlflow-", suffix=".traceback.txt")
    with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(redact.text(text))
    return path


def _secrets() -> Iterator[str]:
    """The secrets in our environment and on our command line, which an exception may quote without their names."""
    given = (argument.partition("=") for argument in sys.argv)
    for name, value in [*os.environ.items(), *((name, value or name) for name, _, value in given)]:
        if redact.is_secret_name(name) and len(value) >= redact.SHORTEST_SECRET:
            yield value
        for user, password in re.findall(r"//([^\s/?#@:]*):?(\S*)@", value):
            yield from (part for part in (user, password) if len(part) >= redact.SHORTEST_SECRET)
