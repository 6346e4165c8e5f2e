"""After an installation: fetch the server ahead, make the local store, and let the doctor's checks prove the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from . import checks, pin, redact
from . import entry as entries
from . import uvx as uvxs
from .bundle import Bundle
from .checks import Finding, Result, Subject
from .environment import Environment, absolute
from .errors import InstallerError
from .pin import Pin
from .record import Record
from .steps import Plan

Say = Callable[[str], None]

PROOFS = ("scripts", "mcp-server", "tracking-server")


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
) -> Iterator[Result]:
    """The results for each plan. What fails is a finding: what was installed stays.

    `say`: told before something that takes long. `progress`: uv's own progress goes to standard error. `demo`: the
    local store is filled with made-up runs.
    """
    fetched: list[_Wanted] = []
    for plan in plans:
        wanted = _wanted(plan, env, bundle)
        if wanted not in fetched:
            fetched.append(wanted)
            yield from prepare(plan, env, bundle, say=say, progress=progress, demo=demo)
        trusted = plan.choice is None or not plan.choice.from_project or plan.scope == "project"
        subject = Subject(plan.client, plan.scope, env, bundle, record, embedded_uri, credentials=trusted)
        for check_id in PROOFS:
            result = checks.run(checks.named(check_id), subject)
            if result is not None:
                yield result


def prepare(
    plan: Plan, env: Environment, bundle: Bundle, *, say: Say, progress: bool, demo: bool = False
) -> Iterator[Result]:
    """Fetches the server's package and makes the local store: what the client's 30 seconds are not to be spent on."""
    from . import embedded_store, fetch

    assert plan.uvx is not None, "an installation that is verified has found uvx"
    uvx = str(plan.uvx.path)
    wanted = _wanted(plan, env, bundle)
    requirement, options, variables = wanted.requirement, wanted.options, dict(wanted.variables)
    try:
        if not fetch.fetched(uvx, requirement, variables, options):
            size = bundle.server.lean_download_mib if wanted.lean else bundle.server.download_mib
            say(f"Fetching {requirement}, about {size} MiB, once; Ctrl-C is safe")
        if wanted.pin is not None:
            files, uv = wanted.pin, uvxs.uv(plan.uvx.path)
            python = uvxs.interpreter(plan.uvx, wanted.python, variables)
            fetch.check_hashes(uv, python, files.constraints, files.overrides, variables, progress=progress)
            if not wanted.additions:  # so that nothing that was not compared comes in
                variables[pin.OFFLINE] = "1"
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
