"""NumPy (and what speaks its language: CuPy, autograd.numpy, jax.numpy …)."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.masks import finite
from optlint.lift.objects import Cell, Const, Each, Lib, Value, numeric
from optlint.lift.operators import coordinates, written_out
from optlint.lift.places import DERIVATIVE, place_of
from optlint.lift.vocabulary.site import (
    BESIDE_ONE,
    Handler,
    Site,
    composed,
    copy,
    elementwise,
    filled,
    reciprocal_root,
    reduction,
    same,
    sigmoid,
    square,
    uninitialized,
)
from optlint.lift.vocabulary.stacks import extreme, stack


def _full(site: Site) -> Value | None:
    value = site.get(1, "fill_value")
    expr = numeric(value)
    return None if expr is None else Cell(expr, array=True)


def _copyto(site: Site) -> Value | None:
    target, source = site.get(0, "dst"), site.get(1, "src")
    if isinstance(target, Cell) and source is not None:
        site.machine.store.fill(target, site.expr(source), site.span)
    return Const(None)


def _clip(site: Site) -> Value | None:
    values = site.all()
    if not values:
        return None
    site.take_out(3)
    result = site.expr(values[0])
    low = site.kwargs.get("a_min") or site.kwargs.get("min") or (values[1] if len(values) > 1 else None)
    high = site.kwargs.get("a_max") or site.kwargs.get("max") or (values[2] if len(values) > 2 else None)
    for bound, name in ((low, "max"), (high, "min")):
        if bound is not None and not (isinstance(bound, Const) and bound.value is None):
            result = ex.op(name, result, site.expr(bound), origin=site.span)
    return site.result(result, values[0])


def _where(site: Site) -> Value | None:
    if len(site.args) != 3:
        return None
    return site.result(ex.op("where", *(site.expr(v) for v in site.args), origin=site.span), *site.args[1:])


def _array(site: Site) -> Value | None:
    """``np.array(x)`` copies; of a literal it is an array of constants."""
    values = site.all()
    whole = _of_coordinates(site, values[0]) if values else None
    if whole is not None:
        return Cell(whole.at(site.span), array=True)
    if values and numeric(values[0]) is None and isinstance(values[0], Cell) and values[0].growing:
        inner = list(values[0].items.values())
        exprs = [numeric(v) for v in inner]
        first = exprs[0] if exprs else None
        if first is not None and all(e == first for e in exprs) and first.op == "const":
            return Cell(first, array=True)
        made = site.opaque()
        if isinstance(made, Cell) and coordinates(values[0]):
            made.items, made.array, made.open = dict(values[0].items), True, False
        return made
    return copy(site)


def _as_array(site: Site) -> Value | None:
    """``np.asarray(x)`` is x itself, unless that is a list."""
    value = site.args[0] if site.args else None
    listed = isinstance(value, Cell) and value.growing and value.expr is None
    return _array(site) if listed else same(site)


def _of_coordinates(site: Site, value: Value) -> Expr | None:
    """``np.array([max(v[0], u[0]), max(v[1], u[1])])`` is max(v, u): each element says the same of its coordinate."""
    found = set()
    elements = written_out(value)
    for number, element in enumerate(elements):
        expr = numeric(element)
        if expr is None or not expr.args:
            return None
        table: dict[Expr, Expr] = {}
        for slot in site.machine.store.slots:
            if slot.symbol in expr.symbols and slot.key == f"[{number}]" and isinstance(slot.home, Cell):
                table[ex.sym(slot.symbol)] = slot.home.expr or ex.sym(slot.symbol)
        found.add(ex.substitute(expr, table))
    return found.pop() if len(found) == 1 and len(elements) > 1 else None


def _differentiate(site: Site) -> Value | None:
    """``grad(loss)``: a function whose results are derivatives, and are named so."""
    return Lib(f"{DERIVATIVE}{place_of(site.args[0]) or 'a function'}") if site.args else None


def _hypot(a: Expr, b: Expr) -> Expr:
    return ex.op("sqrt", ex.op("add", square(a), square(b)))


def _indices(site: Site) -> Value | None:
    """``ndindex(shape)``: every coordinate, one for all."""
    index = Symbol("·", kind="index", iterates="key")
    return Each(Cell(ex.sym(index), scalar=True), index)


NAMES: dict[str, Handler] = {
    **{f"numpy.{n}": elementwise(op, 2) for n, op in {
        "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
        "power": "pow", "float_power": "pow", "pow": "pow", "maximum": "max", "fmax": "max", "minimum": "min",
        "fmin": "min", "greater": "gt", "less": "lt", "equal": "eq", "sub": "sub", "mul": "mul", "div": "div",
    }.items()},
    **{f"numpy.{n}": elementwise(op, 1) for n, op in {
        "sqrt": "sqrt", "abs": "abs", "absolute": "abs", "fabs": "abs", "negative": "neg", "sign": "sign",
        "exp": "exp", "log": "log", "floor": "floor", "tanh": "tanh", "arctan": "atan", "atan": "atan",
        "neg": "neg", "sgn": "sign",
    }.items()},
    "numpy.square": composed(square, 1),
    "numpy.sqr": composed(square, 1),
    "numpy.reciprocal": composed(lambda x: ex.op("div", ex.const(1), x), 1),
    "numpy.rsqrt": composed(reciprocal_root, 1),
    **{n: composed(sigmoid, 1) for n in (
        "numpy.sigmoid", "scipy.special.expit", "jax.nn.sigmoid", "tensorflow.nn.sigmoid",
        "torch.nn.functional.sigmoid",
    )},
    "numpy.hypot": composed(_hypot, 2),
    **{f"{home}.{n}": composed(made, 1) for n, made in BESIDE_ONE.items() for home in ("numpy", "math")},
    **{f"numpy.{n}": filled(0) for n in ("zeros", "zeros_like")},
    **{f"numpy.{n}": uninitialized for n in ("empty", "empty_like")},
    **{f"numpy.{n}": filled(1) for n in ("ones", "ones_like")},
    "numpy.ndindex": _indices,
    "numpy.full": _full,
    "numpy.full_like": _full,
    **{f"numpy.{n}": same for n in (
        "squeeze", "ravel", "reshape", "transpose", "asmatrix", "mat", "asnumpy", "expand_dims", "broadcast_to",
        "conj", "conjugate", "real",
    )},
    "numpy.nan_to_num": composed(finite, 1),
    **{f"numpy.{n}": _as_array for n in ("asarray", "ascontiguousarray", "asanyarray", "atleast_1d", "atleast_2d")},
    **{f"numpy.{n}": copy for n in ("copy", "float32", "float64", "float16", "float_", "matrix", "cast")},
    "numpy.array": _array,
    "numpy.copyto": _copyto,
    "numpy.clip": _clip,
    "numpy.where": _where,
    "numpy.sum": reduction("sum"),
    "numpy.mean": reduction("mean"),
    "numpy.average": reduction("mean"),
    "numpy.linalg.norm": reduction("norm"),
    "numpy.stack": stack,
    "numpy.vstack": stack,
    "numpy.max": extreme("max"),
    "numpy.amax": extreme("max"),
    "numpy.min": extreme("min"),
    "numpy.amin": extreme("min"),
    **{f"math.{n}": elementwise(n, 1) for n in ("sqrt", "exp", "log", "floor", "tanh", "atan")},
    **{n: _differentiate for n in (  # noqa: C420
        "autograd.grad", "autograd.elementwise_grad", "jax.grad", "autograd.numpy.grad", "numdifftools.Gradient",
    )},
    "math.fabs": elementwise("abs", 1),
    "math.pow": elementwise("pow", 2),
}  # fmt: skip

METHODS: dict[str, Handler] = {
    **dict.fromkeys(
        ("reshape", "ravel", "flatten", "squeeze", "transpose", "view", "asnumpy", "get_value", "item"), same
    ),
    **dict.fromkeys(("copy", "astype", "tolist"), copy),
    "sum": reduction("sum"),
    "mean": reduction("mean"),
    "clip": _clip,
    "__pow__": elementwise("pow", 2),
    "__mul__": elementwise("mul", 2),
    "__truediv__": elementwise("div", 2),
    "__add__": elementwise("add", 2),
    "__sub__": elementwise("sub", 2),
}

ATTRIBUTES: dict[str, Handler] = dict.fromkeys(("T", "real", "flat"), same)
