"""The product as a user has it: the built wheel, in an environment with its run-time dependencies and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
COMMANDS = ("skill-install", "skill-uninstall", "skill-doctor")
FOLDER = "TEST_PRODUCT"
"""The variable that names the folder with the product."""
_UV = Path(sys.prefix) / "bin" / "uv"


def make(folder: Path) -> None:
    """Build sdist and wheel from this tree into `folder`, install the wheel there, and tell our child processes so."""
    os.environ[FOLDER] = str(folder)
    uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder / "dist", REPOSITORY)
    try:
        install(wheel(), folder / "environment", "--offline")
    except subprocess.CalledProcessError:  # uv's cache lacks something
        install(wheel(), folder / "environment")


def install(what: Path, environment: Path, *options: str, python: str = sys.executable) -> None:
    """Install a wheel or sdist into a new environment for `python`. `options`: for `uv pip install`."""
    uv("venv", "--clear", "--python", python, environment)
    uv("pip", "install", *options, "--python", program("python", environment), what)


def uv(*arguments: str | Path) -> None:
    """Run the uv of the development environment outside of any project."""
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run([_UV, "--quiet", *arguments], check=True, cwd="/", env=variables, stdin=subprocess.DEVNULL)


def wheel() -> Path:
    return next((_folder() / "dist").glob("*.whl"))


def sdist() -> Path:
    return next((_folder() / "dist").glob("*.tar.gz"))


def program(name: str, environment: Path | None = None) -> str:
    """The path of `skill-install`, say, or of `python`, in the product's environment."""
    return str((environment or _folder() / "environment") / "bin" / name)


def _folder() -> Path:
    return Path(os.environ[FOLDER])


if __name__ == "__main__":
    make(Path(sys.argv[1]))
