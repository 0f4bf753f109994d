"""AMSGrad's maximum: a state beside the average, which keeps the largest average so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optlint.diagnose.repairs import Repair, check
from optlint.intent import families_in
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.prepare import prepare
from optlint.subject import Subject


@check("maximum-fed-back")
def maximum_fed_back(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v = max(v, β₂·v + (1 − β₂)·g²): the average goes on from itself, and another state keeps the maximum."""
    for position, state in enumerate(subject.states):
        average = _bounded_by(state)
        if average is None or state.old not in subject.second:
            continue
        name = f"{state.name} (largest)"
        old, new = Symbol(name), Symbol(f"{name}'")
        largest = ex.op("max", ex.sym(old), ex.sym(state.new))
        states = list(subject.states)
        states[position] = replace(state, post=average)
        states.append(State(name, old, new, largest, state.initial, state.spans))
        step = ex.substitute(subject.step, {ex.sym(state.new): ex.sym(new)})
        made = subject.with_states(states, step)
        yield Repair(page.code, made, state.post, average, where=state.name, root=state.post, details={"kind": "state"})


def _bounded_by(state: State) -> Expr | None:
    """a·s + x of max(s, a·s + x)."""
    if state.post.op != "max":
        return None
    for one, other in (state.post.args, state.post.args[::-1]):
        if one == ex.sym(state.old) and structure.slope(other, state.old) not in (None, ex.const(0)):
            return other
    return None


@check("maximum-lost")
def maximum_lost(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step divides by max(0, v'), or by max(x, v') with a place x that stays as it is: make the maximum a state."""
    recurrence = subject.recurrence
    states = {s.new: s for s in recurrence.states}
    moving = recurrence.moving
    for node in ex.walk(recurrence.step):
        if node.op != "max":
            continue
        for kept, average in (node.args, node.args[::-1]):
            of = [states[s] for s in average.symbols if s in states]
            if len(of) != 1 or not _stays(kept, moving) or recurrence.parameter is None:
                continue
            shown = kept.op == "const" or kept.symbol.initial is not None
            if not shown and not families_in(recurrence.text) & set(page.families):
                continue  # an argument may well be a bound
            old = kept.symbol if kept.op == "sym" else Symbol(f"{of[0].name} (largest)")
            new = Symbol(f"{old.name}'")
            post = ex.op("max", ex.sym(old), average, origin=node.origin)
            largest = State(old.name, old, new, post, ex.const(0), (node.origin,) if node.origin else ())
            parameter = replace(
                recurrence.parameter, post=ex.substitute(recurrence.parameter.post, {node: ex.sym(new)})
            )
            made = prepare(replace(recurrence, states=[*recurrence.states, largest], parameter=parameter))
            yield Repair(page.code, made, node, None, where="", root=recurrence.step, details={"kind": "state"})


def _stays(kept: Expr, moving: frozenset[Symbol]) -> bool:
    """0, or a place that the update reads and does not write."""
    if kept.op == "sym":
        return kept.symbol not in moving and kept.symbol.kind == "place"
    return kept == ex.const(0)
