"""Checks of which entry the client uses, of several, and whether it may start it."""

from __future__ import annotations

from .. import approval as approvals
from .. import clients, reading
from ..clients import Entries
from ..errors import InstallerError
from ..trust import Trust
from .subject import Finding, Subject


def shadowed(subject: Subject) -> Finding | None:
    """Whether an entry of another scope is used in place of this one.

    Remedy: remove one of the two: `skill-uninstall CLIENT [--scope SCOPE]`, with `--force` for one that this program
    did not install.
    """
    name = subject.bundle.server.name
    own = reading.servers_if_readable(subject.place).get(name)
    if own is None:
        return None
    for scope in _winning(subject):
        try:
            place = clients.entries(subject.client, scope, subject.env)
        except InstallerError:  # no project here
            continue
        other = reading.servers_if_readable(place).get(name)
        if other is not None:
            detail = f"{subject.client.title} uses the entry of the {scope} scope here"
            same = other == own
            known = subject.record.entry(place.file, (*place.keys, name))
            force = "" if known is not None and known.before != known.installed else " --force"
            fix = "" if same else f"skill-uninstall {subject.client.name} --scope {scope}{force}"
            return Finding("info" if same else "warning", detail + (", the same" if same else ""), str(place.file), fix)
    return None


def _winning(subject: Subject) -> list[str]:
    """The scopes that win over the subject's, the strongest first: one that is not started wins over none."""
    client, name = subject.client, subject.bundle.server.name
    live = [
        scope
        for scope in client.precedence
        if scope == subject.scope or approvals.verdict(client, scope, name, subject.env).is_used
    ]
    own = approvals.verdict(client, subject.scope, name, subject.env)
    return live[: live.index(subject.scope)] if own.is_used else [one for one in live if one != subject.scope]


def approval(subject: Subject) -> Finding | None:
    """Whether the client may start the server: approved, where it comes with a project, and not switched off.

    For a project's entry only files are read, nothing is started and no tracking server is contacted, unless you
    approved it in the client, or this program wrote it and it is unchanged. The same goes for an entry that refers to
    files in the project, even if approved ([security.md](security.md)).

    Remedy: follow the fix shown, or remove the server's name from the list in the finding.
    """
    name, title = subject.bundle.server.name, subject.client.title
    if name not in reading.servers_if_readable(subject.place):
        return None
    found = approvals.verdict(subject.client, subject.scope, name, subject.env)
    if found.is_used and subject.may_use:
        return None
    rules = subject.client.approval
    if found.state == "pending" and rules is not None:
        detail = f"{title} has not been told yet that it may start this project's server"
        detail, fix = (detail, rules.how) if subject.may_use else (f"{detail}: {_UNTOUCHED}", _to_approve(subject))
        return Finding("warning", detail, str(subject.place.file), fix)
    if found.is_used:
        detail = f"the entry {subject.trust.value}: {_UNTOUCHED}"
        return Finding("warning", detail, str(subject.place.file), _to_approve(subject))
    if found.key == "disabledMcpServers":
        detail = f"{name} is switched off in this project"
        return Finding("error", detail, str(found.file), f"start {title} here, and switch {name} on under /mcp")
    if found.key == "allowedMcpServers":
        return Finding("error", f"{found.key} does not list {name}", str(found.file), f"add {name} to it")
    return Finding("error", f"{found.key} lists {name}", str(found.file), f"remove {name} from it")


_UNTOUCHED = "the server was not started, and its tracking server was not contacted"


def _to_approve(subject: Subject) -> str:
    """How to make the entry one that may be started: approve it in the client where that can be read, or install it."""
    rules, install = subject.client.approval, f"{subject.command('skill-install')} --tracking-uri URI"
    if subject.trust is Trust.RELATIVE:
        return "write absolute paths into the entry"
    if subject.trust is Trust.NAMES_FILE:
        return f"review the entry, then replace it, with your own tracking URI: {install} --force"
    if rules is None:
        return f"review the entry, then install it, with your own tracking URI: {install}"
    return f"review the entry, then {rules.how}\nor install it, with your own tracking URI: {install}"


def nested_entry(subject: Subject) -> Finding | None:
    """Whether an entry in another folder's file, nearer to the working directory, is used in place of the project's.

    Remedy: remove one of the two entries.
    """
    name = subject.bundle.server.name
    for scope in subject.client.nested:
        try:
            place = clients.entries(subject.client, scope, subject.env)
        except InstallerError:  # no project here
            continue
        own = reading.servers_if_readable(place).get(name)
        other = _nearest(clients.nested(subject.client, scope, subject.env), name)
        if other is None or other.file == place.file:
            continue
        used = f"{subject.client.title} uses the {scope} entry in {subject.env.shown(other.file)} here"
        if own is None:
            return Finding("info", used, str(other.file))
        same = reading.servers_if_readable(other).get(name) == own
        fix = "" if same else f"remove mcpServers.{name} from it, or from {subject.env.shown(place.file)}"
        return Finding("info" if same else "warning", used, str(other.file), fix)
    return None


def _nearest(places: list[Entries], name: str) -> Entries | None:
    return next((place for place in places if name in reading.servers_if_readable(place)), None)
