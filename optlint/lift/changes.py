"""What the methods of a class do to the attributes of its objects, as its source shows."""

from __future__ import annotations

import libcst as cst

from optlint.lift.objects import Changes, Func, Klass


def is_self(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "self"


class _Visitor(cst.CSTVisitor):
    def __init__(self, changes: Changes) -> None:
        self.changes = changes

    def visit_Assign(self, node: cst.Assign) -> None:
        target, value = node.targets[0].target, node.value
        if isinstance(target, cst.Attribute) and isinstance(value, cst.Attribute) and is_self(target.value):
            self.changes.saved[target.attr.value] = value

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        targets = [e.value for e in node.target.elements] if isinstance(node.target, cst.Tuple) else [node.target]
        for target in targets:
            if isinstance(target, cst.Attribute) and isinstance(target.value, (cst.Name, cst.Subscript)):
                self.changes.rebound.add(target.attr.value)
            elif isinstance(target, cst.Subscript) and isinstance(target.value, cst.Attribute):
                self.changes.filled.add(target.value.attr.value)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        if isinstance(node.target, cst.Attribute) and isinstance(node.target.value, cst.Name):
            self.changes.mutated.add(node.target.attr.value)


def changed_elsewhere(known: dict[cst.CSTNode, Changes], klass: Klass) -> Changes:
    """What methods other than ``__init__`` do to attributes."""
    found = Changes()
    for name, member in klass.members.items():
        if isinstance(member, Func) and name != "__init__":
            if member.node not in known:
                visitor = _Visitor(Changes())
                member.node.visit(visitor)
                known[member.node] = visitor.changes
            found.add(known[member.node])
    for base in klass.bases:
        if isinstance(base, Klass):
            found.add(changed_elsewhere(known, base))
    return found
