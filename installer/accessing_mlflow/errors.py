"""What can go wrong in a way that the user can mend: one line of reason, and the next step."""

from __future__ import annotations


class InstallerError(Exception):
    """An expected failure. `str()` is one line for the user; `fix` is the next step, if there is one.

    Raised low, where the path and the line are known; printed once, at the edge (`cli`), which exits with 1.
    """

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


class UsageError(InstallerError):
    """The command line asks for something that makes no sense; the edge exits with 2."""
