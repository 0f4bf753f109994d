"""Loops around the one that updates, epochs for the most part: what counts their passes, what begins anew in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Symbol
from optlint.lift.frames import Frame
from optlint.lift.recurrence import Recurrence
from optlint.lift.related import is_key


def note_passes(recurrence: Recurrence, frame: Frame, frames: Sequence[Frame]) -> None:
    """Note the counters of the loops around, and the counts that begin anew in passes through which the states last."""
    recurrence.of_parts = frame.of_parts
    if frame.kind != "loop" or frame.of_parts:
        return
    around = [
        f for f in _around(frame, frames) if not f.of_parts and not any(is_key(i.name, recurrence) for i in f.indices)
    ]
    recurrence.outer = frozenset(s for f in around for s in _counters(f))
    sums = [s for s in recurrence.states if structure.slope(s.post, s.old) == ex.const(1)]  # of gradients, it may be
    averages = [s for s in recurrence.states if s not in sums] or sums
    if around and averages and all(_lasts(s.old, frame, around[0]) for s in averages):
        counters = {x for c in recurrence.counters if _begins(c.old, frame) for x in (c.old, c.new)}
        recurrence.anew = frozenset(counters | {i for i in frame.indices if i.iterates == "count"})


def _around(frame: Frame, frames: Sequence[Frame]) -> Iterator[Frame]:
    """The loops around one, the nearest first: a run notes them as they end."""
    depth = frame.depth
    behind = frames[next((n for n, f in enumerate(frames) if f is frame), len(frames)) :]
    for other in behind:
        if other.kind == "loop" and other.depth < depth:
            depth = other.depth
            yield other


def _counters(frame: Frame) -> Iterator[Symbol]:
    """The places that a loop raises by one and the same number in each of its own passes."""
    for slot, post in frame.posts:
        own = structure.slope(post, slot.symbol)
        step = structure.rest(post, slot.symbol) if own == ex.const(1) else None
        if step is not None and step.op == "const" and step.value != 0:
            yield slot.symbol


def _entry(symbol: Symbol, frame: Frame) -> ex.Expr | None:
    """What a place of the loop holds on entry."""
    return symbol.entry if any(s.symbol is symbol for s in frame.slots) else None


def _lasts(symbol: Symbol, frame: Frame, around: Frame) -> bool:
    """The place goes into the loop as the last pass of the loop around has left it."""
    entry = _entry(symbol, frame)
    return entry is not None and entry.op == "sym" and any(s.symbol is entry.value for s in around.slots)


def _begins(symbol: Symbol, frame: Frame) -> bool:
    """The place goes into the loop with a number."""
    entry = _entry(symbol, frame)
    return entry is not None and entry.op == "const"
