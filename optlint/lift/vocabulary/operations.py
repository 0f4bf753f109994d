"""What each of PyTorch's operations on tensors computes, whichever of its forms is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.masks import finite
from optlint.lift.vocabulary.site import BESIDE_ONE, reciprocal_root, sigmoid, square

ONE = ex.const(1)


@dataclass(slots=True)
class Operands:
    """A tensor and what an operation takes besides it."""

    x: Expr
    args: list[Expr]
    named: dict[str, Expr] = field(default_factory=dict)
    foreach: bool = False

    def get(self, position: int, *names: str) -> Expr | None:
        for name in names:
            if name in self.named:
                return self.named[name]
        return self.args[position] if position < len(self.args) else None


Operation = Callable[[Operands], Expr | None]


def _scaled(scale: Expr | None, node: Expr) -> Expr:
    return node if scale is None or scale == ONE else ex.op("mul", scale, node)


def _plus(name: str) -> Operation:
    """``add(y, alpha=s)``; two positions are the old signature ``add(s, y)``."""

    def build(o: Operands) -> Expr | None:
        other, alpha = o.get(0, "other"), o.named.get("alpha")
        if len(o.args) == 2:
            alpha, other = o.args
        return None if other is None else ex.op(name, o.x, _scaled(alpha, other))

    return build


def _fused(name: str) -> Operation:
    """``addcmul(a, b, value=s)``; three positions: the old ``addcmul(s, a, b)``, or foreach's ``(a, b, s)``."""

    def build(o: Operands) -> Expr | None:
        value, args = o.named.get("value", o.named.get("scalar")), o.args
        if len(args) == 3:
            value, args = (args[2], args[:2]) if o.foreach else (args[0], args[1:])
        a = args[0] if args else o.named.get("tensor1")
        b = args[1] if len(args) > 1 else o.named.get("tensor2")
        if a is None or b is None:
            return None
        if name == "div":
            top = a if value is None or value == ONE else ex.op("mul", value, a)
            return ex.op("add", o.x, ex.op("div", top, b))
        return ex.op("add", o.x, _scaled(value, ex.op("mul", a, b)))

    return build


def _lerp(o: Operands) -> Expr | None:
    end, weight = o.get(0, "end"), o.get(1, "weight")
    if end is None or weight is None:
        return None
    return ex.op("add", o.x, ex.op("mul", weight, ex.op("sub", end, o.x)))


def _two(name: str, *keywords: str) -> Operation:
    def build(o: Operands) -> Expr | None:
        other = o.get(0, *keywords, "other")
        return None if other is None or "dim" in o.named else ex.op(name, o.x, other)

    return build


def _one(make: Callable[[Expr], Expr]) -> Operation:
    return lambda o: make(o.x) if not o.args else None


def _clamp(o: Operands) -> Expr | None:
    result = o.x
    low, high = o.get(0, "min"), o.get(1, "max")
    for bound, name in ((low, "max"), (high, "min")):
        if bound is not None and not (bound.op == "opaque" and not bound.args):
            result = ex.op(name, result, bound)
    return result


def _bound(name: str, keyword: str) -> Operation:
    return _two(name, keyword)


def _unary(name: str) -> Operation:
    return _one(lambda x: ex.op(name, x))


OPERATIONS: dict[str, Operation] = {
    **dict.fromkeys(("add",), _plus("add")),
    **dict.fromkeys(("sub", "subtract"), _plus("sub")),
    **dict.fromkeys(("mul", "multiply"), _two("mul")),
    **dict.fromkeys(("div", "divide", "true_divide"), _two("div")),
    "rsub": lambda o: ex.op("sub", o.args[0], o.x) if len(o.args) == 1 else None,
    "pow": _two("pow", "exponent"),
    "maximum": _two("max"),
    "minimum": _two("min"),
    "max": _two("max"),
    "min": _two("min"),
    "fmax": _two("max"),
    "addcmul": _fused("mul"),
    "addcdiv": _fused("div"),
    "lerp": _lerp,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": _bound("max", "min"),
    "clamp_max": _bound("min", "max"),
    **{name: _unary(name) for name in ("sqrt", "neg", "abs", "sign", "exp", "log", "floor", "tanh", "atan")},
    "arctan": _unary("atan"),
    "negative": _unary("neg"),
    "absolute": _unary("abs"),
    "sgn": _unary("sign"),
    "square": _one(square),
    "rsqrt": _one(reciprocal_root),
    "sigmoid": _one(sigmoid),
    **{name: _one(made) for name, made in BESIDE_ONE.items()},
    "reciprocal": _one(lambda x: ex.op("div", ONE, x)),
    **dict.fromkeys(("conj", "conjugate"), _one(lambda x: x)),
    "nan_to_num": _one(finite),
}
