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
from .steps import EntryStep, Plan

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
    fetched: set[str] = set()
    for plan in plans:
        wanted = _requirement(plan, bundle)
        if wanted not in fetched:
            fetched.add(wanted)
            yield from _prepare(plan, wanted, env, bundle, say, progress)
        subject = Subject(plan.client, plan.scope, env, bundle, record, embedded_uri)
        for check_id in PROOFS:
            result = checks.run(checks.named(check_id), subject)
            if result is not None:
                yield result


def _prepare(plan: Plan, wanted: str, env: Environment, bundle: Bundle, say: Say, progress: bool) -> Iterator[Result]:
    """Fetches the server's package and makes the local store: what the client's 30 seconds are not to be spent on."""
    from . import embedded_store, fetch

    assert plan.uvx is not None, "an installation that is verified has found uvx"
    uvx = str(plan.uvx.path)
    try:
        if not fetch.fetched(uvx, wanted, env.variables):
            say(f"Fetching {wanted}, about {bundle.server.download_mib} MiB, once; Ctrl-C is safe")
        fetch.fetch(uvx, wanted, env.variables, progress=progress)
        if plan.choice is not None and plan.choice.embedded:
            embedded_store.create(env.store_folder, uvx, wanted, env.variables)
    except InstallerError as error:
        finding = Finding("error", redact.text(str(error)), fix=error.fix)
        yield Result("fetch", plan.client.name, plan.scope, finding)


def _requirement(plan: Plan, bundle: Bundle) -> str:
    step = next(step for step in plan.steps if isinstance(step, EntryStep))
    assert step.after is not None
    return entries.requirement(step.after, bundle.server.package)
