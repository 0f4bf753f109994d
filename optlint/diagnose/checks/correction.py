"""Bias correction and time: what divides a moment, and how t runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from optlint.diagnose.checks.guards import rectified_length
from optlint.diagnose.corrections import computes_a_root, corrected, sized
from optlint.diagnose.repairs import Repair, check
from optlint.diagnose.unseen import is_out_of_sight
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.model import Span
from optlint.prepare import prepare
from optlint.subject import Subject
from optlint.timed import Timed, averages, clock, one_minus_power, stuck_powers


def _keeps_a_norm(subject: Subject) -> bool:
    """max(β₂·u, |g|), which takes the second average's place and needs no correction."""
    return any(s.post.op == "max" and any(n.op == "abs" for n in ex.walk(s.post)) for s in subject.states)


def _keeps_no_average(subject: Subject) -> bool:
    """A second moment that is drawn another way, and may be corrected like one: Yogi's."""
    return any(s.old in subject.second and structure.slope(s.post, s.old) is None for s in subject.states)


def _stands_without_power(subject: Subject, state: State) -> bool:
    """Something is divided by 1 − β, other than in a number of its own: RAdam's ρ∞ = 2/(1 − β₂) − 1."""
    own = structure.slope(state.post, state.old)
    if own is None:
        return False
    numbers = (n for n in ex.walk(subject.step) if n.op in ("add", "sub") and n.symbols <= own.symbols)
    lengths = {part for n in numbers for part in ex.walk(n)}
    below = (n.args[1] for n in ex.walk(subject.step) if n.op == "div" and n not in lengths)
    factors = (f for b in below for f, _ in structure.factors(b))
    return any(structure.is_complement(f, own) for f in factors)


@check("correction-missing")
def correction_missing(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Divide one or more averages by 1 − βᵗ. ``moments`` says how many must lack it: "all" or "one"."""
    found = averages(subject)
    beside = _keeps_no_average(subject)
    if not found or (len(found) < 2 and not beside and not _keeps_a_norm(subject)):
        return
    unused = dead_corrections(subject)
    if is_out_of_sight(subject) and not unused:
        return
    time, clocks = clock(subject)
    used = [s for s in found if any(s.new in p.symbols for p in subject.posts)]
    both = page.options.get("moments") == "all"
    groups = [tuple(used)] if both else [c for n in range(1, len(used) + beside) for c in combinations(used, n)]
    uses_time = any(p.symbols & subject.timed for p in subject.posts)
    stuck = {power.args[0] for power, _ in stuck_powers(subject)}
    there = [s for s in found if structure.slope(s.post, s.old) in stuck]  # and t does not move
    there += [s for _, s in _folded_roots(subject)]  # without its exponent, folded into the step size
    wants_dead = bool(page.options.get("computed"))
    for group in groups:
        if both and uses_time:
            continue
        if (all if both else any)(_stands_without_power(subject, state) for state in group):
            continue  # it is there, and only its exponent is not
        if any(state in there or _begins_with_data(state) for state in group):
            continue
        if not both and not uses_time and not wants_dead:
            continue
        span = unused[0][1] if wants_dead and unused else None
        if wants_dead and not unused:
            continue
        if not wants_dead and unused and page.options.get("moments"):
            continue
        where = ", ".join(s.name for s in group)
        for posts in corrected(subject, group, found, time):
            made = subject.replaced(posts, clocks=clocks)
            details = {"moments": where}
            yield Repair(page.code, made, subject.step, posts[-1], span=span, where=where, details=details)
        for step in sized(subject, group, time) if computes_a_root(subject) else ():
            made = subject.replaced([*subject.posts[:-1], step], clocks=clocks)
            details = {"moments": where, "computed": "yes"}
            yield Repair(page.code, made, subject.step, step, span=span, where=where, details=details)


def _begins_with_data(state: State) -> bool:
    """An average that begins with a gradient, or its square, has nothing of zero to be corrected for."""
    return state.initial is not None and any(n.op == "opaque" for n in ex.walk(state.initial))


def with_maximum_corrected(subject: Subject) -> Subject | None:
    """AMSGrad with its maximum corrected in the step, where m is and that is not."""
    time, clocks = clock(subject)
    for state in averages(subject):
        largest = next((s for s in subject.states if s.post.op == "max" and state.new in s.post.visible), None)
        if largest is None or not any(n.op == "pow" and n.symbols & subject.timed for n in ex.walk(subject.step)):
            continue
        whole = ex.op("div", ex.sym(largest.new), one_minus_power(subject, state, time))
        step = ex.substitute(subject.step, {ex.sym(largest.new): whole})
        return subject.replaced([*subject.posts[:-1], step], clocks=clocks)
    return None


def dead_corrections(subject: Subject) -> list[tuple[str, Span | None]]:
    """Corrected moments that the code computes and then does not use."""
    recurrence = subject.recurrence
    values = {s.post: s for s in recurrence.states}
    news = {s.new for s in recurrence.states}
    originals = list(recurrence.states)
    found: list[tuple[str, Span | None]] = []
    used = [*(s.post for s in originals), recurrence.step]
    contents = {c.post: ex.sym(c.new) for c in recurrence.counters} | {p: ex.sym(s.new) for p, s in values.items()}
    inline: dict[Expr, Expr] = {}  # a state's content as a named value has it, the other states' written out
    for state in recurrence.states:
        inline[ex.sym(state.new)] = ex.substitute(state.post, inline)
    contents |= {post: new for new, post in inline.items()}
    for stored in recurrence.stored:
        expr = ex.substitute(stored.expr, contents)
        if expr.op not in ("div", "mul") or not expr.symbols & news:
            continue
        if any(f.op == "sub" and e < 0 for f, e in structure.factors(expr)) and not any(
            ex.contains(u, expr) or ex.contains(u, stored.expr) for u in used
        ):
            found.append((stored.name, stored.span))
    return found


def _divisors(subject: Subject, post: Expr) -> Iterator[tuple[Expr, Expr, State]]:
    """Quotients x/d in which x is built on one average and d is a setting: (quotient, d, state)."""
    for node in ex.walk(post):
        if node.op != "div":
            continue
        above, below = node.args
        if subject.is_hyper(below) and below.symbols != above.symbols:
            for state in averages(subject):
                mine = {state.new, state.old}
                largest = _largest_of(subject, state)  # AMSGrad's
                if above.symbols & {state.new, *largest[1:]} and not above.symbols & subject.moving - {*mine, *largest}:
                    yield node, below, state


def _largest_of(subject: Subject, state: State) -> tuple[Symbol, ...]:
    """The contents, old and new, of a state that keeps the largest content of an average."""
    found = (s for s in subject.states if s.post.op == "max" and s.post.visible == {s.old, state.new})
    return next(((s.old, s.new) for s in found), ())


@check("exponent-missing")
def exponent_missing(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A divisor that should be 1 − βᵗ and does not move with t (1 − β, 1 − β², a saved 0.1)."""
    time, clocks = clock(subject)
    shared: dict[tuple[Expr, Span | None, str], dict[Expr, Expr]] = {}
    whole: dict[Expr, tuple[Expr, Expr, Expr]] = {}
    gathers = [s.post for s in subject.states if s.post.op == "max" or _gathers_steps(subject, s)]
    roots = [subject.step, *gathers]  # AMSGrad's maximum, of what is corrected; a velocity of Adam's steps
    divided = [found for root in roots for found in _divisors(subject, root)]
    for node, below, state in [*divided, *_folded(subject)]:
        value = subject.value(below)
        if value is None or not np.all(np.isfinite(value)):
            continue
        own = subject.value(structure.slope(state.post, state.old))  # type: ignore[arg-type]
        # near to 1 − β, to 1 − β², or (with a slip in the 1) to k − β: a pure setting of that decay
        rooted = np.allclose(value, np.sqrt(1 - own))  # √v/√(1 − β)
        likely = np.allclose(value, 1 - own) or np.allclose(value, 1 - own**2) or _is_slip(below, state)
        if not likely and not rooted:
            continue
        correction = one_minus_power(subject, state, time)
        right = ex.op("sqrt", correction) if rooted else correction
        new = ex.op("div", node.args[0], right, origin=node.origin)
        posts = [ex.replace_node(p, node, new) if p in roots else p for p in subject.posts]
        yield Repair(page.code, subject.replaced(posts, clocks=clocks), below, right, where=state.name)
        whole[node] = new, below, right
        quotients = shared.setdefault((below, below.origin, state.name), {})
        quotients[node] = new
        if len(quotients) > 1 and below.origin is not None:  # one expression divides more than once (RAdam's two ways)
            posts = [*(s.post for s in subject.states), ex.substitute(subject.step, quotients)]
            yield Repair(page.code, subject.replaced(posts, clocks=clocks), below, right, where=state.name)
    if gathers and len({below for _, below, _ in whole.values()}) > 1:
        table = {node: new for node, (new, _, _) in whole.items()}
        _, below, right = next(iter(whole.values()))
        posts = [ex.substitute(p, table) if p in roots else p for p in subject.posts]
        yield Repair(page.code, subject.replaced(posts, clocks=clocks), below, right)
    for root, state in _folded_roots(subject):
        right = ex.op("sqrt", one_minus_power(subject, state, time), origin=root.origin)
        posts = [ex.substitute(p, {root: right}) for p in subject.posts]  # an average may gather step sizes, too
        yield Repair(page.code, subject.replaced(posts, clocks=clocks), root, right, where=state.name)


def _gathers_steps(subject: Subject, state: State) -> bool:
    """A velocity of what other averages make."""
    return any(s.new in state.post.visible for s in averages(subject) if s is not state)


def _folded_roots(subject: Subject) -> Iterator[tuple[Expr, State]]:
    """The √(1 − β₂) of a step size η·√(1 − β₂)/(1 − β₁ᵗ), with the second moment that it belongs to."""
    halves = (n for n in ex.walk(subject.step) if structure.is_root(n))
    roots = [n for n in halves if subject.is_hyper(n)]
    for state in averages(subject) if roots else ():
        own = subject.value(structure.slope(state.post, state.old))  # type: ignore[arg-type]
        for root in roots if state.old in subject.second else ():
            inside = subject.value(root.args[0])
            if inside is not None and np.allclose(inside, 1 - own):
                yield root, state


@check("exponent-missing-beside-a-maximum")
def exponent_missing_beside_a_maximum(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Adamax's η/(1 − β₁)·m/u: as it needs no other correction, it equals Adamax without any, ten times as fast."""
    if not any(s.post.op == "max" and s.old in subject.second for s in subject.states):
        return
    divisors = {f for _, t in structure.terms(subject.drive) for f, e in structure.factors(t) if e == -1}
    for state in (s for s in averages(subject) if s.old not in subject.second):
        own = subject.value(structure.slope(state.post, state.old))  # type: ignore[arg-type]
        for below in (n for n in ex.walk(subject.step) if n in divisors and subject.is_hyper(n)):
            if np.allclose(subject.value(below), 1 - own):
                time, clocks = clock(subject)
                right = one_minus_power(subject, state, time)
                posts = [*(s.post for s in subject.states), ex.replace_node(subject.step, below, right)]
                made = subject.replaced(posts, clocks=clocks)
                yield Repair(page.code, made, below, right, where=state.name, root=subject.step)
                return


def _folded(subject: Subject) -> Iterator[tuple[Expr, Expr, State]]:
    """The step size over a setting, η/(1 − β)·m, or η·√(1 − β₂ᵗ)/(1 − β₁): (quotient, divisor, average)."""
    data = subject.moving | {subject.g, subject.parameter}
    for node in ex.walk(subject.step):
        if node.op == "div" and not node.symbols & data and node.args[1].symbols and subject.is_hyper(node.args[1]):
            yield from ((node, node.args[1], state) for state in averages(subject))


def _is_slip(below: Expr, state: State) -> bool:
    """k − β with a whole number k, β being the state's own decay."""
    own = structure.slope(state.post, state.old)
    return (
        below.op == "sub"
        and below.args[0].op == "const"
        and own is not None
        and bool(own.symbols)
        and below.args[1] == structure.tidy(own)
    )


@check("correction-twice")
def correction_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The folded step size and corrected moments together: take the correction out of the step size."""
    for node in _settings_of_time(subject, subject.step):
        powers = [n for n in ex.walk(node) if n.op == "pow" and n.args[1].symbols & subject.time]
        if not powers and not node.symbols & subject.products:
            continue  # a schedule of t
        if any(rectified_length(subject, n) is not None for n in ex.walk(node)):
            continue  # RAdam's
        rest = [(f, e) for f, e in structure.factors(node) if not f.symbols & subject.timed]
        new = structure.product(rest, node.origin)
        posts = [*(s.post for s in subject.states), ex.replace_node(subject.step, node, new)]
        if any(p.symbols & subject.timed for p in posts[len(subject.states) :]):  # else it was corrected once
            yield Repair(page.code, subject.replaced(posts), node, new)
    yield from _corrected_inside(subject, page)


def _corrected_inside(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η/(1 − βᵗ)·(β·m + (1 − β)·g/(1 − βᵗ)): one summand has the correction of the whole once more."""
    below = (f for f, _ in _below(subject.drive) if f.op == "sub" and f.args[0] == ex.const(1))
    whole = {f for f in below if f.args[1].op == "pow" and f.symbols & subject.timed}
    for total in (n for n in ex.walk(subject.drive) if n.op in ("add", "sub") and n.symbols & subject.moving):
        for node in (n for side in total.args for n in ex.walk(side)):
            if node.op == "div" and node.args[1] in whole and not any(f in whole for f, _ in _below(total)):
                posts = [*(s.post for s in subject.states), ex.replace_node(subject.step, node, node.args[0])]
                yield Repair(page.code, subject.replaced(posts), node, node.args[0])


def _below(node: Expr) -> list[tuple[Expr, float]]:
    return [(f, e) for f, e in structure.factors(node) if e < 0]


@check("corrected-though-whole")
def corrected_though_whole(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m̂ = m/(1 − βᵗ) of averages that begin with their first input: nothing is missing in them."""
    gathered, entire = averages(subject), subject.recurrence.started
    if entire is None or not gathered or any(s.old not in subject.recurrence.whole for s in gathered):
        return
    kept = [structure.slope(s.post, s.old) for s in gathered]
    written = prepare(entire)
    powers = (n for n in ex.walk(written.step) if n.op == "sub" and n.args[0] == ex.const(1) and n.args[1].op == "pow")
    corrections = {n for n in powers if n.args[1].args[0] in kept and n.symbols & written.time}
    if corrections:
        step = structure.tidy(ex.substitute(written.step, dict.fromkeys(corrections, ex.const(1))))
        made = written.replaced([*(s.post for s in written.states), step])
        where = next(n for n in ex.walk(written.step) if n in corrections)
        yield Repair(page.code, made, where, None, root=written.step, written=written, details={"kind": "written"})


def _settings_of_time(subject: Subject, root: Expr) -> Iterator[Expr]:
    """The largest products of settings that move with t and read no state (but not 1 − βᵗ alone)."""
    if root.op == "opaque":
        return
    if root.op != "neg" and not root.symbols & (subject.moving - subject.products | {subject.g, subject.parameter}):
        if root.symbols & subject.timed and root.op in ("mul", "div", "sqrt"):
            yield root
        return
    for part in root.args:
        yield from _settings_of_time(subject, part)


@check("correction-multiplied")
def correction_multiplied(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m·(1 − βᵗ) for m/(1 − βᵗ): every such product at once, else one alone (below the line 1 − β₁ᵗ is a factor)."""
    table: dict[Expr, Expr] = {}
    busy, settings = subject.moving - subject.products, subject.bound.keys()
    for node in ex.walk(subject.step):
        if node.op == "mul":
            for a, b in (node.args, node.args[::-1]):
                rooted = structure.is_root(b)
                whole = b.args[0] if rooted else b  # √v·√(1 − βᵗ)
                if (
                    whole.op == "sub"
                    and b.symbols & subject.timed
                    and not b.symbols & busy
                    and (a.symbols & busy or a.symbols <= settings)  # also ``lr * (1 - beta1**t)``
                ):
                    table[node] = ex.op("div", a, b, origin=node.origin)
    for part in [table, *({wrong: right} for wrong, right in table.items() if len(table) > 1)] if table else ():
        posts = [*(s.post for s in subject.states), ex.substitute(subject.step, part)]
        wrong, right = next(iter(part.items()))
        yield Repair(page.code, subject.replaced(posts), wrong, right)


@check("sum-corrected-as-average")
def sum_corrected_as_average(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m' = β·m + g over 1 − βᵗ: as if it were an average, so that every step is 1/(1 − β) times as long.

    Without the correction it is heavy ball's velocity, and where 1 − β scales the step the author has seen to it.
    """
    timed, g = Timed(subject), ex.sym(subject.g)
    divisors = {f for n in ex.walk(subject.step) if n.op == "div" for f, _ in structure.factors(n.args[1])}
    for position, state in enumerate(subject.states):
        own = structure.slope(state.post, state.old)
        if own is None or state.old in subject.second or structure.rest(state.post, state.old) != g:
            continue
        decay = timed.value(own)
        if decay is None or any(structure.is_complement(n, own) for n in ex.walk(subject.step)):
            continue
        if subject.gradient is not None and any(
            structure.is_complement(f, own) for f, _ in structure.factors(subject.gradient)
        ):
            continue  # it is there, as a part of what is taken for the gradient
        values = (timed.value(f) for f in divisors if timed.moves(f))
        if any(v is not None and np.allclose(v, timed.corrections(decay), rtol=1e-9) for v in values):
            old, weight = ex.sym(state.old), Expr("sub", (ex.const(1), own))  # as it is to be written, also of numbers
            posts = subject.posts
            posts[position] = ex.op("add", ex.op("mul", own, old), ex.op("mul", weight, g), origin=state.post.origin)
            made = subject.replaced(posts)
            yield Repair(page.code, made, state.post, posts[position], where=state.name, details={"says": "undamped"})
