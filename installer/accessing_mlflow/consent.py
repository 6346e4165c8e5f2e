"""Installing over an entry that a project brings: what needs a yes, and the words that are shown for it."""

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
    """Raises Conflict unless `after`, made of the project's entry `at`, may be installed.

    Nothing is asked where it holds nothing from the project but what this program writes itself (`clean`) or the user
    approved in the client, and where the tracking server is the user's own or given with the command.
    """
    if trust.is_as_installed(at, context.record):
        return
    own_address = _is_own(at, choice, context)
    approved = trust.may_use(at, context.env, context.record) is Trust.APPROVED
    known_words = approved or _comparable(after, context.bundle.server) == _comparable(clean, context.bundle.server)
    if known_words and own_address:
        return
    text = "\n".join(_shown(at, after, choice))
    advice = "--force, with --tracking-uri URI, writes this program's own entry in its place"
    if known_words and plan_uri.is_showable(choice.value):
        advice = f"if that server is yours: --tracking-uri {shlex.quote(choice.value)}\n{advice}"
    if context.ask is None:
        raise Conflict(text, advice)
    if not context.ask.consent(text):
        raise Conflict(f"{at.place.file} was left as it was: you did not approve of its entry", advice)


def _is_own(at: EntryAt, choice: Choice, context: Context) -> bool:
    request, value = context.request, choice.value
    if request.tracking_uri is not None or tracking_uri.VARIABLE in (request.variables or {}):
        return True
    return trust.is_own_uri(at.client, value, at.name, context.env)


def _comparable(entry: Entry, server: ServerContract) -> dict[str, Any]:
    """`entry` without what makes no difference: the usual type, the tested version, the order of denied tools."""
    if entries.is_ours(entry, server.package):
        wanted = entries.requirement(entry, server.package)
        if wanted == f"{server.package}=={server.tested}":
            entry = entries.pinned(entry, server.package, "")
    rest = {key: sorted(value) if key == "disabled_tools" else value for key, value in entry.items()}
    return {key: value for key, value in rest.items() if (key, value) != ("type", "stdio")}


def _shown(at: EntryAt, after: Entry, choice: Choice) -> Iterator[str]:
    """What the entry would run, as it would be written. It is a stranger's text: nothing a terminal would act on."""
    shown: Any = redact.entry(at.client.read_entry(after))
    words = shlex.join(str(word) for word in (shown.get("command", ""), *shown.get("args", ())))
    variables = [name for name in _names(shown) if name not in entries.LIMITS]
    others = [key for key in shown if key not in ("command", "args", "env", "type", *at.client.extras)]
    others = [key for key in others if not (at.client.denials_in_entry and key == "disabled_tools")]
    yield f"{at.place.file}: this project brings the entry {at.place.label}.{at.name}, and you have not approved it"
    yield _plain(f"  runs: {words}")
    yield _plain(f"  sets: {', '.join(variables)}")
    if others:
        yield _plain(f"  has:  {', '.join(others)}")
    yield _plain(f"  asks: {redact.uri(choice.value)} ({choice.source})")


def _names(entry: Entry) -> list[str]:
    """The names of an entry's variables."""
    env = entry.get("env")
    return list(env) if isinstance(env, dict) else []


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
