"""Optimizers whose novelty is the gradient that they take in: what remains is judged.

A gradient that is corrected by its difference from the last one (MARS), or that is stretched where its norm has fallen
(AdaNorm), goes into the moments of an optimizer that is known.
"""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence, State


def with_corrected_gradient(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with g for g + c·(g − l), clipped or not, where l is the last gradient; None without any.

    (Yuan et al. 2024, MARS, arXiv:2411.10438.) None, too, where anything reads the gradient or l apart from that.
    """
    moving = recurrence.moving
    for last in recurrence.states:
        if last.post.symbols & moving or not last.post.symbols or last.is_counter:
            continue
        written = {ex.sym(last.new): last.post}
        posts = [ex.substitute(p, written) for p in recurrence.posts() if p is not last.post]
        takers = [p for p in posts if last.old in p.symbols]
        made = _taken_by_all(takers, last.old, moving - {last.old}) if takers else None
        if made is None or not made.symbols >= last.post.symbols:
            continue
        table = {made: ex.sym(Symbol("g", kind="place", array=True))}
        left = frozenset().union(*(ex.substitute(p, table).symbols for p in posts))
        if left & (last.post.symbols | {last.old, last.new}):
            continue
        return _with(recurrence, [s for s in recurrence.states if s is not last], table, written)
    return None


def of_summed_gradient(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with g for the s' = s + g whose square an average takes in, and nothing clears; None without any.

    Gradients are summed up over the examples of a batch, and where they are cleared (once an epoch, or nowhere) is
    another matter than what becomes of the sum.
    """
    for total in recurrence.states:
        taken = structure.rest(total.post, total.old)
        others = [s for s in recurrence.states if s is not total]
        read = frozenset().union(*(s.post.visible for s in others), recurrence.step.visible)
        plain = structure.slope(total.post, total.old) == ex.const(1) and total.new in read and total.old not in read
        if not plain or taken.symbols & recurrence.moving or taken.op == "const" or structure.squared_in(taken):
            continue
        takers = [(s, structure.retention(s.post, s.old)) for s in others if total.new in s.post.visible]
        squared = any(ex.sym(total.new) in structure.squared_in(s.post) for s, _ in takers)
        gathered = all(own not in (None, ex.const(0), ex.const(1)) or _gathers_square(s, total) for s, own in takers)
        if squared and gathered and not taken.visible & read:
            return _with(recurrence, others, {ex.sym(total.new): taken})
    return None


def _gathers_square(state: State, total: State) -> bool:
    """v + s²."""
    own, taken = structure.slope(state.post, state.old), structure.rest(state.post, state.old)
    return own == ex.const(1) and structure.square_root_of(taken) == ex.sym(total.new)


def of_written_gradient(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with g for the ``sum(w − μ·v + data)`` that all places take in; None without any.

    A gradient that is written out, at a point ahead or beside other parameters: states that only it reads are left out.
    """
    parameter = recurrence.parameter
    if parameter is None or not recurrence.states:
        return None
    busy = recurrence.moving | {parameter.old}

    def is_loss(node: Expr) -> bool:
        data = node.symbols - busy
        return node.op in ("sum", "mean") and parameter.old in node.symbols and any(s.kind == "place" for s in data)

    shared = (n for n in ex.walk(recurrence.step) if is_loss(n) and not _is_squared_sum(n))
    made = max(shared, key=lambda n: n.size, default=None)
    if made is None:
        return None
    table = {made: ex.opaque("gradient", (made,), made.origin)}
    kept: list[State] = []
    more = [ex.substitute(recurrence.step, table)]
    while more:
        read = frozenset().union(*(p.visible for p in more))
        new = [s for s in recurrence.states if s not in kept and {s.old, s.new} & read]
        kept, more = kept + new, [ex.substitute(s.post, table) for s in new]
    if len(kept) == len(recurrence.states) and not made.symbols & recurrence.moving:
        return None
    return _with(recurrence, [s for s in recurrence.states if s in kept], table)


def of_decayed_gradient(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with η·(g + λ·w) for the η·g + η·λ·w of a velocity that takes in both apart; None without any."""
    parameter = recurrence.parameter
    if (
        parameter is None
        or len(recurrence.states) != 1
        or structure.slope(parameter.post, parameter.old) != ex.const(1)
    ):
        return None
    velocity, w = recurrence.states[0], ex.sym(parameter.old)
    parts = structure.terms(velocity.post)
    taken = [(s, t) for s, t in parts if velocity.old not in t.symbols]
    (sign, driven), *more = sorted(taken, key=lambda p: parameter.old in p[1].symbols) or [(1, w)]
    if len(more) != 1 or parameter.old in driven.visible or (w, 1.0) not in structure.factors(more[0][1]):
        return None
    turned, decay = more[0]
    sizes = [p for p in structure.factors(driven) if p in structure.factors(decay)]
    left = [structure.without_factors(t, structure.product(sizes)) for t in (driven, decay)]
    if not sizes or any(e != 1 for _, e in sizes) or None in left or len(left[0] or ()) != 1:
        return None
    g, shrinking = (structure.product(p or ()) for p in left)
    whole = ex.op("add" if sign == turned else "sub", g, shrinking, origin=decay.origin)
    kept = [p for p in parts if p not in taken]
    made = ex.op("mul", structure.product(sizes), whole)
    post = structure.total([*kept, (sign, made)], velocity.post.origin)
    return recurrence.changed(lambda p: post if p is velocity.post else p)


def _is_squared_sum(node: Expr) -> bool:
    """A squared norm."""
    return structure.square_root_of(node.args[0]) is not None


def _taken_by_all(posts: list[Expr], last: Symbol, others: frozenset[Symbol]) -> Expr | None:
    """The largest expression with the last gradient, and nothing else that is kept, that all of these read."""
    made = {n: None for n in ex.walk(posts[0]) if last in n.symbols and not n.symbols & others and n.args}
    common = [n for n in made if all(ex.contains(p, n) for p in posts[1:])]
    return max(common, key=lambda n: n.size, default=None)


def of_plain_gradient(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with g for ``where(‖g‖ < n, g·n/‖g‖, g)`` where n is kept; None without any.

    (Dubey et al. 2023, AdaNorm.) States that only the condition and the factor read are left out.
    """
    moving = recurrence.moving
    table: dict[Expr, Expr] = {}
    for post in recurrence.posts():
        for node in ex.walk(post):
            if node.op == "where" and node.args[0].symbols & moving and _compares_sizes(node.args[0]):
                plain = next((a for a, b in (node.args[1:], node.args[:0:-1]) if _is_stretched(b, a, moving)), None)
                if plain is not None:
                    table[node] = plain
    if not table:
        return None
    read = frozenset().union(*(ex.substitute(p, table).symbols for p in recurrence.posts()))
    kept = [s for s in recurrence.states if s.new in read or _is_read_elsewhere(s, recurrence.states, table)]
    return _with(recurrence, kept, table)


def _compares_sizes(condition: Expr) -> bool:
    return any(n.op in ex.REDUCTIONS for n in ex.walk(condition))


def _is_stretched(node: Expr, plain: Expr, moving: frozenset[Symbol]) -> bool:
    """``plain`` times something that reads what is kept."""
    if plain.symbols & moving or not plain.symbols:
        return False
    left = structure.without_factors(node, plain)
    return left is not None and any(f.symbols & moving for f, _ in left)


def _is_read_elsewhere(state: State, states: list[State], table: dict[Expr, Expr]) -> bool:
    return any(state.old in ex.substitute(s.post, table).symbols for s in states if s is not state)


def _with(
    recurrence: Recurrence, states: list[State], table: dict[Expr, Expr], before: dict[Expr, Expr] | None = None
) -> Recurrence:
    return recurrence.changed(lambda post: ex.substitute(ex.substitute(post, before or {}), table), states)
