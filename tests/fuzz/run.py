"""Mutates the corpus until the time is over or something fails: `python -m tests.fuzz.run --seconds 600 --seed 1`.

Every case has a number, and depends on nothing but the seed and its number: `--first N --cases 1` runs one again. At
the first failure the case is made smaller as long as it fails in the same way, and saved in a folder of its own.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.commands import FILES, check_commands, home_in
from tests.fuzz.edits import TookTooLong, check_edit, check_whole, chosen
from tests.fuzz.mutate import corpus, mutated
from tests.homes import Home

COMMANDS_EVERY = 20
"""One case in so many runs the commands, which take longer than edits."""
_STUCK = 120.0
_REDUCING = 60.0
_REPORT_EVERY = 30.0


@dataclass(frozen=True)
class Case:
    """Mutated files; and for an edit, of one file without a name, the member's path and value.

    `later`: the seed of what another program does between the commands; None where there is none.
    """

    files: dict[str, bytes]
    path: list[str] | None = None
    value: Any = None
    later: str | None = None

    def check(self, home: Home) -> str:
        """What came of it. Raises whatever is wrong."""
        if self.path is None:
            return f"commands: {check_commands(home, self.files, self._change if self.later else None)}"
        (data,) = self.files.values()
        outcome = check_edit(data, self.path, self.value)
        check_whole(data)
        return f"edit: {outcome}"

    def _change(self, data: bytes) -> bytes:
        return mutated(Random(self.later), [data], gently=True)


def case(seed: int, number: int, documents: dict[str, bytes]) -> Case:
    """The case of that number."""
    random = Random(f"{seed}:{number}")
    if number % COMMANDS_EVERY:
        data = mutated(random, list(documents.values()))
        return Case({"document": data}, *chosen(random, data))
    strict = [data for name, data in documents.items() if name.endswith(".json")]
    files = {name: mutated(random, strict, gently=True) for name in random.choice((FILES, FILES[:2], FILES[:1]))}
    if random.random() < 0.5:
        files[FILES[1]] = mutated(random, list(documents.values()), gently=random.random() < 0.7)
    return Case(files, later=random.choice((None, f"{seed}:{number}:later")))


def run_all(
    seed: int, numbers: Iterator[int], home: Home, say: Callable[[str], None]
) -> tuple[Counter[str], int | None]:
    """Runs the cases of those numbers; gives how often what came of them, and the number of the first that fails."""
    documents, outcomes = corpus(), Counter[str]()
    for number in numbers:
        try:
            outcomes[case(seed, number, documents).check(home)] += 1
        except (Exception, TookTooLong) as error:
            say(f"case {number} of seed {seed} fails: {_failure(error)}")
            return outcomes, number
    return outcomes, None


def smaller(failing: Case, home: Home) -> Case:
    """The case with as much of its files left out as can be while it fails in the same way."""
    wanted, end = _outcome(failing, home), time.monotonic() + _REDUCING
    for name in failing.files:
        size = 2 * len(failing.files[name])
        while size := size // 2:
            start = 0
            while start < len(data := failing.files[name]) and time.monotonic() < end:
                less = replace(failing, files={**failing.files, name: data[:start] + data[start + size :]})
                if _outcome(less, home) == wanted:
                    failing = less
                else:
                    start += size
    return failing


def _outcome(tried: Case, home: Home) -> str:
    try:
        return tried.check(home)
    except (Exception, TookTooLong) as error:
        return _failure(error)


def _failure(error: BaseException) -> str:
    """The kind of error and its message, without what differs between a large and a small document."""
    return f"{type(error).__name__}: {str(error).partition(': ')[0]}"


def save(failing: Case, folder: Path, reason: str) -> None:
    """Writes the files, and beside them what was done with them."""
    for name, data in failing.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    done = f"path {failing.path!r}, value {failing.value!r}, later {failing.later!r}"
    (folder / "case.txt").write_text(f"{reason}\n{done}\n", encoding="utf-8", errors="backslashreplace")


def _numbers(first: int, cases: int | None, seconds: float) -> Iterator[int]:
    """Counts until the time is over, and says now and then how far it is; a case that is stuck ends the program."""
    start = report = time.monotonic()
    number = first
    while (now := time.monotonic()) - start < seconds and (cases is None or number < first + cases):
        if number == first or now >= report:
            faulthandler.dump_traceback_later(_STUCK, exit=True)
            print(f"{now - start:6.0f} s: case {number}", flush=True)
            report = now + _REPORT_EVERY
        yield number
        number += 1
    faulthandler.cancel_dump_traceback_later()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to go on (default: 60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first case")
    parser.add_argument("--cases", type=int, metavar="N", help="so many cases at most")
    parser.add_argument("--save", type=Path, default=Path(), metavar="DIR", help="where a failing case is saved")
    return parser.parse_args()


def main() -> int:
    """Exit code 0: no case failed; 1: one did."""
    wanted = _arguments()
    wanted.save = wanted.save.absolute()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, home_in(Path(folder)) as home:
        numbers = _numbers(wanted.first, wanted.cases, wanted.seconds)
        outcomes, failed = run_all(wanted.seed, numbers, home, print)
        took = time.monotonic() - start
        faulthandler.cancel_dump_traceback_later()
        if failed is not None:
            small = smaller(case(wanted.seed, failed, corpus()), home)
            target = wanted.save / f"fuzz-{wanted.seed}-{failed}"
            save(small, target, _outcome(small, home))
            print(f"saved in {target}")
    print(f"{outcomes.total()} cases in {took:.0f} s ({outcomes.total() / took:.0f}/s)")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:8} {outcome}")
    return 0 if failed is None else 1


if __name__ == "__main__":
    sys.exit(main())
