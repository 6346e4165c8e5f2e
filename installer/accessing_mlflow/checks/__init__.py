"""The doctor's checks: one function each, under a stable id. A new check is one function and one row of `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..clients import Client
from ..errors import InstallerError
from . import entry, machine, pin, server, skill
from .subject import Finding, Subject


@dataclass(frozen=True)
class Check:
    """`per`: run once for a client, once for each scope in use, or for the entry that wins."""

    id: str
    per: str
    run: Callable[[Subject], Finding | None]
    online: bool = False
    """Whether it starts a server or asks one: left out with --offline."""
    verbose: bool = False
    """Whether it is run with -v only."""


CHECKS: tuple[Check, ...] = (
    Check("client", "client", machine.client),
    Check("uvx", "client", machine.uvx),
    Check("skill", "scope", skill.skill),
    Check("entry", "scope", entry.entry),
    Check("guard", "scope", entry.guarded),
    Check("ignored-entry", "client", entry.ignored_entry),
    Check("other-spelling", "scope", entry.other_spelling),
    Check("kept-versions", "scope", machine.kept_versions, verbose=True),
    Check("tracking-uri", "winner", entry.tracking_uri),
    Check("pin", "winner", pin.pin),
    Check("mcp-server", "winner", server.mcp_server, online=True),
    Check("tracking-server", "winner", server.tracking_server, online=True),
)


@dataclass(frozen=True)
class Result:
    """What a check found. `scope` is empty for a check of the client as a whole."""

    id: str
    client: str
    scope: str
    finding: Finding


def run(check: Check, subject: Subject) -> Result | None:
    """The check's result; None where it has nothing to say. A check that raises has failed."""
    scope = "" if check.per == "client" else subject.scope
    try:
        finding = check.run(subject)
    except InstallerError as error:
        finding = Finding("error", str(error), fix=error.fix)
    except Exception as error:  # a broken check must not hide what the others find
        finding = Finding("error", f"the check itself failed: {type(error).__name__}: {error}")
    return None if finding is None else Result(check.id, subject.client.name, scope, finding)


def run_all(client: Client, subjects: list[Subject], *, offline: bool, verbose: bool) -> Iterator[Result]:
    """Every check of one client. `subjects`: its scopes in use, the winning one first."""
    for check in (check for check in CHECKS if verbose or not check.verbose):
        for subject in subjects if check.per == "scope" else subjects[:1]:
            if check.online and offline:
                finding = Finding("skipped", "--offline")
                yield Result(check.id, client.name, subject.scope, finding)
                continue
            result = run(check, subject)
            if result is not None:
                yield result


def of_record(error: InstallerError) -> Result:
    """What a record that cannot be read means for the checks: skills are known by their hashes only."""
    return Result("record", "", "", Finding("warning", str(error), fix=error.fix))


def named(check_id: str) -> Check:
    """The check with that id."""
    return next(check for check in CHECKS if check.id == check_id)


__all__ = ["CHECKS", "Check", "Finding", "Result", "Subject", "named", "of_record", "run", "run_all"]
