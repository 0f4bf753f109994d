"""AMSGrad's maximum in a place of its own, beside the average that it was fed back into."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from optlint.fix.beside import PLACES, Places, Twin, Unclear, start_of
from optlint.fix.reading import Read, Reading
from optlint.fix.statements import Statements
from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.model import Edit, Span
from optlint.subject import Subject

Edits = tuple[Edit, ...]
LARGEST = "keep the largest average in a place of its own"
_NAMES = (Twin(tail="_max"), Twin(tail="_largest"), Twin(head="max_"))
_LONG_NAMES = (Twin(head="max_"), *_NAMES)  # ``max_exp_avg_sq``, as PyTorch has it
_LONG = 5


def is_fed_back(before: Subject, after: Subject) -> bool:
    """A maximum has become the average alone, and another state keeps that one's maximum."""
    return bool(_fed_back(before, after))


def _fed_back(before: Subject, after: Subject) -> list[tuple[State, Expr]]:
    """The states that are such a maximum, with the average alone."""
    made = {s.old for s in after.states} - {s.old for s in before.states}
    largest = {x for s in after.states if s.old in made and s.post.op == "max" for x in s.post.symbols}
    pairs = zip(before.states, after.states, strict=False)
    fed_back = [(old, new.post) for old, new in pairs if old.post.op == "max" and new.new in largest]
    return [(old, average) for old, average in fed_back if not made & old.post.symbols]


def kept_apart(before: Subject, after: Subject, reading: Reading, source: str) -> Iterator[Edits]:
    """``v = max(v, β₂·v + …)`` as ``v = β₂·v + …`` and ``v_max = max(v_max, v)``, which is then read for v."""
    for state, average in _fed_back(before, after):
        others = [s for s in before.states if s is not state]
        try:
            yield _Maximum(state, average, others, reading, source).kept()
        except Unclear:
            continue


def kept_where_compared(maximum: Expr, reading: Reading) -> Iterator[Edits]:
    """``v_max = max(v_hat, v)`` as ``v_hat = max(v_hat, v)``, which is then read for v_max."""
    for write in reading.by_worth.get(reading.values.worth(maximum), ()):
        statement = reading.statement(write.node) if write.written and isinstance(write.node, cst.Name) else None
        within = reading.span(statement) if statement is not None else None
        if within is None or not isinstance(statement, cst.Assign) or len(statement.targets) > 1:
            continue
        others = [r for r in reading.by_text.get(write.text, ()) if r.written and r.node is not write.node]
        if others:
            continue  # the name serves something else as well
        compared = (r for r in reading.reads if within.covers(r.span) and isinstance(r.node, cst.Name))
        for name in dict.fromkeys(r.text for r in compared if r.expr in maximum.args and r.text != write.text):
            yield tuple(Edit(span, name) for span in _spoken(write, reading))


def kept_where_meant(before: Subject, after: Subject, reading: Reading) -> Iterator[Edits]:
    """``maximum(v_max, v, out=v)`` with ``out=v_max``, which is then read for v."""
    statements = Statements(reading)
    held = {s.old for s in before.states}
    for old, new in zip(before.states, after.states, strict=False):
        kept = [s.old for s in after.states if s.old not in held and s.old in old.post.symbols]
        calls = [r for r in reading.by_worth.get(reading.values.worth(old.post), ()) if isinstance(r.node, cst.Call)]
        if old.post == new.post or not kept or not calls:
            continue
        statement = reading.statement(calls[0].node)
        within = reading.span(statement) if statement is not None else None
        target = _taker(statement, calls[0].node) if statement is not None else None
        places = [r.text for r in reading.reads if r.simple and r.expr == ex.sym(kept[0])]
        span, home = reading.span(target) if target is not None else None, reading.function(calls[0].node)
        if target is None or span is None or within is None or home is None or not places:
            continue
        later = map(reading.span, statements.places_of(home, reading.text(span)))
        read = [s for s in later if s is not None and start_of(s) > start_of(within) and not within.covers(s)]
        yield (Edit(span, places[0]), *(Edit(s, places[0]) for s in read))


def _taker(statement: cst.CSTNode, call: cst.BaseExpression) -> cst.BaseExpression | None:
    """What takes the maximum: of an assignment, of ``v.copy_(…)``, of ``out=v``."""
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        return statement.targets[0].target if isinstance(statement.targets[0].target, PLACES) else None
    if not isinstance(statement, cst.Expr) or not isinstance(statement.value, cst.Call):
        return None
    if statement.value is call:
        return next((a.value for a in statement.value.args if a.keyword and a.keyword.value == "out"), None)
    called = statement.value.func
    return called.value if isinstance(called, cst.Attribute) else None


def _spoken(write: Read, reading: Reading) -> Iterator[Span]:
    """Wherever the function has the name that takes a value."""
    for node in reading.nodes(reading.function(write.node)):
        parent = reading.parents.get(node)
        plain = not (isinstance(parent, cst.Attribute) and parent.attr is node)
        plain = plain and not (isinstance(parent, cst.Arg) and parent.keyword is node)
        span = reading.span(node) if isinstance(node, cst.Name) and plain else None
        if span is not None and reading.text(span) == write.text:
            yield span


class _Maximum:
    def __init__(self, state: State, average: Expr, others: list[State], reading: Reading, source: str) -> None:
        self.state = state
        self.reading = reading
        self.source = source
        worth = reading.values.worth
        self.held, self.average, self.post = worth(ex.sym(state.old)), worth(average), worth(state.post)
        self.begin = worth(state.initial) if state.initial is not None else None
        self.others = others

    def kept(self) -> Edits:
        reading = self.reading
        call = next((r for r in reading.by_worth.get(self.post, ()) if isinstance(r.node, cst.Call)), None)
        statement = reading.statement(call.node) if call is not None else None
        within = reading.span(statement) if statement is not None else None
        if call is None or statement is None or within is None:
            return ()
        places = Places(reading, self.state, self.others, reading.function(call.node))
        target = _taker(statement, call.node)
        averages = [r for r in reading.by_worth.get(self.average, ()) if _is_inside(call.node, r.node, reading)]
        average = max(averages, key=lambda r: len(r.text), default=None)
        if target is None or average is None:
            return ()
        for node in [target, *(r.node for r in reading.by_worth.get(self.held, ()) if within.covers(r.span))]:
            if not _is_inside(average.node, node, reading):
                places.named_by(node)
        twin = places.free(_LONG_NAMES if len(places.key or places.attribute) > _LONG else _NAMES, self.source)
        if twin is None:
            return ()
        averaged = [reading.statement(r.node) for r in reading.by_worth[self.average] if r.written]
        handled = [statement, *(s for s in averaged if s is not None)]
        begun = places.begun([twin], handled, lambda node: self._hands_on(node, places))
        computed = self._computed(statement, target, call, average, places, twin)
        known = [statement, *(part for part, _ in begun)]
        return (*(e for _, edits in begun for e in edits), *computed, *self._read(places, twin, known, within))

    def _computed(
        self,
        statement: cst.CSTNode,
        target: cst.BaseExpression,
        call: Read,
        average: Read,
        places: Places,
        twin: Twin,
    ) -> Edits:
        """The average alone where the maximum stood, and the maximum behind it."""
        reading = self.reading
        place = reading.text_of(target)
        inner = [e for e in places.renaming(statement, twin) if not average.span.covers(e.span)]
        if not average.simple:
            inner.append(Edit(reading.with_brackets(average.node) or average.span, place))
        largest = places.changed(statement, inner)
        line = places.statements.line_of(statement)
        if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
            raise Unclear
        if average.text == place:  # `v = max(state["v"], v)`: v holds the average already
            return (Edit(reading.span(statement) or call.span, largest),)
        text = f"({average.text})" if "\n" in average.text else average.text
        behind = places.statements.after(line, largest)
        if behind is None:
            raise Unclear
        if isinstance(statement, cst.Expr) and statement.value is call.node:
            torch = call.text.startswith("torch.")
            return Edit(call.span, f"{place}.copy_({average.text})" if torch else f"{place}[...] = {text}"), behind
        return Edit(reading.with_brackets(call.node) or call.span, text), behind

    def _hands_on(self, target: cst.BaseExpression, places: Places) -> bool:
        """The target is given what the state held or begins with, or what the maximum has come to."""
        written = [r for r in self.reading.reads if r.node is target and r.written]
        worths = {self.reading.values.worth(r.expr) for r in written}
        seen = bool(worths) or self.reading.function(target) is not places.home or places.holds_others(target)
        return seen and worths <= {self.held, self.post, self.begin}

    def _read(self, places: Places, twin: Twin, known: list[cst.CSTNode], within: Span) -> Iterator[Edit]:
        """What reads the maximum further down reads its new place."""
        for token in places.others(known):
            span = self.reading.span(token)
            if span is None or places.is_handed_back(token):
                raise Unclear
            if start_of(span) > start_of(within):
                yield from places.renamed(token, twin)


def _is_inside(whole: cst.CSTNode, part: cst.CSTNode, reading: Reading) -> bool:
    return part is whole or any(a is whole for a in reading.ancestors(part))
