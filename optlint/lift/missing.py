"""Statements that make what is missing, in the words of the branch that they are."""

from __future__ import annotations

from functools import lru_cache

import libcst as cst
from libcst import matchers

_MADE = matchers.Dict() | matchers.Call(func=matchers.Name("dict"))


@lru_cache(maxsize=512)
def made_where_missing(node: cst.Assign) -> cst.If | None:
    """``state = state or {"m": 0}`` is ``if not state: state = {"m": 0}``."""
    target, value = node.targets[0].target, node.value
    both = isinstance(value, cst.BooleanOperation) and isinstance(value.operator, cst.Or)
    if len(node.targets) > 1 or not isinstance(target, cst.Name) or not both:
        return None
    assert isinstance(value, cst.BooleanOperation)
    if not matchers.matches(value.left, matchers.Name(target.value)) or not matchers.matches(value.right, _MADE):
        return None
    made = cst.SimpleStatementLine([node.with_changes(value=value.right)])
    return cst.If(cst.UnaryOperation(cst.Not(), value.left), cst.IndentedBlock([made]))
