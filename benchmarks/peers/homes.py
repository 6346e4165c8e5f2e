"""Throw-away homes, each a copy of what a program needs in one."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .tools import FILES, Tool


@dataclass
class Homes:
    """Makes homes below `folder`."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def home(self, tool: Tool) -> Iterator[Path]:
        """A new home, gone afterwards."""
        home = self.folder / f"home{next(self._numbers)}"
        shutil.copytree(self._template(tool), home)
        try:
            yield home
        finally:
            shutil.rmtree(home)

    def _template(self, tool: Tool) -> Path:
        template = self.folder / tool.title.replace(" ", "-")
        if not template.exists():
            template.mkdir()
            tool.prepare(tool, template)
        return template


def place(home: Path, client: str, content: bytes, mode: int = 0o600) -> Path:
    """Puts the client's file into a home."""
    file = home / FILES[client]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    file.chmod(mode)
    return file


def others(home: Path, file: Path) -> Iterator[Path]:
    """All files in the home besides this one."""
    return (path for path in home.rglob("*") if path.is_file() and not path.is_symlink() and path != file)
