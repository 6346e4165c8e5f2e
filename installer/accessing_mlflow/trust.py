"""Decide what a project's entry may do: run programs, contact servers, receive credentials.

A project is a cloned repository and may be hostile. Anything that acts on an entry must ask here first. The model is
in docs/security.md.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from . import approval, bundle, project, reading, redact, tracking_uri
from .clients import Client, Entries
from .entry import FLAGS, LIMITS
from .environment import PLACES, Environment
from .errors import InstallerError
from .record import Record

_RUNS = r"(?i)(UV|PYTHON|LD|DYLD)"
"""How variables begin by which programs find what they run."""
_CREDENTIALS = r"(?i)NETRC|MLFLOW_TRACKING_(USERNAME|CLIENT_CERT_PATH|AWS_SIGV4|AUTH)|(AWS|DATABRICKS|AZURE|GOOGLE)_.*"
_PACKAGE_OPTIONS = ("--from", "--with", "-w")
_BETWEEN_PATHS = r"[\s,;:=@'\"|]+"
_NO_PATH = r"(?!\.{1,2}[/\\])"
"""A value of a variable that nobody runs: only a leading `./` makes it a path (`TZ=Europe/Berlin`)."""
_THIS_FOLDER = r"(^(-\w)?|[=@,\s]|file:)\.{1,2}([/\\\[]|$)|\$\{(env:)?(workspaceFolder|PWD|OLDPWD)\b"


class Trust(Enum):
    """What may be done with an entry; where it may only be looked at, the value says why."""

    OWN = "own"
    """It lies in a file of the user's own."""
    APPROVED = "approved"
    """It lies in a project's file, and the user approved it in the client, or had it installed by this program."""
    PENDING = "comes with this project"
    NAMES_FILE = "refers to files in this project"
    RELATIVE = "names a path that is another one in each folder"

    @property
    def is_usable(self) -> bool:
        """Whether the entry may be started, and its tracking server contacted."""
        return self in (Trust.OWN, Trust.APPROVED)


class EntryAt(NamedTuple):
    """The entry called `name` in one place: `entry` as it is spelled there, of any shape."""

    client: Client
    scope: str
    place: Entries
    name: str
    entry: Any


def may_use(at: EntryAt, env: Environment, record: Record) -> Trust:
    """What may be done with an entry. One that runs files of the project is never used, even if approved."""
    if not at.place.shared:
        return Trust.RELATIVE if _depends_on_folder(at) else Trust.OWN
    installed = is_as_installed(at, record)
    if names_project_file(at, env, installed=installed):
        return Trust.NAMES_FILE
    approved = installed or approval.verdict(at.client, at.scope, at.name, env).state == "approved"
    return Trust.APPROVED if approved else Trust.PENDING


def is_as_installed(at: EntryAt, record: Record) -> bool:
    """Whether this program put the entry there, and every member is still the same."""
    known = record.entry(at.place.file, (*at.place.keys, at.name))
    return known is not None and at.entry is not None and known.installed == at.entry


def may_send_credentials(at: EntryAt, uri: str, env: Environment, record: Record) -> bool:
    """Whether a server at `uri`, the entry's expanded tracking URI, may receive the user's credentials.

    Of a project's entry only where it does nothing but to name that server: a proxy, say, would get them too.
    """
    if not at.place.shared or is_as_installed(at, record):
        return True
    return _is_plain(at) and is_own_address(at.client, uri, at.name, env)


def _is_plain(at: EntryAt) -> bool:
    if not isinstance(at.entry, dict):
        return False
    entry = at.client.read_entry(at.entry)
    args, variables = entry.get("args"), entry.get("env") or {}
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args) or not isinstance(variables, dict):
        return False
    starts = re.fullmatch(r"(uvx|uv tool run) [\w.-]+(==[\w.]+)?", " ".join([str(entry.get("command")), *args]))
    return starts is not None and variables.keys() <= {tracking_uri.VARIABLE, *LIMITS}


def without_credentials(variables: Mapping[str, str]) -> dict[str, str]:
    """`variables` without what a tracking server, or a proxy before it, would be sent of the user's."""
    return {
        name: value
        for name, value in variables.items()
        if not (redact.is_secret_name(name) or re.fullmatch(_CREDENTIALS, name))
    }


def is_own_uri(client: Client, uri: str, name: str, env: Environment) -> bool:
    """Whether a tracking URI as an entry of `client` spells it is the user's own, or refers to their own variable."""
    if tracking_uri.is_reference(uri):
        return uri == client.reference % tracking_uri.VARIABLE
    return is_own_address(client, uri, name, env)


def is_own_address(client: Client, uri: str, name: str, env: Environment) -> bool:
    """Whether the user's own environment, that of `client` or an entry in a file of the user's names that server."""
    own = [env.variables.get(tracking_uri.VARIABLE, "")]
    own += [reading.client_variables(client, env).get(tracking_uri.VARIABLE, "")]
    own += [
        other.expand(reading.variable(other.read_entry(entry), tracking_uri.VARIABLE), env)
        for other, _, place, entry in reading.live_entries(name, env)
        if not place.shared and isinstance(entry, dict)
    ]
    return uri.strip().rstrip("/") in {value.strip().rstrip("/") for value in own if value.strip()}


def may_run_skill(folder: Path, env: Environment, record: Record) -> bool:
    """Whether uv may run an installed skill's scripts: outside the project, or unchanged since we installed it."""
    try:
        if project.project(env) not in folder.parents:
            return True
    except InstallerError:  # no project here
        return True
    known = record.skills.get(str(folder))
    return known is not None and known.files == bundle.file_hashes(folder, bytecode=True)


def program(name: str, path: str) -> str | None:
    """The path of program `name` in the folders of `path`. Skip relative folders, which may be the project's."""
    folders = [folder for folder in path.split(os.pathsep) if os.path.isabs(folder)]  # noqa: PTH117
    return shutil.which(name, path=os.pathsep.join(folders)) if folders else None


def names_project_file(at: EntryAt, env: Environment, *, installed: bool) -> bool:
    """Whether an entry's command, arguments or variables refer to a file or folder in the project.

    `installed`: this program wrote the entry as it is. Then only what may be run counts, not a certificate, say.
    """
    if not isinstance(at.entry, dict):
        return False
    filled = env._replace(variables=reading.client_variables(at.client, env))
    project_folder = at.place.within or env.cwd
    folders = {project_folder, Path(os.path.realpath(project_folder)), env.cwd}
    texts = _texts(at.client.read_entry(at.entry), installed=installed)
    return any(
        _leads_into(folders, text) or (kind is not None and _is_relative(folders, text, kind))
        for text, kind in ((at.client.expand(text, filled), kind) for text, kind in texts)
    )


class _Kind(Enum):
    """Which relative paths count in a text."""

    PATH = "all"
    FILE = "those of files that are there, a bare name included"
    WORD = "those with a separator that are there: a bare name is that of a package"


def _texts(entry: dict[str, Any], *, installed: bool) -> Iterator[tuple[str, _Kind | None]]:
    """The texts of an entry that may hold paths, and which relative ones count in each; None: none of them."""
    command, args, variables = entry.get("command"), entry.get("args"), entry.get("env")
    if isinstance(command, str):
        yield command, _Kind.PATH if os.path.dirname(command.replace("\\", "/")) else None  # noqa: PTH120
    texts = [arg for arg in args if isinstance(arg, str)] if isinstance(args, list) else []
    for before, arg in zip(["", *texts], texts, strict=False):
        option = arg if arg.startswith("-") else before
        is_file = option.startswith("-") and option.partition("=")[0] not in (*_PACKAGE_OPTIONS, *FLAGS)
        yield arg, _Kind.FILE if is_file else _Kind.WORD
    for name, value in variables.items() if isinstance(variables, dict) else ():
        if not isinstance(value, str):
            continue
        if name == "PATH":
            yield from ((part, _Kind.PATH) for part in value.split(os.pathsep))
        elif re.match(_RUNS, name):
            yield value, _Kind.FILE
        elif not installed:
            yield value, None if re.match(_NO_PATH, value) else _Kind.WORD


def _leads_into(folders: Collection[Path], text: str) -> bool:
    """Whether `text` holds an absolute path in one of `folders`, as it is spelled or by links."""
    text = re.sub(r"^-\w(?=/)", "", text)
    folders = [folder for folder in folders if folder != folder.parent]  # all is in the root folder
    for form in {text, unquote(text)}:
        plain = form.replace("\\", "/")
        if any(re.search(rf"(?i)(?<![\w.-]){re.escape(str(folder))}(?![\w.-])", plain) for folder in folders):
            return True
        for piece in filter(os.path.isabs, re.split(_BETWEEN_PATHS, plain)):
            paths = (Path(os.path.normpath(piece)), _real(piece))
            if any(path.is_relative_to(folder) for path in paths for folder in folders):
                return True
    return False


def _is_relative(folders: Collection[Path], text: str, kind: _Kind) -> bool:
    """Whether `text` holds a relative path that counts."""
    plain = text.replace("\\", "/")
    if kind is _Kind.PATH:
        return not os.path.isabs(plain)  # noqa: PTH117
    if any(_leads_into(folders, f"/{part}") for part in plain.split(os.pathsep)):  # programs start in the root folder
        return True
    plain = re.sub(r"[\w+.-]+://", "//", plain)
    pieces = [piece for piece in re.split(_BETWEEN_PATHS, plain) if piece and not os.path.isabs(piece)]  # noqa: PTH117
    return any(
        re.match(r"\.{1,2}(/|$)", piece)
        or _leads_into(folders, f"/{piece}")
        or (("/" in piece or kind is _Kind.FILE) and any(_exists(folder / piece) for folder in folders))
        for piece in pieces
    )


def _depends_on_folder(at: EntryAt) -> bool:
    """Whether an entry of the user's own runs something else in each folder, and so a file of any project's."""
    entry = at.client.read_entry(at.entry) if isinstance(at.entry, dict) else {}
    command, args = entry.get("command"), entry.get("args")
    words = [word for word in (args if isinstance(args, list) else []) if isinstance(word, str)]
    if isinstance(command, str) and os.path.dirname(command) and not re.match(r"[/~$]|\w:", command):  # noqa: PTH120
        return True
    variables = entry.get("env")
    for name, value in variables.items() if isinstance(variables, dict) else ():
        if name in PLACES and isinstance(value, str) and not re.match(r"[/~$]|\w:", value):
            return True
    texts = [command, *words] if isinstance(command, str) else words
    return any(re.search(_THIS_FOLDER, text) for text in texts)


def _real(path: str) -> Path:
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # a null byte, say
        return Path(os.path.normpath(path))


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False
