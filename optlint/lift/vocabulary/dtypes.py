"""Which number type a call's result has, where the call shows it: ``zeros_like(w, dtype=np.float16)``, ``x.half()``."""

from __future__ import annotations

from collections.abc import Iterator

from optlint.lift import expression as ex
from optlint.lift import numbers
from optlint.lift.expression import Symbol
from optlint.lift.objects import Cell, Const, Value
from optlint.lift.vocabulary.site import Site

_POSITION = {  # of the argument that names the type; the receiver is not counted
    "astype": 0, "to": 0, "type": 0, "zeros": 1, "ones": 1, "empty": 1, "zeros_like": 1, "ones_like": 1,
    "empty_like": 1, "full": 2, "full_like": 2, "array": 1, "asarray": 1, "cast": 1, "tensor": 99, "as_tensor": 99,
}  # fmt: skip
_THEMSELVES = {
    "half": "float16", "bfloat16": "bfloat16", "float": "float32", "double": "float64", "float16": "float16",
    "float32": "float32", "float64": "float64", "to_float": "float32",
}  # fmt: skip
_OF_NUMBERS = frozenset({"tensor", "array", "asarray", "cast", "float16", "float32", "bfloat16"})
_INHERITS = frozenset({"zeros_like", "ones_like", "empty_like", "full_like"})
_STRONG = frozenset({"sqrt", "square", "power", "exp", "log", "float_power", "abs"})  # NumPy makes float64 of a number


def position_of(name: str) -> int | None:
    """Which argument of a call names the type, the receiver not counted."""
    return _POSITION.get(name)


def typed(site: Site, name: str, made: Value) -> Value:
    """Note the number type of a new array, and that the run names it."""
    root, _, last = name.rpartition(".")
    if not isinstance(made, Cell):
        return made
    dtype = site.kwargs.get("dtype") or (site.get(_POSITION[last]) if last in _POSITION else None)
    shown = numbers.named(dtype) or (_THEMSELVES.get(last, "") if root or not site.args else "")
    if shown and shown != "int":
        site.machine.types.add(shown)
    literal = _of_literal(site.args[0]) if root == "numpy" and last == "array" and site.args else ""
    if made.open and not literal:  # a place that was there before
        return made
    if shown or dtype is not None:
        made.dtype, made.typed_at = shown, site.span
        if shown in numbers.LOW and last in _OF_NUMBERS and site.args:
            _keep_setting(made, site.args[0])
    elif last in _INHERITS and site.args:
        made.dtype, made.typed_at = numbers.of(site.args[0]), numbers.given_at(site.args[0])
    elif literal:
        made.dtype, made.typed_at = literal, site.span
    elif root == "numpy" and last in _STRONG and made.scalar and not made.dtype:
        made.dtype = "float64"
        site.machine.types.add("float64")
    return made


def _keep_setting(made: Cell, value: Value) -> None:
    """``torch.tensor(0.999, dtype=torch.bfloat16)``, which is 1: the number in the code is not the one that is used."""
    near = numbers.HALF_STEP_BELOW_ONE[made.dtype]
    if isinstance(value, Const) and isinstance(value.value, float) and 0 < 1 - value.value <= near:
        kept = Symbol("", default=value.value, literal=(value.value,), dtype=made.dtype, typed_at=made.typed_at)
        made.expr = ex.sym(kept)


def _of_literal(value: Value) -> str:
    """``np.array([1, 2])`` holds integers."""
    inner = list(_inside(value)) if _is_literal(value) else []
    found = [n for n in map(_literal, inner) if n is not None]
    if not inner or len(found) < len(inner):
        return ""
    return "int" if all(isinstance(n, int) for n in found) else "float64"


def _inside(value: Value) -> Iterator[Value]:
    """The elements of a list, those of the lists in it one by one."""
    for item in value.items.values() if isinstance(value, Cell) else ():
        yield from _inside(item) if _is_literal(item) else (item,)


def _is_literal(value: Value) -> bool:
    """A list that the code writes out."""
    return isinstance(value, Cell) and value.growing and bool(value.items)


def _literal(value: Value) -> int | float | None:
    """A number of the source, with its sign."""
    number: object = value.value if isinstance(value, Const) else None
    if isinstance(value, Cell) and value.scalar and value.expr is not None and value.expr.op == "const":
        number = value.expr.value
    return number if isinstance(number, (int, float)) and not isinstance(number, bool) else None
