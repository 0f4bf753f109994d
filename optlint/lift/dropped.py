"""Results that a run drops: which of them an update would read, and which of them go on after all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from optlint.lift.expression import Expr, Symbol, const, walk
from optlint.lift.frames import Dropped, Frame
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import Slot, content, numeric
from optlint.lift.operators import OPERATORS
from optlint.lift.places import is_held_parameter
from optlint.lift.recurrence import Recurrence, State
from optlint.lift.structure import after_first, at_first, retention, slope, terms
from optlint.lift.written import written_places


def reads_result(kept: Recurrence, dropped: Dropped) -> bool:
    """Whether an update reads a result that it has kept; one that a name takes is to be a state's whole content."""
    if dropped.bound:
        bound = [s for s in kept.states if s.post.origin == dropped.span]
        others = [s for s in kept.states if s not in bound]
        return any(s.old.initial is not None or at_first(s.post) or _is_kept_beside(s, others) for s in bound)
    posts = [*kept.posts(), *(c.post for c in kept.counters)]
    computed = (node.origin for post in posts for node in walk(post) if node.args and node.origin is not None)
    return any(map(dropped.span.covers, computed))  # a part of it, where two ways have been joined


def _is_kept_beside(bound: State, others: Iterable[State]) -> bool:
    """A function that is handed two averages of one gradient changes the other one in place."""
    gathered = _gathered(bound)
    return any(gathered & _gathered(other) for other in others if other.old.external)


def _gathered(average: State) -> frozenset[Symbol]:
    """What is handed in beside an average, and goes into it."""
    own = retention(average.post, average.old)
    if own is None or own in (const(0), const(1)):
        return frozenset()
    return frozenset(s for s in average.post.symbols - own.symbols if s.external and s is not average.old)


def on_parameters(dropped: Iterable[Dropped], name: str) -> Iterator[Recurrence]:
    """What would be a new content of a parameter that a model or an optimizer holds, each as an update of its own."""
    for lost in dropped:
        held = [s for s in lost.before.symbols if is_held_parameter(s) and slope(lost.before, s) == const(1)]
        if not lost.certain or lost.bound or len(held) != 1 or held[0] not in lost.after.visible:
            continue
        w, new = held[0], Symbol(f"{held[0].name}'", array=True)
        state = State(w.name, w, new, lost.after, None, (lost.span,))
        made = Recurrence(name, state, None, [], [], [], lost.span, dropped=(lost,), on_parameter=True)
        yield replace(made, kept=made, as_kept=True)


def is_log(kept: Recurrence, made: list[Recurrence]) -> bool:
    """What would be kept is made of a parameter that moves without it (a buffer, which decays, is none)."""
    moved = [r.parameter for r in made if r.states and r.parameter is not None]
    whole = {p.name for p in moved if (own := slope(p.post, p.old)) is None or (1, const(1)) in terms(own)}
    return bool(whole & {s.name for s in kept.states})


def decays_in_vain(recurrence: Recurrence) -> bool:
    """A run binds x + λ·w to a mere name, and nothing reads it: equal to the run on whose path that is not computed."""
    if recurrence.parameter is None:
        return False
    w, read = recurrence.parameter.old, frozenset().union(*(p.symbols for p in recurrence.posts()))
    placed = {s.expr for s in recurrence.stored if not s.name.isidentifier()}
    sums = {s.expr for s in recurrence.stored if s.expr.op in ("add", "sub") and w in s.expr.symbols} - placed
    vain = {e for e in sums if (own := slope(e, w)) is not None and own.symbols and not own.symbols & read}
    made = {worth.expr for worth in recurrence.worth} if vain else set()
    return bool(vain - {node for expr in made for node in walk(expr) if node in vain and node != expr})


def lasts(dropped: Dropped, machine: Interpreter, frame: Frame) -> bool:
    """Whether the run writes the place all the same, or hands on what the name took: it may be stored elsewhere."""
    name = dropped.place.name
    posts = [slot for f in (frame, *machine.frames) for slot, _ in f.posts]
    written = [s for s in machine.store.slots if numeric(content((s.home, s.key))) not in (None, dropped.before)]
    bound = dropped.bound and dropped.place.external  # its own name, which a run leaves with the new content
    if any(s.symbol.name == name for s in posts) or any(s.symbol is dropped.place and not bound for s in written):
        return True
    return any(e.origin == dropped.span for e in _handed_on(machine, frame))


def _handed_on(machine: Interpreter, frame: Frame) -> Iterator[Expr]:
    """What is returned, given to unseen code, or put into some place that is no local name."""
    if frame.returned is not None:
        yield from machine.leaves(frame.returned)
    yield from machine.sinks
    yield from _given(machine)
    yield from (held for _, _, held in written_places(machine.store))


def _given(machine: Interpreter) -> Iterator[Expr]:
    """What unseen code gets whose result serves nothing: ``done = keep(m)``."""
    known = [worth.expr for worth in machine.worth if not worth.listed]
    calls = {expr.args for expr in known if expr.op == "opaque" and expr.value not in OPERATORS}
    whole = (node for expr in known if expr.op != "opaque" for node in walk(expr))
    for args in calls - {node.args for node in whole if node.op == "opaque"}:
        yield from args


def is_begun_there(held: Expr, slot: Slot) -> bool:
    """What the run leaves where it is, but for its first content; also reached on another way, under the same name."""
    kept = after_first(held)
    return kept.op == "sym" and kept.symbol.name == slot.symbol.name


def forget_what_is_written(recurrences: list[Recurrence]) -> None:
    """A state that another run of the same function or class writes is not lost where a mere name takes its content.

    That the other run begins it, with zeros, is no such writing; nor is it that of an argument's own name.
    """
    for recurrence in (r for r in recurrences if any(d.bound for d in r.dropped)):
        home = recurrence.name.partition(".")[0]
        others = [r for r in recurrences if r.name.partition(".")[0] == home and not r.as_kept]
        written = {s.name for r in others for s in r.advanced - r.begun}
        in_place = {s.name for r in others if r.name == recurrence.name for s in r.states}
        recurrence.dropped = tuple(
            d
            for d in recurrence.dropped
            if not d.bound or d.place.name not in (in_place if d.place.external else written)
        )
