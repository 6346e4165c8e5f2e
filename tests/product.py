"""The product as a user has it: the built wheel, in an environment with its run-time dependencies and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
COMMANDS = ("skill-install", "skill-uninstall", "skill-doctor")
_FOLDER = "TEST_PRODUCT"
_UV = Path(sys.prefix) / "bin" / "uv"


def make() -> Path:
    """Build sdist and wheel from this tree, install the wheel, and tell all processes of this test run where.

    Returns the folder, which `remove` deletes: `dist/` has what was built, `environment/` the installed product.
    """
    cache = REPOSITORY / ".cache"
    cache.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="product-", dir=cache))
    os.environ[_FOLDER] = str(folder)
    try:
        uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder / "dist", REPOSITORY)
        try:
            install(wheel(), folder / "environment", "--offline")
        except subprocess.CalledProcessError:  # uv's cache lacks something
            install(wheel(), folder / "environment")
    except BaseException:
        remove(folder)
        raise
    return folder


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop(_FOLDER, None)


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
    return Path(os.environ[_FOLDER])
