"""Averages that are given their own input just before they go on: ``v = g²; v = β·v + (1 − β)·g²`` is g²."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optlint.diagnose.checks.lost import made_of, state_reset
from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Stored
from optlint.lift.recurrence import State
from optlint.subject import Subject


@check("state-begun-anew")
def state_begun_anew(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Averages that start over at every call, from zero or from what they take in."""
    yield from state_reset(subject, page)
    recurrence = subject.recurrence
    states: list[State] = []
    table: dict[Expr, Expr] = {}
    for post in recurrence.posts():
        for node in ex.walk(post):
            if node in table or node.symbols & recurrence.moving:
                continue
            kept = _decay_of_itself(node, recurrence.stored)
            if kept is not None:
                name = f"average{len(states) + 1}"
                old, new = Symbol(name), Symbol(f"{name}'")
                taken = [(s, t) for s, t in structure.terms(node) if t is not kept[1]]
                average = structure.total([(1, ex.op("mul", kept[0], ex.sym(old))), *taken], node.origin)
                span = (node.origin,) if node.origin else ()
                states.append(State(name, old, new, average, ex.const(0), span))
                table[node] = ex.sym(new)
    if not states:
        return
    whole = made_of(recurrence, [*states, *recurrence.states], table)
    made = [s for s in whole.states if any(s.old is o.old for o in states)]
    if whole.gradient is None or not all(whole.g in s.post.symbols for s in made):
        return
    anew: dict[Expr, Expr] = {ex.sym(s.old): _taken_in(s) for s in made}
    written = whole.replaced([ex.substitute(p, anew) for p in whole.posts])
    first = next(iter(table))
    details = {"kind": "state", "says": "overwritten"}
    yield Repair(page.code, whole, first, states[0].post, where="", details=details, written=written)


def _decay_of_itself(node: Expr, stored: Sequence[Stored]) -> tuple[Expr, Expr] | None:
    """β and the summand that it decays, where that is what the other one takes in: β·x + (1 − β)·x, or μ·x + x.

    Either may be meant, unless one name holds x and then this sum.
    """
    terms = structure.terms(node) if node.op == "add" else []
    if len(terms) != 2 or any(sign < 0 for sign, _ in terms):
        return None
    for (_, kept), (_, taken) in (terms, terms[::-1]):
        for decay, rest in _apart(kept):
            if not decay.symbols and decay.op != "const":
                continue
            velocity = _are_one(rest, taken) and _holds_both(stored, taken, node)
            weighed = (other for f, other in _apart(taken) if structure.is_complement(f, decay))
            average = any(_are_one(rest, other) and _holds_both(stored, rest, node) for other in weighed)
            if rest.symbols and (velocity or average):
                return decay, kept
    return None


def _holds_both(stored: Sequence[Stored], taken: Expr, node: Expr) -> bool:
    """A name that is given what the sum takes in, and next the sum."""
    names = {s.name for s in stored if s.expr == taken}
    return any(s.expr == node and s.name in names for s in stored)


def _apart(term: Expr) -> Iterator[tuple[Expr, Expr]]:
    """Each plain factor of a product, with what is left without it."""
    factors = structure.factors(term)
    for number, (factor, power) in enumerate(factors):
        if power == 1 and len(factors) > 1:
            yield factor, structure.product([f for n, f in enumerate(factors) if n != number])


def _are_one(one: Expr, other: Expr) -> bool:
    """The same factors in whatever order."""
    return structure.without_factors(other, one) == []


def _taken_in(state: State) -> Expr:
    """x of β·s + (1 − β)·x, or of μ·s + x."""
    own, rest = structure.slope(state.post, state.old), structure.rest(state.post, state.old)
    weighed = [other for f, other in _apart(rest) if own is not None and structure.is_complement(f, own)]
    return weighed[0] if weighed else rest
