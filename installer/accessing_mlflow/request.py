"""What an installation is planned from: the command line, the machine, the bundle, the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .bundle import Bundle
from .environment import Environment
from .errors import InstallerError
from .record import Record
from .steps import Plan
from .tracking_uri import Candidate


class Ask(NamedTuple):
    """Asks the person at the terminal."""

    tracking_uri: Callable[[tuple[Candidate, ...]], str]
    """For a tracking URI; an empty answer means the local store. Shows the addresses that only a project names."""
    consent: Callable[[str], bool]
    """Whether to install over a project's entry, which the text shows."""


class Request(NamedTuple):
    """What the command line asks for. `variables`: of --env, with None for a reference."""

    scope: str = "user"
    tracking_uri: str | None = None
    variables: Mapping[str, str | None] | None = None
    pin: bool | None = None
    """None: an entry stays as it is, pinned or not."""
    allow_writes: bool = False
    force: bool = False
    verify: bool = True
    demo: bool = False
    keep_edited: bool = False
    """Whether an edited skill is left as it is, in place of a refusal."""


class Context(NamedTuple):
    """All that a plan is made from."""

    request: Request
    env: Environment
    bundle: Bundle
    record: Record
    embedded_uri: str
    ask: Ask | None = None
    earlier: tuple[Plan, ...] = ()
    """The plans for other clients that are carried out before this one."""


class Conflict(InstallerError):
    """Something that is not ours, or not as we left it, is in the way; --force replaces it."""
