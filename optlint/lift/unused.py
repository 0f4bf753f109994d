"""Results that nobody takes: ``v.addcmul(g, g)`` as a statement, ``buf = buf.mul(μ).add(g)`` for the rest of a call."""

from __future__ import annotations

from functools import lru_cache

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.definitions import Definitions
from optlint.lift.expression import COMPARISONS, ELEMENTWISE, Expr, Symbol, const
from optlint.lift.frames import Dropped
from optlint.lift.objects import Cell, Lib, Method, Value, numeric
from optlint.lift.tree import parts
from optlint.lift.vocabulary import Site
from optlint.lift.vocabulary.elements import element as element_of
from optlint.lift.vocabulary.elements import is_list

PLACES = (cst.Name, cst.Attribute, cst.Subscript)
ZERO = const(0)


class Unused(Definitions):
    """Notes them, and keeps them where a run is to show what would be."""

    def drop(self, call: cst.Call, made: Value) -> None:
        """Note a result that nobody takes: ``v.addcmul(g, g)``, ``np.maximum(vmax, v)`` as statements.

        What is changed in place, or is another name of what was there, has a place already.
        """
        callee, args = self.called
        if isinstance(callee, Lib):
            root, target = self._taking(call, args)
        else:
            root, target = _root(call), None
        if isinstance(root, PLACES):
            target = self.eval(root)  # what it holds now is worth a fix's knowing
        if isinstance(callee, Method) and isinstance(callee.receiver, Cell) and numeric(target) is None:
            target = callee.receiver  # what another call hands out: ``self.trace_of(p).mul_(μ).add(g)``
        home, value, span = self.one_of(target), self.one_of(made), self.span_of(call)
        if not isinstance(home, Cell) or not isinstance(value, Cell) or value.place or home is value or span is None:
            return
        before, after = home.expr, value.expr
        if before is None or after is None or after.op not in ELEMENTWISE or after.op in COMPARISONS:
            return
        if before == after or not before.symbols <= after.symbols or _is_behind(before, after):
            return
        if not self.scanning and not self.is_abroad:
            self.dropped.append(Dropped(span, before, after, isinstance(callee, Lib) or self.speaks_torch))
        if self.keeps_results:
            self.store.fill(home, after, span)

    def _taking(self, call: cst.Call, args: list[Value]) -> tuple[cst.BaseExpression | None, Value | None]:
        """The operand that is meant to take a function's result: the first, but for one that the code goes on with.

        ``torch.div(m, step)`` with step alone read below is to change step.
        """
        operands = [(a.value, v) for a, v in zip(call.args, args, strict=False) if a.keyword is None]
        names = [(node, v) for node, v in operands if isinstance(node, cst.Name)]
        if len(names) > 1 and isinstance(operands[0][0], cst.Name):
            read = [(node, v) for node, v in names if self._is_read_below(node, call)]
            if len(read) == 1:
                return read[0]
        return operands[0] if operands else (None, None)

    def _is_read_below(self, name: cst.Name, call: cst.Call) -> bool:
        function, here = self.stack[-1] if self.stack else None, self.span_of(call)
        if here is None or not isinstance(function, cst.FunctionDef):
            return False
        places = (self.span_of(other) for other in _names_in(function).get(name.value, ()))
        return any(s is not None and (s.line, s.column) > (here.end_line, here.end_column) for s in places)

    def bind_anew(self, name: str, call: cst.Call, made: Value) -> Value:
        """Note a state's new content that only the state's local name takes: ``buf = buf.mul(μ).add(g)``."""
        root, holder, span = _root(call), self.scope.holder(name), self.span_of(call)
        home = holder.vars[name] if holder is not None else None
        after = numeric(made)
        if not isinstance(root, cst.Name) or root.value != name or not isinstance(home, Cell) or home is made:
            return made
        before = home.expr
        kept = structure.after_first(before) if before is not None else None
        if span is None or before is None or after is None or kept is None or kept.op != "sym":
            return made
        if not _keeps_part(structure.after_first(after), kept.symbol):
            return made
        handed_in = kept.symbol.initial is None and kept is before
        if handed_in:  # it may as well be a gradient; who hands it in knows, unless another average is kept in place
            self.unsure = True
        if "[" not in home.place and "." not in home.place and not (handed_in and self.speaks_torch):
            return made
        if not self.scanning and not self.is_abroad:
            self.dropped.append(Dropped(span, before, after, self.speaks_torch, bound=True))
        if not self.keeps_results:
            return made
        self.store.fill(home, after, span)
        return home

    @property
    def speaks_torch(self) -> bool:
        return any(name.partition(".")[0] == "torch" for name in self.imports)

    def one_of(self, value: Value | None) -> Value | None:
        """A list's element that stands for all."""
        return element_of(Site(self.whole, [], {}, None, ""), value) if is_list(value) and value is not None else value


@lru_cache(maxsize=64)
def _names_in(function: cst.FunctionDef) -> dict[str, list[cst.Name]]:
    """Where each name stands in a function."""
    found: dict[str, list[cst.Name]] = {}
    waiting: list[cst.CSTNode] = [function]
    while waiting:
        node = waiting.pop()
        waiting.extend(parts(node))
        if isinstance(node, cst.Name):
            found.setdefault(node.value, []).append(node)
    return found


def _keeps_part(after: Expr, symbol: Symbol) -> bool:
    """β·s + …, whatever else reads s (Adadelta's steps)."""
    own = structure.retention(after, symbol)
    if own is not None:
        return own != ZERO and structure.rest(after, symbol) != ZERO
    return any(structure.slope(term, symbol) not in (None, ZERO) for _, term in structure.terms(after))


def _is_behind(before: Expr, after: Expr) -> bool:
    """What an unknown call has made of the old content stands in the new one: that may be a view of it."""
    known = set(ex.walk(before))
    return any(n.op == "opaque" and n not in known and n.symbols & before.symbols for n in ex.walk(after))


def _root(call: cst.Call) -> cst.BaseExpression | None:
    """Where a chain of methods starts."""
    node: cst.BaseExpression = call
    while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        node = node.func.value
    return node if isinstance(node, PLACES) else None
