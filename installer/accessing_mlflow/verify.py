"""After an installation: fetch the server ahead, make the local store, and let the doctor's checks prove the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from . import checks, redact
from . import entry as entries
from .bundle import Bundle
from .checks import Finding, Result, Subject
from .environment import Environment
from .errors import InstallerError
from .record import Record
from .steps import Plan

Say = Callable[[str], None]

PROOFS = ("mcp-server", "tracking-server")


def verify(
    plans: Sequence[Plan],
    env: Environment,
    bundle: Bundle,
    record: Record,
    embedded_uri: str,
    *,
    say: Say,
    progress: bool,
) -> Iterator[Result]:
    """The results for each plan. What fails is a finding: what was installed stays.

    `say`: told before something that takes long. `progress`: uv's own progress goes to standard error.
    """
    fetched: list[list[str]] = []
    for plan in plans:
        wanted = _requirement(plan, bundle)
        if wanted not in fetched:
            fetched.append(wanted)
            yield from prepare(plan, env, bundle, say=say, progress=progress)
        trusted = plan.choice is None or not plan.choice.from_project or plan.scope == "project"
        subject = Subject(plan.client, plan.scope, env, bundle, record, embedded_uri, credentials=trusted)
        for check_id in PROOFS:
            result = checks.run(checks.named(check_id), subject)
            if result is not None:
                yield result


def prepare(plan: Plan, env: Environment, bundle: Bundle, *, say: Say, progress: bool) -> Iterator[Result]:
    """Fetches the server's package and makes the local store: what the client's 30 seconds are not to be spent on."""
    from . import embedded_store, fetch

    assert plan.uvx is not None, "an installation that is verified has found uvx"
    uvx = str(plan.uvx.path)
    requirement, *options = _requirement(plan, bundle)
    try:
        if not fetch.fetched(uvx, requirement, env.variables, options):
            say(f"Fetching {requirement}, about {bundle.server.download_mib} MiB, once; Ctrl-C is safe")
        fetch.fetch(uvx, requirement, env.variables, options, progress=progress)
        if plan.choice is not None and plan.choice.embedded:
            made = embedded_store.create(env.store_folder, uvx, requirement, env.variables)
            if made:
                yield Result("store", plan.client.name, plan.scope, Finding("ok", "the local store was made"))
    except InstallerError as error:
        finding = Finding("error", redact.text(str(error)), fix=error.fix)
        yield Result("fetch", plan.client.name, plan.scope, finding)


def _requirement(plan: Plan, bundle: Bundle) -> list[str]:
    """What the entry has uvx fetch: the requirement, and then the entry's own options for uvx."""
    entry, package = plan.entry.after, bundle.server.package
    return [entries.requirement(entry, package), *entries.runner_options(entry, package)]
