"""Graph libraries (Theano, TensorFlow 1, Keras): code that builds an update which runs later.

A pair (variable, new value) is a write that takes effect when the whole update runs, so reading the variable
until then gives its old value. A variable made inside the building code lives on: it is state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import Cell, Const, Func, Seq, Slot, Value, is_filled, numeric
from optlint.lift.vocabulary.elements import records
from optlint.lift.vocabulary.site import Handler, Site
from optlint.model import Span

if TYPE_CHECKING:
    from optlint.lift.interpreter import Interpreter

LIBRARIES = frozenset(
    {"theano", "lasagne", "blocks", "pylearn2", "aesara", "pytensor", "keras", "tensorflow", "downhill"}
)


def builds_graphs(machine: Interpreter) -> bool:
    return any(name.split(".")[0] in LIBRARIES for name in machine.imports)


def is_pair(value: Value | None, stated: bool = False) -> bool:
    """(variable, new value): a new value that is made of the variable's old one.

    stated: the code says that these are pairs (``updates=``), so that the new value may be anything.
    """
    if not isinstance(value, Seq) or len(value.elements) != 2:
        return False
    target, new = value.elements
    expr = numeric(new)
    return (
        isinstance(target, Cell)
        and target.expr is not None
        and target.expr.op == "sym"
        and expr is not None
        and (stated or (bool(expr.args) and target.expr.value in expr.symbols))
    )


def take_pairs(machine: Interpreter, value: Value | None, span: Span | None, stated: bool = False) -> bool:
    """Note every pair inside ``value`` as a write to come."""
    found = False
    if builds_graphs(machine):
        for inner in records(value):
            pair = machine.forced(inner)  # ``zip(variables, values)``
            if is_pair(pair, stated):
                assert isinstance(pair, Seq)
                target, new = pair.elements
                assert isinstance(target, Cell)
                expr = machine.number(new)
                defer(machine, target, expr, expr.origin or span)
                found = True
    return found


def deferred(build: Callable[[Expr, Expr], Expr]) -> Handler:
    """``K.update(v, new)``: in effect when the graph runs."""

    def handler(site: Site) -> Value | None:
        target, new = site.get(0, "x", "ref"), site.get(1, "new_x", "value", "increment", "decrement")
        if not isinstance(target, Cell) or target.expr is None or new is None:
            return None
        expr = build(target.expr, site.expr(new)).at(site.span)
        defer(site.machine, target, expr, site.span)
        return Cell(expr)

    return handler


def assigned(build: Callable[[Expr, Expr], Expr]) -> Handler:
    """``v.assign_sub(x)``, ``self.assign(v, x)``, ``tf.assign(v, x)``: in effect at once; it gives the variable."""

    def handler(site: Site) -> Value | None:
        values = [*site.args, *(site.kwargs[k] for k in ("value", "delta") if k in site.kwargs)]
        if len(values) >= 2 and _is_variable(values[0]) and numeric(values[1]) is not None:
            target, new = values[:2]
        elif site.receiver is not None and values and _is_variable(site.receiver):
            target, new = site.receiver, values[0]
        else:
            return None
        assert isinstance(target, Cell) and target.expr is not None
        site.machine.store.fill(target, build(target.expr, site.expr(new)).at(site.span), site.span)
        return target

    return handler


def _is_variable(value: Value | None) -> bool:
    return isinstance(value, Cell) and value.expr is not None


def variable(site: Site) -> Value | None:
    """``theano.shared(x)``, ``tf.Variable(x)``, ``K.zeros(shape)``: state with a first value."""
    start = site.get(0, "initial_value", "value", "init_value")
    return new_state(site, start if start is not None and numeric(start) is not None else None)


def zero_variable(site: Site) -> Value | None:
    return new_state(site, Cell(ex.const(0), array=True))


def as_shared(machine: Interpreter, home: Cell, value: Value) -> Value:
    """``params["m_w"] = np.zeros(shape)`` of what Theano code is handed: its owner makes a shared variable of it.

    An array of zeros by itself would be of no use in a graph.
    """
    handed_in = home.open and not home.growing and not home.array
    if not (handed_in and is_filled(value) and any(name.split(".")[0] == "theano" for name in machine.imports)):
        return value
    symbol = Symbol("")
    cell = machine.adopt(symbol, "", value)
    machine.store.add_slot(Slot(cell, "", symbol, cell))
    return cell


def new_state(site: Site, start: Value | None) -> Cell:
    machine = site.machine
    named = site.kwargs.get("name")
    name = str(named.value) if isinstance(named, Const) and isinstance(named.value, str) else ""
    symbol = Symbol(name)
    cell = machine.adopt(symbol, name, start)
    first = numeric(start)
    if first is not None and first.op == "sym" and isinstance(first.value, Symbol):
        symbol.default, symbol.literal = first.value.default, first.value.literal
    machine.store.add_slot(Slot(cell, "", symbol, cell))
    machine.variables[cell] = machine.counted[-1] if machine.counted else ""
    return cell


def choice(site: Site) -> Value | None:
    """``T.switch(c, a, b)``, ``tf.cond(c, f, g)``, ``lax.cond(c, f, g, *operands)``."""
    if len(site.args) < 3:
        return None
    condition, yes, no = site.args[:3]
    given = site.args[3:]
    yes, no = (site.machine.call(v, given, {}, site.span, "branch") if isinstance(v, Func) else v for v in (yes, no))
    if numeric(yes) is None or numeric(no) is None:
        return None
    return site.result(ex.op("where", *(site.expr(v) for v in (condition, yes, no)), origin=site.span), yes, no)


def plus(old: Expr, new: Expr) -> Expr:
    return ex.op("add", old, new)


def minus(old: Expr, new: Expr) -> Expr:
    return ex.op("sub", old, new)


def replace(old: Expr, new: Expr) -> Expr:
    return new


def defer(machine: Interpreter, target: Cell, expr: Expr, span: Span | None) -> None:
    """Note a write that takes effect when the update runs."""
    entry = (target, expr, span)
    machine.pending.append(entry)
    machine.store.journal.append(lambda: machine.pending.remove(entry) if entry in machine.pending else None)


def commit(machine: Interpreter) -> None:
    """The update runs: all noted writes take effect together."""
    done, machine.pending = machine.pending, []

    def undo() -> None:
        machine.pending = done

    machine.store.journal.append(undo)
    keys = {t.expr: _named_by_key(machine, t) for t, _, _ in done if t.expr is not None and _is_key(t.expr)}
    table = {key: cell.expr for key, cell in keys.items() if cell.expr is not None}
    for target, expr, span in done:
        place = keys.get(target.expr, target) if target.expr is not None else target
        machine.store.fill(place, ex.substitute(expr, table), span)


def _is_key(expr: Expr) -> bool:
    return expr.op == "sym" and expr.symbol.kind == "index" and expr.symbol.iterates == "key"


def _named_by_key(machine: Interpreter, target: Cell) -> Cell:
    """The variable that is a dictionary's key: ``for p, g in grads.items(): updates[p] = p − η·g``."""
    assert target.expr is not None
    symbol = Symbol(target.expr.symbol.name)
    cell = machine.adopt(symbol, symbol.name, None)
    machine.store.add_slot(Slot(cell, "", symbol, cell))
    return cell
