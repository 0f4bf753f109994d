"""Simpler views of an update that is like nothing known: after its first step; without what is idle by default."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import replace

import numpy as np

from optlint.diagnose.gradients import (
    of_decayed_gradient,
    of_plain_gradient,
    of_summed_gradient,
    of_written_gradient,
    with_corrected_gradient,
)
from optlint.intent import meant
from optlint.knowledge import conventions
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import evaluate
from optlint.subject import pseudo

ZERO, ONE = ex.const(0), ex.const(1)
_OF_TIME = frozenset({"pow", "log", "exp", "min", "max", "where", "eq", "ne", "lt", "le", "gt", "ge"})
_PRODUCT = frozenset({"mul", "div", "neg"})
TINY = 1e-5  # beside a correction
NEGLIGIBLE = 1e-12  # below a root, beside an ε outside


def views(recurrence: Recurrence) -> Iterator[Recurrence]:
    """The recurrence without what it does at its first step alone, without settings that are 0 by default, or both.

    Also at a step that is taken, where a switch can leave steps out; with decays and momentum that follow no schedule;
    with one ε, and none in a correction; with a step whose size no norm sets; with a decay of w² for one of |w|; within
    its bounds; with the gradient as it is taken in (``gradients``). All of these together come last.
    """
    later = after_first_step(recurrence)
    if later is not None:
        yield later
    for view in (recurrence, later):
        plain = without_idle(view) if view is not None else None
        if plain is not None:
            yield plain
    together, made = recurrence, 0
    for simplify in SIMPLER:
        simpler = simplify(recurrence)
        if simpler is not None:
            yield simpler
            beside = simplify(together) if made else simpler
            together, made = beside or together, made + (beside is not None)
    if made > 1:
        yield together
    if made and later is not None and (plain := after_first_step(together)) is not None:
        yield plain


def switched_on(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence where the factor without which all stands still (``step_factor``) is 1; None without any."""
    switch = next((n for n in _read_by_all(recurrence) if _stands_still(recurrence, n)), None)
    if switch is None:
        return None
    table = {switch: ex.const(1)}
    view = _changed(recurrence, lambda post: structure.tidy(ex.substitute(post, table)))
    if view is None:
        return None
    counting = [s for s in view.states if s.is_counter]  # t + step_factor
    return replace(view, states=[s for s in view.states if not s.is_counter], counters=[*view.counters, *counting])


def _read_by_all(recurrence: Recurrence) -> list[Expr]:
    """What every equation reads and none keeps: symbols, and what unknown calls give."""
    if recurrence.parameter is None or len(recurrence.states) < 2:
        return []
    kept = {ex.sym(x) for s in (*recurrence.states, *recurrence.counters, recurrence.parameter) for x in (s.old, s.new)}
    first, *others = (dict.fromkeys(ex.walk(p)) for p in recurrence.posts())
    common = [n for n in first if n not in kept and all(n in other for other in others)]
    return [n for n in common if n.op == "opaque" or (n.op == "sym" and n.symbol.default is None)]


def _stands_still(recurrence: Recurrence, switch: Expr) -> bool:
    assert recurrence.parameter is not None
    states = [*recurrence.states, recurrence.parameter]
    symbols = sorted(frozenset().union(*(p.symbols for p in recurrence.posts())), key=lambda s: s.name)
    bound = {symbol: 0.3 + 0.4 * k / len(symbols) for k, symbol in enumerate(symbols)}
    bound |= {s.new: bound[s.old] for s in states if s.old in bound}
    off = {switch: ex.const(0)}
    left = [(s.old, evaluate(ex.substitute(s.post, off), bound, pseudo)) for s in states]
    return all(old in bound and bool(np.isclose(content, bound[old], rtol=1e-12)) for old, content in left)


def with_steady_decays(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with β for β·λᵗ in what the averages keep (Kingma & Ba 2015, section 4); None without any.

    Also for β·(1 − t/T)/(1 − β + β·(1 − t/T)) and the like, which are β at t = 0 (Chen et al. 2019, Demon,
    arXiv:1910.04952).
    """
    kept = [structure.retention(s.post, s.old) for s in recurrence.states]
    table: dict[Expr, Expr] = {}
    for own in kept:
        first = _at_zero_time(own) if own is not None and not own.symbols & recurrence.moving else None
        if own is not None and first is not None:
            table[own] = first
        parts = structure.factors(own) if own is not None else []
        powers = [f for f, e in parts if e == 1 and f.op == "pow" and f.args[1].op != "const" and f.args[0].op == "sym"]
        if 0 < len(powers) < len(parts):
            table |= dict.fromkeys(powers, ex.const(1))
    return _changed(recurrence, lambda post: structure.tidy(ex.substitute(post, table))) if table else None


def _at_zero_time(own: Expr) -> Expr | None:
    """The β that a quotient of settings is where one of them, which it divides by another, is 0."""
    nodes = list(ex.walk(own))
    if any(n.op not in ("add", "sub", "mul", "div", "sym", "const") or _is_array(n) for n in nodes):
        return None
    counts = {n.args[0].symbol for n in nodes if n.op == "div" and n.args[0].op == n.args[1].op == "sym"}
    usual = {s: 0.3 + 0.5 * k / len(own.symbols) for k, s in enumerate(sorted(own.symbols, key=lambda s: s.name))}
    for count in sorted(counts, key=lambda s: s.name):
        value = evaluate(own, {**usual, count: 0.0}, pseudo)
        for symbol in own.symbols - {count}:
            if np.isclose(float(value), usual[symbol], rtol=1e-12):
                return ex.sym(symbol)
    return None


def with_steady_momentum(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence of a single velocity with one μ for μ(t), whatever schedule that follows; None without any."""
    if len(recurrence.states) != 1:
        return None
    state = recurrence.states[0]
    own = structure.retention(state.post, state.old)
    timed = {x for c in recurrence.counters for x in (c.old, c.new)} | set(recurrence.indices)

    def varies(node: Expr) -> bool:
        plain = node.op in ("sym", "const", "opaque") or any(n.op == "opaque" or _is_array(n) for n in ex.walk(node))
        return not plain and bool(node.symbols & timed or any(n.op in _OF_TIME for n in ex.walk(node)))

    parts = [f for f, e in structure.factors(own) if e == 1 and f != ONE] if own is not None else []
    varying = [f for f in parts if varies(f)]
    if not varying or recurrence.moving & frozenset().union(*(f.symbols for f in varying)):
        return None
    table = dict.fromkeys(varying, ONE)
    if len(varying) == len(parts):
        table[varying[0]] = ex.sym(Symbol("μ", default=0.9))
    return _changed(recurrence, lambda post: structure.tidy(ex.substitute(post, table)))


def _is_array(node: Expr) -> bool:
    return node.op == "sym" and node.symbol.array


def with_one_floor(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with √v + ε for √(v + 1e-15) + ε or √max(v, 1e-15) + ε, which are for rounding, or for optax's
    √(v + ε₀) + ε; with √v − ε likewise, and √(v + ε) for √(v + ε + ε) or √(max(v, 1e-15) + ε), with or without that
    root. None without any.
    """
    table: dict[Expr, Expr] = {}
    w = {recurrence.parameter.old} if recurrence.parameter is not None else frozenset()
    kept = {ex.sym(x) for x in recurrence.moving.union(w, *(s.post.symbols for s in recurrence.states))}
    for post in recurrence.posts():
        for node in ex.walk(post):
            below = node.args[0] if structure.is_root(node) else node.args[1] if node.op == "div" else node
            once = _with_one_summand(below, kept) if below is not node and below.op == "add" else None
            if once is not None:
                table[below] = once
            ways = (node.args, node.args[::-1]) if node.op == "add" else (node.args,) if node.op == "sub" else ()
            for root, floor in ways:
                known = floor.op in ("sym", "const") and floor not in kept
                while structure.is_root(root) and structure.is_root(root.args[0]):
                    root = root.args[0]  # one too many
                if not structure.is_root(root) or root.args[0].op not in ("add", "max") or not known:
                    continue
                inside, small = root.args[0].args
                if root.args[0].op == "max":
                    if _is_negligible(small):
                        table[root] = ex.op("sqrt", inside, origin=root.origin)
                    continue
                named = small.op == "sym" and small not in kept and not small.symbol.array
                if named or (small.op == "const" and 0 < small.number <= NEGLIGIBLE):
                    table[root] = ex.op("sqrt", inside, origin=root.origin)
    return _changed(recurrence, lambda post: ex.substitute(post, table)) if table else None


def _with_one_summand(total: Expr, kept: Set[Expr]) -> Expr | None:
    """v + ε for v + ε + ε, or for max(v, 1e-15) + ε; None where it is no such sum."""
    first, floor = total.args
    if floor.op != "sym" or floor in kept or floor.symbol.array:
        return None
    if first.op == "max" and _is_negligible(first.args[1]):
        return ex.op("add", first.args[0], floor, origin=total.origin)
    return first if first.op == "add" and first.args[1] == floor else None


def _is_negligible(small: Expr) -> bool:
    return _is_bound(small, 1) and 0 < ex.substitute(small, _defaults(small)).number <= NEGLIGIBLE


def _defaults(node: Expr) -> dict[Expr, Expr]:
    return {ex.sym(s): ex.const(s.default) for s in node.symbols if s.default is not None}


def within_bounds(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with u for min(max(u, −c), c) where u is made of what is kept; None without any.

    Bounds to both sides of zero only keep a step or a gradient from running away.
    """

    def go(node: Expr) -> Expr:
        if not node.args:
            return node
        node = Expr(node.op, tuple(map(go, node.args)), node.value, node.origin)
        for inner, bound in (node.args, node.args[::-1]) if node.op in ("min", "max") else ():
            if _is_bound(bound, 1 if node.op == "min" else -1) and inner.op == _OTHER_SIDE[node.op]:
                for held, other in (inner.args, inner.args[::-1]):
                    if _is_bound(other, -1 if node.op == "min" else 1):
                        return held
        return node

    return _changed(recurrence, go)


_OTHER_SIDE = {"min": "max", "max": "min"}


def _is_bound(node: Expr, sign: int) -> bool:
    """A number, or a setting, on one side of zero."""
    if node.op == "neg" and node.args[0].op == "sym":
        node, sign = node.args[0], -sign
    value = node.symbol.default if node.op == "sym" else node.value if node.op == "const" else None
    return isinstance(value, (int, float)) and value * sign > 0


def with_plain_corrections(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with 1 − βᵗ for 1 − βᵗ + ε, or its root, which is never 0 anyhow; None without any."""
    table: dict[Expr, Expr] = {}
    for node in (n for p in recurrence.posts() for n in ex.walk(p) if n.op == "add"):
        for inner, floor in (node.args, node.args[::-1]):
            bare = inner.args[0] if structure.is_root(inner) else inner
            if bare.op == "sub" and bare.args[0] == ONE and bare.args[1].op == "pow" and _is_tiny(floor):
                table[node] = inner
    return _changed(recurrence, lambda post: ex.substitute(post, table)) if table else None


def _is_tiny(node: Expr) -> bool:
    value = node.symbol.default if node.op == "sym" else node.value if node.op == "const" else None
    return isinstance(value, (int, float)) and 0 < value <= TINY


def of_plain_size(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with u for u/max(1, ‖u‖/d) in its step: one number for the whole tensor only sizes it.

    Steps are clipped so (StableAdamW), or fitted to the parameter's norm. None without any, and where such a norm
    belongs to the optimizer that the update is called after (LAMB).
    """
    kept = recurrence.moving

    def go(node: Expr, parts: frozenset[str]) -> Expr:
        if not node.symbols & kept or node.op not in parts:
            return node
        if node.op in ("mul", "div") and any(_is_one_number(a, kept) for a in node.args[node.op == "div" :]):
            sizes = [size_in(a) if _is_one_number(a, kept) else go(a, parts) for a in node.args]
            return Expr(node.op, tuple(sizes), node.value, node.origin)
        below = _PRODUCT if node.op == "div" else parts  # a sum below the line is no sum of steps
        args = (*(go(a, parts) for a in node.args[:1]), *(go(a, below) for a in node.args[1:]))
        return node if args == node.args else Expr(node.op, args, node.value, node.origin)

    def size_in(node: Expr) -> Expr:
        """η in −η·‖w‖/‖u‖: the sign and the settings stay."""
        if not node.symbols & kept:
            return node
        if node.op not in _PRODUCT:
            return ONE
        return Expr(node.op, tuple(map(size_in, node.args)), node.value, node.origin)

    step = go(recurrence.step, _PRODUCT | {"add", "sub"})
    if step == recurrence.step or not recurrence.states or _is_called_after_norms(recurrence):
        return None
    return _changed(recurrence, lambda post: step if post == recurrence.step else post)


def _is_called_after_norms(recurrence: Recurrence) -> bool:
    named = meant(recurrence.called)
    return named is not None and any(v.title == named.title and "norm(" in v.equations for v in conventions())


def _is_one_number(node: Expr, kept: frozenset[Symbol]) -> bool:
    """Reads what is kept from step to step, as sums and norms of it alone."""

    def scalar(inner: Expr) -> bool:
        if inner.op in ex.REDUCTIONS or not inner.symbols & kept:
            return True
        return inner.op in ex.ELEMENTWISE and all(map(scalar, inner.args))

    return bool(node.symbols & kept) and scalar(node)


def with_plain_decay(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with λ·w for a decoupled λ·sign(w), which shrinks weights by another measure (L1)."""
    if recurrence.parameter is None:
        return None
    w, busy = ex.sym(recurrence.parameter.old), recurrence.moving
    sign = Expr("sign", (w,))
    shrinking = (t for _, t in structure.terms(recurrence.step) if (sign, 1.0) in structure.factors(t))
    table = {t: ex.substitute(t, {sign: w}) for t in shrinking if not t.symbols & busy}
    return recurrence.with_step(lambda step: ex.substitute(step, table)) if table else None


def after_first_step(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence without what the code does at the first step alone; None where that is nothing."""
    view = _changed(recurrence, structure.after_first)
    whole = frozenset(s.old for s in recurrence.states if _begins_whole(s))
    return replace(view, started=recurrence, whole=whole) if view is not None else None


def _begins_whole(state: State) -> bool:
    """An average that holds its first input itself (m = g), and not 1 − β of it."""
    firsts = structure.at_first(state.post) if state.post.op == "where" else []
    average = structure.after_first(state.post)
    own = structure.slope(average, state.old) if len(firsts) == 1 else None
    if own is None:
        return False
    parts = structure.factors(structure.rest(average, state.old))
    taken = structure.product([p for p in parts if not structure.is_complement(p[0], own)])
    return taken != structure.product(parts) and taken == structure.product(structure.factors(firsts[0]))


def without_idle(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with its summands that are 0 by default left out (optax's ``eps_root=0.0``); None without any."""
    idle = idle_settings(recurrence)
    view = _changed(recurrence, lambda post: at_zero(post, idle)) if idle else None
    return replace(view, left_out=idle) if view is not None else None


def idle_settings(recurrence: Recurrence) -> frozenset[Symbol]:
    """The settings that the code itself gives the number 0, and that stand as a summand or its factor.

    No setting is what something is raised to: a count, even one that is stuck.
    """
    moving = recurrence.moving | {c.old for c in recurrence.counters}
    found: set[Symbol] = set()
    for post in recurrence.posts():
        for node in ex.walk(post):
            if node.op == "pow":
                moving = moving | node.args[1].symbols
            if node.op in ("add", "sub"):
                for _, term in structure.terms(node):
                    found |= {f.symbol for f, e in structure.factors(term) if f.op == "sym" and e > 0}
    return frozenset(s for s in found - moving if s.default == 0 and s.kind != "index")


def at_zero(root: Expr, idle: frozenset[Symbol]) -> Expr:
    """The expression where those symbols are 0, without the summands that they take along."""
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        if not node.symbols & idle:
            return node
        if id(node) not in memo:
            memo[id(node)] = _simplified(node, tuple(go(a) for a in node.args))
        return memo[id(node)]

    def _simplified(node: Expr, args: tuple[Expr, ...]) -> Expr:
        if node.op == "sym":
            return ZERO
        if (node.op in ("mul", "div") and args[0] == ZERO) or (node.op == "mul" and args[1] == ZERO):
            return ZERO
        if node.op in ("add", "sub") and args[1] == ZERO:
            return args[0]
        if node.op == "add" and args[0] == ZERO:
            return args[1]
        return Expr(node.op, args, node.value, node.origin)

    return go(root)


def _changed(recurrence: Recurrence, change: Callable[[Expr], Expr]) -> Recurrence | None:
    read = {n for p in recurrence.posts() for n in ex.walk(p)}
    kept = recurrence.kept and (_changed(recurrence.kept, change) or recurrence.kept)
    view = replace(recurrence.changed(change), kept=kept)
    still = {n for p in view.posts() for n in ex.walk(p)}
    changed = (replace(s, expr=change(s.expr)) if s.expr in read else s for s in recurrence.stored)
    view.stored = [s for s in changed if s.expr in still or s.expr not in read]  # what the whole update reads is used
    return None if view.posts() == recurrence.posts() else view


SIMPLER = (
    with_plain_corrections,
    with_corrected_gradient,
    of_plain_gradient,
    of_summed_gradient,
    of_written_gradient,
    of_decayed_gradient,
    switched_on,
    with_steady_decays,
    with_steady_momentum,
    with_one_floor,
    of_plain_size,
    with_plain_decay,
    within_bounds,
)
