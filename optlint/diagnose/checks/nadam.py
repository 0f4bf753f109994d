"""NAdam: the product of its momentum schedule, and the average that its step looks ahead from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optlint.diagnose.checks.nesterov import average_inside, may_look_ahead
from optlint.diagnose.repairs import Repair, check
from optlint.intent import mentioned, speaks_of
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.subject import Subject
from optlint.timed import averages, clock

ONE = ex.const(1)


@check("nadam-schedule")
def nadam_schedule(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    yield from _multiplied_twice(subject, page)
    yield from _still(subject, page)
    yield from _overwritten(subject, page)
    yield from _other_mix(subject, page)
    yield from _around(subject, page)


def _around(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A velocity that gathers Adam's steps, u' = γ·u + η·m̂/(√v̂ + ε): NAdam has its look ahead in the step itself."""
    for u in subject.states:
        own, inner = structure.slope(u.post, u.old), structure.rest(u.post, u.old)
        others = [s for s in subject.states if s is not u]
        if own in (None, ex.const(0)) or not inner.symbols & subject.second or u.new in subject.second:
            continue
        if any({u.old, u.new} & s.post.visible for s in others) or u.old in subject.step.visible:
            continue
        step = ex.substitute(subject.step, {ex.sym(u.new): inner})
        read = step.symbols.union(*(s.post.symbols for s in others))
        bare = subject.with_states(others, step, hypers=[h for h in subject.hypers if h.symbol in read])
        for repair in _other_mix(bare, page, around=True):
            yield Repair(page.code, repair.subject, u.post, repair.subject.drive, where=u.name)


def _multiplied_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """p'·μₜ·μₜ₊₁ for p'·μₜ₊₁, where p' holds μₜ already."""
    for state in subject.states:
        if not subject.is_product(state):
            continue
        factor = structure.product([(f, e) for f, e in structure.factors(state.post) if f != ex.sym(state.old)])
        mine = structure.factors(factor)
        for node in ex.walk(subject.step):
            parts = structure.factors(node) if node.op == "mul" else []
            if (ex.sym(state.new), 1.0) in parts and all(parts.count(p) == 1 for p in mine):
                right = structure.product([p for p in parts if p not in mine], node.origin)
                made = subject.replaced([*subject.posts[:-1], ex.replace_node(subject.step, node, right)])
                yield Repair(page.code, made, node, right, where="step", root=subject.step)


def _still(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g/(1 − β₁) and m'/(1 − β₁·β₁), where the powers of β₁ should grow with t: that of the average is one ahead."""
    time, clocks = clock(subject)
    later = ex.op("add", time, ONE)
    table: dict[Expr, Expr] = {}
    for state in averages(subject):
        own = structure.tidy(structure.slope(state.post, state.old) or ONE)
        powers = {own: time, ex.op("mul", own, own): later, ex.op("pow", own, ex.const(2)): later}
        for node in ex.walk(subject.step):
            if node.op == "div" and node.args[1].op == "sub" and node.args[1].args[0] == ONE:
                grown = powers.get(node.args[1].args[1])
                if grown is not None:
                    below = ex.op("sub", ONE, ex.op("pow", own, grown))
                    table[node] = ex.op("div", node.args[0], below, origin=node.origin)
    if not table or not any(subject.g in n.symbols for n in table):
        return
    inner = ex.substitute(subject.step, {})
    for node in sorted(table, key=lambda n: n.size):  # one may stand in another
        inner = ex.replace_node(inner, node, table[node])
    made = subject.replaced([*subject.posts[:-1], inner], clocks=clocks)
    wrong = next(n for n in ex.walk(subject.step) if n in table)
    yield Repair(page.code, made, wrong.args[1], table[wrong].args[1], where="step", root=subject.step)


def _overwritten(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The average looks ahead and stays there: it keeps what it averaged, and the step alone looks ahead."""
    for m in subject.states:
        inner = average_inside(subject, m)
        if inner is None:
            continue
        ahead = ex.substitute(m.post, {inner: ex.sym(m.new)})
        table: dict[Expr, Expr] = {ex.sym(m.new): ahead}
        posts = [inner if p is m.post else ex.substitute(p, table) for p in subject.posts]
        made = subject.replaced(posts)
        yield Repair(page.code, made, m.post, inner, where=m.name, root=m.post)


def _other_mix(subject: Subject, page: MistakePage, around: bool = False) -> Iterator[Repair]:
    """What the step is made of in place of β·m̂ + (1 − β)·ĝ, where none but NAdam's own settings have a part in it.

    Adam's m̂ alone is such a mix, unless an option leaves the rest out, or the gradient may be taken ahead. around: of
    what a velocity gathered, which no way of taking the gradient makes up for.
    """
    if subject.gradient is None or subject.gradient.symbols & subject.moving or not _wants_it(subject):
        return
    for m in averages(subject):
        whole = _made_of(subject, m) if m.old not in subject.second else None
        own, taken = structure.slope(m.post, m.old), structure.slope(m.post, subject.g)
        if whole is None or own is None or taken is None:
            continue
        values = subject.value(own), subject.value(taken)
        if values[0] is None or values[1] is None or not np.allclose(values[0] + values[1], 1):
            continue
        time, clocks = clock(subject)
        data = {m.new, subject.g}
        rates = [(f, e) for f, e in structure.factors(whole) if not f.symbols & (data | subject.timed)]
        known = own.symbols | taken.symbols | subject.timed.union(*(f.symbols for f, _ in rates))
        parts = [structure.slope(whole, s) for s in (m.new, subject.g)]
        left = structure.rest(structure.rest(whole, m.new), subject.g)
        if any(p is None or not p.symbols <= known for p in parts) or not left.symbols <= known:
            continue
        if parts[1] == ex.const(0) and not around and may_look_ahead(subject.recurrence):
            continue
        if not np.any(subject.value(left)) and _is_right(subject, parts, own, rates):
            continue
        below = ex.op("sub", ONE, ex.op("pow", structure.tidy(own), time))
        mix = ex.op("add", ex.op("mul", own, ex.sym(m.new)), ex.op("mul", taken, ex.sym(subject.g)))
        right = structure.product([*rates, (mix, 1.0), (below, -1.0)], whole.origin)
        posts = [*subject.posts[:-1], ex.replace_node(subject.step, whole, right)]
        made = subject.replaced(posts, clocks=clocks)
        yield Repair(page.code, made, whole, right, where="step", root=subject.step)


def _is_right(subject: Subject, parts: list[Expr | None], own: Expr, rates: list[tuple[Expr, float]]) -> bool:
    """The slopes in m' and g are NAdam's but for a sign, with one correction or two: what is amiss is elsewhere."""
    third: dict[Expr, Expr] = {ex.sym(c.symbol): ex.const(c.series(3)[2]) for c in subject.clocks}
    size, a = subject.value(structure.product(rates)), subject.value(own)
    of_m, of_g = (subject.value(ex.substitute(p, third)) if p is not None else None for p in parts)
    if size is None or a is None or of_m is None or of_g is None:
        return False
    once, ahead = size * a / (1 - a**3), size * a / (1 - a**4)

    def alike(one: np.ndarray, other: np.ndarray) -> bool:
        return bool(np.allclose(np.abs(one), np.abs(other), rtol=1e-9, atol=0))  # a turned sign is another mistake

    return alike(of_g, size * (1 - a) / (1 - a**3)) and (alike(of_m, once) or alike(of_m, ahead))


def _wants_it(subject: Subject) -> bool:
    recurrence = subject.recurrence
    off = " ".join(option for option, on in recurrence.configuration.items() if not on)
    return "nadam" in mentioned(recurrence) and not speaks_of(r"nesterov|nadam", off)


def _made_of(subject: Subject, m: State) -> Expr | None:
    """The largest part of the step that holds its every m' and g, and neither the parameter nor a second moment."""
    foreign = subject.second | {subject.parameter}
    inside = [n for n in ex.walk(subject.step) if m.new in n.visible and not n.symbols & foreign]
    whole = max(inside, key=lambda n: n.size, default=None)
    if whole is None:
        return None
    outside = ex.replace_node(subject.step, whole, ONE)
    return None if outside.symbols & {m.new, m.old, subject.g} else whole
