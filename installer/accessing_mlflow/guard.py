"""The guard: rules in a client's settings that deny the agent every tool of the MCP server that writes. All pure.

The skill only reads, and the server can delete experiments. Which tools write is what the server itself marks, as the
bundle has recorded it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from .bundle import ServerContract
from .clients import Client, Entries
from .record import Record
from .steps import EntryStep


def rules(client: Client, server: ServerContract) -> list[str]:
    """The rules that deny what the server does not mark read-only, as `client` spells them."""
    return [rule(client, server, tool.name) for tool in server.tools if not tool.read_only]


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


def undone(before: Any, installed: Any, current: list[Any]) -> list[Any] | None:
    """`current` without the rules that an installation added; None where there was no list and nothing is left."""
    added = [one for one in installed or () if one not in (before or ())]
    rest = [one for one in current if one not in added]
    return None if before is None and not rest else rest
