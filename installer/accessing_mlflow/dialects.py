"""Entries as a client spells them, and as the rest of this program knows them: with references in their env."""

from __future__ import annotations

import re

from .entry import Entry
from .errors import UsageError

_REFERENCE = re.compile(r"\$\{(\w+)\}")


def read_codex(entry: Entry) -> Entry:
    """Codex fills in nothing: it passes on the variables that `env_vars` names, which are references here."""
    names = entry.get("env_vars")
    if not isinstance(names, list):
        return entry
    passed = {name: f"${{{name}}}" for name in names if isinstance(name, str)}
    rest = {key: value for key, value in entry.items() if key != "env_vars"}
    return {**rest, "env": {**passed, **(entry.get("env") or {})}}


def write_codex(entry: Entry) -> Entry:
    """The inverse of `read_codex`. Raises UsageError for a reference to a variable of another name."""
    env, names = dict(entry.get("env") or {}), []
    for name, value in list(env.items()):
        found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            continue
        if found.group(1) != name:
            raise UsageError(
                f"Codex passes variables on by their own name only, and {name} is to be {value}",
                f"set {name} itself, and give --env {name}",
            )
        names.append(name)
        del env[name]
    rest = {key: value for key, value in entry.items() if key not in ("env", "env_vars")}
    return {**rest, **({"env_vars": names} if names else {}), "env": env}
