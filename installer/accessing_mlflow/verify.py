"""After an installation: fetch the server ahead, make the local store, and let the doctor's checks prove the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import checks, pin, redact, trust
from . import entry as entries
from . import uvx as uvxs
from .bundle import Bundle
from .checks import Finding, Result, Subject
from .environment import Environment, absolute
from .errors import InstallerError
from .pin import Pin
from .record import Record
from .steps import Plan
from .trust import EntryAt

if TYPE_CHECKING:
    from .apply import MakePlans
    from .fetch import FetchError

Say = Callable[[str], None]
Compared = dict["_Wanted", "FetchError | None"]
"""Pinned packages that were fetched and compared, each with the failure or None."""

PROOFS = ("scripts", "mcp-server", "tracking-server")


def comparing(
    make_plans: MakePlans, compared: Compared, env: Environment, bundle: Bundle, *, say: Say, progress: bool
) -> MakePlans:
    """Wrap `make_plans` to fetch and compare the pinned packages before any plan is carried out.

    Raise HashMismatch for a different hash, so that nothing is written. Keep other fetch failures in `compared`, for
    `verify` to report: the entry is valid, and the next run can fetch them.
    """

    def make(record: Record) -> list[Plan]:
        plans = make_plans(record)
        for plan in plans:
            if plan.uvx is None:  # a removal
                continue
            if not _may_start(plan, env):
                continue
            wanted = _wanted(plan, env, bundle)
            if wanted.pin is not None and wanted not in compared:
                compared[wanted] = _compare(plan, wanted, bundle, say=say, progress=progress)
        return plans

    return make


def _compare(plan: Plan, wanted: _Wanted, bundle: Bundle, *, say: Say, progress: bool) -> FetchError | None:
    """Raise HashMismatch if a hash differs. Use the bundle's own lists: the entry's copies do not exist yet."""
    from . import fetch

    assert plan.uvx is not None, "an installation that is verified has found uvx"
    assert wanted.pin is not None
    copies, variables = wanted.pin, dict(wanted.variables)
    files = copies._replace(folder=bundle.server.pins)
    options = [
        str(files.folder / Path(word).name) if Path(word).parent == copies.folder else word for word in wanted.options
    ]
    if not fetch.fetched(str(plan.uvx.path), wanted.requirement, variables, options):
        _announce(wanted, bundle, say)
    uv, python = uvxs.uv(plan.uvx.path), uvxs.interpreter(plan.uvx, wanted.python, variables)
    try:
        fetch.check_hashes(uv, python, files.constraints, files.overrides, variables, progress=progress)
    except fetch.HashMismatch:
        raise
    except fetch.FetchError as error:
        return error
    return None


def _announce(wanted: _Wanted, bundle: Bundle, say: Say) -> None:
    size = bundle.server.lean_download_mib if wanted.lean else bundle.server.download_mib
    say(f"Fetching {wanted.requirement}, about {size} MiB, once; Ctrl-C is safe")


def verify(
    plans: Sequence[Plan],
    env: Environment,
    bundle: Bundle,
    record: Record,
    embedded_uri: str,
    *,
    say: Say,
    progress: bool,
    demo: bool = False,
    compared: Compared,
) -> Iterator[Result]:
    """Yield the results for each plan. A failed check does not undo the installation.

    `record`: state after the installation. `say`: called before slow work. `progress`: show uv's progress on standard
    error. `demo`: fill the local store with made-up runs. `compared`: filled by `comparing`.
    """
    fetched: list[_Wanted] = []
    for plan in plans:
        wanted = _wanted(plan, env, bundle)
        if wanted not in fetched:
            fetched.append(wanted)
            yield from prepare(plan, env, bundle, record, compared, say=say, progress=progress, demo=demo)
        subject = Subject(plan.client, plan.scope, env, bundle, record, embedded_uri)
        for check_id in PROOFS:
            result = checks.run(checks.named(check_id), subject)
            if result is not None:
                yield result


def prepare(
    plan: Plan,
    env: Environment,
    bundle: Bundle,
    record: Record,
    compared: Compared,
    *,
    say: Say,
    progress: bool,
    demo: bool = False,
) -> Iterator[Result]:
    """Fetch the server's package and create the local store, so that neither delays the client's first start.

    Skip an entry that may not be used (see `trust.may_use`). `compared`: filled by `comparing` for this plan.
    """
    from . import embedded_store, fetch

    assert plan.uvx is not None, "an installation that is verified has found uvx"
    trusted = trust.may_use(_entry_at(plan), env, record)
    if not trusted.is_usable:
        finding = Finding("skipped", f"the entry {trusted.value}: nothing was fetched for it")
        yield Result("fetch", plan.client.name, plan.scope, finding)
        return
    uvx = str(plan.uvx.path)
    wanted = _wanted(plan, env, bundle)
    requirement, options, variables = wanted.requirement, wanted.options, dict(wanted.variables)
    try:
        if wanted.pin is not None:
            if (failure := compared[wanted]) is not None:
                raise failure
            if not wanted.additions:  # so that nothing that was not compared comes in
                variables[pin.OFFLINE] = "1"
        elif not fetch.fetched(uvx, requirement, variables, options):
            _announce(wanted, bundle, say)
        fetch.fetch(uvx, requirement, variables, options, progress=progress)
        if plan.choice is not None and plan.choice.embedded:
            made = embedded_store.create(env.store_folder, uvx, requirement, variables, options)
            if made:
                yield Result("store", plan.client.name, plan.scope, Finding("ok", "the local store was made"))
            if demo:
                count = embedded_store.fill(env.store_folder, uvx, requirement, variables, options)
                done = f"{count} made-up runs were added" if count else "the made-up runs are all there"
                yield Result("demo", plan.client.name, plan.scope, Finding("ok", done))
    except InstallerError as error:
        finding = Finding("error", redact.text(str(error)), fix=error.fix)
        yield Result("fetch", plan.client.name, plan.scope, finding)


def _may_start(plan: Plan, env: Environment) -> bool:
    """Whether the entry, once it is installed, may be started: it runs no files of the project."""
    at = _entry_at(plan)
    if at.place.shared:
        return not trust.names_project_file(at, env, installed=True)
    return trust.may_use(at, env, Record()).is_usable


def _entry_at(plan: Plan) -> EntryAt:
    return EntryAt(plan.client, plan.scope, plan.entry.place, plan.entry.entry, plan.entry.after)


class _Wanted(NamedTuple):
    """What an entry has uvx fetch, the entry's own options for uvx, and the variables for it.

    `pin`: where it is pinned by our files; then `python` is the one that it names, and `additions` says whether the
    user has options besides.
    """

    requirement: str
    options: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    pin: Pin | None
    python: str
    additions: bool

    @property
    def lean(self) -> bool:
        return self.pin is not None and self.pin.form == "lean"


def _wanted(plan: Plan, env: Environment, bundle: Bundle) -> _Wanted:
    entry, package = plan.entry.after, bundle.server.package
    found = pin.of_entry(entry, env)
    python, additions = "", False
    if found is not None:
        python = found.python or pin.own_python(entry, package)
        additions = bool(pin.other_options(entry, package, found))
    return _Wanted(
        entries.requirement(entry, package),
        tuple(entries.runner_options(entry, package)),
        tuple(_uv_variables(entry, plan, env).items()),
        found,
        python,
        additions,
    )


def _uv_variables(entry: entries.Entry, plan: Plan, env: Environment) -> dict[str, str]:
    """Our own environment, with what the entry tells uv, so that the cache is filled that the entry's start uses.

    Passwords for an index are only in ours.
    """
    variables = dict(env.variables)
    for name, value in (entry.get("env") or {}).items():
        if name.startswith("UV_") and name != pin.OFFLINE and uvxs.without_passwords(variables.get(name, "")) != value:
            variables[name] = plan.client.expand(value, env)
    return absolute(variables, env.cwd)
