"""Averages whose two weights are exchanged, beside corrections that know nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.subject import Subject
from optlint.timed import averages, powers_of_time


@check("complement-mixed")
def complement_mixed(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m = β·g + (1 − β)·m, corrected by 1 − βᵗ as if β stood on m: which of the two is meant, β's number tells."""
    slips = complements(subject)
    for group in [slips, *([s] for s in slips if len(slips) > 1)]:
        posts = subject.posts
        for state, base, power in group:
            value = base.symbol.default if base.op == "sym" else base.value
            swapped = _swapped(state, base, subject.g)
            if swapped is not None and (value is None or float(value) >= 0.5):  # type: ignore[arg-type]
                posts = [swapped if p is state.post else p for p in posts]
            else:
                posts = [ex.substitute(p, {power: _other((state, base, power))}) for p in posts]
        if posts != subject.posts:
            state, _, power = group[0]
            changed = next((p, q) for p, q in zip(subject.posts, posts, strict=True) if p != q)
            wrong, right = changed if changed[0] in [s.post for s in subject.states] else (power, _other(group[0]))
            yield Repair(page.code, subject.replaced(posts), wrong, right, where=", ".join(s.name for s, _, _ in group))


def complements(subject: Subject) -> list[tuple[State, Expr, Expr]]:
    """Averages that keep 1 − β of themselves, with that β and its powers βᵗ in the update."""
    found: list[tuple[State, Expr, Expr]] = []
    powers = [(p, p.args[0]) for p in powers_of_time(subject) if p.args[0].op != "const" or _corrects(subject, p)]
    for product in subject.states:
        if product.new in subject.products:
            powers.append((product.post, structure.slope(product.post, product.old) or ex.const(1)))
    for power, base in powers:
        for state in averages(subject):
            own = structure.slope(state.post, state.old)
            if own is not None and structure.tidy(own) == ex.op("sub", ex.const(1), base) and subject.is_hyper(base):
                found.append((state, base, power))
    return list(dict.fromkeys(found))


def _corrects(subject: Subject, power: Expr) -> bool:
    """1 − βᵗ stands in the update; a number's βᵗ alone may as well be 1 − β of the other number, (1 − 0.999)ᵗ."""
    missing = ex.op("sub", ex.const(1), power)
    return any(ex.contains(post, missing) for post in subject.posts)


def _other(slip: tuple[State, Expr, Expr]) -> Expr:
    """The power (or the running product's next content) of 1 − β."""
    _, base, power = slip
    own = ex.op("sub", ex.const(1), base)
    if power.op != "pow":
        return ex.substitute(power, {base: own})
    return ex.op("pow", own, power.args[1], origin=power.origin)


def _swapped(state: State, base: Expr, g: Symbol) -> Expr | None:
    """The average with its two weights exchanged."""
    parts = structure.terms(state.post)
    if len(parts) != 2:
        return None
    kept = structure.product([(base, 1.0), (ex.sym(state.old), 1.0)])
    taken = structure.tidy(structure.rest(state.post, state.old))
    left = [(f, e) for f, e in structure.factors(taken) if f != base]
    if len(left) != len(structure.factors(taken)) - 1:
        return None
    return ex.op(
        "add", kept, structure.product([(ex.op("sub", ex.const(1), base), 1.0), *left]), origin=state.post.origin
    )
