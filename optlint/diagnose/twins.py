"""Twins that differ: the updates of W and of b in one function, one of them with a slip. No family is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from optlint.diagnose.findings import Context
from optlint.diagnose.gradients import of_summed_gradient, of_written_gradient
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.diagnose.views import after_first_step
from optlint.knowledge import find_mistake
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence
from optlint.model import Finding
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.settings import Settings
from optlint.subject import Subject

CODE = "OPT119"
MAX_TWINS = 12  # in one function

Judged = tuple[Recurrence, Judgement]


def twins_that_differ(judged: Sequence[Judged], path: str, settings: Settings) -> Iterator[Finding]:
    """One finding for each update that has a twin beside it and differs from it in one equation."""
    page = find_mistake(CODE)
    if page is None or page.off:
        return
    for siblings in _siblings(judged):
        odd = _odd_one(siblings)
        if odd is None:
            continue
        (recurrence, _), written, repaired, part, other = odd
        wrong, right = written.posts[part], repaired.posts[part]
        repair = Repair(CODE, repaired, *_smallest(wrong, right), root=wrong)
        context = Context(recurrence, written, path, settings)
        finding = context.beside(page, repair, f"{page.message} of {_name(other)}")
        if finding is not None:
            yield finding


def _siblings(judged: Sequence[Judged]) -> Iterator[list[Judged]]:
    """Updates of different parameters in one function, under one configuration, without findings of their own."""
    groups: dict[tuple[object, ...], dict[str, Judged]] = {}
    for recurrence, verdict in judged:
        if recurrence.parameter is None or verdict.status not in ("matched", "unmatched") or not recurrence.states:
            continue
        view = _with_gradient(recurrence)
        key = (view.name, tuple(sorted(view.configuration.items())), len(view.states))
        groups.setdefault(key, {}).setdefault(recurrence.parameter.name, (view, verdict))
    for group in groups.values():
        if 2 <= len(group) <= MAX_TWINS:
            yield list(group.values())


def _with_gradient(recurrence: Recurrence) -> Recurrence:
    """From the second step on, and with a gradient that is summed up or written out as one quantity."""
    for simplify in (after_first_step, of_summed_gradient, of_written_gradient):
        recurrence = simplify(recurrence) or recurrence
    return recurrence


Difference = tuple[Judged, Subject, Subject, int, Recurrence]


def _odd_one(siblings: list[Judged]) -> Difference | None:
    """The update that is like nothing known (or unlike most), as written and with its twin's equation."""
    try:
        subjects = [prepare(recurrence).undecayed for recurrence, _ in siblings]
    except TooLarge:
        return None
    unlike: dict[int, list[tuple[int, Subject, int]]] = {}
    for (i, a), (j, b) in combinations(enumerate(subjects), 2):
        if _only_looks_ahead(a) or _only_looks_ahead(b):
            continue
        if {s.old for s in a.states} & {s.old for s in b.states}:
            continue  # two results of one update, not two updates
        if a.gradient is not None and a.gradient == b.gradient:
            continue  # averages of g and of g², of which other code makes one step
        if _is_around(a.recurrence, b.recurrence) or _is_around(b.recurrence, a.recurrence):
            continue  # a method of two levels: the outer one goes where the inner one has gone
        for one, mine, other, theirs in ((i, a, j, b), (j, b, i, a)):
            found = _with_part_of(mine, theirs)
            if found is not None:
                unlike.setdefault(one, []).append((other, *found))
    if not unlike:
        return None

    def rank(index: int) -> tuple[bool, int, int]:
        return siblings[index][1].status == "unmatched", len(unlike.get(index, ())), index

    odd = max(unlike, key=rank)
    standing = [u for u in unlike[odd] if rank(u[0])[:2] < rank(odd)[:2] or len(siblings) == 2]
    if not standing:
        return None
    other, repaired, part = standing[0]
    return siblings[odd], subjects[odd], repaired, part, siblings[other][0]


def _is_around(one: Recurrence, other: Recurrence) -> bool:
    """Its loop goes through all of the other's in each of its passes."""
    outer, inner = one.loop, other.loop
    return outer is not None and inner is not None and outer != inner and outer.covers(inner)


def _only_looks_ahead(subject: Subject) -> bool:
    """w − μ·v with the v of before: a place where a gradient is to be taken, and no step."""
    return not subject.step.symbols & {subject.g, *(s.new for s in subject.states)}


def _with_part_of(mine: Subject, theirs: Subject) -> tuple[Subject, int] | None:
    """``mine`` with the one equation in which its twin behaves otherwise; None where there are none or several."""
    table = correspondence(theirs, mine)
    if table is None:
        return None
    twin = [ex.substitute(p, table) for p in theirs.posts]
    known = frozenset().union(*(p.symbols for p in mine.posts), {h.symbol for h in mine.hypers})
    if any(not p.symbols <= known for p in twin):
        return None
    differing = []
    for index, (own, other) in enumerate(zip(mine.posts, twin, strict=True)):
        if own != other:
            posts = list(mine.posts)
            posts[index] = other
            mixed = mine.replaced(posts)
            if all(part.op == "opaque" for part in _smallest(own, other)):
                return None  # unseen code gives each of them its own
            if not _alike(mine, mixed):
                differing.append((mixed, index))
            if _opposed(mine, mixed) or _is_penalized(own, other, mine) or _are_moments(own, other, table):
                return None  # one of two players climbs; weights have a penalty that their biases go without
    return differing[0] if len(differing) == 1 else None


def correspondence(theirs: Subject, mine: Subject) -> dict[Expr, Expr] | None:
    """Which symbol of one twin plays the part of which of the other's: states and settings in order."""
    if len(theirs.states) != len(mine.states) or len(theirs.hypers) != len(mine.hypers):
        return None
    pairs: list[tuple[Symbol | None, Symbol | None]] = [(theirs.g, mine.g), (theirs.parameter, mine.parameter)]
    for their, own in zip(theirs.states, mine.states, strict=True):
        pairs += [(their.old, own.old), (their.new, own.new)]
    for theirs_hyper, own_hyper in zip(theirs.hypers, mine.hypers, strict=True):
        if theirs_hyper.role != own_hyper.role:
            return None
        pairs.append((theirs_hyper.symbol, own_hyper.symbol))
    return {ex.sym(a): ex.sym(b) for a, b in pairs if a is not None and b is not None and a is not b}


def _alike(one: Subject, other: Subject) -> bool:
    return bool(np.allclose(one.beginning.step, other.beginning.step, rtol=1e-9, atol=0, equal_nan=True))


def _is_penalized(own: Expr, other: Expr, subject: Subject) -> bool:
    """All that one has more is made of the parameter by code that is not in sight: ``w − η·g − penalty(w)``."""
    terms, others = structure.terms(own), structure.terms(other)
    more = [t for t in terms if t not in others]
    hidden = [n for _, t in more for n in ex.walk(t) if n.op == "opaque" and subject.parameter in n.symbols]
    return bool(hidden) and len(hidden) == len(more) and all(t in terms for t in others)


def _are_moments(own: Expr, other: Expr, table: dict[Expr, Expr]) -> bool:
    """Averages of one and the same quantity, and of its square: other code makes one step of both."""
    one, another = _smallest(own, other)
    root = one if structure.square_root_of(another) == one else another
    squared = structure.square_root_of(one) == another or root is one
    return squared and not any(n in table.values() for n in ex.walk(root))


def _opposed(one: Subject, other: Subject) -> bool:
    """The one goes where the other comes from."""
    return bool(np.allclose(one.beginning.step, -other.beginning.step, rtol=1e-9, atol=0, equal_nan=True))


def _smallest(wrong: Expr, right: Expr) -> tuple[Expr, Expr]:
    """The smallest pair of sub-expressions in which the two differ."""
    while wrong.op == right.op and len(wrong.args) == len(right.args) and wrong.op not in ("sym", "const", "opaque"):
        unequal = [(a, b) for a, b in zip(wrong.args, right.args, strict=True) if a != b]
        if len(unequal) != 1:
            break
        wrong, right = unequal[0]
    return wrong, right


def _name(recurrence: Recurrence) -> str:
    return recurrence.parameter.name if recurrence.parameter is not None else recurrence.name
