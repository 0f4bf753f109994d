"""OPT6xx: state that is lost, shared, or written to the wrong place."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.source import Edit
from benchmarks.mutants.spelling import Operation, operation

Edits = Iterator[Edit | tuple[Edit, ...]]


def moments(a: Anatomy) -> list[str]:
    """The roles of the decayed averages and sums: what a step needs of the past."""
    return [r for r in a.roles if f.writes(a, r)]


def first_content(a: Anatomy, role: str) -> cst.BaseExpression | None:
    """The expression that a state starts with."""
    state = a.roles[role]
    span = state.initial.origin if state.initial is not None else None
    nodes = a.code.by_place.get((span.line, span.column, span.end_line, span.end_column), ()) if span else ()
    return next((n for n in nodes if isinstance(n, cst.BaseExpression)), None)


@injects("OPT601", stays=True)
def made_anew_at_each_call(a: Anatomy) -> Edits:
    """``if key not in self.m`` and the like are always true."""
    done: set[int] = set()
    for role in moments(a):
        node = first_content(a, role)
        branch = a.code.inside(node, cst.If) if node is not None else None
        home = a.code.function(f.writes(a, role)[0])
        if branch is None or id(branch) in done or a.code.function(branch) is not home or branch.orelse is not None:
            continue
        done.add(id(branch))
        yield a.code.replaced(branch.test, "True")


@injects("OPT601", stays=True)
def set_to_zero_at_each_call(a: Anatomy) -> Edits:
    """The first content is given again right before the update."""
    made = [_given_again(a, role) for role in moments(a)]
    edits = [e for e in made if e is not None]
    if edits and len(edits) == len(moments(a)):
        yield tuple(edits)


def _given_again(a: Anatomy, role: str) -> Edit | None:
    node, line = first_content(a, role), f.writes(a, role)[0]
    place = f.place_text(a, role)
    if node is None or not place or f.receiver(a, line) is not None or a.code.function(node) is None:
        return None
    if a.code.function(node) is a.code.function(line) and a.code.inside(line, cst.For, cst.While) is None:
        return None
    text = a.code.source(node)
    elsewhere = a.code.function(node) is not a.code.function(line)
    loops = [a.code.inside(n, cst.For, cst.While, cst.CompFor) for n in (node, line)]
    shape = f.parameter_text(a, line) if elsewhere else f.gradient_text(a, line)
    if (elsewhere or loops[0] is not loops[1]) and re.search(r"[a-z_]\w*", _arguments(text)):
        if not shape or not isinstance(node, cst.Call):
            return None
        text = f"{a.code.source(node.func)}({shape})" if "like" in text else "0.0"
    return a.code.inserted(line, f"{place} = {text}")


def _arguments(text: str) -> str:
    return text.partition("(")[2]


@injects("OPT602", stays=True)
def new_content_under_another_name(a: Anatomy) -> Edits:
    """``self.m = …`` becomes ``m_new = …``, and what reads it behind that takes the new name: one state, or all."""
    made = dict(_renamed(a))
    yield from made.values()
    together = [e for edits in made.values() for e in edits]
    if len(made) > 1 and len(made) == len(moments(a)) and f.disjoint(together):
        yield tuple(together)


def _renamed(a: Anatomy) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    for role in moments(a):
        lines = f.writes(a, role)
        place = f.target(a, lines[0]) if len(lines) == 1 else None
        if place is None or isinstance(place, cst.Name) or not isinstance(lines[0].body[0], cst.Assign):
            continue
        text = a.code.source(place)
        name = f"{role}_new"
        uses = f.uses_behind(a, lines[0], text)
        block = a.code.block(lines[0])
        if any(a.code.holder(n, block) is None for n in uses):
            continue  # another loop would read the last element's, another branch a name without a value
        if uses and name not in a.code.text:
            yield role, (a.code.replaced(place, name), *(a.code.replaced(n, name) for n in uses))


@injects("OPT602", stays=True)
def bound_instead_of_changed(a: Anatomy) -> Edits:
    """``m.mul_(β).add_(…)`` becomes ``m = m.mul(β).add(…)``; ``m *= β`` becomes ``m = m * β``."""
    for role in moments(a):
        edits: list[Edit] = []
        for line in f.writes(a, role):
            made = _rebound(a, line)
            if made is None:
                edits = []
                break
            edits.append(made)
        if edits:
            yield tuple(edits)


def _copied(small: cst.BaseSmallStatement) -> cst.BaseExpression | None:
    """x of ``m.copy_(x)``: a tensor has no method ``copy``."""
    match small:
        case cst.Expr(cst.Call(cst.Attribute(cst.Name(), cst.Name("copy_")), [cst.Arg(value)])):
            return value
    return None


def _rebound(a: Anatomy, line: cst.SimpleStatementLine) -> Edit | None:
    small = line.body[0]
    place = f.receiver(a, line)
    op = operation(a.code, small.value) if isinstance(small, cst.Expr) else None
    given = _copied(small)
    if isinstance(place, cst.Name) and given is not None:
        return (*a.code.offsets(line), f"{place.value} = {a.code.source(given)}")
    if isinstance(place, cst.Name) and isinstance(small, cst.Expr) and op is not None and op.style == "method":
        return (*a.code.offsets(line), f"{place.value} = {out_of_place(a, small.value)}")
    if isinstance(small, cst.AugAssign) and isinstance(small.target, cst.Name):
        op = operation(a.code, small)
        if op is not None:
            sign = {"add": "+", "sub": "-", "mul": "*", "div": "/"}[op.means]
            value = a.code.source(small.value)
            whole = value if sign == "+" else f"({value})"
            return (*a.code.offsets(line), f"{small.target.value} = {small.target.value} {sign} {whole}")
    return None


def out_of_place(a: Anatomy, node: cst.BaseExpression) -> str:
    """The text of a chain of in-place calls, without the underscores."""
    start, end = a.code.offsets(node)
    edits = []
    op: Operation | None = operation(a.code, node)
    while op is not None and op.changes and op.style == "method" and op.word is not None:
        first, last = a.code.offsets(op.word)
        edits.append((first - start, last - start, op.word.value.rstrip("_")))
        op = operation(a.code, op.operands[0])
    text = a.code.text[start:end]
    for first, last, word in sorted(edits, reverse=True):
        text = text[:first] + word + text[last:]
    return text


@injects("OPT603", stays=True)
def underscore_forgotten(a: Anatomy) -> Edits:
    """``m.mul_(β).add(…)``: the last call of the statement makes a new tensor that nobody takes."""
    for role in (*moments(a), "w"):
        for line in f.writes(a, role):
            small = line.body[0]
            op = operation(a.code, small.value) if isinstance(small, cst.Expr) else None
            if op is None or op.style != "method" or op.word is None or not op.word.value.endswith("_"):
                continue
            if op.means == "assign":
                continue  # there is no ``copy``
            yield (*a.code.offsets(op.word), op.word.value.rstrip("_"))


@injects("OPT603", stays=True)
def out_forgotten(a: Anatomy) -> Edits:
    """``np.maximum(a, b)`` as a statement."""
    for _, op in f.operations(a):
        arg = op.named.get("out")
        line = a.code.statement(op.node)
        if arg is not None and line is not None and isinstance(line.body[0], cst.Expr) and op.operands:
            start, end = a.code.offsets(op.operands[-1])[1], a.code.offsets(arg)[1]
            yield start, end, ""


@injects("OPT604", stays=True)
def two_names_for_one_array(a: Anatomy) -> Edits:
    """The second state starts as the first one's array."""
    roles = [r for r in moments(a) if first_content(a, r) is not None]
    for one in roles:
        for other in roles:
            if one == other or not _in_place(a, one) or not _in_place(a, other):
                continue
            first, second = first_content(a, one), first_content(a, other)
            assert first is not None and second is not None
            line, behind = a.code.statement(first), a.code.statement(second)
            if line is None or behind is None or a.code.block(line) != a.code.block(behind):
                continue
            place, small = f.target(a, line), behind.body[0]
            if place is not None and isinstance(small, cst.Assign) and a.code.offsets(line) < a.code.offsets(behind):
                yield a.code.replaced(small.value, a.code.source(place))


def _in_place(a: Anatomy, role: str) -> bool:
    return all(f.receiver(a, line) is not None or isinstance(line.body[0], cst.AugAssign) for line in f.writes(a, role))


@injects("OPT605", stays=True)
def loop_variable_bound_anew(a: Anatomy) -> Edits:
    """``p -= …`` becomes ``p = p − …`` where p is a loop variable."""
    lines = f.writes(a, "w")
    if len(lines) != 1:
        return
    small = lines[0].body[0]
    place = f.target(a, lines[0]) or f.receiver(a, lines[0])
    loop = a.code.inside(lines[0], cst.For)
    base = place
    while isinstance(base, cst.Attribute) and base.attr.value == "data":
        base = base.value
    if (
        loop is None
        or not isinstance(base, cst.Name)
        or not re.search(rf"\b{base.value}\b", a.code.source(loop.target))
    ):
        return
    if isinstance(small, cst.AugAssign):
        made = _rebound(a, lines[0])
        if made is not None:
            yield made
    elif isinstance(small, cst.Expr) and f.receiver(a, lines[0]) is not None:
        text = out_of_place(a, small.value)
        if text != a.code.source(small.value):  # TensorFlow's ``x.assign_sub(…)`` has no other way
            yield (*a.code.offsets(lines[0]), f"{base.value} = {text}")


@injects("OPT605", stays=True)
def gradient_moved_instead(a: Anatomy) -> Edits:
    """``grads[k] −= …`` for ``params[k] −= …``."""
    lines = f.writes(a, "w")
    if len(lines) != 1 or not isinstance(lines[0].body[0], cst.AugAssign):
        return
    gradient = f.gradient_text(a, lines[0])
    if gradient:
        yield (*a.code.offsets(lines[0].body[0].target), gradient)
