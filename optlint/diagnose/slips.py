"""Slips between neighbours: the update of b reads what belongs to W, its gradient or its state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from optlint.diagnose.findings import Context
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.diagnose.search import ordinary
from optlint.diagnose.twins import correspondence
from optlint.identify import Match
from optlint.knowledge import find_mistake
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import render
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Finding
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.settings import Settings
from optlint.subject import Hyper, Subject

CODE = "OPT606"
SHARED = "OPT609"  # where the neighbour's state is the only one
MAX_TWINS = 12  # in one function

Judged = tuple[Recurrence, Judgement]
Slip = tuple[Repair, Match | None, Expr, Expr]  # with what is read, and what should be


def slips(judged: Sequence[Judged], path: str, settings: Settings) -> Iterator[tuple[Finding, Recurrence]]:
    """One finding for each update that becomes its neighbour's optimizer once it reads its own gradient and state."""
    for group in _neighbours(judged):
        named: list[Recurrence] = []
        for odd, verdict in reversed(group):  # of two that read one state, the later one is the copy
            for right, theirs in group:
                apart = right is not odd and right not in named
                found = _slip(odd, verdict, right, theirs) if apart else None
                if found is None:
                    continue
                repair, match, read, own = found
                page = find_mistake(repair.code)
                if page is None or page.off:
                    continue
                context = Context(odd, repair.written or repair.subject, path, settings)
                message = f"{page.message}: {render(read)}, where its own is {render(own)}"
                if repair.code == SHARED:
                    message = f"this update reads an average of {render(read)}, and has none of its own gradient"
                same = (match.title, match.worst) if match is not None else (theirs.convention, 0.0)
                finding = context.slip(page, repair, same, message)
                if finding is not None:
                    named.append(odd)
                    yield finding, odd
                    break


def _neighbours(judged: Sequence[Judged]) -> Iterator[list[Judged]]:
    """Updates of different parameters in one function, under one configuration, without findings of their own."""
    groups: dict[tuple[object, ...], dict[str, Judged]] = {}
    for recurrence, verdict in judged:
        if recurrence.parameter is not None and verdict.status in ("matched", "unmatched") and recurrence.states:
            key = (recurrence.name, tuple(sorted(recurrence.configuration.items())))
            groups.setdefault(key, {}).setdefault(recurrence.parameter.name, (recurrence, verdict))
    yield from (list(g.values()) for g in groups.values() if 2 <= len(g) <= MAX_TWINS)


def _slip(odd: Recurrence, verdict: Judgement, right: Recurrence, theirs: Judgement) -> Slip | None:
    subject = theirs.subject
    if theirs.status != "matched" or subject is None or subject.gradient is None:
        return None
    states = _own_states(odd, right, subject.gradient)
    if verdict.status == "matched" and not states:
        return None
    both = [s for s in odd.states if s.old in {s.old for s in right.states}]
    missing = [s for s in both if s.old not in states]
    code = CODE
    if missing:
        if states or verdict.status != "unmatched" or not all(_gathers(s, subject.gradient) for s in both):
            return None  # one state for both, as far as can be seen
        code, states = SHARED, {s.old: _copy(s) for s in missing}
    try:
        return _with_its_own(odd, right, subject, states, code)
    except TooLarge:
        return None


def _with_its_own(
    odd: Recurrence, right: Recurrence, subject: Subject, states: dict[Symbol, State], code: str
) -> Slip | None:
    """The odd update with its own gradient and states for its neighbour's."""
    foreign = subject.gradient
    assert foreign is not None
    wanted = ordinary(prepare(right))
    held = {s.old: s for s in odd.states if s.old in states}
    table: dict[Expr, Expr] = {}
    for old, own in states.items():
        now = {ex.sym(own.old): ex.sym(held[old].new)}
        table |= {ex.sym(old): ex.sym(own.old), ex.sym(held[old].new): ex.sym(own.new)}
        table[ex.substitute(own.post, now)] = ex.sym(own.new)  # where it goes on from the other's new content
    kept = [states.get(s.old) or replace(s, post=ex.substitute(s.post, table)) for s in odd.states]
    mended = odd.changed(partial(ex.substitute, table=table), kept)
    reads = any(ex.contains(p, foreign) for p in mended.posts())
    hidden = ex.sym(Symbol(render(foreign), default=1.0))
    own_gradient = prepare(mended.changed(partial(ex.substitute, table={foreign: hidden}))).gradient if reads else None
    if reads and (own_gradient is None or ex.contains(own_gradient, hidden)):
        return None
    if own_gradient is not None:
        own_gradient = structure.square_root_of(own_gradient) or own_gradient
        mended = mended.changed(partial(ex.substitute, table={foreign: own_gradient}))
    made = prepare(mended)
    match = ordinary(made)
    if not (reads or states):
        return None
    if wanted is None and match is None:  # nothing published by itself, but one and the same
        if not _are_one(prepare(right), made):
            return None
    elif match is None or wanted is None or match.variant is not wanted.variant:
        return None
    read, meant = (foreign, own_gradient) if own_gradient is not None else next(iter(table.items()))
    wrong, root = _where(odd, ex.sym(held[next(iter(states))].new) if own_gradient is None else read)
    made_of = [s for s in states.values() if s not in odd.idle]
    filled = [odd.writes[-1]] if code == SHARED else [s.spans[0] for s in made_of if s.spans]
    written = _as_written(odd, made, {foreign: hidden})
    return (
        Repair(code, made, wrong, meant, span=filled[0] if filled else None, root=root, written=written),
        match,
        read,
        meant,
    )


def _are_one(one: Subject, other: Subject) -> bool:
    """Equal in every equation, but for decay beside the step."""
    one, other = one.undecayed, other.undecayed
    table = correspondence(one, other)
    return table is not None and [ex.substitute(p, table) for p in one.posts] == other.posts


def _gathers(state: State, gradient: Expr) -> bool:
    """Nothing but itself and what is made of the gradient."""
    return ex.contains(state.post, gradient) and state.old in state.post.visible


def _copy(state: State) -> State:
    """A state of the same kind, as another parameter would have it."""
    old = Symbol(state.old.name, array=state.old.array, initial=state.old.initial, dtype=state.old.dtype)
    return replace(
        state, old=old, new=Symbol(f"{old.name}'"), post=ex.substitute(state.post, {ex.sym(state.old): ex.sym(old)})
    )


def _where(odd: Recurrence, read: Expr) -> tuple[Expr, Expr | None]:
    """The place in the update's equations that holds ``read``, and the equation: the step before the states."""
    for root in reversed(odd.posts()):
        for node in ex.walk(root):
            if node == read:
                return node, root
    return read, None


def _as_written(odd: Recurrence, made: Subject, hidden: dict[Expr, Expr]) -> Subject:
    """The odd update in the mended one's terms, what belongs to the neighbour as a constant."""
    table: dict[Expr, Expr] = {}
    for symbol, expr in made.stands_for.items():
        turned = expr.op == "neg" and symbol is not made.g
        table[expr.args[0] if turned else expr] = ex.op("neg", ex.sym(symbol)) if turned else ex.sym(symbol)
    states = [replace(s, post=ex.substitute(ex.substitute(s.post, hidden), table)) for s in odd.states]
    assert odd.parameter is not None
    step = ex.substitute(ex.substitute(odd.parameter.post, hidden), table)
    other = [Hyper(h.symbol, "other", 1.0) for h in hidden.values()]
    return made.with_states(states, step, hypers=[*made.hypers, *other])


def _own_states(odd: Recurrence, right: Recurrence, gradient: Expr) -> dict[Symbol, State]:
    """For each state that both updates read: the one that the function keeps in the same way, and that none reads."""
    theirs = {s.old for s in right.states}
    found: dict[Symbol, State] = {}
    for state in odd.states:
        if state.old not in theirs:
            continue
        for idle in [*odd.idle, *_overwritten(odd, state)]:
            pattern = ex.substitute(state.post, {ex.sym(state.old): ex.sym(idle.old)})
            if idle not in found.values() and _alike(pattern, idle.post, gradient, {}):
                found[state.old] = idle
                break
    return found


def _overwritten(odd: Recurrence, state: State) -> Iterator[State]:
    """Places that a function fills from another state's content, as the states that they would be by themselves."""
    for entry in odd.overwritten:
        old = entry.slot.symbol
        post = ex.substitute(entry.post, {state.post: ex.sym(old), ex.sym(state.old): ex.sym(old)})
        if old in post.visible:
            yield State(old.name, old, Symbol(f"{old.name}'"), post, old.initial, entry.spans, entry.slot)
    for stored in odd.stored:  # a name that the loop gives the new content of the other's average, decayed once more
        old = Symbol(stored.name)
        post = ex.substitute(stored.expr, {state.post: ex.sym(old)})
        if old in post.visible and stored.expr != state.post:
            spans = (stored.span,) if stored.span is not None else ()
            yield State(old.name, old, Symbol(f"{old.name}'"), post, state.initial, spans)


def _alike(one: Expr, other: Expr, gradient: Expr, bound: dict[Expr, Expr]) -> bool:
    """Equal but for the gradient, in whose place something else stands throughout."""
    if one == gradient:
        return bound.setdefault(one, other) == other and other != one
    if one.op != other.op or one.value != other.value or len(one.args) != len(other.args):
        return False
    return all(_alike(a, b, gradient, bound) for a, b in zip(one.args, other.args, strict=True))
