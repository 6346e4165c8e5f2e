"""What checks look at, and what they give."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from .. import approval, clients, reading, tracking_uri, trust
from .. import entry as entries
from ..bundle import Bundle
from ..clients import Client, Entries
from ..entry import Entry
from ..environment import Environment
from ..errors import InstallerError
from ..record import Record
from ..trust import EntryAt, Trust


@dataclass(frozen=True)
class Finding:
    """What a check found. `detail`: a line. `path`: file, folder or URI. `fix`: one command or sentence.

    `status`, from good to bad: ok, info, skipped, warning, error. Only an error makes the doctor fail.
    """

    status: str
    detail: str
    path: str = ""
    fix: str = ""


_T = TypeVar("_T")


class Memory:
    """What several checks need and what takes long: asked for once, by the check that comes first, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._answers: dict[str, Any] = {}

    def once(self, name: str, ask: Callable[[], _T]) -> _T:
        """What `ask` gives, or the InstallerError that it raises, the first time and from then on."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._answers:
                try:
                    self._answers[name] = ask()
                except InstallerError as error:
                    self._answers[name] = error
        answer: _T | InstallerError = self._answers[name]
        if isinstance(answer, InstallerError):
            raise answer
        return answer


@dataclass(frozen=True)
class Subject:
    """One client in one scope on this machine, as it is."""

    client: Client
    scope: str
    env: Environment
    bundle: Bundle
    record: Record
    embedded_uri: str
    memory: Memory = field(default_factory=Memory, compare=False, repr=False)

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
    def trust(self) -> Trust:
        """What may be done with the entry."""
        return self.memory.once("trust", lambda: trust.may_use(self._entry_at(), self.env, self.record))

    @property
    def may_use(self) -> bool:
        """Whether the entry may be started, and its tracking server asked."""
        return self.trust.is_usable

    @property
    def tracking_uri(self) -> str:
        """The tracking URI that the server gets from entry and client, filled in."""
        written = reading.variable(self.own_entry, tracking_uri.VARIABLE)
        return self.expand(written) if written else self.variables.get(tracking_uri.VARIABLE, "")

    @property
    def may_send_credentials(self) -> bool:
        """Whether the entry's tracking server may get the user's credentials."""
        at = self._entry_at()
        ask = partial(trust.may_send_credentials, at, self.tracking_uri, self.env, self.record)
        return self.memory.once("credentials", ask)

    def _entry_at(self) -> EntryAt:
        try:
            entry = self.entry
        except InstallerError:  # a broken file has none to use
            entry = None
        return EntryAt(self.client, self.scope, self.place, self.bundle.server.name, entry)

    @property
    def skill_folders(self) -> list[Path]:
        """Where the bundle's skills belong in the scope."""
        folder = clients.skills_folder(self.client, self.scope, self.env)
        return [folder / skill.name for skill in self.bundle.skills]

    @property
    def other_scopes(self) -> list[str]:
        """The client's other scopes with an entry of that name, the winning one first."""
        name = self.bundle.server.name
        found = reading.live_entries(name, self.env)
        return [scope for client, scope, *_ in found if client is self.client and scope != self.scope]

    @property
    def variables(self) -> Mapping[str, str]:
        """What is in the client's environment where it is started from this shell: its settings win (measured)."""
        return reading.client_variables(self.client, self.env)

    def expand(self, text: str) -> str:
        """`text` as the client fills it in."""
        return self.client.expand(text, self.env._replace(variables=self.variables))

    def command(self, text: str) -> str:
        """An exact command of this program for this subject, such as `skill-install claude --scope project`."""
        return f"{text} {self.client.name}" + ("" if self.scope == "user" else f" --scope {self.scope}")


def in_use(client: Client, env: Environment, bundle: Bundle, record: Record, embedded_uri: str) -> list[Subject]:
    """The scopes in which there is something of ours, or a file that cannot be read, the winning one first.

    Where there is none, the user scope: that is where the entry is missing. An entry that the client does not start,
    because it waits for an approval or is switched off, wins over none that it does.
    """
    subjects = [Subject(client, scope, env, bundle, record, embedded_uri) for scope in client.precedence]
    found = [subject for subject in subjects if _has_something(subject)]
    live: list[Subject] = []
    idle: list[Subject] = []
    for subject in found:
        used = approval.verdict(client, subject.scope, bundle.server.name, env).is_used
        (live if used and _has_entry(subject) else idle).append(subject)
    return [*live, *idle] or [Subject(client, "user", env, bundle, record, embedded_uri)]


def _has_something(subject: Subject) -> bool:
    try:
        place = subject.place
        found = reading.servers(place)
    except InstallerError:  # a broken file, or no project here
        return _is_there(subject)
    name = subject.bundle.server.name
    return name in found or any(reading.spelled_otherwise(found, name)) or _has_own_skill(subject)


def _is_there(subject: Subject) -> bool:
    try:
        return os.path.lexists(subject.place.file)
    except InstallerError:
        return False


def _has_entry(subject: Subject) -> bool:
    try:
        return subject.entry is not None
    except InstallerError:
        return True


def _has_own_skill(subject: Subject) -> bool:
    """Whether there is a skill in the scope's folder, unless that is the user's."""
    users = clients.skills_folder(subject.client, "user", subject.env)
    return any(folder.parent != users and os.path.lexists(folder) for folder in subject.skill_folders)
