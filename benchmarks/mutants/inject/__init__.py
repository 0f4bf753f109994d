"""One injector for each mistake of the catalogue: a correct update in, edits that make the mistake out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from benchmarks.mutants.anatomy import Anatomy
from benchmarks.mutants.source import Edit

Edits = Edit | tuple[Edit, ...]


@dataclass(frozen=True)
class Injector:
    """How a mistake is made.

    stays: what is left may well equal another published form (or the very same: constants, signs, time, lost
    state), so that such a mutant counts all the same. hidden: the recurrence may not show it at all.
    asks: it is a mistake only under the convention of the original, which optlint is then told.
    """

    code: str
    kind: str
    make: Callable[[Anatomy], Iterable[Edits]]
    stays: bool = False
    hidden: bool = False
    asks: bool = False

    def edits(self, anatomy: Anatomy) -> Iterator[tuple[Edit, ...]]:
        for made in self.make(anatomy):
            yield many(made)


def many(made: Edits) -> tuple[Edit, ...]:
    """One edit, or several, as several."""
    first = made[0]
    return (cast(Edit, made),) if isinstance(first, int) else cast("tuple[Edit, ...]", made)


INJECTORS: list[Injector] = []


def injects(
    code: str, kind: str = "", stays: bool = False, hidden: bool = False, asks: bool = False
) -> Callable[[Callable[[Anatomy], Iterable[Edits]]], Callable[[Anatomy], Iterable[Edits]]]:
    """Register an injector of a mistake."""

    def register(make: Callable[[Anatomy], Iterable[Edits]]) -> Callable[[Anatomy], Iterable[Edits]]:
        INJECTORS.append(Injector(code, kind or make.__name__.replace("_", " "), make, stays, hidden, asks))
        return make

    return register


def load() -> list[Injector]:
    """All injectors, in the order of their codes."""
    from benchmarks.mutants.inject import correction, decay, epsilon, family, momentum, second_moment, state  # noqa: F401

    return sorted(INJECTORS, key=lambda i: (i.code, i.kind))
