"""Which of the places that a frame writes are parameters, and which states move them."""

from __future__ import annotations

from collections.abc import Sequence, Set

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame
from optlint.lift.inputs import becomes_step, comes_next, is_fetched_ahead, is_input, trails, turns_into_step
from optlint.lift.kinds import (
    begins_anew,
    decays_beside_a_gradient,
    draws_in_squares,
    gathers_lengths,
    gathers_squares,
    goes_down,
    is_average,
    is_report,
    is_summed,
    keeps_part,
    remembers,
)
from optlint.lift.objects import Cell, Slot, content, numeric
from optlint.lift.places import is_called_gradient, is_called_loss
from optlint.lift.points import with_gradient_ahead
from optlint.lift.recurrence import Entry, Recurrence, State
from optlint.model import Span


def _see_type(state: State, slot: Slot) -> None:
    """What number type the place's new content has; what is changed in place keeps its own."""
    held = content((slot.home, slot.key))
    if isinstance(held, Cell):
        state.in_place = held is slot.cell
        state.exact = state.in_place and held.exact
        state.becomes = state.dtype if state.in_place else held.dtype


class Grouping:
    """Finds the parameters among a frame's entries, and for each the states that it needs."""

    def __init__(
        self,
        frame: Frame,
        entries: list[Entry],
        outputs: list[Expr],
        handed_on: list[Expr],
        name: str,
        within: Set[int] = frozenset(),
        beside: Sequence[Expr] = (),
    ) -> None:
        """beside: what reads the places, and is none of the entries or outputs."""
        self.frame = frame
        self.within = within  # what loops inside move, with states of their own
        self.name = name
        self.outputs = outputs + handed_on
        self.returned = len(outputs)
        self.states = []
        self.by_new: dict[Symbol, State] = {}
        self.by_old: dict[Symbol, State] = {}
        self.overwritten: list[Entry] = []
        fed = [e for e in entries if is_input(e, entries)]
        self.inputs = [e for e in fed if numeric(content((e.slot.home, e.slot.key))) != ex.sym(e.slot.symbol)]
        fed += [e for e in entries if e not in fed and (becomes_step(e, entries) or comes_next(e, entries))]
        entries = [e for e in entries if e not in fed]
        entries = [e for e in entries if not trails(e, entries)]
        entries = [e for e in entries if not is_fetched_ahead(e, entries, self.outputs)]
        turned = [e for e in entries if turns_into_step(e, entries)]
        self.outputs[:0] = [e.post for e in turned]
        self.returned += len(turned)
        entries = [e for e in entries if e not in turned]
        read = frozenset().union(*(e.post.symbols for e in entries), *(o.symbols for o in (*self.outputs, *beside)))
        for entry in entries:
            if entry.slot.symbol not in read:  # overwritten before it is read: no state
                self.overwritten.append(entry)
                continue
            new = Symbol(f"{entry.slot.symbol.name}'")
            first = entry.slot.symbol.initial
            state = State(entry.slot.symbol.name, entry.slot.symbol, new, entry.post, first, entry.spans, entry.slot)
            state.bounded = entry.bounded
            _see_type(state, entry.slot)
            self.states.append(state)
            self.by_new[new] = state
            self.by_old[state.old] = state
        self._refer()
        for state in self.states:
            state.post = with_gradient_ahead(state, self.states)

    def _refer(self) -> None:
        """Write each post in terms of the other states' new values, as the code does."""
        values = [(s.post, ex.sym(s.new)) for s in self.states if s.post.args]
        table = dict(values)
        for state in self.states:
            own = state.post
            mine = table.pop(own, None)
            state.post = ex.substitute(own, table)
            if mine is not None:
                table[own] = mine
        self.outputs = [ex.substitute(o, table) for o in self.outputs]
        told = [o for o in self.outputs[: self.returned] if not is_report(o) and not self._is_result(o)]
        returned = [o for o in told if not self._is_moved(o)]
        handed_on = [o for o in self.outputs[self.returned :] if not self._is_moved(o) and not self._is_look(o)]
        handed_on = [o for o in handed_on if not self._is_result(o)]
        self.outputs, self.returned = returned + handed_on, len(returned)

    def _is_moved(self, output: Expr) -> bool:
        """What is handed on is no step but the place after it: ``self.record(w)``, ``history.append(w)``.

        A place that moves keeps all of itself where its settings are 0: w − η·u, (1 − η·λ)·w − η·u. What is made of
        that place alone, which other states move, is another form of it (``yield unpack(w)``).
        """
        state = self.by_new.get(next(iter(output.visible))) if len(output.visible) == 1 else None
        if state is None or state.is_counter:
            return False
        if output.op != "sym" and not any(s in self.by_new for s in state.post.visible):
            return False
        own = structure.slope(state.post, state.old)
        if own is None:
            return (1, ex.sym(state.old)) in structure.terms(state.post)
        return structure.number_at(own, dict.fromkeys(own.symbols, 0.0)) == 1

    def _is_result(self, output: Expr) -> bool:
        """Made of where parameters are that a loop inside moves (their loss, say), and of no other state; or a mean."""
        read = [s for symbol in output.visible if (s := self.by_new.get(symbol) or self.by_old.get(symbol)) is not None]
        if len(read) == 2 == len(output.visible) and output.op == "div" and all(is_summed(s) for s in read):
            return any(s.is_counter for s in read)
        return bool(read) and all(s.slot is not None and id(s.slot.cell) in self.within for s in read)

    def _is_look(self, output: Expr) -> bool:
        """What unseen code gets of a place that other states have moved (a line to draw, a loss) is no step."""
        moved = [s for symbol in output.visible if (s := self.by_new.get(symbol)) is not None and not s.is_counter]
        if moved and all(goes_down(s) and structure.slope(output, s.new) is None for s in moved):
            return True  # a loss there
        return any(
            (1, ex.sym(s.old)) in structure.terms(s.post) and bool((s.post.visible - {s.new}) & self.by_new.keys())
            for s in moved
        )

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

    def of(self, parameter: State) -> Recurrence:
        """The update of a parameter that is none of the entries."""
        values = {s.post: ex.sym(s.new) for s in self.states if s.post.args}
        parameter.post = ex.substitute(parameter.post, values)
        return self._make(parameter, None, self.needs(parameter.post))

    def recurrences(self) -> list[Recurrence]:
        parameters = [s for s in self.states if self._is_parameter(s)]
        found = []
        for parameter in parameters:
            needed = self.needs(parameter.post, parameters)
            found.append(self._make(parameter, None, needed))
        if not any(r.states for r in found):
            for position in range(self.returned, len(self.outputs)):
                self._name_what_is_got(self.outputs[position])
            for position, output in enumerate(self.outputs):
                needed = self.needs(output)
                moving = [s for s in needed if not s.is_counter]
                if moving and position >= self.returned and all(map(gathers_lengths, moving)):
                    continue  # gradients that are clipped by the length of all of them, for another one's step
                if moving or begins_anew(output):
                    moved = self._moved_place(output)
                    found.append(self._make(moved, None if moved is not None else output, needed))
                    found[-1].handed_on = position >= self.returned
        read = {id(s) for r in found for s in (*r.states, *r.counters, r.parameter)}
        for recurrence in found:
            recurrence.idle = [s for s in self.states if id(s) not in read and not s.is_counter]
        return found

    def _name_what_is_got(self, output: Expr) -> None:
        """``w = net.get_weights(i)``, and later ``net.put_weights(i, w − η·u)``: a place behind two calls."""
        taken = [
            (s, t) for s, t in structure.terms(output) if not t.visible & (self.by_new.keys() | self.by_old.keys())
        ]
        got = taken[0][1] if len(taken) == 1 and taken[0][0] > 0 and len(structure.terms(output)) > 1 else None
        if got is None or got.op != "opaque" or not got.args or is_called_gradient(str(got.value)):
            return
        if got.symbols & (self.by_new.keys() | self.by_old.keys()):
            return  # made of what moves here: noise of its shape, to round it by
        place = ex.sym(Symbol(f"{got.value}()[i]"))
        for state in self.states:
            state.post = ex.substitute(state.post, {got: place})
        self.outputs = [ex.substitute(o, {got: place}) for o in self.outputs]

    def _moved_place(self, output: Expr) -> State | None:
        """The place that an output is the next content of, whoever puts it there: ``layer.set(layer.w − η·u)``."""
        places = [
            term.symbol
            for sign, term in structure.terms(output)
            if sign > 0 and term.op == "sym" and term.symbol.kind == "place" and term.symbol not in self.by_old
        ]
        places = [p for p in places if p not in self.by_new and ("." in p.name or "[" in p.name) and not p.external]
        if len(places) != 1 or structure.slope(output, places[0]) != ex.const(1):
            return None
        place, span = places[0], output.origin
        return State(place.name, place, Symbol(f"{place.name}'"), output, place.initial, (span,) if span else ())

    def _moves_by(self, parameter: State, state: State) -> bool:
        """``parameter`` is plainly one, and what it moves by reads ``state``, which does not read it."""
        return (
            structure.slope(parameter.post, parameter.old) == ex.const(1)
            and not parameter.is_counter
            and bool({state.old, state.new} & parameter.post.visible)
            and not any({parameter.old, parameter.new} & s.post.visible for s in self.states if s is not parameter)
        )

    def _only_follows(self, state: State) -> bool:
        """An average that nothing reads: of the parameters that a step has moved, for whoever evaluates them."""
        own = structure.retention(state.post, state.old)
        read = (p.visible for p in (*(s.post for s in self.states if s is not state), *self.outputs))
        return own is not None and is_average(state, own) and not any({state.old, state.new} & r for r in read)

    def _sums_losses(self, state: State, others: Sequence[State]) -> bool:
        """s + f(w), where w goes down by itself and f is not linear: a loss there."""
        read = [s for s in others if {s.old, s.new} & state.post.visible]
        return bool(read) and all(
            goes_down(s)
            and not draws_in_squares(s)
            and not {state.old, state.new} & s.post.symbols
            and any(structure.slope(state.post, x) is None for x in (s.old, s.new))
            for s in read
        )

    def _is_parameter(self, state: State) -> bool:
        own = structure.slope(state.post, state.old, conditional=True)
        if own is None and (1, ex.sym(state.old)) in structure.terms(state.post):
            if draws_in_squares(state) or any(self._moves_by(s, state) for s in self.states if s is not state):
                return False  # an accumulator that the real parameter reads (Adadelta's)
            own = ex.const(1)  # w − η·f(w): the gradient is written out
        if own is None and any(
            sign > 0 and structure.is_bounded(t, state.old) for sign, t in structure.terms(state.post)
        ):
            own = ex.const(1)  # min(max(w, −c), c) − η·u: brought back into its bounds first
        if own is None or state.is_counter or is_average(state, own) or gathers_squares(state):
            return False
        if is_called_loss(state.name):
            return False  # ``policy_loss = policy_loss − log_prob·advantage − coefficient·entropy``
        if ex.const(0) in (own, *(own.args if own.op == "where" else ())):  # it forgets its content
            return False
        visible = state.post.visible - {state.old}
        others = [s for s in self.states if s is not state and not s.is_counter]
        if own == ex.const(1) and self._sums_losses(state, others):
            return False
        if any(state.new in s.post.visible and not self._only_follows(s) for s in others):
            return False
        if any(state.new in o.visible for o in self.outputs):
            return False
        plain = own == ex.const(1) or (1, ex.sym(state.old)) in structure.terms(state.post)
        plain |= decays_beside_a_gradient(state, own)
        if not plain and state.initial == ex.const(0) and any(state.old in o.visible for o in self.outputs):
            return False  # what the step that is handed back reads of before (Adadelta's steps, squared by their parts)
        if not plain and any(
            self._moves_by(s, state) and structure.slope(s.post, state.old) not in (None, ex.const(0)) for s in others
        ):
            return False  # the step of before, a part of which goes ahead of the gradient: w − μ·s − η·u
        reads_new = any(s.new in visible for s in others)
        reads_old = any(
            s.old in visible and (state.old not in structure.after_first(s.post).visible or (plain and keeps_part(s)))
            for s in others
        )
        if reads_new or reads_old:
            return True
        return plain and not any(state.old in s.post.visible for s in others if not remembers(s, state))

    def _is_of_elsewhere(self, state: State, span: Span) -> bool:
        """A running product that another method advances: where that stands is no part of the update."""
        own = self.frame.span is None or self.frame.span.covers(span)
        return not own and state.slot is not None and state.slot.local and structure.is_scaled(state.post, state.old)

    def _make(self, parameter: State | None, output: Expr | None, needed: list[State]) -> Recurrence:
        spans = [sp for s in needed for sp in s.spans if not self._is_of_elsewhere(s, sp)]
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
            loop=self.frame.span if self.frame.kind == "loop" else None,
            depth=self.frame.depth,
            inputs=self.inputs,
            overwritten=[e for e in self.overwritten if isinstance(e.slot.home, Cell)],
        )
