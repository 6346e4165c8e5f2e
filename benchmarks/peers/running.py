"""Commands in throw-away homes, with what they cost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
SECONDS = 120.0
"""What a command may take: the slowest takes 4 s on a quiet machine."""

# No telemetry, no update checks; and whoever asks the network all the same is told at once that there is none.
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    "FASTMCP_TELEMETRY_MODE": "off",
    "MCPM_NON_INTERACTIVE": "true",
    "NO_UPDATE_NOTIFIER": "1",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}

# As root a file's mode is no obstacle, and a case about it would test nothing.
WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


class NotApplicableError(Exception):
    """What cannot be measured here; the message is the reason."""


@dataclass(frozen=True)
class Outcome:
    """What one run gave: `peak` in bytes, of its largest process; `output` is the end of both its streams.

    `processor`: seconds of all its processes and threads together, which other work on the machine hardly changes.
    """

    code: int
    seconds: float
    processor: float
    peak: int
    output: str


def variables(home: Path) -> dict[str, str]:
    """The whole environment of a run. Nothing that steers Python, Node.js or XDG folders here reaches it."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb", **QUIET}


def run(command: Sequence[str], home: Path, *, file_limit: int = 0, output: Path | None = None) -> Outcome:
    """Runs `command` in `home`, its file sizes limited to `file_limit` bytes where that is not 0."""
    log = output or home / ".output"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCH), str(SECONDS), str(file_limit), str(log), *command],
        cwd=home,
        env=variables(home),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    code, seconds, processor, kib = done.stdout.split()
    text = log.read_bytes()[-2000:].decode(errors="replace")
    return Outcome(int(code), float(seconds), float(processor), int(kib) * 1024, text)


def without_override(command: Sequence[str]) -> list[str]:
    """The command, with a file's mode in force even for root. Raises NotApplicableError where that cannot be had."""
    if os.geteuid() != 0:
        return list(command)
    if shutil.which(WITHOUT_OVERRIDE[0]) is None:
        raise NotApplicableError("runs as root, without setpriv")
    return [*WITHOUT_OVERRIDE, *command]
