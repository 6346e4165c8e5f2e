"""Write the list of checks in docs/doctor.md anew from the checks themselves, or see whether it is current.

    python installer/tools/doctor_docs.py [--check]

The docstring of a check says what it looks for, and in a last paragraph, `Remedy: ...`, what helps. What stands above
the mark in the file is written by hand. Exits with 1 where --check finds a difference.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "installer"))

from accessing_mlflow import checks  # noqa: E402
from accessing_mlflow.checks import Check  # noqa: E402

MARK = "<!-- All below is made by installer/tools/doctor_docs.py from the checks themselves. -->\n"
_PER = {"client": "for each client", "scope": "for each scope in use", "winner": "for the scope that wins"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the list of checks in docs/doctor.md anew.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the list is not current")
    options = parser.parse_args(arguments)
    path = REPOSITORY / "docs" / "doctor.md"
    before = path.read_text(encoding="utf-8")
    after = with_checks(before)
    if before != after and options.check:
        print(f"{path} is not current: run {sys.argv[0]}")
        return 1
    if before != after:
        path.write_text(after, encoding="utf-8")
    return 0


def with_checks(text: str) -> str:
    """The document's text with the list of today's checks."""
    by_hand, mark, _ = text.partition(MARK)
    assert mark, "the mark is gone"
    return by_hand + mark + "".join(f"\n{line}\n" for line in _blocks())


def _blocks() -> Iterator[str]:
    for group in dict.fromkeys(checks.group(check.id) for check in checks.CHECKS):
        yield f"## {group.capitalize()}"
        for check in checks.CHECKS:
            if checks.group(check.id) == group:
                yield f"### `{check.id}`"
                yield from _about(check)


def _about(check: Check) -> Iterator[str]:
    *meaning, last = [" ".join(part.split()) for part in (inspect.getdoc(check.run) or "").split("\n\n")]
    remedy = last if last.startswith("Remedy: ") else ""
    when = [_PER[check.per], "not with `--offline`" if check.online else "", "with `-v` only" if check.verbose else ""]
    text = " ".join(meaning if remedy else [*meaning, last])
    yield _wrapped(f"*{', '.join(filter(None, when)).capitalize()}.* {text}")
    if remedy:
        yield _wrapped(remedy)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
