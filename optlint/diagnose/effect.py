"""Results that nobody takes: what an update does without them, and what it would do with them.

No convention is asked: a call that changes nothing in place, and whose result goes nowhere, has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from optlint.diagnose.outline import holds_step_size
from optlint.diagnose.pairs import with_gradient
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Dropped
from optlint.lift.recurrence import Recurrence
from optlint.model import Span
from optlint.prepare import prepare
from optlint.subject import Clock, Subject


@dataclass(frozen=True, slots=True)
class Effect:
    """An update as it runs, and as if one result were kept that the code drops."""

    dropped: Dropped
    written: Subject
    kept: Subject

    @property
    def span(self) -> Span:
        """The call, or the whole statement where a name takes its result."""
        stored = self.kept.recurrence.stored if self.dropped.bound else []
        named = (s.span for s in stored if s.span is not None and s.expr.origin == self.dropped.span)
        return next(named, self.dropped.span)


def effect_of(recurrence: Recurrence) -> Effect | None:
    """The first result that an update drops, and that would change what it does."""
    if recurrence.kept is None:
        return None
    made = prepare(recurrence.kept)
    for dropped in recurrence.dropped if made.gradient is not None or recurrence.on_parameter else ():
        found = _forgotten(made, dropped) if dropped.bound else _without(made, dropped)
        if found is not None:
            return Effect(dropped, *found)
    return None


def _without(made: Subject, dropped: Dropped) -> tuple[Subject, Subject] | None:
    """The update with the place's content as it stays, and with the result; None where that makes no difference."""
    before = _in_terms_of(made, dropped.before)
    table = {expr: ex.sym(symbol) for symbol, expr in made.stands_for.items()}
    table |= {s.post: ex.sym(s.new) for s in made.recurrence.states if s.post.args}
    posts = [_stays(p, dropped, ex.substitute(before, table)) for p in made.posts]
    clocks = _counted(made, dropped)
    if posts != made.posts or clocks != made.clocks:
        known = _read(made.posts) | made.moving | {made.g, made.parameter}
        return (made.replaced(posts, clocks=clocks), made) if _read(posts) <= known else None
    gradient = _stays(made.gradient, dropped, before) if made.gradient is not None else None
    if gradient == made.gradient:
        return None
    return with_gradient(made, gradient), with_gradient(made, made.gradient)


def _forgotten(made: Subject, dropped: Dropped) -> tuple[Subject, Subject] | None:
    """The update with a state whose new content serves this one step, and with one that keeps it."""
    state = next((s for s in made.states if s.post.origin == dropped.span), None)
    if state is None or state.old not in state.post.visible:
        return None
    table = {ex.sym(state.new): state.post}
    posts = [ex.sym(s.old) if s is state else ex.substitute(s.post, table) for s in made.states]
    return made.replaced([*posts, ex.substitute(made.step, table)]), made


def _in_terms_of(made: Subject, before: Expr) -> Expr:
    """With the update's own symbols for those of a loop inside it, which have the same names."""
    gradient = made.gradient.symbols if made.gradient is not None else frozenset()
    parameter = {made.parameter} if made.parameter is not None else set()
    known = {s.name: s for s in (*_read(made.posts), *gradient, *made.moving, *parameter)}
    strange = {s for s in before.symbols if s not in known.values() and s.name in known}
    return ex.substitute(before, {ex.sym(s): ex.sym(known[s.name]) for s in strange})


def _stays(post: Expr, dropped: Dropped, before: Expr) -> Expr:
    """An equation in which a place keeps what it holds."""
    for node in ex.walk(post):
        if node.origin == dropped.span:
            post = ex.replace_node(post, node, before)
    return post


def _counted(made: Subject, dropped: Dropped) -> list[Clock]:
    """The clocks, of which one may stand still."""
    still: set[Symbol] = set()
    for counter in made.recurrence.counters:
        if counter.post.origin == dropped.span:
            still |= {counter.old, counter.new}
    return [replace(c, first=_at_rest(c, made), by=0.0) if c.symbol in still else c for c in made.clocks]


def _at_rest(clock: Clock, made: Subject) -> float:
    """Where a counter is that never advances."""
    advanced = any(c.new is clock.symbol for c in made.recurrence.counters)
    return clock.first - clock.by if advanced else clock.first


def _read(posts: list[Expr]) -> frozenset[Symbol]:
    return frozenset().union(*(p.symbols for p in posts))


def is_scaled(made: Subject) -> bool:
    """The step has a size, as a step of a parameter has, and a log of parameters or losses has not.

    Or the velocity has that it is, v' = μ·v + η·g, of which η may count as a part of the gradient.
    """
    rated = holds_step_size(made.gradient)
    data = made.moving | made.time | {made.g, made.parameter}
    velocities = {ex.sym(s.new): structure.rest(s.post, s.old) for s in made.states}

    def sized(node: Expr) -> bool:
        parts = (structure.factors(term) for _, term in structure.terms(node))
        return all(
            any(
                (not f.symbols & data and f.op != "opaque")
                or (f in velocities and sized(velocities[f]))
                or (rated and f == ex.sym(made.g))
                for f, _ in p
            )
            for p in parts
        )

    return sized(made.drive)
