"""What the second moment gathers, and how it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from optlint.diagnose.checks.correction import sum_corrected_as_average
from optlint.diagnose.repairs import Repair, check
from optlint.intent import is_called_step_size, mentioned, speaks_of
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import State
from optlint.subject import Hyper, Subject
from optlint.timed import averages

ZERO = ex.const(0)


@check("square-of-average")
def square_of_average(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The average of g squared, where the average of g² is meant: in its own equation, or where it is read."""
    for position, state in enumerate(subject.states):
        inner = _squared(state.post)
        if inner is not None:
            post = _averaging_squares(subject, state, inner)
            if post is not None:
                yield Repair(page.code, _with(subject, position, post), state.post, post, where=state.name)
        elif state.old in subject.second:
            post = _averaging_squares(subject, state, state.post)
            table = {n: m for p in subject.posts for n in ex.walk(p) if (m := _squared(n)) is not None}
            table = {n: m for n, m in table.items() if state.new in m.symbols and subject.g not in m.symbols}
            if post is None or not table or _is_own_length(subject, state, table):
                continue
            others = [ex.substitute(p, table) for p in subject.posts]
            wrong = next(iter(table))
            made = _with(subject.replaced(others), position, post)
            yield Repair(page.code, made, wrong, table[wrong], where=state.name)


def _is_own_length(subject: Subject, state: State, squares: Mapping[Expr, Expr]) -> bool:
    """m/√(m² + ε²): the one average, divided by its own length, is a sign that is smooth at zero."""
    apart = [ex.substitute(p, dict.fromkeys(squares, ZERO)) for p in subject.posts]
    return subject.second <= {state.old, state.new} and any(state.new in p.symbols for p in apart)


LINEAR = frozenset({"dot", "matmul", "matrixmultiply", "outer", "sum", "mean"})  # as library calls, in each argument


def _with(subject: Subject, position: int, post: Expr) -> Subject:
    posts = subject.posts
    posts[position] = post
    return subject.replaced(posts)


def _squared(node: Expr) -> Expr | None:
    """E where ``node`` is E² or |E|."""
    return node.args[0] if node.op == "abs" else structure.square_root_of(node)


def _averaging_squares(subject: Subject, state: State, inner: Expr) -> Expr | None:
    """a·s + c·g² for ``inner`` = a·s + c·g, or a·√s + c·g."""
    root = ex.op("sqrt", ex.sym(state.old))
    inner = ex.substitute(inner, {root: ex.sym(state.old)})
    own, rest = structure.slope(inner, state.old), structure.rest(inner, state.old)
    weight = structure.slope(rest, subject.g)
    if own in (None, ZERO) or weight in (None, ZERO) or structure.rest(rest, subject.g) != ZERO:
        return None
    assert own is not None and weight is not None
    if not subject.is_hyper(own) or not subject.is_hyper(weight):
        return None
    square = ex.op("pow", ex.sym(subject.g), ex.const(2))
    kept = ex.op("mul", own, ex.sym(state.old))
    return ex.op("add", kept, ex.op("mul", weight, square), origin=state.post.origin)


@check("multiplied-average")
def multiplied_average(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """(β·s + 1 − β)·x for β·s + (1 − β)·x: in every average where it was done."""
    posts = subject.posts
    done: list[tuple[State, Expr]] = []
    for position, state in enumerate(subject.states):
        for right in _weighed_apart(subject, state):
            posts[position] = right
            done.append((state, right))
            yield Repair(page.code, _with(subject, position, right), state.post, right, where=state.name)
    if len(done) > 1:
        yield Repair(page.code, subject.replaced(posts), done[0][0].post, done[0][1])


def _weighed_apart(subject: Subject, state: State) -> Iterator[Expr]:
    """The average that is meant; a setting that is added besides (AdaBelief's ε) stays."""
    all_terms = structure.terms(state.post)
    for sign, term in all_terms:
        beside = [t for t in all_terms if t[1] is not term]
        if sign < 0 or not all(subject.is_hyper(t) for _, t in beside):
            continue
        for kept, _ in structure.factors(term):
            own, weight = structure.slope(kept, state.old), structure.rest(kept, state.old)
            if own in (None, ZERO) or kept == state.post or not subject.is_hyper(own) or not subject.is_hyper(weight):
                continue
            taken = structure.product([(f, e) for f, e in structure.factors(term) if f is not kept])
            others = {subject.g, *(s.old for s in subject.states if s is not state)}  # a step that is kept, too
            if others & taken.symbols and state.old not in taken.symbols and weight != ZERO:
                held = ex.op("mul", own, ex.sym(state.old))
                mended = ex.op("add", held, ex.op("mul", weight, taken), origin=state.post.origin)
                yield structure.total([(1, mended), *beside], state.post.origin) if beside else mended


@check("root-taken-twice")
def root_taken_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√√v in the step, or a root that is stored and of which the next step makes an average again."""
    done: list[Expr] = []
    for root in subject.posts[::-1]:  # the step, and what gathers steps
        for node in ex.walk(root):
            right = _one_root(subject, node) if node not in done else None
            if right is not None:
                done.append(node)
                posts = [ex.substitute(p, {node: right}) for p in subject.posts]
                yield Repair(page.code, subject.replaced(posts), node, right, where="step", root=root)
    table = {node: right for node in done if (right := _one_root(subject, node)) is not None}
    if len(table) > 1:  # a helper that takes one root too many, above the line and below it
        wrong, right = next(iter(table.items()))
        made = subject.replaced([ex.substitute(p, table) for p in subject.posts])
        yield Repair(page.code, made, wrong, right, where="", root=subject.step)
    for position, state in enumerate(subject.states):
        roots = (n for n in ex.walk(state.post) if structure.is_root(n))
        stored = next((n for n in roots if _gathers(subject, state, n.args[0])), None)
        if stored is None:
            continue
        average = stored.args[0]
        new = ex.sym(state.new)
        read = ex.substitute(state.post, {stored: ex.op("sqrt", new)})
        for table in ({new: read}, {}):
            made = _with(subject.replaced([ex.substitute(p, table) for p in subject.posts]), position, average)
            yield Repair(page.code, made, stored, average, where=state.name, root=state.post)


def _one_root(subject: Subject, node: Expr) -> Expr | None:
    """√v for ⁴√v, x for √x with a root in x that v stands under."""
    if node.op == "pow" and node.args[1] == ex.const(0.25):
        return ex.op("sqrt", node.args[0], origin=node.origin) if node.symbols & subject.second else None
    halved = structure.is_root(node)
    if halved and any(structure.is_root(n) and n.symbols & subject.second for n in ex.walk(node.args[0])):
        return node.args[0]
    return None


def _gathers(subject: Subject, state: State, average: Expr) -> bool:
    """a·s + …, the old content standing under no root of its own."""
    own = structure.slope(average, state.old)
    return own not in (None, ZERO) and subject.g in average.symbols


@check("epsilon-accumulates")
def epsilon_accumulates(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v + ε is stored as the new v: keep v, and let what reads it, or its root, add ε, or leave that out."""
    for position, state in enumerate(subject.states):
        found = _without_added(subject, state.post)
        if found is None or state.old not in subject.second or not _takes_in(subject, state):
            continue
        if state.post.symbols & subject.moving - subject.second:
            continue  # AdaBelief means it so
        post, added = found
        new = ex.sym(state.new)
        root = ex.op("sqrt", new)
        whole = {n: new for n in ex.walk(state.post) if _without_added(subject, n) == found}  # as some steps read it
        for table in ({new: ex.op("add", new, added)}, {root: ex.op("add", root, added)}, {}):
            read = [ex.substitute(ex.substitute(p, whole), table) for p in subject.posts]
            yield Repair(page.code, _with(subject.replaced(read), position, post), state.post, post, where=state.name)


def _without_added(subject: Subject, post: Expr) -> tuple[Expr, Expr] | None:
    """The average and the setting that is added to it, be it in some steps only (RAdam's rectified ones)."""
    parts = structure.terms(post)
    added = [n for n in parts if n[0] > 0 and subject.is_hyper(n[1]) and n[1] != ZERO]
    if len(added) == 1:
        return structure.total([n for n in parts if n is not added[0]], post.origin), added[0][1]
    if post.op != "where":
        return None
    _, there, otherwise = post.args
    for more, less in ((there, otherwise), (otherwise, there)):
        found = _without_added(subject, more)
        if found is not None and found[0] == less:
            return found
    return None


def _takes_in(subject: Subject, state: State) -> bool:
    """The gradient, or what another second moment has gathered of it (AMSGrad's maximum)."""
    return bool(state.post.symbols & ({subject.g} | subject.second - {state.old, state.new}))


@check("stale-second-moment")
def stale_second_moment(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step divides by the second moment of the step before, which is 0 at first."""
    stale: list[State] = []
    for state in subject.states:
        others = [p for p in subject.posts if p is not state.post]
        late = any(state.old in p.visible for p in others) and not any(state.new in p.visible for p in others)
        gathers = state.old in subject.second or subject.g in state.post.symbols
        if late and gathers and (not _is_begun(subject, state) or _is_a_named_average(subject, state)):
            stale.append(state)
    details = {"says": "begun"} if any(_is_begun(subject, state) for state in stale) else {}
    table = {ex.sym(s.old): ex.sym(s.new) for s in stale if s.old in subject.second}
    for part in [table, *({old: new} for old, new in table.items() if len(table) > 1)]:
        yield from _read_in_time(subject, page, part, details)
    if table and len(stale) > len(table):  # the whole step comes before the averages
        yield from _read_in_time(subject, page, {ex.sym(s.old): ex.sym(s.new) for s in stale}, details)


def _is_begun(subject: Subject, state: State) -> bool:
    """It starts above zero."""
    return bool(np.any(subject.initial(state) > 0))


def _is_a_named_average(subject: Subject, state: State) -> bool:
    """Of an update whose name says what it is: sums that start above zero may well be read late (Adagrad's theory)."""
    return bool(mentioned(subject.recurrence)) and state in averages(subject)


@check("stale-gradient")
def stale_gradient(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """h' = g, and all else reads h: the averages take in the gradient of the step before."""
    new, text = ex.sym(subject.g), subject.recurrence.text
    if speaks_of(page.options.get("unless", "$^"), text):
        return
    may_be_next = speaks_of(page.options.get("next", "$^"), text)
    for state in subject.states:
        others = [s for s in subject.states if s is not state]
        posts = [*(s.post for s in others), subject.step]
        if state.post != new or any({subject.g, state.new} & p.visible for p in posts):
            continue
        given = subject.gradient is not None and subject.gradient.op == "sym"
        if state.old.initial != ZERO and (state.old.initial is not None or may_be_next or not given):
            continue  # it begins with a gradient, and gets the one of the new place
        table: dict[Expr, Expr] = {ex.sym(state.old): new}
        states = [replace(s, post=ex.substitute(s.post, table)) for s in others]
        if any(s.post != o.post for s, o in zip(states, others, strict=True)):
            made = subject.with_states(states, ex.substitute(subject.step, table))
            wrong = next(n for p in posts for n in ex.walk(p) if n in table)
            span = wrong.origin or next(iter(state.spans), None)
            yield Repair(page.code, made, wrong, new, span=span, where="", details={"kind": "state"})


def _read_in_time(
    subject: Subject, page: MistakePage, table: dict[Expr, Expr], details: dict[str, str]
) -> Iterator[Repair]:
    """The update with these old contents read as the new ones, outside their own equations."""
    if table:
        own = [{old: new for old, new in table.items() if old.symbol is not s.old} for s in subject.states]
        posts = [ex.substitute(p, t) for p, t in zip(subject.posts, [*own, table], strict=True)]
        before = next(
            p for p, t in zip(subject.posts[::-1], [table, *own[::-1]], strict=True) if ex.substitute(p, t) != p
        )
        wrong = next(n for n in ex.walk(before) if n in table)
        yield Repair(page.code, subject.replaced(posts), wrong, table[wrong], root=before, details=details)


@check("rate-in-accumulator")
def rate_in_accumulator(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """(η·g)² is gathered where the step is η·g/√v: η cancels out. A gradient scaled before all is no such thing."""
    sizes = _step_sizes(subject)
    if not sizes and subject.second and subject.gradient is not None:
        yield from _rate_in_gradient(subject, page)
    square = ex.op("pow", ex.sym(subject.g), ex.const(2))
    for position, state in enumerate(subject.states) if sizes else ():
        details = {"says": "steps"} if state.post.symbols & subject.moving - {state.old, state.new} else {}
        scaled = {ex.sym(subject.g): 2.0} | dict.fromkeys(sizes, 2.0)
        wrong = next((n for n in ex.walk(state.post) if n.args and _powers(n) == scaled), None)
        if wrong is not None:
            made = _with(subject, position, ex.replace_node(state.post, wrong, square))
            yield Repair(page.code, made, wrong, square, where=state.name, root=state.post, details=details)
            continue
        for _, term in structure.terms(state.post):
            powers = _powers(term)
            squared = any(power == 2 and subject.g in f.symbols for f, power in powers.items())
            if not squared or any(powers.get(f) != 2 for f in sizes):
                continue
            rest = structure.product([(f, e) for f, e in powers.items() if f not in sizes], term.origin)
            parts = [(s, rest if t is term else t) for s, t in structure.terms(state.post)]
            made = _with(subject, position, structure.total(parts, state.post.origin))
            yield Repair(page.code, made, term, rest, where=state.name, root=state.post, details=details)


def _rate_in_gradient(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step's only size is a rate that the caller hands in, and the second moment takes it in with the gradient.

    It may scale what the gradient is a product of: (−η·δ)ᵀ·x.
    """
    gradient = subject.gradient
    assert gradient is not None
    linear = gradient.op == "opaque" and str(gradient.value).rpartition(".")[2] in LINEAR
    parts = [p for part in (gradient.args if linear else (gradient,)) for p in structure.factors(part)]
    factors = [f for f, e in parts if e == 1 and f.op == "sym"]
    rates = [f for f in factors if f.symbol.external and is_called_step_size(f.symbol.name)]
    if len(rates) != 1:
        return
    g = ex.sym(subject.g)
    step = ex.op("mul", rates[0], g)
    hypers = [*subject.hypers, Hyper(rates[0].symbol, "other", 0.01)]
    written = subject.replaced([ex.substitute(p, {g: step}) for p in subject.posts], hypers=hypers)
    made = written.replaced([*subject.posts[:-1], written.step])
    span = next((s.spans[0] for s in subject.states if s.spans and s.old in subject.second), None)
    yield Repair(page.code, made, step, g, span=span, written=written)


def _step_sizes(subject: Subject) -> list[Expr]:
    """The settings that the step is multiplied by."""
    data = subject.moving | {subject.g, subject.parameter}
    found = [f for f, e in structure.factors(subject.drive) if e > 0 and not f.symbols & data]
    return [f for f in found if f.op == "sym" and subject.is_hyper(f)]


def _powers(node: Expr) -> dict[Expr, float]:
    """The factors, with those of a squared product told apart, and how often each stands there."""
    found: dict[Expr, float] = {}
    for factor, exponent in structure.factors(node):
        whole = float(exponent).is_integer() and factor.op in ("mul", "div", "neg")
        for part, power in structure.factors(factor) if whole else [(factor, 1.0)]:
            found[part] = found.get(part, 0.0) + power * exponent
    return found


def _is_weight(subject: Subject, factor: ex.Expr) -> bool:
    """1 − ν, or the number that the code's own settings make of it."""
    if factor.op == "const":
        return 0 < factor.number < 1
    return factor.op == "sub" and factor.args[0] == ex.const(1) and subject.is_hyper(factor)


@check("weight-of-its-own")
def weight_of_its_own(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """ρ·v + (1 − ν)·g² for ρ·v + (1 − ρ)·g², where ν is no other average's decay. Also an average that is added."""
    yield from _added_on_top(subject, page)
    yield from _mean_of_one(subject, page)
    kept = {s: own for s in subject.states if (own := structure.slope(s.post, s.old)) is not None}
    values = {s: subject.value(own) for s, own in kept.items()}
    for number, state in enumerate(subject.states):
        new = structure.rest(state.post, state.old) if state in kept and state.old in subject.second else None
        parts = structure.factors(new) if new is not None else []
        weights = [f for f, e in parts if e == 1 and _is_weight(subject, f)]
        if len(weights) != 1 or new is None or values[state] is None:
            continue
        weight = subject.value(weights[0])
        if any(v is not None and np.allclose(weight, 1 - v) for v in values.values()):
            continue
        right = ex.op("sub", ex.const(1), kept[state])
        added = structure.product([(right if f is weights[0] else f, e) for f, e in parts], new.origin)
        post = ex.op("add", ex.op("mul", kept[state], ex.sym(state.old)), added, origin=state.post.origin)
        yield Repair(page.code, _with(subject, number, post), weights[0], right, where=state.name, root=state.post)
    yield from sum_corrected_as_average(subject, page)  # where the second moment reads the first: AdaBelief


def _mean_of_one(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A mean of the gradients m + (g − m), which is the last one, beside a second moment: centered RMSprop's."""
    g = ex.sym(subject.g)
    for number, state in enumerate(subject.states):
        if state.post != g:
            continue
        old = ex.sym(state.old)
        news = (g, ex.sym(state.new))
        whole = {ex.op("sub", ex.op("add", old, new), old): ex.sym(state.new) for new in news}
        whole |= {ex.op("add", old, ex.op("sub", new, old)): ex.sym(state.new) for new in news}
        read = [ex.substitute(p, whole) for p in subject.posts]
        if read == subject.posts:
            continue  # the code does not take what it is told from the old content: it keeps the last gradient
        for decay in dict.fromkeys(structure.slope(s.post, s.old) for s in averages(subject)):
            if decay is not None:
                read[number] = structure.average(decay, state.old, g, state.post.origin)
                made, details = subject.replaced(read), {"says": "mean"}
                span = next(reversed(state.spans), None)
                yield Repair(page.code, made, state.post, read[number], where=state.name, details=details, span=span)


def _added_on_top(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v += β·v + (1 − β)·g²: the old content stays as a whole beside what is kept of it. Everywhere, then in one."""
    mended: dict[int, Expr] = {}
    for number, state in enumerate(subject.states):
        parts = structure.terms(state.post)
        bare = [p for p in parts if p == (1, ex.sym(state.old))]
        kept = [p for p in parts if p not in bare and p[0] > 0 and state.old in p[1].visible]
        changed = is_called_gradient(state.name)  # ``g += μ·v`` in place is a step ahead
        if len(bare) == len(kept) == 1 and subject.g in state.post.symbols and not changed:
            mended[number] = structure.total([p for p in parts if p not in bare], state.post.origin)
    for chosen in [mended, *({n: p} for n, p in mended.items() if len(mended) > 1)] if mended else ():
        posts = [chosen.get(n, p) for n, p in enumerate(subject.posts)]
        first = next(iter(chosen))
        state = subject.states[first]
        where = state.name if len(chosen) == 1 else ""
        details = {"says": "added"}
        yield Repair(page.code, subject.replaced(posts), state.post, posts[first], where=where, details=details)
