"""What an object's other methods do before an update and between two: settings made ready, products that go on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set

import libcst as cst
from libcst import matchers

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import Cell, Changes, Const, Func, Scope, numeric
from optlint.lift.places import attribute

MAX_NODES = 300  # of what makes a setting ready

_KNOWN = {"self", "True", "False", "None"}
_OWN = matchers.Attribute(value=matchers.Name("self"))


def make_ready(machine: Interpreter, receiver: Cell, changes: Changes, empty: Collection[str]) -> None:
    """``self.beta1_t = tensor(self.beta1)`` in another method: where that is all that sets it, it is what that gives.

    Only what settings alone give, to what ``__init__`` has left empty: states are begun like this, too. A product that
    goes on has it at first.
    """
    moved = changes.rebound | changes.mutated | changes.filled
    for name, values in changes.made.items():
        goes_on = name in changes.products
        if len(values) != 1 or name not in empty or name in changes.filled or (name in changes.mutated and not goes_on):
            continue
        read = {n.attr.value for n in matchers.findall(values[0], _OWN) if isinstance(n, cst.Attribute)}
        if not read or read & (moved | {name}):
            continue
        made = _value(machine, receiver, values[0])
        expr = numeric(made)
        if isinstance(made, Cell) and expr is not None and expr.symbols and all(map(_is_plain, ex.walk(expr))):
            key = attribute(name)
            if goes_on and not _is_state(expr):
                made = machine.unveil(receiver, key, made)
            made.array, made.scalar = False, True
            machine.store.restore(receiver, key, made)


class RunningProducts:
    """``self.power *= self.beta`` in another method than the one that is run: it goes on between two updates.

    Whether before or after one nothing here tells, but what is 1 at first is multiplied before it is read, or 1 − βᵗ
    would be 0.
    """

    def __init__(self, machine: Interpreter, receiver: Cell, changes: Changes, own: Collection[str]) -> None:
        self.machine, self.receiver = machine, receiver
        self.following: dict[str, tuple[Expr, Expr]] = {}
        for name, factors in changes.products.items():
            key, factor = attribute(name), numeric(_value(machine, receiver, factors[0]))
            old = numeric(receiver.items.get(key))
            if len(factors) > 1 or name in own or factor is None or not all(map(_is_plain, ex.walk(factor))):
                continue
            first = old.symbol.initial if old is not None and old.op == "sym" else None
            started = factor.symbol.initial if factor.op == "sym" else None
            if old is not None and first is not None and first in (ex.const(1), factor, started):
                self.following[key] = old, ex.op("mul", old, factor)

    def before(self, written: Iterable[tuple[object, str]]) -> None:
        """written: what the run itself writes, be that by a method that it calls."""
        known = {(id(home), key) for home, key in written}
        for key in list(self.following):
            if {(id(self.receiver), key), (id(self.receiver.items.get(key)), "")} & known:
                del self.following[key]
        for key, (old, new) in self.following.items():
            if old.symbol.initial == ex.const(1):
                self._put(key, new)

    def after(self, read: Set[Symbol]) -> None:
        """read: what the update reads; of anything else the run says nothing."""
        for key, (old, new) in self.following.items():
            if numeric(self.receiver.items.get(key)) in (old, new):
                self._put(key, new if old.symbol in read else old)

    def _put(self, key: str, expr: Expr) -> None:
        held = self.receiver.items.get(key)
        if isinstance(held, Cell) and held.expr != expr:
            self.machine.store.fill(held, expr)


def _is_state(expr: Expr) -> bool:
    """A variable of a graph, made with a first content."""
    return expr.op == "sym" and expr.symbol.initial is not None and expr.symbol.initial != expr


def _is_plain(node: Expr) -> bool:
    return node.op != "opaque" and (node.op != "sym" or not node.symbol.array)


def _value(machine: Interpreter, receiver: Cell, node: cst.BaseExpression) -> Cell | Const | None:
    """What an expression of another method gives, if it reads the object alone."""
    klass = receiver.klass
    init = klass.find("__init__") if klass is not None else None
    names = _Names()
    node.visit(names)
    if not isinstance(init, Func) or names.count > MAX_NODES:
        return None
    scope = Scope(init.scope)
    if any(scope.holder(n) is None and machine.resolve_global(n) is None for n in names.read - _KNOWN):
        return None  # of the method's own
    scope.vars["self"] = receiver
    with machine.inside(init, scope):
        made = machine.eval(node)
    return made if isinstance(made, (Cell, Const)) else None


class _Names(cst.CSTVisitor):
    """The plain names that an expression reads."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.count = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        self.count += 1
        return super().on_visit(node)

    def visit_Name(self, node: cst.Name) -> None:
        self.read.add(node.value)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False
