"""Approval for installing over a project's entry: when it is needed, and what is shown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from . import entry as entries
from . import plan_uri, redact, tracking_uri, trust
from .bundle import ServerContract
from .entry import Entry
from .request import Conflict, Context
from .tracking_uri import Choice
from .trust import EntryAt, Trust


def check(at: EntryAt, after: Entry, clean: Entry, choice: Choice, context: Context) -> None:
    """Raise Conflict unless `after`, made from the project's entry `at`, may be installed.

    Ask nothing if the tracking URI is the user's own or was given, and `after` either equals the `clean` entry or was
    approved in the client.
    """
    if trust.is_as_installed(at, context.record):
        return
    own_address = _is_own(at, choice, context)
    approved = trust.may_use(at, context.env, context.record) is Trust.APPROVED
    known_words = approved or _comparable(after, context.bundle.server) == _comparable(clean, context.bundle.server)
    if known_words and own_address:
        return
    text = "\n".join(_shown(at, after, choice))
    advice = "to replace it with a clean entry: --force --tracking-uri URI"
    if known_words and plan_uri.is_showable(choice.value):
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
    """`entry` without insignificant differences: the default type, the tested version, the order of denied tools."""
    if entries.is_ours(entry, server.package):
        wanted = entries.requirement(entry, server.package)
        if wanted == f"{server.package}=={server.tested}":
            entry = entries.pinned(entry, server.package, "")
    rest = {key: sorted(value) if key == "disabled_tools" else value for key, value in entry.items()}
    return {key: value for key, value in rest.items() if (key, value) != ("type", "stdio")}


def _shown(at: EntryAt, after: Entry, choice: Choice) -> Iterator[str]:
    """Describe the entry to be written, with untrusted control characters escaped."""
    shown: Any = redact.entry(at.client.read_entry(after))
    words = shlex.join(str(word) for word in (shown.get("command", ""), *shown.get("args", ())))
    variables = [name for name in _names(shown) if name not in entries.LIMITS]
    others = [key for key in shown if key not in ("command", "args", "env", "type", *at.client.extras)]
    others = [key for key in others if not (at.client.denials_in_entry and key == "disabled_tools")]
    yield f"{at.place.file}: the entry {at.place.label}.{at.name} comes with this project and needs your approval"
    yield _plain(f"  command:      {words}")
    yield _plain(f"  variables:    {', '.join(variables)}")
    if others:
        yield _plain(f"  other keys:   {', '.join(others)}")
    yield _plain(f"  tracking URI: {redact.uri(choice.value)} ({choice.source})")


def _names(entry: Entry) -> list[str]:
    """The names of an entry's variables."""
    env = entry.get("env")
    return list(env) if isinstance(env, dict) else []


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
