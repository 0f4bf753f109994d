"""Keras (1 to 3) and TensorFlow (1 and 2)."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.objects import Cell, Const, Func, Seq, Value, numeric
from optlint.lift.places import attribute, item
from optlint.lift.vocabulary.elements import argument
from optlint.lift.vocabulary.graph import (
    assigned,
    choice,
    deferred,
    minus,
    new_state,
    plus,
    replace,
    variable,
    zero_variable,
)
from optlint.lift.vocabulary.site import Handler, Site, composed, copy, elementwise, reduction, same


def _get_variable(site: Site) -> Value | None:
    """``tf.get_variable(name, shape, initializer=…)``."""
    start = site.get(3, "initializer")
    return new_state(site, start if start is not None and numeric(start) is not None else Cell(ex.const(0), array=True))


def _slot(site: Site) -> Value | None:
    """``self.get_slot(var, "m")``: a state that hangs on the variable."""
    values = [v for v in site.args if isinstance(v, Cell)]
    names = [v.value for v in site.args if isinstance(v, Const) and isinstance(v.value, str)]
    if not values or not names or values[0].expr is None:
        return None
    return site.machine.child(values[0], attribute(names[0]), site.span)


def _hyper_key(site: Site) -> str | None:
    name = site.get(0, "name")
    return attribute(f"_hyper.{name.value}") if isinstance(name, Const) else None


def _get_hyper(site: Site) -> Value | None:
    key = _hyper_key(site)
    return (
        None
        if key is None or not isinstance(site.receiver, Cell)
        else site.machine.child(site.receiver, key, site.span)
    )


def _set_hyper(site: Site) -> Value | None:
    key, value = _hyper_key(site), site.get(1, "value")
    if key is None or value is None or not isinstance(site.receiver, Cell):
        return None
    site.machine.store.put(site.receiver, key, value, site.span)
    return Const(None)


def _moving_average(site: Site) -> Value | None:
    """``K.moving_average_update(x, value, momentum)``: x' = momentum·x + (1 − momentum)·value, at once."""
    place, value, momentum = site.get(0, "x"), site.get(1, "value"), site.get(2, "momentum")
    if not isinstance(place, Cell) or place.expr is None or value is None or momentum is None:
        return None
    kept, taken = site.expr(momentum), site.expr(value)
    weighed = ex.op("mul", ex.op("sub", ex.const(1), kept), taken)
    new = ex.op("add", ex.op("mul", kept, place.expr), weighed, origin=site.span)
    site.machine.store.fill(place, new, site.span)
    return place


def _coefficients(site: Site) -> Value | None:
    """``self._fallback_apply_state(device, dtype)``: what ``_prepare_local`` puts there."""
    home = site.receiver
    prepare = home.klass.find("_prepare_local") if isinstance(home, Cell) and home.klass is not None else None
    if not isinstance(prepare, Func) or len(site.args) < 2:
        return None
    table = Cell(growing=True)
    table.factory = lambda key: Cell(growing=True, open=True)
    site.machine.call(site.machine.bound(prepare, home), [*site.args[:2], table], {}, site.span, "_prepare_local")  # type: ignore[arg-type]
    return site.machine.child(table, item(site.machine.key(Seq(site.args[:2]))), site.span)


def _relu(site: Site) -> Value | None:
    """``K.relu(x)``, without a slope or a bound."""
    plain = len(site.args) == 1 and not site.kwargs
    return composed(lambda x: ex.op("max", x, ex.const(0)), 1)(site) if plain else None


def _index_of(site: Site) -> Value | None:
    """``self._get_variable_index(v)``: the place of v among all variables."""
    return site.args[0] if site.args and isinstance(site.args[0], Cell) else None


NAMES: dict[str, Handler] = {
    **{f"tensorflow.{n}": same for n in (
        "cast", "cast_to_floatx", "convert_to_tensor", "stop_gradient", "constant", "identity", "to_float", "group",
        "as_dtype", "reshape", "broadcast_to", "ensure_shape",
    )},
    **{f"tensorflow.{n}": elementwise(op, 2) for n, op in {
        "truediv": "div", "realdiv": "div", "div": "div", "div_no_nan": "div", "divide_no_nan": "div", "mul": "mul",
        "sub": "sub", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "equal": "eq",
    }.items()},
    **{f"tensorflow.{n}": reduction(op) for n, op in {
        "reduce_sum": "sum", "reduce_mean": "mean", "norm": "norm", "mean": "mean", "sum": "sum", "max": "amax",
        "reduce_max": "amax", "min": "amin",
    }.items()},
    **{f"tensorflow.{n}": choice for n in ("cond", "switch")},
    **{f"tensorflow.{n}": variable for n in ("Variable", "variable")},
    "tensorflow.get_variable": _get_variable,
    "tensorflow.assign": assigned(replace),
    "tensorflow.assign_add": assigned(plus),
    "tensorflow.assign_sub": assigned(minus),
    "tensorflow.update": deferred(replace),
    "tensorflow.update_add": deferred(plus),
    "tensorflow.update_sub": deferred(minus),
    "tensorflow.moving_average_update": _moving_average,
    "tensorflow.zeros_initializer": lambda site: Cell(ex.const(0), array=True),
    "tensorflow.constant_initializer": copy,
    "keras.zeros": zero_variable,
    "keras.relu": _relu,
}  # fmt: skip

MADE_ANEW = frozenset({"_fallback_apply_state"})  # after an ``or``: what Keras hands in, this call makes as well

METHODS: dict[str, Handler] = {
    "assign": assigned(replace),
    "assign_add": assigned(plus),
    "assign_sub": assigned(minus),
    "get_slot": _slot,
    "_zeros_slot": _slot,
    "_get_or_make_slot": _slot,
    "_get_hyper": _get_hyper,
    "_set_hyper": _set_hyper,
    "_fallback_apply_state": _coefficients,
    "_get_variable_index": _index_of,
    "_var_key": _index_of,
    "_decayed_lr": lambda site: (
        site.machine.child(site.receiver, attribute("_hyper.learning_rate"), site.span)
        if isinstance(site.receiver, Cell)
        else None
    ),
    "read_value": same,
    "value": copy,
    "_call_if_callable": argument(0),
}
