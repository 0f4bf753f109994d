"""Updates whose averages do not last: ``m = β·self.m + (1 − β)·g`` under a mere name, or made anew at each call.

What a run shows is what it would show if they lasted, as it stands without that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.directions import kept_directions
from optlint.lift.entries import Kept, entries_of, entry_values, resolved, spans_of
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame, Stored
from optlint.lift.lost import moved_gradients
from optlint.lift.objects import Cell, Slot
from optlint.lift.places import is_called_gradient, is_called_velocity, place_text
from optlint.lift.recurrence import Entry, Recurrence
from optlint.lift.store import Store
from optlint.lift.updates import updates_of
from optlint.lift.written import written_places

ZERO = ex.const(0)
_MOMENTUM = re.compile(r"(?<![a-z])(?:mu|momentum)(?![a-z])", re.IGNORECASE)


def forgetful_updates(
    frame: Frame,
    inner: Iterable[Frame],
    store: Store,
    stored: Sequence[Stored],
    sinks: Sequence[Expr],
    changed: Iterable[Entry],
    name: str,
) -> list[Recurrence]:
    """The updates of a frame that would have states if its averages lasted, without these among their states.

    changed: what it makes of the gradients that a framework hands out.
    """
    inner = list(inner)
    bound = {e.slot.symbol: e for e in _bound(frame, inner, store, stored)}
    begun = list(_begun_anew(frame, inner, store, stored))
    if not bound and not begun:
        return []
    kept = Kept(
        (*bound.values(), *(entry for entry, _, _ in begun)), {content: entry.post for entry, content, _ in begun}
    )
    zeros = {entry.slot.symbol: zero for entry, _, zero in begun}
    seen = updates_of(frame, inner, store, sinks, name, (), kept)
    seen = seen or list(moved_gradients(frame, inner, store, changed, name, kept))
    if not seen and frame.kind == "function":
        seen = kept_directions(frame, inner, store, name, kept)
    forgotten = bound.keys() | zeros.keys()
    return [_as_it_stands(r, forgotten, zeros) for r in seen if forgotten & r.moving]


def _bound(frame: Frame, inner: list[Frame], store: Store, stored: Sequence[Stored]) -> Iterator[Entry]:
    """β·s + c·x under a name, where s is a place that lasts and that the run begins, and leaves as it was."""
    table = entry_values(inner)
    written = {e.slot.symbol for e in entries_of(frame, store, inner)}
    slots = {slot.symbol: slot for slot in (*store.slots, *(s for f in (frame, *inner) for s in f.slots))}
    for one in stored:
        if one.span is None or not one.name.isidentifier():
            continue
        post = resolved(one.expr, table)
        for symbol in post.visible:
            if symbol not in written and _lasts(symbol, post) and _takes_in(post, symbol):
                written.add(symbol)
                slot = slots.get(symbol) or Slot(Cell(), symbol.name, symbol, Cell(ex.sym(symbol)))
                yield Entry(slot, post, (one.span,))


def _begun_anew(
    frame: Frame, inner: list[Frame], store: Store, stored: Sequence[Stored]
) -> Iterator[tuple[Entry, Expr, Expr]]:
    """β·0 + c·x in a place that lasts, or of a 0 that another function has made and nothing changes.

    What it would be if it went on from there, what it is, and its zero.
    """
    table = entry_values(inner)
    done: set[Expr] = set()
    for home, key, expr in written_places(store):
        place, content = place_text(home.place + key), resolved(expr, table)
        going_on = None if is_called_gradient(place) else _going_on(content, Symbol(place, initial=ZERO, array=True))
        if going_on is not None:
            post, symbol, zero = going_on
            slot = Slot(home, key, symbol, Cell(ex.sym(symbol)))
            done.add(content)
            yield Entry(slot, post, spans_of(store, slot, frame.span)), content, zero
    for one in stored:
        content = resolved(one.expr, table)
        going_on = _going_on(content, Symbol(one.name, initial=ZERO)) if one.name.isidentifier() and one.span else None
        origin = going_on[2].origin if going_on is not None else None
        if going_on is None or origin is None or frame.span is None or frame.span.covers(origin) or content in done:
            continue
        post, symbol, zero = going_on
        done.add(content)
        slot = Slot(Cell(), one.name, symbol, Cell(ex.sym(symbol)))
        yield Entry(slot, post, (one.span,) if one.span else ()), content, zero


def _going_on(content: Expr, symbol: Symbol) -> tuple[Expr, Symbol, Expr] | None:
    """β·s + c·x for β·0 + c·x, with the 0."""
    if content.op not in ("add", "sub"):
        return None
    made = {n.origin: n for n in ex.walk(content) if n == ZERO and n.origin is not None}
    for origin, zero in made.items():
        post = content
        for node in [n for n in ex.walk(content) if n == ZERO and n.origin == origin]:
            post = ex.replace_node(post, node, ex.sym(symbol))
        if _takes_in(post, symbol):
            return post, symbol, zero
    return None


def _lasts(symbol: Symbol, post: Expr) -> bool:
    """The code begins the place, or calls it or what it keeps a velocity's."""
    if symbol.kind != "place" or not ("[" in symbol.name or "." in symbol.name):
        return False
    own = structure.retention(post, symbol)
    part = own.op == "sym" and bool(_MOMENTUM.search(own.symbol.name)) if own is not None else False
    return symbol.initial is not None or is_called_velocity(symbol) or part


def _takes_in(post: Expr, symbol: Symbol) -> bool:
    if post.op not in ("add", "sub") or is_called_gradient(symbol.name):
        return False
    own = structure.retention(post, symbol)
    return own not in (None, ex.const(0), ex.const(1)) and structure.rest(post, symbol) != ex.const(0)


def _as_it_stands(recurrence: Recurrence, forgotten: Iterable[Symbol], zeros: dict[Symbol, Expr]) -> Recurrence:
    table: dict[Expr, Expr] = {}
    lost = set(forgotten)
    for state in recurrence.states:
        if state.old in lost:
            begun: dict[Expr, Expr] = {ex.sym(state.old): zeros[state.old]} if state.old in zeros else {}
            table[ex.sym(state.new)] = ex.substitute(state.post, table | begun)
    states = [s for s in recurrence.states if s.old not in lost]
    written = recurrence.changed(lambda post: ex.substitute(post, table), states)
    return replace(written, forgetful=True, idle=[s for s in recurrence.idle if s.old not in lost])
