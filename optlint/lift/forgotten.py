"""Updates whose averages do not last: ``m = β·self.m + (1 − β)·g`` under a mere name, or made anew at each call.

What a run shows is what it would show if they lasted, as it stands without that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.directions import kept_directions
from optlint.lift.entries import Kept, entries_of, entry_values, resolved, spans_of
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame, Stored
from optlint.lift.lost import moved_gradients
from optlint.lift.objects import Cell, Slot
from optlint.lift.places import is_called_gradient, is_called_momentum, is_called_velocity, place_text
from optlint.lift.recurrence import Entry, Recurrence
from optlint.lift.returned import flat
from optlint.lift.store import Store
from optlint.lift.updates import updates_of
from optlint.lift.written import written_places

ZERO = ex.const(0)


@dataclass(frozen=True, slots=True)
class _Lost:
    """An average that does not last: ``entry`` is it if it did, content what the run computes, zero where that
    begins."""

    entry: Entry
    content: Expr
    zero: Expr | None = None


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
    table = entry_values(inner)
    computed = list(_computed(frame, stored, table))
    found = [*_bound(frame, inner, store, computed), *_begun_anew(frame, store, computed, table)]
    if not found:
        return []
    anew = {one.content: one.entry.post for one in found if one.zero is not None}
    kept = Kept(tuple(one.entry for one in found), anew)
    seen = updates_of(frame, inner, store, sinks, name, (), kept)
    seen = seen or list(moved_gradients(frame, inner, store, changed, name, kept))
    if not seen and frame.kind == "function":
        seen = kept_directions(frame, inner, store, name, kept)
    zeros = {one.entry.slot.symbol: one.zero for one in found}
    return [_as_it_stands(r, zeros) for r in seen if zeros.keys() & r.moving]


def _computed(frame: Frame, stored: Sequence[Stored], table: dict[Expr, Expr]) -> Iterator[Stored]:
    """What the run gives mere names, and the sums without a name in what it hands back."""
    for one in stored:
        if one.span is not None and one.name.isidentifier():
            yield replace(one, expr=resolved(one.expr, table))
    for _, value in flat(frame.returned) if frame.kind == "function" else ():
        for node in ex.walk(resolved(value, table)):
            if node.op in ("add", "sub"):
                yield Stored("", node, node.origin)


def _bound(frame: Frame, inner: list[Frame], store: Store, computed: Iterable[Stored]) -> Iterator[_Lost]:
    """β·s + c·x, where s is a place that lasts and that the run begins, and leaves as it was."""
    written = {e.slot.symbol for e in entries_of(frame, store, inner)}
    slots = {slot.symbol: slot for slot in (*store.slots, *(s for f in (frame, *inner) for s in f.slots))}
    for one in computed:
        for symbol in one.expr.visible:
            if symbol not in written and _lasts(symbol, one.expr) and _takes_in(one.expr, symbol):
                written.add(symbol)
                slot = slots.get(symbol) or _stand_in(symbol)
                yield _Lost(Entry(slot, one.expr, (one.span,) if one.span else ()), one.expr)


def _begun_anew(frame: Frame, store: Store, computed: Iterable[Stored], table: dict[Expr, Expr]) -> Iterator[_Lost]:
    """β·0 + c·x in a place that lasts, or of a 0 that another function has made and nothing changes."""
    done: set[Expr] = set()
    for home, key, expr in written_places(store):
        place, content = place_text(home.place + key), resolved(expr, table)
        symbol = Symbol(place, initial=ZERO, array=True)
        going_on = None if is_called_gradient(place) else _going_on(content, symbol)
        if going_on is not None:
            slot = Slot(home, key, symbol, Cell(ex.sym(symbol)))
            done.add(content)
            yield _Lost(Entry(slot, going_on[0], spans_of(store, slot, frame.span)), content, going_on[1])
    for one in computed:
        symbol = Symbol(one.name or "state", initial=ZERO)
        going_on = _going_on(one.expr, symbol) if one.expr not in done else None
        origin = going_on[1].origin if going_on is not None else None
        if going_on is not None and origin is not None and frame.span is not None and not frame.span.covers(origin):
            done.add(one.expr)
            yield _Lost(Entry(_stand_in(symbol), going_on[0], (one.span,) if one.span else ()), one.expr, going_on[1])


def _stand_in(symbol: Symbol) -> Slot:
    """A place of which no more is known than what it holds."""
    return Slot(Cell(), symbol.name, symbol, Cell(ex.sym(symbol)))


def _going_on(content: Expr, symbol: Symbol) -> tuple[Expr, Expr] | None:
    """β·s + c·x for β·0 + c·x, and the 0."""
    if content.op not in ("add", "sub"):
        return None
    made = {n.origin: n for n in ex.walk(content) if n == ZERO and n.origin is not None}
    for origin, zero in made.items():
        post = content
        for node in [n for n in ex.walk(content) if n == ZERO and n.origin == origin]:
            post = ex.replace_node(post, node, ex.sym(symbol))
        if _takes_in(post, symbol):
            return post, zero
    return None


def _lasts(symbol: Symbol, post: Expr) -> bool:
    """The code begins the place (a second moment with a setting, too), or calls it or what it keeps a velocity's."""
    if symbol.kind != "place" or not ("[" in symbol.name or "." in symbol.name):
        return False
    own = structure.retention(post, symbol)
    part = own.op == "sym" and is_called_momentum(own.symbol.name) if own is not None else False
    begun = symbol.initial is not None or (symbol.default is not None and structure.averages_squares(post, symbol))
    return begun or is_called_velocity(symbol) or part


def _takes_in(post: Expr, symbol: Symbol) -> bool:
    if post.op not in ("add", "sub") or is_called_gradient(symbol.name):
        return False
    own = structure.retention(post, symbol)
    part = own != ex.const(1) or structure.adds_squares(post, symbol)
    return own not in (None, ZERO) and part and structure.rest(post, symbol) != ZERO


def _as_it_stands(recurrence: Recurrence, zeros: Mapping[Symbol, Expr | None]) -> Recurrence:
    """zeros: what the averages that do not last go on from, where that is no place."""
    table: dict[Expr, Expr] = {}
    for state in recurrence.states:
        if state.old in zeros:
            zero = zeros[state.old]
            begun = {ex.sym(state.old): zero} if zero is not None else {}
            table[ex.sym(state.new)] = ex.substitute(state.post, table | begun)
    states = [s for s in recurrence.states if s.old not in zeros]
    written = recurrence.changed(lambda post: ex.substitute(post, table), states)
    return replace(written, forgetful=True, idle=[s for s in recurrence.idle if s.old not in zeros])
