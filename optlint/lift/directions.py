"""Directions that an object keeps for its owner to go: ``self.step_w = g/(√v + ε)``, where nothing moves."""

from __future__ import annotations

from collections.abc import Iterable

from optlint.lift import expression as ex
from optlint.lift.entries import entries_of, entry_values, resolved
from optlint.lift.frames import Frame
from optlint.lift.objects import Cell
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import Recurrence
from optlint.lift.store import Store
from optlint.lift.updates import Grouping
from optlint.lift.written import made_anew


def kept_directions(frame: Frame, inner: Iterable[Frame], store: Store, name: str) -> list[Recurrence]:
    """What a run makes of averages of gradients and leaves in places that it does not read, for others to take."""
    inner = list(inner)
    table, entries = entry_values(inner), entries_of(frame, store, inner)
    read = frozenset().union(*(e.post.symbols for e in entries))
    left = [e.post for e in entries if e.slot.symbol not in read and isinstance(e.slot.home, Cell)]
    left += [resolved(post, table) for post in made_anew(store)]
    averages = [e.post for e in entries if e.slot.symbol in e.post.symbols and any(map(_is_gradient, e.post.symbols))]
    made = [p for p in dict.fromkeys(left) if any(a != p and ex.contains(p, a) for a in averages)]
    whole = [p for p in made if not any(p != o and ex.contains(o, p) for o in made)]
    found = Grouping(frame, entries, whole, [], name).recurrences() if whole else []
    for recurrence in found:
        recurrence.set_aside = True
    return [r for r in found if r.parameter is None]


def _is_gradient(symbol: ex.Symbol) -> bool:
    return is_called_gradient(symbol.name)
