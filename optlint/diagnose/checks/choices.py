"""What is unusual and may be meant: worth a note, with what it costs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import libcst as cst
import numpy as np

from optlint.diagnose.checks.sharing import states_of_another
from optlint.diagnose.repairs import Repair, check
from optlint.identify import best, matches
from optlint.intent import SIMPLE, families_in, mentioned, speaks_of
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import REDUCTIONS, Expr, Symbol
from optlint.lift.frames import Stored
from optlint.lift.recurrence import State
from optlint.sandbox.laws import keeps_coordinates_apart
from optlint.subject import Clock, Hyper, Subject
from optlint.timed import averages

LARGE = 0.1  # an ε that no library gives by default


@check("time-from-two")
def time_from_two(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """t is 2 at the first step: the corrections are those of the step after."""
    for post in subject.posts:
        for power in ex.walk(post):
            if power.op != "pow" or power.args[1].op == "const" or power.symbols & subject.moving:
                continue
            exponent = power.args[1]
            clocks = [c for c in subject.clocks if c.symbol in exponent.symbols]
            if len(clocks) != 1 or not clocks[0].known or clocks[0].by != 1:
                continue
            first = subject.value(ex.substitute(exponent, {ex.sym(clocks[0].symbol): ex.const(clocks[0].first)}))
            if first is None or not np.all(first == 2):
                continue
            moved = [replace(c, first=c.first - (c.symbol is clocks[0].symbol)) for c in subject.clocks]
            made = subject.replaced(subject.posts, clocks=moved)
            earlier = ex.op("pow", power.args[0], ex.op("sub", exponent, ex.const(1)))
            yield Repair(page.code, made, power, earlier, root=post, details={"kind": "shift"})
            return


@check("epsilon-large")
def epsilon_large(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """An ε of a tenth or more beside the second moment's root: the step is that of momentum in small print."""
    for post in subject.posts:
        for node in ex.walk(post):
            for a, b in structure.floored(node):
                size = b.symbols & subject.second or (b.op == "abs" and subject.g in b.symbols)  # Adamax's |g|
                if not size or not _is_given(subject, a):
                    continue
                match = best(matches(subject))
                usual = dict(match.variant.defaults) if match is not None else {}
                small = ex.const(usual.get("eps", 1e-8))
                posts = [ex.replace_node(p, node, ex.substitute(node, {a: small})) for p in subject.posts]
                yield Repair(page.code, subject.replaced(posts), a, small, root=node, details={"kind": "number"})
                return


def _is_given(subject: Subject, node: Expr) -> bool:
    """A number, or a setting with a number of the code's own, that is large for an ε."""
    if node.op == "const":
        return LARGE <= node.number < 10
    return node.op == "sym" and subject.is_hyper(node) and LARGE <= (node.symbol.default or 0) < 10


@check("reduced-square")
def reduced_square(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """mean(g²), sum(g²) or ‖g‖² gathered where each coordinate's own square is meant."""
    recurrence = subject.recurrence
    spoken = mentioned(recurrence) or families_in(" ".join(recurrence.beside)) - SIMPLE
    if not (spoken or len(averages(subject)) > 1):
        return
    alone = {node: node.args[0] for state in subject.states for node in _reduced_squares(subject, state)}
    if not alone or keeps_coordinates_apart(subject):
        return
    made = subject.replaced([ex.substitute(p, alone) for p in subject.posts])
    apart = keeps_coordinates_apart(made)
    if not apart and not any(n.op in REDUCTIONS for n in ex.walk(made.step)):  # LAMB's norms stay
        return
    meant = speaks_of(str(page.options.get("unless", "$^")), recurrence.text)
    if meant and (apart or best(matches(made)) is None):  # what says "layer-wise" of LAMB says it of its norms
        return
    written = _beside_another(subject, alone) if apart else subject
    if written is None:
        return
    wrong, right = next(iter(alone.items()))
    root = next(s.post for s in subject.states if ex.contains(s.post, wrong))
    yield Repair(page.code, made, wrong, right, root=root, written=written)


def _reduced_squares(subject: Subject, state: State) -> Iterator[Expr]:
    """What a state gathers of a whole tensor: of g, or squares of what is made of it (g − m', Adadelta's steps)."""
    for node in ex.walk(state.post):
        if node.op in REDUCTIONS and node.symbols & (subject.moving | {subject.g}):
            inner = node.args[0]
            of_gradient = state.old in subject.second and subject.g in inner.symbols and not inner.symbols - {subject.g}
            if of_gradient or _is_square(inner):
                yield node


def _is_square(node: Expr) -> bool:
    return all(structure.exponent_of(node, factor) % 2 == 0 for factor, _ in structure.factors(node))


def _beside_another(subject: Subject, alone: Collection[Expr]) -> Subject | None:
    """The update as written, of a tensor of two coordinates, the other's gradient being always 1.

    What each coordinate has for itself and the sums read, the other has, too. None where that in turn reads the sums.
    """
    other = Symbol("another coordinate's g", kind="role")
    reduced = [s for s in subject.states if any(ex.contains(s.post, n) for n in alone)]
    read = frozenset().union(*(n.symbols for n in alone))
    own: list[State] = []
    while more := [s for s in subject.states if {s.old, s.new} & read and s not in reduced and s not in own]:
        own = [s for s in subject.states if s in own or s in more]
        read = read.union(*(s.post.symbols for s in more))
    if any(s.new in mine.post.symbols for s in reduced for mine in own):
        return None
    theirs, table = states_of_another(subject, own, other)
    of_both = {n: _of_two(n.op, n.args[0], ex.substitute(n.args[0], table)) for n in alone}
    kept = [replace(s, post=ex.substitute(s.post, of_both)) for s in subject.states]
    hypers = [*subject.hypers, Hyper(other, "other", 1.0)]
    return subject.with_states([*theirs, *kept], ex.substitute(subject.step, of_both), hypers=hypers)


def _of_two(name: str, one: Expr, two: Expr) -> Expr:
    """A reduction over two coordinates, written out."""
    if name == "norm":
        return ex.op("sqrt", ex.op("add", ex.op("pow", one, ex.const(2)), ex.op("pow", two, ex.const(2))))
    if name in ("amax", "amin"):
        return ex.op(name[1:], one, two)
    total = ex.op("add", one, two)
    return ex.op("div", total, ex.const(2)) if name == "mean" else total


_DAMPENING = re.compile(r"damp", re.IGNORECASE)


@check("dampened-start")
def dampened_start(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v = μ·v + (1 − d)·g from the first step on, d being called a dampening: PyTorch starts with g itself."""
    if subject.recurrence.started:
        return
    for position, state in enumerate(subject.states):
        taken = structure.slope(state.post, subject.g)
        if taken is None or not any(_DAMPENING.search(s.name) for s in taken.symbols):
            continue
        if any(h.symbol in taken.symbols and h.symbol.default == 1 for h in subject.hypers):
            continue
        t = Symbol("t", kind="role")
        posts = subject.posts
        first = ex.op("eq", ex.sym(t), ex.const(1))
        posts[position] = ex.op("where", first, ex.sym(subject.g), state.post)
        made = subject.replaced(posts, clocks=[*subject.clocks, Clock(t, 1.0)])
        yield Repair(page.code, made, state.post, posts[position], where=state.name, details={"kind": "shift"})


@check("clip-unused")
def clip_unused(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The gradient is clipped, and nothing reads it any more: the step was taken before."""
    recurrence, gradient = subject.recurrence, subject.gradient
    if gradient is None:
        return
    for stored in recurrence.stored:
        if stored.expr.op not in ("min", "max") or _clipped(stored.expr) != gradient or _is_read(subject, stored):
            continue
        clipped = stored.expr
        yield Repair(
            page.code,
            subject,
            gradient,
            clipped,
            effective=clipped,
            span=stored.span,
            details={"kind": "gradient", "shown": "only"},
        )
        return


def _clipped(node: Expr) -> Expr:
    """x of min(max(x, a), b)."""
    while node.op in ("min", "max"):
        bound = next((a for a in node.args if a.op == "const" or (a.op == "neg" and a.args[0].op == "const")), None)
        bound = bound or next((a for a in node.args if a.op == "sym" or a.op == "neg"), None)
        rest = [a for a in node.args if a is not bound]
        if bound is None or len(rest) != 1:
            return node
        node = rest[0]
    return node


def _is_read(subject: Subject, stored: Stored) -> bool:
    """Something takes the value: the update, the caller, or any other statement of the run."""
    recurrence = subject.recurrence
    if stored.expr in recurrence.escapes or any(ex.contains(p, stored.expr) for p in recurrence.posts()):
        return True
    names = [w.node for w in recurrence.worth if w.expr == stored.expr and not w.listed]
    return sum(isinstance(n, (cst.Name, cst.Subscript)) for n in names) != 1
