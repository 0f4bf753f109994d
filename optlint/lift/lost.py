"""Updates whose result is bound to a name and forgotten: ``for p, g in zip(params, grads): p = p − η·g``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

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
    written = {e.slot.symbol: e.post for e in entries}
    arguments = arguments_of(frame, store)
    found = []
    for one in stored:
        if not one.name.isidentifier() or one.span is None or _is_named_later(one, behind(one.span)):
            continue
        post = resolved(one.expr, table)
        place = _moved(post, arguments.keys())
        if place is None or not _only_decayed(place, written):
            continue
        grouping = Grouping(frame, [e for e in entries if e.slot.symbol is not place], [], [], name)
        parameter = State(place.name, place, Symbol(f"{place.name}'"), post, place.initial, (one.span,))
        recurrence = grouping.of(parameter)
        recurrence.lost = True
        found.append(recurrence)
    return found


def _moved(post: Expr, arguments: Iterable[Symbol]) -> Symbol | None:
    """S where ``post`` is S − …, or S·(1 − η·λ) − …: an element, an attribute or an argument."""
    places = [s for s in post.symbols if s.kind == "place" and ("[" in s.name or "." in s.name or s in arguments)]
    own = {s: structure.slope(post, s) for s in places}
    kept = [s for s, slope in own.items() if slope is not None and (1, ex.const(1)) in structure.terms(slope)]
    if len(kept) != 1 or structure.rest(post, kept[0]) == ex.const(0):
        return None
    return kept[0]


def _only_decayed(place: Symbol, written: Mapping[Symbol, Expr]) -> bool:
    """What the run leaves in the place is what was there, times a factor: the step is lost all the same."""
    left = written.get(place)
    return left is None or structure.rest(left, place) == ex.const(0)


def _is_named_later(one: Stored, later: str) -> bool:
    """Whether the name stands anywhere in the text behind, or that text may read names that it does not show.

    A line that gives the same name something else made of it (``p = p.detach()``) is no place where it goes on.
    """
    name = re.escape(one.name)
    elsewhere = re.sub(rf"^\s*{name} = [^\n]*\)$", "", later, flags=re.MULTILINE)
    return bool(re.search(rf"(?<![\w.]){name}\b|\b(exec|eval|locals|vars)\(", elsewhere))
