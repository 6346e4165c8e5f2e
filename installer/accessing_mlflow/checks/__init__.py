"""The doctor's checks: one function each, under a stable id. A new check is one function and one row of `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ..errors import InstallerError
from . import entry, launch, machine, pin, precedence, scripts, server, skill, tracking
from .subject import Finding, Subject

Waiting = Callable[[Sequence[str], float], object]


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
    Check("wsl", "client", machine.wsl),
    Check("managed", "client", machine.managed),
    Check("legacy-file", "client", machine.legacy_file),
    Check("uvx", "client", machine.uvx),
    Check("skill", "scope", skill.skill),
    Check("skill-frontmatter", "scope", skill.frontmatter),
    Check("skill-copies", "client", skill.copies),
    Check("skill-elsewhere", "client", skill.elsewhere),
    Check("scripts", "winner", scripts.scripts, online=True),
    Check("entry", "scope", entry.entry),
    Check("shadowed", "scope", precedence.shadowed),
    Check("nested-entry", "client", precedence.nested_entry),
    Check("approval", "scope", precedence.approval),
    Check("guard", "scope", entry.guarded),
    Check("ignored-entry", "client", entry.ignored_entry),
    Check("other-spelling", "scope", entry.other_spelling),
    Check("secrets", "scope", entry.secrets),
    Check("kept-versions", "scope", machine.kept_versions, verbose=True),
    Check("command", "scope", launch.command),
    Check("uv-version", "winner", launch.uv_version),
    Check("server-version", "scope", launch.server_version),
    Check("references", "scope", launch.references),
    Check("foreign-syntax", "scope", launch.foreign_syntax),
    Check("tracking-uri", "winner", entry.tracking_uri),
    Check("embedded-default", "winner", entry.embedded_default),
    Check("credentials", "winner", tracking.credentials),
    Check("pin", "winner", pin.pin),
    Check("mcp-server", "winner", server.mcp_server, online=True),
    Check("skill-calls", "winner", server.skill_calls, online=True),
    Check("tracking-server", "winner", tracking.tracking_server, online=True),
    Check("data", "winner", tracking.data, online=True),
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
    except OSError as error:
        finding = Finding("error", f"the check could not be made: {error}")
    except Exception as error:  # a broken check must not hide what the others find
        from .. import crash

        finding = Finding("error", f"the check itself failed: {crash.line(error)}")
    return None if finding is None else Result(check.id, subject.client.name, scope, finding)


def run_all(subjects: Sequence[Subject], *, offline: bool, verbose: bool, waiting: Waiting) -> list[Result]:
    """The results of every check for every client, in the table's order.

    `subjects`: of each client its scopes in use, the winning one first. What starts a server or asks one runs side by
    side, after the others. `waiting`: told meanwhile which checks are still at work, and for how many seconds.
    """
    jobs = list(_jobs(subjects, verbose=verbose))
    slow = {} if offline else {number: job for number, job in enumerate(jobs) if job[0].online}
    found = {number: _looked(*job, offline=offline) for number, job in enumerate(jobs) if number not in slow}
    if slow:
        from .side_by_side import side_by_side

        found |= side_by_side(
            {number: partial(run, *job) for number, job in slow.items()},
            lambda left, seconds: waiting([jobs[number][0].id for number in sorted(left)], seconds),
        )
    return [result for number in range(len(jobs)) if (result := found[number]) is not None]


def _jobs(subjects: Sequence[Subject], *, verbose: bool) -> Iterator[tuple[Check, Subject]]:
    for client in dict.fromkeys(subject.client.name for subject in subjects):
        scopes = [subject for subject in subjects if subject.client.name == client]
        for check in (check for check in CHECKS if verbose or not check.verbose):
            for subject in {"scope": scopes, "winner": list(_winners(scopes))}.get(check.per, scopes[:1]):
                yield check, subject


def _winners(scopes: Sequence[Subject]) -> Iterator[Subject]:
    """The entry that the client takes; where that may only be looked at, the one it takes without it too."""
    for subject in scopes:
        yield subject
        if subject.may_use:
            return


def _looked(check: Check, subject: Subject, *, offline: bool) -> Result | None:
    if check.online and offline:
        return Result(check.id, subject.client.name, subject.scope, Finding("skipped", "--offline"))
    return run(check, subject)


def group(check_id: str) -> str:
    """What a check is about, by the module that holds it; empty for what is no check of the table."""
    module = next((check.run.__module__.rpartition(".")[2] for check in CHECKS if check.id == check_id), "")
    return _GROUPS.get(module, module)


_GROUPS = {"precedence": "entry", "scripts": "skill", "tracking": "server"}
"""Modules whose checks are shown with those of another."""


def of_record(error: InstallerError) -> Result:
    """What a record that cannot be read means for the checks: skills are known by their hashes only."""
    return Result("record", "", "", Finding("warning", str(error), fix=error.fix))


def named(check_id: str) -> Check:
    """The check with that id."""
    return next(check for check in CHECKS if check.id == check_id)


__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Result",
    "Subject",
    "Waiting",
    "group",
    "named",
    "of_record",
    "run",
    "run_all",
]
