"""OPT7xx: mistakes of one family."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.inject.second_moment import updated_behind_the_step
from benchmarks.mutants.source import Edit
from benchmarks.mutants.spelling import operation
from optlint.lift import expression as ex

Edits = Iterator[Edit | tuple[Edit, ...]]

# AMSGrad


def maxima(a: Anatomy) -> Iterator[tuple[cst.SimpleStatementLine, cst.BaseExpression]]:
    """The statement that keeps the largest v, and the place that it keeps it in."""
    if "vmax" in a.roles:
        for line in f.writes(a, "vmax"):
            place = f.target(a, line)
            small = line.body[0]
            value = small.value if isinstance(small, (cst.Expr, cst.Assign)) else None
            op = operation(a.code, value) if value is not None else None
            if place is None and op is not None and "out" in op.named:
                place = op.named["out"].value
            if place is not None:
                yield line, place


@injects("OPT701")
def maximum_fed_back(a: Anatomy) -> Edits:
    """The average is set to the larger one of what it was and what it would be, and no other place keeps it."""
    for line, place in maxima(a):
        text, raw = a.code.source(place), f.place_text(a, "v")
        averaged, small = f.writes(a, "v"), line.body[0]
        first = averaged[0].body[0] if len(averaged) == 1 else None
        op = operation(a.code, small.value) if isinstance(small, cst.Assign) else None
        if not (isinstance(first, cst.Assign) and op is not None and op.style == "function") or op.named:
            continue
        whole = a.code.source(op.node)
        if raw and raw != text and not isinstance(a.code.parents[line], cst.Module):
            largest = whole[: whole.index("(")] + f"({raw}, {a.code.source(first.value)})"
            uses = (a.code.replaced(n, raw) for n in f.uses_behind(a, line, text))
            yield a.code.replaced(first.value, largest), a.code.removed(line), *uses


@injects("OPT702")
def maximum_kept_in_the_average(a: Anatomy) -> Edits:
    """The place of the maximum is read, and the average written instead of it."""
    for line, place in maxima(a):
        text, raw = a.code.source(place), f.place_text(a, "v")
        if raw and raw != text:
            yield (a.code.replaced(place, raw), *(a.code.replaced(n, raw) for n in f.uses_behind(a, line, text)))


@injects("OPT702", stays=True)
def maximum_not_kept(a: Anatomy) -> Edits:
    for line, place in maxima(a):
        text = a.code.source(place)
        small = line.body[0]
        if isinstance(small, cst.Expr):
            op = operation(a.code, small.value)
            if op is not None and "out" in op.named and isinstance(place, cst.Name):
                arg = op.named["out"]
                start, end = a.code.offsets(op.operands[-1])[1], a.code.offsets(arg)[1]
                yield (start, end, ""), (*(a.code.offsets(line)[0],) * 2, f"{text} = ")
        elif not isinstance(place, cst.Name):
            uses = f.uses_behind(a, line, text)
            if uses:
                yield (a.code.replaced(place, "v_max"), *(a.code.replaced(n, "v_max") for n in uses))


# Adadelta: v gathers g², u gathers Δw²


def _delta_squares(a: Anatomy) -> Iterator[f.Square]:
    if a.family == "adadelta":
        for square in f.squares(a, of_gradient=False):
            if square.site.part == "u":
                yield square


@injects("OPT704")
def deltas_gathered_from_the_gradient(a: Anatomy) -> Edits:
    for square in _delta_squares(a):
        gradient = f.gradient_text(a, square.op.node)
        if gradient:
            yield square.instead(a, square.squared(a, gradient))


@injects("OPT704")
def gradients_gathered_behind_the_step(a: Anatomy) -> Edits:
    if a.family == "adadelta":
        yield from updated_behind_the_step(a)


@injects("OPT705")
def deltas_gathered_from_the_parameter(a: Anatomy) -> Edits:
    for square in _delta_squares(a):
        w = f.parameter_text(a, square.op.node)
        if w:
            yield square.instead(a, square.squared(a, w))


@injects("OPT705")
def deltas_summed_on_top(a: Anatomy) -> Edits:
    if a.family == "adadelta":
        for line in f.writes(a, "u"):
            small = line.body[0]
            if isinstance(small, cst.Assign):
                place = f.target(a, line)
                assert place is not None
                text, name = a.code.source(small.value), a.code.source(place)
                held = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")  # a new name holds nothing yet
                if held.search(text):
                    yield (*a.code.offsets(line), f"{name} += {text}")


@injects("OPT706")
def no_epsilon_above_the_line(a: Anatomy) -> Edits:
    if a.family == "adadelta":
        for site, op, index in f.floors(a):
            if a.held(site.expr) == {"u"}:
                yield a.code.replaced(site.node, a.code.source(op.operands[1 - index]))


# Adamax: u is the decayed maximum


@injects("OPT708")
def average_for_the_maximum(a: Anatomy) -> Edits:
    if a.family == "adamax":
        for site, op in f.operations(a, "max"):
            if site.part == "u" and len(op.operands) == 2:
                kept, new = (a.code.source(n) for n in op.operands)
                beta = next((a.code.source(n) for n in _nodes_in(a, op.operands[0])
                             if a.keeps(n, "u")), "")  # fmt: skip
                if beta and op.style == "function":
                    yield a.code.replaced(op.node, f"{kept} + (1 - {beta}) * {new}")


@injects("OPT708")
def absolute_value_dropped(a: Anatomy) -> Edits:
    if a.family == "adamax":
        for site, op in f.operations(a, "abs"):
            if site.part == "u" and isinstance(op.node, cst.BaseExpression):
                yield a.code.replaced(op.node, a.code.source(op.operands[0]))


@injects("OPT708")
def root_of_the_maximum(a: Anatomy) -> Edits:
    if a.family == "adamax":
        for site, op in f.operations(a, "div"):
            if site.part == "step" and site.expr.op == "div" and "u" in a.held(site.expr.args[1]):
                inner = next((n for n in _nodes_in(a, op.operands[1]) if _is_state(a, n, "u")), None)
                if inner is not None:
                    yield a.code.replaced(inner, f.unary(a, inner, "sqrt", a.code.source(inner)))


def _is_state(a: Anatomy, node: cst.BaseExpression, role: str) -> bool:
    state = a.roles[role]
    plain = isinstance(node, (cst.Name, cst.Attribute, cst.Subscript))
    return plain and a.stands_for(node, lambda e: state.old.name in {s.name for s in e.symbols})


def _nodes_in(a: Anatomy, node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    start, end = a.code.offsets(node)
    for other in a.code.positions:
        if isinstance(other, cst.BaseExpression):
            first, last = a.code.offsets(other)
            if start <= first and last <= end:
                yield other


# RAdam, AdaBelief, Yogi, Lion, LAMB


@injects("OPT709")
def rectified_from_the_start(a: Anatomy) -> Edits:
    if a.family != "radam":
        return
    for node in a.code.positions:
        threshold = isinstance(node, cst.Comparison) and re.search(r">=?\s*[45]\b", a.code.source(node))
        if threshold and a.code.inside(node, cst.If, cst.IfExp, cst.Call) is not None:
            yield a.code.replaced(node, "True")


@injects("OPT710")
def residual_of_the_old_average(a: Anatomy) -> Edits:
    """The first moment is updated behind the second."""
    if a.family != "adabelief" or "m" not in a.roles:
        return
    for role in sorted(a.second):
        one, other = f.writes(a, "m"), f.writes(a, role)
        beside = len(one) == 1 and other and any(s is other[-1] for s in a.code.block(one[0]))
        if beside and f.changes_what_is_there(a, one[0]) and a.code.offsets(one[0]) < a.code.offsets(other[-1]):
            yield a.code.moved_behind(one[0], other[-1])


@injects("OPT711")
def yogi_adds(a: Anatomy) -> Edits:
    if a.family == "yogi":
        for site, op in f.operations(a, "sub"):
            if (
                site.part in a.second
                and op.style == "operator"
                and any(n.op == "sign" for n in ex.walk(site.expr.args[1]))
            ):
                left, right = (a.code.source(n) for n in op.operands)
                yield a.code.replaced(op.node, f"{left} + {right}")


@injects("OPT712")
def lion_without_sign(a: Anatomy) -> Edits:
    if a.family == "lion":
        for _, op in f.operations(a, "sign"):
            if (isinstance(op.node, cst.BaseExpression) and not op.changes) or (op.changes and op.style == "method"):
                yield a.code.replaced(op.node, a.code.source(op.operands[0]))


@injects("OPT712")
def lion_updates_first(a: Anatomy) -> Edits:
    """The average is updated before the step reads it."""
    if a.family != "lion":
        return
    lines = f.writes(a, "m")
    for site, _ in f.operations(a, "sign"):
        reader = a.code.statement(site.node)
        if len(lines) != 1 or reader is None or all(s is not reader for s in a.code.block(lines[0])):
            continue
        if a.code.offsets(reader) < a.code.offsets(lines[0]):
            start, end = a.code.offsets(lines[0])
            yield a.code.removed(lines[0]), a.code.inserted(reader, a.code.text[start:end])


@injects("OPT713")
def norm_ratio_unguarded(a: Anatomy) -> Edits:
    if a.family != "lamb":
        return
    for site in a.sites:
        node = site.node
        if site.expr.op == "where" and isinstance(node, cst.Call) and len(node.args) == 3:
            ratio = node.args[1].value
            inner = ratio.args[1].value if isinstance(ratio, cst.Call) and len(ratio.args) == 3 else ratio
            yield a.code.replaced(node, a.code.source(inner))
        elif site.expr.op == "where" and isinstance(node, cst.IfExp):
            yield a.code.replaced(node, a.code.source(node.body))
