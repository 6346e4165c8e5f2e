"""A temporary home in which the real commands run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner, Result

from accessing_mlflow import cli, crash

COMMANDS: dict[str, click.Command] = {
    "skill-install": cli.install,
    "skill-uninstall": cli.uninstall,
    "skill-doctor": cli.doctor,
}
URI = "https://mlflow.example.org"


def raise_bugs(patch: pytest.MonkeyPatch) -> None:
    """An unexpected exception leaves the command: a test that expects a refusal must not take a bug for one."""

    def line(error: Exception) -> NoReturn:
        raise error

    patch.setattr(crash, "line", line)


@dataclass
class Home:
    """A user's machine: a home folder, a folder for programs, and the working directory."""

    path: Path
    programs: Path
    patch: pytest.MonkeyPatch

    def run(self, line: str, *more: str, expect: int | None = 0, stdin: str | None = None) -> Result:
        """Runs a command line such as `skill-install claude --no-verify`; it has to end as expected (None: somehow)."""
        name, *args = line.split()
        result = CliRunner().invoke(COMMANDS[name], [*args, *more], input=stdin, catch_exceptions=False)
        assert expect in (None, result.exit_code), f"exit code {result.exit_code}, not {expect}:\n{result.output}"
        return result

    def json(self, line: str, *more: str, expect: int | None = 0) -> Any:
        """The document that a command prints with --json."""
        return json.loads(self.run(line, *more, "--json", expect=expect).stdout)

    def write(self, name: str, text: str | bytes | dict[str, Any]) -> Path:
        """Writes a file below the home folder."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(text, indent=2) if isinstance(text, dict) else text
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return file

    def read(self, name: str) -> Any:
        """The data of a JSON file below the home folder."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def program(self, name: str, text: str = "#!/bin/sh\nexit 0\n", folder: Path | None = None) -> Path:
        """Puts a program on the faked PATH, or into another folder."""
        file = (folder or self.programs) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)
        return file

    def variable(self, name: str, value: str) -> None:
        """Sets an environment variable."""
        self.patch.setenv(name, value)

    def cd(self, folder: str | Path) -> Path:
        """Makes `folder`, below the home folder, the working directory."""
        path = self.path / folder
        path.mkdir(parents=True, exist_ok=True)
        self.patch.chdir(path)
        return path

    def files(self) -> dict[str, bytes]:
        """Every file below the home folder, with its content; without the backups, which uninstalling leaves."""
        return {
            str(p.relative_to(self.path)): p.read_bytes()
            for p in sorted(self.path.rglob("*"))
            if p.is_file() and "backups" not in p.parts
        }

    def folders(self) -> set[str]:
        """Every folder below the home folder; without those that only hold the backups."""
        kept = {parent for p in self.path.rglob("backups") for parent in (p, *p.parents, *p.rglob("*"))}
        return {str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_dir() and p not in kept}
