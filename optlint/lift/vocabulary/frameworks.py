"""Arrays of somebody's own framework, and modules out of sight: functions that mean the same wherever they stand."""

from __future__ import annotations

from optlint.lift.objects import Cell, Klass, Value, numeric
from optlint.lift.operators import written_out
from optlint.lift.vocabulary import numpy
from optlint.lift.vocabulary.site import Handler, Site, copy

# functions of one array, which as methods take no argument
UNARY = frozenset({"sqrt", "square", "rsqrt", "exp", "log", "abs", "absolute", "sign", "negative", "reciprocal"})

# functions of several numbers, which as methods take one less
_SEVERAL = {
    "maximum": 2, "minimum": 2, "power": 2, "pow": 2, "multiply": 2, "divide": 2, "true_divide": 2, "where": 3,
}  # fmt: skip
_OF_TWO = frozenset({"add", "subtract", "sub", "mul", "div"})  # as methods, some take a factor, too: ``x.add(2, y)``
_OF_SCALARS = "_scalar"  # ``power_scalar(v, 0.5)``: the same of an array and a number
_MADE_OF_SHAPES = frozenset({"zeros", "ones"})
_COMMON = UNARY | _MADE_OF_SHAPES | {"zeros_like", "ones_like", "conj", "conjugate", "maximum", "minimum"}
_RESHAPED = frozenset({"broadcast_to", "reshape"})
_WRAPS = frozenset({"Tensor", "Variable", "Parameter", "tensor"})


def common(name: str, args: list[Value]) -> Handler | None:
    """The meaning of a function of a library that nothing is known of: ``backend.sqrt(x)``, ``ndl.Tensor(x)``."""
    last = name.rpartition(".")[2].removesuffix(_OF_SCALARS)
    numbers = all(numeric(a) is not None for a in args)
    several = numbers and (_SEVERAL.get(last) == len(args) or (last in _OF_TWO and len(args) == 2))
    if last in _COMMON or several or (last in _RESHAPED and numeric(args[0]) is not None):
        return numpy.NAMES.get(f"numpy.{last}")
    return _wrapped if last in _WRAPS else None


def borrowed(name: str, args: list[Value]) -> Handler | None:
    """``p.xp.maximum(a, b)``, ``self.backend.zeros(shape)``: with what they are given, these are no methods."""
    one = len(args) == 1 and name in UNARY
    several = _SEVERAL.get(name) == len(args) and all(numeric(a) is not None for a in args)
    made = bool(args) and (name in _MADE_OF_SHAPES or (len(args) == 1 and name in ("zeros_like", "ones_like")))
    return numpy.NAMES.get(f"numpy.{name}") if one or several or made else None


def _wrapped(site: Site) -> Value | None:
    """``Tensor(x)``, ``Tensor([beta])``: an array of that content."""
    if not site.args:
        return None
    inside = written_out(site.args[0])
    value = inside[0] if len(inside) == 1 else site.args[0]
    if numeric(value) is None:
        return None
    made = copy(Site(site.machine, [value], {}, site.span, site.text))
    if isinstance(made, Cell):
        made.array, made.scalar = made.array or not inside, False
    return made


def wraps(klass: Klass, site: Site) -> Value | None:
    """A class that computes (it adds and multiplies) made of a number is an array of it."""
    if klass.find("__add__") is None or klass.find("__mul__") is None:
        return None
    return _wrapped(site)
