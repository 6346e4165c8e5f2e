"""What checks look at, and what they give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import clients, reading
from .. import entry as entries
from ..bundle import Bundle
from ..clients import Client, Entries
from ..entry import Entry
from ..environment import Environment
from ..errors import InstallerError
from ..record import Record


@dataclass(frozen=True)
class Finding:
    """What a check found. `detail`: a line. `path`: file, folder or URI. `fix`: one command or sentence.

    `status`, from good to bad: ok, info, skipped, warning, error. Only an error makes the doctor fail.
    """

    status: str
    detail: str
    path: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Subject:
    """One client in one scope on this machine, as it is."""

    client: Client
    scope: str
    env: Environment
    bundle: Bundle
    record: Record
    embedded_uri: str
    credentials: bool = True
    """Whether the tracking server may be sent the user's credentials: not if its address came with a project."""

    @property
    def place(self) -> Entries:
        """Where the client reads server entries of the scope."""
        return clients.entries(self.client, self.scope, self.env)

    @property
    def entry(self) -> Any:
        """The entry, of any shape; None where there is none. Raises InstallerError for a broken file."""
        return reading.servers(self.place).get(self.bundle.server.name)

    @property
    def own_entry(self) -> Entry | None:
        """The entry if it is one of ours that a client can use; for all else there is the entry's own check."""
        try:
            found = self.entry
            entries.check_shape(found, "")
        except InstallerError:
            return None
        return self.client.read_entry(found) if entries.is_ours(found, self.bundle.server.package) else None

    @property
    def skill_folders(self) -> list[Path]:
        """Where the bundle's skills belong in the scope."""
        folder = clients.skills_folder(self.client, self.scope, self.env)
        return [folder / skill.name for skill in self.bundle.skills]

    def command(self, text: str) -> str:
        """An exact command of this program for this subject, such as `skill-install claude --scope project`."""
        return f"{text} {self.client.name}" + ("" if self.scope == "user" else f" --scope {self.scope}")


def in_use(client: Client, env: Environment, bundle: Bundle, record: Record, embedded_uri: str) -> list[Subject]:
    """The scopes in which there is an entry, or a file that cannot be read, the winning one first.

    Where there is none, the user scope: that is where the entry is missing.
    """
    subjects = (Subject(client, scope, env, bundle, record, embedded_uri) for scope in client.precedence)
    found = [subject for subject in subjects if _has_something(subject)]
    return found or [Subject(client, "user", env, bundle, record, embedded_uri)]


def _has_something(subject: Subject) -> bool:
    try:
        place = subject.place
    except InstallerError:  # no project here
        return False
    try:
        return subject.entry is not None
    except InstallerError:
        return place.file.exists()
