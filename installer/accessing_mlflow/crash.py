"""Save the traceback of an unexpected exception, so that a user can attach it to a report."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Mapping

from . import redact


def save(error: BaseException, variables: Mapping[str, str]) -> str:
    """Write the redacted traceback of `error` to a new file in the temporary folder; return its path.

    Only the user can read the file. Raises OSError.
    """
    text = _without_values(redact.text("".join(traceback.format_exception(error))), variables)
    number, path = tempfile.mkstemp(prefix="accessing-mlflow-", suffix=".traceback.txt")
    with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def _without_values(text: str, variables: Mapping[str, str]) -> str:
    """`text` without the values of variables with secret names: an exception may quote one without its name."""
    secrets = {value for name, value in variables.items() if value and redact.is_secret_name(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, redact.HIDDEN)
    return text
