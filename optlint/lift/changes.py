"""What the methods of a class do to the attributes of its objects, as its source shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

import libcst as cst
from libcst import matchers

from optlint.lift.objects import CONSTRUCTORS, Cell, Changes, Func, Klass, Lib, Value
from optlint.lift.vocabulary import is_library


def is_self(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "self"


def own_attribute(node: cst.BaseExpression) -> str:
    """x of ``self.x``."""
    return node.attr.value if isinstance(node, cst.Attribute) and is_self(node.value) else ""


class _Visitor(cst.CSTVisitor):
    def __init__(self, changes: Changes) -> None:
        self.changes = changes

    def visit_Assign(self, node: cst.Assign) -> None:
        target, value = node.targets[0].target, node.value
        if isinstance(target, cst.Attribute) and isinstance(value, cst.Attribute) and is_self(target.value):
            self.changes.saved[target.attr.value] = value
        for place, given in _given(node):
            if name := own_attribute(place):
                self._note(name, given)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        targets = [e.value for e in node.target.elements] if isinstance(node.target, cst.Tuple) else [node.target]
        for target in targets:
            if isinstance(target, cst.Attribute) and isinstance(target.value, (cst.Name, cst.Subscript)):
                self.changes.rebound.add(target.attr.value)
                if not is_self(target.value):
                    self.changes.foreign.add(target.attr.value)
            elif isinstance(target, cst.Subscript) and isinstance(target.value, cst.Attribute):
                self.changes.filled.add(target.value.attr.value)
                self._note_entry(target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        if isinstance(node.target, cst.Attribute) and isinstance(node.target.value, cst.Name):
            self.changes.mutated.add(node.target.attr.value)
        elif isinstance(node.target, cst.Subscript):
            self._note_entry(node.target)
        if isinstance(node.operator, cst.MultiplyAssign) and (name := own_attribute(node.target)):
            self.changes.products.setdefault(name, []).append(node.value)

    def _note_entry(self, target: cst.Subscript) -> None:
        """``self.state["step"] = …``"""
        key = target.slice[0].slice
        word = key.value if isinstance(key, cst.Index) else None
        text = word.evaluated_value if isinstance(word, cst.SimpleString) else ""
        if (name := own_attribute(target.value)) and isinstance(text, str) and text:
            self.changes.entries.add((name, text))

    def visit_Call(self, node: cst.Call) -> None:
        """``self.power.assign(self.power * self.beta)``"""
        func = node.func
        called = isinstance(func, cst.Attribute) and func.attr.value == "assign" and bool(node.args)
        if called and isinstance(func, cst.Attribute) and (name := own_attribute(func.value)):
            self._note(name, node.args[0].value)

    def _note(self, name: str, value: cst.BaseExpression) -> None:
        product = isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Multiply)
        factors = [value.left, value.right] if product and isinstance(value, cst.BinaryOperation) else []
        others = [f for f in factors if own_attribute(f) != name]
        if len(others) == 1:
            self.changes.products.setdefault(name, []).append(others[0])
        else:
            self.changes.made.setdefault(name, []).append(value)


def _given(node: cst.Assign) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """Each target with what it gets; of tuples, element by element."""
    for target in (t.target for t in node.targets):
        if not isinstance(target, cst.Tuple):
            yield target, node.value
        elif isinstance(node.value, cst.Tuple) and len(node.value.elements) == len(target.elements):
            yield from ((t.value, v.value) for t, v in zip(target.elements, node.value.elements, strict=True))
        else:
            yield from ((t.value, node.value) for t in target.elements)


def beginnings(changes: Changes) -> Iterator[tuple[str, float, bool]]:
    """The attributes that methods begin with a number, the same in each, and otherwise make of what they hold: name,
    number, and whether nothing else gives them any content."""
    for name, values in changes.made.items():
        numbers = [v.evaluated_value for v in values if isinstance(v, (cst.Integer, cst.Float))]
        others = [v for v in values if not isinstance(v, (cst.Integer, cst.Float))]
        mine = matchers.Attribute(value=matchers.Name("self"), attr=matchers.Name(name))
        goes_on = all(matchers.findall(v, mine) for v in others)
        if len(set(numbers)) == 1 and goes_on and name not in changes.foreign | changes.filled:
            yield name, numbers[0], not others and name not in changes.mutated and name not in changes.products


def changed_elsewhere(
    known: dict[cst.CSTNode, Changes], klass: Klass, overridden: Collection[str] = frozenset()
) -> Changes:
    """What methods other than ``__init__`` do to attributes; those of its bases that it has itself are never called."""
    found = Changes()
    for name, member in klass.members.items():
        if isinstance(member, Func) and name not in CONSTRUCTORS and name not in overridden:
            if member.node not in known:
                visitor = _Visitor(Changes())
                member.node.visit(visitor)
                known[member.node] = visitor.changes
            found.add(known[member.node])
    own = {n for n, m in klass.members.items() if isinstance(m, Func) and not _goes_up(m)}
    for base in klass.bases:
        if isinstance(base, Klass):
            found.add(changed_elsewhere(known, base, own.union(overridden)))
    return found


def _goes_up(method: Func) -> bool:
    """Whether it may call the method of its base."""
    return bool(matchers.findall(method.node, matchers.Name("super")))


_SEEN = frozenset(("object", "ABC", "Protocol", "Generic", "NamedTuple", "TypedDict"))


def has_unseen_base(klass: Klass) -> bool:
    """Whether a class has a base whose methods are out of sight, and may change what its own ones only read."""
    return any(map(_is_unseen, klass.bases))


def _is_unseen(base: Value) -> bool:
    if isinstance(base, Klass):
        return has_unseen_base(base)
    name = base.name if isinstance(base, Lib) else base.place if isinstance(base, Cell) else ""
    return bool(name) and not is_library(name) and name.rpartition(".")[2] not in _SEEN


_NAME = matchers.Name()
_BINDS = matchers.Assign(targets=[matchers.AssignTarget(target=_NAME)]) | matchers.AugAssign(target=_NAME)
_ONE_MORE = matchers.AugAssign(operator=matchers.AddAssign(), value=matchers.Integer("1")) | matchers.Assign(
    value=matchers.BinaryOperation(left=_NAME, operator=matchers.Add(), right=matchers.Integer("1"))
)


@lru_cache(maxsize=256)
def counted_up(body: cst.CSTNode) -> frozenset[str]:
    """The names that a loop's body only counts up by one (``i += 1``): with them it goes from element to element."""
    up: dict[str, bool] = {}
    for node in matchers.findall(body, _BINDS):
        assert isinstance(node, (cst.Assign, cst.AugAssign))
        target = node.targets[0].target if isinstance(node, cst.Assign) else node.target
        assert isinstance(target, cst.Name)
        itself = not isinstance(node.value, cst.BinaryOperation) or node.value.left.deep_equals(target)
        up[target.value] = up.get(target.value, True) and matchers.matches(node, _ONE_MORE) and itself
    return frozenset(name for name, counts in up.items() if counts)
