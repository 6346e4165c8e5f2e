"""Which line of a program's last words is shown."""

from __future__ import annotations

import pytest

from accessing_mlflow.processes import last_error

UV = """\
Downloading numpy (15.9MiB)
error: Failed to download `numpy==2.4.6`
  cause: Failed to extract archive: numpy-2.4.6.whl
  cause: failed to write to file `/cache/numpy/__init__.pyi`: No space left on device (os error 28)

hint: `numpy` (v2.4.6) was included because `mlflow-mcp` (v0.4.1) depends on `mlflow`
"""


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", ""),
        ("\n  \n----\n", ""),
        (
            "INFO:a.b:Starting\nERROR:mlflow_mcp.server:MLFLOW_TRACKING_URI is not set\n",
            "MLFLOW_TRACKING_URI is not set",
        ),
        ("Traceback (most recent call last):\n  File x\nValueError: no such port\n", "ValueError: no such port"),
        ("  | ValueError: in a group\n  +------------------------------------\n", "ValueError: in a group"),
        (UV, "failed to write to file `/cache/numpy/__init__.pyi`: No space left on device (os error 28)"),
        ("error: invalid value\n\nhint: try --help\n", "invalid value"),
        ("\x1b[1m\x1b[31merror\x1b[39m\x1b[0m: it is red\n", "it is red"),
        ("\r50%\r100%\rdone it\x07\n", "done it"),
        ("cannot reach https://me:pw@h/ with TOKEN=abc", "cannot reach https://***@h/ with TOKEN=***"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_the_line_that_tells_most(stderr: str, line: str) -> None:
    assert last_error(stderr) == line
