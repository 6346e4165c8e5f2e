"""Checks of how the client starts the server, made without starting it."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from .. import clients, trust, uvx
from .. import entry as entries
from .. import tracking_uri as uris
from ..entry import Entry
from .server import client_variables, entry_variables
from .subject import Finding, Subject

Version = tuple[int, ...]

# Tried one by one: the oldest uv of which `uvx mlflow-mcp` starts the server, and the first that take the rest.
_OLDEST_UV: Version = (0, 2, 33)
_VERSION_SINCE: Version = (0, 5, 31)
_OPTIONS_SINCE: dict[str, Version] = {
    "--constraints": (0, 6, 5),
    "--overrides": (0, 6, 5),
}
_UV_SECONDS = 5.0

# Older ones import `mcp.server.fastmcp`, which mcp 2 has not; they bring no upper bound for it (measured).
_OLDEST_SERVER: Version = (0, 4, 1)


def command(subject: Subject) -> Finding | None:
    """Whether the entry's command is there for the client, a desktop client's short PATH included.

    Remedy: `skill-install CLIENT` writes a command that the client finds; for a project's entry, which other people
    share, start the client from a terminal.
    """
    found = subject.own_entry
    if found is None:
        return None
    written = subject.expand(found["command"])
    if _resolved(found, subject) is not None:
        if uvx.is_in_cache(Path(written), subject.env):
            detail = f"{written} is in a cache, which may be cleared at any time"
            return Finding("warning", detail, written, subject.command("skill-install"))
        return None
    path = str(subject.place.file)
    if os.path.dirname(written):  # noqa: PTH120  # as it is written: `./uvx` is no bare name
        return Finding("error", _gone(written), path, subject.command("skill-install"))
    search = _search_path(found, subject)
    if subject.client.desktop and shutil.which(written, path=subject.env.variables.get("PATH", "")):
        detail = f"{written} is on the shell's PATH, not on that of a {subject.client.title} started from the desktop"
        # In a project's file it has to be plain uvx, for others: there it is theirs to start the client as it needs.
        return Finding("warning" if subject.place.shared else "error", detail, path, _for_desktop(subject))
    return Finding("error", f"{written} is not on {subject.client.title}'s PATH: {search}", path, _for_shell(subject))


def _gone(written: str) -> str:
    file = Path(written)
    if file.is_file():
        return f"{written} is not executable"
    home = file.parent.parent
    return f"{written} is not there (any more)" + ("" if home.is_dir() else f": all of {home} is gone")


def _for_desktop(subject: Subject) -> str:
    if subject.place.shared:
        return f"start {subject.client.title} from a terminal, or link uv and uvx into /usr/local/bin"
    return subject.command("skill-install")


def _for_shell(subject: Subject) -> str:
    try:
        uvx.find(subject.env)
    except uvx.UvxNotFound as error:
        return error.fix
    return subject.command("skill-install")


def _search_path(found: Entry, subject: Subject) -> str:
    """The PATH that the client looks the command up on: an entry's own, where it has one (measured)."""
    return {**client_variables(subject), **entry_variables(found, subject)}.get("PATH", "")


def _resolved(found: Entry, subject: Subject) -> str | None:
    written = subject.expand(found["command"])
    if os.path.dirname(written):  # noqa: PTH120
        file = subject.env.cwd / written
        return str(file) if file.is_file() and os.access(file, os.X_OK) else None
    return trust.program(written, _search_path(found, subject))


def uv_version(subject: Subject) -> Finding | None:
    """Whether the uv that starts the server runs, and is new enough for what the entry asks of it.

    Remedy: `uv self update`, or upgrade uv the way it was installed.
    """
    found = subject.own_entry
    program = _resolved(found, subject) if found is not None and subject.may_use else None
    if found is None or program is None:
        return None
    state = Path(program).stat()
    code, said = _ask(program, (state.st_mtime_ns, state.st_size))
    if code:
        fix = "install uv anew: uvx needs the uv beside it"
        return Finding("error", f"{program} --version fails (exit code {code})", program, fix)
    version = _version(said)
    needed, why = _needed_uv(found, subject)
    if version is None or version >= needed:
        return None
    detail = f"uv {_text(version)} is too old: {why} needs {_text(needed)} or later"
    return Finding("error", detail, program, "uv self update, or upgrade uv the way it was installed")


def _needed_uv(found: Entry, subject: Subject) -> tuple[Version, str]:
    package = subject.bundle.server.package
    wanted = entries.requirement(found, package)
    needs = [(_OLDEST_UV, f"uvx {package}")]
    args = [str(arg) for arg in found["args"]]
    if re.search(r"[=<>~!]", wanted) and wanted in args and "--from" not in args:
        needs.append((_VERSION_SINCE, f"uvx {wanted}"))
    for option, since in _OPTIONS_SINCE.items():
        if any(arg.partition("=")[0] == option for arg in args):
            needs.append((since, option))
    return max(needs)


@functools.cache
def _ask(program: str, _state: tuple[int, int]) -> tuple[int, str]:
    """The exit code of `program --version`, and what it prints; a program that hangs says nothing. Asked once in a
    run, for all clients that start the same: it takes 20 ms.
    """
    import subprocess

    from ..processes import Tail, child

    argv, nothing = [program, "--version"], subprocess.DEVNULL
    with child(argv, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing) as process:
        assert process.stdout is not None
        tail = Tail(process.stdout)
        tail.start()
        try:
            code = process.wait(_UV_SECONDS)
        except subprocess.TimeoutExpired:
            return 0, ""
        return code, tail.text()


def server_version(subject: Subject) -> Finding | None:
    """Whether the version of the server that the entry asks for can start.

    Remedy: ask for no version, or put `--with 'mcp<2'` before it.
    """
    found, package = subject.own_entry, subject.bundle.server.package
    if found is None:
        return None
    wanted = entries.requirement(found, package)
    options = entries.runner_options(found, package)
    if not _only_older(wanted, _OLDEST_SERVER) or any(re.search(r"\bmcp\s*(<|[=~]=\s*1\b)", arg) for arg in options):
        return None
    detail = f"{wanted} cannot start: {package} before {_text(_OLDEST_SERVER)} does not go with mcp 2"
    fix = f"write {package} in its place, or put --with 'mcp<2' before it"
    return Finding("error", detail, str(subject.place.file), fix)


def _only_older(wanted: str, oldest: Version) -> bool:
    """Whether a requirement (`mlflow-mcp==0.3.0`, `mlflow-mcp@0.3`, `mlflow-mcp>=0.3,<0.4`) shuts out `oldest` and
    everything after it.
    """
    for operator, text in re.findall(r"(===?|~=|<=?|@)\s*v?(\d[\d.]*)", wanted):
        version = tuple(int(part[:9]) for part in text.split(".") if part)
        # `==0.3` is 0.3.0; `==0.3.*`, which leaves a dot at the end here, and `~=0.3.0` are any 0.3.
        if operator == "~=":
            version = version[:-1]
        shortened = oldest[: len(version)] if operator == "~=" or text.endswith(".") else oldest
        if version < shortened or (operator == "<" and version <= oldest):
            return True
    return False


def references(subject: Subject) -> Finding | None:
    """Whether every variable that the entry refers to is set here.

    Remedy: set the variable where the client is started.
    """
    found = subject.own_entry
    if found is None:
        return None
    for where, text in _strings(found):
        if where == f"env.{uris.VARIABLE}":  # has a check of its own
            continue
        for match in subject.client.references.finditer(text):
            name = match.group(1)
            if name and name not in subject.variables and ":-" not in match.group():
                literal = subject.expand(match.group()) == match.group()
                became = f"the text {match.group()} itself" if literal else "an empty text"
                status = "warning" if where.startswith("env.") else "error"
                detail = f"{where} refers to {name}, which is not set here: the server gets {became}"
                return Finding(status, detail, str(subject.place.file), f"export {name}=...")
    return None


def foreign_syntax(subject: Subject) -> Finding | None:
    """Whether a reference in the entry is in a form that this client does not fill in, such as another client's.

    Remedy: write the reference as the fix shows it.
    """
    if subject.own_entry is None:
        return None
    # As it is written: what a client of another dialect reads as a reference is none in the texts.
    written, plain = subject.entry, subject.client.read_entry is clients.as_it_is
    for where, text in _strings(written):
        match = _ANY_REFERENCE.search(subject.client.references.sub("", text) if plain else text)
        if match:
            name = next(filter(None, match.groups()))
            right = f"write {subject.client.reference % name}" if plain else f"name {name} among those to be passed on"
            shown = re.sub(r":-[^}]*", "", match.group())  # a default may be a secret
            detail = f"{where}: {subject.client.title} does not fill in {shown}"
            return Finding("error", detail, str(subject.place.file), right)
    return None


# `${NAME}`, `${env:NAME}`, and `$NAME` where it is all of a value: inside of one, a `$` may be part of a password.
_ANY_REFERENCE = re.compile(r"\$\{(?:env:)?([A-Za-z_]\w*)(?::-[^}]*)?\}|^\$([A-Z_][A-Z0-9_]+)$")


def _strings(found: Entry) -> Iterator[tuple[str, str]]:
    """Every text in the entry that clients fill in, and where it stands."""
    yield "command", found["command"]
    for index, arg in enumerate(found.get("args", [])):
        yield f"args[{index}]", arg
    for name, value in found.get("env", {}).items():
        yield f"env.{name}", value


def _version(said: str) -> Version | None:
    match = re.search(r"\buv\S* (\d{1,9})\.(\d{1,9})\.(\d{1,9})", said)
    return tuple(int(part) for part in match.groups()) if match else None


def _text(version: Version) -> str:
    return ".".join(map(str, version))
