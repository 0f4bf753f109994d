"""Repairs of calls whose result nobody takes: in place, into the place, or assigned to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import libcst as cst

from optlint.fix.reading import Reading
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence
from optlint.lift.unused import PLACES
from optlint.model import Edit, Span

Edits = tuple[Edit, ...]


class Results:
    """What can be done with the results that one update drops."""

    def __init__(self, recurrence: Recurrence, reading: Reading, gradient: Expr | None) -> None:
        self.recurrence = recurrence
        self.reading = reading
        # what is no place to keep a result in
        self.given = {s.name for s in gradient.symbols} if gradient is not None else set()

    def kept(self) -> Iterator[Edits]:
        """``v.mul(b)`` as a statement: in place, or assigned."""
        dropped = {d.span for d in self.recurrence.dropped}
        for node in self.reading.nodes(None) if dropped else ():
            span = self.reading.span(node) if isinstance(node, cst.Call) else None
            if not isinstance(node, cst.Call) or span not in dropped or span is None:
                continue
            yield from self._of_lists(node)
            root = self._root(node)
            home = self.reading.span(root) if root is not None else None
            if root is None or home is None:
                continue
            if all(root is not a.value for a in node.args):
                yield from self._in_place(node)
            elif any({s.name for s in r.expr.symbols} <= self.given for r in self.reading.reads if r.node is root):
                continue  # `np.square(g)`: the gradient would be gone, and where its square belongs, nothing says
            else:
                for operand in (a.value for a in node.args if a.keyword is None and isinstance(a.value, PLACES)):
                    taking = self.reading.span(operand)
                    yield from self._into(span, self.reading.text(taking)) if taking is not None else ()
            start = Span(span.line, span.column, span.line, span.column, span.cell)
            yield (Edit(start, f"{self.reading.text(home)} = "),)

    def taken(self, near: Span) -> Iterator[Edits]:
        """``g.add(λ·w)`` as a statement: given to the name ``g``, and what that held stays as it is."""
        dropped = {d.span for d in self.recurrence.dropped if near.covers(d.span) or d.span.covers(near)}
        for node in self.reading.nodes(None) if dropped else ():
            span = self.reading.span(node) if isinstance(node, cst.Call) else None
            root = self._root(node) if isinstance(node, cst.Call) and span in dropped else None
            if span is not None and isinstance(root, cst.Name):
                yield (Edit(span, f"{root.value} = {self.reading.text(span)}"),)

    def _root(self, call: cst.Call) -> cst.BaseExpression | None:
        """What a chain of calls starts from; a library function's first argument."""
        node: cst.BaseExpression = call
        while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            node = node.func.value
        known = {id(r.node) for r in self.reading.reads}
        first = call.args[0].value if call.args else None
        for place in (node, first):
            if isinstance(place, PLACES) and id(place) in known:
                return place
        return None

    def unbound(self, near: Span) -> Iterator[Edits]:
        """``p = p.sub(x)`` becomes ``p.sub_(x)``."""
        for node in self.reading.nodes(None):
            place = self.reading.span(node) if isinstance(node, cst.Assign) else None
            if place is not None and place.covers(near) and isinstance(node, cst.Assign):
                yield from self._without_name(node)

    def unbound_throughout(self, name: str, home: cst.CSTNode | None) -> Iterator[Edits]:
        """Every ``v = v.mul(b)`` of a function becomes ``v.mul_(b)``: v keeps its content, whichever way it takes."""
        found = (n for n in self.reading.nodes(home) if isinstance(n, cst.Assign) and len(n.targets) == 1)
        bound = [n for n in found if isinstance(n.targets[0].target, cst.Name) and n.targets[0].target.value == name]
        edits = [e for n in bound for e in islice(self._without_name(n), 1)]
        if len(edits) > 1:
            yield tuple(chain.from_iterable(edits))

    def _without_name(self, node: cst.Assign) -> Iterator[Edits]:
        place, value = self.reading.span(node), self.reading.span(node.value)
        name = node.targets[0].target
        root = self._root(node.value) if isinstance(node.value, cst.Call) else None
        while isinstance(root, cst.Attribute):
            root = root.value
        if place is None or value is None or not isinstance(name, cst.Name) or not isinstance(root, cst.Name):
            return
        if isinstance(node.value, cst.Call) and len(node.targets) == 1 and root.value == name.value:
            for edits in self._in_place(node.value):
                yield (Edit(Span(place.line, place.column, value.line, value.column, place.cell), ""), *edits)

    def _of_lists(self, call: cst.Call) -> Iterator[Edits]:
        """``torch._foreach_add(a, b)`` in place."""
        name = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
        span = self.reading.span(name)
        if span is not None and isinstance(name, cst.Name) and name.value.startswith("_foreach_"):
            yield (Edit(span, f"{name.value}_"),)

    def _into(self, call: Span, home: str) -> Iterator[Edits]:
        """``np.add(a, b)`` with ``out=a``."""
        text = self.reading.text(call)
        if text.endswith(")") and not text[:-1].rstrip().endswith(","):
            place = Span(call.end_line, call.end_column - 1, call.end_line, call.end_column - 1, call.cell)
            yield (Edit(place, f", out={home}"),)

    def _in_place(self, call: cst.Call) -> Iterator[Edits]:
        edits: list[Edit] = []
        node: cst.BaseExpression = call
        while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            name = node.func.attr
            span = self.reading.span(name)
            if span is None:
                return
            if not name.value.endswith("_"):
                edits.append(Edit(span, f"{name.value}_"))
            node = node.func.value
        if edits:
            yield tuple(edits)
