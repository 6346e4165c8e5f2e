"""Slow checks side by side: each in a thread of its own, while the main thread waits and can be interrupted."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TypeVar

from .. import processes

Result = TypeVar("Result")
Waiting = Callable[[Collection[int], float], object]
"""Told, now and then, the numbers of those that are still at work, and the seconds since the start."""

_TICK = 0.1


def side_by_side(works: Mapping[int, Callable[[], Result]], waiting: Waiting) -> dict[int, Result]:
    """What each of `works` gives, by its number. What one raises is raised here.

    On Ctrl-C, SIGTERM and SIGHUP every process that they have started is killed before the exception leaves; the
    threads, which may wait for a network, are left behind: they do not outlive the program.
    """
    done: queue.Queue[tuple[int, Result | None, BaseException | None]] = queue.Queue()

    def run(number: int, work: Callable[[], Result]) -> None:
        try:
            done.put((number, work(), None))
        except BaseException as error:  # raised in the main thread, below
            done.put((number, None, error))

    found: dict[int, Result] = {}
    started = time.monotonic()
    with processes.interruptible():
        for item in works.items():
            threading.Thread(target=run, args=item, daemon=True).start()
        while len(found) < len(works):
            waiting(works.keys() - found.keys(), time.monotonic() - started)
            with suppress(queue.Empty):
                number, result, error = done.get(timeout=_TICK)
                if error is not None:
                    raise error
                found[number] = result  # type: ignore[assignment]
    return found
