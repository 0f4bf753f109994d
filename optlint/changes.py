"""Changes of gradient and weights from step to step: what an update keeps of the last ones, to tell them by."""

from __future__ import annotations

from collections.abc import Iterator

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.subject import Subject


def kept_for_changes(subject: Subject) -> dict[Symbol, Expr]:
    """The states that have to hold the last gradient (or its negative), with what each has to get in every step."""
    begun = {ex.sym(s.new): s.post for s in subject.states if structure.after_first(s.post) == ex.sym(s.old)}
    told = (c for post in subject.posts for c in _changes(ex.substitute(post, begun), subject.g))
    states = {s.old for s in subject.states}
    return {place: wanted for place, wanted in told if place in states}


def moves_of_nothing(subject: Subject) -> list[State]:
    """The places that weights are compared with, ``w − h``, and that have taken the new weights before: h' = w'."""
    if subject.parameter is None:
        return []
    w, nodes = ex.sym(subject.parameter), [n for p in subject.posts for n in ex.walk(p) if n.op == "sub"]
    kept = [s for s in subject.states if s.post == subject.step]
    return [s for s in kept if any(n.args == (w, ex.sym(s.old)) for n in nodes)]


def _changes(root: Expr, g: Symbol) -> Iterator[tuple[Symbol, Expr]]:
    """(s, c·g) for each ``where(step = 1, c·g, s)`` with a g beside that makes it 0 at the first step."""
    last = ex.sym(g)
    begin = {"add": ex.op("neg", last), "sub": last}
    for node in ex.walk(root):
        for kept, other in (node.args, node.args[::-1]) if node.op in begin else ():
            starts = kept.op == "where" and structure.at_first(kept) == [begin[node.op]]
            if starts and other == last and kept.args[2].op == "sym":
                yield kept.args[2].symbol, begin[node.op]
