"""Simpler views of an update that is like nothing known: after its first step; with idle settings left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence

ZERO = ex.const(0)


def views(recurrence: Recurrence) -> Iterator[Recurrence]:
    """The recurrence without what it does at its first step alone, without settings that are 0 by default, or both."""
    later = after_first_step(recurrence)
    if later is not None:
        yield later
    for view in (recurrence, later):
        plain = without_idle(view) if view is not None else None
        if plain is not None:
            yield plain


def after_first_step(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence without what the code does at the first step alone; None where that is nothing."""
    return _changed(recurrence, structure.after_first)


def without_idle(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence with its summands that are 0 by default left out (optax's ``eps_root=0.0``); None without any."""
    idle = idle_settings(recurrence)
    view = _changed(recurrence, lambda post: at_zero(post, idle)) if idle else None
    return replace(view, left_out=idle) if view is not None else None


def idle_settings(recurrence: Recurrence) -> frozenset[Symbol]:
    """The settings that the code itself gives the number 0, and that stand as a summand or its factor."""
    states = {x for s in recurrence.states for x in (s.old, s.new)} | {c.old for c in recurrence.counters}
    found: set[Symbol] = set()
    for post in recurrence.posts():
        for node in ex.walk(post):
            if node.op in ("add", "sub"):
                for _, term in structure.terms(node):
                    found |= {f.symbol for f, e in structure.factors(term) if f.op == "sym" and e > 0}
    return frozenset(s for s in found - states if s.default == 0 and s.kind != "index")


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
    states = [replace(s, post=change(s.post)) for s in recurrence.states]
    parameter = recurrence.parameter and replace(recurrence.parameter, post=change(recurrence.parameter.post))
    output = recurrence.output and change(recurrence.output)
    read = {n for p in recurrence.posts() for n in ex.walk(p)}
    stored = [s for s in recurrence.stored if s.expr not in read]  # what the whole update reads is used
    view = replace(recurrence, states=states, parameter=parameter, output=output, stored=stored)
    return None if view.posts() == recurrence.posts() else view
