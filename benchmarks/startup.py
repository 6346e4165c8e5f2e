"""What a run that has nothing to do costs, against `python -c pass`: prints medians, ratios and differences.

    python benchmarks/startup.py [--runs N]

Runs the installed `skill-install cursor --no-verify` a second time, and `skill-doctor --offline` where all is in order,
in a temporary home and in turn with bare Python. The goals: within 80 and 150 ms of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def seconds(command: Sequence[str], variables: dict[str, str]) -> float:
    """How long the command takes, start to end."""
    started = time.perf_counter()
    subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    commands = [["skill-install", "cursor", "--no-verify"], ["skill-doctor", "claude", "cursor", "--offline"]]
    if shutil.which("skill-install") is None:
        sys.exit("skill-install is not on PATH: install this project first")
    bare = [sys.executable, "-c", "pass"]
    with tempfile.TemporaryDirectory() as home:
        variables = {**os.environ, "HOME": home}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's machine has compiled modules
        for name in [name for name in variables if name.startswith("XDG_")]:
            del variables[name]
        for command in (["skill-install", "claude", "cursor", "--no-verify"], *commands):
            seconds(command, variables)
        assert Path(home, ".cursor/mcp.json").is_file()
        rounds = [[seconds(command, variables) for command in (bare, *commands)] for _ in range(runs)]
    python, *ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{'python -c pass':<42} {python * 1000:4.0f} ms")
    for command, median in zip(commands, ours, strict=True):
        added = f"ratio {median / python:.1f}, difference {(median - python) * 1000:.0f} ms"
        print(f"{' '.join(command):<42} {median * 1000:4.0f} ms   {added}")
    print(f"(medians of {runs})")


if __name__ == "__main__":
    main()
