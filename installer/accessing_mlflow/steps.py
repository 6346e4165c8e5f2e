"""A plan as data: what will be different on disk, and why. Made by `plan_install` and `plan_uninstall`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from .bundle import Hashes, Skill
from .clients import Client, Entries
from .tracking_uri import Choice
from .uvx import Uvx

UNCHANGED = frozenset({"unchanged", "shared", "kept", "absent", "left"})
"""Outcomes of a step that does nothing."""


class EntryStep(NamedTuple):
    """The member called `entry` at `place` goes from `before` to `after` (None: absent).

    `name` tells what it is: the server `entry`, or the `guard`, a list of rules. `before` may have any shape where it
    is replaced by force.
    """

    client: str
    scope: str
    place: Entries
    entry: str
    before: Any
    after: Any
    outcome: str
    detail: str = ""
    name: str = "entry"

    @property
    def path(self) -> Path:
        return self.place.file

    @property
    def keys(self) -> tuple[str, ...]:
        """The way to the entry from the root of its file."""
        return (*self.place.keys, self.entry)


class SkillStep(NamedTuple):
    """`skill` is put at `folder` (None: what is there goes), after what is there was saved, where `save` says so.

    `user` names the installation that relies on the folder.
    """

    client: str
    scope: str
    folder: Path
    skill: Skill | None
    outcome: str
    user: str
    save: bool = False
    detail: str = ""
    within: Path | None = None
    """The project that the folder has to lie in; None for one of the user's own."""

    @property
    def name(self) -> str:
        return "skill"

    @property
    def path(self) -> Path:
        return self.folder


class FolderStep(NamedTuple):
    """A folder of this program's own, `name` being store or backups, is made or, with what is in it, removed."""

    client: str
    scope: str
    name: str
    folder: Path
    outcome: str
    detail: str = ""

    @property
    def path(self) -> Path:
        return self.folder


class PinStep(NamedTuple):
    """The files that pinned entries name are put at `folder`, copied from `source` (None: the folder goes)."""

    client: str
    scope: str
    folder: Path
    source: Path | None
    files: Hashes
    outcome: str
    detail: str = ""

    @property
    def name(self) -> str:
        return "pin"

    @property
    def path(self) -> Path:
        return self.folder


Step: TypeAlias = EntryStep | SkillStep | FolderStep | PinStep


class Note(NamedTuple):
    """One line for the user. `level`: info or warning."""

    level: str
    text: str


class Plan(NamedTuple):
    """What is to be done for one client in one scope. `choice` and `uvx` are an installation's only."""

    client: Client
    scope: str
    steps: tuple[Step, ...]
    notes: tuple[Note, ...] = ()
    choice: Choice | None = None
    uvx: Uvx | None = None

    @property
    def entry(self) -> EntryStep:
        """The step for the server entry."""
        return next(step for step in self.steps if isinstance(step, EntryStep) and step.name == "entry")

    @property
    def changes(self) -> bool:
        """Whether anything on disk would be different."""
        return any(step.outcome not in UNCHANGED for step in self.steps)


def installation(client: Client, scope: str, place: str = "") -> str:
    """The name of an installation in the record, such as `claude:user` or `claude:local:/home/user/project`."""
    return ":".join(part for part in (client.name, scope, place) if part)
