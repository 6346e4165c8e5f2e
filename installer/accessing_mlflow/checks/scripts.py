"""A check of what the skill's scripts need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .. import bundle as bundles
from .. import trust
from .. import uvx as uvxs
from .skill import skill_folders
from .subject import Finding, Subject

_MARK = re.compile(rb"^# /// script\r?$", re.MULTILINE)
"""What makes a Python file one that uv runs with the packages that it names (PEP 723)."""


def scripts(subject: Subject) -> Finding | None:
    """Whether uv has the packages that the skill's scripts need; it fetches them, and starts nothing.

    Only for an unmodified released skill, because an edited one could request any package, and not for a skill that
    comes with a project, unless this program installed it.

    Remedy: uv's own last words are in the line; the fix is what they mean, or the command to try by hand.
    """
    from .. import fetch

    found = list(_scripts(subject)) if subject.may_use else []
    if not found:
        return None
    try:
        uvx = uvxs.find(subject.env)
    except uvxs.UvxNotFound:  # there is a check for that
        return None
    uv, variables, settings = uvxs.uv(uvx.path), subject.env.variables, uvxs.settings_file(subject.env)
    python = uvxs.interpreter(uvx, fetch.SCRIPT_PYTHON, variables)
    for script in found:
        try:
            fetch.fetch_for_script(uv, script, python, variables, settings)
        except fetch.FetchError as error:
            return Finding("warning", str(error), str(script), error.fix)
    return Finding("ok", f"have what they need ({', '.join(script.name for script in found)})")


def _scripts(subject: Subject) -> Iterator[Path]:
    released = {source.name: source.files for source in subject.bundle.skills}
    for folder in skill_folders(subject):
        released_there = bundles.file_hashes(folder) == released[folder.name]
        if released_there and trust.may_run_skill(folder, subject.env, subject.record):
            yield from (file for file in sorted(folder.glob("scripts/*.py")) if _MARK.search(file.read_bytes()))
