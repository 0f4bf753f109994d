"""Where two equations differ: the smallest parts of the one that have to become others to give the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from optlint.fix.values import Numbers, Values
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.model import Span

_MAX_PARTS = 6
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Change:
    """``old`` becomes ``new``.

    within: the source of the smallest expression around it that has one; home: where its equation's place is written.
    """

    old: Expr
    new: Expr
    within: Span | None
    home: tuple[Span, ...] = ()


def changes(old: Expr, new: Expr, values: Values) -> list[list[Change]]:
    """Ways to tell the difference, the most local first; each way is a list of changes that belong together."""
    if values.same(old, new):
        return []
    return _Difference(values).ways(old, new, None)


class _Difference:
    def __init__(self, values: Values) -> None:
        self.values = values
        self._pools: dict[Expr, list[Expr]] = {}

    def ways(self, old: Expr, new: Expr, within: Span | None, depth: int = 0) -> list[list[Change]]:
        around = old.origin or within
        whole = [Change(old, new, around)]
        if depth > 40 or old.op == "opaque":
            return [whole]
        found: list[list[Change]] = []
        for child, wanted in self._one_part(old, new):
            found += self.ways(child, wanted, around, depth + 1)
            if len(found) > 24:
                break
        if not found and old.op == new.op and len(old.args) == len(new.args):
            found += self._each(old, new, around, depth)
        return [*found, whole]

    def _one_part(self, old: Expr, new: Expr) -> Iterator[tuple[Expr, Expr]]:
        """The operands of which one alone, exchanged, gives ``new``."""
        target = self.values.numbers(new)
        wanted: list[tuple[Expr, Numbers]] = []
        for position, child in enumerate(old.args):
            others = [self.values.numbers(a) for i, a in enumerate(old.args) if i != position]
            with np.errstate(all="ignore"):
                numbers = _solved(old.op, position, others, target)
            if numbers is not None and np.all(np.isfinite(numbers)):
                wanted.append((child, numbers))
        done: set[Expr] = set()
        for pool in (_parts, self._composed):  # what stands in the new equation as it is comes first
            for child, numbers in wanted:
                if child in done:
                    continue
                expr = self._named(numbers, pool(new), child)
                if expr is not None and not self.values.same(expr, child):
                    done.add(child)
                    yield child, expr

    def _named(self, wanted: Numbers, pool: list[Expr], child: Expr) -> Expr | None:
        """An expression that is worth that."""
        if _close(wanted, -self.values.numbers(child)):
            return child.args[0] if child.op == "neg" else ex.op("neg", child)
        return next((node for node in pool if _close(wanted, self.values.numbers(node))), None)

    def _composed(self, root: Expr) -> list[Expr]:
        """The products and sums of some of a part's factors or terms."""
        if root not in self._pools:
            pool: list[Expr] = []
            for node in ex.walk(root):
                if node.op in ("mul", "div"):
                    pool += [structure.product(some) for some in _some(structure.factors(node))]
                elif node.op in ("add", "sub"):
                    pool += [structure.total(some) for some in _some(structure.terms(node))]
            self._pools[root] = pool
        return self._pools[root]

    def _each(self, old: Expr, new: Expr, around: Span | None, depth: int) -> list[list[Change]]:
        """Every operand's own difference, told together: as locally as possible, then as whole operands."""
        local: list[Change] = []
        wide: list[Change] = []
        for a, b in zip(old.args, new.args, strict=True):
            if not self.values.same(a, b):
                ways = self.ways(a, b, around, depth + 1)
                local += ways[0]
                wide += ways[-1]
        return [local] if local == wide else [local, wide]


def _parts(root: Expr) -> list[Expr]:
    return sorted(ex.walk(root), key=lambda n: n.size)


def _some(parts: list[_Part]) -> Iterator[list[_Part]]:
    if 2 < len(parts) <= _MAX_PARTS:
        for count in range(len(parts) - 1, 0, -1):
            for some in combinations(parts, count):
                yield list(some)


def _solved(op: str, position: int, others: list[Numbers], target: Numbers) -> Numbers | None:
    """What an operand has to be worth for the operation to give ``target``."""
    inverse = _INVERSES.get((op, position))
    return None if inverse is None else np.asarray(inverse(target, *others), dtype=complex)


_INVERSES: dict[tuple[str, int], Callable[..., Numbers]] = {
    ("add", 0): lambda t, b: t - b,
    ("add", 1): lambda t, a: t - a,
    ("sub", 0): lambda t, b: t + b,
    ("sub", 1): lambda t, a: a - t,
    ("mul", 0): lambda t, b: t / b,
    ("mul", 1): lambda t, a: t / a,
    ("div", 0): lambda t, b: t * b,
    ("div", 1): lambda t, a: a / t,
    ("neg", 0): lambda t: -t,
    ("sqrt", 0): lambda t: t * t,
    ("pow", 0): lambda t, k: t ** (1 / k),
    ("pow", 1): lambda t, b: np.log(t) / np.log(b),
}


def _close(a: Numbers, b: Numbers) -> bool:
    return bool(np.allclose(a, b, rtol=1e-9, atol=1e-13))
