"""A check that starts the skill's scripts, as the agent would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from .. import bundle as bundles
from .. import uvx as uvxs
from .skill import skill_folders
from .subject import Finding, Subject

_MARK = b"\n# /// script\n"
"""What makes a Python file one that uv runs with the packages that it names (PEP 723)."""


def scripts(subject: Subject) -> Finding | None:
    """Whether the skill's scripts start, with the packages that uv fetches for them the first time.

    Only those of a skill that is as it was released: anything else might be anybody's program.

    Remedy: uv's own last words are in the line; the fix is what they mean, or the command to try by hand.
    """
    from .. import fetch

    found = list(_scripts(subject))
    if not found:
        return None
    try:
        uv = uvxs.uv(uvxs.find(subject.env).path)
    except uvxs.UvxNotFound:  # there is a check for that
        return None
    started = time.monotonic()
    for script in found:
        try:
            fetch.start_script(uv, script, subject.env.variables)
        except fetch.FetchError as error:
            return Finding("warning", str(error), str(script), error.fix)
    seconds = time.monotonic() - started
    return Finding("ok", f"start ({', '.join(script.name for script in found)}, {seconds:.1f} s)")


def _scripts(subject: Subject) -> Iterator[Path]:
    released = {source.name: source.files for source in subject.bundle.skills}
    for folder in skill_folders(subject):
        if bundles.file_hashes(folder) == released[folder.name]:
            files = (file for file in sorted(folder.glob("scripts/*.py")) if _MARK in file.read_bytes())
            yield from files
