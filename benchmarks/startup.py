"""What a run that has nothing to do costs, against `python -c pass`: prints medians and the ratio.

    python benchmarks/startup.py [--runs N]

Runs the installed `skill-install cursor --no-verify` a second time in a temporary home, in turn with bare Python.
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
    program = shutil.which("skill-install")
    if program is None:
        sys.exit("skill-install is not on PATH: install this project first")
    install = [program, "cursor", "--no-verify"]
    bare = [sys.executable, "-c", "pass"]
    with tempfile.TemporaryDirectory() as home:
        variables = {**os.environ, "HOME": home}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's machine has compiled modules
        for name in [name for name in variables if name.startswith("XDG_")]:
            del variables[name]
        seconds(install, variables)
        assert Path(home, ".cursor/mcp.json").is_file()
        pairs = [(seconds(install, variables), seconds(bare, variables)) for _ in range(runs)]
    ours, python = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"skill-install cursor --no-verify, nothing to do   {ours * 1000:6.0f} ms")
    print(f"python -c pass                                    {python * 1000:6.0f} ms")
    print(f"ratio {ratio:.1f}, difference {(ours - python) * 1000:.0f} ms (medians of {runs})")


if __name__ == "__main__":
    main()
