"""Which folder is "the project", without running git: the `.git` folder or file tells it all."""

from __future__ import annotations

from pathlib import Path

from .environment import Environment
from .errors import InstallerError

_PATH_LIMIT = 8192
"""Characters of a file that holds a path."""


def worktree(folder: Path) -> Path | None:
    """The top level of the git worktree that holds `folder`; None outside of git."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)


def project(env: Environment) -> Path:
    """The folder that project files belong in: this worktree's top level or, without git, the working directory.

    Raises InstallerError where that is the home folder: its files would apply to everything below it.
    """
    folder = worktree(env.cwd) or env.cwd
    if folder.resolve() == env.home.resolve():
        raise InstallerError(
            f"{folder} is your home folder, not a project",
            "change into a project first, or use --scope user",
        )
    return folder


def repository(env: Environment) -> Path:
    """The folder that Claude Code files a project's own settings under (measured with 2.1.330).

    The real path of the *main* worktree's top level, for its linked worktrees and subfolders too; a bare
    repository's own folder for worktrees linked to it; a submodule's top level; without git the working directory.
    """
    top = project(env).resolve()
    pointer = top / ".git"
    if not pointer.is_file():
        return top
    common = _common_folder(top, pointer)
    if common is None:
        return top
    return common.parent if common.name == ".git" else common


def _common_folder(top: Path, pointer: Path) -> Path | None:
    """The repository of a linked worktree's `.git` file; None for a submodule or a separate git folder.

    Also None if the repository does not list the worktree, because a `.git` file can name any folder. Claude Code
    does the same (measured with 2.1.330).
    """
    key, _, value = _text(pointer).partition(":")
    if key != "gitdir":
        return None
    git_folder = (top / value.strip()).resolve()
    stated, back = _text(git_folder / "commondir"), _text(git_folder / "gitdir")
    common, worktree = (git_folder / stated).resolve(), (git_folder / back).parent.resolve()
    return common if stated and back and worktree == top and git_folder.parent == common / "worktrees" else None


def _text(file: Path) -> str:
    """The first line of a small file of git's; empty where there is no such file."""
    if not file.is_file():
        return ""
    with file.open(encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read(_PATH_LIMIT).partition("\n")[0].strip()
