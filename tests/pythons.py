"""The Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def find(*versions: str) -> str | None:
    """The path of a Python of one of these versions, the first one first: in pyenv or on PATH.

    pyenv is looked into, because its shims start only the versions that its user has chosen.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        for path in [*sorted(pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]:
            if path and subprocess.run([path, "-c", "pass"], capture_output=True, check=False).returncode == 0:
                return str(path)
    return None
