"""Places that a run writes without reading them, and what stood there when another method saved it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame
from optlint.lift.objects import Cell, Slot, content, numeric
from optlint.lift.places import place_text
from optlint.lift.store import Store
from optlint.model import Span


def written_places(store: Store) -> Iterator[tuple[Cell, str, Expr]]:
    """What a run has put into places that are no plain names, or changed where it hangs there: home, key, content."""
    for home, key in store.origins:
        if isinstance(home, Cell) and (key or "[" in home.place or "." in home.place):
            expr = numeric(content((home, key)))
            if expr is not None:
                yield home, key, expr


def made_anew(store: Store) -> Iterator[tuple[str, Expr]]:
    """The places of lasting objects that a run does not read before it fills them, with what it leaves there."""
    old = {(id(slot.home), slot.key) for slot in store.slots} | {(id(slot.cell), "") for slot in store.slots}
    for home, key, expr in written_places(store):
        lasts = not key or home.open or home.klass is not None or "[" in home.place or "." in home.place
        known = {(id(home), key), (id(content((home, key))), "")} & old
        if lasts and not known and expr.symbols:
            yield place_text(home.place + key), expr


def from_saved(post: Expr, symbol: Symbol, saved: Mapping[str, str]) -> Expr:
    """``self.net.w = self.before − u``, where another method has saved the w of before it looked ahead: w − u."""
    before = _before(post, symbol.name, saved)
    return post if before is None else ex.substitute(post, {ex.sym(before): ex.sym(symbol)})


def _before(post: Expr, name: str, saved: Mapping[str, str]) -> Symbol | None:
    """The place that ``post`` goes on from, if another method has saved there what stood in the one of that name."""
    for saver, place in saved.items():
        for sign, term in structure.terms(post) if name.startswith(place) else ():
            if sign > 0 and term.op == "sym" and term.symbol.name == saver + name.removeprefix(place):
                return term.symbol
    return None


def moved_from_saved(frame: Frame, store: Store) -> Iterator[tuple[Slot, Expr, tuple[Span, ...]]]:
    """The same where the run does not read the place that it writes: the saved one is the parameter's."""
    for home, key, post in written_places(store) if frame.saved else ():
        before = _before(post, place_text(home.place + key), frame.saved)
        slot = next((s for s in store.slots if s.symbol is before), None)
        if slot is not None and (home, key) != (slot.home, slot.key):
            yield slot, post, tuple(store.origins.get((home, key), ()))
