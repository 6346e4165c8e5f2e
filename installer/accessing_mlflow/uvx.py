"""Where uvx is, and how a server entry should name it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .environment import Environment
from .errors import InstallerError

# uv keeps throw-away environments in buckets of its cache, wherever the cache is.
_UV_BUCKET = re.compile(r"(archive|environments|builds)-v\d+")


class Uvx(NamedTuple):
    """A uvx that lasts. `path`: as found, symlinks unresolved."""

    path: Path
    on_path: bool
    in_environment: bool
    """In a virtual environment: gone when that is."""


class UvxNotFound(InstallerError):
    """There is no uvx; `fix` has this platform's commands to install it."""

    def __init__(self, platform: str) -> None:
        super().__init__("uvx was not found, and the MCP server is run by it", _how_to_install(platform))


def find(env: Environment) -> Uvx:
    """uvx on PATH, beside the running interpreter, or beside the uv that runs us.

    A copy in a cache of uv or pipx is passed over: it is gone tomorrow. One outside of a virtual environment is
    preferred, wherever on PATH it lies. Raises UvxNotFound.
    """
    found = list(_candidates(env))
    if not found:
        raise UvxNotFound(env.platform)
    return next((uvx for uvx in found if uvx.on_path and not uvx.in_environment), found[0])


def written(uvx: Uvx | None, *, desktop: bool, shared: bool, env: Environment) -> str:
    """The command for a server entry.

    `shared`: a file for other people's machines, always plain `uvx`. `desktop`: for a client that is started with
    a short PATH, where `spawn uvx ENOENT` is what users meet: absolute unless uvx lies on that PATH.
    """
    if uvx is None or shared:
        return "uvx"
    if uvx.in_environment or not uvx.on_path:
        return str(uvx.path)
    if desktop and env.platform != "win32" and str(uvx.path.parent) not in env.desktop_path.split(":"):
        return str(uvx.path)
    return "uvx"


def is_in_cache(path: Path, env: Environment) -> bool:
    """Whether `path` lies in a cache of uv or pipx, and so cannot be relied on."""
    moved = env.variables.get("UV_CACHE_DIR")
    if moved and Path(moved) in path.parents:
        return True
    return any(part in (".cache", "Caches") or _UV_BUCKET.fullmatch(part) for part in path.parts)


PYTHONS = ">=3.10,<3.15"
"""The versions that the server and the files of `--pin` are for."""

_ANY_PYTHON = "3.12"
_PYTHON_SECONDS = 20.0

_MACHINES_SETTINGS = Path("/etc/uv/uv.toml")

_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY")
"""What uv's cache depends on: it has a part for each index."""


def python(uvx: Uvx | None, env: Environment, *, desktop: bool) -> str:
    """The Python for a pinned entry, as uv's --python takes it. Runs uv, which writes nothing.

    A version, such as `3.11`, so that a Python that is installed later, and that nothing was fetched for, is not
    taken instead. For a `desktop` client that would find another one, or none, with its short PATH: the program's
    path. Where there is no Python in PYTHONS, a version that uv downloads.
    """
    if uvx is None:
        return _ANY_PYTHON
    version = _python(uvx, PYTHONS, dict(env.variables), "--show-version")
    minor = ".".join(version.split(".")[:2]) or _ANY_PYTHON
    if not desktop or not version or env.platform == "win32":
        return minor
    path = _python(uvx, minor, dict(env.variables))
    short = {"HOME": str(env.home), "PATH": env.desktop_path}
    return minor if _python(uvx, minor, short) == path else path


def interpreter(uvx: Uvx, wanted: str, variables: Mapping[str, str]) -> str:
    """The path of the Python that uv takes for `wanted`, outside of any project and virtual environment.

    `wanted` itself where there is none yet: uv downloads it.
    """
    return _python(uvx, wanted, dict(variables)) or wanted


def _python(uvx: Uvx, wanted: str, variables: dict[str, str], *options: str) -> str:
    """What `uv python find` prints; empty where it finds none, or uv is not beside uvx."""
    import subprocess

    from .processes import output

    command = [uv(uvx.path), "python", "find", "--system", "--no-project", "--no-python-downloads", "--no-cache"]
    try:
        code, found = output([*command, *options, wanted], variables, timeout=_PYTHON_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found if code == 0 else ""


def uv(uvx: Path) -> str:
    """The uv that belongs to a uvx: beside it, or beside what it is a link to, as uvx itself looks for it."""
    name = uvx.name.replace("uvx", "uv", 1)
    beside = uvx.with_name(name)
    return str(beside if beside.exists() else uvx.resolve().with_name(name))


def shell_settings(env: Environment) -> dict[str, str]:
    """What the shell tells uv, and a client from the desktop does not know: the cache, the settings, the indexes.

    Without the passwords in addresses: uv's cache goes by the address alone.
    """
    own = own_folders(env)
    found = {}
    if env.variables.get("UV_CACHE_DIR") or env.variables.get("XDG_CACHE_HOME"):
        found["UV_CACHE_DIR"] = str(env.cwd / own["UV_CACHE_DIR"])
    if "UV_CONFIG_FILE" in own and (env.variables.get("UV_CONFIG_FILE") or env.variables.get("XDG_CONFIG_HOME")):
        found["UV_CONFIG_FILE"] = str(env.cwd / own["UV_CONFIG_FILE"])
    for name in _INDEXES:
        if env.variables.get(name):
            found[name] = without_passwords(env.variables[name])
    return found


def without_passwords(addresses: str) -> str:
    """Addresses, separated by spaces, without user and password."""
    return re.sub(r"://[^\s/?#]*@", "://", addresses)


def own_folders(env: Environment) -> dict[str, str]:
    """Variables that lead uv to the user's own cache, interpreters, tools and settings from under another HOME.

    The places are those that uv's documentation gives for Linux and macOS.
    """
    cache = Path(env.variables.get("XDG_CACHE_HOME") or env.home / ".cache") / "uv"
    data = Path(env.variables.get("XDG_DATA_HOME") or env.home / ".local" / "share") / "uv"
    settings = Path(env.variables.get("XDG_CONFIG_HOME") or env.home / ".config") / "uv" / "uv.toml"
    netrc = env.home / ".netrc"
    found = {
        "UV_CACHE_DIR": cache,
        "UV_PYTHON_INSTALL_DIR": data / "python",
        "UV_TOOL_DIR": data / "tools",
        "UV_CONFIG_FILE": settings,
        "NETRC": netrc,
    }
    # uv makes those of its folders that are not there, and the cache it needs.
    there = {name: str(path) for name, path in found.items() if path.exists() or name == "UV_CACHE_DIR"}
    return {name: env.variables.get(name, value) for name, value in there.items()}


def settings_file(env: Environment) -> Path | None:
    """The user's own settings for uv, else the machine's; None where there are neither."""
    own = own_folders(env).get("UV_CONFIG_FILE")
    if own is not None:
        return env.cwd / own
    return _MACHINES_SETTINGS if env.platform != "win32" and _MACHINES_SETTINGS.exists() else None


def _candidates(env: Environment) -> Iterator[Uvx]:
    folders = [(folder, True) for folder in env.path_folders]
    folders.append((env.interpreter.parent, False))
    if "UV" in env.variables:  # set by uv for what it runs: the path of uv itself
        folders.append((Path(env.variables["UV"]).parent, False))
    for folder, on_path in folders:
        for path in _programs(folder, _names(env)):
            if not is_in_cache(path, env):
                yield Uvx(path, on_path, (folder.parent / "pyvenv.cfg").is_file())


def _names(env: Environment) -> tuple[str, ...]:
    return ("uvx.exe", "uvx.cmd") if env.platform == "win32" else ("uvx",)


def _programs(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    if folder.is_absolute():
        yield from (p for p in (folder / name for name in names) if p.is_file() and os.access(p, os.X_OK))


def _how_to_install(platform: str) -> str:
    by_platform = {
        "darwin": ("brew install uv", "python3 -m pip install uv"),
        "win32": ("winget install --id=astral-sh.uv -e", "py -m pip install uv"),
    }
    ways = by_platform.get(platform, ("python3 -m pip install --user uv", "pipx install uv"))
    return "install uv, which brings uvx: " + "   or: ".join(ways)
