"""What the equations of states and outputs look like: averages, sums of squares, lengths, parameters that go down."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.objects import Cell, Scope
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import State


def is_report(output: Expr) -> bool:
    """How far it went, how large it was: norms and sums, and nothing besides, are no step of an array."""
    rest = _without_lengths(output)
    return rest is not None and all(s.default is not None for s in rest.symbols)


def _without_lengths(output: Expr) -> Expr | None:
    """With 0 for norms and sums; None where there are none."""
    lengths = {n for n in ex.walk(output) if n.op in ex.REDUCTIONS}
    squared = {
        n
        for n in ex.walk(output)
        if n.op == "pow" and n.args[0] in lengths and n.args[1].op == "const" and n.args[1].number > 0
    }
    return ex.substitute(output, dict.fromkeys(lengths | squared, ex.const(0))) if lengths else None


def goes_down(state: State) -> bool:
    """w − η·g, with nothing added."""
    parts = structure.terms(state.post)
    return len(parts) > 1 and [t for sign, t in parts if sign > 0] == [ex.sym(state.old)]


def is_summed(state: State) -> bool:
    return structure.slope(state.post, state.old) == ex.const(1)


def begins_anew(output: Expr) -> bool:
    """A step under whose root an average goes on from 0: η·g/√(β·0 + (1 − β)·g²)."""
    roots = (n for n in ex.walk(output) if structure.is_root(n))
    return any(structure.goes_on_from_zero(n) for root in roots for n in ex.walk(root))


def remembers(state: State, other: State) -> bool:
    """A name that is left from an earlier loop: it holds the other place's content, or what it held before."""
    post = state.post
    return post.op == "where" and {*post.args[1:]} == {ex.sym(state.old), ex.sym(other.old)}


def keeps_part(state: State) -> bool:
    """Neither all nor nothing of the old content stays: a parameter's decayed gradient may well go into it."""
    later = structure.after_first(state.post)
    slopes = [structure.slope(later, state.old)]
    if slopes[0] is None:  # μ·v + η·∇f(w − μ·v): the gradient is written out, and reads v
        slopes = [structure.slope(term, state.old) for _, term in structure.terms(later)]
    return any(own not in (None, ex.const(0), ex.const(1)) for own in slopes) or gathers_squares(state)


def gathers_squares(state: State) -> bool:
    """s + g², β·s + (g − m)² + ε: no parameter moves like that."""
    if structure.slope(state.post, state.old) in (None, ex.const(0)):
        return False
    parts = structure.terms(structure.rest(state.post, state.old))
    squared = [_is_squared(term) for _, term in parts]
    return any(squared) and all(
        sign > 0 and (square or term.op in ("sym", "const"))
        for square, (sign, term) in zip(squared, parts, strict=True)
    )


def gathers_lengths(state: State) -> bool:
    """A name that begins with 0, and adds up the norms of tensors: a length over all of them, not over time.

    What weighs them may be anything (a penalty's μ/2).
    """
    home = state.slot.home if state.slot is not None else None
    in_place = isinstance(home, Cell) and state.slot is not None and not state.slot.key and home.place.isidentifier()
    if not (isinstance(home, Scope) or in_place) or state.initial != ex.const(0):
        return False
    one_more = structure.slope(state.post, state.old) == ex.const(1)
    rest = _without_lengths(structure.rest(state.post, state.old)) if one_more else None
    return rest is not None and all(s.default is not None for s in structure.tidy(rest).symbols)


def _is_squared(term: Expr) -> bool:
    return any(f.symbols and structure.exponent_of(term, f) == 2 for f, _ in structure.factors(term))


def draws_in_squares(state: State) -> bool:
    """s + c·(x² − s), an average of squares, even of what is made of s itself (Adadelta's steps); or Yogi's
    s − c·sign(s − x²)·x²."""
    old = (1, ex.sym(state.old))
    taken = [term for term in structure.terms(state.post) if term != old]
    if len(taken) != 1:
        return False
    factors = [f for f, _ in structure.factors(taken[0][1])]
    if any(f.op == "sign" and state.old in f.visible for f in factors):
        return _is_squared(taken[0][1])
    if taken[0][0] < 0:
        return False
    sums = (structure.terms(f) for f, e in structure.factors(taken[0][1]) if e == 1 and f.op == "sub")
    return any(
        (-1, old[1]) in parts and all(sign > 0 and _is_squared(t) for sign, t in parts if t != old[1]) for parts in sums
    )


def is_average(state: State, own: Expr) -> bool:
    """a·s + (1 − a)·x: what is kept and what is taken in weigh one together, which no decay of weights does.

    A setting that is added besides (AdaBelief's ε) weighs nothing.
    """
    taken = [(s, t) for s, t in structure.terms(structure.rest(state.post, state.old)) if not _is_number(t)]
    return bool(taken) and all(
        sign > 0 and any(e == 1 and structure.is_complement(f, own) for f, e in structure.factors(term))
        for sign, term in taken
    )


def decays_beside_a_gradient(state: State, own: Expr) -> bool:
    """(1 − η·λ)·w − η·u, where u is made of what is called a gradient: one step size scales both."""
    if own.op == "where" or structure.number_at(own, dict.fromkeys(own.symbols, 0.0)) != 1:
        return False
    taken = structure.rest(state.post, state.old)
    if any(n.op == "opaque" and n.args for n in ex.walk(taken)):
        return False  # what unseen code makes of a gradient may be anything
    sizes = (f.symbols for _, term in structure.terms(taken) for f, e in structure.factors(term) if e == 1)
    return any(size and size < own.symbols for size in sizes) and any(is_called_gradient(s.name) for s in taken.symbols)


def _is_number(term: Expr) -> bool:
    """Made of what the code itself gives a number."""
    return all(n.op != "opaque" and (n.op != "sym" or n.symbol.default is not None) for n in ex.walk(term))
