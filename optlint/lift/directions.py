"""Directions that an object keeps for its owner to go: ``self.step_w = g/(√v + ε)``, where nothing moves."""

from __future__ import annotations

from collections.abc import Iterable

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.entries import NOTHING, Kept, entries_of, entry_values, resolved
from optlint.lift.expression import Expr
from optlint.lift.frames import Frame
from optlint.lift.grouping import Grouping
from optlint.lift.objects import Cell, Slot
from optlint.lift.places import is_called_gradient, names_gradient
from optlint.lift.recurrence import Entry, Recurrence
from optlint.lift.store import Store
from optlint.lift.written import made_anew


def kept_directions(
    frame: Frame, inner: Iterable[Frame], store: Store, name: str, kept: Kept = NOTHING
) -> list[Recurrence]:
    """What a run makes of averages of gradients and leaves in places that it does not read, for others to take.

    kept: what it is taken to leave, besides what it does.
    """
    inner = list(inner)
    table, entries = entry_values(inner) | dict(kept.table), kept.beside(entries_of(frame, store, inner))
    read = frozenset().union(*(e.post.symbols for e in entries))
    left = [e.post for e in entries if e.slot.symbol not in read and isinstance(e.slot.home, Cell)]
    anew = ((place, resolved(post, table)) for place, post in made_anew(store))
    left += [post for place, post in anew if not _stays(post, place)]
    averaging = [e for e in entries if e.slot.symbol in e.post.symbols and any(map(_is_gradient, e.post.symbols))]
    averages, held = [e.post for e in averaging], {e.slot.symbol for e in averaging}
    made = [p for p in dict.fromkeys(left) if any(a != p and ex.contains(p, a) for a in averages)]
    made += [p for p in dict.fromkeys(left) if p not in made and held & p.symbols and _moved_argument(p, frame)]
    whole = [p for p in made if not any(p != o and ex.contains(o, p) for o in made)]
    moved = [Entry(slot, p, (p.origin,) if p.origin else ()) for p in whole if (slot := _moved_argument(p, frame))]
    whole = [p for p in whole if not any(p is m.post for m in moved)]
    found = Grouping(frame, entries + moved, whole, [], name).recurrences() if whole or moved else []
    for recurrence in found:
        recurrence.set_aside = recurrence.parameter is None and not _is_sized(recurrence)
    parameters = {m.slot.symbol for m in moved}
    return [r for r in found if r.parameter is None or r.parameter.old in parameters]


def _stays(post: Expr, place: str) -> bool:
    """A gradient's place that only gains a term, ``grad.neg_(); …; grad.add_(w, alpha=λ)``: no direction to go."""
    return any(t.op == "sym" and t.symbol.name == place and names_gradient(t.symbol) for _, t in structure.terms(post))


def _moved_argument(post: Expr, frame: Frame) -> Slot | None:
    """``self.theta = theta − η·g/(√r + ε)``: the argument that a step is taken from, with its new content there."""
    whole = {term.symbol for sign, term in structure.terms(post) if sign > 0 and term.op == "sym"}
    slots = [s for s in frame.slots if s.local and s.symbol in whole and not names_gradient(s.symbol)]
    return slots[0] if len(slots) == 1 else None


def _is_sized(recurrence: Recurrence) -> bool:
    """η·m̂/(√v̂ + ε), where η is no state's decay: a step, whatever it is called.

    A gradient or its average is a factor of each summand, but for an ε: η/(√v + ε) alone is a rate.
    """
    states = [s for s in recurrence.states if not s.is_counter]
    taken = frozenset().union(*(s.post.visible for s in states))
    kept = [k for s in states if (k := structure.retention(s.post, s.old)) is not None]
    known = taken.union(*(k.symbols for k in kept), *({s.old, s.new} for s in states))
    gradients = [s for s in taken if names_gradient(s)]
    averages = {s.new for s in states if any(structure.slope(s.post, g) not in (None, ex.const(0)) for g in gradients)}
    parts = [structure.factors(term) for _, term in structure.terms(recurrence.step)]
    sizes = [f for factors in parts for f, e in factors if f.op == "sym" and e == 1]
    driven = averages.union(gradients)
    going = [factors for factors in parts if any(e > 0 and f.visible & driven for f, e in factors)]
    floors = [factors for factors in parts if len(factors) == 1 and _is_floor(factors[0][0])]
    sized = any(not f.symbol.array and f.symbol not in known for f in sizes)
    return sized and bool(going) and len(going) + len(floors) == len(parts)


def _is_floor(node: Expr) -> bool:
    return node.op == "sym" and node.symbol.default is not None and 0 < node.symbol.default < 1e-3


def _is_gradient(symbol: ex.Symbol) -> bool:
    return is_called_gradient(symbol.name)
