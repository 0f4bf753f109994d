"""What a function hands back: new contents of its arguments, and steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.entries import cancelled, resolved
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame
from optlint.lift.objects import ANY, Cell, Each, Scope, Seq, Slot, Value, content, numeric
from optlint.lift.places import is_called_gradient, loosely, names_gradient
from optlint.lift.recurrence import Entry
from optlint.lift.store import Store

_GRADIENTS = frozenset({"g", "grad", "grads", "gradient", "gradients", "dw", "dx"})
_NUMBERED = re.compile(r"\[\d+\]")


def arguments_of(frame: Frame, store: Store) -> dict[Symbol, Slot]:
    """What the caller hands in: the arguments, and their parts (``state.mu``, ``state[0]``)."""
    arguments = {s.symbol: s for s in frame.slots if s.local}
    cells = {id(s.cell) for s in arguments.values()}
    for slot in store.slots:
        if isinstance(slot.home, Cell) and id(slot.home) in cells and slot.key:
            arguments[slot.symbol] = slot
            cells.add(id(slot.cell))
    return arguments


def match_returns(
    frame: Frame, arguments: dict[Symbol, Slot], entries: list[Entry], table: dict[Expr, Expr], reached: Set[Expr]
) -> list[Expr]:
    """Arguments whose new values are returned are state; what fits no argument is the step itself.

    reached: results that are neither.
    """
    returned = [(key, cancelled(resolved(e, table))) for key, e in flat(frame.returned) if e not in reached]
    returned = [(key, e) for key, e in returned if e not in reached]
    known = [e.post for e in entries]
    taken = {e.slot.symbol for e in entries}
    rest: list[tuple[int, Expr]] = []
    kept = Symbol("kept", kind="role")
    matched: set[Expr] = set()
    named = {
        symbol
        for key, expr in returned
        for symbol, slot in arguments.items()
        if isinstance(slot.home, Cell) and slot.key == key and _goes_on(expr, symbol)
    }
    order = sorted(range(len(returned)), key=lambda i: returned[i][1].size)  # what a step is made of comes before it
    velocities = all(_is_velocity(expr, entries) for _, expr in returned)
    for number in order:
        key, expr = returned[number]
        if expr in matched or velocities:  # the new average is the step, too
            rest.append((number, expr))
            continue
        if expr in known or not expr.args or expr.op == "opaque" or _is_begun_anew(expr, arguments):
            continue
        if any(t.op == "sym" and t.symbol.iterates == "key" for _, t in structure.terms(expr)):
            continue  # a pair of a graph, whose variable is a dictionary's key: ``updates[p] = p − η·g``
        best = None
        # what the code takes from another place's new content is that place's, not an argument's
        own_part = ex.substitute(expr, {e.post: ex.sym(kept) for e in entries if e.post.args})
        own_place = _of_key(key, own_part, arguments)
        passing = _no_trace(own_part, expr, arguments, returned) - own_place
        for symbol, slot in arguments.items():
            if symbol in taken or symbol in passing or symbol not in own_part.visible:
                continue
            own = structure.retention(own_part, symbol)  # also inside a maximum (AMSGrad's)
            if (1, ex.sym(symbol)) in structure.terms(own_part):
                own = ex.const(1)
            if own == ex.const(-1):
                continue  # how far another quantity is from it
            of_part = isinstance(slot.home, Cell)
            same = symbol in own_place if of_part else numeric(content((slot.home, slot.key))) == expr
            if not same and (symbol in named or symbol.default or _is_taken_in(own_part, own, symbol, arguments)):
                continue  # handed back elsewhere, a setting, or what an average of another argument takes in
            goes_on = same and _goes_on(own_part, symbol)
            # in its own place of a record it is no gradient, though the step reads it (Adadelta's E[Δw²])
            feeds = _feeds(symbol, expr, returned) or any(symbol in p.visible and ex.contains(expr, p) for p in known)
            fed = feeds and not (goes_on and isinstance(slot.home, Cell))
            if own is None and not (goes_on and not fed):
                continue
            left = None if own is None else _at_zero(own)
            if own is not None and kept in own.visible and not same and names_gradient(symbol):
                continue  # scaled by what another place has just become: a gradient's step, −η·g/√v'
            if kept in own_part.visible and not same and left == ex.const(0) and not _weighs_one(own_part, own, symbol):
                continue  # a step with decay: η·(m̂/(√v̂ + ε) + λ·w)
            if kept in own_part.visible and left != ex.const(1) and fed:
                continue  # a gradient that becomes the step: g/(√v' + ε)
            size = expr.size if own is None else own.size
            off = own is not None and structure.is_negative(own)
            averaged = _is_averaged(own_part, symbol, arguments)
            shared = averaged and any(symbol in e.visible for _, e in returned if not ex.contains(e, expr))
            less = left != ex.const(1) and not averaged and not passing
            bare = symbol.name.lower() in _GRADIENTS  # μ·v + η·g: which of the two stays
            rank = (not same, own != ex.const(1), less, shared, off, bare, size, slot.symbol.default is not None)
            if best is None or rank < best[0]:
                best = (rank, slot)
        if best is not None and (not all(best[0][:3]) or best[0][6] <= 5):
            taken.add(best[1].symbol)
            matched.add(expr)
            span = expr.origin
            entries.append(Entry(best[1], expr, (span,) if span else ()))
        else:
            rest.append((number, expr))
    return [expr for _, expr in sorted(rest, key=lambda r: r[0])]


def left_as_they_were(frame: Frame, arguments: Mapping[Symbol, Slot], entries: Iterable[Entry]) -> frozenset[Symbol]:
    """The parts of a tuple that are handed back in their places as they came, beside others that have changed.

    Whoever calls the function could only change them by making another tuple of them all.
    """
    changed = {id(e.slot.home) for e in entries}
    parts = {s: slot for s, slot in arguments.items() if isinstance(slot.home, Cell) and id(slot.home) in changed}
    returned = ((key, e) for key, e in flat(frame.returned) if e.op == "sym" and e.symbol in parts)
    return frozenset(e.symbol for key, e in returned if parts[e.symbol].key == key and _NUMBERED.fullmatch(key))


def _of_key(key: str, post: Expr, arguments: Mapping[Symbol, Slot]) -> set[Symbol]:
    """The elements of arguments that have this key; else those that go on there, by whatever loop's index."""
    parts = {s: slot for s, slot in arguments.items() if isinstance(slot.home, Cell)}
    exact = {id(slot.home) for slot in parts.values() if slot.key == key}
    return {
        s
        for s, slot in parts.items()
        if slot.key == key
        or (id(slot.home) not in exact and loosely(slot.key) == loosely(key) and _stays_partly(post, s))
    }


def _is_velocity(expr: Expr, entries: list[Entry]) -> bool:
    """What an object keeps and hands back at once is its step where it gathers what is called a gradient."""
    for entry in (e for e in entries if e.post == expr and isinstance(e.slot.home, Cell)):
        own = structure.slope(expr, entry.slot.symbol)
        inputs = [s for s in expr.visible if s is not entry.slot.symbol and is_called_gradient(s.name)]
        if own not in (None, ex.const(0), ex.const(1)) and any(structure.slope(expr, s) is not None for s in inputs):
            return True
    return False


def _is_begun_anew(expr: Expr, arguments: Mapping[Symbol, Slot]) -> bool:
    """What an argument's name holds that was set to 0 first: ``v = 0; v = μ·v + g`` makes no new content of g."""
    if all(n.op != "const" or n.value != 0 for n in ex.walk(expr)):
        return False
    names = (slot for symbol, slot in arguments.items() if symbol not in expr.visible and isinstance(slot.home, Scope))
    return any(numeric(content((slot.home, slot.key))) == expr for slot in names)


def _is_averaged(post: Expr, symbol: Symbol, arguments: Iterable[Symbol]) -> bool:
    """β·s + (1 − β)·x, also where it is corrected as a whole."""
    while post.op == "div" and symbol not in post.args[1].visible:
        post = post.args[0]
    own = structure.retention(post, symbol)
    weights = [structure.slope(post, s) for s in arguments if s in post.visible]
    return _weighs_one(post, own, symbol) or any(
        own is not None and w is not None and (structure.is_complement(own, w) or structure.is_complement(w, own))
        for w in weights
    )


def flat(value: Value | None, key: str = "", depth: int = 0) -> list[tuple[str, Expr]]:
    """The numbers inside a value, each with its key in what holds it."""
    if isinstance(value, Seq):
        return [e for i, v in enumerate(value.elements) for e in flat(v, f"[{i}]", depth + 1)]
    if isinstance(value, Each):
        return flat(value.element, ANY, depth + 1)
    expr = numeric(value)
    if expr is not None:
        return [(key, expr)]
    if isinstance(value, Cell) and depth < 3:
        return [e for k, v in value.items.items() if k.startswith(("[", ".")) for e in flat(v, k, depth + 1)]
    return []


def _feeds(symbol: Symbol, expr: Expr, returned: list[tuple[str, Expr]]) -> bool:
    """What is returned is built on another result that takes in the symbol: a gradient that becomes the step."""
    others = {other for _, other in returned if other.args and other != expr and symbol in other.visible}
    return any(node in others for node in ex.walk(expr))


def _goes_on(post: Expr, symbol: Symbol) -> bool:
    """A part of the content stays, whatever else reads it (Adadelta's steps), or it is carried on as a whole."""
    return _carries(post, symbol) or _stays_partly(post, symbol)


def _stays_partly(post: Expr, symbol: Symbol) -> bool:
    slopes = [structure.slope(t, symbol) for s, t in structure.terms(post) if s > 0]
    return any(own is not None and own != ex.const(0) for own in slopes)


def _carries(post: Expr, symbol: Symbol) -> bool:
    """The content goes on, if only squared, rooted or as one of two (not as an exponent, or in a comparison)."""
    if post.op == "sym":
        return post.value is symbol
    if post.op not in ex.ARITHMETIC | {"abs", "max", "min"}:
        return False
    inside = [a for a in (post.args[:1] if post.op == "pow" else post.args) if symbol in a.visible]
    return len(inside) == 1 and _carries(inside[0], symbol)


def _no_trace(
    post: Expr, expr: Expr, arguments: Iterable[Symbol], returned: list[tuple[str, Expr]]
) -> frozenset[Symbol]:
    """μ·v + g, which moves a parameter that is returned besides: v is what stays of it, neither g nor that one.

    v + μ·g of three arguments has the same equation. Only where the names say it is the coefficient on the wrong term.
    """
    taken = {expr: ex.sym(Symbol("taken", kind="role"))}
    moved = [ex.substitute(e, taken) for _, e in returned if e != expr and ex.contains(e, expr)]
    owns = {s: structure.slope(e, s) for e in moved for s in arguments if s in e.visible}
    parameters = {s for s, own in owns.items() if own is not None and _at_zero(own) == ex.const(1)}
    slopes = {s: own for s in arguments if s in post.visible and (own := structure.slope(post, s)) is not None}
    whole = {s for s, own in slopes.items() if own == ex.const(1)}
    plain = {s: own for s, own in slopes.items() if own.op in ("sym", "const") and not own.visible & parameters}
    kept = {s for s in plain.keys() - parameters - whole if s.default is None}  # a setting is no place
    if not parameters or len(whole) != 1 or not kept:
        return frozenset()
    misplaced = any(map(_is_called_after_gradient, kept)) and not any(map(_is_called_after_gradient, whole))
    return frozenset((kept if misplaced else whole) | (parameters & slopes.keys()))


def _is_called_after_gradient(symbol: Symbol) -> bool:
    return is_called_gradient(symbol.name) or symbol.name.lower() in _GRADIENTS


def _weighs_one(post: Expr, own: Expr | None, symbol: Symbol) -> bool:
    """β·s + (1 − β)·x: an average, whatever it takes in."""
    if own is None:
        return False
    other = ex.op("sub", ex.const(1), own)
    return any(f == other for _, t in structure.terms(structure.rest(post, symbol)) for f, _ in structure.factors(t))


def _is_taken_in(post: Expr, own: Expr | None, symbol: Symbol, arguments: Iterable[Symbol]) -> bool:
    """The x of β·s + (1 − β)·x: its weight is one less that of another argument."""
    if own is None or own.op != "sub" or own.args[0] != ex.const(1):
        return False
    return any(structure.slope(post, s) == own.args[1] for s in arguments if s is not symbol and s in post.visible)


def _at_zero(own: Expr) -> Expr:
    """A coefficient where its settings are 0: η·λ is 0 then, 1 − η·λ and 1/(1 + η·λ) are 1."""
    table = {ex.sym(s): ex.const(0) for s in own.symbols}
    return structure.tidy(ex.substitute(own, table, into_opaque=True))
