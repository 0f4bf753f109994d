"""OPT5xx: momentum and direction."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import numpy as np

from benchmarks.mutants.anatomy import Anatomy
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.inject.second_moment import reversed_average
from benchmarks.mutants.source import Edit
from benchmarks.mutants.spelling import Operation, operation, renamed
from optlint.lift import expression as ex
from optlint.lift import structure

Edits = Iterator[Edit | tuple[Edit, ...]]


# whose ``p.grad`` is the derivative of what ``backward`` is called on
_DIFFERENTIATORS = {"torch", "tinygrad", "paddle", "mxnet", "chainer", "jittor"}


def gradient_is_visible(a: Anatomy) -> bool:
    """The code shows that the gradient is that of a loss: elsewhere nobody can tell which way is down.

    What somebody's own framework keeps in ``layer.grad`` may be the negative one. An original that climbs on purpose
    would go down like any other optimizer.
    """
    if np.any(a.match.scale < 0):
        return False
    text = repr(a.subject.gradient)
    known = any(name.partition(".")[0] in _DIFFERENTIATORS for name in a.recurrence.imports)
    return "derivative of" in text or (known and re.search(r"\.grad\b(?!\()", text) is not None)


@injects("OPT501", stays=True)
def step_turned(a: Anatomy) -> Edits:
    if gradient_is_visible(a):
        for line in f.writes(a, "w"):
            if not _is_one_of_two(a, line):
                yield from turned(a, line)


@injects("OPT502", stays=True)
def one_part_turned(a: Anatomy) -> Edits:
    """The gradient and its average, which two statements add to the parameter, go opposite ways."""
    if gradient_is_visible(a):
        for line in f.writes(a, "w"):
            if _is_one_of_two(a, line):
                yield from turned(a, line)


def _is_one_of_two(a: Anatomy, line: cst.SimpleStatementLine) -> bool:
    """Another statement beside it moves the parameter, too, and by more than its decay."""
    block = a.code.block(line)
    beside = [other for other in f.writes(a, "w") if other is not line and a.code.block(other) == block]
    moved = [
        a.code.statement(op.node) for site, op in f.operations(a) if a.takes_gradient(site.expr) or a.held(site.expr)
    ]
    return any(other is one for other in beside for one in moved)


def turned(a: Anatomy, line: cst.SimpleStatementLine) -> Edits:
    """w −= … becomes w += …, and the like."""
    small = line.body[0]
    start, end = a.code.offsets(line)
    text = a.code.text[start:end]
    if isinstance(small, cst.AugAssign) and isinstance(small.operator, (cst.AddAssign, cst.SubtractAssign)):
        one, other = ("-=", "+=") if isinstance(small.operator, cst.SubtractAssign) else ("+=", "-=")
        yield start, end, text.replace(one, other, 1)
        return
    value = small.value if isinstance(small, (cst.Assign, cst.Expr)) else None
    op = operation(a.code, value) if value is not None else None
    while op is not None and op.style == "method" and op.means not in ("add", "sub", "addcdiv", "addcmul"):
        op = operation(a.code, op.operands[0]) if op.operands else None
    if op is None or op.means not in ("add", "sub", "addcdiv", "addcmul"):
        return
    scale = op.named.get("alpha") or op.named.get("value")
    if scale is not None:
        yield _negated(a, scale.value)
    elif op.style == "operator":
        sign = "+" if op.means == "sub" else "-"
        yield a.code.replaced(op.node, f"{a.code.source(op.operands[0])} {sign} {_kept(a, op.operands[1], sign)}")
    elif (edit := renamed(a.code, op, "add" if op.means == "sub" else "sub")) is not None:
        yield edit


def _kept(a: Anatomy, node: cst.BaseExpression, sign: str) -> str:
    text = a.code.source(node)
    whole = isinstance(node, cst.BinaryOperation) and isinstance(node.operator, (cst.Add, cst.Subtract))
    return f"({text})" if sign == "-" and whole and not node.lpar else text


def _negated(a: Anatomy, node: cst.BaseExpression) -> Edit:
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        return a.code.replaced(node, a.code.source(node.expression))
    text = a.code.source(node)
    return a.code.replaced(node, f"-({text})" if isinstance(node, cst.BinaryOperation) else f"-{text}")


@injects("OPT502", stays=True)
def velocity_turned(a: Anatomy) -> Edits:
    """v = μ·v + η·g with w += v, or v = μ·v − η·g with w −= v."""
    if a.family not in ("momentum", "nesterov") or not gradient_is_visible(a):
        return
    for role in a.roles:
        for site, op in f.operations(a, "sub"):
            if site.part == role and op.style == "operator" and a.takes_gradient(site.expr.args[1]):
                left, right = (a.code.source(n) for n in op.operands)
                yield a.code.replaced(site.node, f"{left} + {right}")


@injects("OPT503")
def coefficient_on_the_gradient(a: Anatomy) -> Edits:
    """v + μ·g for μ·v + g."""
    if a.family not in ("momentum", "nesterov"):
        return
    for site, op in f.operations(a, "add"):
        if site.part not in a.retentions or len(op.operands) != 2:
            continue
        product = operation(a.code, op.operands[0])
        if product is None or product.means != "mul" or not a.stands_for(op.operands[1], a.spells_gradient):
            continue
        factors = {a.keeps(n, site.part): n for n in product.operands}
        if set(factors) == {True, False}:
            mu, old, g = a.code.source(factors[True]), a.code.source(factors[False]), a.code.source(op.operands[1])
            if op.style == "operator":
                yield a.code.replaced(site.node, f"{old} + {mu} * {g}")
            elif op.style == "method" and op.word is not None and not op.named:
                yield a.code.replaced(site.node, f"{old}.{op.word.value}({g}, alpha={mu})")


@injects("OPT504", stays=True)
def step_size_times_momentum(a: Anatomy) -> Edits:
    """η·μ·v for μ·v."""
    if a.family not in ("momentum", "nesterov"):
        return
    for node, size in _retained(a):
        yield a.code.replaced(node, f"{size} * {a.code.source(node)}")


@injects("OPT504", stays=True)
def step_size_applied_twice(a: Anatomy) -> Edits:
    """v = μ·v + η·g with w −= η·v."""
    if a.family != "momentum":
        return
    for site, op in f.operations(a, "add"):
        if site.part in a.retentions and op.style == "operator" and a.stands_for(op.operands[1], a.spells_gradient):
            size = f.around(a, a.is_scale, site.node)
            if size:
                yield a.code.replaced(op.operands[1], f"{size} * {a.code.source(op.operands[1])}")


def _retained(a: Anatomy) -> Iterator[tuple[cst.BaseExpression, str]]:
    """μ beside the velocity, and how the step size is written there."""
    for site, op in f.operations(a, "mul"):
        if site.part not in a.retentions:
            continue
        for node in op.operands:
            size = f.around(a, a.is_scale, node)
            if size and a.keeps(node, site.part):
                yield node, size


@injects("OPT505")
def nesterov_sign(a: Anatomy) -> Edits:
    if a.family == "nesterov":
        for _, op in _look_ahead(a):
            if op.style == "operator":
                left, right = (a.code.source(n) for n in op.operands)
                yield a.code.replaced(op.node, f"{left} {'-' if op.means == 'add' else '+'} {right}")
            elif "alpha" in op.named:
                yield _negated(a, op.named["alpha"].value)


def _look_ahead(a: Anatomy) -> Iterator[tuple[ex.Expr, Operation]]:
    """g + μ·v in the step."""
    for site, op in f.operations(a, "add", "sub"):
        moves = any(a.is_parameter(p) for _, t in structure.terms(site.expr) for p, _ in structure.factors(t))
        sides = (site.expr.args, site.expr.args[::-1]) if len(site.expr.args) == 2 else ()
        both = any(a.held(one) and a.takes_gradient(other) for one, other in sides)
        if site.part == "step" and both and not moves and len(op.operands) == 2:
            yield site.expr, op


@injects("OPT507", stays=True)
def gradient_for_the_first_moment(a: Anatomy) -> Edits:
    """The step takes g where it should take m̂."""
    first = sorted(set(a.roles) - a.second)
    if len(first) != 1 or not a.second:
        return
    done: set[int] = set()
    for site, op in f.operations(a, "mul", "div", "addcdiv"):
        if site.part != "step":
            continue
        for node in op.operands:
            plain = isinstance(node, (cst.Name, cst.Attribute, cst.Subscript))
            if plain and id(node) not in done and a.stands_for(node, lambda e: _is_moment(a, e, first[0])):
                done.add(id(node))
                gradient = f.gradient_text(a, node)
                if gradient:
                    yield a.code.replaced(node, gradient)


def _is_moment(a: Anatomy, expr: ex.Expr, role: str) -> bool:
    """m', or m̂, and nothing of another state, nor the parameter that has taken it."""
    if any(a.is_parameter(ex.sym(s)) for s in expr.symbols):
        return False
    held = {s.name for s in expr.symbols}
    others = {s.old.name for r, s in a.roles.items() if r != role}
    return a.roles[role].old.name in held and not held & others and expr.op in ("add", "div", "sub")


@injects("OPT508", stays=True)
def weights_reversed_beside_a_correction(a: Anatomy) -> Edits:
    """m' = β₁·g + (1 − β₁)·m beside 1 − β₁ᵗ (without a correction nothing takes β₁ for another weight: OPT111)."""
    if a.family not in ("momentum", "nesterov"):
        for role in sorted({c.role for c in f.corrections(a)}):
            yield from reversed_average(a, role)
