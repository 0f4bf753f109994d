"""Weight decay taken out of the gradient and done beside the step: a line of its own, or a term of the step."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from optlint.fix.reading import Read, Reading, in_place
from optlint.fix.spelling import Speller
from optlint.fix.statements import Statements
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit
from optlint.subject import Subject

Edits = tuple[Edit, ...]


class Decay:
    """What statements can do about where one update decays its weights."""

    def __init__(self, recurrence: Recurrence, reading: Reading, speller: Speller) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.speller = speller
        self.statements = Statements(reading)

    def instead(self, before: Subject, after: Subject, bare: Expr) -> Iterator[Edits]:
        """The line that adds the decay to the gradient becomes the one that decays the weights."""
        added, step = self._added(before, bare), self._step()
        whole = self.reading.span(self.reading.statement(added.node) or added.node) if added is not None else None
        text = self._decayed(after, step, added) if added is not None and step is not None else None
        if whole is not None and text is not None:
            yield (Edit(whole, text),)

    def left_out(self, before: Subject, bare: Expr) -> Iterator[Edits]:
        """The line that adds the decay to the gradient, taken out."""
        added = self._added(before, bare)
        out = self.statements.without(self.statements.line_of(added.node)) if added is not None else None
        if out is not None:
            yield (out,)

    def put_in(self, after: Subject) -> Iterator[Edits]:
        """A line that decays the weights, in front of the one that steps."""
        step = self._step()
        text = self._decayed(after, step, step) if step is not None else None
        into = self.statements.before(self.statements.line_of(step.node), text) if step is not None and text else None
        if into is not None:
            yield (into,)

    def _step(self) -> Read | None:
        """The place that the last statement of the step moves."""
        inside = (r for r in self.reading.reads if any(w.covers(r.span) for w in self.recurrence.writes))
        places = [place for place in map(self._place, inside) if place is not None]
        return places[-1] if places and not self.reading.is_list(places[-1].text) else None

    def _place(self, read: Read) -> Read | None:
        """What the statement around gives a new content, by assignment or in place."""
        statement = self.reading.statement(read.node)
        target: cst.CSTNode | None = None
        if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            target = statement.targets[0].target
        elif isinstance(statement, cst.AugAssign):
            target = statement.target
        elif isinstance(statement, cst.Expr) and isinstance(statement.value, cst.Call) and in_place(statement.value):
            target = getattr(statement.value.func, "value", None)
        return next((r for r in self.reading.reads if r.node is target and r.simple), None)

    def _added(self, before: Subject, bare: Expr) -> Read | None:
        """Where a statement adds the decay to what its place held, and does nothing else."""
        gradient, worth = before.gradient, self.reading.values.worth
        for read in self.reading.by_worth.get(worth(gradient), ()) if gradient is not None else ():
            place = self._place(read)
            if place is not None and self.reading.holds(place.text, read.moment - 1, worth(bare)):
                return read
        return None

    def _decayed(self, after: Subject, step: Read, near: Read) -> str | None:
        """The statement that decays the weights, written as the step's own is."""
        shrink = structure.slope(after.step, after.parameter) if after.parameter is not None else None
        terms = [t for _, t in structure.terms(shrink) if t != ex.const(1)] if shrink is not None else []
        rate = self.speller.spell(terms[0], near) if len(terms) == 1 else None
        statement = self.reading.statement(step.node)
        if rate is None:
            return None
        if isinstance(statement, cst.Expr):
            return f"{step.text}.mul_(1 - {rate.at(10)})"
        less = f"{rate.at(10)} * {step.text}"
        return (
            f"{step.text} -= {less}" if isinstance(statement, cst.AugAssign) else f"{step.text} = {step.text} - {less}"
        )
