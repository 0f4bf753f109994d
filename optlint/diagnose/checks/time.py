"""How steps are counted: from zero, not at all, for each tensor, for each epoch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.identify import best, matches
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Clock, Subject
from optlint.timed import powers_of_time, stuck_powers


@check("time-from-zero")
def time_from_zero(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """t is 0 at the first step, so 1 − β⁰ = 0; or a running product is read before its first factor, so it is 1."""
    yield from _products_before_their_time(subject, page)
    for power in powers_of_time(subject):
        clocks = [c for c in subject.clocks if c.symbol in power.args[1].symbols]
        if len(clocks) == 1 and clocks[0].known and clocks[0].by == 1:
            exponent = power.args[1]
            value = subject.value(ex.substitute(exponent, {ex.sym(clocks[0].symbol): ex.const(clocks[0].first)}))
            if value is not None and np.all(value == 0) and not _is_left_out(subject):
                target = clocks[0].symbol
                moved = [replace(c, first=c.first + (c.symbol is target)) for c in subject.clocks]
                later = ex.op("add", exponent, ex.const(1))
                yield Repair(
                    page.code, subject.replaced(subject.posts, clocks=moved), power, ex.op("pow", power.args[0], later)
                )
                return


def _products_before_their_time(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """βᵗ kept as a product that starts at 1, as the step reads it before it is multiplied."""
    one = ex.const(1)
    products = [s for s in subject.states if subject.is_product(s) and s.initial == one]
    read = [n for n in ex.walk(subject.step) if n.op == "sub" and n.args[0] == one]
    early = [(n, s) for n in read for s in products if n.args[1] == ex.sym(s.old)]
    if early and not _is_left_out(subject):
        table = {n: ex.op("sub", one, ex.sym(s.new), origin=n.origin) for n, s in early}
        made = subject.replaced([*subject.posts[:-1], ex.substitute(subject.step, table)])
        yield Repair(page.code, made, early[0][0], table[early[0][0]], where="step", root=subject.step)


def _is_left_out(subject: Subject) -> bool:
    """The code goes away at the first step (``if step == 1: continue``)."""
    first = {ex.sym(c.symbol): ex.const(c.first) for c in subject.clocks}
    asked = (c for c in subject.recurrence.skipped if c.symbols & subject.time)
    values = (subject.value(ex.substitute(condition, first)) for condition in asked)
    return any(value is not None and np.all(value) for value in values)


@check("time-stuck")
def time_stuck(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The exponent of β is a number that the code stores and never advances, or βᵗ is multiplied by itself."""
    for number, state in enumerate(subject.states):
        parts = structure.factors(state.post)
        if [f for f, _ in parts] == [ex.sym(state.old)] * 2 and state.initial == ex.const(1):
            for decay in (h.symbol for h in subject.hypers if h.role == "decay"):
                right = ex.op("mul", ex.sym(state.old), ex.sym(decay), origin=state.post.origin)
                posts = [*subject.posts[:number], right, *subject.posts[number + 1 :]]
                yield Repair(page.code, subject.replaced(posts), state.post, right, where=state.name, root=state.post)
    for power, symbol in stuck_powers(subject)[:1]:
        exponent, time = power.args[1], ex.sym(symbol)
        ahead = structure.rest(exponent, symbol)
        if exponent == ex.op("add", time, ahead) and ahead.op == "const":
            time = exponent  # t + 1, where t is to start at 0
        hypers = [h for h in subject.hypers if h.symbol is not symbol]
        posts = [ex.substitute(p, {exponent: time}) for p in subject.posts]
        moving = Clock(symbol, 1.0 - (ahead.number if time is exponent else 0.0))
        made = subject.replaced(posts, clocks=[*subject.clocks, moving], hypers=hypers)
        yield Repair(page.code, made, power, ex.op("pow", power.args[0], time))


@check("time-amiss")
def time_amiss(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Beside a published form: t stands still (AMSGrad's one correction is a factor then), is no number of a step, or
    begins anew."""
    for stuck in time_stuck(subject, page):
        match = best(matches(subject))
        if match is not None and not match.variant.deviation:  # else more than that is to be sought
            yield replace(stuck, details={"assumes": ""})
    yield from _number_of_a_tensor(subject, page)
    yield from _begins_anew(subject, page)


def _begins_anew(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """t counts the updates of one epoch, and the averages last through all of them."""
    power = _timed(subject)
    counted = power.args[1].symbols & subject.time if power is not None else frozenset()
    if power is not None and counted <= subject.recurrence.anew:
        clocks = [replace(c, within=UPDATES) if c.symbol in counted else c for c in subject.clocks]
        written = subject.replaced(subject.posts, clocks=clocks)
        yield Repair(page.code, written, power, None, details={"kind": "clock", "says": "anew"})


def _number_of_a_tensor(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """``for t, p in enumerate(params): m[t] = …; m[t] / (1 − βᵗ⁺¹)``: the states stand under what is taken for t."""
    for power in powers_of_time(subject)[:1]:
        counted = [c for c in subject.clocks if c.symbol in power.args[1].symbols]
        index = counted[0].symbol if len(counted) == 1 else None
        if index is None or index.kind != "index" or not subject.states:
            continue
        if all(f"[{index.name}]" in s.name for s in subject.states):
            clocks = [replace(c, by=0.0) if c is counted[0] else c for c in subject.clocks]
            written = subject.replaced(subject.posts, clocks=clocks)
            details = {"kind": "clock", "says": "tensor", "assumes": ""}
            yield Repair(page.code, written, power, None, details=details)


@check("state-anew-for-an-epoch")
def state_anew_for_an_epoch(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """``if epoch == 0:`` makes the state at every batch of the first epoch, and not at the first batch alone."""
    recurrence = subject.recurrence
    yield from _cleared_with_gradients(subject, page)

    def of_epochs(symbol: ex.Symbol) -> bool:
        return symbol.begun_by is not None and recurrence.is_of_outer(symbol.begun_by)

    emptied = [s for s in subject.states if of_epochs(s.old)]
    whole = recurrence.started
    if whole is not None and any(of_epochs(s) for p in whole.posts() for s in p.symbols):
        gathered = [old.post == now.post for old, now in zip(whole.states, recurrence.states, strict=True)]
        lasting = [s for s in subject.states if s.old in s.post.symbols]
        emptied = lasting if all(gathered) else []  # the step alone has a first of its own
    emptied = emptied or [s for s in subject.states if _forgets_in_first_epoch(recurrence, s)]
    told = {c.symbol for c in subject.clocks if of_epochs(c.symbol)}
    if not emptied and not told:
        return
    count = ex.Symbol("epoch", kind="index", iterates="count")
    first = ex.op("lt", ex.sym(count), ex.const(1))
    table = {ex.sym(s.old): ex.op("where", first, s.initial or ex.const(0), ex.sym(s.old)) for s in emptied}
    clocks = [replace(c, every=UPDATES) if c.symbol in told else c for c in subject.clocks]
    written = subject.replaced(
        [ex.substitute(p, table) for p in subject.posts], clocks=[*clocks, Clock(count, 0.0, every=UPDATES)]
    )
    lasting = [s for s in emptied or subject.states if s.old in s.post.symbols]
    span = next((s for state in lasting for s in state.spans), None)
    yield Repair(page.code, written, span=span, details={"kind": "clock", "says": "anew", "mild": "yes"})


def _cleared_with_gradients(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The optimizer's ``zero_grad`` makes its averages anew, and whoever trains calls that again and again."""
    around = subject.recurrence.around
    kept = [s for s in subject.states if (own := structure.retention(s.post, s.old)) is not None and own != ex.const(1)]
    if not kept or around is None or not around.cleared_with_gradients([s.name for s in kept]):
        return
    count = ex.Symbol("call", kind="index", iterates="count")
    table = {
        ex.sym(s.old): ex.op("where", ex.op("lt", ex.sym(count), ex.const(1)), s.initial or ex.const(0), ex.sym(s.old))
        for s in kept
    }
    clocks = [*subject.clocks, Clock(count, 0.0, within=UPDATES)]
    written = subject.replaced([ex.substitute(p, table) for p in subject.posts], clocks=clocks)
    span = next((s for state in kept for s in state.spans), None)
    yield Repair(page.code, written, span=span, details={"kind": "clock", "says": "cleared", "mild": "yes"})


def _forgets_in_first_epoch(recurrence: Recurrence, state: State) -> bool:
    """μ·v·(epoch != 0): what is kept of the content is nothing as long as an outer loop's index is its first number."""
    content = recurrence.contents.get(state.old)
    own = structure.slope(content, state.old) if content is not None else None
    for node in ex.walk(own) if own is not None else ():
        counts = [s for s in node.symbols if s.kind == "index" and recurrence.is_of_outer(s)]
        if node.op in ex.COMPARISONS and len(counts) == len(node.symbols) == 1:
            start = structure.number_at(counts[0].start, {}) if counts[0].start is not None else 0
            values = [evaluate(node, {counts[0]: (start or 0) + k}) for k in range(3)]
            if [bool(v) for v in values] == [False, True, True]:
                return True
    return False


TENSORS = 2  # how many tensors the evidence for a shared counter assumes
UPDATES = 10  # and how many updates an epoch


def _timed(subject: Subject) -> Expr | None:
    """The first power βᵗ whose exponent a clock moves."""
    return next((p for p in powers_of_time(subject) if p.args[1].symbols & subject.time), None)


def _times(state: State, times: int) -> Expr:
    """A running product's equation where it is multiplied several times."""
    old = ex.sym(state.old)
    factor = structure.product([(f, e) for f, e in structure.factors(state.post) if f != old])
    return ex.op("mul", old, ex.op("pow", factor, ex.const(times)))


@check("time-per-parameter")
def time_per_parameter(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """t, or βᵗ kept as a product, advances once for each tensor: with two tensors the last one sees 2, 4, 6 …

    By a loop over the tensors, or because each call updates what it is handed, one of many, and counts.
    """
    shared = [s for s in subject.states if s.old in subject.recurrence.shared_products]
    if shared:
        posts = [_times(s, TENSORS) if s in shared else s.post for s in subject.states]
        written = subject.replaced([*posts, subject.step])
        span = next((s for state in shared for s in state.spans), None)
        yield Repair(page.code, written, shared[0].post, None, span=span, details={"kind": "clock"})
    power = _timed(subject)
    recurrence = subject.recurrence
    one_of_many = recurrence.owner and re.search(page.options.get("owners", "$^"), recurrence.owner, re.IGNORECASE)
    if power is None or not (recurrence.per_parameter or _is_keyed(recurrence) or one_of_many):
        return
    clocks = [
        replace(c, first=c.first + (TENSORS - 1) * c.by, by=c.by * TENSORS) if c.symbol in power.args[1].symbols else c
        for c in subject.clocks
    ]
    written = subject.replaced(subject.posts, clocks=clocks)
    span = next((s for c in subject.recurrence.counters for s in c.spans), None)
    yield Repair(page.code, written, power, None, span=span, details={"kind": "clock"})


def _is_keyed(recurrence: Recurrence) -> bool:
    """Each call serves another key: an argument, or an attribute that another method sets in between."""
    around = recurrence.around
    own = recurrence.key.startswith("self.")
    return bool(recurrence.key) and (not own or (around is not None and around.is_written_elsewhere(recurrence.key)))


def _counts_new_beginnings(subject: Subject, clock: Clock) -> bool:
    """Another method raises the count and empties the averages: t goes on where they begin anew."""
    around, lasting = subject.recurrence.around, [s.name for s in subject.states if s.old in s.post.symbols]
    return around is not None and around.counts_new_beginnings(clock.symbol.name, lasting)


@check("time-is-epoch")
def time_is_epoch(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """t counts the epochs, and there are several updates in each."""
    power = _timed(subject)
    if power is None:
        return
    counting = [c for c in subject.clocks if c.symbol in power.args[1].symbols]
    slow = [c for c in counting if c.outer or _counts_new_beginnings(subject, c)]
    if not slow or len(slow) != len(counting):
        return
    clocks = [replace(c, every=UPDATES) if c.outer or c in slow else c for c in subject.clocks]
    written = subject.replaced(subject.posts, clocks=clocks)
    yield Repair(page.code, written, power, None, details={"kind": "clock"})
