"""MXNet, MLX, tinygrad, Chainer, Jittor and other NumPy-like libraries: what they add to NumPy's language."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.objects import Cell, Const, Value, numeric
from optlint.lift.places import attribute
from optlint.lift.vocabulary.site import Handler, Site, same


def _update_in_place(site: Site) -> Value | None:
    """Jittor's ``v.update(new)``."""
    home, new = site.receiver, site.get(0)
    if not isinstance(home, Cell) or home.growing or home.expr is None or len(site.args) != 1:
        return None
    if not isinstance(new, Cell) or new.growing or new.expr is None:
        return None
    site.machine.store.fill(home, new.expr, site.span)
    return home


def _axpby(site: Site) -> Value | None:
    """Chainer's ``_inplace_axpby(x, a, b, y)``: x = a·x + b·y."""
    if len(site.args) != 4 or not isinstance(site.args[0], Cell):
        return None
    x, a, b, y = (site.expr(v) for v in site.args)
    new = ex.op("add", ex.op("mul", a, x), ex.op("mul", b, y), origin=site.span)
    site.machine.store.fill(site.args[0], new, site.span)
    return Const(None)


def _index_count(site: Site) -> Value | None:
    return Const(None) if isinstance(site.receiver, Cell) else None


def _realized(site: Site) -> Value | None:
    """``x.realize()``: the same array; several lazily computed ones at once."""
    return site.receiver if site.receiver is not None and numeric(site.receiver) is not None else None


NAMES: dict[str, Handler] = {
    "mlx.core.eval": _index_count,
}

METHODS: dict[str, Handler] = {
    "update": _update_in_place,
    "_update_count": _index_count,
    "realize": _realized,
    "asscalar": same,
    "as_in_context": same,
    "as_in_ctx": same,
    "tostype": same,
    "wait_to_read": same,
    "contiguous": same,
}

ATTRIBUTES: dict[str, Handler] = {}

__all__ = ["ATTRIBUTES", "METHODS", "NAMES", "attribute"]
