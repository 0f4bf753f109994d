"""JAX, optax, and torchopt: maps over trees, and optax's helpers."""

from __future__ import annotations

from collections.abc import Callable

from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.objects import Cell, Seq, Value, numeric
from optlint.lift.places import attribute
from optlint.lift.vocabulary.elements import element, listed, tree_map
from optlint.lift.vocabulary.graph import choice
from optlint.lift.vocabulary.site import Handler, Site, elementwise, filled, same, square

ONE = ex.const(1)


def of_leaves(build: Callable[..., Expr], *names: str) -> Handler:
    """An expression of the leaves of its arguments: ``tree_add(a, b)``."""

    def handler(site: Site) -> Value | None:
        values = [site.get(i, n) for i, n in enumerate(names)]
        if any(v is None for v in values):
            return None
        leaves = [element(site, v) for v in values if v is not None]
        if any(numeric(v) is None for v in leaves):
            return None
        made = site.machine.fresh(build(*(site.expr(v) for v in leaves)).at(site.span), *leaves)
        return listed(made, *(v for v in values if v is not None))

    return handler


def _moment(power: Callable[[Expr, Expr], Expr]) -> Callable[[Expr, Expr, Expr, Expr], Expr]:
    """(1 − decay)·gⁿ + decay·m."""

    def build(g: Expr, m: Expr, decay: Expr, order: Expr) -> Expr:
        new = ex.op("mul", ex.op("sub", ONE, decay), power(g, order))
        return ex.op("add", new, ex.op("mul", decay, m))

    return build


def _power(g: Expr, order: Expr) -> Expr:
    return g if order == ONE else ex.op("pow", g, order)


def _norm_power(g: Expr, order: Expr) -> Expr:
    return ex.op("pow", g, order) if order == ex.const(2) else ex.op("pow", ex.op("abs", g), order)


def _correction(m: Expr, decay: Expr, count: Expr) -> Expr:
    return ex.op("div", m, ex.op("sub", ONE, ex.op("pow", decay, count)))


def _infinity_moment(g: Expr, m: Expr, decay: Expr, eps: Expr) -> Expr:
    """max(|g| + ε, decay·m)."""
    return ex.op("max", ex.op("add", ex.op("abs", g), eps), ex.op("mul", decay, m))


def _replace(site: Site) -> Value | None:
    """``state._replace(mu=mu)``: a record with other fields."""
    home = site.receiver
    if not isinstance(home, Cell) or not site.kwargs or site.args:
        return None
    made = Cell(None, dict(home.items), open=True, klass=home.klass)
    made.items.update({attribute(k): v for k, v in site.kwargs.items()})
    return made


def _flatten(site: Site) -> Value | None:
    return Seq([site.args[0], Cell(ex.opaque("treedef"), open=True)]) if site.args else None


def _transpose(site: Site) -> Value | None:
    return site.args[2] if len(site.args) > 2 else None


def _apply_updates(p: Expr, u: Expr) -> Expr:
    return ex.op("add", p, u)


_TREE = {
    "add": of_leaves(lambda a, b: ex.op("add", a, b), "tree_x", "tree_y"),
    "sub": of_leaves(lambda a, b: ex.op("sub", a, b), "tree_x", "tree_y"),
    "mul": of_leaves(lambda a, b: ex.op("mul", a, b), "tree_x", "tree_y"),
    "div": of_leaves(lambda a, b: ex.op("div", a, b), "tree_x", "tree_y"),
    "scale": of_leaves(lambda s, x: ex.op("mul", s, x), "scalar", "tree"),
    "scalar_mul": of_leaves(lambda s, x: ex.op("mul", s, x), "scalar", "tree"),
    "add_scale": of_leaves(lambda x, s, y: ex.op("add", x, ex.op("mul", s, y)), "tree_x", "scalar", "tree_y"),
    "add_scalar_mul": of_leaves(lambda x, s, y: ex.op("add", x, ex.op("mul", s, y)), "tree_x", "scalar", "tree_y"),
    "update_moment": of_leaves(_moment(_power), "updates", "moments", "decay", "order"),
    "update_moment_per_elem_norm": of_leaves(_moment(_norm_power), "updates", "moments", "decay", "order"),
    "update_infinity_moment": of_leaves(_infinity_moment, "updates", "moments", "decay", "eps"),
    "where": of_leaves(lambda c, a, b: ex.op("where", c, a, b), "condition", "tree_x", "tree_y"),
    "bias_correction": of_leaves(_correction, "moment", "decay", "count"),
    "zeros_like": filled(0),
    "ones_like": filled(1),
    "cast": same,
    "cast_like": same,
    "sqrt": of_leaves(lambda x: ex.op("sqrt", x), "tree"),
    "map": tree_map(),
}

NAMES: dict[str, Handler] = {
    **{f"optax.{n}": h for n, h in _TREE.items()},
    **{f"optax.tree_{n}": h for n, h in _TREE.items()},
    **{f"optax.{n}": of_leaves(lambda x: ex.op("add", x, ONE), "count") for n in (
        "safe_increment", "safe_int32_increment",
    )},
    "optax.abs_sq": of_leaves(square, "x"),
    "optax.cast_tree": same,
    "optax.canonicalize_dtype": same,
    "optax.apply_updates": of_leaves(_apply_updates, "params", "updates"),
    "optax.incremental_update": of_leaves(
        lambda new, old, s: ex.op("add", ex.op("mul", s, new), ex.op("mul", ex.op("sub", ONE, s), old)),
        "new_tensors", "old_tensors", "step_size",
    ),
    **{f"jax.{n}": tree_map() for n in (
        "tree.map", "tree_map", "tree_multimap", "tree_util.tree_map", "tree_util.tree_multimap",
    )},
    **{f"jax.{n}": _flatten for n in ("tree.flatten", "tree_util.tree_flatten", "tree_flatten")},
    **{f"jax.{n}": lambda site: site.args[1] if len(site.args) > 1 else None for n in (
        "tree.unflatten", "tree_util.tree_unflatten", "tree_unflatten",
    )},
    **{f"jax.{n}": lambda site: site.args[0] if site.args else None for n in (
        "tree.leaves", "tree_util.tree_leaves", "tree_leaves", "jit", "lax.stop_gradient", "vmap", "device_put",
    )},
    **{f"jax.{n}": _transpose for n in ("tree.transpose", "tree_util.tree_transpose", "tree_transpose")},
    "jax.lax.select": choice,
    "jax.lax.cond": choice,
    "jax.lax.pow": elementwise("pow", 2),
    "jax.lax.integer_pow": elementwise("pow", 2),
    "mlx.utils.tree_map": tree_map(),
}  # fmt: skip

METHODS: dict[str, Handler] = {
    "_replace": _replace,
    "replace": _replace,
}
