"""Checks of the skill's folder, and of copies of it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .. import bundle as bundles
from .. import clients, installed_skill
from ..bundle import Skill
from ..errors import InstallerError
from ..installed_skill import InstalledSkill
from .subject import Finding, Subject

_WORST = ("ok", "info", "skipped", "warning", "error")
_FRONTMATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_LIMIT = 64 << 10
"""Bytes of a SKILL.md that are looked at: its frontmatter stands first."""
_HEAD = 4 << 10
"""Characters in which a version is looked for."""
_MOST_FOLDERS = 2000
"""Skills in one folder that are looked at."""
_DESCRIPTION = 1024


def skill(subject: Subject) -> Finding | None:
    """Whether the bundle's skill is where the client reads it, as it was released.

    Remedy: `skill-install CLIENT`, which keeps a copy of an edited skill if it is given `--force`.
    """
    pairs = zip(subject.bundle.skills, subject.skill_folders, strict=True)
    found = [_skill(source, folder, subject) for source, folder in pairs]
    return max(found, key=lambda finding: _WORST.index(finding.status), default=None)


def _skill(source: Skill, folder: Path, subject: Subject) -> Finding:
    known = subject.record.skills.get(str(folder))
    of_project = clients.skills_root(subject.client, subject.scope, subject.env) is not None
    recorded = known.files if known else None
    found = installed_skill.inspect(folder, source, subject.bundle, recorded, of_project=of_project)
    path, fix = str(folder), subject.command("skill-install")
    if found.state == "same":
        return Finding("ok", f"{source.name} {subject.bundle.version}".strip(), path)
    if found.state == "absent":
        return _absent(source, path, subject)
    newer = _newer(folder, subject.bundle.version)
    if newer:
        detail = f"{source.name} {newer} is newer than this program, {subject.bundle.version}"
        return Finding("warning", detail, path, "upgrade accessing-mlflow")
    if known is not None and known.version.startswith(bundles.UPSTREAM) and found.state == "unedited":
        return Finding("info", f"{source.name} is NVIDIA's own edition, {known.version}", path)
    if found.state == "unedited":
        detail = f"{source.name} {found.version or '(an earlier build)'}; this is {subject.bundle.version}"
        return Finding("warning", detail, path, fix)
    return _not_as_released(source, found, path, fix)


def _absent(source: Skill, path: str, subject: Subject) -> Finding:
    shared = _shared(source, subject)
    if shared is not None:
        return Finding("ok", f"{source.name}: {subject.client.title} reads the copy in {shared}", shared)
    for scope, folder in _scopes(subject):
        if scope != subject.scope and (folder / source.name / "SKILL.md").is_file():
            return Finding("info", f"{source.name} is in the {scope} scope", str(folder / source.name))
    return Finding("error", f"{source.name} is not installed", path, subject.command("skill-install"))


def _not_as_released(source: Skill, found: InstalledSkill, path: str, fix: str) -> Finding:
    if found.state == "edited":
        shown = ", ".join(found.differences[:10]) + (", ..." if len(found.differences) > 10 else "")
        return Finding("warning", f"{source.name} was edited: {shown}", path, f"{fix} --force")
    what = {"link": "a symlink", "not-a-folder": "not a folder"}.get(found.state, "something else")
    return Finding("error", f"{source.name} is {what}", path, f"{fix} --force")


def _newer(folder: Path, ours: str) -> str:
    """The version that the copy states, if that is later than `ours`."""
    match = None if folder.is_symlink() else bundles.SKILL_VERSION.search((_start(folder / "SKILL.md") or "")[:_HEAD])
    theirs = match["version"] if match else ""
    return theirs if _numbers(theirs) > _numbers(ours) else ""


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d{1,9}(\.\d{1,9})*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _shared(source: Skill, subject: Subject) -> str | None:
    for folder in clients.other_skills_folders(subject.client, subject.scope, subject.env):
        copy = folder / source.name
        if not (copy / "SKILL.md").is_file():
            continue
        if subject.scope != "project":
            return str(copy)
        found = installed_skill.inspect(copy, source, subject.bundle, None, of_project=True)
        if found.state in ("same", "unedited"):
            return str(copy)
    return None


def frontmatter(subject: Subject) -> Finding | None:
    """Whether the client finds the skill's name and description: without them it does not know when to use it.

    Remedy: `skill-install CLIENT --force`; a copy of what was there is kept in the backups.
    """
    for source, folder in zip(subject.bundle.skills, subject.skill_folders, strict=True):
        file = folder / "SKILL.md"
        if not folder.is_dir() or folder.is_symlink():
            continue
        reason = _fault(file, source.name)
        if reason:
            fix = subject.command("skill-install") + " --force"
            return Finding("error", f"{source.name}: {reason}", str(file), fix)
    return None


def _fault(file: Path, name: str) -> str:
    """What is wrong with the start of a SKILL.md, as far as that can be told without a library for YAML."""
    if not file.exists():
        return "there is no SKILL.md"
    text = _start(file)
    if text is None:
        return "SKILL.md cannot be read as UTF-8"
    match = _FRONTMATTER.search(text)
    if match is None:
        return "SKILL.md has no frontmatter between two lines of ---"
    lines = match[1].splitlines()
    for number, line in enumerate(lines, 2):
        if line.startswith("\t") or (line.strip() and not re.match(r"[ #]|[\w-]+:(\s|$)|-( |$)", line)):
            return f"SKILL.md, line {number}: not a line of YAML"
        if re.match(r"[\w-]+: +[^\s\"'|>#&*!\[{].*: ", line):
            return f"SKILL.md, line {number}: a text with a colon and a space in it needs quotes"
    return _field_fault(match[1], name)


def _field_fault(text: str, name: str) -> str:
    stated = _field(text, "name")
    if stated != name:
        return f"SKILL.md states the name {stated[:64]!r}; the folder's is {name!r}"
    description = _field(text, "description")
    if not description:
        return "SKILL.md states no description"
    too_long = len(description) > _DESCRIPTION
    return f"its description has {len(description)} characters, over {_DESCRIPTION}" if too_long else ""


def _field(text: str, key: str) -> str:
    """The value of a key of the frontmatter; of one over several lines, all of them."""
    match = re.search(rf"^{key}:[ \t]*(.*(?:\r?\n[ \t]+.*)*)", text, re.MULTILINE)
    return match[1].strip().strip("\"'") if match else ""


def _start(file: Path) -> str | None:
    """The first 64 KiB of a regular file; None where it cannot be read, or not as UTF-8."""
    try:
        if not file.is_file():  # opening a pipe would wait for whoever writes to it
            return None
        with file.open("rb") as stream:
            return stream.read(_LIMIT).decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        return error.object[: error.start].decode("utf-8") if error.reason == "unexpected end of data" else None
    except OSError:
        return None


def copies(subject: Subject) -> Finding | None:
    """Whether other folders beside the skill, such as backups and hidden ones, are loaded as skills too.

    Remedy: move them to a folder that is not one of skills.
    """
    ours = {source.name for source in subject.bundle.skills}
    found = [folder for top in _folders(subject) for folder in _beside(top, ours)]
    if not found:
        return None
    names = ", ".join(folder.name for folder in found[:5]) + (", ..." if len(found) > 5 else "")
    detail = f"{subject.client.title} loads {'these' if len(found) > 1 else 'this'} as well: {names}"
    return Finding("warning", detail, str(found[0]), f"move it out of {subject.env.shown(found[0].parent)}")


def _beside(top: Path, ours: set[str]) -> Iterator[Path]:
    """Folders in `top` that hold a skill that has the name of one of ours, under another folder's name."""
    try:
        names = sorted(entry.name for entry in top.iterdir())[:_MOST_FOLDERS]
    except OSError:
        return
    for name in names:
        match = None if name in ours else _FRONTMATTER.search(_start(top / name / "SKILL.md") or "")
        if match and _field(match[1], "name") in ours:
            yield top / name


def elsewhere(subject: Subject) -> Finding | None:
    """Whether the client reads several copies of the skill, and which one wins.

    Remedy: `skill-install CLIENT [--scope SCOPE] --force` for the copies that are not this version, as the fix says.
    """
    for source in subject.bundle.skills:
        there = [(scope, top / source.name) for scope, top in _scopes(subject) if (top / source.name).is_dir()]
        if len(there) < 2:
            continue
        places = ", ".join(subject.env.shown(folder) for _, folder in there)
        if len({_content(folder) for _, folder in there}) == 1:
            return Finding("info", f"{source.name} is there {len(there)} times, the same: {places}", str(there[0][1]))
        wins = subject.client.skills_winner
        which = next((folder for scope, folder in there if scope == wins), None)
        used = f"{subject.client.title} uses {subject.env.shown(which)}" if which else "either may be used"
        detail = f"{source.name} is there {len(there)} times, and not the same; {used}: {places}"
        return Finding("warning", detail, str(there[0][1]), _level(source, there, subject))
    return None


def _level(source: Skill, there: list[tuple[str, Path]], subject: Subject) -> str:
    """How to make the copies the same: those that are not the bundle's are brought up to date, or replaced."""
    wrong = [scope for scope, folder in there if _content(folder) != tuple(sorted(source.files.items()))]
    scopes = [f" --scope {scope}" if scope != "user" else "" for scope in dict.fromkeys(wrong)]
    return " && ".join(f"skill-install {subject.client.name}{scope} --force" for scope in scopes)


def _content(folder: Path) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(sorted(bundles.file_hashes(folder).items()))
    except InstallerError:  # the skill's own check reports it
        return (("", str(folder)),)


def skill_folders(subject: Subject) -> list[Path]:
    """Where the client reads the bundle's skills: the copy of the subject's scope, else one of another scope."""
    found = []
    for source, own in zip(subject.bundle.skills, subject.skill_folders, strict=True):
        everywhere = (own, *(top / source.name for top in _folders(subject)))
        found += [next((folder for folder in everywhere if (folder / "SKILL.md").is_file()), None)]
    return [folder for folder in found if folder is not None]


def _folders(subject: Subject) -> list[Path]:
    """Every folder of skills that the client reads, once."""
    return list(dict.fromkeys(folder for _, folder in _scopes(subject)))


def _scopes(subject: Subject) -> Iterator[tuple[str, Path]]:
    """Every folder of skills that the client reads, once, with the scope that it belongs to."""
    seen = set()
    for scope in ("user", *subject.client.scopes):
        try:
            own = clients.skills_folder(subject.client, scope, subject.env)
            others = clients.other_skills_folders(subject.client, scope, subject.env)
        except InstallerError:  # no project here
            continue
        for folder in (own, *others):
            if folder not in seen:
                seen.add(folder)
                yield scope, folder
