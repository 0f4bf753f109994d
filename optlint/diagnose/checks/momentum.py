"""Momentum: which term its coefficient stands on, how often the learning rate enters, and Nesterov's look-ahead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.gradient import gradient_rank
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.positions import driven_by
from optlint.lift.recurrence import State
from optlint.subject import Hyper, Subject


def first_moments(subject: Subject) -> list[State]:
    return [s for s in subject.states if s.old not in subject.second and subject.g in s.post.symbols]


@check("coefficient-on-gradient")
def coefficient_on_gradient(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v = v + μ·g for v = μ·v + g: a sum that forgets nothing, its coefficient on the wrong term."""
    if _rates(subject) <= subject.moving:
        yield from _beside_the_rate(subject, page)
    rates = _rates(subject) or _symbols_beside(subject)
    if not rates and not _has_number(subject.drive):
        return
    for state in first_moments(subject):
        own = structure.slope(state.post, subject.g)
        if own is None or structure.slope(state.post, state.old) != ex.const(1):
            continue
        sign, size = _signed(own)
        hidden = size == ex.const(1)  # the code gives μ no number, so it counts as part of the gradient
        found = _factor_of_gradient(subject) if hidden else size
        if found is None or found.symbols & rates or not _could_decay(found):
            continue  # the same rate twice makes an integrator of it: leapfrog, a swing
        given = state.old.external and all(s.external and s.default is None for s in found.symbols)
        if given and _is_plain_argument(state) and not _named(found):
            continue  # a·b + c of three arguments: which of them is kept, only their caller knows
        kept = structure.product([(found, 1.0), (ex.sym(state.old), 1.0)])
        right = structure.total([(1, kept), (sign, ex.sym(subject.g))], state.post.origin)
        posts = [right if s is state else s.post for s in subject.states]
        hypers = [h for h in subject.hypers if h.symbol not in found.symbols]
        hypers += [Hyper(s, "decay", s.default or 0.9) for s in found.symbols]
        made = subject.replaced([*posts, subject.step], hypers=hypers)
        effective = None
        if hidden:
            assert subject.gradient is not None
            effective = structure.product([(ex.sym(subject.g), 1.0), (found, -1.0)])
            data = structure.product([(f, e) for f, e in structure.factors(subject.gradient) if f != found])
            right = structure.total([(1, kept), (sign, data)], state.post.origin)
        yield Repair(page.code, made, state.post, right, effective, where=state.name)


def _beside_the_rate(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v = v + μ·η·g for v = μ·v + η·g, where the velocity is itself the step."""
    for state in first_moments(subject):
        own = structure.slope(state.post, subject.g)
        if own is None or structure.slope(state.post, state.old) != ex.const(1):
            continue
        parts = structure.factors(own)
        named = [f for f, e in parts if e == 1 and f.op == "sym" and _named(f) and _could_decay(f)]
        if len(named) != 1 or not any(f.symbols for f, _ in parts if f != named[0]):
            continue
        kept = structure.product([(named[0], 1.0), (ex.sym(state.old), 1.0)])
        taken = structure.product([*((f, e) for f, e in parts if f != named[0]), (ex.sym(subject.g), 1.0)])
        right = structure.total([(1, kept), (1, taken)], state.post.origin)
        posts = [right if s is state else s.post for s in subject.states]
        hypers = [h for h in subject.hypers if h.symbol not in named[0].symbols]
        hypers += [Hyper(s, "decay", s.default or 0.9) for s in named[0].symbols]
        made = subject.replaced([*posts, subject.step], hypers=hypers)
        yield Repair(page.code, made, state.post, right, where=state.name)


_COEFFICIENT = re.compile(r"momentum|beta|gamma|decay|(?<![a-z])(mu|rho)(?![a-z])", re.IGNORECASE)


def _is_plain_argument(state: State) -> bool:
    """No element of a record, whose place tells what it is."""
    return state.slot is None or state.slot.local


def _named(found: Expr) -> bool:
    return any(_COEFFICIENT.search(s.name) for s in found.symbols)


def _rates(subject: Subject) -> set[Symbol]:
    """The settings that the whole step is multiplied by."""
    return set.intersection(*(_settings(t) for _, t in structure.terms(subject.drive)))


def _symbols_beside(subject: Subject) -> set[Symbol]:
    """What stands in the factors of the step that read neither a state nor g: those of η(t)·(μ·v' + g), without μ."""
    data = subject.moving | {subject.g}
    factors = (f for _, t in structure.terms(subject.drive) for f, _ in structure.factors(t))
    return set().union(*(f.symbols for f in factors if not f.symbols & data))


def _signed(own: Expr) -> tuple[int, Expr]:
    """The sign of a coefficient, and its size."""
    parts = structure.factors(own)
    turns = sum(f.op == "const" and f.number < 0 for f, _ in parts) % 2
    sizes = [(ex.const(abs(f.number)) if f.op == "const" else f, e) for f, e in parts]
    return (-1 if turns else 1), structure.product([(f, e) for f, e in sizes if f != ex.const(1)])


def _has_number(node: Expr) -> bool:
    return any(f.op == "const" and abs(f.number) != 1 for f, _ in structure.factors(node))


def _could_decay(node: Expr) -> bool:
    """A setting or number between 0.5 and 1, or one that the code leaves to its caller.

    Momentum that is off, too, and a decay that by default forgets nothing (MI-FGSM's μ = 1).
    """
    value = node.symbol.default if node.op == "sym" else node.value
    if node.op not in ("sym", "const"):
        return False
    return value is None or 0.5 <= float(value) < 1 or (value in (0, 1) and _named(node))  # type: ignore[arg-type]


def _factor_of_gradient(subject: Subject) -> Expr | None:
    """The factor of a gradient like ``momentum·dw`` that is called a coefficient, else what looks least like data."""
    assert subject.gradient is not None
    parts = structure.factors(subject.gradient)
    plain = [f for f, e in parts if f.op == "sym" and e == 1 and not f.symbol.array]
    return min(plain, key=lambda f: (not _named(f), gradient_rank(f))) if plain and len(parts) > 1 else None


@check("last-gradient-for-velocity")
def last_gradient_for_velocity(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """w − (η·g + μ·u) with u' = g: the velocity is made, and the gradient alone is kept of it.

    Where the two gradients pull against each other (optimistic steps), the difference is what is meant.
    """
    yield from _kept_too_late(subject, page)
    if subject.parameter is None or subject.w_slope is None:
        return
    kept_part = ex.op("mul", subject.w_slope, ex.sym(subject.parameter))
    for state in subject.states:
        whole = ex.substitute(subject.drive, {ex.sym(state.new): state.post})
        own, rest = structure.slope(whole, state.old), structure.rest(whole, state.old)
        parts = [structure.slope(state.post, subject.g), own, structure.slope(rest, subject.g)]
        plain = all(part is not None and subject.value(part) is not None for part in parts)
        if not plain or own is None or ex.const(0) in parts or structure.rest(state.post, subject.g) != ex.const(0):
            continue
        pull = np.prod([np.sign(subject.value(part)) for part in parts if part is not None], axis=0)
        sign, size = _signed(own)
        rate = [p for p in structure.factors(size) if all(p in structure.factors(t) for _, t in structure.terms(whole))]
        coefficient = structure.product(p for p in structure.factors(size) if p not in rate)
        if not (pull > 0).all() or not _named(coefficient) or _is_gathered(subject, state):
            continue
        terms = [(sign * s, structure.product(_without(t, rate))) for s, t in structure.terms(whole)]
        post = structure.total(terms, state.post.origin)
        velocity = structure.product([*rate, (ex.sym(state.new), 1.0)])
        step = structure.total([(1, kept_part), (sign, velocity)], subject.step.origin)
        posts = [post if s is state else s.post for s in subject.states]
        hypers = [h for h in subject.hypers if h.symbol not in coefficient.symbols]
        hypers += [Hyper(s, "decay", s.default or 0.9) for s in coefficient.symbols]
        made = subject.replaced([*posts, step], hypers=hypers)
        details = {"says": "last", "meant": "the velocity is kept from one call to the next"}
        span = state.spans[-1] if state.spans else None
        yield Repair(page.code, made, state.post, post, where=state.name, root=state.post, span=span, details=details)


def _kept_too_late(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """w' = w − η·g + μ·(w − p), and then p' = w': the last position is the present one, and their difference is 0."""
    w = subject.parameter
    for number, state in enumerate(subject.states):
        if w is None or state.post not in (subject.step, ex.sym(w)) or state.old not in subject.step.symbols:
            continue
        old = Symbol(f"({w.name} − {state.name})", initial=ex.const(0))
        driven = driven_by(subject.step, w, state.old, old)
        if driven is None:
            continue
        new = Symbol(f"{old.name}'")
        velocity = State(old.name, old, new, driven, ex.const(0), state.spans)
        step = ex.op("add", ex.sym(w), ex.sym(new), origin=subject.step.origin)
        others = [s for n, s in enumerate(subject.states) if n != number]
        made = subject.with_states([*others, velocity], step)
        still = ex.substitute(driven, {ex.sym(old): ex.const(0)})
        written = subject.with_states([*others, replace(velocity, post=still)], step)
        span = state.spans[0] if state.spans else None
        details = {"says": "late", "kind": "state", "meant": "the last position is kept before the next one is made"}
        yield Repair(page.code, made, state.post, ex.sym(w), span=span, written=written, details=details)


def _is_gathered(subject: Subject, state: State) -> bool:
    """The code computes a new content of the state beside the step, and this path alone begins it."""
    step = subject.recurrence.step
    made = (s.expr for s in subject.recurrence.stored if subject.parameter not in s.expr.symbols)
    made = (e for e in made if not ex.contains(step, e))
    return any(structure.retention(e, state.old) not in (None, ex.const(0)) for e in made if state.old in e.visible)


@check("rate-twice")
def rate_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η in the velocity and again in the step (η² in all), or on the velocity that is kept, too (μ·η decays it)."""
    outer = _rates(subject)
    for state in first_moments(subject):
        own, kept = structure.slope(state.post, subject.g), structure.slope(state.post, state.old)
        if own is None or kept is None or kept == ex.const(1):
            continue  # what forgets nothing, and moves by the rate that moved it, is a leapfrog
        for rate in sorted((_settings(own) | outer) & _settings(kept), key=lambda s: s.name):
            if len(_settings(kept)) < 2 and not any(_is_share(f) for f, _ in structure.factors(kept)):
                continue
            whole = structure.product([*_others(kept, rate), (ex.sym(state.old), 1.0)])
            post = structure.total([(1, whole), (1, structure.rest(state.post, state.old))], state.post.origin)
            posts = [post if s is state else s.post for s in subject.states]
            made = subject.replaced([*posts, subject.step])
            yield Repair(page.code, made, state.post, post, details={"regardless": "yes"})  # no motion is damped by μ·η
        for rate in sorted((_settings(own) - kept.symbols) & outer, key=lambda s: s.name):
            for step in _without_rate(subject, state, rate):
                posts = [*(s.post for s in subject.states), step]
                yield Repair(page.code, subject.replaced(posts), subject.step, step)


@check("step-made-twice")
def step_made_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """w += v' in a branch, and once more behind it: the same summand, by two statements."""
    parameter, parts = subject.recurrence.parameter, structure.terms(subject.step)
    spans = tuple(dict.fromkeys(parameter.spans)) if parameter is not None else ()
    moves = [part for part in parts if part[1] != ex.sym(subject.parameter)] if subject.parameter is not None else []
    if len(spans) != 2 or len(moves) != 2 or len(parts) != 3 or moves[0] != moves[1] or spans[0].line == spans[1].line:
        return
    step = structure.total([parts[0], moves[0]], subject.step.origin)
    made = subject.replaced([*subject.posts[:-1], step])
    yield Repair(page.code, made, subject.step, step, span=spans[1], details={"says": "twice"})


def _is_share(factor: Expr) -> bool:
    """A number that a momentum may be."""
    return factor.op == "const" and 0.5 <= factor.number < 1


def _without_rate(subject: Subject, state: State, rate: Symbol) -> Iterator[Expr]:
    """The step without the rate in any of its terms, or in those of the velocity alone, which holds it."""
    w, parts = subject.parameter, structure.terms(subject.step)
    bare = [(s, t if w in t.visible else structure.product(_others(t, rate), t.origin)) for s, t in parts]
    yield structure.total(bare, subject.step.origin)
    spread = [(s * sign, part) for s, t in parts for sign, part in _spread(t)]
    own = {state.old, state.new}
    if any(subject.g in t.visible and not own & t.visible for _, t in spread):
        mended = [(s, structure.product(_others(t, rate)) if own & t.visible else t) for s, t in spread]
        yield structure.total(mended, subject.step.origin)


def _spread(term: Expr) -> list[tuple[int, Expr]]:
    """η·(a + b) as η·a and η·b."""
    parts = structure.factors(term)
    sums = [i for i, (f, e) in enumerate(parts) if e == 1 and f.op in ("add", "sub")]
    if len(sums) != 1:
        return [(1, term)]
    rest = [p for i, p in enumerate(parts) if i != sums[0]]
    return [(sign, structure.product([*rest, (t, 1.0)])) for sign, t in structure.terms(parts[sums[0]][0])]


def _settings(node: Expr) -> set[Symbol]:
    """The plain settings among the factors."""
    return {f.symbol for f, e in structure.factors(node) if f.op == "sym" and e == 1}


def _without(node: Expr, rate: list[tuple[Expr, float]]) -> list[tuple[Expr, float]]:
    return [part for part in structure.factors(node) if part not in rate]


def _others(node: Expr, symbol: Symbol) -> list[tuple[Expr, float]]:
    return [(f, e) for f, e in structure.factors(node) if f != ex.sym(symbol)]
