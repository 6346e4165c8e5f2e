"""What this program knows of the machine and the user: read once, at the edge, and handed down."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import platformdirs

from .errors import InstallerError

APP = "accessing-mlflow"

PLACES = (
    "UV_CACHE_DIR",
    "UV_CONFIG_FILE",
    "UV_PYTHON_INSTALL_DIR",
    "UV_TOOL_DIR",
    "NETRC",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables with a path that uv reads: a CI job sets `UV_CACHE_DIR=.uv-cache`."""


class Environment(NamedTuple):
    """`home`: as the user spells it, symlinks unresolved. `cwd`: a real path. `variables`: the whole environment."""

    home: Path
    cwd: Path
    variables: Mapping[str, str]
    platform: str
    interpreter: Path
    store_folder: Path
    """Where the embedded store lies: in the user's data folder."""
    state_folder: Path
    """Where the record and the backups lie."""

    @classmethod
    def of_process(cls) -> Environment:
        """The environment of the running process. Raises InstallerError where it has no home or working directory."""
        try:
            home, cwd = Path.home(), Path.cwd()
        except FileNotFoundError:
            raise InstallerError("the working directory is gone", "change into another one") from None
        except RuntimeError as error:
            raise InstallerError(f"there is no home folder: {error}", "set HOME") from None
        return cls(
            home=home,
            cwd=cwd,
            variables=absolute(os.environ, cwd),
            platform=sys.platform,
            interpreter=Path(sys.executable),
            store_folder=platformdirs.user_data_path(APP, appauthor=False) / "store",
            state_folder=platformdirs.user_state_path(APP, appauthor=False),
        )

    @property
    def server_folder(self) -> Path:
        """Where the files lie that pinned entries name: beside the store, a folder for each edition of them."""
        return self.store_folder.parent / "server"

    @property
    def path_folders(self) -> tuple[Path, ...]:
        """The folders on PATH, in order."""
        return tuple(Path(part) for part in self.variables.get("PATH", "").split(os.pathsep) if part)

    @property
    def desktop_path(self) -> str:
        """The PATH that a program started from a desktop launcher sees: none of what a shell's profile adds.

        On Windows a desktop program gets the user's whole PATH. macOS: launchd's default. Linux: what display
        managers set.
        """
        if self.platform == "win32":
            return self.variables.get("PATH", "")
        if self.platform == "darwin":
            return "/usr/bin:/bin:/usr/sbin:/sbin"
        return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def shown(self, path: Path) -> str:
        """`path` for people: home as `~`."""
        try:
            return str(Path("~") / path.relative_to(self.home))
        except ValueError:
            return str(path)

    def shown_in(self, text: str) -> str:
        """`text` with the home folder in it as `~`: reports get pasted into chats."""
        if self.home == self.home.parent:
            return text
        return re.sub(rf"(?<![\w.~-]){re.escape(str(self.home))}(?=/|\\|$|[^\w.-])", "~", text)

    def shown_in_command(self, command: str) -> str:
        """`command` for a shell, home as `~`: unquoted, as in `~/'a b'`, because a quoted `~` is just a name."""
        pieces = re.split(r"('[^']*')", command)
        for number, piece in enumerate(pieces):
            if number % 2 == 0:
                pieces[number] = self.shown_in(piece)
            elif re.search(r"\S$", pieces[number - 1]) is None and re.match(r"\S", pieces[number + 1]) is None:
                pieces[number] = self._shown_quoted(piece)
        return "".join(pieces)

    def _shown_quoted(self, word: str) -> str:
        import shlex

        start = f"'{self.home}/"
        return f"~/{shlex.quote(word[len(start) : -1])}" if word.startswith(start) and word != f"{start}'" else word


def absolute(variables: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """`variables` with uv's relative paths made absolute: they are from `cwd`, and uv is started elsewhere."""
    return {**variables, **{name: str(cwd / variables[name]) for name in PLACES if variables.get(name)}}
