"""OPT2xx: epsilon."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy, Site
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.source import Edit, is_atom
from benchmarks.mutants.spelling import Operation, operation, renamed

Edits = Iterator[Edit | tuple[Edit, ...]]


@injects("OPT201")
def epsilon_added_to_the_quotient(a: Anatomy) -> Edits:
    for site, op, index in f.floors(a):
        if site.expr.op != "add" or (op.changes and op.style != "method"):
            continue
        epsilon, root = a.code.source(op.operands[index]), a.code.source(op.operands[1 - index])
        for other, quotient in f.operations(a, "div", "addcdiv"):
            below = _below_the_line(a, quotient, site)
            if below is None or not a.held(other.expr) & a.second:
                continue
            if quotient.means == "addcdiv":
                parts = f.fused(a, quotient)
                if parts is not None and below is not site.node:
                    yield (
                        a.code.replaced(site.node, root),
                        f.as_added(a, quotient, f"{parts[0]} / {parts[1]} + {epsilon}", parts[2]),
                    )
            elif _is_reciprocal(a, quotient):
                continue  # 1/√v + ε is OPT202's, in whatever spelling
            elif quotient.style == "operator" and quotient.operands[1] is below:
                if below is site.node:
                    whole = root if is_atom(root) else f"({root})"
                    yield a.code.replaced(quotient.node, f"{a.code.source(quotient.operands[0])} / {whole} + {epsilon}")
                else:
                    yield (
                        a.code.replaced(site.node, root),
                        a.code.replaced(quotient.node, f"{a.code.source(quotient.node)} + {epsilon}"),
                    )
            elif quotient.style == "function" and quotient.operands[1] is below and below is not site.node:
                yield (
                    a.code.replaced(site.node, root),
                    a.code.replaced(quotient.node, f"{a.code.source(quotient.node)} + {epsilon}"),
                )
            elif quotient.style == "function" and quotient.operands[1] is below:
                text = a.code.source(quotient.node).replace(a.code.source(below), root)
                yield a.code.replaced(quotient.node, f"{text} + {epsilon}")


def _below_the_line(a: Anatomy, quotient: Operation, site: Site) -> cst.BaseExpression | None:
    """The divisor, where it is the sum at ``site``: that very node, or a name for it."""
    for node in quotient.operands[1:]:
        if node is site.node or a.stands_for(node, lambda e: e == site.expr):
            return node
    return None


@injects("OPT202")
def epsilon_behind_the_inverse_root(a: Anatomy) -> Edits:
    for site, op, index in f.floors(a):
        outer = operation(a.code, a.code.parents[site.node])
        call = a.code.parents[site.node]
        if isinstance(call, cst.Arg):
            call = a.code.parents[call]
            outer = operation(a.code, call)
        if outer is not None and outer.is_inverse_root and outer.means == "rsqrt":
            inner = a.code.source(op.operands[1 - index])
            text = a.code.source(call).replace(a.code.source(site.node), inner)
            yield a.code.replaced(call, f"{text} + {a.code.source(op.operands[index])}")
        elif outer is not None and _is_reciprocal(a, outer) and outer.operands[1] is site.node:
            root, epsilon = a.code.source(op.operands[1 - index]), a.code.source(op.operands[index])
            yield a.code.replaced(outer.node, f"{a.code.source(outer.operands[0])} / {root} + {epsilon}")


def _is_reciprocal(a: Anatomy, quotient: Operation) -> bool:
    """1/x, as an operator has it."""
    plain = quotient.style == "operator" and quotient.means == "div"
    return plain and a.code.source(quotient.operands[0]) in ("1", "1.0", "1.")


@injects("OPT203")
def epsilon_dropped(a: Anatomy) -> Edits:
    for site, op, index in f.floors(a):
        if isinstance(site.node, cst.BaseExpression):
            yield a.code.replaced(site.node, a.code.source(op.operands[1 - index]))


@injects("OPT204")
def epsilon_subtracted(a: Anatomy) -> Edits:
    for site, op, index in f.floors(a):
        if site.expr.op != "add":
            continue
        if op.style == "operator":
            other, epsilon = a.code.source(op.operands[1 - index]), a.code.source(op.operands[index])
            yield a.code.replaced(site.node, f"{other} - {epsilon}")
        elif index == 1 and op.word is not None:
            bare = op.word.value.replace("add", "sub" if op.style == "method" or "torch" in op.home else "subtract")
            yield renamed(a.code, op, "sub") or (*a.code.offsets(op.word), bare)


@injects("OPT205", asks=True)
def epsilon_on_the_other_side_of_the_root(a: Anatomy) -> Edits:
    for site, op, index in f.floors(a):
        if site.expr.op != "add" or not isinstance(site.node, cst.BaseExpression):
            continue
        other, epsilon = op.operands[1 - index], a.code.source(op.operands[index])
        inner = operation(a.code, other)
        if inner is not None and inner.is_root and not inner.changes:
            below = inner.operands[0]
            start, end = a.code.offsets(below)
            whole_start, whole_end = a.code.offsets(other)
            text = a.code.text[whole_start : start - len(below.lpar)], a.code.text[end + len(below.rpar) : whole_end]
            summed = f"{a.code.source(below)} + {epsilon}"
            method = inner.style == "method" or inner.style == "operator"
            yield a.code.replaced(site.node, f"{text[0]}{f'({summed})' if method else summed}{text[1]}")
            continue
        outer_node = a.code.parents[site.node]
        outer_node = a.code.parents[outer_node] if isinstance(outer_node, cst.Arg) else outer_node
        outer = operation(a.code, outer_node)
        if outer is not None and outer.means == "sqrt" and outer.style == "function":
            root = a.code.source(outer_node).replace(a.code.source(site.node), a.code.source(other))
            yield a.code.replaced(outer_node, f"{root} + {epsilon}")


@injects("OPT207")
def epsilon_gathers_in_the_state(a: Anatomy) -> Edits:
    if not a.adaptive or a.match.variant.epsilon == "state":
        return  # where ε is part of the recursion as published, once more of it is only a larger one
    places = {f.place_text(a, role) for role in a.second}
    for site, op, index in f.floors(a):
        if op.style == "method" and op.changes and index == 1:  # v.sqrt().add_(eps)
            inner = operation(a.code, op.operands[0])
            if inner is not None and inner.is_root and inner.style == "method" and op.word is not None:
                below = a.code.source(inner.operands[0])
                if below not in places:
                    continue  # a new tensor (v̂): nothing is stored
                yield a.code.replaced(site.node, f"{below}.add_({a.code.source(op.operands[index])}).sqrt()")
        elif op.style == "operator" and site.expr.op == "add":
            for role in sorted(a.held(site.expr) & a.second):
                place, line = f.place_text(a, role), a.code.statement(site.node)
                read = {a.code.source(n) for n in _below(a, op.operands[1 - index])}
                if line is not None and place in read and not (place.isidentifier() and a.code.has_fixed_arrays):
                    epsilon = a.code.source(op.operands[index])
                    edit = a.code.replaced(site.node, a.code.source(op.operands[1 - index]))
                    yield a.code.inserted(line, f"{place} += {epsilon}"), edit


def _below(a: Anatomy, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The expressions inside a node."""
    start, end = a.code.offsets(node)
    for other in a.code.positions:
        if isinstance(other, (cst.Name, cst.Attribute, cst.Subscript)):
            first, last = a.code.offsets(other)
            if start <= first and last <= end:
                yield other


@injects("OPT209", stays=True)
def epsilon_of_nine_tenths(a: Anatomy) -> Edits:
    span = a.recurrence.home or a.recurrence.span
    values = {float(h.own) for h in a.subject.hypers if h.role == "epsilon" and h.symbol.default is not None}
    values = {v for v in values if v < 0.01}  # AdaBound's bounds are no ε
    for node in a.code.positions:
        param = a.code.inside(node, cst.Param) if isinstance(node, cst.Float) and float(node.value) in values else None
        if isinstance(param, cst.Param) and "ep" in param.name.value.lower():  # the learning rate may be as small
            block = a.code.outermost(node)
            if block is None or not a.code.place(block)[0] <= span.line <= a.code.place(block)[2]:
                continue
            yield (*a.code.offsets(node), "0.9")
