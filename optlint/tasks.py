"""Work that is done here, or by workers where there is much of it: the results come in the order of the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

ENOUGH = 4  # tasks that are worth starting workers for: each needs a second to get ready
MAX_LOOKS = 100  # at what may be small work; if there is more than that, workers look
MAX_JOBS = 64


@dataclass(frozen=True, slots=True)
class Task(Generic[Result]):
    """Work for a worker: a function of a module and its arguments, which are sent to it.

    failed: the result where the worker ended instead, given the reason. quick: does small work on the spot, or
    returns None where it is none. done: called with the result, here, unless it is one of failing.
    """

    function: Callable[..., Result]
    arguments: tuple[Any, ...]
    failed: Callable[[str], Result]
    quick: Callable[[], Result | None] = lambda: None
    done: Callable[[Result], None] = lambda result: None

    def run(self) -> Result:
        """Do it here."""
        return self.finished(self.function(*self.arguments))

    def finished(self, result: Result) -> Result:
        self.done(result)
        return result


def processors() -> int:
    """How many processors this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def in_order(work: Iterable[Result | Task[Result]], jobs: int) -> Iterator[Result]:
    """The results of the work, in its order; done by workers where there are several tasks and more than one job."""
    if jobs < 2 or not sys.executable or getattr(sys, "frozen", False):
        for item in work:
            yield item.run() if isinstance(item, Task) else item
        return
    remaining = iter(work)
    held: list[Result | Task[Result]] = []
    looks = large = 0
    for item in remaining:
        if isinstance(item, Task):
            looks += 1
            result = item.quick() if looks <= MAX_LOOKS else None
            item = item if result is None else item.finished(result)
        held.append(item)
        large += isinstance(item, Task)
        if large == ENOUGH:
            from optlint.workers import Workers

            with Workers(min(jobs, MAX_JOBS)) as workers:
                yield from workers.each(held, remaining)
            return
    for item in held:
        yield item.run() if isinstance(item, Task) else item
