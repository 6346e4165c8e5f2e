"""Checks of the skill's folder."""

from __future__ import annotations

from .. import clients, installed_skill
from .subject import Finding, Subject


def skill(subject: Subject) -> Finding | None:
    """Whether the bundle's skill is where the client reads it, as it was released.

    Remedy: `skill-install CLIENT`, which keeps a copy of an edited skill if it is given `--force`.
    """
    for source, folder in zip(subject.bundle.skills, subject.skill_folders, strict=True):
        known = subject.record.skills.get(str(folder))
        found = installed_skill.inspect(folder, source, subject.bundle, known.files if known else None)
        path = str(folder)
        if found.state == "same":
            return Finding("ok", f"{source.name} {subject.bundle.version}".strip(), path)
        if found.state == "unedited":
            detail = f"{source.name} {found.version or '(an earlier build)'}; this is {subject.bundle.version}"
            return Finding("warning", detail, path, subject.command("skill-install"))
        if found.state == "edited":
            return Finding("warning", f"{source.name} was edited: {', '.join(found.differences)}", path)
        if found.state != "absent":
            what = {"link": "a symlink", "not-a-folder": "not a folder"}.get(found.state, "something else")
            return Finding("error", f"{source.name} is {what}", path, subject.command("skill-install") + " --force")
        shared = _shared(subject, source.name)
        if shared is not None:
            return Finding("ok", f"{source.name}: {subject.client.title} reads the copy in {shared}", shared)
        return Finding("error", f"{source.name} is not installed", path, subject.command("skill-install"))
    return None


def _shared(subject: Subject, name: str) -> str | None:
    for folder in clients.other_skills_folders(subject.client, subject.scope, subject.env):
        if (folder / name / "SKILL.md").is_file():
            return str(folder / name)
    return None
