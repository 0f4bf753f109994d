"""Gradients that the code writes out and that it takes at a point ahead: f(w − μ·v), whatever formula f is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State

ZERO, ONE = ex.const(0), ex.const(1)


def with_gradient_ahead(velocity: State, states: Sequence[State]) -> Expr:
    """The velocity's new content with a call for the formula that reads w − μ·v, where w moves by what v becomes.

    A formula may be linear in w and v (least squares), and then adds to what seems to be kept of v.
    """
    post = velocity.post
    moved = [s for s in states if s is not velocity and velocity.new in s.post.visible]
    for parameter in (s for s in moved if (1, ex.sym(s.old)) in structure.terms(s.post)):
        points = dict(_points(post, parameter, velocity))
        for _, term in structure.terms(post) if points else ():
            read = [(f, e) for f, e in structure.factors(term) if _reads(f, points)]
            written = structure.product(read)
            away = {parameter.old, velocity.old}
            alone = written in points and all(t.symbols & away for _, t in structure.terms(written))
            if read and not alone:  # the point itself, which a decay reads, is no gradient
                point = next(points[n] for n in ex.walk(written) if n in points)
                gradient = ex.opaque("gradient", [point], written.origin or term.origin)
                rest = [p for p in structure.factors(term) if p not in read]
                post = ex.substitute(post, {term: structure.product([*rest, (gradient, 1.0)], term.origin)})
    return post


def _points(post: Expr, parameter: State, velocity: State) -> Iterator[tuple[Expr, Expr]]:
    """The sums in an equation that read w ± c·v, each with that."""
    w, v = parameter.old, velocity.old
    for node in ex.walk(post):
        if node.op in ("add", "sub") and {w, v} <= node.visible and structure.slope(node, w) == ONE:
            own = structure.slope(node, v)
            if own is not None and own != ZERO and not own.symbols & {w, v}:
                turned, size = ("sub", _turned(own)) if structure.is_negative(own) else ("add", own)
                yield node, ex.op(turned, ex.sym(w), ex.op("mul", size, ex.sym(v)))


def _turned(size: Expr) -> Expr:
    return structure.total([(-sign, term) for sign, term in structure.terms(size)])


def _reads(node: Expr, points: Mapping[Expr, Expr]) -> bool:
    return any(n in points for n in ex.walk(node))
