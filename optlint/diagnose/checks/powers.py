"""The powers βᵗ of the bias correction: what stands where 1 − βᵗ should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from optlint.diagnose.checks.complement import complements
from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.prepare import prepare
from optlint.subject import Hyper, Subject
from optlint.timed import TIMES, Timed, averages, one_minus_power

# what people write for 1 − βᵗ
SLIPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda b, t: b**t,
    lambda b, t: (1 - b) ** t,
    lambda b, t: 1 - b * t,
    lambda b, t: 1 - t**b,
    lambda b, t: 1 + b**t,
    lambda b, t: b**t - 1,
    lambda b, t: 1 - (1 - b) ** t,
    lambda b, t: (b - b**t) / (1 - b**t),  # the decay that carries a corrected average on
)


@check("correction-power")
def correction_power(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """βᵗ, (1 − β)ᵗ, 1 − β·t … as a factor where 1 − βᵗ belongs: all of them at once, and those of one kind and one
    average alone, for another one may be meant (the βᵗ in RAdam's ρₜ)."""
    if complements(subject):
        return  # β weights the gradient: which of the two is meant is another question
    timed = Timed(subject)
    right = {}
    for state in averages(subject):
        decay = timed.decay(state)
        if decay is not None:
            right[state.old] = decay, one_minus_power(subject, state, timed.time)
    slips: dict[tuple[int, Symbol], dict[Expr, Expr]] = {}
    for node in dict.fromkeys(_time_factors(subject, timed)) if right else ():
        value = timed.value(node)
        for old, (decay, new) in right.items() if value is not None else ():
            kind = _slip(value, decay)
            if kind is not None and all(node not in table for table in slips.values()):
                slips.setdefault((kind, old), {})[node] = new
    whole = {node: new for table in slips.values() for node, new in table.items()}
    for table in [whole, *(slips.values() if len(slips) > 1 else ())]:
        if table:
            posts = [_with_factors(p, table) for p in subject.posts]
            wrong, new = next(iter(table.items()))
            yield Repair(page.code, subject.replaced(posts, clocks=timed.clocks), wrong, new, root=subject.step)
    yield from _of_another(subject, page, timed, right)


def _of_another(
    subject: Subject, page: MistakePage, timed: Timed, right: dict[Symbol, tuple[Any, Expr]]
) -> Iterator[Repair]:
    """v/(1 − β₁ᵗ) for v/(1 − β₂ᵗ): the correction of another average, also folded into the step size, or into one that
    an average gathers (AdaMod)."""
    nodes = {id(n): n for post in subject.posts for n in ex.walk(post) if n.op == "sub" and timed.moves(n)}
    for node in nodes.values():
        value = timed.value(node)
        if value is None or not any(np.allclose(value, timed.corrections(d), rtol=1e-9) for d, _ in right.values()):
            continue
        for state in subject.states:
            decay, new = right.get(state.old, (None, None))
            if new is not None and not np.allclose(value, timed.corrections(decay), rtol=1e-9):
                root = ex.op("sqrt", node)  # the size may stand in the step as well as in an average of sizes
                posts = [ex.substitute(p, {root: ex.op("sqrt", new)}) for p in subject.posts]
                if sum(p is not q for p, q in zip(subject.posts, posts, strict=True)) < 2:
                    posts = [ex.replace_node(p, node, new) for p in subject.posts]
                made = subject.replaced(posts, clocks=timed.clocks)
                changed = next(p for p, q in zip(subject.posts, posts, strict=True) if p is not q)
                yield Repair(page.code, made, node, new, where=state.name, root=changed)


def _time_factors(subject: Subject, timed: Timed) -> Iterator[Expr]:
    """Factors and divisors (also below a root) that are made of settings and move with t."""
    for post in subject.posts:
        for node in ex.walk(post):
            for part in node.args if _is_product(node) else ():
                if part.op not in ("mul", "div", "sqrt") and timed.moves(part):
                    yield part


def _is_product(node: Expr) -> bool:
    return node.op in ("mul", "div", "sqrt") or (node.op == "pow" and node.args[1].op == "const")


def _with_factors(root: Expr, table: dict[Expr, Expr]) -> Expr:
    """Substitute factors and divisors alone, not the βᵗ of 1 − βᵗ."""
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        if node.op == "opaque" or not node.args:
            return node
        if id(node) not in memo:
            product = _is_product(node)
            args = tuple(table[a] if product and a in table else go(a) for a in node.args)
            memo[id(node)] = node if args == node.args else Expr(node.op, args, node.value, node.origin)
        return memo[id(node)]

    return go(root)


def _slip(value: Any, decay: Any) -> int | None:
    """Which of the slips a value is."""
    times = np.array(TIMES)[:, None, None]
    return next((n for n, slip in enumerate(SLIPS) if np.allclose(value, slip(decay, times), rtol=1e-9)), None)


EXPONENTS = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)


@check("folded-rate")
def folded_rate(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η·(1 − β₂ᵗ)/(1 − β₁ᵗ) and other slips for η·√(1 − β₂ᵗ)/(1 − β₁ᵗ)."""
    timed = Timed(subject)
    yield from _of_root(subject, page, timed)
    first, second = _one_of_each(subject)
    if first is None or second is None:
        return
    one, two = (one_minus_power(subject, s, timed.time) for s in (first, second))
    a, b = timed.value(one), timed.value(two)
    right = ex.op("div", ex.op("sqrt", two), one)
    for node in _products_of_time(subject, subject.step, timed):
        moving = [(f, e) for f, e in structure.factors(node) if timed.moves(f)]
        value = timed.value(structure.product(moving))
        if value is None or not any(np.allclose(value, b**q * a**p) for p in EXPONENTS for q in EXPONENTS):
            continue
        still = structure.product([(f, e) for f, e in structure.factors(node) if not timed.moves(f)])
        new = structure.tidy(ex.op("mul", still, right, origin=node.origin))
        posts = [ex.substitute(p, {node: new}) for p in subject.posts]  # an average of step sizes reads it, too
        yield Repair(page.code, subject.replaced(posts, clocks=timed.clocks), node, new, root=subject.step)


def _of_root(subject: Subject, page: MistakePage, timed: Timed) -> Iterator[Repair]:
    """√v/(1 − β₂ᵗ): the root of v is corrected like v, or by what is no correction."""
    for second in (s for s in averages(subject) if s.old in subject.second):
        decay = timed.decay(second)
        right = one_minus_power(subject, second, timed.time)
        nodes = dict.fromkeys(n for post in subject.posts for n in ex.walk(post)) if decay is not None else ()
        for node in nodes:
            if node.op != "div" or not timed.moves(node.args[1]) or not _is_rooted(node.args[0], second.new):
                continue
            value = timed.value(node.args[1])
            like_v = value is not None and np.allclose(value, timed.value(right))
            if like_v or (value is not None and _slip(value, decay) is not None):
                root = ex.op("sqrt", node.args[1] if like_v else right)
                new = ex.op("div", node.args[0], root, origin=node.origin)
                made = subject.replaced([ex.substitute(p, {node: new}) for p in subject.posts], clocks=timed.clocks)
                yield Repair(page.code, made, node, new, where=second.name, details={"says": "root"})


def _is_rooted(above: Expr, symbol: Symbol) -> bool:
    """The square root of an average, and ε beside it."""
    halved = (n for n in ex.walk(above) if structure.is_root(n))
    return any(symbol in n.symbols for n in halved) and not any(n.op == "div" for n in ex.walk(above))


def _one_of_each(subject: Subject) -> tuple[State | None, State | None]:
    """The first and the second moment, where there is one of each."""
    second = [s for s in averages(subject) if s.old in subject.second]
    first = [s for s in averages(subject) if s.old not in subject.second]
    return (first[0], second[0]) if len(first) == len(second) == 1 else (None, None)


def _products_of_time(subject: Subject, root: Expr, timed: Timed) -> Iterator[Expr]:
    """The largest products of settings that move with t and read no state."""
    if root.op == "opaque" or not timed.moves(root):
        return
    busy = (subject.moving - subject.products) | {subject.g, subject.parameter}
    if root.op in ("mul", "div", "sqrt") and not root.symbols & busy:
        yield root
        return
    for part in root.args:
        yield from _products_of_time(subject, part, timed)


@check("rate-compounds")
def rate_compounds(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η = η·√(1 − β₂ᵗ)/(1 − β₁ᵗ) stored as the new η: the correction is multiplied up from step to step."""
    yield from _divided_each_time(subject, page)
    for state in subject.states:
        factor = structure.slope(state.post, state.old)
        if factor is None or structure.rest(state.post, state.old) != ex.const(0):
            continue
        if not factor.symbols & subject.time or factor.symbols & (subject.moving | {subject.g}):
            continue
        rate = state.initial if state.initial is not None and state.initial.symbols else ex.sym(state.old)
        table = {ex.sym(state.new): ex.op("mul", rate, factor), ex.sym(state.old): rate}
        others = [replace(s, post=ex.substitute(s.post, table)) for s in subject.states if s is not state]
        hypers = list(subject.hypers)
        for symbol in rate.symbols - {h.symbol for h in hypers}:
            own = symbol.default or (state.initial.number if state.initial and state.initial.op == "const" else 0.01)
            hypers.append(Hyper(symbol, "other", float(own)))
        step = ex.substitute(subject.step, table)
        made = subject.with_states(others, step, hypers=hypers)
        yield Repair(page.code, made, state.post, table[ex.sym(state.new)], where=state.name, details={"kind": "state"})


def _divided_each_time(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η = η/√v' stored as the new η: what the second moment divides is divided again at each step."""
    recurrence = subject.recurrence
    for state in recurrence.states:
        factor = structure.slope(state.post, state.old)
        read = recurrence.moving - {state.old, state.new}
        if factor is None or structure.rest(state.post, state.old) != ex.const(0) or not factor.symbols & read:
            continue
        if not factor.symbols & read <= subject.second or not any(structure.is_root(n) for n in ex.walk(factor)):
            continue
        rate = ex.sym(Symbol(state.name, default=state.old.default))
        table = {ex.sym(state.new): structure.tidy(ex.op("mul", rate, factor)), ex.sym(state.old): rate}
        others = [s for s in recurrence.states if s is not state]
        whole = recurrence.changed(partial(ex.substitute, table=table), others)
        details = {"kind": "state", "says": "divided"}
        yield Repair(page.code, prepare(whole), state.post, None, where=state.name, details=details)


@check("rate-compounds-over-tensors")
def rate_compounds_over_tensors(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η = η·√(1 − β₂ᵗ)/(1 − β₁ᵗ) for each tensor, where η is begun before the loop over them: the second's is twice
    corrected."""
    compounded = [n for n in ex.walk(subject.step) if n.args and n.origin in subject.recurrence.compounded]
    for node in compounded:
        moving = [(f, e) for f, e in structure.factors(node) if f.symbols & (subject.time | subject.products)]
        if moving and not node.symbols & (subject.moving - subject.products | {subject.g}):
            again = ex.op("mul", node, structure.product(moving))
            written = subject.replaced([*subject.posts[:-1], ex.replace_node(subject.step, node, again)])
            details = {"kind": "as run", "says": "tensors"}
            yield Repair(page.code, written, node, None, root=subject.step, details=details)
            return
