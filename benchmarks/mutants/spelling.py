"""How code spells an operation: operators, functions, methods, in-place methods; and how to write another one alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import libcst as cst

from benchmarks.mutants.source import Code

# what a name means, whatever library it is from
MEANS = {
    "sqrt": "sqrt", "rsqrt": "rsqrt", "square": "square", "sqr": "square", "pow": "pow", "power": "pow",
    "divide": "div", "div": "div", "true_divide": "div", "truediv": "div", "divide_no_nan": "div",
    "multiply": "mul", "mul": "mul", "add": "add", "subtract": "sub", "sub": "sub",
    "addcmul": "addcmul", "addcdiv": "addcdiv", "lerp": "lerp", "maximum": "max", "max": "max", "fmax": "max",
    "abs": "abs", "absolute": "abs", "sign": "sign", "neg": "neg", "negative": "neg", "reciprocal": "reciprocal",
    "assign": "assign", "copy": "assign", "assign_add": "add", "update_add": "add", "assign_sub": "sub",
    "update_sub": "sub", "update": "assign",
}  # fmt: skip

# the same library's word for another operation
INSTEAD = {
    ("mul", "divide"): "multiply", ("mul", "div"): "mul", ("mul", "true_divide"): "multiply", ("mul", "truediv"): "mul",
    ("mul", "divide_no_nan"): "multiply", ("div", "multiply"): "divide", ("div", "mul"): "div",
    ("add", "subtract"): "add", ("add", "sub"): "add", ("sub", "add"): "sub",
    ("addcmul", "addcdiv"): "addcmul",
}  # fmt: skip

_OPERATORS = {cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "div", cst.Power: "pow",
              cst.AddAssign: "add", cst.SubtractAssign: "sub", cst.MultiplyAssign: "mul",
              cst.DivideAssign: "div"}  # fmt: skip
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


@dataclass(slots=True)
class Operation:
    """One spelled operation. style: "operator", "augmented" (``x += y``), "function", "method".

    operands: in order, the receiver first; named: by keyword; word: the called name's node; changes: in place.
    """

    node: cst.CSTNode
    means: str
    style: str
    operands: list[cst.BaseExpression]
    named: dict[str, cst.Arg] = field(default_factory=dict)
    word: cst.Name | None = None
    home: str = ""  # what stands before the function's name: "np."
    changes: bool = False

    @property
    def each(self) -> bool:
        """Works on lists of tensors."""
        return self.word is not None and self.word.value.startswith("_foreach")

    @property
    def is_square(self) -> bool:
        return self.means == "square" or (self.means == "pow" and self._exponent() == 2)

    @property
    def is_root(self) -> bool:
        return self.means == "sqrt" or (self.means == "pow" and self._exponent() == 0.5)

    @property
    def is_inverse_root(self) -> bool:
        return self.means == "rsqrt" or (self.means == "pow" and self._exponent() == -0.5)

    def _exponent(self) -> float | None:
        return number(self.operands[1]) if len(self.operands) > 1 else None


def number(node: cst.CSTNode) -> float | None:
    """The value of a literal number, ``1/2`` and ``-0.5`` among them."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        inside = number(node.expression)
        return None if inside is None else -inside
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
        a, b = number(node.left), number(node.right)
        return None if a is None or not b else a / b
    if isinstance(node, (cst.Integer, cst.Float)):
        return float(node.value.replace("_", ""))
    return None


def operation(code: Code, node: cst.CSTNode) -> Operation | None:
    """What a node does, if it is an operation that the tables know."""
    if isinstance(node, cst.BinaryOperation):
        means = _OPERATORS.get(type(node.operator))
        return None if means is None else Operation(node, means, "operator", [node.left, node.right])
    if isinstance(node, cst.AugAssign):
        means = _OPERATORS.get(type(node.operator))
        operands = [node.target, node.value]
        return None if means is None else Operation(node, means, "augmented", operands, changes=True)
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        return Operation(node, "neg", "operator", [node.expression])
    if not isinstance(node, cst.Call):
        return None
    named = {a.keyword.value: a for a in node.args if a.keyword is not None}
    plain = [a.value for a in node.args if a.keyword is None]
    if isinstance(node.func, cst.Attribute):
        word, before = node.func.attr, node.func.value
        if code.is_library(before) or (isinstance(before, cst.Name) and before.value == "self") or _is_module(before):
            style, home = "function", code.source(before) + "."
        else:
            style, home, plain = "method", "", [before, *plain]
    elif isinstance(node.func, cst.Name):
        word, style, home = node.func, "function", ""
    else:
        return None
    bare = re.sub(r"^_foreach_|_$", "", word.value)
    means = MEANS.get(bare)
    if means is None:
        return None
    if means in ("sqrt", "square", "abs") and len(plain) > 1:
        if style == "function":
            return None  # ``np.sqrt(v, buffer)``: the result goes into the second one
        style, home, plain = "function", f"{code.source(plain[0])}.", plain[1:]  # ``xp.square(g)``
    changes = word.value.endswith("_") or bare.startswith(("assign", "update", "copy"))
    return Operation(node, means, style, plain, named, word, home, changes)


def _is_module(node: cst.BaseExpression) -> bool:
    """``self.xp``: whichever array module an object has been given."""
    return isinstance(node, cst.Attribute) and node.attr.value in ("xp", "np")


def renamed(code: Code, op: Operation, means: str) -> tuple[int, int, str] | None:
    """The same call with another operation's name: ``np.divide`` for ``np.multiply``."""
    if op.word is None:
        return None
    head, bare, tail = re.fullmatch(r"(_foreach_)?(.*?)(_?)", op.word.value).groups(default="")  # type: ignore[union-attr]
    word = INSTEAD.get((means, bare))
    return None if word is None else (*code.offsets(op.word), f"{head}{word}{tail}")


def function_of(op: Operation | None, code: Code, near: cst.CSTNode, means: str) -> str:
    """How this code would call a function of one array: "np.sqrt({})", "{}.sqrt()", "math.sqrt({})"."""
    if op is not None and op.each and op.word is not None:
        return f"{op.home}_foreach_{means}({{}})"
    if op is not None and op.means in ("sqrt", "square", "abs", "sign") and op.word is not None:
        return f"{op.home}{means}({{}})" if op.style == "function" else f"{{}}.{means}()"
    for module in ("np", "jnp", "ops", "tf", "K", "T", "mx", "tensor"):
        if re.search(rf"\b{module}\.\w", code.text):
            return f"{module}.{means}({{}})"
    if re.search(r"^\s*(?:import|from) torch\b", code.text, re.MULTILINE):
        return f"torch.{means}({{}})"
    return "abs({})" if means == "abs" else "({}) ** 0.5" if means == "sqrt" else f"np.{means}({{}})"
