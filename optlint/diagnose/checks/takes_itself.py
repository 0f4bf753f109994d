"""Averages that take themselves in, where the gradient was meant: ``m = β·m + (1 − β)·m`` stays 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import State
from optlint.prepare import prepare
from optlint.subject import Subject


@check("takes-itself-in")
def takes_itself_in(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m = β·m + (1 − β)·m beside a gradient that nothing reads: each such average takes that one in, or its square."""
    recurrence = subject.recurrence
    empty = [s for s in recurrence.states if _itself(s) is not None]
    gradients = list(dict.fromkeys(w.expr for w in recurrence.worth if _is_gradient(w.expr)))
    posts = recurrence.posts()
    if not empty or len(gradients) != 1 or any(ex.contains(p, gradients[0]) for p in posts):
        return
    g = gradients[0]
    rooted = {s for n in ex.walk(recurrence.step) if structure.is_root(n) for s in n.symbols}
    states = []
    for state in recurrence.states:
        meant = ex.op("mul", g, g) if state.new in rooted else g
        taken, table = _itself(state), {ex.sym(state.old): meant}
        if taken is not None:
            parts = [ex.substitute(t, table) if t is taken else t for t in _terms(state)]
            state = replace(state, post=ex.op("add", *parts, origin=state.post.origin))
        states.append(state)
    made = prepare(replace(recurrence, states=states))
    if made.gradient is None:
        return
    first = empty[0]
    right = next(s.post for s in states if s.old is first.old)
    details = {"kind": "state", "certain": "yes", "says": "itself"}
    span = first.post.origin or (first.spans[0] if first.spans else None)
    idle = {ex.sym(s.old): ex.const(0) for s in empty}
    written = made.replaced([ex.substitute(w.post, idle) for w in recurrence.states] + [made.step])
    yield Repair(page.code, made, first.post, right, span=span, where="", details=details, written=written)


def _terms(state: State) -> list[Expr]:
    return [t for sign, t in structure.terms(state.post) if sign > 0]


def _itself(state: State) -> Expr | None:
    """The (1 − a)·s of β·s + (1 − a)·s."""
    terms = _terms(state)
    if state.post.op != "add" or len(terms) != 2:
        return None
    for term in terms:
        weights = [f for f, e in structure.factors(term) if f != ex.sym(state.old) and e == 1]
        if weights and all(f.op == "sub" and f.args[0] == ex.const(1) for f in weights):
            rest = [f for f, _ in structure.factors(next(t for t in terms if t is not term))]
            if ex.sym(state.old) in rest and structure.exponent_of(term, ex.sym(state.old)) == 1:
                return term
    return None


def _is_gradient(expr: Expr) -> bool:
    return expr.op == "sym" and is_called_gradient(expr.symbol.name)
