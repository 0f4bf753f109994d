"""Equations with the corrections of averages that lack them: 1 − βᵗ below each, or in what gives the step its size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.subject import Subject
from optlint.timed import Timed, averages, one_minus_power


def corrected(subject: Subject, group: Iterable[State], found: list[State], time: Expr) -> Iterator[list[Expr]]:
    """The equations with averages corrected: each by itself, folded into what the second moment divides, and beside
    another correction that an average takes in."""
    table = {ex.sym(s.new): ex.op("div", ex.sym(s.new), one_minus_power(subject, s, time)) for s in group}
    table |= _look_ahead(subject, found, table)
    raw = [s in group or (s in found and s.old in subject.second) for s in subject.states]  # AdaBelief takes m raw
    ways = [table]
    for lines in (_divided_by_second(subject), _corrections_gathered(subject)):
        ways.append({below: _folded_into(below, subject, group, time, below=True) for below in lines})
    if subject.g in subject.step.symbols and len(table) == 1 and not any(s.old in subject.second for s in group):
        later = {s: one_minus_power(subject, s, ex.op("add", time, ex.const(1))) for s in group}  # Dozat's NAdam
        ways.append({ex.sym(s.new): ex.op("div", ex.sym(s.new), below) for s, below in later.items()})
    for changes in ways:
        posts = [p if r else ex.substitute(p, changes) for p, r in zip(subject.posts, [*raw, False], strict=True)]
        if posts != subject.posts:
            yield posts


def sized(subject: Subject, group: Iterable[State], time: Expr) -> Iterator[Expr]:
    """The step with the corrections of averages folded into its step size."""
    for node in ex.walk(subject.step):
        sides = node.args if node.op == "mul" else ()
        size = next((a for a in sides if a.symbols and not a.symbols & (subject.moving | {subject.g})), None)
        rest = next((a for a in sides if a is not size and a.symbols & subject.moving), None)
        if size is None or rest is None or subject.parameter in rest.symbols:
            continue
        whole = _folded_into(size, subject, group, time)
        yield ex.replace_node(subject.step, node, ex.op("mul", whole, rest, origin=node.origin))


def _folded_into(node: Expr, subject: Subject, group: Iterable[State], time: Expr, below: bool = False) -> Expr:
    """η·√(1 − β₂ᵗ)/(1 − β₁ᵗ), as far as averages of a group ask for it; of what stands below a line the inverse."""
    for state in group:
        correction = one_minus_power(subject, state, time)
        second = state.old in subject.second
        node = ex.op("mul" if second is not below else "div", node, ex.op("sqrt", correction) if second else correction)
    return node


def computes_a_root(subject: Subject) -> bool:
    """√(1 − β₂ᵗ) is computed for the step size, and nothing reads it."""
    read = {n for p in subject.posts for n in ex.walk(p)}
    roots = [s.expr for s in subject.recurrence.stored if s.expr.op == "sqrt" and s.expr not in read]
    powers = [part for root in roots for sign, part in structure.terms(root.args[0]) if sign < 0 and part.op == "pow"]
    return any(structure.slope(s.post, s.old) == p.args[0] for s in averages(subject) for p in powers)


def _divided_by_second(subject: Subject) -> list[Expr]:
    """What stands below a line and reads a second moment, the innermost ones."""
    news = {s.new for s in subject.states if s.old in subject.second}
    lines = dict.fromkeys(n.args[1] for p in subject.posts for n in ex.walk(p) if n.op == "div")
    below = [n for n in lines if n.symbols & news]
    return [n for n in below if not any(other is not n and ex.contains(n, other) for other in below)]


def _corrections_gathered(subject: Subject) -> list[Expr]:
    """What averages take in divided by 1 − βᵗ: step sizes (AdaMod), or the gradient with its step size (D-Adapt)."""
    timed = Timed(subject)
    decays = (timed.decay(state) for state in averages(subject))
    whole = [timed.corrections(decay) for decay in decays if decay is not None]
    lines = dict.fromkeys(n.args[1] for s in subject.states for n in ex.walk(s.post) if n.op == "div")
    values = {n: timed.value(n) for n in lines if timed.moves(n)}
    return [n for n, value in values.items() if value is not None and any(np.allclose(value, w) for w in whole)]


def _look_ahead(subject: Subject, found: list[State], table: dict[Expr, Expr]) -> dict[Expr, Expr]:
    """NAdam: β₁·m' + (1 − β₁)·g is corrected as a whole, where m' alone would be."""
    ahead: dict[Expr, Expr] = {}
    for state in found:
        corrected = table.get(ex.sym(state.new))
        if corrected is None or state.old in subject.second:
            continue
        weights = [subject.value(structure.slope(state.post, s) or ex.sym(s)) for s in (state.old, subject.g)]
        for node in (n for p in subject.posts for n in ex.walk(p) if n.op in ("add", "sub")):
            if {state.new, subject.g} <= node.visible and subject.parameter not in node.visible:
                again = [subject.value(structure.slope(node, s) or ex.sym(s)) for s in (state.new, subject.g)]
                if all(
                    a is not None and b is not None and np.allclose(a, b) for a, b in zip(weights, again, strict=True)
                ):
                    ahead[node] = ex.op("div", node, corrected.args[1])
    return ahead
