"""The server entry: what ours is, how an existing one is brought up to date, and how that is undone. All pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from .errors import InstallerError, printable

Entry = dict[str, Any]

# Without the two, one call to a server that is not there blocks the agent for four minutes; with them, a closed
# port answers at once and a silent server in 20 s (measured over MCP with mlflow-mcp 0.4.1).
LIMITS: Mapping[str, str] = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}

# `uvx --help`, uv 0.13: the options that take no value.
FLAGS = frozenset(
    [
        "--isolated",
        "--no-env-file",
        "--lfs",
        "--no-index",
        "-U",
        "--upgrade",
        "--no-sources",
        "--reinstall",
        "--compile-bytecode",
        "--no-build-isolation",
        "--no-build",
        "--no-binary",
        "--require-build-hashes",
        "--no-require-build-hashes",
        "-n",
        "--no-cache",
        "--refresh",
        "--managed-python",
        "--no-managed-python",
        "--no-python-downloads",
        "-q",
        "--quiet",
        "-v",
        "--verbose",
        "--system-certs",
        "--native-tls",
        "--offline",
        "--no-progress",
        "--no-config",
    ]
)


_REQUIREMENT = re.compile(
    r"(?P<source>--from=)?(?P<name>[A-Za-z0-9._-]*[A-Za-z0-9])(?P<extras>\s*\[[^\]]*\])?\s*(?:[@=<>!~].*)?", re.DOTALL
)


class EntryError(InstallerError):
    """An existing entry has a shape that the client cannot use; the message has the JSON pointer."""


def is_ours(entry: object, package: str) -> bool:
    """Whether `entry`, typed by hand or not, runs `package` through `uvx` or `uv tool run`."""
    return isinstance(entry, dict) and _requirement_index(entry, package) is not None


def program(command: str) -> str:
    """The name of the program that a command is the path of, on any system: `uvx` of `C:\\uv\\uvx.exe`."""
    return PurePosixPath(PureWindowsPath(command).as_posix()).name.lower().removesuffix(".exe")


def requirement(entry: Entry, package: str) -> str:
    """The requirement that an entry of ours runs: the package's name, or with a version, as it is written."""
    index = _requirement_index(entry, package)
    return package if index is None else str(entry["args"][index]).removeprefix("--from=")


def runner_options(entry: Entry, package: str) -> list[str]:
    """The options for uvx itself in an entry of ours, such as `--python 3.12`, without --from."""
    index = _requirement_index(entry, package)
    start = _after_runner(entry.get("command"), entry.get("args", []))
    if index is None or start is None:
        return []
    options = entry["args"][start:index]
    return [option for option in options if option not in ("--from", "--")]


def runner_length(entry: Entry) -> int:
    """How many of the args of an entry of ours belong to the runner's own name: those of `uv tool run` do."""
    return _after_runner(entry.get("command"), entry.get("args", [])) or 0


def pinned(entry: Entry, package: str, version: str) -> Entry:
    """An entry of ours, at exactly `version`; at none in particular where that is empty."""
    index = _requirement_index(entry, package)
    if index is None:
        return entry
    args = list(entry["args"])
    found = _REQUIREMENT.fullmatch(args[index])
    assert found is not None
    args[index] = f"{found['source'] or ''}{package}{found['extras'] or ''}{version and f'=={version}'}"
    return {**entry, "args": args}


def new(command: str, package: str) -> Entry:
    """An entry that runs the package's newest version, without any environment yet."""
    return {"command": command, "args": [package], "env": {}}


def with_variables(entry: Entry, variables: Mapping[str, str], *, defaults: Mapping[str, str]) -> Entry:
    """`entry` with `variables` set, and `defaults` where the user has no value of their own."""
    env = dict(entry.get("env") or {})
    env.update(variables)
    for name, value in defaults.items():
        env.setdefault(name, value)
    return {**entry, "env": env}


GONE = object()
"""Stands for the value of a member that is to be removed."""


def differences(before: object, after: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The smallest members to set, or to remove (GONE), so that `before` becomes `after`: (path, value) pairs.

    Small edits leave the user's formatting, comments and spelling of numbers inside an entry as they were.
    """
    if not isinstance(before, dict) or not isinstance(after, dict):
        if before != after:
            yield path, after
        return
    for key in before.keys() - after.keys():
        yield (*path, key), GONE
    for key, value in after.items():
        if key not in before:
            yield (*path, key), value
        else:
            yield from differences(before[key], value, (*path, key))


def undone(before: Any, installed: Entry, current: Entry, package: str) -> Any:
    """The inverse of an installation, for an entry that may have been changed since; None: no entry.

    Of an entry that was ours already, what still has the installed value gets its earlier one, and what the user has
    changed since stays. Anything else, which was replaced by force, comes back whole.
    """
    return _undone_members(before, installed, current) if is_ours(before, package) else before


def _undone_members(before: Entry, installed: Entry, current: Entry) -> Entry:
    result: Entry = {}
    for key in (*current, *(key for key in before if key not in current)):
        value = _undone_member(before.get(key, _ABSENT), installed.get(key, _ABSENT), current.get(key, _ABSENT))
        if value is not _ABSENT:
            result[key] = value
    return result


_ABSENT = object()


def _undone_member(before: object, installed: object, current: object) -> object:
    if current == installed:
        return before
    if isinstance(installed, dict) and isinstance(current, dict) and (before is _ABSENT or isinstance(before, dict)):
        rest = _undone_members(before if isinstance(before, dict) else {}, installed, current)
        return _ABSENT if before is _ABSENT and not rest else rest
    return current


def check_shape(entry: object, pointer: str) -> None:
    """Raises EntryError, with the JSON pointer and the remedy, unless clients can use `entry`.

    An entry in one of the usual forms needs no schema, and so no import of jsonschema.
    """
    if _is_plain(entry):
        return
    import json
    from importlib import resources

    import jsonschema

    schema = json.loads(resources.files(__package__).joinpath("data/server-entry.schema.json").read_text("utf-8"))
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(entry))
    if error is not None:
        where = "".join(
            "/" + printable(str(part)).replace("~", "~0").replace("/", "~1") for part in error.absolute_path
        )
        remedy = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
        raise EntryError(f"{pointer}{where} is not what a client can use: {_rule(error)}", remedy)


def _rule(error: Any) -> str:
    """What the schema asks for, without the value: it may be a secret."""
    if error.validator == "required":
        return str(error.message)
    return f"{error.validator} must be {error.validator_value}"


_LISTS = ("env_vars", "disabled_tools", "enabled_tools")
_NUMBERS = ("startup_timeout_sec", "tool_timeout_sec")


def _is_plain(entry: object) -> bool:
    """Whether it is as this program writes it, or as `claude mcp add` does."""
    if not isinstance(entry, dict) or not entry.keys() <= {"type", "command", "args", "env", *_LISTS, *_NUMBERS}:
        return False
    env = entry.get("env", {})
    return (
        entry.get("type", "stdio") == "stdio"
        and isinstance(entry.get("command"), str)
        and entry["command"] != ""
        and all(isinstance(entry.get(key, []), list) for key in ("args", *_LISTS))
        and all(isinstance(text, str) for key in ("args", *_LISTS) for text in entry.get(key, []))
        and all(type(entry.get(key, 0)) in (int, float) for key in _NUMBERS)
        and isinstance(env, dict)
        and all(isinstance(value, str) for value in env.values())
    )


def _requirement_index(entry: Entry, package: str) -> int | None:
    """Where in the args the package stands: the first positional one, or the value of --from."""
    args = entry.get("args")
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        return None
    start = _after_runner(entry.get("command"), args)
    if start is None:
        return None
    index = _package_index(args, start)
    return index if index is not None and _is_requirement(args[index], package) else None


def _after_runner(command: object, args: Sequence[str]) -> int | None:
    """How many args belong to the runner's own name; None where it is not uv's tool runner."""
    if not isinstance(command, str):
        return None
    name = program(command)
    if name == "uvx":
        return 0
    return 2 if name == "uv" and list(args[:2]) in (["tool", "run"], ["x"]) else None


def _package_index(args: Sequence[str], start: int) -> int | None:
    """The first positional argument; with --from its value, if the program to run is the package's own."""
    source, index = None, start
    while index < len(args) and args[index].startswith("-"):
        arg = args[index]
        if arg == "--":
            index += 1
            break
        if arg == "--from":
            source = index + 1
        elif arg.startswith("--from="):
            source = index
        index += _option_length(arg)
    if index >= len(args) or source is None:
        return index if index < len(args) else None
    return source if source < index and _is_requirement(args[source], _normalized(args[index])) else None


def _option_length(arg: str) -> int:
    """How many arguments an option takes up, itself included: `-p3.12`, `-qn` and `--python=3.12` are one."""
    if arg.startswith("--"):
        return 1 if arg in FLAGS or "=" in arg else 2
    return 1 if len(arg) > 2 or arg in FLAGS else 2


def _is_requirement(text: str, package: str) -> bool:
    """Whether `text` asks for `package`: bare, with a version (`==`, `@` and the rest) or extras."""
    match = _REQUIREMENT.fullmatch(text)
    return match is not None and _normalized(match["name"]) == package


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
