"""OPT4xx: regularization and weight decay."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy, Site
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.source import Edit
from benchmarks.mutants.spelling import Operation
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr

Edits = Iterator[Edit | tuple[Edit, ...]]


def is_decay(a: Anatomy, expr: Expr) -> bool:
    """λ·w."""
    parts = [p for p, _ in structure.factors(expr)]
    others = [p for p in parts if not a.is_parameter(p)]
    known = bool(others) and all(a.value(p) is not None for p in others)
    return len(parts) - len(others) == 1 and known and any(p.op == "sym" for p in others)


def decays(a: Anatomy) -> Iterator[tuple[Site, Operation, str]]:
    """Where λ·w is added to the gradient, or to the step: (site, operation, "gradient" or "step")."""
    for site, op in f.operations(a, "add"):
        if site.expr.op != "add" or len(op.operands) != 2 or not is_decay(a, site.expr.args[1]):
            continue
        gradient = a.subject.gradient
        coupled = gradient is not None and ex.contains(gradient, site.expr)
        if coupled or (site.part == "step" and a.held(site.expr)):
            yield site, op, "gradient" if coupled else "step"


def shrinks(a: Anatomy) -> Iterator[tuple[Site, Operation]]:
    """The factor 1 − η·λ of the parameter."""
    for site, op in f.operations(a, "sub"):
        if site.part == "step" and site.expr.op == "sub" and site.expr.args[0] == ex.const(1):
            rest = a.value(site.expr.args[1])
            if rest is not None and not a.corrects(site.expr) and a.subject.decay.any() and len(op.operands) == 2:
                slope = a.subject.w_slope
                if slope is not None and repr(site.expr) == repr(slope):
                    yield site, op


@injects("OPT401", stays=True)
def decay_subtracted(a: Anatomy) -> Edits:
    for site, op, _ in decays(a):
        if op.style == "operator":
            left, right = (a.code.source(n) for n in op.operands)
            yield a.code.replaced(site.node, f"{left} - {right}")
        elif op.style == "augmented":
            start, end = a.code.offsets(op.node)
            yield start, end, a.code.text[start:end].replace("+=", "-=", 1)
        elif "alpha" in op.named:
            yield a.code.replaced(op.named["alpha"].value, f"-{a.code.source(op.named['alpha'].value)}")


@injects("OPT401", stays=True)
def decay_grows(a: Anatomy) -> Edits:
    """1 + η·λ for 1 − η·λ."""
    for site, op in shrinks(a):
        if op.style == "operator":
            left, right = (a.code.source(n) for n in op.operands)
            yield a.code.replaced(site.node, f"{left} + {right}")


_DECOUPLED = re.compile(r"(adam|lion|sgd|nadam|lamb)_?w", re.IGNORECASE)


@injects("OPT402", stays=True)
def coupled_in_something_called_decoupled(a: Anatomy) -> Edits:
    """The shrinking statement becomes g += λ·w, in a class or function whose name says AdamW."""
    for site, op in shrinks(a):
        line = a.code.statement(site.node)
        if line is None or not _DECOUPLED.search(_names_around(a, line)):
            continue
        gradient = f.gradient_text(a, line)
        w = f.parameter_text(a, line)
        block = a.code.block(line)
        behind = [n for role in a.roles for n in f.writes(a, role)]
        right = op.operands[1]
        weight = next((n for n in _parts(right) if not a.stands_for(n, a.is_scale)), None)
        if not gradient.isidentifier() or not w or weight is None or not behind:
            continue
        if a.code.offsets(line) < a.code.offsets(behind[0]) and any(s is line for s in block):
            start, end = a.code.offsets(line)
            yield start, end, f"{gradient} = {gradient} + {a.code.source(weight)} * {w}"


def _names_around(a: Anatomy, node: cst.CSTNode) -> str:
    found = []
    home = a.code.inside(node, cst.FunctionDef, cst.ClassDef)
    while home is not None:
        found.append(home.name.value)
        home = a.code.inside(home, cst.FunctionDef, cst.ClassDef)
    return " ".join(found)


def _parts(node: cst.BaseExpression) -> list[cst.BaseExpression]:
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
        return [*_parts(node.left), *_parts(node.right)]
    return [node]


@injects("OPT405", stays=True)
def decayed_gradient_unused(a: Anatomy) -> Edits:
    """The decayed gradient gets a name that nobody reads."""
    for site, _, kind in decays(a):
        line = a.code.statement(site.node)
        place = f.target(a, line) if line is not None else None
        whole = line is not None and isinstance(line.body[0], cst.Assign) and line.body[0].value is site.node
        if kind == "gradient" and whole and isinstance(place, cst.Name):
            yield a.code.replaced(place, "regularized")


@injects("OPT406")
def decay_multiplies(a: Anatomy) -> Edits:
    for site, op, kind in decays(a):
        if kind != "gradient" or not isinstance(site.node, cst.BaseExpression):
            continue
        left, right = (a.code.source(n) for n in op.operands)
        term = f"{a.code.source(op.named['alpha'].value)} * {right}" if "alpha" in op.named else right
        if op.style == "operator" or "alpha" in op.named:
            yield a.code.replaced(site.node, f"{left} * (1 + {term})")


@injects("OPT406")
def decay_below_the_line(a: Anatomy) -> Edits:
    """m̂/(√v̂ + ε + λ·w) for m̂/(√v̂ + ε) + λ·w."""
    for _, op, kind in decays(a):
        if kind != "step" or op.style != "operator":
            continue
        left, right = (a.code.source(n) for n in op.operands)
        for below, floor, _ in f.floors(a):
            text = a.code.source(below.node)
            if floor.style == "operator" and below.part == "step" and text in left:
                sums = f"{text[:-1]} + {right})" if text.endswith(")") and text.startswith("(") else f"{text} + {right}"
                yield a.code.replaced(op.node, left.replace(text, sums, 1))


@injects("OPT413")
def decay_of_the_gradient(a: Anatomy) -> Edits:
    """λ·g for λ·w."""
    for site, op, _ in decays(a):
        w, g = f.parameter_text(a, site.node), f.gradient_text(a, site.node)
        right = op.operands[1]
        text = a.code.source(right)
        found = re.search(rf"(?<![\w.]){re.escape(w)}(?!\w)", text) if w and g else None
        if found is not None and w != g:
            yield a.code.replaced(right, text[: found.start()] + g + text[found.end() :])


@injects("OPT408", stays=True, hidden=True)
def gradient_changed_in_place(a: Anatomy) -> Edits:
    for site, op, kind in decays(a):
        line = a.code.statement(site.node)
        place = f.target(a, line) if line is not None else None
        if kind != "gradient" or line is None or place is None or not isinstance(line.body[0], cst.Assign):
            continue
        if line.body[0].value is not site.node or a.code.source(place) != a.code.source(op.operands[0]):
            continue
        if op.style == "operator":
            yield (*a.code.offsets(line), f"{a.code.source(place)} += {a.code.source(op.operands[1])}")
        elif op.style == "method" and op.word is not None and not op.changes:
            yield (*a.code.offsets(op.word), f"{op.word.value}_")


@injects("OPT411", stays=True)
def folded_step_size_scales_the_decay(a: Anatomy) -> Edits:
    """η·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·λ·w for η·λ·w."""
    folded = next(
        (s for s in a.sites if a.is_time(s.expr) and {c.role for c in f.corrections(a)} >= set(a.roles)), None
    )
    line = a.code.statement(folded.node) if folded is not None else None
    place = f.target(a, line) if line is not None else None
    if not isinstance(place, cst.Name):
        return
    for _, op in shrinks(a):
        for node in _parts(op.operands[1]):
            here = a.code.function(node) is a.code.function(place) and a.code.offsets(node) > a.code.offsets(place)
            if here and a.stands_for(node, a.is_scale):
                yield a.code.replaced(node, place.value)
