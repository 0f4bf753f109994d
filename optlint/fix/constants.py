"""Numbers changed where the code gives them, as near to the update as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import libcst as cst

from optlint.fix.reading import Read, Reading
from optlint.lift.expression import Expr
from optlint.lift.notation import number
from optlint.model import Edit

Edits = tuple[Edit, ...]


def swapped(reading: Reading, site: Read) -> Iterator[Edits]:
    """Two numbers exchanged, where both stand alone."""
    for inside in _homes(reading, site):
        numbers = [n for n in reading.nodes(inside) if isinstance(n, cst.Float)]
        for one, other in combinations(numbers, 2):
            a, b = reading.span(one), reading.span(other)
            if a is not None and b is not None and one.evaluated_value > other.evaluated_value >= 0.5:
                yield (Edit(a, other.value), Edit(b, one.value))


def given(reading: Reading, site: Read, wrong: Expr | None, right: Expr | None) -> Iterator[Edits]:
    """The number of a setting, or a number that stands by itself, made another one."""
    if wrong is None or right is None:
        return
    now = wrong.number if wrong.op == "const" else wrong.symbol.default
    for inside in _homes(reading, site):
        for node in reading.nodes(inside):
            span = reading.span(node) if isinstance(node, (cst.Float, cst.Integer)) else None
            if span is not None and isinstance(node, (cst.Float, cst.Integer)) and node.evaluated_value == now:
                yield (Edit(span, number(right.number)),)


def _homes(reading: Reading, site: Read) -> list[cst.CSTNode | None]:
    """The functions and classes around a place, the innermost first, then all that the run has read."""
    around = [a for a in reading.ancestors(site.node) if isinstance(a, (cst.FunctionDef, cst.ClassDef))]
    return [*around, None]
