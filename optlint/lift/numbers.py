"""The number types of arrays, as far as the code shows them: "float16", "bfloat16", "float32", "float64" or "int".

"" is unknown for an array, and for a scalar a plain Python number, which takes the type of whatever it meets.
"""

from __future__ import annotations

from collections.abc import Sequence

from optlint.lift.objects import Cell, Const, Lib, Value
from optlint.model import Span

LOW = ("float16", "bfloat16", "float32")
HALF_STEP_BELOW_ONE = {"float16": 2.0**-12, "bfloat16": 2.0**-9, "float32": 2.0**-25}  # what is nearer to 1 becomes 1
_WIDTH = {"int": 0, "bfloat16": 1, "float16": 1, "float32": 2, "float64": 3}
_NAMES = {
    "float16": "float16", "half": "float16", "bfloat16": "bfloat16", "float32": "float32", "single": "float32",
    "float64": "float64", "double": "float64", "float": "float64", "float_": "float64", "int": "int", "int8": "int",
    "int16": "int", "int32": "int", "int64": "int", "uint8": "int", "long": "int", "int_": "int",
}  # fmt: skip
_DIVIDES = frozenset({"div", "sqrt", "exp", "log", "tanh", "atan", "mean", "norm"})


def named(value: Value | None) -> str:
    """The type that an argument names (``np.float16``, ``"float16"``, ``int``), or ""."""
    if isinstance(value, Lib):
        root, _, last = value.name.rpartition(".")
        return "float32" if root == "torch" and last == "float" else _NAMES.get(last, "")
    if isinstance(value, Const) and isinstance(value.value, str):
        return _NAMES.get(value.value, "")
    return ""


def of(value: Value) -> str:
    return value.dtype if isinstance(value, Cell) else ""


def given_at(value: Value) -> Span | None:
    """The call that gives a value its type."""
    return value.typed_at if isinstance(value, Cell) else None


def _weak(value: Value) -> bool:
    """A plain Python number."""
    return isinstance(value, Const) or (isinstance(value, Cell) and value.scalar and not value.dtype)


def of_result(operation: str, parts: Sequence[Value]) -> str:
    """The type of an operation's result, as NumPy 2 has it."""
    strong = [of(p) for p in parts if not _weak(p)]
    if not strong or not all(strong) or len({t for t in strong if _WIDTH[t] == 1}) > 1:
        return ""
    widest = max(strong, key=_WIDTH.__getitem__)
    if "int" in strong:
        whole = all(isinstance(p.value, int) for p in parts if isinstance(p, Const)) and not any(
            isinstance(p, Cell) and _weak(p) for p in parts
        )
        fractions = operation in _DIVIDES or not whole
        return "float64" if widest != "int" or fractions else "int"
    return widest
