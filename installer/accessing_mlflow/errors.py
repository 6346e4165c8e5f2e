"""What can go wrong in a way that the user can mend: one line of reason, and the next step."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with all that a terminal would act on escaped: names and targets of a project's files may be anything."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InstallerError(Exception):
    """An expected failure. `str()` is one line for the user; `fix` is the next step, if there is one.

    Raised low, where the path and the line are known; printed once, at the edge (`cli`), which exits with 1.
    """

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


class UsageError(InstallerError):
    """The command line asks for something that makes no sense; the edge exits with 2."""
