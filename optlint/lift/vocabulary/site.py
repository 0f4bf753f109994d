"""A call's site, and the kinds of meaning that the vocabularies are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import Cell, Const, Seq, Value, numeric
from optlint.model import Span

if TYPE_CHECKING:
    from optlint.lift.interpreter import Interpreter


@dataclass(slots=True)
class Site:
    """One call: where, with what, on whom. ``machine`` is the running interpreter."""

    machine: Interpreter
    args: list[Value]
    kwargs: dict[str, Value]
    span: Span | None
    text: str
    receiver: Value | None = None

    def all(self) -> list[Value]:
        return [*([self.receiver] if self.receiver is not None else []), *self.args]

    def get(self, position: int, *names: str) -> Value | None:
        """An argument by position (the receiver is not counted) or by keyword."""
        for name in names:
            if name in self.kwargs:
                return self.kwargs[name]
        return self.args[position] if 0 <= position < len(self.args) else None

    def expr(self, value: Value) -> Expr:
        return self.machine.number(value)

    def result(self, expr: Expr, *parts: Value) -> Value:
        """A new value, or the content of ``out=`` where that is given."""
        made = self.machine.fresh(expr, *parts)
        target = self.kwargs.get("out")
        if isinstance(target, Cell):
            self.machine.store.fill(target, expr, self.span)
            return target
        return made

    def take_out(self, count: int) -> None:
        """A function's argument behind its ``count`` operands is its ``out``: ``np.add(a, b, a)``."""
        if self.receiver is None and len(self.args) > count and isinstance(self.args[count], Cell):
            self.kwargs.setdefault("out", self.args[count])

    def where_told(self, made: Expr) -> Expr:
        """``np.divide(a, b, out=zeros, where=b > 0)``: elsewhere, ``out`` stays what it was."""
        told, out = self.kwargs.get("where"), self.kwargs.get("out")
        condition, old = (numeric(v) if v is not None else None for v in (told, out))
        if condition is None or condition.op not in ex.COMPARISONS or old is None:
            return made
        return ex.op("where", condition, made, old, origin=self.span)

    def opaque(self) -> Value:
        return self.machine.opaque(self.text, [*self.all(), *self.kwargs.values()], self.span)


Handler = Callable[[Site], Value | None]


def elementwise(name: str, count: int) -> Handler:
    """``np.add(a, b)`` and the method forms."""

    def handler(site: Site) -> Value | None:
        values = site.all()[:count]
        if len(values) < count:
            return None
        site.take_out(count)
        made = ex.op(name, *(site.expr(v) for v in values), origin=site.span)
        return site.result(site.where_told(made), *values)

    return handler


def composed(build: Callable[..., Expr], count: int) -> Handler:
    """A call that is an expression of its arguments: ``np.square(x)`` is x²."""

    def handler(site: Site) -> Value | None:
        values = site.all()[:count]
        if len(values) < count:
            return None
        site.take_out(count)
        return site.result(build(*(site.expr(v) for v in values)).at(site.span), *values)

    return handler


def square(x: Expr) -> Expr:
    return ex.op("pow", x, ex.const(2))


def reciprocal_root(x: Expr) -> Expr:
    return ex.op("div", ex.const(1), ex.op("sqrt", x))


def sigmoid(x: Expr) -> Expr:
    return ex.op("div", ex.const(1), ex.op("add", ex.const(1), ex.op("exp", ex.op("neg", x))))


# what libraries compute beside 1 without losing digits
BESIDE_ONE: dict[str, Callable[[Expr], Expr]] = {
    "log1p": lambda x: ex.op("log", ex.op("add", ex.const(1), x)),
    "expm1": lambda x: ex.op("sub", ex.op("exp", x), ex.const(1)),
}


def same(site: Site) -> Value | None:
    """The very object (``asarray``, ``.T``): an alias."""
    values = site.all()
    return values[0] if values else None


def copy(site: Site) -> Value | None:
    """A new array of the same content."""
    values = site.all()
    if not values:
        return None
    expr = numeric(values[0])
    if expr is None:
        return values[0]
    old = values[0]
    if not isinstance(old, Cell):
        return Cell(expr, scalar=isinstance(old, Const))
    return Cell(expr, array=old.array, dtype=old.dtype, typed_at=old.typed_at)


def filled(value: float) -> Handler:
    """``zeros``, ``ones_like``: a new array of one constant, or one number where the shape has no sides."""

    def handler(site: Site) -> Value | None:
        shape = site.get(0, "shape")
        single = isinstance(shape, Seq) and not shape.elements  # ``zeros(())``: one number
        return Cell(ex.const(value, site.span), array=not single, scalar=single)

    return handler


def uninitialized(site: Site) -> Value | None:
    """``empty_like``: a new array whose content is whatever comes next."""
    return Cell(ex.sym(Symbol("empty", array=True)), place="", array=True)


def reduction(name: str) -> Handler:
    def handler(site: Site) -> Value | None:
        values = site.all()
        if not values:
            return None
        expr = numeric(values[0])
        if expr is None:
            return site.opaque()
        axis = site.kwargs.get("axis")
        whole = len(site.args) <= (1 if site.receiver is None else 0) and (
            axis is None or (isinstance(axis, Const) and axis.value is None)
        )
        if whole and name != "norm" and isinstance(values[0], Cell) and values[0].scalar:
            return values[0]  # of one number
        if whole:
            return site.machine.fresh(ex.op(name, expr, origin=site.span), Cell(scalar=True))
        return site.opaque()

    return handler
