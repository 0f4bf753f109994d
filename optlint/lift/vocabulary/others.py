"""MXNet, MLX, tinygrad, Chainer, Jittor, needle and other NumPy-like libraries: what they add to NumPy's language."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.objects import Cell, Const, Seq, Value, numeric
from optlint.lift.places import attribute
from optlint.lift.vocabulary.elements import argument
from optlint.lift.vocabulary.site import Handler, Site, filled, same, square


def _update_in_place(site: Site) -> Value | None:
    """Jittor's ``v.update(new)``, and ``p.update(p.value - step)`` of an object that holds its array."""
    home, new = site.receiver, site.get(0)
    if not isinstance(home, Cell) or home.growing or home.expr is None or len(site.args) != 1:
        return None
    if not isinstance(new, Cell) or new.growing or new.expr is None:
        return None
    kept = [c for c in home.items.values() if isinstance(c, Cell) and c.expr is not None and c.expr.op == "sym"]
    moved = [c for c in kept if (1, c.expr) in structure.terms(new.expr)]
    target = moved[0] if len(moved) == 1 and not new.expr.symbols & home.expr.symbols else home
    site.machine.store.fill(target, new.expr, site.span)
    return home


def _axpby(site: Site) -> Value | None:
    """Chainer's ``_inplace_axpby(x, a, b, y)``: x = a·x + b·y."""
    if len(site.args) != 4 or not isinstance(site.args[0], Cell):
        return None
    x, a, b, y = (site.expr(v) for v in site.args)
    new = ex.op("add", ex.op("mul", a, x), ex.op("mul", b, y), origin=site.span)
    site.machine.store.fill(site.args[0], new, site.span)
    return Const(None)


def _axpbyz(site: Site) -> Value | None:
    """PyCUDA's ``x._axpbyz(a, y, b, out)``, and ``x.mul_add(a, y, b)`` as a new array: a·x + b·y."""
    if site.receiver is None or len(site.args) < 3 or any(numeric(v) is None for v in site.args[:3]):
        return None
    x, (a, y, b) = site.expr(site.receiver), (site.expr(v) for v in site.args[:3])
    new = ex.op("add", ex.op("mul", a, x), ex.op("mul", b, y), origin=site.span)
    if len(site.args) == 3:
        return Cell(new, array=True)
    if not isinstance(site.args[3], Cell):
        return None
    site.machine.store.fill(site.args[3], new, site.span)
    return site.args[3]


def _index_count(site: Site) -> Value | None:
    return Const(None) if isinstance(site.receiver, Cell) else None


def _realized(site: Site) -> Value | None:
    """``x.realize()``: the same array; several lazily computed ones at once."""
    return site.receiver if site.receiver is not None and numeric(site.receiver) is not None else None


def _thinc_adam(site: Site) -> Value | None:
    """thinc's ``ops.adam(w, g, m, v, beta1, beta2, eps, lr)``: gives the new w, g, m and v, without correction."""
    if len(site.args) != 8 or any(numeric(a) is None for a in site.args):
        return None
    w, g, m, v, beta1, beta2, eps, rate = (site.expr(a) for a in site.args)
    new_m = _average(m, g, beta1)
    new_v = _average(v, square(g), beta2)
    ratio = ex.op("div", new_m, ex.op("add", ex.op("sqrt", new_v), eps))
    new_w = ex.op("sub", w, ex.op("mul", rate, ratio)).at(site.span)
    return Seq([Cell(new_w, array=True), site.args[1], Cell(new_m, array=True), Cell(new_v, array=True)])


def _average(old: Expr, new: Expr, decay: Expr) -> Expr:
    return ex.op("add", ex.op("mul", decay, old), ex.op("mul", ex.op("sub", ex.const(1), decay), new))


NAMES: dict[str, Handler] = {
    "mlx.core.eval": _index_count,
}

METHODS: dict[str, Handler] = {
    "update": _update_in_place,
    "_update_count": _index_count,
    "realize": _realized,
    "_axpbyz": _axpbyz,
    "mul_add": _axpbyz,
    "asscalar": same,
    "as_in_context": same,
    "as_in_ctx": same,
    "tostype": same,
    "wait_to_read": same,
    "contiguous": same,
    "realize_cached_data": same,
    **dict.fromkeys(("reshape1f", "reshape2f", "reshape3f", "reshape_f"), argument(0)),
    **dict.fromkeys(("alloc", "alloc1f", "alloc_f"), filled(0)),
    "adam": _thinc_adam,
}

ATTRIBUTES: dict[str, Handler] = {"cached_data": same}

__all__ = ["ATTRIBUTES", "METHODS", "NAMES", "attribute"]
