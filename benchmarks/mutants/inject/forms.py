"""What the injectors look for in common: the squares, roots, sums and stores of an update, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy, Site
from benchmarks.mutants.source import Edit
from benchmarks.mutants.spelling import Operation, function_of, operation
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr


def operations(a: Anatomy, *means: str) -> Iterator[tuple[Site, Operation]]:
    for site in a.sites:
        op = operation(a.code, site.node)
        if op is not None and (not means or op.means in means):
            yield site, op


# squares


@dataclass
class Square:
    """A state takes in a square. text: what is squared; node: the square, or the fused call that makes it."""

    site: Site
    op: Operation
    text: str
    operand: Expr
    scale: str = ""
    fused: bool = False

    def instead(self, a: Anatomy, text: str) -> Edit:
        """Write ``text`` for the square."""
        if self.fused:
            return as_added(a, self.op, text, self.scale)
        return a.code.replaced(self.op.node, text)

    def squared(self, a: Anatomy, text: str) -> str:
        """Another text squared as this one is."""
        node, old = self.op.node, self.op.operands[0]
        if self.op.each:
            return f"{self.op.home}_foreach_mul({text}, {text})"
        if self.fused or self.op.style == "operator" or self.op.means == "mul":
            return f"({text})**2"
        (start, end), (first, last) = a.code.offsets(node), a.code.offsets(old)
        whole = a.code.text[start:end]
        inner = f"({text})" if self.op.style == "method" else text
        return whole[: first - start - len(old.lpar)] + inner + whole[last - start + len(old.rpar) :]


def squares(a: Anatomy, of_gradient: bool = True) -> Iterator[Square]:
    """Where a state takes in a square (of the gradient)."""
    for site, op in operations(a):
        if site.part == "step":
            continue
        inner = structure.square_root_of(site.expr)
        if inner is not None and (op.is_square or (op.means == "mul" and len(op.operands) == 2)):
            if a.takes_gradient(inner) or not of_gradient:
                yield Square(site, op, a.code.source(op.operands[0]), inner)
        elif op.means == "addcmul" and a.takes_gradient(site.expr):
            found = fused(a, op)
            if found is not None and found[0] == found[1]:
                yield Square(site, op, found[0], site.expr, found[2], True)


def fused(a: Anatomy, op: Operation) -> tuple[str, str, str] | None:
    """The two tensors and the scale of ``addcmul``/``addcdiv``, in either order of arguments."""
    rest = [a.code.source(n) for n in op.operands[1:]]
    scale = next((a.code.source(op.named[k].value) for k in ("value", "scalar") if k in op.named), "")
    if len(rest) == 3:
        rest, scale = (rest[:2], rest[2]) if op.each else (rest[1:], rest[0])
    return (rest[0], rest[1], scale) if len(rest) == 2 else None


def as_added(a: Anatomy, op: Operation, text: str, scale: str) -> Edit:
    """``x.addcmul_(g, g, value=c)`` written as ``x.add_(text, alpha=c)``."""
    assert op.word is not None
    alpha = f", alpha={scale}" if scale else ""
    word = op.word.value.replace("addcmul", "add").replace("addcdiv", "add")
    receiver = a.code.source(op.operands[0])
    if op.style == "method":
        return a.code.replaced(op.node, f"{receiver}.{word}({text}{alpha})")
    return a.code.replaced(op.node, f"{op.home}{word}({receiver}, {text}{alpha})")


# roots, epsilon


def roots(a: Anatomy) -> Iterator[tuple[Site, Operation, str]]:
    """The roots of the second moment: (site, operation, the text below the root)."""
    for site, op in operations(a):
        if a.held(site.expr) & a.second and op.operands and (op.is_root or op.is_inverse_root):
            yield site, op, a.code.source(op.operands[0])


def floors(a: Anatomy) -> Iterator[tuple[Site, Operation, int]]:
    """Where ε is added: (site, operation, which operand is ε). Either inside a root, or to one."""
    for site, op in operations(a, "add", "max"):
        if len(op.operands) != 2 or op.named or site.expr.op not in ("add", "max") or len(site.expr.args) != 2:
            continue
        for index in (1, 0):
            floor, other = site.expr.args[index], site.expr.args[1 - index]
            small = a.value(floor)
            if small is None or not (0 < small[0, 0] <= 1e-2) or not a.held(other) & a.second:
                continue
            if site.part != "step" and not _rooted(other):
                continue
            yield site, op, index
            break


def _rooted(expr: Expr) -> bool:
    return any(n.op == "sqrt" for n in ex.walk(expr))


# corrections


@dataclass
class Correction:
    """One use of 1 − βᵗ. factor: the operand that is it (or its root); below: it divides."""

    site: Site
    op: Operation
    factor: int
    role: str
    below: bool
    rooted: bool


def corrections(a: Anatomy) -> Iterator[Correction]:
    """Every product and quotient that has a correction for a factor."""
    for site, op in operations(a, "mul", "div"):
        if len(op.operands) != 2 or len(site.expr.args) != 2 or site.expr.op != op.means:
            continue
        for index in (1, 0):
            expr = site.expr.args[index]
            rooted = expr.op == "sqrt" or (expr.op == "pow" and expr.args[1] == ex.const(0.5))
            role = a.corrects(expr.args[0] if rooted else expr)
            if role:
                yield Correction(site, op, index, role, op.means == "div" and index == 1, rooted)


def without(a: Anatomy, c: Correction) -> Edit:
    """The product or quotient without the correction."""
    other = a.code.source(c.op.operands[1 - c.factor])
    if c.op.means == "div" and c.factor == 0:
        other = f"1 / {other}"
    return a.code.replaced(c.op.node, other)


def disjoint(edits: list[Edit]) -> bool:
    return all(one[1] <= other[0] for one, other in pairwise(sorted(set(edits))))


# statements


def writes(a: Anatomy, role: str) -> list[cst.SimpleStatementLine]:
    """The statements that give a state its new content, in source order. role "w": the parameter."""
    state = a.recurrence.parameter if role == "w" else a.roles.get(role)
    found: list[cst.SimpleStatementLine] = []
    for span in state.spans if state is not None else ():
        for node in a.code.by_place.get((span.line, span.column, span.end_line, span.end_column), ()):
            line = a.code.statement(node)
            if line is not None and all(line is not f for f in found) and not is_initial(a, line, role):
                found.append(line)
    return sorted(found, key=a.code.offsets)


def is_initial(a: Anatomy, line: cst.SimpleStatementLine, role: str) -> bool:
    """The statement only gives the state its first content."""
    state = a.roles.get(role)
    first = state.initial.origin if state is not None and state.initial is not None else None
    if first is None:
        return False
    start, _, end, _ = a.code.place(line)
    return start <= first.line <= end


def target(a: Anatomy, line: cst.SimpleStatementLine) -> cst.BaseExpression | None:
    """What a statement assigns to."""
    small = line.body[0]
    if isinstance(small, cst.Assign) and len(small.targets) == 1:
        node = small.targets[0].target
        return None if isinstance(node, (cst.Tuple, cst.List)) else node
    if isinstance(small, (cst.AugAssign, cst.AnnAssign)):
        return small.target
    return None


def receiver(a: Anatomy, line: cst.SimpleStatementLine) -> cst.BaseExpression | None:
    """The tensor that a statement like ``v.mul_(b).add_(x)`` changes in place."""
    small = line.body[0]
    if not isinstance(small, cst.Expr):
        return None
    op = operation(a.code, small.value)
    node: cst.BaseExpression = small.value
    while op is not None and op.changes and op.operands:
        node = op.operands[0]
        op = operation(a.code, node)
    return node if node is not small.value else None


def changes_what_is_there(a: Anatomy, line: cst.SimpleStatementLine) -> bool:
    """The statement gives no name that is new there: what is read before it is the old content, and no error."""
    node = target(a, line)
    if not isinstance(node, cst.Name):
        return True
    name, (start, end) = node.value, a.code.offsets(line)
    reads = (n for n in a.code.positions if isinstance(n, cst.Name) and n is not node and n.value == name)
    inside = (n for n in reads if start <= a.code.offsets(n)[0] < end)
    return any(not (isinstance(p := a.code.parents[n], cst.Attribute) and p.attr is n) for n in inside)


def place_text(a: Anatomy, role: str) -> str:
    """How the code writes the state's place: ``self.m[k]``, ``exp_avg``.

    The name of all tensors' contents, which a comprehension makes, is none's.
    """
    for line in writes(a, role):
        node = target(a, line) or receiver(a, line)
        if node is not None and not isinstance(getattr(line.body[0], "value", None), (cst.BaseComp, cst.Dict)):
            return a.code.source(node)
    return ""


def uses_behind(a: Anatomy, line: cst.SimpleStatementLine, text: str) -> list[cst.BaseExpression]:
    """The reads of a place in its function behind a statement."""
    home = a.code.function(line)
    _, end = a.code.offsets(line)
    found: list[cst.BaseExpression] = []
    for node in a.code.positions:
        if not isinstance(node, (cst.Name, cst.Attribute, cst.Subscript)) or a.code.function(node) is not home:
            continue
        if a.code.offsets(node)[0] >= end and a.code.source(node) == text and not _is_target(a, node):
            parent = a.code.parents[node]
            named = isinstance(parent, (cst.Attribute, cst.Param)) or (
                isinstance(parent, cst.Arg) and parent.keyword is node
            )
            if not (named and isinstance(node, cst.Name) and getattr(parent, "value", None) is not node):
                found.append(node)
    return found


def changed_next(a: Anatomy, node: cst.CSTNode) -> cst.CSTNode | None:
    """The word that changes an expression's value in place, ``add_`` in ``v.sqrt().add_(ε)``; or the statement that
    gives it a name that is changed further on."""
    parent = a.code.parents[node]
    if isinstance(parent, cst.Attribute) and parent.attr.value.endswith("_"):
        return parent.attr
    line = a.code.statement(node)
    place = target(a, line) if line is not None else None
    if line is not None and isinstance(place, cst.Name) and isinstance(line.body[0], cst.Assign):
        changes = (
            rf"\b{place.value}\.\w+_\(|_foreach_\w+_\({place.value}\b|^\s*{place.value} [-+*/]=|^\s*{place.value}\["
        )
        behind = a.code.text[a.code.offsets(line)[1] :]
        if line.body[0].value is node and re.search(changes, behind, re.MULTILINE):
            return line
    return None


def is_bound_before(a: Anatomy, name: str, line: cst.CSTNode) -> bool:
    """A name of the function has content before a statement: a parameter, or bound further up or around a loop."""
    home = a.code.function(line)
    for node in a.code.positions:
        if not isinstance(node, cst.Name) or node.value != name or a.code.function(node) is not home:
            continue
        inner = a.code.inside(node, cst.Lambda, cst.CompFor)
        binds = isinstance(a.code.parents[node], cst.Param) or _is_target(a, node) or _is_unpacked(a, node)
        if inner is None and binds and a.code.offsets(node)[0] < a.code.offsets(line)[0]:
            return True
    return False


def _is_unpacked(a: Anatomy, node: cst.CSTNode) -> bool:
    """Stands in ``a, b = …`` or ``for a, b in …``."""
    inner: cst.CSTNode = node
    while isinstance(a.code.parents[inner], (cst.Element, cst.Tuple, cst.List)):
        inner = a.code.parents[inner]
    parent = a.code.parents[inner]
    return isinstance(parent, cst.AssignTarget) or (isinstance(parent, cst.For) and parent.target is inner)


def _is_target(a: Anatomy, node: cst.CSTNode) -> bool:
    parent = a.code.parents[node]
    return isinstance(parent, cst.AssignTarget) or (isinstance(parent, cst.AugAssign) and parent.target is node)


def around(a: Anatomy, wanted: Callable[[Expr], bool], near: cst.CSTNode) -> str:
    """The nearest text for a quantity in the function around a node, or nothing."""
    return next((text for text in a.texts(wanted, near) if not _only_in_a_branch(a, text, near)), "")


def _only_in_a_branch(a: Anatomy, name: str, near: cst.CSTNode) -> bool:
    """A name that is bound under conditions alone which do not hold where the node stands."""
    bound = [
        node
        for node in a.code.positions
        if isinstance(node, cst.AssignTarget)
        and isinstance(node.target, cst.Name)
        and node.target.value == name
        and a.code.function(node) is a.code.function(near)
    ]
    start, end = a.code.offsets(near)

    def holds(target: cst.AssignTarget) -> bool:
        branch = a.code.inside(target, cst.If, cst.Else, cst.FunctionDef)
        if branch is None or isinstance(branch, cst.FunctionDef):
            return True
        first, last = a.code.offsets(branch)
        return first <= start and end <= last

    return bool(bound) and not any(map(holds, bound))


def parameter_text(a: Anatomy, near: cst.CSTNode) -> str:
    """How the function around a node writes the parameter: as the update itself does, where it stands there."""
    written = place_text(a, "w")
    known = a.texts(a.is_parameter, near)
    return written if written in known else next(iter(known), "")


def gradient_text(a: Anatomy, near: cst.CSTNode) -> str:
    return around(a, a.spells_gradient, near)


def unary(a: Anatomy, near: cst.CSTNode, means: str, text: str, like: Operation | None = None) -> str:
    """``np.sqrt(text)`` in the code's own way."""
    return function_of(like, a.code, near, means).format(text)
