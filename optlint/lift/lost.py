"""Updates whose result is bound to a name and forgotten: ``for p, g in zip(params, grads): p = p − η·g``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.entries import arguments_of, entries_of, entry_values, resolved
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame, Stored
from optlint.lift.objects import Store
from optlint.lift.recurrence import Recurrence, State
from optlint.lift.updates import Grouping
from optlint.model import Span


def lost_updates(
    frame: Frame,
    inner: Iterable[Frame],
    store: Store,
    stored: Sequence[Stored],
    behind: Callable[[Span], str],
    name: str,
) -> list[Recurrence]:
    """The updates that a run computes for a place, and binds to a plain name that nothing reads afterwards.

    Their parameter is the place as it would be if the value were kept. behind: the function's text after a statement.
    """
    table = entry_values(inner)
    entries = entries_of(frame, store, table)
    written = {e.slot.symbol for e in entries}
    arguments = arguments_of(frame, store)
    found = []
    for one in stored:
        if not one.name.isidentifier() or one.span is None or _is_named_later(one, behind(one.span)):
            continue
        post = resolved(one.expr, table)
        place = _moved(post, arguments.keys())
        if place is None or place in written:
            continue
        grouping = Grouping(frame, entries, [], [], name)
        parameter = State(place.name, place, Symbol(f"{place.name}'"), post, place.initial, (one.span,))
        recurrence = grouping.of(parameter)
        recurrence.lost = True
        found.append(recurrence)
    return found


def _moved(post: Expr, arguments: Iterable[Symbol]) -> Symbol | None:
    """S where ``post`` is S − …: an element, an attribute or an argument."""
    parts = structure.terms(post)
    bare = [t.symbol for sign, t in parts if sign > 0 and t.op == "sym" and t.symbol.kind == "place"]
    kept = [s for s in bare if "[" in s.name or "." in s.name or s in arguments]
    if len(parts) < 2 or len(kept) != 1 or structure.slope(post, kept[0]) != ex.const(1):
        return None
    return kept[0]


def _is_named_later(one: Stored, later: str) -> bool:
    """Whether the name stands anywhere in the text behind, or that text may read names that it does not show."""
    return bool(re.search(rf"(?<![\w.]){re.escape(one.name)}\b|\b(exec|eval|locals|vars)\(", later))
