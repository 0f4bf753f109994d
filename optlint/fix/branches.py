"""A step that is safe under a condition alone: its lines put into a branch, and what else to do in the other one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import libcst as cst

from optlint.fix.difference import changes
from optlint.fix.edits import edits_of
from optlint.fix.reading import Read, Reading
from optlint.fix.spelling import Speller
from optlint.fix.statements import Statements
from optlint.fix.text import edited
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Span
from optlint.source import Unit
from optlint.subject import Subject

Edits = tuple[Edit, ...]
_OTHERWISE = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}
_WAYS = 4  # of saying what the other branch does


class Branches:
    """What statements can do for an update that has to ask before it divides or takes a root."""

    def __init__(self, recurrence: Recurrence, reading: Reading, speller: Speller, source: str) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.speller = speller
        self.source = source
        self.statements = Statements(reading)

    def asked_first(self, before: Subject, after: Subject, unsafe: Expr) -> Iterator[Edits]:
        """The lines from the one that computes ``unsafe`` to the one that steps, where the repaired step asks first."""
        choice = next((n for n in ex.walk(after.step) if n.op == "where" and ex.contains(n.args[1], unsafe)), None)
        first, last = self._first(unsafe), self._last()
        if choice is None or first is None or last is None:
            return
        lines = self._between(self.statements.line_of(first.node), last)
        condition = self.speller.spell(choice.args[0], first)
        if not lines or condition is None:
            return
        plain = ex.substitute(after.step, {choice: choice.args[2]})
        others = list(islice(self._others(before, plain, choice.args[2], last, first), _WAYS))
        if isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return):
            negated = self.speller.spell(ex.op(_OTHERWISE[choice.args[0].op], *choice.args[0].args), first)
            for other in others:
                asked = [f"if {negated.text}:", f"{self.statements.unit(last)}{other}"] if negated is not None else []
                head = self.statements.before(lines[0], *asked)
                yield from [(head,)] if head is not None and asked else []
        for other in others:
            made = self._branch(lines, condition.text, other)
            if made is not None:
                yield made

    def _first(self, unsafe: Expr) -> Read | None:
        """Where it is computed."""
        reads = self.reading.by_worth.get(self.reading.values.worth(unsafe), ())
        return next((r for r in reads if not r.written and not r.simple), None)

    def _last(self) -> cst.CSTNode | None:
        """The line that moves the parameter."""
        writes = self.recurrence.writes
        inside = [r.node for r in self.reading.reads if any(w.covers(r.span) for w in writes)]
        return self.statements.line_of(inside[-1]) if inside else None

    def _between(self, first: cst.CSTNode, last: cst.CSTNode) -> list[cst.CSTNode]:
        """The lines of one block from the first to the last, if nothing behind them reads what they name."""
        block = self.reading.parents.get(first)
        if not isinstance(block, cst.IndentedBlock) or self.reading.parents.get(last) is not block:
            return []
        lines = list(block.body)
        found: list[cst.CSTNode] = list(lines[lines.index(first) : lines.index(last) + 1])  # type: ignore[arg-type]
        own = {id(n) for line in found for n in self.reading.nodes(line)}
        names = {n for line in found[:-1] for n in self.reading.given_in(line)}
        around = self.reading.function(last)
        outside = (n for n in self.reading.nodes(around) if isinstance(n, cst.Name) and id(n) not in own)
        return [] if names & {n.value for n in outside} else found

    def _others(self, before: Subject, plain: Expr, drive: Expr, last: cst.CSTNode, near: Read) -> Iterator[str]:
        """The stepping line as it reads with the plain step."""
        call = (
            last.body[0].value
            if isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[0], cst.Expr)
            else None
        )
        if isinstance(call, cst.Call):
            yield from self._called(call, drive, near)
            return
        span = self.reading.span(last)
        if span is None:
            return
        for way in changes(before.step, plain, self.reading.values)[:_WAYS]:
            for edits in islice(edits_of(way[0], self.reading, self.speller, span), _WAYS) if len(way) == 1 else ():
                if all(span.covers(e.span) for e in edits):
                    yield self._edited(span, edits)

    def _called(self, call: cst.Call, drive: Expr, near: Read) -> Iterator[str]:
        """``p.addcdiv_(m, d, value=-a)`` as ``p.add_(m, alpha=-a)``."""
        place = call.func.value if isinstance(call.func, cst.Attribute) else None
        if place is None or not self.reading.changes_in_place(call):
            return
        number, array = self._apart(drive)
        size, moved = self.speller.spell(number, near), self.speller.spell(array, near)
        if size is not None and moved is not None:
            yield f"{self.reading.text_of(place)}.add_({moved.text}, alpha={size.text})"

    def _apart(self, drive: Expr) -> tuple[Expr, Expr]:
        """What of a step is a number, and what holds an element for each of the parameter's."""
        arrays = self.speller.arrays
        if drive.op == "mul":
            for one, other in (drive.args, drive.args[::-1]):
                if not one.symbols & arrays:
                    return one, other
        parts = [p for p in structure.factors(drive) if p[0] != ex.const(-1)]
        size = structure.product([p for p in parts if not p[0].symbols & arrays])
        moved = structure.product([p for p in parts if p[0].symbols & arrays])
        return ex.op("neg", size) if structure.is_negative(drive) else size, moved

    def _edited(self, span: Span, edits: Edits) -> str:
        """A statement's text with edits in it."""
        source = self.source.split("\n")
        text = edited(Unit(span.cell, self.source), edits).text.split("\n")
        own = text[span.line - 1 : span.end_line + len(text) - len(source)]
        behind = source[span.end_line - 1][span.end_column - 1 :]
        return "\n".join(own)[span.column - 1 :].removesuffix(behind)

    def _branch(self, lines: list[cst.CSTNode], condition: str, other: str) -> Edits | None:
        unit = self.statements.unit(lines[0])
        head = self.statements.before(lines[0], f"if {condition}:")
        tail = self.statements.after(lines[-1], "else:", f"{unit}{other}")
        if head is None or tail is None or '"""' in self._text(head.span, tail.span):
            return None
        inner = range(head.span.line + 1, tail.span.line + 1)
        full = (n for n in inner if self.source.split("\n")[n - 1].strip())
        deeper = [Edit(Span(n, 1, n, 1, head.span.cell), unit) for n in full]
        return (Edit(head.span, head.text + unit), *deeper, tail)

    def _text(self, first: Span, last: Span) -> str:
        return "\n".join(self.source.split("\n")[first.line - 1 : last.line])
