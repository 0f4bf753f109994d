"""From a frame's entries to its updates: which place is the parameter, and which states move it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.conditions import flag_of
from optlint.lift.diagonals import by_diagonals
from optlint.lift.entries import NOTHING, Kept, entries_of, entry_values, resolved
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame
from optlint.lift.grouping import Grouping
from optlint.lift.inputs import with_next_descents
from optlint.lift.joins import begins_alike, either, first_step, is_first_step
from optlint.lift.objects import Cell
from optlint.lift.positions import handed_back, with_velocities
from optlint.lift.recurrence import Entry, Recurrence
from optlint.lift.returned import arguments_of, flat, left_as_they_were, match_returns
from optlint.lift.sharing import note_sharing
from optlint.lift.store import Store
from optlint.model import Span


def updates_of(
    frame: Frame,
    inner: Iterable[Frame],
    store: Store,
    sinks: Sequence[Expr],
    name: str,
    within: Iterable[Recurrence],
    kept: Kept = NOTHING,
) -> list[Recurrence]:
    """Every parameter that a frame moves, with the states that move it. within: what its inner loops move.

    kept: what it is taken to leave, besides what it does.
    """
    inner, within = list(inner), list(within)
    table = entry_values(inner) | dict(kept.table)
    left = kept.beside(entries_of(frame, store, inner))
    entries = _without_memos(_without_zeros(_without_flags(_without_resets(left))))
    alike = _like_beginnings(entries) | _held_counts(entries, frame)
    table |= alike
    entries = [replace(e, post=ex.substitute(e.post, alike)) for e in entries] if alike else entries
    entries = with_velocities(with_next_descents(by_diagonals(entries)))
    reached = _reached(inner, within, table)
    outputs: list[Expr] = []
    still: frozenset[Symbol] = frozenset()
    if frame.kind == "function":
        arguments = arguments_of(frame, store)
        outputs = match_returns(frame, arguments, entries, table, reached)
        still = left_as_they_were(frame, arguments, entries)
        returned = (e for _, e in flat(frame.returned))
        if last := list(handed_back(returned, arguments, entries)):
            entries = with_velocities([*entries, *last])
    if not entries:
        return []
    handed_on = [resolved(e, table) for e in map(_unwrapped, sinks) if e.args and e.op != "opaque"]
    handed_on = [e for e in handed_on if e not in reached]
    slots = [r.parameter.slot for r in within if r.parameter is not None and r.states]
    arrays = {id(s.cell) for s in slots if s is not None}
    found = Grouping(frame, entries, outputs, handed_on, name, arrays).recurrences()
    for recurrence in found:
        note_sharing(recurrence, frame, inner)
        recurrence.from_saved, recurrence.stuck, recurrence.alike = bool(frame.saved), still, alike
    return found


def _reached(inner: Iterable[Frame], within: Iterable[Recurrence], table: dict[Expr, Expr]) -> frozenset[Expr]:
    """Where loops over the steps leave what they move, as one pass from what the code begins with.

    What stands around such a loop hands it on as a result: ``theta = 0; for …: theta -= …; return theta``.
    """
    moved = {r.parameter.old for r in within if r.parameter is not None}
    posts = (p for f in inner for s, p in f.posts if s.symbol in moved and _is_begun(s.symbol.entry))
    return frozenset(resolved(p, table) for p in posts)


def _is_begun(entry: Expr | None) -> bool:
    return entry is not None and entry.op != "sym"


def _without_flags(entries: list[Entry]) -> list[Entry]:
    """With the first step told as such where a flag tells it that every step sets: ``if not self.begun: …``."""
    flags = {e.slot.symbol: e.post for e in entries if _turns(e)}
    table: dict[Expr, Expr] = {}
    for node in (n for e in entries if flags for n in ex.walk(e.post) if n.op == "where"):
        flag = flag_of(node.args[0])
        if flag is not None and flag[0] in flags:
            first, later = node.args[1:] if flag[1] else node.args[:0:-1]
            table[node] = either(first_step(), first, later)
    return [replace(e, post=ex.substitute(e.post, table)) for e in entries] if table else entries


def _like_beginnings(entries: list[Entry]) -> dict[Expr, Expr]:
    """First steps that leave in a place what every step leaves there, from zero: (1 − β)·g. What these all do."""
    choices = ((n, e.slot.symbol.name) for e in entries for n in ex.walk(e.post) if n.op == "where")
    first = ((n, place) for n, place in choices if is_first_step(n.args[0]))
    return {n: n.args[2] for n, place in first if begins_alike(n.args[1], n.args[2], place)}


def _held_counts(entries: list[Entry], frame: Frame) -> dict[Expr, Expr]:
    """βᵗ in a loop, where t is the number that a count begins with before it, and that nothing there advances."""
    if frame.kind != "loop" or frame.span is None:
        return {}
    decays = {structure.retention(e.post, e.slot.symbol) for e in entries} - {None}
    powers = (n for e in entries for n in ex.walk(e.post) if n.op == "pow" and n.args[0] in decays)
    counts: dict[Span, Symbol] = {}
    found: dict[Expr, Expr] = {}
    for power in powers:
        base, count = power.args
        if count.op == "const" and count.value in (0, 1) and count.origin and not frame.span.covers(count.origin):
            first = float(count.number)
            held = counts.setdefault(count.origin, Symbol("t", default=first, initial=count))
            found[power] = Expr("pow", (base, ex.sym(held)), None, power.origin)
    return found


def _without_resets(entries: list[Entry]) -> list[Entry]:
    """Without what an object only sets back to where it began: its other methods move it, and it is data here."""
    return [e for e in entries if not _is_set_back(e)]


def _is_set_back(entry: Entry) -> bool:
    own = isinstance(entry.slot.home, Cell) and entry.slot.key.startswith(".")
    return own and entry.post.op == "const" and entry.post == entry.slot.symbol.initial and len(entry.spans) == 1


def _turns(entry: Entry) -> bool:
    first, post = entry.slot.symbol.initial, entry.post
    return first is not None and first.op == post.op == "const" and bool(first.value) != bool(post.value)


def _without_zeros(entries: list[Entry]) -> list[Entry]:
    """Without what is 0 at first and only scaled, which stays 0: ``v = v/(1 − β^t)`` where nothing else writes v."""
    table: dict[Expr, Expr] = {}
    for entry in entries:
        symbol, first = entry.slot.symbol, entry.slot.symbol.initial
        scaled = structure.is_scaled(entry.post, symbol) and entry.post.op not in ("add", "sub")  # m = β·m + (1 − β)·m
        if first is not None and first == ex.const(0) and scaled:
            table[ex.sym(symbol)] = table[entry.post] = first
    if not table:
        return entries
    kept = [e for e in entries if ex.sym(e.slot.symbol) not in table]
    return [Entry(e.slot, ex.substitute(e.post, table), e.spans) for e in kept]


def _without_memos(entries: list[Entry]) -> list[Entry]:
    """Without what is kept to be computed but once for each number of the step, and is the same if computed anew.

    ``if t == kept[0]: r = kept[1]``, ``else: kept[0] = t; kept[1] = r = f(t)``: r is f(t).
    """
    for key in entries:
        own = ex.sym(key.slot.symbol)
        told = key.post.args[2] if key.post.op == "where" and key.post.args[1] == own else None
        if told is None or key.post.args[0] not in (ex.op("eq", told, own), ex.op("eq", own, told)):
            continue
        table, places = {key.post: told}, {own.symbol}
        for entry in entries:
            symbol, post = entry.slot.symbol, entry.post
            if post.op == "where" and post.args[:2] == (key.post.args[0], ex.sym(symbol)):
                table[post] = post.args[2]
                places.add(symbol)
        moving = {e.slot.symbol for e in entries} - told.symbols
        if len(table) > 1 and not any(f.symbols & moving or any(s.array for s in f.symbols) for f in table.values()):
            kept = [e for e in entries if e.slot.symbol not in places]
            return [Entry(e.slot, ex.substitute(e.post, table), e.spans) for e in kept]
    return entries


def _unwrapped(sink: Expr) -> Expr:
    """What unseen code makes of one value before it is handed on: ``layer.put(checked(w − η·u))``."""
    while sink.op == "opaque" and len(sink.args) == 1:
        sink = sink.args[0]
    return sink
