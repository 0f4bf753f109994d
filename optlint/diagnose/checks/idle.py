"""A moment that the code keeps and that its step never reads: the step reads something else in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.intent import families_in
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.mentions import is_never_read
from optlint.lift.recurrence import Recurrence, State
from optlint.prepare import prepare
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Subject, pseudo

ZERO = ex.const(0)
MAX_READINGS = 6  # ways in which the code itself reads a moment
MAX_PLACES = 4  # of the gradient in a step


@check("moment-unused")
def moment_unused(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Put the idle moment, as the code has corrected it, where g (or v') stands now: everywhere, or in one place."""
    recurrence, gradient = subject.recurrence, subject.gradient
    yield from _taken_once(subject, page)
    yield from _instead_of_zeros(subject, page)
    corrected = [s for s in recurrence.elsewhere if _is_corrected(recurrence, s) or _is_dead(recurrence, s)]
    only = {s.old for s in subject.states if _is_only_believed(subject, s)}
    believed = [s for s in recurrence.states if s.old in only]
    for idle in (*recurrence.idle, *corrected, *believed) if gradient is not None else ():
        assert gradient is not None
        if idle.old in recurrence.step.symbols:
            continue  # unseen code gets it, and what the step reads is made of that
        details: dict[str, str] = {"alone": "yes"} if idle in (*corrected, *believed) else {}
        if _is_dead(recurrence, idle):
            details["certain"] = "yes"  # nobody corrects an average for nothing
        instead = gradient
        if idle.post.op == "max":  # AMSGrad's maximum, for v' in the step
            instead = next((a for a in idle.post.args if a != ex.sym(idle.old)), gradient)
        elif not ex.contains(idle.post, gradient):
            inner = _inside(recurrence, idle, gradient) or _without_rate(idle, gradient)
            if inner is None:
                continue
            instead = inner
        read = (*_taken_in(recurrence, idle, gradient), instead, *_made_of(recurrence, instead))
        for wrong in dict.fromkeys(read):
            turned = (-1, wrong) in structure.terms(idle.post)  # v' = μ·v − η·g stands for −η·g
            for meant in _readings(recurrence, idle):
                for step in _with_instead(recurrence.step, wrong, ex.op("neg", meant) if turned else meant):
                    step = structure.total(structure.terms(step), step.origin) if turned else step
                    made = _repaired(page, recurrence, idle, -1, step)
                    made.details |= details
                    yield made


def _is_only_believed(subject: Subject, state: State) -> bool:
    """AdaBelief's m, which only the squares of g − m' read. Unless the code speaks of it, those are a variance."""
    recurrence = subject.recurrence
    if state.new in recurrence.step.symbols or "adabelief" not in families_in(recurrence.text):
        return False
    squared = (x for s in subject.states if s is not state for x in structure.squared_in(s.post))
    return any(structure.slope(x, subject.g) is not None and state.new in x.visible for x in squared)


def _instead_of_zeros(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step divides by the root of a place that begins as zeros and that nothing writes, beside an idle average."""
    recurrence, around = subject.recurrence, subject.recurrence.around
    if around is None or recurrence.dropped:
        return  # a result that nobody takes may be what should stand there
    for idle in recurrence.idle:
        if not structure.squared_in(idle.post) or idle.old not in idle.post.symbols:
            continue
        for position, post, below in _below(recurrence):
            for place in sorted(below.symbols, key=lambda s: s.name):
                still = place.initial == ZERO and place not in recurrence.moving | recurrence.advanced
                if still and not around.is_written_elsewhere(place.name):
                    right = ex.replace_node(post, below, ex.substitute(below, {ex.sym(place): ex.sym(idle.new)}))
                    yield _repaired(page, recurrence, idle, position, right)


def _is_dead(recurrence: Recurrence, idle: State) -> bool:
    """The code makes something of the average alone (m̂) under a name of its own, and never reads that."""
    around = recurrence.around
    if around is None:
        return False
    made = (s for s in recurrence.stored if s.name.isidentifier() and ex.contains(s.expr, idle.post))
    known = recurrence.moving | ({recurrence.parameter.old} if recurrence.parameter is not None else set())
    alone = (s for s in made if s.expr != idle.post and not (s.expr.visible - idle.post.visible) & known)
    return any(is_never_read(around, s.name) for s in alone)


def _is_corrected(recurrence: Recurrence, idle: State) -> bool:
    """The step holds the correction of an average that it does not read, though another path does."""
    own = structure.retention(idle.post, idle.old)
    others = [d for s in recurrence.states if (d := structure.retention(s.post, s.old)) is not None]
    if own is None or any(_come_to_the_same(own, other) for other in others):
        return False
    powers = (n for n in ex.walk(recurrence.step) if n.op == "pow" and n.args[1].op != "const")
    return any(_come_to_the_same(own, n.args[0]) for n in powers)


def _taken_once(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """where(step = 1, μ·0 − η·g, −η·g): the velocity stands in the branch that makes it, the other goes without it."""
    recurrence = subject.recurrence
    for node in ex.walk(recurrence.step):
        if node.op != "where" or structure.at_first(node) != [node.args[1]]:
            continue
        first, later = node.args[1:]
        zeros = [z for _, t in structure.terms(first) if t.op == "mul" for z in t.args if z == ZERO]
        if len(zeros) != 1 or not _come_to_the_same(first, later):
            continue
        name = next((s.name for s in recurrence.stored if s.expr == first and "." in s.name), "velocity")
        old, new = Symbol(name), Symbol(f"{name}'")
        post = ex.replace_node(first, zeros[0], ex.sym(old))
        velocity = State(name, old, new, post, ZERO, (first.origin,) if first.origin else ())
        right = ex.replace_node(recurrence.step, node, ex.sym(new))
        made = _repaired(page, recurrence, velocity, -1, right)
        made.details["certain"] = "yes"  # nobody multiplies 0 by a decay on purpose
        yield made


def _come_to_the_same(one: Expr, other: Expr) -> bool:
    symbols = sorted(one.symbols | other.symbols, key=lambda s: s.name)
    bound = {symbol: 0.3 + 0.4 * k / len(symbols) for k, symbol in enumerate(symbols)}
    return bool(np.isclose(evaluate(one, bound, pseudo), evaluate(other, bound, pseudo), rtol=1e-12))


def _inside(recurrence: Recurrence, idle: State, gradient: Expr) -> Expr | None:
    """g where all the others take in its size, |g| + ε, and the idle moment g itself."""
    if not any(n.op == "abs" for n in ex.walk(gradient)):
        return None
    found = prepare(replace(recurrence, states=[*recurrence.states, idle], idle=[])).gradient
    return found if found is not None and gathers_size(gradient, found) else None


def _made_of(recurrence: Recurrence, gradient: Expr) -> list[Expr]:
    """What the step makes of the gradient alone: |g| + ε or c·g, which code may have put in its place."""
    counting = {x for s in recurrence.states if not ex.contains(s.post, gradient) for x in (s.old, s.new)}
    still = recurrence.moving - counting
    still |= {recurrence.parameter.old} if recurrence.parameter is not None else set()
    apart = {gradient: ex.sym(Symbol("g"))}
    made = (n for n in ex.walk(recurrence.step) if n.op not in ("div", "neg") and ex.contains(n, gradient))
    alone = (n for n in made if n != gradient and not ex.substitute(n, apart).symbols & still)
    return list(islice(dict.fromkeys(alone), MAX_PLACES))


def _without_rate(idle: State, gradient: Expr) -> Expr | None:
    """g of η·g, where nothing else in the step tells the two apart: what the idle moment takes in is the gradient."""
    inside = [f for f, e in structure.factors(gradient) if e == 1 and f.args == () and ex.contains(idle.post, f)]
    return inside[0] if len(inside) == 1 and len(structure.factors(gradient)) == 2 else None


def _taken_in(recurrence: Recurrence, idle: State, gradient: Expr) -> list[Expr]:
    """η·g, where the moment takes in as much as the step does: the velocity goes in its place."""
    products = [n for n in ex.walk(recurrence.step) if n.op == "mul" and ex.contains(n, gradient)]
    return [n for n in products if ex.contains(idle.post, n)]


def below_the_line(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√m' where the code keeps a second moment and never reads it: that one below the line.

    In the step, or in a state that gathers steps (NovoGrad's m).
    """
    recurrence, gradient = subject.recurrence, subject.gradient
    for idle in (*recurrence.idle, *recurrence.elsewhere) if gradient is not None else ():
        assert gradient is not None
        if not gathers_size(idle.post, gradient):
            continue
        done: list[Expr] = []
        for position, post, below in _below(recurrence):
            for wrong in _first_moments(recurrence, below):
                for meant in _readings(recurrence, idle):
                    right = ex.replace_node(post, below, ex.substitute(below, {wrong: meant}))
                    if right != post and right not in done:
                        done.append(right)
                        yield _repaired(page, recurrence, idle, position, right)


def gathers_size(post: Expr, gradient: Expr) -> bool:
    """Takes in g² or |g|."""
    sizes = [*structure.squared_in(post), *(n.args[0] for n in ex.walk(post) if n.op == "abs")]
    return any(ex.contains(s, gradient) for s in sizes)


def _readings(recurrence: Recurrence, idle: State) -> list[Expr]:
    """What the code names that is built on the moment (m̂), the moment as v is corrected, and the bare moment."""
    known = {s.post: ex.sym(s.new) for s in recurrence.states} | {idle.post: ex.sym(idle.new)}
    beside = [s for s in recurrence.idle if s is not idle]
    known |= {s.post: ex.sym(s.new) for s in beside}
    named = [ex.substitute(stored.expr, known) for stored in recurrence.stored]
    busy = {recurrence.parameter.old} if recurrence.parameter is not None else set()
    others = [*recurrence.states, *(s for s in beside if not structure.is_scaled(s.post, s.old))]  # βᵗ corrects it
    busy |= {x for s in others for x in (s.old, s.new)}
    found = [n for n in dict.fromkeys(named) if n.args and idle.new in n.symbols and not n.symbols & busy]
    found = list(islice((n for n in found if idle.old not in n.symbols), MAX_READINGS))
    own = structure.retention(idle.post, idle.old)
    for power in [n for n in ex.walk(recurrence.step) if n.op == "pow" and n.args[1].op != "const"][:1]:
        if own is not None:  # corrected as v is
            correction = ex.op("sub", ex.const(1), ex.op("pow", own, power.args[1]))
            found.append(ex.op("div", ex.sym(idle.new), correction))
    return [*found, ex.sym(idle.new)]


def _with_instead(step: Expr, instead: Expr, meant: Expr) -> Iterator[Expr]:
    """The step with ``meant`` for ``instead`` everywhere, then in each single place."""
    everywhere = ex.substitute(step, {instead: meant})
    if everywhere == step:
        return
    yield everywhere
    mark = ex.sym(Symbol("instead"))
    marked = ex.leaves_apart(ex.substitute(step, {instead: mark}))
    places = [n for n in ex.walk(marked) if n == mark]
    for place in places if 1 < len(places) <= MAX_PLACES else ():
        yield ex.substitute(ex.replace_node(marked, place, meant), {mark: instead})


def _below(recurrence: Recurrence) -> Iterator[tuple[int, Expr, Expr]]:
    """What stands under a root, or below a line, the innermost first: (position, -1 for the step; equation; part)."""
    for position, post in ((-1, recurrence.step), *enumerate(recurrence.posts()[:-1])):
        for node in ex.walk(post):
            if structure.is_root(node):
                yield position, post, node.args[0]
        for node in ex.walk(post):
            if node.op == "div":
                yield position, post, node.args[1]


def _first_moments(recurrence: Recurrence, below: Expr) -> Iterator[Expr]:
    """A state's content, or that content corrected, as it stands there."""
    contents = {ex.sym(s.new) for s in recurrence.states} | {ex.sym(s.old) for s in recurrence.states}
    for node in ex.walk(below):
        corrected = node.op == "div" and node.args[0] in contents and not node.args[1].symbols & recurrence.moving
        if corrected or node in contents:
            yield node


def _repaired(page: MistakePage, recurrence: Recurrence, idle: State, position: int, right: Expr) -> Repair:
    """The update that reads an idle moment, in a state's equation or (position -1) in its step."""
    parameter, step = recurrence.parameter, recurrence.step if position >= 0 else right
    read = idle.post.symbols | right.symbols
    beside = [s for s in recurrence.idle if s is not idle and s.new in read]
    states = [replace(s, post=right) if i == position else s for i, s in enumerate(recurrence.states)]
    first = position if position >= 0 else len(states)
    added = [s for s in (*beside, idle) if all(s.old is not k.old for k in states)]
    whole = replace(
        recurrence,
        states=[*states[:first], *added, *states[first:]],
        parameter=parameter and replace(parameter, post=step),
        output=None if parameter is not None else step,
        idle=[s for s in recurrence.idle if s is not idle],
    )
    wrong = recurrence.posts()[position]
    return Repair(page.code, prepare(whole), wrong, right, where=idle.name, details={"kind": "read"})
