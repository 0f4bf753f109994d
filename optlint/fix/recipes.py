"""Repairs that take statements: a name for a corrected moment, a value that is kept, an array of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from optlint.fix.edits import opposite
from optlint.fix.reading import Read, Reading, level_of, parenthesized
from optlint.fix.statements import Statements, free_name, last_name, later_reads
from optlint.fix.values import Values
from optlint.lift import expression as ex
from optlint.lift.annotations import named_parameters
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Span
from optlint.subject import Subject

Edits = tuple[Edit, ...]
_GRADIENT_NAMES = ["g", "grad", "gradient"]
_PLACES = (cst.Attribute, cst.Subscript)
SIGNS = {cst.AddAssign: "+", cst.SubtractAssign: "-", cst.MultiplyAssign: "*", cst.DivideAssign: "/"}
RIGHT_OF = {"+": 9, "-": 10, "*": 11, "/": 11}  # how tightly what stands behind them has to hold together


@dataclass(slots=True)
class Recipes:
    """What statements can do for one update."""

    recurrence: Recurrence
    reading: Reading
    source: str
    statements: Statements = field(init=False)

    def __post_init__(self) -> None:
        self.statements = Statements(self.reading)

    @property
    def values(self) -> Values:
        return self.reading.values

    def source_of(self, node: cst.CSTNode | None) -> str:
        span = self.reading.span(node) if node is not None else None
        return self.reading.text(span) if span is not None else self.source

    # a name of its own

    def renamed(self, before: Subject, after: Subject) -> Iterator[Edits]:
        """``m = m/(1 − βᵗ)`` gets another name, which the step then reads."""
        edits: list[Edit] = []
        for old, new in zip(before.states, after.states, strict=False):
            if old.post == new.post:
                continue
            made = self._renamed(old.post, new.post)
            if made is None:
                return
            edits += made
        if edits:
            yield tuple(edits)

    def _renamed(self, corrected: Expr, raw: Expr) -> list[Edit] | None:
        writes = [r for r in self.reading.by_worth.get(self.values.worth(corrected), ()) if r.written and r.simple]
        for write in writes:
            statement = self.reading.statement(write.node)
            taken = self.source_of(self.reading.function(write.node))
            base = last_name(write.text)
            name = free_name([f"{base}_hat", f"{base}_corrected", f"{base}_unbiased"], taken)
            if isinstance(statement, cst.AugAssign) and isinstance(statement.operator, cst.DivideAssign):
                sign, place = self.reading.operator(statement), write.span
                if sign is None:
                    continue
                edits = [Edit(place, name), Edit(sign, f"= {write.text} /")]
            elif isinstance(statement, cst.Assign) and len(statement.targets) == 1:
                value = statement.value
                edits = [Edit(write.span, name)]
                kept = self.reading.holds(write.text, write.moment - 1, self.values.worth(raw))
                if not isinstance(value, cst.BinaryOperation) or not isinstance(value.operator, cst.Divide):
                    if not kept:
                        continue
                    inner = value
                else:
                    inner = value.left
                span = self.reading.span(inner)
                if not kept and span is not None and self.reading.text(span) != write.text:
                    whole = self.reading.span(statement)
                    rest = self.reading.span(value)
                    if whole is None or rest is None or (inner.lpar == () and not isinstance(inner, cst.Name)):
                        continue
                    tail = self.reading.text(rest)[len(self._with_brackets(inner)) :]
                    edits = [Edit(whole, f"{write.text} = {self.reading.text(span)}")]
                    line = self.statements.after(self.statements.line_of(statement), f"{name} = {write.text}{tail}")
                    if line is None:
                        continue
                    edits.append(line)
            else:
                continue
            reads = {r.span for r in later_reads(self.reading, write)}
            return [*edits, *(Edit(span, name) for span in sorted(reads))]
        return None

    def _with_brackets(self, node: cst.BaseExpression) -> str:
        span = self.reading.span(node)
        assert span is not None
        return "(" * len(node.lpar) + self.reading.text(span) + ")" * len(node.rpar)

    # what is kept

    def stored(self, before: Subject, after: Subject) -> Iterator[Edits]:
        """``self.m = m`` behind the line that computes a state's new content and leaves it in a local name."""
        held = {s.old for s in before.recurrence.states}
        edits: list[Edit] = []
        for state in after.recurrence.states:
            if state.old in held:
                continue
            write, content = self._named(state.post), ex.sym(state.old)
            if write is None and state.initial is not None:
                write, content = self._named(ex.substitute(state.post, {content: state.initial})), state.initial
            if write is None:
                return
            place = self._place(content, write)
            libraries = {name.partition(".")[0] for name in before.recurrence.imports}
            handed_in = "torch" in libraries and place is not None and self._is_handed_in(place, write)
            if handed_in or (place is None and state.old.array and not {"jax", "tensorflow"} & libraries):
                name = self._named_for(content, write)  # of a loop over arrays, which can be changed in place
                if name is not None:
                    edits.append(Edit(write.span, f"{name}[...]"))
                    continue
            edit = self.statements.after(self.statements.line_of(write.node), f"{place} = {write.text}")
            if place is None or edit is None:
                return
            edits.append(edit)
        if edits:
            yield tuple(edits)

    def bound_names(self, before: Subject, after: Subject) -> Iterator[tuple[str, cst.CSTNode | None]]:
        """The local names that take a state's new content and leave it there, with the functions whose they are."""
        held = {s.old for s in before.recurrence.states}
        for state in after.recurrence.states:
            write = self._named(state.post) if state.old not in held else None
            if write is not None:
                yield write.text, self.reading.function(write.node)

    def _named(self, content: Expr) -> Read | None:
        """Where a plain name takes that content, the last time: the first of several (others are copies)."""
        reads = self.reading.by_worth.get(self.values.worth(content), ())
        names = [r for r in reads if r.written and isinstance(r.node, cst.Name)]
        home = self.reading.function(names[-1].node) if names else None
        here = [r for r in names if self.reading.function(r.node) is home]
        return next((r for r in reversed(here) if r.text == here[0].text), None)

    def _is_handed_in(self, place: str, write: Read) -> bool:
        """An element of a list that the function is called with: the list may be made for the call alone."""
        home = self.reading.function(write.node)
        given = named_parameters(home.params) if isinstance(home, cst.FunctionDef) else ()
        return any(place.startswith(f"{p.name.value}[") for p in given)

    def _named_for(self, content: Expr, write: Read) -> str | None:
        """The name that is bound anew, if it held the state's old content when the statement read it."""
        statement = self.reading.statement(write.node)
        within = self.reading.span(statement) if statement is not None else None
        reads = (r for r in self.reading.reads if within is not None and within.covers(r.span))
        held = any(r.text == write.text and not r.written and self.values.same(r.expr, content) for r in reads)
        return write.text if held else None

    def _place(self, content: Expr, write: Read) -> str | None:
        """The attribute or item that a statement takes a state's old content from, else what was read for it before."""
        statement = self.reading.statement(write.node)
        within = self.reading.span(statement) if statement is not None else None
        earlier: str | None = None
        for read in self.reading.reads:
            if isinstance(read.node, cst.Name) or not read.simple or read.written or read.moment > write.moment:
                continue
            if self.values.same(read.expr, content):
                if within is not None and within.covers(read.span):
                    return read.text
                earlier = read.text
        return earlier

    def crossed(self, near: Span) -> Iterator[Edits]:
        """``v = β₂·m + …`` and ``v.assign(β₂·m + …)``: the average's own place for the other's."""
        for write in self.reading.reads:
            statement = self.reading.statement(write.node)
            whole = self.reading.span(statement) if statement is not None else None
            if whole is None or not whole.covers(near):
                continue
            call = write.node
            if write.written and write.simple:
                text = write.text
            elif (
                isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and call.func.attr.value == "assign"
            ):
                text = self.source_of(call.func.value)
            else:
                continue
            for read in self.reading.reads:
                if whole.covers(read.span) and read.simple and not read.written and read.text != text:
                    yield (Edit(read.span, text),)

    def other_word(self, near: Span) -> Iterator[Edits]:
        """The opposite operation of the calls at a place."""
        seen: set[Edit] = set()
        for read in (*self.reading.reads, *self.reading.lists):
            if near.covers(read.span) or read.span.covers(near):
                edit = opposite(read.node, self.reading)
                if edit is not None and edit not in seen:
                    seen.add(edit)
                    yield (edit,)

    def out_of_place(self, at: Span) -> Iterator[Edits]:
        """``g += x`` becomes ``g = g + x``, and ``g.add_(x)`` becomes ``g = g.add(x)``: what g was stays as it is."""
        for node in self.reading.nodes(None):
            place = self.reading.span(node)
            if place is None or not (place.covers(at) or at.covers(place)):
                continue
            start = Span(place.line, place.column, place.line, place.column, place.cell)
            if isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Name):
                operator, value = self.reading.operator(node), self.reading.span(node.value)
                sign = SIGNS.get(type(node.operator))
                if operator is not None and value is not None and sign is not None:
                    text = self.reading.text(value)
                    right = parenthesized(text, level_of(text), RIGHT_OF[sign])
                    whole = (Edit(value, right),) if right != text else ()
                    yield (Edit(operator, f"= {node.target.value} {sign}"), *whole)
            called = _first_called(node.value) if isinstance(node, (cst.Expr, cst.Assign)) else None
            word = self.reading.span(called.attr) if called is not None else None
            if called is not None and word is not None and called.attr.value.endswith("_"):
                bind = Edit(start, f"{self.reading.text_of(called.value)} = ")
                anew = Edit(word, called.attr.value.rstrip("_"))
                yield (anew,) if isinstance(node, cst.Assign) else (bind, anew)

    def under_another_name(self, at: Span) -> Iterator[Edits]:
        """``grads[k] += x`` as ``g = grads[k] + x``, ``p.grad.add_(x)`` as ``g = p.grad.add(x)``, and all read it."""
        for read in self.reading.reads:
            statement, home = self.reading.statement(read.node), self.reading.function(read.node)
            whole = self.reading.span(statement) if statement is not None else None
            if statement is None or whole is None or not (whole.covers(at) or at.covers(whole)):
                continue
            place, both = self._out_of(read.node, statement)
            readers = self._readers_below(place, read) if both else None
            if not readers:
                continue
            name = free_name(_GRADIENT_NAMES, self.source_of(home))
            line = self._where_all_read(statement, [n for n, _ in readers])
            edits = [Edit(span, name) for _, span in readers]
            if line is self.statements.line_of(statement):
                yield (Edit(whole, f"{name} = {both}"), *edits)
            elif isinstance(line, cst.If):  # the decay may be off
                first = self.statements.before(line, f"{name} = {place}")
                if first is not None:
                    yield (first, Edit(whole, f"{name} = {name}{both[len(place) :]}"), *edits)

    def _readers_below(self, place: str, changed: Read) -> list[tuple[cst.CSTNode, Span]]:
        """What reads a place behind its change, on every path of the function; none where one changes it again."""
        worth = self.reading.values.worth(changed.expr)
        found: list[tuple[cst.CSTNode, Span]] = []
        known = {id(r.node): r for r in self.reading.by_text.get(place, ())}
        for node in self.reading.nodes(self.reading.function(changed.node)):
            span = self.reading.span(node) if isinstance(node, _PLACES) else None
            if span is None or not span > changed.span or self.reading.text(span) != place:
                continue
            read = known.get(id(node))
            if read is not None and (read.written or self.reading.values.worth(read.expr) != worth):
                return []
            found.append((node, span))
        return found

    def _where_all_read(self, statement: cst.CSTNode, readers: list[cst.CSTNode]) -> cst.CSTNode | None:
        """The line around a statement that stands in one block with, or in one around, all that read."""
        line: cst.CSTNode | None = self.statements.line_of(statement)
        while line is not None:
            block = self.reading.parents.get(line)
            if all(any(a is block for a in self.reading.ancestors(n)) for n in readers):
                return line
            line = next((a for a in self.reading.ancestors(line) if isinstance(a, cst.BaseCompoundStatement)), None)
        return None

    def _out_of(self, node: cst.CSTNode, statement: cst.CSTNode) -> tuple[str, str]:
        """The attribute or item that a statement changes in place, and what it computes, without the change."""
        if isinstance(statement, cst.AugAssign) and statement.target is node and isinstance(node, _PLACES):
            place, sign = self.reading.text_of(node), SIGNS.get(type(statement.operator))
            text = self.reading.text_of(statement.value)
            right = parenthesized(text, level_of(text), RIGHT_OF[sign]) if sign is not None else ""
            return place, f"{place} {sign} {right}" if right else ""
        called = node.func if isinstance(node, cst.Call) and self.reading.parents.get(node) is statement else None
        if not isinstance(called, cst.Attribute) or not isinstance(called.value, _PLACES):
            return "", ""
        place, word = self.reading.text_of(called.value), called.attr.value
        given = self.reading.text_of(node)[len(f"{place}.{word}") :]
        return place, f"{place}.{word.rstrip('_')}{given}" if word.endswith("_") and given.startswith("(") else ""

    def separated(self) -> Iterator[Edits]:
        """``m = v = zeros`` as two statements; ``v = zeros`` for the ``v = m`` behind ``m = zeros``."""
        found = (self.reading.statement(read.node) for read in self.reading.reads if read.written)
        written = list({id(s): s for s in found if isinstance(s, cst.Assign)}.values())
        contents = {self.reading.text_of(t.target): s.value for s in written for t in s.targets}
        for statement in written:
            first = contents.get(self.reading.text_of(statement.value))
            place = self.reading.span(statement.value)
            if place is not None and isinstance(first, (cst.Call, cst.BaseComp, cst.List, cst.Dict)):
                yield (Edit(place, self.reading.text_of(first)),)
        for statement in (s for s in written if len(s.targets) > 1):
            value, whole = self.reading.span(statement.value), self.reading.span(statement)
            names = [self.reading.span(t.target) for t in statement.targets]
            if value is None or whole is None or any(n is None for n in names):
                continue
            indent = self.reading.line(whole)[: whole.column - 1]
            if indent.strip():
                continue
            lines = [f"{self.reading.text(n)} = {self.reading.text(value)}" for n in names if n is not None]
            yield (Edit(whole, f"\n{indent}".join(lines)),)


def _first_called(node: cst.CSTNode) -> cst.Attribute | None:
    """The method that a chain of calls begins with on a name: the ``v.mul_`` of ``v.mul_(b).add_(g)``."""
    called = node.func if isinstance(node, cst.Call) else None
    while isinstance(called, cst.Attribute) and isinstance(called.value, cst.Call):
        called = called.value.func
    return called if isinstance(called, cst.Attribute) and isinstance(called.value, cst.Name) else None
