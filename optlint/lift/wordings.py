"""Statements in the words of others that mean the same."""

from __future__ import annotations

from functools import lru_cache

import libcst as cst
from libcst import matchers

_MADE = matchers.Dict() | matchers.Call(func=matchers.Name("dict"))
_RECORD = matchers.Call(func=matchers.Name("namedtuple") | matchers.Attribute(attr=matchers.Name("namedtuple")))
_PLACE = matchers.Name() | matchers.Attribute() | matchers.Subscript()
_COLUMNS = matchers.Call(func=matchers.Name("zip"), args=[matchers.Arg(value=_PLACE, star="*")])


@lru_cache(maxsize=512)
def in_other_words(node: cst.Assign) -> cst.If | cst.ClassDef | cst.Assign | None:
    """``state = state or {…}`` as a branch, ``State = namedtuple("State", "m v t")`` as a class, ``params, grads =
    zip(*pairs)`` as two lists."""
    target = node.targets[0].target
    if len(node.targets) == 1 and isinstance(target, cst.Tuple) and matchers.matches(node.value, _COLUMNS):
        whole = any(isinstance(e, cst.StarredElement) for e in target.elements)
        return None if whole else _columns_of(node, len(target.elements), node.value)
    if len(node.targets) > 1 or not isinstance(target, cst.Name):
        return None
    if isinstance(node.value, cst.BooleanOperation):
        return _made_where_missing(node, target.value, node.value)
    if isinstance(node.value, cst.Call) and matchers.matches(node.value, _RECORD):
        return _class_of(target.value, node.value)
    return None


@lru_cache(maxsize=512)
def without_nothing(node: cst.Comparison) -> cst.BaseExpression | None:
    """``not x`` for ``x == ()``, ``x == []`` or ``x == {}``, and x for ``!=``; None for any other comparison."""
    target = node.comparisons[0]
    if len(node.comparisons) > 1 or not isinstance(target.operator, (cst.Equal, cst.NotEqual)):
        return None
    if not isinstance(target.comparator, (cst.Tuple, cst.List, cst.Dict)) or target.comparator.elements:
        return None
    return cst.UnaryOperation(cst.Not(), node.left) if isinstance(target.operator, cst.Equal) else node.left


def _made_where_missing(node: cst.Assign, name: str, value: cst.BooleanOperation) -> cst.If | None:
    """``if not state: state = {"m": 0}``."""
    same = isinstance(value.operator, cst.Or) and matchers.matches(value.left, matchers.Name(name))
    if not same or not matchers.matches(value.right, _MADE):
        return None
    made = cst.SimpleStatementLine([node.with_changes(value=value.right)])
    return cst.If(cst.UnaryOperation(cst.Not(), value.left), cst.IndentedBlock([made]))


def _class_of(name: str, call: cst.Call) -> cst.ClassDef | None:
    """``class State(NamedTuple)`` with its fields."""
    fields = call.args[1].value if len(call.args) == 2 else None
    if isinstance(fields, cst.SimpleString):
        names = str(fields.evaluated_value).replace(",", " ").split()
    elif isinstance(fields, (cst.List, cst.Tuple)):
        texts = [e.value for e in fields.elements if isinstance(e.value, cst.SimpleString)]
        names = [str(t.evaluated_value) for t in texts] if len(texts) == len(fields.elements) else []
    else:
        names = []
    if not names or not all(n.isidentifier() for n in names):
        return None
    lines = [
        cst.SimpleStatementLine([cst.AnnAssign(cst.Name(n), cst.Annotation(cst.Name("object")), None)]) for n in names
    ]
    return cst.ClassDef(cst.Name(name), cst.IndentedBlock(lines), [cst.Arg(cst.Name("NamedTuple"))])


def _columns_of(node: cst.Assign, count: int, value: cst.BaseExpression) -> cst.Assign:
    """``[pair[0] for pair in pairs], [pair[1] for pair in pairs]``."""
    assert isinstance(value, cst.Call)
    pair, pairs = cst.Name("pair"), value.args[0].value
    columns = [
        cst.ListComp(
            cst.Subscript(pair, [cst.SubscriptElement(cst.Index(cst.Integer(str(number))))]), cst.CompFor(pair, pairs)
        )
        for number in range(count)
    ]
    return node.with_changes(value=cst.Tuple([cst.Element(column) for column in columns]))
