"""Entries that are no states: gradients that the code clips, scales, clears or turns into the step where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import names_gradient
from optlint.lift.recurrence import Entry


def is_input(entry: Entry, entries: Sequence[Entry]) -> bool:
    """A gradient that the code clips, scales or clears in place: it takes in nothing new of its own."""
    symbol = entry.slot.symbol
    own = structure.slope(entry.post, symbol)
    if symbol.initial is not None or symbol.default is not None:
        return entry.post.op in ("min", "max") and _only_clips(entry.post, symbol)  # begun, and filled elsewhere
    if own is not None and any(s.kind == "index" and s.iterates == "count" for s in own.visible):
        return False  # a step size that follows the time
    if own == ex.const(1) and structure.rest(entry.post, symbol).op == "const":
        return False  # a counter
    readers = [e.post for e in entries if e is not entry and symbol in e.post.symbols]
    if not readers or any(structure.is_complemented(post, symbol) for post in readers):
        return False
    by_symbol = {e.slot.symbol: e for e in entries}
    if own is not None and not own.visible & by_symbol.keys():  # c·g + λ·w, whatever c and λ are
        return all(_is_decay(t, entry, by_symbol) for _, t in structure.terms(structure.rest(entry.post, symbol)))
    for node in ex.walk(entry.post):
        if node.op == "opaque" and node.args:
            return False
        if node.op == "sym" and node.symbol is not symbol:
            other = by_symbol.get(node.symbol)
            if other is None and node.symbol.default is None:
                return False  # it may be data
            if other is not None and not _is_decayed_by(entry, other):
                return False
    return True


def _only_clips(node: Expr, symbol: Symbol) -> bool:
    """min(max(x, −c), c): what is done to a content that somebody else has put there."""
    if node.op not in ("min", "max"):
        return node == ex.sym(symbol)
    inner = [a for a in node.args if symbol in a.symbols]
    return len(inner) == 1 and _only_clips(inner[0], symbol) and node.symbols == {symbol}


def becomes_step(entry: Entry, entries: Sequence[Entry]) -> bool:
    """A gradient whose place takes the step: ``layer.dW = m̂/(√v̂ + ε)``, then ``layer.W −= η·layer.dW``.

    The averages take in what stands there before, and neither they nor the step take in anything else: whatever fills
    it again before the next step is out of sight. A last step that is kept (Adadelta's) has a gradient beside it.
    """
    symbol, post = entry.slot.symbol, entry.post
    if symbol.initial is not None or symbol.default is not None or not post.args:
        return False
    if structure.slope(post, symbol) is not None:  # its own content goes on
        return False
    by_symbol = {e.slot.symbol: e for e in entries}
    others = [e for e in entries if e is not entry]
    moved = [e for e in others if ex.contains(e.post, post) and (1, ex.sym(e.slot.symbol)) in structure.terms(e.post)]
    taken = [e for e in others if symbol in e.post.symbols and e not in moved]
    if len(moved) != 1 or not taken:
        return False
    kept = by_symbol.keys() - {moved[0].slot.symbol}
    read, around = post.symbols & kept, [entry]
    while more := [e for e in others if e.slot.symbol in read and e not in around]:
        around += more
        read |= frozenset().union(*(e.post.symbols & kept for e in more))
    parts = [t for e in around for _, t in structure.terms(e.post)]
    beside = frozenset().union(*(t.symbols for t in parts)) - {symbol}
    if any(map(names_gradient, beside)):
        return False
    return any(e in around for e in taken) and all(_is_made_of(t, kept, moved[0].slot.symbol) for t in parts)


def turns_into_step(entry: Entry, entries: Sequence[Entry]) -> bool:
    """A gradient whose place takes the step, for others to apply: ``grads[k] *= η/(√v[k] + ε)``, ``p.grad = m̂/…``.

    States take it in, nothing here moves by it, and what stands there then is scaled by what they have become, or is
    made of that alone. Observations that are scaled by how large they usually are look the same, but for the name.
    """
    symbol, post = entry.slot.symbol, entry.post
    if symbol.initial is not None or symbol.default is not None or not post.args or not names_gradient(symbol):
        return False
    others = [e for e in entries if e is not entry]
    keeps = {e.slot.symbol: structure.retention(e.post, e.slot.symbol) for e in others}
    taken = [e for e in others if symbol in e.post.symbols and keeps[e.slot.symbol] not in (None, ex.const(0))]
    if not taken or any((e.post != post and ex.contains(e.post, post)) or _moves(e, others) for e in others):
        return False
    kept = Symbol("kept", kind="role")
    part = ex.substitute(post, {e.post: ex.sym(kept) for e in taken})
    own = structure.slope(part, symbol)
    if own is None or kept not in part.visible or (1, ex.sym(symbol)) in structure.terms(part):
        return False  # all of it stays, and a step is added: g −= η·g/(√v + ε)
    return kept in own.visible or own == ex.const(0)


def trails(entry: Entry, entries: Sequence[Entry]) -> bool:
    """An average of where another place goes, which nothing here reads: of iterates, or a slow copy of the weights."""
    symbol, post = entry.slot.symbol, entry.post
    if structure.slope(post, symbol) in (None, ex.const(0), ex.const(1)):
        return False  # a cheap look at this one alone comes first: a run may leave thousands of places
    others = [e for e in entries if e is not entry]
    if any(symbol in e.post.symbols or (e.post.symbols >= post.symbols and ex.contains(e.post, post)) for e in others):
        return False
    for other in others:
        name = other.slot.symbol
        if names_gradient(name) or (1, ex.sym(name)) not in structure.terms(other.post):
            continue
        there = Symbol("there", kind="role")
        part = ex.substitute(entry.post, {other.post: ex.sym(there)})
        own, taken = structure.slope(part, symbol), structure.slope(part, there)
        goes_on = structure.slope(other.post, name)
        if goes_on is not None and structure.number_at(goes_on, dict.fromkeys(goes_on.symbols, 0.0)) != 1:
            continue
        if own is None or taken is None or ex.const(0) in (own, taken) or not structure.is_complement(taken, own):
            continue
        if structure.rest(structure.rest(part, symbol), there) == ex.const(0) and not part.symbols & {name}:
            return True
    return False


def is_fetched_ahead(entry: Entry, entries: Sequence[Entry], outputs: Iterable[Expr]) -> bool:
    """The data that the next step reads, fetched by this one: ``self.x_batch = self.x[indices]``.

    It is made of nothing that the step moves, and nothing else that lasts reads what it is made of; a gradient that is
    kept for the next step is read by this one, too.
    """
    if entry.post.op not in ("sym", "opaque") or any(names_gradient(s) for s in entry.post.symbols):
        return False
    posts = [*(e.post for e in entries), *outputs]
    lasting = [e for e in entries if e is not entry and any(e.slot.symbol in p.symbols for p in posts)]
    read = frozenset().union(*(e.post.symbols for e in lasting), *(o.symbols for o in outputs))
    return not entry.post.symbols & (read | {e.slot.symbol for e in entries})


def _moves(entry: Entry, entries: Sequence[Entry]) -> bool:
    """All of the content stays, and what is added is made of what another place has become."""
    symbol = entry.slot.symbol
    if (1, ex.sym(symbol)) not in structure.terms(entry.post):
        return False
    return any(e is not entry and e.post.args and ex.contains(entry.post, e.post) for e in entries)


def with_next_descents(entries: list[Entry]) -> list[Entry]:
    """With −∇ for what takes that in at the end of each step, for the next: ``w += η·d; d = −gradient(w)``."""
    for entry in [e for e in entries if e.post.op == "neg"]:
        ahead = Entry(entry.slot, entry.post.args[0], entry.spans)
        if comes_next(ahead, [ahead if e is entry else e for e in entries]):
            entries = [e for e in entries if e is not entry]
            here = ex.substitute(entry.post, {e.post: ex.sym(e.slot.symbol) for e in entries}, into_opaque=True)
            table = {ex.sym(entry.slot.symbol): here}
            entries = [replace(e, post=ex.substitute(e.post, table)) for e in entries]
    return entries


def comes_next(entry: Entry, entries: Sequence[Entry]) -> bool:
    """The next step's gradient, taken at the end of this one: ``w −= η·g; g = gradient(w)``, also by a function in
    sight, which reads the new w alone."""
    symbol, post = entry.slot.symbol, entry.post
    if post.op != "opaque" or not post.args:
        return post.op != "sym" and any(_is_made_of_next(entry, e) for e in entries if e is not entry)
    moved = (e.post for e in entries if e is not entry and _steps_by(e, symbol))
    return any(  # of a large one its symbols
        any(ex.contains(a, new) for a in post.args) or post.symbols == new.symbols for new in moved
    )


def _is_made_of_next(entry: Entry, other: Entry) -> bool:
    """The one is called a gradient, or made by unseen code, of the other's new content, which takes it in."""
    symbol, moved, new = entry.slot.symbol, other.slot.symbol, other.post
    if not _steps_by(other, symbol):
        return False
    there = Symbol("there", kind="role")
    part = ex.substitute(entry.post, {new: ex.sym(there)}, into_opaque=True)
    if part == ex.sym(there) or there not in part.symbols or part.symbols & {symbol, moved}:
        return False
    return names_gradient(symbol) or any(n.op == "opaque" and there in n.symbols for n in ex.walk(part))


def _steps_by(entry: Entry, symbol: Symbol) -> bool:
    """All of the content stays, and what is added reads the symbol: w − η·g."""
    return symbol in entry.post.symbols and (1, ex.sym(entry.slot.symbol)) in structure.terms(entry.post)


def _is_made_of(term: Expr, kept: Set[Symbol], parameter: Symbol) -> bool:
    """A summand that some place's content multiplies, the parameter's own decay, or a number."""
    if any(n.op == "opaque" and n.args for n in ex.walk(term)):
        return False
    decay = parameter in term.symbols and structure.slope(term, parameter) is not None
    return bool(term.symbols & kept) or decay or all(s.default is not None for s in term.symbols)


def _is_decay(term: Expr, entry: Entry, by_symbol: Mapping[Symbol, Entry]) -> bool:
    """λ·w, or a number."""
    if term.op == "const":
        return True
    others = [by_symbol[s] for s in term.visible if s in by_symbol]
    return (
        len(others) == 1
        and _is_decayed_by(entry, others[0])
        and structure.slope(term, others[0].slot.symbol) is not None
        and structure.rest(term, others[0].slot.symbol) == ex.const(0)
    )


def _is_decayed_by(entry: Entry, other: Entry) -> bool:
    """``g += λ·w``: linear in a place that itself moves by what it is added to, and that is not called the gradient."""
    symbol = other.slot.symbol
    if names_gradient(symbol) and not names_gradient(entry.slot.symbol):
        return False
    return (
        entry.slot.symbol in other.post.symbols
        and (1, ex.sym(symbol)) in structure.terms(other.post)
        and structure.slope(entry.post, symbol) is not None
    )
