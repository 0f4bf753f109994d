"""Elements that a mask picks: ``root[root == 0] = 1``, ``step[np.isnan(step)] = 0``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.objects import Value, numeric

if TYPE_CHECKING:
    from optlint.lift.interpreter import Interpreter


def masked(machine: Interpreter, target: cst.Subscript, old: Expr, value: Value) -> Expr | None:
    """What an array holds behind ``x[mask] = number``, where x is a quotient or a root, and the mask compares.

    Other contents, and numbers that are no constants, are left as they are: such a mask is about data.
    """
    new, index = numeric(value), target.slice[0].slice
    if new is None or new.op != "const" or len(target.slice) != 1 or not isinstance(index, cst.Index):
        return None
    if not _divides(old):
        return None
    condition = _condition(machine, index.value)
    if condition is None:
        return None
    floors = condition.op in ("lt", "le") and condition.args == (old, new)
    return ex.op("max", old, new) if floors else ex.op("where", condition, new, old)


def _condition(machine: Interpreter, mask: cst.BaseExpression) -> Expr | None:
    match mask:
        case cst.Call(cst.Attribute(attr=cst.Name("isnan")), [cst.Arg(value)]):
            found = numeric(machine.eval(value))
            return _is_nan(found) if found is not None else None
        case cst.Comparison():
            found = numeric(machine.eval(mask))
            return found if found is not None and found.op in ex.COMPARISONS else None
    return None


def finite(content: Expr) -> Expr:
    """A quotient with 0 for 0/0 (``nan_to_num``); anything else is data, and finite."""
    return ex.op("where", _is_nan(content), ex.const(0), content) if _divides(content) else content


def _is_nan(content: Expr) -> Expr:
    return ex.op("ne", content, content)


def _divides(content: Expr) -> bool:
    return any(n.op == "div" or structure.is_root(n) for n in ex.walk(content))
