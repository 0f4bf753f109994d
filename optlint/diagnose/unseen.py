"""Bias corrections that may lie where an update's own code does not show them."""

from __future__ import annotations

import re

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.subject import Subject

_RATE = re.compile(r"lr|rate|eta|alpha|^a$", re.IGNORECASE)


def is_out_of_sight(subject: Subject) -> bool:
    """The correction may lie elsewhere.

    An unknown call makes something of a decay (``lr * debias(beta2, step)``), or gives what is taken from 1
    (``1 - self.kept("beta1_power")``), or some place does that no decay is (``1 - self.beta1_power``); unseen code
    gets m/√v and gives it its size; a size that is 1 − p, or a count that no equation reads, is handed back beside a
    direction without a size; or an unseen caller hands in the moments and beside them a step size that is not called a
    learning rate (where t is here, so are corrections).
    """
    recurrence = subject.recurrence
    kept = [structure.retention(s.post, s.old) for s in recurrence.states]
    decays = frozenset().union(*(own.symbols for own in kept if own is not None))
    known = decays | subject.products  # what the code multiplies here is in sight
    whole = [f.args[1] for f, _ in structure.factors(subject.drive) if f.op == "sub" and f.args[0] == ex.const(1)]
    if any(x.op == "opaque" or (x.op == "sym" and _may_be_a_product(x.symbol, known)) for x in whole):
        return True
    sizes = [f for f, _ in structure.factors(subject.drive) if f.symbols and not f.symbols & subject.moving]
    if recurrence.handed_on and not sizes:
        return True
    timed = any(p.symbols & subject.timed for p in subject.posts)
    given = [f.symbol for f in sizes if f.op == "sym" and f.symbol.external and not timed]
    if given and not any(_RATE.search(s.name) for s in given) and all(s.initial is None for s in recurrence.states):
        return True
    beside = recurrence.escapes - {recurrence.step}
    bare = recurrence.parameter is None and not sizes and not timed
    if any(map(_is_correction, beside)) or (bare and any(map(_is_count, beside))):
        return True
    nodes = (n for post in recurrence.posts() for n in ex.walk(post))
    return any(n.op == "opaque" and n.args and n.symbols & decays for n in nodes)


def _is_count(given: Expr) -> bool:
    """t + 1, for whoever sizes the step."""
    return given.op == "add" and given.args[0].op == "sym" and given.args[1] == ex.const(1)


def _is_correction(given: Expr) -> bool:
    """√(1 − p₂)/(1 − p₁), which is handed back beside the step, for whoever takes that."""
    factors = [f.args[0] if f.op == "sqrt" else f for f, _ in structure.factors(given)]
    made = [f for f in factors if f.args]
    return bool(made) and all(f.op == "sub" and f.args[0] == ex.const(1) for f in made)


def _may_be_a_product(symbol: Symbol, known: frozenset[Symbol]) -> bool:
    return symbol.kind == "place" and symbol.default is None and "." in symbol.name and symbol not in known
