"""One place for what every parameter needs for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optlint.diagnose.repairs import Repair, check
from optlint.intent import mentioned, speaks_of_descent
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.model import Span
from optlint.subject import Hyper, Subject


@check("shared-by-blocks")
def shared_by_blocks(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """c = ρ·c + (1 − ρ)·dW²; …; c = ρ·c + (1 − ρ)·db²: the state as it would be with one of the two alone."""
    if not (subject.second or mentioned(subject.recurrence) or speaks_of_descent(subject.recurrence.text)):
        return  # what a layer's backward pass multiplies step by step is no average
    for position, state in enumerate(subject.states):
        for inner in averages_inside(state):
            alone = ex.substitute(state.post, {inner: ex.sym(state.old)})
            if structure.slope(alone, state.old) in (None, ex.const(1)):
                continue  # the other way of a branch, a maximum, or one more summand, and no second block
            if not _foreign(subject, inner) and not _foreign(subject, alone):
                continue
            first = ex.substitute(subject.step, {inner: ex.sym(state.new)})
            for post, step in ((inner, first), (alone, subject.step)):
                if _foreign(subject, post):
                    continue
                posts = [*(s.post for s in subject.states), step]
                posts[position] = post
                made = subject.replaced(posts)
                details = {"kind": "sharing"}
                yield Repair(page.code, made, state.post, post, where=state.name, span=_last(state), details=details)


def averages_inside(state: State) -> Iterator[Expr]:
    """The averages of a state that stand inside its own equation, which reads its old content nowhere else."""
    for node in ex.walk(state.post):
        if node is state.post or node.op not in ("add", "sub") or state.old not in node.visible:
            continue
        own = structure.slope(node, state.old)
        if own is not None and any(s.array or (s.default is None and not s.external) for s in own.symbols):
            continue  # multiplied by data: a layer's backward pass
        if own in (None, ex.const(0), ex.const(1)) or structure.rest(node, state.old) == ex.const(0):
            continue
        if state.old not in ex.substitute(state.post, {node: ex.const(0)}).symbols:  # unlike the s of s + a·(g − s)
            yield node


def _foreign(subject: Subject, post: Expr) -> bool:
    """Takes in data that is not the update's gradient."""
    known = subject.moving | subject.time | {subject.g, subject.parameter}
    others = [s for s in post.symbols if s not in known and s.default is None]
    decays = {h.symbol for h in subject.hypers if h.role == "decay"}
    return any(s not in decays for s in others)


def _last(state: State) -> Span | None:
    return state.spans[-1] if state.spans else None


@check("shared-by-tensors")
def shared_by_tensors(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """One average in a loop over several tensors: each of them goes on from what the one before has left."""
    shared = [s for s in subject.states if s.old in subject.recurrence.shared and subject.g in s.post.symbols]
    if not shared:
        return
    other = Symbol("another tensor's g", kind="role")
    posts = subject.posts
    for position, state in enumerate(subject.states):
        if state in shared:
            before = ex.substitute(state.post, {ex.sym(subject.g): ex.sym(other)})
            posts[position] = ex.substitute(state.post, {ex.sym(state.old): before})
    written = subject.replaced(posts, hypers=[*subject.hypers, Hyper(other, "other", 1.0)])
    yield Repair(page.code, written, shared[0].post, None, span=_last(shared[0]), details={"kind": "clock"})


def states_of_another(whole: Subject, states: list[State], other: Symbol) -> tuple[list[State], dict[Expr, Expr]]:
    """These states as they are beside: of a tensor, or a coordinate, whose gradient is ``other``.

    Also what stands there for the update's own symbols.
    """
    theirs = [State(s.name, Symbol(s.name), Symbol(f"{s.name}'"), s.post, s.initial) for s in states]
    table = {ex.sym(whole.g): ex.sym(other)}
    for mine, their in zip(states, theirs, strict=True):
        table |= {ex.sym(mine.old): ex.sym(their.old), ex.sym(mine.new): ex.sym(their.new)}
    for state in theirs:
        state.post = ex.substitute(state.post, table)
    return theirs, table


def as_of_neighbours(whole: Subject, states: list[State]) -> Subject:
    """The update as written: what it takes for its states are those of a tensor whose gradient is always 1."""
    other = Symbol("another tensor's g", kind="role")
    theirs, _ = states_of_another(whole, states, other)
    read = {ex.sym(s.old): ex.sym(t.new) for s, t in zip(states, theirs, strict=True)}
    kept = [replace(s, post=ex.substitute(s.post, read)) for s in whole.states]
    step = ex.substitute(whole.step, read)
    return whole.with_states([*theirs, *kept], step, hypers=[*whole.hypers, Hyper(other, "other", 1.0)])
