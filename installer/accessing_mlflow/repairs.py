"""What `skill-doctor --fix` mends: through the installer's own plans, and only what is safe to do without a question.

A check says that it is mendable by its fix: exactly `skill-install CLIENT [--scope SCOPE]`, which is then planned just
so, or exactly `skill-doctor CLIENT --fix`, for an entry in a place that the client ignores, which is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import clients, files, reading, tracking_uri, trust
from . import entry as entries
from .apply import MakePlans
from .bundle import Bundle
from .clients import CLIENTS, Client, Entries
from .environment import Environment
from .errors import InstallerError
from .plan_install import plan_install
from .record import Record
from .request import Context, Request
from .steps import EntryStep, Plan
from .trust import EntryAt

if TYPE_CHECKING:
    from .checks import Result

_INSTALL = r"skill-install (?P<client>\S+)(?: --scope (?P<scope>\S+))?"
_REMOVE = r"skill-doctor (?P<client>\S+) --fix"


class NotMended(InstallerError):
    """A repair that would decide something that is the user's to decide."""


def removal(client: Client) -> str:
    """The fix of a finding that there are dead entries, all of which --fix removes."""
    return f"skill-doctor {client.name} --fix"


def is_mended(result: Result) -> bool:
    """Whether --fix tries to mend what was found."""
    fix = result.finding.fix
    return result.finding.status in ("error", "warning") and bool(
        re.fullmatch(_INSTALL, fix) or re.fullmatch(_REMOVE, fix)
    )


def of(
    results: Sequence[Result], env: Environment, bundle: Bundle, embedded_uri: str
) -> Iterator[tuple[str, MakePlans]]:
    """The repairs for what was found: for whom, and how to plan each. To be carried out one after the other.

    Installations come first: they may take the tracking URI from an entry that is removed later. A plan raises
    InstallerError where it will not mend something; then the rest is mended all the same.
    """
    mended = [result for result in results if is_mended(result)]
    found = (re.fullmatch(_INSTALL, result.finding.fix) for result in mended)
    for name, scope in dict.fromkeys((match["client"], match["scope"] or "user") for match in found if match):
        title = f"{CLIENTS[name].title}, {scope} scope"
        yield title, _installing(CLIENTS[name], scope, env, bundle, embedded_uri)
    for name in dict.fromkeys(result.client for result in mended):
        for shared in (False, True):
            yield CLIENTS[name].title, _removing(CLIENTS[name], shared, env, bundle)


def removable(client: Client, env: Environment, bundle: Bundle) -> Iterator[tuple[Entries, str, object]]:
    """The entries of ours in places that `client` ignores: place, name, entry.

    Not those in a state file of its own that is only out of force here and now, by a variable or a legacy file.
    """
    name = bundle.server.name
    for place in dict.fromkeys(place for place, _ in reading.ignored_entries(client, name, env)):
        for other, entry in reading.servers_if_readable(place).items():
            ours = other.lower() == name.lower() and entries.is_ours(entry, bundle.server.package)
            if ours and not place.client_lock:
                yield place, other, entry


def _installing(client: Client, scope: str, env: Environment, bundle: Bundle, embedded_uri: str) -> MakePlans:
    request = Request(scope=scope, keep_edited=True)

    def make_plans(record: Record) -> list[Plan]:
        _refuse_project_entry(client, scope, env, bundle, record)
        plan = plan_install(client, Context(request, env, bundle, record, embedded_uri))
        _refuse_decisions(plan)
        return [plan._replace(steps=tuple(step for step in plan.steps if step.outcome != "left"))]

    return make_plans


def _refuse_project_entry(client: Client, scope: str, env: Environment, bundle: Bundle, record: Record) -> None:
    """Raise NotMended for a changed project entry: fixing it would approve the entry and its tracking URI."""
    place, name = clients.entries(client, scope, env), bundle.server.name
    entry = reading.servers(place).get(name) if place.shared else None
    if entry is None or trust.is_as_installed(EntryAt(client, scope, place, name, entry), record):
        return
    raise NotMended(
        f"{env.shown(place.file)} differs from what this program wrote, and --fix does not approve project entries",
        f"skill-install {client.name} --scope {scope} --tracking-uri URI",
    )


def _refuse_decisions(plan: Plan) -> None:
    """Which server is asked, and so gets the user's credentials, is not decided here."""
    choice, before = plan.choice, plan.entry.before
    assert choice is not None
    scope = "" if plan.scope == "user" else f" --scope {plan.scope}"
    fix = f"skill-install {plan.client.name}{scope} --tracking-uri URI"
    if before is not None and reading.variable(plan.client.read_entry(before), tracking_uri.VARIABLE) != choice.value:
        raise NotMended("the entry has no tracking URI that can be right, and --fix does not choose one", fix)
    if before is None and choice.not_taken:
        sources = " and ".join(candidate.source for candidate in choice.not_taken)
        raise NotMended(f"the only tracking URI found is in this project's files ({sources})", fix)


def _removing(client: Client, shared: bool, env: Environment, bundle: Bundle) -> MakePlans:
    def make_plans(_record: Record) -> list[Plan]:
        live = any(other is client for other, *_ in reading.live_entries(bundle.server.name, env))
        scope = "project" if shared else "user"
        detail = f"{client.title} ignores it there"
        steps = [
            EntryStep(client.name, scope, place, name, entry, None, "removed", detail, name="dead entry")
            for place, name, entry in removable(client, env, bundle)
            if live and place.shared == shared
        ]
        for step in steps:
            files.check_within(step.path, step.place.within)
        return [Plan(client, scope, tuple(steps))]

    return make_plans
