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
    """The step divides by max(0, v'), or by max(x, v') with a place x that stays as it is: make the maximum a state.

    Or v' itself is that maximum: the average was written where x was meant.
    """
    recurrence = subject.recurrence
    states = {s.new: s for s in recurrence.states}
    for kept, average, node in _maxima(recurrence.step, subject, page):
        of = [states[s] for s in average.symbols if s in states]
        if len(of) == 1 and recurrence.parameter is not None:
            largest = _largest(kept, average, of[0], node)
            post = ex.substitute(recurrence.parameter.post, {node: ex.sym(largest.new)})
            parameter = replace(recurrence.parameter, post=post)
            made = prepare(replace(recurrence, states=[*recurrence.states, largest], parameter=parameter))
            yield Repair(page.code, made, node, None, where="", root=recurrence.step, details={"kind": "state"})
    for position, state in enumerate(recurrence.states):
        for kept, average, node in _maxima(state.post, subject, page) if state.post.op == "max" else ():
            if node is not state.post or state.old not in average.symbols or recurrence.parameter is None:
                continue
            largest = _largest(kept, ex.sym(state.new), state, node)
            posts = list(recurrence.states)
            posts[position] = replace(state, post=average)
            step = ex.substitute(recurrence.parameter.post, {ex.sym(state.new): ex.sym(largest.new)})
            changed = replace(recurrence, states=[*posts, largest], parameter=replace(recurrence.parameter, post=step))
            details = {"kind": "state"}
            yield Repair(page.code, prepare(changed), node, None, where=state.name, root=state.post, details=details)


def _maxima(root: Expr, subject: Subject, page: MistakePage) -> Iterator[tuple[Expr, Expr, Expr]]:
    """max(x, average) with an x that stays as it is: (x, average, the maximum).

    So is max(v', v'/(1 − βᵗ)), which keeps nothing: (0, one of the two, the maximum), where the code speaks of AMSGrad.
    """
    moving = subject.recurrence.moving
    said = families_in(subject.recurrence.text) & set(page.families)
    for node in ex.walk(root):
        for kept, average in (node.args, node.args[::-1]) if node.op == "max" else ():
            if said and len(average.symbols & moving) == 1 and kept.symbols & moving == average.symbols & moving:
                yield ex.const(0), average, node
            if not _stays(kept, moving) or not average.symbols & moving:
                continue
            shown = kept.op == "const" or kept.symbol.initial is not None
            if shown or said:  # an argument may well be a bound
                yield kept, average, node


def _largest(kept: Expr, average: Expr, of: State, node: Expr) -> State:
    """The state that keeps the maximum."""
    old = kept.symbol if kept.op == "sym" else Symbol(f"{of.name} (largest)")
    post = ex.op("max", ex.sym(old), average, origin=node.origin)
    return State(old.name, old, Symbol(f"{old.name}'"), post, ex.const(0), (node.origin,) if node.origin else ())


def _stays(kept: Expr, moving: frozenset[Symbol]) -> bool:
    """0, or a place that the update reads and does not write."""
    if kept.op == "sym":
        return kept.symbol not in moving and kept.symbol.kind == "place"
    return kept == ex.const(0)
