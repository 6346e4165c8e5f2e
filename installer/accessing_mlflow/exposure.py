"""Keeps secrets out of files that other people get to see: a project's, and those that git tracks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from . import project, reading, redact, tracking_uri, trust
from .clients import Entries
from .environment import Environment
from .errors import InstallerError

_GIT_SECONDS = 10.0
_NOT_TRACKED = 1
"""What `git ls-files --error-unmatch` exits with for a file that it does not track."""


def check(variables: Mapping[str, str], existing: object, place: Entries, env: Environment) -> None:
    """Raises InstallerError where an entry at `place` would get a value that looks secret and others would see it.

    What the entry (`existing`) holds already is not made worse by staying, except in a project's file, which is there
    to be shared. Git is asked only where there is such a value.
    """
    found = [name for name, value in variables.items() if looks_secret(name, value)]
    if not place.shared:
        found = [name for name in found if reading.variable(existing, name) != variables[name]]
    if not found:
        return
    name = found[0]
    if place.shared:
        why = "a project's files are shared"
    elif is_tracked(place.file, env):
        why = f"git tracks {env.shown(place.file.resolve())}"
    else:
        return
    if name == tracking_uri.VARIABLE:
        raise InstallerError(f"the tracking URI holds credentials, and {why}", _CREDENTIALS_FILE)
    raise InstallerError(
        f"{name} looks like a secret, and {why}",
        f"--env {name}, without a value, writes a reference to each one's own variable;\n{_CREDENTIALS_FILE}",
    )


_CREDENTIALS_FILE = "a user name and a password can go into ~/.mlflow/credentials"


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable's value is a secret, by its name or by its form. What only refers to variables is none."""
    plain = re.sub(r"://:?@", "://", re.sub(r"\$\{[^}]*\}", "", value))
    if name == tracking_uri.VARIABLE:
        return tracking_uri.has_credentials(plain)
    return plain != "" and ((redact.is_secret_name(name) and not redact.is_reference(value)) or _is_hidden(plain))


def _is_hidden(value: str) -> bool:
    return redact.text(value) != value


def is_tracked(file: Path, env: Environment) -> bool:
    """Whether git tracks the file, or the one that it is a symlink to: in a repository of dotfiles, say.

    Where git cannot tell (it is not here, or the repository belongs to somebody else), it may. A repository whose
    work tree is elsewhere than its `.git` is not found.
    """
    real = file.resolve()
    if project.worktree(real.parent) is None:
        return False
    import subprocess

    from .processes import run

    git = trust.program("git", env.variables.get("PATH", ""))
    if git is None:
        return True
    variables = {name: value for name, value in env.variables.items() if not name.startswith("GIT_")}
    variables["GIT_NO_LAZY_FETCH"] = "1"  # like the option: a repository's settings name programs
    safe = ("core.fsmonitor=false", "safe.bareRepository=explicit", "protocol.allow=never")
    options = [word for setting in safe for word in ("-c", setting)]
    ask = [git, "-C", str(real.parent), *options, "ls-files", "--error-unmatch", "--", real.name]
    try:
        return run(ask, variables, timeout=_GIT_SECONDS).returncode != _NOT_TRACKED
    except (OSError, subprocess.TimeoutExpired):
        return True
