"""Updates whose result is bound to a name and forgotten: ``for p, g in zip(params, grads): p = p − η·g``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.entries import NOTHING, Kept, entries_of, entry_values, resolved
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame, Stored
from optlint.lift.grouping import Grouping
from optlint.lift.inputs import turns_into_step
from optlint.lift.objects import Slot
from optlint.lift.places import is_called_gradient, place_text
from optlint.lift.recurrence import Entry, Recurrence, State
from optlint.lift.returned import arguments_of
from optlint.lift.store import Store
from optlint.lift.written import written_places
from optlint.model import Span

_LOOP = re.compile(r"\s*(?:async )?for (?P<target>.+?) in (?P<over>.*):\s*(#.*)?$")


def lost_updates(
    frame: Frame,
    inner: Iterable[Frame],
    store: Store,
    stored: Sequence[Stored],
    behind: Callable[[Span], str],
    name: str,
    of_module: bool,
) -> list[Recurrence]:
    """The updates that a frame computes for a place, and binds to a plain name that nothing reads afterwards.

    Their parameter is the place as it would be if the value were kept, or the name itself where it held something else
    that was computed (``g = ∇ + λ·w; g −= η·v``). behind: the function's text after a statement. of_module: the run is
    one of the module's own code, whose names may serve other modules.
    """
    inner = list(inner)
    table = entry_values(inner)
    entries = entries_of(frame, store, inner)
    written = {e.slot.symbol: e.post for e in entries}
    arguments = arguments_of(frame, store)
    found = []
    for position, one in enumerate(stored):
        if not one.name.isidentifier() or one.span is None or _is_named_later(one, behind(one.span)):
            continue
        post = resolved(one.expr, table)
        if _averaged(post) is not None or post in written.values():
            continue  # what a place gets, too, is not forgotten
        place = _moved(post, arguments.keys())
        its_own = place is not None and (not of_module or place.name.endswith(f"[{one.name}]"))
        if place is not None and its_own and _only_decayed(place, written):
            others = [e for e in entries if e.slot.symbol is not place]
            others += (
                e for e in _bound_anew(place, [frame, *inner], store, stored, table) if e.slot.symbol not in written
            )
            grouping = Grouping(frame, others, [], [], name, beside=[post])
            found.append(_lost(grouping, place, post, one.span))
        held = next((s for s in reversed(stored[:position]) if s.name == one.name and not of_module), None)
        before = resolved(held.expr, table) if held is not None else None
        if before is not None and before.args and post.op in ("add", "sub") and post.args[0] == before:
            place = Symbol("w", kind="place")
            moved = Expr(post.op, (ex.sym(place), post.args[1]), post.value, post.origin)
            found.append(_lost(Grouping(frame, entries, [], [], name, beside=[moved]), place, moved, one.span))
    return found


def lost_averages(
    frame: Frame, inner: Iterable[Frame], stored: Sequence[Stored], behind: Callable[[Span], str], name: str
) -> Iterator[Recurrence]:
    """Averages of gradients that a run computes for a place, and binds to a plain name that nothing reads afterwards.

    Nothing moves: the output is the average itself.
    """
    table = entry_values(inner)
    for one in stored:
        post = resolved(one.expr, table)
        place = _averaged(post) if one.name.isidentifier() and one.span is not None else None
        if place is not None and one.span is not None and not _is_named_later(one, behind(one.span)):
            yield Recurrence(name, None, post, [], [], [], one.span, frame=frame.kind, lost=True)


def _bound_anew(
    moved: Symbol, frames: Iterable[Frame], store: Store, stored: Iterable[Stored], table: dict[Expr, Expr]
) -> Iterator[Entry]:
    """The averages that are lost with the parameter: v = μ·v + g, of elements that the loop binds beside it.

    They are taken for kept, so that the step is known for what it is.
    """
    key = moved.name[moved.name.rfind("[") :] if moved.name.endswith("]") else None
    slots = {slot.symbol: slot for slot in (*store.slots, *(s for f in frames for s in f.slots))}
    found: dict[Symbol, Entry] = {}
    for one in stored:
        post = resolved(one.expr, table)
        if one.span is None or key is None or moved in post.visible:
            continue
        for symbol in post.visible:
            beside = symbol.name.endswith(key) and symbol in slots and symbol is not _gradient_of(post)
            own = structure.retention(post, symbol) if beside else None
            if own not in (None, ex.const(0)) and structure.rest(post, symbol) != ex.const(0):
                found.setdefault(symbol, Entry(slots[symbol], post, (one.span,)))
    yield from found.values()


def _gradient_of(post: Expr) -> Symbol | None:
    """The place that is called a gradient; of ``grads[i]`` and ``moment_grad[i]`` the one called nothing else."""
    called = (s for s in post.visible if is_called_gradient(s.name))
    return min(called, key=lambda s: (s.name.index("[") if "[" in s.name else len(s.name), s.name), default=None)


def _averaged(post: Expr) -> Symbol | None:
    """s of β·s + (1 − β)·x, where s is an element or an attribute, and x is made of what is called a gradient."""
    for symbol in post.visible:
        own = structure.slope(post, symbol) if "[" in symbol.name or "." in symbol.name else None
        if own is None or is_called_gradient(symbol.name) or own.op not in ("sym", "const"):
            continue
        taken = structure.rest(post, symbol)
        whole = any(structure.is_complement(f, own) for f, e in structure.factors(taken) if e == 1)
        if whole and any(is_called_gradient(s.name) for s in taken.symbols - own.symbols):
            return symbol
    return None


def moved_gradients(
    frame: Frame,
    inner: Iterable[Frame],
    store: Store,
    changed: Iterable[Entry],
    name: str,
    kept: Kept = NOTHING,
) -> Iterator[Recurrence]:
    """The gradients that a framework hands out and that take a step of states that gather them, as if they were w.

    Those that become the step, for others to apply, are taken for it. kept: what the run is taken to leave, besides
    what it does.
    """
    table = entry_values(inner) | dict(kept.table)
    for entry in changed:
        post = resolved(entry.post, table)
        entries = kept.beside(entries_of(frame, store, inner))
        if turns_into_step(Entry(entry.slot, post, entry.spans), entries):
            yield from Grouping(frame, entries, [post], [], name).recurrences()
        else:
            name_of_it = entry.slot.symbol.name  # a loop knows the place by a symbol of its own
            here = next((s for s in post.visible if s.name == name_of_it), entry.slot.symbol)
            others = [e for e in entries if e.slot.symbol is not here]
            moved = Entry(replace(entry.slot, symbol=here), post, entry.spans)
            yield from _moved_as_parameter(frame, others, moved, name)


def _moved_as_parameter(frame: Frame, entries: list[Entry], entry: Entry, name: str) -> Iterator[Recurrence]:
    """A gradient that takes a step of states which gather it."""
    place, post = entry.slot.symbol, entry.post
    if not _stays(post, place) or _gains(post, place):
        return
    made = Grouping(frame, entries, [], [], name, beside=[post]).of(
        State(place.name, place, Symbol(f"{place.name}'"), post, place.initial, entry.spans)
    )
    if any(place in s.post.visible for s in made.states):
        yield made


def moved_results(
    frame: Frame, inner: Iterable[Frame], store: Store, behind: Callable[[Span], str], name: str
) -> Iterator[Recurrence]:
    """The same of gradients that a call gives the run, which names them so and changes them in place at last.

    ``grads = net.backward(x); …; grads[k] −= v[k]``.
    """
    inner = list(inner)
    table = entry_values(inner)
    for home, key, expr in written_places(store):
        place, spans = place_text(home.place + key), store.origins.get((home, key), [])
        local = re.match(r"[^\W\d]\w*(?=\[)", place)
        if local is None or not is_called_gradient(place) or not spans:
            continue
        post = resolved(expr, table)
        given = [t for sign, t in structure.terms(post) if sign > 0 and t.op == "opaque" and t.args]
        if len(given) != 1 or _is_named_later(Stored(local[0], post, spans[-1]), behind(spans[-1])):
            continue
        symbol = Symbol(place)
        kept = Kept(table={given[0]: ex.sym(symbol)})
        moved = Entry(Slot(home, key, symbol, home), ex.substitute(post, dict(kept.table)), tuple(spans))
        for made in _moved_as_parameter(frame, kept.beside(entries_of(frame, store, inner)), moved, name):
            yield replace(made, forgetful=True)


def _gains(post: Expr, place: Symbol) -> bool:
    """g + λ·s, a gradient whose slow part is made stronger: nothing that is taken for w would climb like that."""
    terms = structure.terms(post)
    linear = structure.slope(post, place) is not None
    others = structure.terms(structure.rest(post, place)) if linear else [t for t in terms if t[1] != ex.sym(place)]
    added = [(s, structure.factors(t)) for s, t in others]
    return all(sign > 0 and (ex.const(-1), 1) not in parts for sign, parts in added)


def moves_with(lost: Recurrence, found: list[Recurrence]) -> bool:
    """What seem to be parameters are this one's accumulators: it reads them, and they do not read it."""
    moved = {r.parameter.old for r in found if r.parameter is not None}
    read = frozenset().union(*(p.symbols for r in found for p in r.posts()))
    own = lost.parameter.old if lost.parameter is not None else None
    return moved <= {s.old for s in lost.states} and own not in read


def _lost(grouping: Grouping, place: Symbol, post: Expr, span: Span) -> Recurrence:
    parameter = State(place.name, place, Symbol(f"{place.name}'"), post, place.initial, (span,))
    recurrence = grouping.of(parameter)
    recurrence.lost = True
    return recurrence


def _moved(post: Expr, arguments: Iterable[Symbol]) -> Symbol | None:
    """S where ``post`` is S − …, or S·(1 − η·λ) − …: an element, an attribute or an argument."""
    places = [s for s in post.symbols if s.kind == "place" and ("[" in s.name or "." in s.name or s in arguments)]
    kept = [s for s in places if _stays(post, s)]
    if len(kept) != 1 or structure.rest(post, kept[0]) == ex.const(0):
        return None
    return kept[0]


def _stays(post: Expr, place: Symbol) -> bool:
    """The content is one of the terms, whatever else reads it (a gradient with its decay that is clipped)."""
    slope = structure.slope(post, place)
    return (
        (1, ex.const(1)) in structure.terms(slope) if slope is not None else (1, ex.sym(place)) in structure.terms(post)
    )


def _only_decayed(place: Symbol, written: Mapping[Symbol, Expr]) -> bool:
    """What the run leaves in the place is what was there, times a factor: the step is lost all the same."""
    left = written.get(place)
    return left is None or structure.rest(left, place) == ex.const(0)


def _is_named_later(one: Stored, later: str) -> bool:
    """Whether the name stands anywhere in the text behind, or that text may read names that it does not show.

    A line that gives the same name something else made of it (``p = p.detach()``, ``p += noise``), changes what it
    holds (``p.clamp_(0, 1)``), or gives that an attribute (``p.grad = None``), is no place where it goes on, nor is one
    that asks for its shape or its gradient, nor a loop that binds the name itself.
    """
    name = re.escape(one.name)
    named = re.compile(rf"(?<![\w.]){name}\b")
    if re.search(r"(?<![\w.])(exec|eval|locals|vars)\(", later):
        return True
    if not named.search(later):
        return False
    shaped = re.sub(rf"(?<![\w.]){name}(?:\.data)?\.(?:dim\(\)|ndim\b|shape\b|numel\(\)|size\(|grad\b)", "", later)
    again = "|".join((
        rf"{name} = [^\n]*\)", rf"{name}\s*[-+*/]=(?![^\n]*\b{name}\b)[^\n]*", rf"{name}\.grad\s*=(?!=)[^\n]*",
        rf"{name}(?:\.data)?\.[a-z]\w*[a-z]_\([^\n]*\)",
    ))  # fmt: skip
    elsewhere = re.sub(rf"^\s*(?:{again})$", "", shaped, flags=re.MULTILINE)
    lines, bound = [], -1  # bound: the indentation of the loop that holds the line and binds the name
    for line in elsewhere.split("\n"):
        depth = len(line) - len(line.lstrip())
        if line.strip() and depth <= bound:
            bound = -1
        if bound < 0:
            loop = _LOOP.match(line)
            if loop and named.search(loop["target"]) and not named.search(loop["over"]):
                bound = depth
            else:
                lines.append(line)
    return any(map(named.search, lines))
