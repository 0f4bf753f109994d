"""What a run of a frame leaves behind: the places with new content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame, Stored
from optlint.lift.objects import ANY, Cell, Scope, Seq, Slot, Value, content, numeric
from optlint.lift.places import attribute, loosely, place_text
from optlint.lift.recurrence import Entry
from optlint.lift.store import Store
from optlint.lift.written import from_saved, moved_from_saved
from optlint.model import Span


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run is taken to leave, besides what it does: ``entries``; table: what that makes of other contents."""

    entries: tuple[Entry, ...] = ()
    table: Mapping[Expr, Expr] = field(default_factory=dict)

    def beside(self, entries: Iterable[Entry]) -> list[Entry]:
        """All that is left then."""
        places = {(id(e.slot.home), e.slot.key) for e in self.entries}
        others = (e for e in entries if (id(e.slot.home), e.slot.key) not in places)
        return [*(replace(e, post=ex.substitute(e.post, dict(self.table))) for e in others), *self.entries]


NOTHING = Kept()


def entry_values(frames: Iterable[Frame]) -> dict[Expr, Expr]:
    """Inner loops' symbols → what they held on entry: an inner loop counts as one iteration."""
    table: dict[Expr, Expr] = {}
    for frame in frames:
        for slot in frame.slots:
            if slot.symbol.entry is not None:
                table[ex.sym(slot.symbol)] = slot.symbol.entry
    return table


def resolved(post: Expr, table: dict[Expr, Expr]) -> Expr:
    """With inner loops' symbols, also of loops inside loops, replaced by what they held on entry."""
    for _ in range(6):
        after = ex.substitute(post, table, into_opaque=True)
        if after is post:
            break
        post = after
    return post


def entries_of(frame: Frame, store: Store, inner: Iterable[Frame]) -> list[Entry]:
    """The places that a frame gives new content, each with that content in terms of what they held before."""
    inner = list(inner)
    table = entry_values(inner)
    found: dict[Symbol, Entry] = {}
    pairs: list[tuple[Slot, Expr]] = list(frame.posts)
    if frame.kind == "function":
        own = _made_here(inner, store)
        for slot in [*store.slots, *frame.slots]:
            post = numeric(content((slot.home, slot.key)))
            if id(slot.home) in own:
                continue
            if slot.local or (id(slot) in frame.before and frame.before[id(slot)] == post):
                continue
            if post is not None:
                pairs.append((slot, post))
            pairs += filled_anew(slot, store)
            if isinstance(slot.cell, Cell) and slot.cell.expr is not None:  # changed in place, wherever it now hangs
                pairs.append((slot, slot.cell.expr))
        for slot in store.slots:
            if slot.local and isinstance(slot.cell, Cell) and slot.cell.expr is not None:
                pairs.append((slot, slot.cell.expr))
    filled = {id(slot.home) for slot, _ in pairs if slot.key == ""}
    for slot, post in pairs:
        if slot.key and id(slot.cell) in filled:  # the same array, already seen by its content
            continue
        whole = cancelled(resolved(post, table))
        free = _projected(whole, slot.symbol)
        post = from_saved(free, slot.symbol, frame.saved)
        if post == ex.sym(slot.symbol) or slot.symbol in found:
            continue
        made = (post.origin,) if post.origin is not None else ()  # in a container that has taken this one's place
        found[slot.symbol] = Entry(slot, post, spans_of(store, slot, frame.span) or made, free is not whole)
    for slot, post, spans in moved_from_saved(frame, store):
        if slot.symbol not in found:
            found[slot.symbol] = Entry(slot, resolved(post, table), spans)
    known = [*store.slots, *(s for one in (frame, *inner) for s in one.slots)]
    return _without_sums(list(found.values()), {id(s.cell) for s in known if _is_replaced(s, store)})


def _made_here(inner: Iterable[Frame], store: Store) -> set[int]:
    """The lists that the run itself makes, and that a loop of its own goes on with: they are gone when it ends."""
    loops = (s for one in inner for s in one.slots if isinstance(s.home, Scope) and isinstance(s.cell, Cell))
    found: set[int] = set()
    for slot in loops:
        first = slot.cell.items.get("<template>") if isinstance(slot.cell, Cell) else None
        if isinstance(first, Cell) and first.growing and not first.open:
            found.add(id(slot.cell))
    for slot in store.slots if found else ():
        if id(slot.home) in found:
            found.add(id(slot.cell))
    return found


def _is_replaced(slot: Slot, store: Store) -> bool:
    """A container whose place has got another one, which is not made of its elements."""
    now = content((slot.home, slot.key))
    return (
        isinstance(slot.cell, Cell) and isinstance(now, Cell) and now is not slot.cell and not filled_anew(slot, store)
    )


def _without_sums(entries: list[Entry], replaced: set[int]) -> list[Entry]:
    """Without the sums that begin anew at each step: ``grads[k] += ∇; …; w −= η·grads[k]; grads = {}``, or ``g = 0``.

    A step takes in what has been gathered since the last one, and for the step that is the gradient.
    """
    table: dict[Expr, Expr] = {}
    for entry in entries:
        symbol = entry.slot.symbol
        readers = [e.post for e in entries if e is not entry and symbol in e.post.symbols]
        sums = {n for post in readers for n in ex.walk(post) if n.op == "add" and ex.sym(symbol) in n.args}
        begun = entry.post == ex.const(0) or (id(entry.slot.home) in replaced and sums == {entry.post})
        if begun and len(sums) == 1 and readers:
            whole = sums.pop()
            if all(symbol not in ex.substitute(p, {whole: ex.const(0)}).symbols for p in readers):
                table[whole] = next(a for a in whole.args if a != ex.sym(symbol))
                entries = [e for e in entries if e is not entry]
    return [Entry(e.slot, ex.substitute(e.post, table), e.spans) for e in entries] if table else entries


def filled_anew(slot: Slot, store: Store) -> list[tuple[Slot, Expr]]:
    """The elements of a list that the code binds anew: ``self.v = [β·v + g for v, g in zip(self.v, grads)]``.

    Those of a dictionary have keys: ``moved[f"W{i}"] = params[f"W{i}"] − η·g``, and then ``params = moved``. A tuple
    may hold several of these: ``theta = (W, b)``.
    """
    return list(_taken_over(slot.cell, content((slot.home, slot.key)), store))


def _taken_over(old: Value | None, made: Value | None, store: Store) -> Iterator[tuple[Slot, Expr]]:
    if not isinstance(old, Cell) or made is old:
        return
    if isinstance(made, Seq):
        for number, element in enumerate(made.elements):
            yield from _taken_over(old.items.get(f"[{number}]"), element, store)
    if not isinstance(made, Cell) or not made.growing or made.expr is not None:
        return
    if isinstance(each := made.items.get(ANY), Seq):  # a list of pairs: ``[(β·v + g, …) for (v, …), (g, …) in …]``
        pairs = [v for k, v in old.items.items() if "{" in k and isinstance(v, Cell)]
        parts = {f"[{n}]": post for n, e in enumerate(each.elements) if (post := numeric(e)) is not None}
        yield from ((s, parts[s.key]) for s in store.slots if [s.home] == pairs and s.key in parts)
        return
    known = [s for s in store.slots if s.home is old and "{" in s.key]
    post = numeric(each)
    if post is None:
        keyed = {loosely(k): held for k, v in made.items.items() if (held := numeric(v)) is not None}
        yield from ((s, keyed[loosely(s.key)]) for s in known if loosely(s.key) in keyed)
    else:
        if len(known) > 1:  # its neighbours were read, too: ``self.W[i - 1]``, also by the gradient alone
            known = [s for s in known if s.symbol in post.visible] or [s for s in known if s.symbol in post.symbols]
        yield from ((s, post) for s in known if len(known) == 1)


def changed_gradients(
    given: Iterable[tuple[Cell, Cell, Symbol]], store: Store, stored: Iterable[Stored]
) -> list[Entry]:
    """The gradients that a framework handed out and that the code has changed, in place or for others.

    Of one that it clears at last, what it held before.
    """
    held = {place_text(s.name): s for s in stored if s.expr.op in ("add", "sub")}
    found = []
    for home, cell, symbol in given:
        now = numeric(home.items.get(attribute("grad")))
        post, before = cell.expr if cell.expr != ex.sym(symbol) else now, None
        if post is not None and (post == ex.const(0) or (post.op == "sym" and post.symbol.name == symbol.name)):
            before = held.get(symbol.name)
            post = before.expr if before is not None else post
        if post is not None and post != ex.sym(symbol):
            slot = Slot(cell, "", symbol, cell) if post is cell.expr else Slot(home, attribute("grad"), symbol, cell)
            spans = (before.span,) if before is not None and before.span else spans_of(store, slot, None)
            found.append(Entry(slot, post, spans))
    return found


def cancelled(post: Expr) -> Expr:
    """``x = μ·v + p − η·g; v' = x − p``: without what is added and taken off again."""
    terms = structure.terms(post) if post.op in ("add", "sub") else []
    left = list(terms)
    for sign, term in terms:
        if sign > 0 and term.args == () and term.op == "sym" and (-1, term) in left and (1, term) in left:
            left.remove((1, term))
            left.remove((-1, term))
    return structure.total(left, post.origin) if left and len(left) < len(terms) else post


def _projected(post: Expr, symbol: Symbol) -> Expr:
    """``w = constrain(w - step)``: an unseen function of the moved parameter keeps it in bounds after the step.

    So does a plain one, ``np.clip(w - step, low, high)``, of numbers and settings beside it.
    """
    while post.op in ("opaque", "max", "min"):
        moved = [a for a in post.args if symbol in a.symbols]
        inside = moved[0] if len(moved) == 1 else None
        if inside is None or not (
            inside.op in ("opaque", "max", "min") or (1, ex.sym(symbol)) in structure.terms(inside)
        ):
            break
        if post.op != "opaque" and any(n.op == "opaque" for a in post.args if a is not inside for n in ex.walk(a)):
            break
        if post.op != "opaque" and inside.op not in ("max", "min") and not _is_step(inside, symbol):
            break
        if inside.op in ("max", "min") and _projected(inside, symbol) is inside:
            break
        post = inside
    return post


def _is_step(post: Expr, symbol: Symbol) -> bool:
    return post.op in ("add", "sub") and (1, ex.sym(symbol)) in structure.terms(post)


def spans_of(store: Store, slot: Slot, within: Span | None) -> tuple[Span, ...]:
    """Where a place is written, inside the frame if it has writes there (an inlined helper's are elsewhere)."""
    keys: list[tuple[object, str]] = [(slot.home, slot.key)]
    if isinstance(slot.cell, Cell):
        keys.append((slot.cell, ""))
    if slot.key == "":
        keys.append((slot.home, ""))
    spans: list[Span] = []
    for key in keys:
        spans.extend(s for s in store.origins.get(key, ()) if s not in spans)
    inside = [s for s in spans if within is not None and within.covers(s)]
    return tuple(sorted(inside or spans))
