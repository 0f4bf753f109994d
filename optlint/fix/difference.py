"""Where two equations differ: the smallest parts of the one that have to become others to give the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from optlint.fix.values import Numbers, Values, applied
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence, State
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


def ways_to_read(recurrence: Recurrence, meant: Recurrence, values: Values) -> tuple[list[State], list[list[Change]]]:
    """The states that an update does not read and is meant to, and ways to tell the difference that it makes."""
    held = {s.old: s.post for s in recurrence.states}
    unread = [s for s in meant.states if s.old not in held]
    for state in unread:
        values.means(state.new, state.post)
    pairs = [(held[s.old], s.post) for s in meant.states if s.old in held]
    different = [(a, b) for a, b in (*pairs, (recurrence.step, meant.step)) if a != b]
    return unread, [way for a, b in different for way in changes(a, b, values)[:_MAX_PARTS]]


class _Difference:
    def __init__(self, values: Values) -> None:
        self.values = values
        self._pools: dict[Expr, list[Expr]] = {}

    def ways(self, old: Expr, new: Expr, within: Span | None, depth: int = 0) -> list[list[Change]]:
        around = old.origin or within
        whole = [Change(old, new, around)]
        if depth > 40 or old.op == "opaque":
            return [whole]
        found = self._each(old, new, around, depth) if _is_product_with_itself(old, new) else []
        for child, wanted in self._one_part(old, new):
            found += self.ways(child, wanted, around, depth + 1)
            if len(found) > 24:
                break
        if not found and old.args and old.op == new.op and len(old.args) == len(new.args):
            found += self._each(old, new, around, depth)
        turned = new.op == "neg" and new.args[0] == old  # the sign before a product, not that of some factor
        return [whole, *found] if turned else [*found, whole]

    def _one_part(self, old: Expr, new: Expr) -> Iterator[tuple[Expr, Expr]]:
        """The operands of which one alone, exchanged, gives ``new``."""
        done: set[Expr] = set()
        for pool in (_parts, self._composed):  # what stands in the new equation as it is comes first
            for position, child in enumerate(old.args):
                if child not in done:
                    expr = self._operand(old, position, new, pool(new))
                    if expr is not None and not self.values.same(expr, child):
                        done.add(child)
                        yield child, expr

    def _operand(self, old: Expr, position: int, new: Expr, pool: list[Expr]) -> Expr | None:
        """What gives ``new`` in an operand's stead: its negative, or the first of the pool that does."""
        child, target = old.args[position], self.values.numbers(new)
        negative = child.args[0] if child.op == "neg" else ex.op("neg", child)
        others = [self.values.numbers(a) for a in old.args]
        for candidate in (negative, *pool):
            others[position] = self.values.numbers(candidate)
            result = applied(old.op, others)
            if result is not None and _close(result, target):
                return candidate
        return None

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


def _is_product_with_itself(*nodes: Expr) -> bool:
    """g·g → x·x: both factors alike, which one factor made another could not say."""
    return all(n.op == "mul" and n.args[0] == n.args[1] for n in nodes)


def _parts(root: Expr) -> list[Expr]:
    return sorted(ex.walk(root), key=lambda n: n.size)


def _some(parts: list[_Part]) -> Iterator[list[_Part]]:
    if 1 < len(parts) <= _MAX_PARTS:
        for count in range(len(parts) - 1, 0, -1):
            for some in combinations(parts, count):
                yield list(some)


def _close(a: Numbers, b: Numbers) -> bool:
    return bool(np.allclose(a, b, rtol=1e-9, atol=1e-13))
