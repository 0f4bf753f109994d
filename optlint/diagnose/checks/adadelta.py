"""Adadelta's two averages: v of the gradients' squares, u of the squares of the steps that both roots make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

from optlint.diagnose.repairs import Repair, check
from optlint.intent import mentioned
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.subject import Subject

ZERO = ex.const(0)


def _pairs(subject: Subject) -> Iterator[tuple[State, State]]:
    """(v, u): two averages under roots, of which one takes in the gradient and does not read the other."""
    rooted = [s for s in subject.states if s.old in subject.second]
    for v, u in permutations(rooted, 2):
        if subject.g in v.post.symbols and not {u.old, u.new} & v.post.symbols and _weighed(subject, u) is not None:
            yield v, u


def _weighed(subject: Subject, state: State) -> tuple[Expr, Expr, Expr] | None:
    """(a, c, x) of a·s + c·x, where x may read s."""
    kept = [(s, t) for s, t in structure.terms(state.post) if _is_kept(subject, t, state)]
    taken = [(s, t) for s, t in structure.terms(state.post) if not _is_kept(subject, t, state)]
    if not kept or len(taken) != 1 or taken[0][0] < 0:
        return None
    own = structure.slope(structure.total(kept), state.old)
    weight, data = _apart(subject, taken[0][1])
    return None if own is None else (structure.tidy(own), weight, data)


def _is_kept(subject: Subject, term: Expr, state: State) -> bool:
    own = structure.slope(term, state.old)
    return own not in (None, ZERO) and subject.is_hyper(own) and structure.rest(term, state.old) == ZERO


def _apart(subject: Subject, term: Expr) -> tuple[Expr, Expr]:
    """The settings that a term is multiplied by, and what they weigh."""
    parts = structure.factors(term)
    settings = [p for p in parts if subject.is_hyper(p[0])]
    return structure.product(settings), structure.product([p for p in parts if p not in settings])


def _delta(subject: Subject, step: Expr) -> Expr:
    """The step without its learning rate, as the code has it where it has it."""
    w = subject.parameter
    drive = _apart(subject, step if w is None else structure.rest(step, w))[1]
    for node in reversed(list(ex.walk(step))):
        if node.symbols >= drive.symbols and (w is None or w not in node.symbols):
            size, data = _apart(subject, node)
            if data == drive and not size.symbols:
                return node
    return drive


@check("adadelta-order")
def adadelta_order(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """u gathers g² or another step than the one that is taken, or the step's v has not seen g yet, or is u' instead.

    Or there is no u at all, which nothing but a name tells.
    """
    yield from _without_steps(subject, page)
    for v, u in _pairs(subject):
        now: dict[Expr, Expr] = {ex.sym(u.new): ex.sym(u.old), ex.sym(v.old): ex.sym(v.new)}
        if {u.old, u.new} <= subject.step.symbols and not {v.old, v.new} & subject.step.symbols:
            now = {ex.sym(u.new): ex.sym(v.new)}
        step = ex.substitute(subject.step, now)
        if not {u.old, v.new} <= step.symbols:
            continue
        own, _, data = _weighed(subject, u)  # type: ignore[misc]
        if u.old in data.symbols:
            post = ex.substitute(u.post, {ex.sym(v.old): ex.sym(v.new)})
        elif subject.g in data.symbols and not data.symbols & subject.moving:
            post = ex.substitute(u.post, {ex.sym(subject.g): _delta(subject, step)})
        elif subject.g in data.symbols and structure.square_root_of(data) is not None:
            square = ex.op("pow", _delta(subject, step), ex.const(2))
            post = structure.average(own, u.old, square, u.post.origin)
        else:
            continue
        if post == u.post:  # a step with u', which counts that very step, is off by a thousandth after the first few
            continue
        made = subject.replaced([*(post if s is u else s.post for s in subject.states), step])
        stale = ex.sym(v.old)
        if stale in ex.walk(subject.step):
            yield Repair(page.code, made, stale, now[stale], where="step", root=subject.step)
        else:
            yield Repair(page.code, made, u.post, post, where=u.name, root=u.post)


def _without_steps(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η·g/√(v' + ε), which is RMSprop's step, for √(u + ε)/√(v' + ε)·g."""
    w, called = subject.parameter, mentioned(subject.recurrence)
    if len(subject.states) != 1 or subject.parameter is None or "rmsprop" in called or "adadelta" not in called:
        return
    v = subject.states[0]
    own = structure.retention(v.post, v.old)
    floors = [a for p in subject.posts for n in ex.walk(p) for a, _ in structure.floored(n) if subject.is_hyper(a)]
    if own in (None, ZERO, ex.const(1)) or v.old not in subject.second or len(set(floors)) != 1:
        return
    assert own is not None and w is not None
    old = Symbol("u")
    u = State(old.name, old, Symbol("u'"), ZERO, ZERO)
    above, below = (ex.op("sqrt", ex.op("add", ex.sym(s), floors[0])) for s in (old, v.new))
    delta = ex.op("mul", ex.op("div", above, below), ex.sym(subject.g))
    gathered = structure.average(own, old, ex.op("pow", delta, ex.const(2)))
    states = [v, replace(u, post=gathered)]
    step = ex.op("sub", ex.sym(w), delta, origin=subject.step.origin)
    made, says = subject.with_states(states, step), {"says": "missing"}
    yield Repair(page.code, made, subject.step, step, where="step", root=subject.step, details=says)


@check("adadelta-accumulator")
def adadelta_accumulator(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """u gathers the parameter's squares; or an average is added to its old content, which it keeps a part of anyhow."""
    w = subject.parameter
    for _, u in _pairs(subject):
        own, _, data = _weighed(subject, u)  # type: ignore[misc]
        if w is not None and w in data.symbols and subject.g not in data.symbols and not data.symbols & subject.moving:
            square = ex.op("pow", _delta(subject, subject.step), ex.const(2))
            post = structure.average(own, u.old, square, u.post.origin)
            made = subject.replaced([post if s is u else p for s, p in _with_step(subject)])
            yield Repair(page.code, made, u.post, post, where=u.name, root=u.post)
    posts = {s: _not_added(s) for s in subject.states}
    grown = [s for s, post in posts.items() if post is not None]
    if grown and any(_pairs(subject)):
        made = subject.replaced([(posts.get(s) if s is not None else None) or p for s, p in _with_step(subject)])
        yield Repair(page.code, made, grown[0].post, posts[grown[0]], where=grown[0].name, root=grown[0].post)


@check("decay-in-gathered-steps")
def decay_in_gathered_steps(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """u gathers (Δ + r)², where r reads w alone and Δ is the step that the code takes; AdaBelief's s, (g − m' + r)²."""
    w = subject.parameter
    for position, state in enumerate(subject.states):
        gathered = (n for n in ex.walk(state.post) if w in n.visible and structure.square_root_of(n) is not None)
        for node in gathered:
            inner = structure.square_root_of(node)
            parts = structure.terms(inner) if inner is not None else []
            taken = [(s, t) for s, t in parts if not _of_parameter_alone(subject, t)]
            read = frozenset().union(*(t.symbols for _, t in taken))
            if len(taken) == len(parts) or subject.g not in read or not read & subject.moving:
                continue
            right = ex.op("pow", structure.total(taken), ex.const(2), origin=node.origin)
            posts = subject.posts
            posts[position] = ex.replace_node(state.post, node, right)
            yield Repair(page.code, subject.replaced(posts), node, right, where=state.name, root=state.post)


@check("decay-beside-gathered-steps")
def decay_beside_gathered_steps(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """u gathers Δ² + r, where r reads w alone and Δ is the step that the code takes."""
    w = subject.parameter
    for position, state in enumerate(subject.states):
        sums = (n for n in ex.walk(state.post) if n.op in ("add", "sub") and w in n.visible)
        for node in sums:
            parts = structure.terms(node)
            taken = [(s, t) for s, t in parts if t.symbols & subject.moving and subject.g in t.symbols]
            if len(taken) != 1 or structure.square_root_of(taken[0][1]) is None:
                continue
            if all(_of_parameter_alone(subject, t) for s, t in parts if (s, t) not in taken):
                right = structure.total(taken, node.origin)
                posts = subject.posts
                posts[position] = ex.replace_node(state.post, node, right)
                yield Repair(page.code, subject.replaced(posts), node, right, where=state.name, root=state.post)


def _of_parameter_alone(subject: Subject, term: Expr) -> bool:
    others = term.symbols - {subject.parameter}
    return subject.parameter in term.visible and all(s in {h.symbol for h in subject.hypers} for s in others)


def _with_step(subject: Subject) -> list[tuple[State | None, Expr]]:
    """Every equation with its state; the step with none."""
    return [*((s, s.post) for s in subject.states), (None, subject.step)]


def _not_added(state: State) -> Expr | None:
    """a·s + x for s + a·s + x."""
    old = ex.sym(state.old)
    parts = structure.terms(state.post)
    kept = [(s, t) for s, t in parts if structure.slope(t, state.old) not in (None, ZERO)]
    if len(kept) != 2 or (1, old) not in kept:
        return None
    rest = [p for p in parts if p != (1, old)]
    return structure.total(rest, state.post.origin) if len(rest) == len(parts) - 1 else None


@check("adadelta-epsilon")
def adadelta_epsilon(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√u without ε, or with ε outside: u starts at 0, and what is multiplied by its root starts there, too."""
    for v, u in _pairs(subject):
        floors = {k for p in subject.posts for n in ex.walk(p) if (k := _floor(subject, n, u, v)) is not None}
        floor = floors.pop() if len(floors) == 1 else ex.const(1e-6)
        if floors:
            continue
        above = _under_roots(subject, u.old, floor)
        if not above:
            continue
        table = above | _under_roots(subject, v.new, floor)
        posts = [ex.substitute(p, table) for p in subject.posts]
        wrong = next((n for n in ex.walk(subject.step) if n in above), None)
        if wrong is not None:
            made = subject.replaced(posts)
            yield Repair(page.code, made, wrong, above[wrong], where="step", root=subject.step)


def _floor(subject: Subject, node: Expr, u: State, v: State) -> Expr | None:
    """The ε of s + ε and √s + ε."""
    if node.op == "add":
        for a, b in (node.args, node.args[::-1]):
            held = a.args[0] if structure.is_root(a) else a
            if held in (ex.sym(u.old), ex.sym(v.new)) and subject.is_hyper(b):
                return b
    return None


def _under_roots(subject: Subject, symbol: ex.Symbol, floor: Expr) -> dict[Expr, Expr]:
    """√(s + ε) for √s + ε, or else for every bare √s."""
    content = ex.sym(symbol)
    root = ex.op("sqrt", content)
    nodes = [n for p in subject.posts for n in ex.walk(p)]
    outside = [n for n in nodes if n.op == "add" and root in n.args and any(subject.is_hyper(a) for a in n.args)]
    inside = ex.op("sqrt", ex.op("add", content, floor))
    if outside:
        return {n: inside.at(n.origin) for n in outside}
    bare = [n for n in nodes if structure.is_root(n) and (n == root or (content, 1.0) in structure.factors(n.args[0]))]
    return {n: ex.substitute(n, {content: ex.op("add", content, floor)}) for n in bare}
