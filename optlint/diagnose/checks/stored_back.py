"""A corrected moment that takes the average's place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.subject import Subject


@check("correction-stored-back")
def correction_stored_back(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m = m/(1 − βᵗ) inside the recursion: the state keeps the raw average, the step takes the corrected one.

    Where the quotient is divided further in place, the state holds the whole step: all of it belongs there alone.
    """
    changed: list[Expr] = []
    table: dict[Expr, Expr] = {}
    wrong = right = None
    where = []
    for state in subject.states:
        raw, divisors = state.post, []
        while raw.op == "div" and subject.g in raw.args[0].symbols:
            divisors.append(raw.args[1])
            raw = raw.args[0]
        kept = structure.slope(raw, state.old)
        power_left_out = kept is not None and any(structure.is_complement(d, kept) for d in divisors)  # /(1 − β)
        if not power_left_out and not any(d.symbols & subject.timed for d in divisors):
            raw, divisors = _scaled_back(subject, state)
        if not divisors:
            raw, divisors = _corrected_as_taken(subject, state)
        changed.append(raw)
        if divisors:
            table[ex.sym(state.new)] = reduce(partial(ex.op, "div"), reversed(divisors), ex.sym(state.new))
            wrong, right = (wrong, right) if wrong is not None else (state.post, raw)
            where.append(state.name)
    if wrong is None:
        return
    again = {k for k, whole in table.items() if _is_corrected_again(subject, k.symbol, whole.args[1])}
    for taken in (table, {k: whole for k, whole in table.items() if k not in again}) if again else (table,):
        posts = [
            p if s.new in {k.value for k in table} else ex.substitute(p, taken)
            for s, p in zip(subject.states, changed, strict=True)
        ]
        posts.append(ex.substitute(subject.step, taken))
        yield Repair(page.code, subject.replaced(posts), wrong, right, where=", ".join(where))


def _is_corrected_again(subject: Subject, moment: Symbol, correction: Expr) -> bool:
    """The step divides what it takes of a moment by that correction, too: NAdam's (β₁·m + (1 − β₁)·g)/(1 − β₁ᵗ)."""
    nodes = (n for n in ex.walk(subject.step) if n.op == "div")
    return any(moment in n.args[0].symbols and n.args[1] == correction for n in nodes)


def _scaled_back(subject: Subject, state: State) -> tuple[Expr, list[Expr]]:
    """(β·m + (1 − β)·g)·(1/(1 − βᵗ)): the raw average, and what the reciprocal stands for."""
    factors = [f for f in structure.factors(state.post) if f[0] != ex.const(1)]
    below = [f for f, e in factors if e == -1 and f.symbols & subject.timed]
    raw = [f for f, e in factors if e == 1 and f.op in ("add", "sub") and state.old in f.symbols]
    return (raw[0], below) if below and len(raw) == 1 and len(factors) == 2 else (state.post, [])


def _corrected_as_taken(subject: Subject, state: State) -> tuple[Expr, list[Expr]]:
    """β·m + (1 − β)·g/(1 − βᵗ): the raw average, and what its new term is divided by."""
    own = structure.slope(state.post, state.old)
    taken = structure.factors(structure.rest(state.post, state.old)) if own is not None else []
    below = [f for f, e in taken if e == -1 and f.op == "sub" and f.symbols & subject.timed]
    whole = own is not None and any(structure.is_complement(f, own) for f, _ in taken)
    if own is None or len(below) != 1 or not whole:
        return state.post, []
    new = structure.product([p for p in taken if p[0] != below[0]])
    return ex.op("add", ex.op("mul", own, ex.sym(state.old)), new, origin=state.post.origin), below
