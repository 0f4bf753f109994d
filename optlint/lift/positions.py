"""Heavy ball that is told by positions: w − η·g + μ·(w − p), where p is the position before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import Slot
from optlint.lift.recurrence import Entry


def with_velocities(entries: Sequence[Entry]) -> list[Entry]:
    """A place p that keeps the last position, and is read as w − p alone, is a velocity: p' = w, and w' − w is it."""
    found = list(entries)
    for place in entries:
        moved = next((e for e in entries if e is not place and place.post == ex.sym(e.slot.symbol)), None)
        if moved is None or any(place.slot.symbol in e.post.symbols for e in entries if e not in (place, moved)):
            continue
        w, p = moved.slot.symbol, place.slot.symbol
        velocity = Symbol(f"({w.name} − {p.name})", initial=ex.const(0) if _begins_there(p, w) else None)
        driven = driven_by(moved.post, w, p, velocity)
        if driven is not None:
            post = ex.op("add", ex.sym(w), driven, origin=moved.post.origin)
            slot = replace(place.slot, symbol=velocity)
            found[found.index(place)] = Entry(slot, driven, place.spans)
            found[found.index(moved)] = Entry(moved.slot, post, moved.spans)
    return found


def handed_back(
    returned: Iterable[Expr], arguments: Mapping[Symbol, Slot], entries: Sequence[Entry]
) -> Iterator[Entry]:
    """The last positions p that a function takes and for which it returns w: ``x, p = momentum(x, p)``."""
    moved = {e.slot.symbol: e for e in entries}
    for expr in dict.fromkeys(returned):
        entry = moved.get(expr.symbol) if expr.op == "sym" else None
        if entry is None:
            continue
        apart = (n.args for n in ex.walk(entry.post) if n.op == "sub" and expr in n.args)
        beside = {a.symbol for pair in apart for a in pair if a.op == "sym" and a != expr}
        free = [p for p in beside if p in arguments and p not in moved and p.default is None]
        if len(free) == 1:
            yield Entry(arguments[free[0]], expr, (expr.origin,) if expr.origin is not None else ())


def driven_by(post: Expr, w: Symbol, p: Symbol, velocity: Symbol) -> Expr | None:
    """What moves w, in terms of the velocity w − p; None where p is read in any other way."""
    table: dict[Expr, Expr] = {}
    for node in ex.walk(post):
        if node.op == "sub" and node.args == (ex.sym(w), ex.sym(p)):
            table[node] = ex.sym(velocity).at(node.origin)
        elif node.op == "sub" and node.args == (ex.sym(p), ex.sym(w)):
            table[node] = ex.op("neg", ex.sym(velocity), origin=node.origin)
    if not table:
        return None
    told = ex.substitute(post, table, into_opaque=True)
    parts = structure.terms(told)
    rest = [part for part in parts if part != (1, ex.sym(w))]
    if p in told.symbols or velocity not in told.visible or len(rest) != len(parts) - 1:
        return None
    return structure.total(rest, post.origin)


def _begins_there(p: Symbol, w: Symbol) -> bool:
    """The last position is the first one at the start, or nothing is known of it."""
    return p.initial is None or p.initial == w.initial or p.entry in (w.entry, ex.sym(w))
