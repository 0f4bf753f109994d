"""Expressions as text: the field's notation out, and the rule pages' notation in."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from optlint.lift.expression import Expr, Symbol, const, op, sym

GREEK = {
    "alpha": "α", "beta1": "β₁", "beta2": "β₂", "beta3": "β₃", "beta": "β", "eps": "ε", "epsilon": "ε",
    "eta": "η", "lambda_": "λ", "lambd": "λ", "rho": "ρ", "mu": "μ", "gamma": "γ", "delta": "δ", "nu": "ν",
}  # fmt: skip
_LEVEL = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 2, "pow": 4}
_COMPARE = {"lt": "<", "le": "≤", "gt": ">", "ge": "≥", "eq": "=", "ne": "≠"}


def number(value: float) -> str:
    """A number as a person writes it: 0.999, 1e-8."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    text = f"{value:.6g}"
    return re.sub(r"e([+-])0*", lambda m: "e" + ("-" if m[1] == "-" else ""), text)


def render(node: Expr, name: Callable[[Symbol], str] | None = None) -> str:
    """The expression in the field's notation, e.g. ``w − η·m'/(√v' + ε)``; ``name`` spells the symbols."""
    spell = name or (lambda s: GREEK.get(s.name, s.name))

    def go(n: Expr, level: int) -> str:
        text, mine = one(n)
        return f"({text})" if mine < level else text

    def one(n: Expr) -> tuple[str, int]:
        if n.op == "const":
            value = n.value
            assert isinstance(value, (int, float))
            return number(value), 9 if value >= 0 else 1
        if n.op == "sym":
            assert isinstance(n.value, Symbol)
            return spell(n.value), 9
        if n.op == "opaque":
            inner = ", ".join(go(a, 0) for a in n.args) if n.size < 12 else "…"
            return f"{n.value}({inner})" if n.args else str(n.value), 9
        if n.op == "add":
            return f"{go(n.args[0], 1)} + {go(n.args[1], 1)}", 1
        if n.op == "sub":
            return f"{go(n.args[0], 1)} − {go(n.args[1], 2)}", 1
        if n.op == "mul":
            return f"{go(n.args[0], 2)}·{go(n.args[1], 3)}", 2
        if n.op == "div":
            return f"{go(n.args[0], 2)}/{go(n.args[1], 3)}", 2
        if n.op == "neg":
            return f"−{go(n.args[0], 2)}", 2
        if n.op == "pow":
            if n.args[1].op == "const" and n.args[1].value == 2:
                return f"{go(n.args[0], 5)}²", 4
            return f"{go(n.args[0], 5)}^{go(n.args[1], 5)}", 4
        if n.op == "sqrt":
            return f"√{go(n.args[0], 9)}", 8
        if n.op == "abs":
            return f"|{go(n.args[0], 0)}|", 9
        if n.op in _COMPARE:
            return f"{go(n.args[0], 1)} {_COMPARE[n.op]} {go(n.args[1], 1)}", 0
        return f"{n.op}({', '.join(go(a, 0) for a in n.args)})", 9

    return go(node, 0)


class NotationError(ValueError):
    """A formula on a rule page does not parse."""


_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_COMPARISON = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
_CALLS = {"sqrt", "abs", "sign", "max", "min", "where", "exp", "log", "sum", "mean", "norm", "floor", "tanh", "atan"}


def parse(formula: str, symbol: Callable[[str], Symbol | Expr]) -> Expr:
    """Read a rule page's formula (Python's operators; ``m'`` is the new m). ``symbol`` resolves names."""
    try:
        tree = ast.parse(formula.strip().replace("'", "_new"), mode="eval")
    except SyntaxError as error:
        raise NotationError(f"cannot read the formula {formula!r}: {error.msg}") from None

    def go(n: ast.expr) -> Expr:
        if isinstance(n, ast.Constant) and isinstance(n.value, (int, float)):
            return const(n.value)
        if isinstance(n, ast.Name):
            found = symbol(n.id)
            return found if isinstance(found, Expr) else sym(found)
        if isinstance(n, ast.BinOp) and type(n.op) in _BINARY:
            return op(_BINARY[type(n.op)], go(n.left), go(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub):
            return op("neg", go(n.operand))
        if isinstance(n, ast.Compare) and len(n.ops) == 1 and type(n.ops[0]) in _COMPARISON:
            return op(_COMPARISON[type(n.ops[0])], go(n.left), go(n.comparators[0]))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in _CALLS:
            return op(n.func.id, *map(go, n.args))
        raise NotationError(f"cannot read {ast.unparse(n)!r} in the formula {formula!r}")

    return go(tree.body)


def parse_system(text: str) -> list[tuple[str, str]]:
    """Lines ``name' = formula`` as (name', formula), and ``name = formula`` for a part of others.

    Empty lines and # comments are skipped.
    """
    pairs = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if line:
            target, equals, formula = line.partition("=")
            if not equals:
                raise NotationError(f"an equation needs '=': {line!r}")
            pairs.append((target.strip(), formula.strip()))
    return pairs
