"""Approval for installing over a project's entry: when it is needed, and what is shown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from . import entry as entries
from . import plan_uri, redact, tracking_uri, trust
from .bundle import ServerContract
from .entry import Entry
from .errors import printable
from .request import Conflict, Context
from .tracking_uri import Choice
from .trust import EntryAt


def check(at: EntryAt, after: Entry, clean: Entry, choice: Choice, context: Context) -> None:
    """Raise Conflict unless `after`, made from the project's entry `at`, may be installed.

    Ask nothing if the tracking URI is the user's own or was given, and `after` is the `clean` entry, which holds
    nothing of the project's.
    """
    if trust.is_as_installed(at, context.record):
        return
    own_address = _is_own(at, choice, context)
    is_clean = _comparable(after, context.bundle.server) == _comparable(clean, context.bundle.server)
    if is_clean and own_address:
        return
    text = "\n".join(map(printable, _shown(at, after, choice)))
    advice = "to replace it with a clean entry: --force --tracking-uri URI"
    if is_clean and plan_uri.is_showable(choice.value):
        advice = f"if you trust that server: --tracking-uri {shlex.quote(choice.value)}\n{advice}"
    if context.ask is None:
        raise Conflict(text, advice)
    if not context.ask.consent(text):
        raise Conflict(f"{at.place.file} was not changed: you declined the project's entry", advice)


def _is_own(at: EntryAt, choice: Choice, context: Context) -> bool:
    request, value = context.request, choice.value
    if request.tracking_uri is not None or tracking_uri.VARIABLE in (request.variables or {}):
        return True
    return trust.is_own_uri(at.client, value, at.name, context.env)


def _comparable(entry: Entry, server: ServerContract) -> dict[str, Any]:
    """`entry` without insignificant differences: type, tested version, time limits, the order of denied tools."""
    if entries.is_ours(entry, server.package):
        wanted = entries.requirement(entry, server.package)
        if wanted == f"{server.package}=={server.tested}":
            entry = entries.pinned(entry, server.package, "")
    rest: dict[str, Any] = {key: sorted(value) if key == "disabled_tools" else value for key, value in entry.items()}
    env: Any = rest.get("env")
    if isinstance(env, dict):
        rest["env"] = {name: value for name, value in env.items() if name not in entries.LIMITS}
    return {key: value for key, value in rest.items() if (key, value) != ("type", "stdio")}


def _shown(at: EntryAt, after: Entry, choice: Choice) -> Iterator[str]:
    """Describe the entry to be written; secrets are hidden."""
    entry: Any = at.client.read_entry(after)
    shown: Any = redact.entry(entry)
    env = shown.get("env")
    values: dict[str, Any] = env if isinstance(env, dict) else {}
    variables = [f"{name}={value}" for name, value in values.items()]
    usual = ("command", "args", "env", "type", *at.client.extras)
    others = [f"{key}: {json.dumps(value)}" for key, value in shown.items() if key not in usual]
    yield f"{at.place.file}: the entry {at.place.label}.{at.name} comes with this project and needs your approval"
    yield f"  command:      {shlex.join(str(word) for word in (shown.get('command', ''), *shown.get('args', ())))}"
    yield f"  variables:    {', '.join(variables)}"
    for other in others:
        yield f"  other keys:   {other}"
    yield f"  tracking URI: {redact.uri(choice.value)} ({choice.source})"
