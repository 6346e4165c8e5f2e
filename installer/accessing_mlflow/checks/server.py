"""Checks that start the MCP server, as the client would, and ask the tracking server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .. import reading, redact
from .. import tracking_uri as uris
from ..entry import Entry
from ..errors import InstallerError
from ..uvx import own_folders
from .subject import Finding, Subject

# Claude Code gives a server 30 s to answer, measured; the doctor waits as long.
START_LIMIT = 30.0
ANSWER_LIMIT = 5.0


def mcp_server(subject: Subject) -> Finding | None:
    """Starts the server with the client's own expansion and environment, in a throw-away home, and lists its tools."""
    from .. import mcp_server as servers

    found = subject.own_entry
    if found is None:
        return None
    expand = subject.client.expand
    command = expand(found["command"], subject.env)
    args = [expand(arg, subject.env) for arg in found.get("args", [])]
    with tempfile.TemporaryDirectory(prefix="accessing-mlflow-") as home:
        variables = variables_of_start(found, subject, home)
        try:
            report = servers.probe(command, args, variables, timeout=START_LIMIT, cwd=subject.env.cwd)
        except servers.ServerError as error:
            how = " from the desktop, without the shell's variables" if subject.client.desktop else ""
            return Finding("error", f"does not start{how}: {error}", fix=error.fix)
    started = f"starts ({len(report.tools)} tools, {report.seconds:.1f} s)"
    unknown = [tool.name for tool in report.tools if not tool.read_only and tool.name not in _writing(subject)]
    if unknown and subject.client.denials:
        detail = f"{started}, but has tools that write and that this version does not know: {', '.join(unknown)}"
        return Finding("warning", detail, fix=f"upgrade accessing-mlflow, or {subject.command('skill-install')} --pin")
    return Finding("ok", started)


def _writing(subject: Subject) -> set[str]:
    return {tool.name for tool in subject.bundle.server.tools if not tool.read_only}


def tracking_server(subject: Subject) -> Finding | None:
    """Asks the tracking server directly: an HTTP server within 5 s, a local store by reading its file."""
    found = subject.own_entry
    if found is None:
        return None
    variables = {**_client_variables(subject), **_entry_variables(found, subject)}
    uri = variables.get(uris.VARIABLE, "")
    shown = redact.uri(uri)
    if uris.is_reference(reading.variable(found, uris.VARIABLE)) and (not uri or uris.is_reference(uri)):
        return Finding("skipped", f"{uris.VARIABLE} refers to a variable that is not set here")
    if uri == subject.embedded_uri:
        return _local_store(subject, shown)
    if not uri.startswith(("http://", "https://")):
        return Finding("skipped", "only HTTP servers and the local store are asked", shown) if uri else None
    from .. import tracking_server as tracking

    home = subject.env.home
    if not subject.credentials:
        variables = {name: value for name, value in variables.items() if not redact.is_secret_name(name)}
        home = Path(os.devnull)
    try:
        report = tracking.ask(uri, variables, home=home, timeout=ANSWER_LIMIT)
    except tracking.TrackingError as error:
        return Finding("error", f"does not answer as it should: {error}", shown, error.fix)
    return Finding("ok", f"answers (MLflow {report.version})" if report.version else "answers", shown)


def _local_store(subject: Subject, shown: str) -> Finding:
    from .. import embedded_store

    try:
        report = embedded_store.describe(subject.env.store_folder)
    except InstallerError as error:
        return Finding("error", str(error), shown, error.fix)
    if not report.exists:
        return Finding("info", "the local store will be made at the first call", shown)
    if not report.runs:
        return Finding("info", "the local store is ready; it holds no runs yet", shown)
    return Finding("ok", f"the local store holds {report.runs} runs", shown)


def variables_of_start(entry: Entry, subject: Subject, home: str) -> dict[str, str]:
    """The environment in which the client starts the server of `entry`, but with a throw-away `home`: the server
    writes settings there at every start.
    """
    given = _client_variables(subject)
    if os.name == "nt":
        return {**given, **_entry_variables(entry, subject)}
    moved = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"), home)
    own = own_folders(subject.env._replace(variables=given))
    return {**given, **own, **_entry_variables(entry, subject), **moved}


def _client_variables(subject: Subject) -> dict[str, str]:
    """What the client passes on: a terminal client the shell's environment, others hardly anything."""
    client, env = subject.client, subject.env
    if client.passed is None or (client.desktop and env.platform == "win32"):
        return dict(env.variables)
    kept = {name: env.variables[name] for name in sorted(client.passed) if name in env.variables}
    path = env.desktop_path if client.desktop else env.variables.get("PATH", "")
    return {**kept, "HOME": str(env.home), "PATH": path}


def _entry_variables(entry: Entry, subject: Subject) -> dict[str, str]:
    return {name: subject.client.expand(value, subject.env) for name, value in entry.get("env", {}).items()}
