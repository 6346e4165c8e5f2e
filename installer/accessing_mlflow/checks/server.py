"""Checks that start the MCP server, as the client would."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .. import trust
from ..entry import Entry
from ..environment import absolute
from ..uvx import own_folders
from .skill import skill_folders
from .subject import Finding, Subject

if TYPE_CHECKING:
    from ..mcp_server import ServerReport


def not_usable(subject: Subject) -> Finding:
    """What a check finds of an entry that may only be looked at; the check `approval` has the remedy."""
    return Finding("skipped", f"the entry {subject.trust.value}")


_TEXT_LIMIT = 1 << 20
_MOST_FILES = 200
LONGEST = 120.0
"""Seconds that are waited for a server, however long the client would."""


def mcp_server(subject: Subject) -> Finding | None:
    """Whether the server starts, as the client starts it, within the client's time limit, and lists its tools.

    Remedy: its own last words are in the line; the fix is the command to try by hand, or, for one that is slow, how it
    starts faster.
    """
    if subject.own_entry is None:
        return None
    if not subject.may_use:
        return not_usable(subject)
    from .. import mcp_server as servers

    try:
        report = started(subject)
    except servers.ServerError as error:
        how = " from the desktop, without the shell's variables" if subject.client.desktop else ""
        return Finding("error", f"does not start{how}: {error}", fix=error.fix)
    detail = f"starts ({len(report.tools)} tools, {report.seconds:.1f} s)"
    slow = _slow(report.seconds, subject)
    if slow is not None:
        return slow
    unknown = [tool.name for tool in report.tools if not tool.read_only and tool.name not in _writing(subject)]
    if unknown and subject.client.denials:
        detail += f", but has tools that write and that this version does not know: {', '.join(unknown)}"
        return Finding("warning", detail, fix=f"upgrade accessing-mlflow, or {subject.command('skill-install')} --pin")
    return Finding("ok", detail)


def started(subject: Subject) -> ServerReport:
    """Probe the subject's server once for all checks, with the client's expansion and environment, in a temporary
    home. uv is started outside the working directory, which may be an untrusted project. Raises ServerError.
    """
    from .. import mcp_server as servers

    found = subject.own_entry
    assert found is not None
    command = subject.expand(found["command"])
    args = [subject.expand(arg) for arg in found.get("args", [])]
    patience = min(max(limit(subject), subject.client.start_limit.seconds), LONGEST)

    def ask() -> ServerReport:
        with tempfile.TemporaryDirectory(prefix="accessing-mlflow-") as home:
            variables = variables_of_start(found, subject, home)
            return servers.probe(command, args, variables, timeout=patience)

    return subject.memory.once("mcp-server", ask)


def limit(subject: Subject) -> float:
    """The seconds that the client gives a server to answer.

    As Claude Code reads MCP_TIMEOUT (measured): the digits that it begins with; nothing and 0 count for nothing.
    """
    given = subject.client.start_limit
    stated = (subject.own_entry or {}).get(given.member)
    if isinstance(stated, int | float) and stated > 0:
        return float(stated)
    match = re.match(r"\s*\+?(\d{1,12})", subject.variables.get(given.variable, ""))
    return int(match[1]) / 1000 if match and int(match[1]) else given.seconds


def _slow(seconds: float, subject: Subject) -> Finding | None:
    """What to say of a start that takes half of the client's time limit or more."""
    allowed, known = limit(subject), subject.client.start_limit
    if seconds < allowed / 2:
        return None
    over = seconds > allowed
    detail = f"takes {seconds:.1f} s to start; {subject.client.title} gives it {allowed:g} s"
    fix = f"{subject.command('skill-install')} --pin, which starts faster"
    more = round(max(seconds * 4, 60.0))
    if known.variable:
        fix += f"\nor more time: export {known.variable}={more * 1000}"
    elif known.member:
        fix += f"\nor more time: {known.member} = {more} in the entry"
    return Finding("error" if over else "warning", detail, fix=fix)


def _writing(subject: Subject) -> set[str]:
    return {tool.name for tool in subject.bundle.server.tools if not tool.read_only}


def skill_calls(subject: Subject) -> Finding | None:
    """Whether every tool call that the installed skill shows is one that the live server takes.

    Remedy: `skill-install CLIENT --pin` runs the version that the skill was tested with.
    """
    from .. import tool_calls
    from ..mcp_server import ServerError

    files = list(_texts(subject))
    if subject.own_entry is None or not subject.may_use or not files:
        return None
    try:
        schemas = started(subject).schemas
    except ServerError:
        return Finding("skipped", "the server does not start")
    number, faults = 0, []
    for file in files:
        for call in tool_calls.shown(_text(file), subject.bundle.server.name):
            number += 1
            faults += [f"{file.name}, line {call.line}: {fault}" for fault in tool_calls.faults(call, schemas)]
    if not faults:
        return Finding("ok", f"the server takes the {number} calls that the skill shows")
    detail = f"the server does not take {len(faults)} of the {number} calls that the skill shows: {faults[0]}"
    return Finding("warning", detail, str(files[0].parent), subject.command("skill-install") + " --pin")


def _texts(subject: Subject) -> Iterator[Path]:
    """The Markdown files of the skills that the client reads; a scope without any has the user's."""
    for folder in skill_folders(subject):
        found = (file for file in folder.rglob("*.md") if file.is_file() and not file.is_symlink())
        yield from sorted(islice(found, _MOST_FILES))


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_TEXT_LIMIT)
    except OSError:
        return ""


def variables_of_start(entry: Entry, subject: Subject, home: str) -> dict[str, str]:
    """The environment in which the client starts the server of `entry`, but with a throw-away `home`: the server
    writes settings there at every start.
    """
    given = client_variables(subject)
    if os.name == "nt":
        found = absolute({**given, **entry_variables(entry, subject)}, subject.env.cwd)
        return found if subject.may_send_credentials else trust.without_credentials(found)
    moved = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"), home)
    own = own_folders(subject.env._replace(variables=given))
    found = absolute({**given, **own, **entry_variables(entry, subject), **moved}, subject.env.cwd)
    return found if subject.may_send_credentials else trust.without_credentials(found)


def client_variables(subject: Subject) -> dict[str, str]:
    """What the client passes on: a terminal client its own environment, others hardly anything."""
    client, env = subject.client, subject.env
    if client.passed is None or (client.desktop and env.platform == "win32"):
        return dict(subject.variables)
    kept = {name: env.variables[name] for name in sorted(client.passed) if name in env.variables}
    path = env.desktop_path if client.desktop else env.variables.get("PATH", "")
    return {**kept, "HOME": str(env.home), "PATH": path}


def entry_variables(entry: Entry, subject: Subject) -> dict[str, str]:
    """What the entry itself sets, as the client fills it in."""
    return {name: subject.expand(value) for name, value in entry.get("env", {}).items()}
