"""What lies where the skill should be: nothing, ours as released, ours with edits, or something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from . import bundle as bundles
from .bundle import Bundle, Skill
from .errors import printable


class InstalledSkill(NamedTuple):
    """`state`: absent, same (as the bundle's), unedited (of `version`), edited, foreign, link or not-a-folder.

    `differences`: for an edited copy the files that differ from the nearest known version, each with how.
    """

    state: str
    version: str = ""
    differences: tuple[str, ...] = ()


def inspect(
    folder: Path, skill: Skill, bundle: Bundle, recorded: Mapping[str, str] | None, *, of_project: bool = False
) -> InstalledSkill:
    """What lies at `folder`. `recorded`: the hashes of what this program put there, where it remembers. In a project's
    folder (`of_project`), Python's bytecode counts as an edit: it may be the project's.

    Raises BundleError for a file that cannot be read.
    """
    if folder.is_symlink():
        return InstalledSkill("link")
    if not folder.exists():
        return InstalledSkill("absent")
    if not folder.is_dir():
        return InstalledSkill("not-a-folder")
    files = bundles.file_hashes(folder, bytecode=of_project)
    if files == skill.files:
        return InstalledSkill("same", bundle.version)
    version = bundles.released_version(skill.name, files, bundle.releases)
    if version is not None:
        return InstalledSkill("unedited", version)
    if recorded is not None and files == recorded:
        return InstalledSkill("unedited")
    return _edited(files, skill, bundle, recorded)


def _edited(
    files: Mapping[str, str], skill: Skill, bundle: Bundle, recorded: Mapping[str, str] | None
) -> InstalledSkill:
    known: list[tuple[str, Mapping[str, str]]] = [(bundle.version, skill.files)]
    known += [(v, release[skill.name]) for v, release in bundle.releases.items() if skill.name in release]
    if recorded is not None:
        known.insert(0, ("", recorded))
    version, nearest = max(known, key=lambda item: len(files.items() & item[1].items()))
    if recorded is None and not files.items() & nearest.items():
        return InstalledSkill("foreign", differences=tuple(map(printable, sorted(files))))
    return InstalledSkill("edited", version, tuple(_differences(files, nearest)))


def _differences(files: Mapping[str, str], nearest: Mapping[str, str]) -> list[str]:
    """For instance `SKILL.md (changed)`, `notes.md (added)`, `scripts/x.py (missing)`."""
    result = []
    for name in sorted(files.keys() | nearest.keys()):
        if name not in nearest:
            result.append(f"{printable(name)} (added)")
        elif name not in files:
            result.append(f"{name} (missing)")
        elif files[name] != nearest[name]:
            result.append(f"{name} (changed)")
    return result
