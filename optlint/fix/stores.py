"""Repairs of what is stored where and when: a line moved up, a place left alone, a call that copies."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from optlint.fix.reading import Read, Reading
from optlint.fix.statements import Statements, free_name, later_reads
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Edit, Span
from optlint.subject import Subject

Edits = tuple[Edit, ...]
_ASSIGNS = {"add_": "copy_", "assign_add": "assign"}


class Stores:
    """What statements can do about the places of one update."""

    def __init__(self, recurrence: Recurrence, reading: Reading) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.statements = Statements(reading)

    def earlier(self, before: Subject, after: Subject, near: Span) -> Iterator[Edits]:
        """The line that gives a state its new content, in front of the line that wants to read that."""
        for state in before.states:
            first = self._line_at(near) if _readers(before, state) - _readers(after, state) else None
            for line in self._lines_of(state) if first is not None else ():
                taken = self._taken_to(line, first)
                if first is not None and taken is not None:
                    into = self.statements.before(self._unbound(first, "\n".join(taken[1])), *taken[1])
                    if into is not None:
                        yield (into, taken[0])

    def later(self, before: Subject, after: Subject, near: Span) -> Iterator[Edits]:
        """The line that gives a state its new content, behind the line that wants to read the old one."""
        for state in before.states:
            last = self._line_at(near) if _readers(after, state) - _readers(before, state) else None
            lines = self._lines_of(state) if last is not None else []
            if len(lines) > 1:
                yield from self._together(lines)
            for line in lines if len(lines) == 1 else ():
                taken = self._taken_to(line, last)
                if last is not None and taken is not None:
                    into = self.statements.after(last, *taken[1])
                    if into is not None:
                        yield (taken[0], into)

    def _together(self, lines: list[cst.CSTNode]) -> Iterator[Edits]:
        """What takes several statements in a row, behind the last one that moves the parameter."""
        block = self.reading.parents.get(lines[0])
        body: list[cst.CSTNode] = list(block.body) if isinstance(block, cst.IndentedBlock) else []
        places = sorted(body.index(line) for line in lines if line in body)
        steps = [r.node for r in self.reading.reads if any(w.covers(r.span) for w in self.recurrence.writes)]
        last = self.statements.line_of(steps[-1]) if steps else None
        in_row = len(places) == len(lines) and places[-1] - places[0] == len(places) - 1
        if last is None or not in_row or last in lines:
            return
        taken = [t for n in places if (t := self._taken_to(body[n], last)) is not None]
        into = self.statements.after(last, *(text for _, texts in taken for text in texts))
        if into is not None and len(taken) == len(places):
            yield (*(out for out, _ in taken), into)

    def _line_at(self, near: Span) -> cst.CSTNode | None:
        reader = next((r for r in self.reading.reads if near.covers(r.span)), None)
        return self.statements.line_of(reader.node) if reader is not None else None

    def _lines_of(self, state: State) -> list[cst.CSTNode]:
        """The lines that give a state its new content."""
        inside = [r.node for r in self.reading.reads if any(s.covers(r.span) for s in state.spans)]
        return list({id(line): line for line in map(self.statements.line_of, inside)}.values())

    def _taken_to(self, line: cst.CSTNode, other: cst.CSTNode | None) -> tuple[Edit, list[str]] | None:
        """A line taken out to stand beside another one of the same block: none that starts the state."""
        same = self.reading.parents.get(line) is self.reading.parents.get(other) if other is not None else False
        return self.statements.taken_out(line) if same and line is not other else None

    def _unbound(self, line: cst.CSTNode, text: str) -> cst.CSTNode:
        """The line, or the branch before it that gives another meaning to a name of the text (``v = v_hat``)."""
        block = self.reading.parents.get(line)
        lines: list[cst.CSTNode] = list(block.body) if isinstance(block, cst.IndentedBlock) else []
        for before in reversed(lines[: lines.index(line)] if line in lines else []):
            bound = [t.target for n in self.reading.nodes(before) if isinstance(n, cst.Assign) for t in n.targets]
            names = [t.value for t in bound if isinstance(t, cst.Name)]
            if not isinstance(before, cst.If) or not any(re.search(rf"\b{name}\b", text) for name in names):
                break
            line = before
        return line

    def replaced(self, before: Subject, after: Subject) -> Iterator[Edits]:
        """``v += x`` becomes ``v = x`` where the old content is already in x."""
        edits: list[Edit] = []
        for old, new in zip(before.states, after.states, strict=True):
            if old.post != new.post:
                edits += next(filter(None, map(self._as_assignment, self._changed(old))), [])
        if edits:
            yield tuple(edits)

    def _changed(self, state: State) -> Iterator[Read]:
        """Where a state's new content is written, or comes out of a call."""
        worth = self.reading.values.worth(state.post)
        yield from (r for r in self.reading.by_worth.get(worth, ()) if r.written or isinstance(r.node, cst.Call))

    def _as_assignment(self, read: Read) -> list[Edit]:
        statement = self.reading.statement(read.node)
        if read.written and isinstance(statement, cst.AugAssign) and isinstance(statement.operator, cst.AddAssign):
            sign = self.reading.operator(statement)
            return [Edit(sign, "=")] if sign is not None else []
        name = read.node.func if isinstance(read.node, cst.Call) else None
        while isinstance(name, cst.Attribute):
            name = name.attr
        span = self.reading.span(name) if isinstance(name, cst.Name) else None
        other = _ASSIGNS.get(name.value) if isinstance(name, cst.Name) else None
        return [Edit(span, other)] if span is not None and other is not None else []

    def without_term(self, state: State, wanted: Expr) -> Iterator[Edits]:
        """The line that adds a last term to a state, which is right without it."""
        values = self.reading.values
        for read in self._changed(state):
            statement = self.reading.statement(read.node)
            if read.written and isinstance(statement, cst.AugAssign) and isinstance(statement.operator, cst.AddAssign):
                before = [r for r in self.reading.by_text.get(read.text, ()) if r.moment < read.moment]
                out = self.statements.without(self.statements.line_of(statement))
                if before and values.same(before[-1].expr, wanted) and out is not None:
                    yield (out,)

    def apart(self, before: Subject, after: Subject) -> Iterator[Edits]:
        """``η = η·c`` gets a name of its own, so that the place keeps what it holds."""
        kept = {s.old for s in after.states}
        for state in before.states:
            if state.old not in kept:
                for write in self._writes(state):
                    made = self._named_apart(write)
                    if made is not None:
                        yield made

    def _writes(self, state: State) -> list[Read]:
        worth = self.reading.values.worth(state.post)
        return [r for r in self.reading.by_worth.get(worth, ()) if r.written and r.simple]

    def _named_apart(self, write: Read) -> Edits | None:
        statement = self.reading.statement(write.node)
        home = self.reading.function(write.node)
        span = self.reading.span(home) if home is not None else None
        name = free_name(["lr_t", "step_size", "rate"], self.reading.text(span) if span is not None else "")
        edits: list[Edit] = [Edit(write.span, name)]
        if isinstance(statement, cst.AugAssign):
            sign = self.reading.operator(statement)
            multiplies = isinstance(statement.operator, (cst.MultiplyAssign, cst.DivideAssign))
            if sign is None or not multiplies:
                return None
            symbol = "*" if isinstance(statement.operator, cst.MultiplyAssign) else "/"
            edits.append(Edit(sign, f"= {write.text} {symbol}"))
        elif not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
            return None
        reads = {r.span for r in later_reads(self.reading, write)}
        return (*edits, *(Edit(span, name) for span in sorted(reads)))

    def copied(self, near: Span) -> Iterator[Edits]:
        """``v.sqrt_()`` inside an expression: the same without changing ``v``."""
        for read in self.reading.reads:
            node = read.node
            if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
                continue
            name, whole = node.func.attr, self.reading.span(self.statements.line_of(node))
            span = self.reading.span(name)
            used = not isinstance(self.reading.parents.get(node), cst.Expr)
            if used and name.value.endswith("_") and span is not None and whole is not None and whole.covers(near):
                yield (Edit(span, name.value.rstrip("_")),)

    def moved(self, near: Span) -> Iterator[Edits]:
        """``p = p - …`` in the parameter: stored back where it was taken from, else as ``p -= …``."""
        for write in self.reading.reads:
            statement = self.reading.statement(write.node) if write.written else None
            whole = self.reading.span(statement) if statement is not None else None
            if whole is None or not whole.covers(near) or not isinstance(statement, cst.Assign):
                continue
            for place in self._taken_from(write):
                edit = self.statements.after(self.statements.line_of(statement), f"{place} = {write.text}")
                if edit is not None:
                    yield (edit,)
            value = statement.value
            if isinstance(value, cst.BinaryOperation) and isinstance(value.operator, (cst.Subtract, cst.Add)):
                left, right = self.reading.span(value.left), self.reading.span(value.right)
                if left is not None and right is not None and self.reading.text(left) == write.text:
                    sign = "-=" if isinstance(value.operator, cst.Subtract) else "+="
                    yield (Edit(whole, f"{write.text} {sign} {self.reading.text(right)}"),)

    def _taken_from(self, write: Read) -> Iterator[str]:
        """The attribute or item that a name was given the content of, in an assignment of its own."""
        for read in self.reading.by_text.get(write.text, ()):
            given = self.reading.statement(read.node) if read.written and read.moment < write.moment else None
            if isinstance(given, cst.Assign) and isinstance(given.value, (cst.Attribute, cst.Subscript)):
                span = self.reading.span(given.value)
                if span is not None:
                    yield self.reading.text(span)


def _readers(subject: Subject, state: State) -> set[str]:
    """The equations of others that read what a state held before."""
    names = [*(s.name for s in subject.states), "step"]
    posts = zip(names, subject.posts, strict=True)
    return {name for name, post in posts if name != state.name and state.old in post.symbols}
