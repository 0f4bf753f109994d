"""The lifted form: for each state its next value, for the parameter its step, and how time is counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.interpreter import Frame, Stored
from optlint.lift.notation import render
from optlint.lift.objects import Cell, Scope, Seq, Slot, Store, Value, numeric
from optlint.lift.places import belongs_to
from optlint.model import Span


@dataclass(eq=False, slots=True)
class State:
    """One storage place of an update. ``old`` is its content before the step, ``new`` stands for the one after."""

    name: str
    old: Symbol
    new: Symbol
    post: Expr
    initial: Expr | None
    spans: tuple[Span, ...] = ()
    slot: Slot | None = None

    @property
    def is_counter(self) -> bool:
        """Advances by a constant at each step."""
        own = structure.slope(self.post, self.old)
        return own == ex.const(1) and structure.rest(self.post, self.old).op == "const"


@dataclass(eq=False, slots=True)
class Recurrence:
    """One parameter's update.

    parameter: its state, or None where the code only returns the step (then ``output`` is that step).
    states: what the step needs, in dependency order; posts refer to other states' new values by ``State.new``.
    counters: states that count steps. indices: loop counters that count steps.
    lost: places whose new content the code computes but never keeps.
    """

    name: str
    parameter: State | None
    output: Expr | None
    states: list[State]
    counters: list[State]
    indices: list[Symbol]
    span: Span
    stored: list[Stored] = field(default_factory=list)
    configuration: dict[str, bool] = field(default_factory=dict)
    aliases: list[tuple[str, ...]] = field(default_factory=list)
    frame: str = "function"
    depth: int = 0
    imports: frozenset[str] = frozenset()
    text: str = ""  # names and comments around the update: intent, never roles
    at_home: bool = True  # seen from the function that holds it, not from a caller
    per_parameter: bool = False  # a counter advances once for each tensor
    on_data: bool = False  # lies on a path that depends on computed quantities
    advanced: frozenset[Symbol] = frozenset()  # what the same run changes, in this loop or around it
    overwritten: list[Entry] = field(default_factory=list)  # places that get a new value without giving their old one

    @property
    def writes(self) -> tuple[Span, ...]:
        """Where the parameter's new value (or, without one, the states') is written."""
        if self.parameter is not None and self.parameter.spans:
            return self.parameter.spans
        return tuple(s for state in self.states for s in state.spans) or (self.span,)

    @property
    def step(self) -> Expr:
        """The parameter's new value, or the step itself."""
        if self.parameter is not None:
            return self.parameter.post
        assert self.output is not None
        return self.output

    def posts(self) -> list[Expr]:
        return [s.post for s in self.states] + [self.step]

    def equations(self) -> tuple[str, ...]:
        lines = []
        for state in [*self.counters, *self.states, *([self.parameter] if self.parameter else [])]:
            lines.append(f"{state.new.name} = {render(state.post)}")
        if self.output is not None:
            lines.append(f"step = {render(self.output)}")
        return tuple(lines)


@dataclass(slots=True)
class Entry:
    slot: Slot
    post: Expr
    spans: tuple[Span, ...]


def updates_of(
    frame: Frame, inner: Iterable[Frame], store: Store, sinks: Sequence[Expr], name: str
) -> list[Recurrence]:
    """Every parameter that a frame moves, with the states that move it."""
    table = _entry_values(inner)
    entries = _entries(frame, store, table)
    outputs = _match_returns(frame, _given(frame, store), entries, table) if frame.kind == "function" else []
    if not entries:
        return []
    outputs += [_resolve(e, table) for e in sinks if e.args and e.op != "opaque"]
    found = _Grouping(frame, entries, outputs, name).recurrences()
    for recurrence in found:
        recurrence.per_parameter = _ticks_with_each_tensor(recurrence, inner)
    return found


def _ticks_with_each_tensor(recurrence: Recurrence, inner: Iterable[Frame]) -> bool:
    """A counter of the update is advanced by the very loop that goes over the parameters."""
    slots = [s.slot for s in (recurrence.parameter, *recurrence.states) if s is not None and s.slot is not None]
    places = [(s.home.place if isinstance(s.home, Cell) else "") + s.key for s in slots]
    for frame in inner:
        if not any(belongs_to(place, frame.indices) for place in places):
            continue
        for moved, post in frame.posts:
            own = structure.slope(post, moved.symbol)
            if own != ex.const(1) or structure.rest(post, moved.symbol).op != "const":
                continue
            if any(
                c.slot is not None and (c.slot.home, c.slot.key) == (moved.home, moved.key) for c in recurrence.counters
            ):
                return True
    return False


def _entry_values(frames: Iterable[Frame]) -> dict[Expr, Expr]:
    """Inner loops' symbols → what they held on entry: an inner loop counts as one iteration."""
    table: dict[Expr, Expr] = {}
    for frame in frames:
        for slot in frame.slots:
            if slot.symbol.entry is not None:
                table[ex.sym(slot.symbol)] = slot.symbol.entry
    return table


def _resolve(post: Expr, table: dict[Expr, Expr]) -> Expr:
    for _ in range(6):
        after = ex.substitute(post, table, into_opaque=True)
        if after is post:
            break
        post = after
    return post


def _content(slot: Slot) -> Value | None:
    if isinstance(slot.home, Scope):
        return slot.home.vars.get(slot.key)
    return slot.home if slot.key == "" else slot.home.items.get(slot.key)


def _entries(frame: Frame, store: Store, table: dict[Expr, Expr]) -> list[Entry]:
    found: dict[Symbol, Entry] = {}
    pairs: list[tuple[Slot, Expr]] = list(frame.posts)
    if frame.kind == "function":
        for slot in [*store.slots, *frame.slots]:
            post = numeric(_content(slot))
            if slot.local or (id(slot) in frame.before and frame.before[id(slot)] == post):
                continue
            if post is not None:
                pairs.append((slot, post))
            if isinstance(slot.cell, Cell) and slot.cell.expr is not None:  # changed in place, wherever it now hangs
                pairs.append((slot, slot.cell.expr))
        for slot in store.slots:
            if slot.local and isinstance(slot.cell, Cell) and slot.cell.expr is not None:
                pairs.append((slot, slot.cell.expr))
    filled = {id(slot.home) for slot, _ in pairs if slot.key == ""}
    for slot, post in pairs:
        if slot.key and id(slot.cell) in filled:  # the same array, already seen by its content
            continue
        post = _projected(_resolve(post, table), slot.symbol)
        if post == ex.sym(slot.symbol) or slot.symbol in found:
            continue
        found[slot.symbol] = Entry(slot, post, _spans(store, slot, frame.span))
    return list(found.values())


def _projected(post: Expr, symbol: Symbol) -> Expr:
    """``w = constrain(w - step)``: an unseen function of the moved parameter keeps it in bounds after the step."""
    while post.op == "opaque":
        moved = [a for a in post.args if symbol in a.symbols]
        if len(moved) != 1 or not (moved[0].op == "opaque" or (1, ex.sym(symbol)) in structure.terms(moved[0])):
            break
        post = moved[0]
    return post


def _spans(store: Store, slot: Slot, within: Span | None) -> tuple[Span, ...]:
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


def _flat(value: Value | None, key: str = "", depth: int = 0) -> list[tuple[str, Expr]]:
    """The numbers inside a value, each with its key in what holds it."""
    if isinstance(value, Seq):
        return [e for i, v in enumerate(value.elements) for e in _flat(v, f"[{i}]", depth + 1)]
    expr = numeric(value)
    if expr is not None:
        return [(key, expr)]
    if isinstance(value, Cell) and depth < 3:
        return [e for k, v in value.items.items() if k.startswith(("[", ".")) for e in _flat(v, k, depth + 1)]
    return []


def _given(frame: Frame, store: Store) -> dict[Symbol, Slot]:
    """What the caller hands in: the arguments, and their parts (``state.mu``, ``state[0]``)."""
    arguments = {s.symbol: s for s in frame.slots if s.local}
    cells = {id(s.cell) for s in arguments.values()}
    for slot in store.slots:
        if isinstance(slot.home, Cell) and id(slot.home) in cells and slot.key:
            arguments[slot.symbol] = slot
            cells.add(id(slot.cell))
    return arguments


def _match_returns(
    frame: Frame, arguments: dict[Symbol, Slot], entries: list[Entry], table: dict[Expr, Expr]
) -> list[Expr]:
    """Arguments whose new values are returned are state; what fits no argument is the step itself."""
    returned = [(key, _resolve(e, table)) for key, e in _flat(frame.returned)]
    known = [e.post for e in entries]
    taken = {e.slot.symbol for e in entries}
    rest: list[Expr] = []
    kept = Symbol("kept", kind="role")
    matched: set[Expr] = set()
    for key, expr in returned:
        if expr in matched:  # the new average is the step, too
            rest.append(expr)
            continue
        if expr in known or not expr.args or expr.op == "opaque":
            continue
        best = None
        # what the code takes from another place's new content is that place's, not an argument's
        own_part = ex.substitute(expr, {e.post: ex.sym(kept) for e in entries if e.post.args})
        for symbol, slot in arguments.items():
            if symbol in taken or symbol not in own_part.visible:
                continue
            own = structure.slope(own_part, symbol)
            if (1, ex.sym(symbol)) in structure.terms(own_part):
                own = ex.const(1)
            if own is None:
                continue
            same = slot.key == key if isinstance(slot.home, Cell) else numeric(_content(slot)) == expr
            if kept in own_part.visible and not same and _is_small(own):
                continue  # a step with decay: η·(m̂/(√v̂ + ε) + λ·w)
            rank = (not same, own != ex.const(1), own.size, slot.symbol.default is not None)
            if best is None or rank < best[0]:
                best = (rank, slot)
        if best is not None and (not all(best[0][:2]) or best[0][2] <= 5):
            taken.add(best[1].symbol)
            matched.add(expr)
            span = expr.origin
            entries.append(Entry(best[1], expr, (span,) if span else ()))
        else:
            rest.append(expr)
    return rest


def _is_small(own: Expr) -> bool:
    """A coefficient like η·λ, and not 1 − η·λ: ``own`` vanishes with its settings."""
    table = {ex.sym(s): ex.const(0) for s in own.symbols}
    return structure.tidy(ex.substitute(own, table, into_opaque=True)) == ex.const(0)


def _is_input(entry: Entry, entries: list[Entry]) -> bool:
    """A gradient that the code clips, scales or clears in place: it takes in nothing new of its own."""
    symbol = entry.slot.symbol
    own = structure.slope(entry.post, symbol)
    if symbol.initial is not None or symbol.default is not None:
        return False
    if own == ex.const(1) and structure.rest(entry.post, symbol).op == "const":
        return False  # a counter
    readers = [e.post for e in entries if e is not entry and symbol in e.post.symbols]
    if not readers or any(_complemented(post, symbol) for post in readers):
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


def _complemented(post: Expr, symbol: Symbol) -> bool:
    """Read as 1 − p: a running product βᵗ."""
    return any(
        n.op == "sub" and n.args[0] == ex.const(1) and any(f == ex.sym(symbol) for f, _ in structure.factors(n.args[1]))
        for n in ex.walk(post)
    )


def _is_decay(term: Expr, entry: Entry, by_symbol: dict[Symbol, Entry]) -> bool:
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
    """``g += λ·w``: linear in a place that itself moves by what it is added to."""
    symbol = other.slot.symbol
    return (
        entry.slot.symbol in other.post.symbols
        and (1, ex.sym(symbol)) in structure.terms(other.post)
        and structure.slope(entry.post, symbol) is not None
    )


class _Grouping:
    """Finds the parameters among a frame's entries, and for each the states that it needs."""

    def __init__(self, frame: Frame, entries: list[Entry], outputs: list[Expr], name: str) -> None:
        self.frame = frame
        self.name = name
        self.outputs = outputs
        self.states = []
        self.by_new: dict[Symbol, State] = {}
        self.by_old: dict[Symbol, State] = {}
        self.overwritten: list[Entry] = []
        entries = [e for e in entries if not _is_input(e, entries)]
        read = frozenset().union(*(e.post.symbols for e in entries), *(o.symbols for o in outputs))
        for entry in entries:
            if entry.slot.symbol not in read:  # overwritten before it is read: no state
                self.overwritten.append(entry)
                continue
            new = Symbol(f"{entry.slot.symbol.name}'")
            first = entry.slot.symbol.initial
            state = State(entry.slot.symbol.name, entry.slot.symbol, new, entry.post, first, entry.spans, entry.slot)
            self.states.append(state)
            self.by_new[new] = state
            self.by_old[state.old] = state
        self._refer()

    def _refer(self) -> None:
        """Write each post in terms of the other states' new values, as the code does."""
        values = [(s.post, ex.sym(s.new)) for s in self.states if s.post.args]
        for state in self.states:
            table = {post: new for post, new in values if post != state.post}
            state.post = ex.substitute(state.post, table)
        self.outputs = [ex.substitute(o, dict(values)) for o in self.outputs]

    def needs(self, post: Expr, skip: Sequence[State] = ()) -> list[State]:
        """The states that a post reads, old or new, and theirs in turn; dependencies first."""
        order: list[State] = []
        active: set[int] = {id(s) for s in skip}

        def go(expr: Expr) -> None:
            for symbol in sorted(expr.visible, key=lambda s: s.name):
                state = self.by_new.get(symbol) or self.by_old.get(symbol)
                if state is None or id(state) in active:
                    continue
                active.add(id(state))
                go(state.post)
                order.append(state)

        go(post)
        return order

    def recurrences(self) -> list[Recurrence]:
        parameters = [s for s in self.states if self._is_parameter(s)]
        found = []
        for parameter in parameters:
            needed = self.needs(parameter.post, parameters)
            found.append(self._make(parameter, None, needed))
        if not any(r.states for r in found):
            for output in self.outputs:
                needed = self.needs(output)
                if any(not s.is_counter for s in needed):
                    found.append(self._make(None, output, needed))
        return found

    def _moves_by(self, parameter: State, state: State) -> bool:
        """``parameter`` is plainly one, and what it moves by reads ``state``, which does not read it."""
        return (
            structure.slope(parameter.post, parameter.old) == ex.const(1)
            and not parameter.is_counter
            and bool({state.old, state.new} & parameter.post.visible)
            and not any({parameter.old, parameter.new} & s.post.visible for s in self.states if s is not parameter)
        )

    def _is_parameter(self, state: State) -> bool:
        own = structure.slope(state.post, state.old)
        if own is None and (1, ex.sym(state.old)) in structure.terms(state.post):
            if any(self._moves_by(s, state) for s in self.states if s is not state):
                return False  # an accumulator that the real parameter reads (Adadelta's)
            own = ex.const(1)  # w − η·f(w): the gradient is written out
        if own is None or state.is_counter or own == ex.const(0):
            return False
        visible = state.post.visible - {state.old}
        others = [s for s in self.states if s is not state and not s.is_counter]
        if any(state.new in s.post.visible for s in others):
            return False
        if any(state.new in o.visible for o in self.outputs):
            return False
        reads_new = any(s.new in visible for s in others)
        reads_old = any(s.old in visible for s in others if state.old not in s.post.visible)
        if reads_new or reads_old:
            return True
        plain = own == ex.const(1) or (1, ex.sym(state.old)) in structure.terms(state.post)
        return plain and not any(state.old in s.post.visible for s in others)

    def _make(self, parameter: State | None, output: Expr | None, needed: list[State]) -> Recurrence:
        spans = [sp for s in needed for sp in s.spans]
        if parameter is not None:
            spans.extend(parameter.spans)
        post = parameter.post if parameter is not None else output
        assert post is not None
        if post.origin is not None:
            spans.append(post.origin)
        if not spans and self.frame.span is not None:
            spans.append(self.frame.span)
        span = spans[0] if spans else Span(1, 1, 1, 1)
        for other in spans[1:]:
            if other.cell == span.cell:
                span = span.joined(other)
        return Recurrence(
            name=self.name,
            parameter=parameter,
            output=output,
            states=[s for s in needed if not s.is_counter],
            counters=[s for s in needed if s.is_counter],
            indices=list(self.frame.indices),
            span=span,
            frame=self.frame.kind,
            depth=self.frame.depth,
            overwritten=[e for e in self.overwritten if isinstance(e.slot.home, Cell)],
        )
