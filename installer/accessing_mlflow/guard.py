"""The guard: rules in a client's settings that deny the agent every tool of the MCP server that writes.

The skill only reads, and the server can delete experiments. Which tools write is what the server itself marks, as the
bundle has recorded it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from . import reading
from .bundle import ServerContract
from .clients import Client, Entries
from .entry import Entry
from .environment import Environment
from .errors import InstallerError
from .record import Record
from .request import Context
from .steps import EntryStep, Note


def rules(client: Client, server: ServerContract) -> list[str]:
    """The rules that deny what the server does not mark read-only, as `client` spells them."""
    return [rule(client, server, tool.name) for tool in server.tools if not tool.read_only]


def detail(client: Client, server: ServerContract) -> str:
    """What the rules do, for people."""
    return f"the agent is denied the {len(rules(client, server))} tools that write"


def rule(client: Client, server: ServerContract, tool: str) -> str:
    """How `client` names a tool of the server in a rule; `*` stands for all."""
    return client.tool_rule % {"server": server.name, "tool": tool}


def missing(wanted: Iterable[str], there: Iterable[object]) -> list[str]:
    """The rules that neither are there nor are covered by a pattern, or by a rule for the whole server."""
    patterns = [str(pattern) for pattern in there]
    return [
        one
        for one in wanted
        if not any(fnmatchcase(one, pattern) or one.startswith(f"{pattern}__") for pattern in patterns)
    ]


def step(
    client: Client, scope: str, place: Entries, before: Any, after: Any, outcome: str, detail: str = ""
) -> EntryStep:
    """The step for the list at `place`."""
    *keys, last = place.keys
    return EntryStep(
        client.name, scope, place._replace(keys=tuple(keys)), last, before, after, outcome, detail, name="guard"
    )


def removal(client: Client, scope: str, place: Entries, found: list[Any] | None, record: Record) -> list[EntryStep]:
    """The step that takes away what an installation added, not what the user wrote; none where it added nothing."""
    known = record.entry(place.file, place.keys)
    if known is None:
        return []
    if found is None:
        return [step(client, scope, place, None, None, "absent")]
    after = undone(known.before, known.installed, found)
    outcome = "left" if after == found else "removed" if after is None else "restored"
    return [step(client, scope, place, found, after, outcome)]


def left(client: Client, place: Entries, server: ServerContract, env: Environment) -> list[Note]:
    """What to say of rules like ours that are in nobody's record: they stay, since the user may have written them."""
    try:
        found = reading.denied(client, place) or []
    except InstallerError:  # the file is broken, and is not to be changed
        return []
    there = [one for one in rules(client, server) if one in found]
    if not there:
        return []
    text = f"{env.shown(place.file)} denies {len(there)} of {server.name}'s tools; these rules are not recorded as"
    return [Note("info", f"{text} this program's, and stay")]


def in_entry(client: Client, entry: Entry, place: Entries, context: Context) -> Entry:
    """`entry` of a client whose list of denied tools is a member of it, with the rules or, if so asked, without."""
    member = client.denials[context.request.scope].keys[-1]
    found = entry.get(member) or []
    wanted = rules(client, context.bundle.server)
    if not context.request.allow_writes:
        return {**entry, member: [*found, *missing(wanted, found)]}
    known = context.record.entry(place.file, (*place.keys, context.bundle.server.name))
    own = known.before.get(member, []) if known is not None and isinstance(known.before, dict) else []
    rest = [one for one in found if one in own or one not in wanted]
    return {**{key: value for key, value in entry.items() if key != member}, **({member: rest} if rest else {})}


def undone(before: Any, installed: Any, current: list[Any]) -> list[Any] | None:
    """`current` without the rules that an installation added; None where there was no list and nothing is left."""
    added = [one for one in installed or () if one not in (before or ())]
    rest = [one for one in current if one not in added]
    return None if before is None and not rest else rest
