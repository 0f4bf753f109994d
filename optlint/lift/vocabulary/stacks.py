"""Arrays put on top of each other, and the larger of the two element by element: Adamax's norm in older code."""

from __future__ import annotations

from functools import reduce as fold

from optlint.lift import expression as ex
from optlint.lift.objects import Cell, Const, Seq, Value, numeric
from optlint.lift.operators import written_out
from optlint.lift.vocabulary.site import Handler, Site, reduction


def stack(site: Site) -> Value | None:
    """``stack([v, u])``, whose parts are told apart as long as nothing is made of it; so ``cat([v, u], 0)`` of rows."""
    axis = site.get(1, "dim", "axis")
    beside = axis is not None and not (isinstance(axis, Const) and axis.value == 0)
    alone = len(site.args) == 1 or axis is not None
    parts = list(written_out(site.args[0])) if alone and site.args else site.args
    made = site.opaque()
    known = len(parts) > 1 and all(numeric(part) is not None for part in parts)
    if isinstance(made, Cell) and known and not beside:
        made.items, made.array, made.open = {f"[{i}]": part for i, part in enumerate(parts)}, True, False
    return made


def _larger(site: Site, name: str) -> tuple[ex.Expr, list[Value]] | None:
    """The largest element along axis 0 of a stack: the larger one of its parts."""
    value = site.receiver if site.receiver is not None else site.get(0)
    axis = site.get(0 if site.receiver is not None else 1, "axis", "dim")
    parts = list(value.items.values()) if isinstance(value, Cell) and not value.open else []
    exprs = [e for part in parts if (e := numeric(part)) is not None]
    if not isinstance(axis, Const) or axis.value != 0 or len(parts) < 2 or len(exprs) < len(parts):
        return None
    return fold(lambda a, b: ex.op(name, a, b, origin=site.span), exprs), parts


def extreme(name: str) -> Handler:
    """``max(stack([v, u]), axis=0)`` is the larger of the two, element by element."""
    reduce = reduction(f"a{name}")

    def handler(site: Site) -> Value | None:
        made = _larger(site, name)
        return reduce(site) if made is None else site.result(made[0], *made[1])

    return handler


def extreme_and_index(name: str, two: Handler) -> Handler:
    """Torch's ``max(x, 0)`` of a stack, which gives the indices besides, ``out=(values, indices)`` too.

    two: what it is of two arrays.
    """

    def handler(site: Site) -> Value | None:
        second = site.get(0 if site.receiver is not None else 1, "dim")
        if not isinstance(second, Const) or isinstance(second.value, (bool, float)):
            return two(site)
        made = _larger(site, name)
        out = written_out(site.kwargs["out"]) if "out" in site.kwargs else []
        values: Value = site.machine.fresh(made[0], *made[1]) if made is not None else site.opaque()
        if out and isinstance(out[0], Cell) and (expr := numeric(values)) is not None:
            site.machine.store.fill(out[0], expr, site.span)
            values = out[0]
        return Seq([values, Cell(ex.opaque("indices"), open=True)])

    return handler
