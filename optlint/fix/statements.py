"""Statements put in, moved and taken out, with the indentation and the line ends that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from optlint.fix.reading import Read, Reading
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Span


def assigned(node: cst.CSTNode) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression | None]]:
    """Each target of an assignment with its value, those of a tuple one by one; None where only the run can tell."""
    if isinstance(node, cst.AnnAssign):
        yield node.target, node.value
    if not isinstance(node, cst.Assign):
        return
    values = [e.value for e in node.value.elements] if isinstance(node.value, (cst.Tuple, cst.List)) else []
    for target in (t.target for t in node.targets):
        if isinstance(target, (cst.Tuple, cst.List)):
            known = len(values) == len(target.elements)
            yield from ((e.value, values[i] if known else None) for i, e in enumerate(target.elements))
        else:
            yield target, node.value


class Statements:
    """Edits of whole statements around the expressions that a run has read."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    # where

    def line_of(self, node: cst.CSTNode) -> cst.CSTNode:
        """The statement line (or compound statement) that a node stands in."""
        if isinstance(node, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
            return node
        kinds = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
        return next((a for a in self.reading.ancestors(node) if isinstance(a, kinds)), node)

    def loops_around(self, node: cst.CSTNode) -> list[cst.For | cst.While]:
        """The loops of the same function around a node, the innermost first."""
        found: list[cst.For | cst.While] = []
        for parent in self.reading.ancestors(node):
            if isinstance(parent, (cst.FunctionDef, cst.ClassDef)):
                break
            if isinstance(parent, (cst.For, cst.While)):
                found.append(parent)
        return found

    def unit(self, node: cst.CSTNode) -> str:
        """One level of indentation, as the function around a node has it."""
        home = self.reading.function(node)
        body = getattr(home, "body", None)
        inner = self.reading.span(body.body[0]) if isinstance(body, cst.IndentedBlock) else None
        outer = self.reading.span(home) if home is not None else None
        if inner is None or outer is None:
            return "    "
        return self.reading.line(inner)[outer.column - 1 : inner.column - 1]

    def class_of(self, node: cst.CSTNode) -> cst.ClassDef | None:
        return next((a for a in self.reading.ancestors(node) if isinstance(a, cst.ClassDef)), None)

    def names_of(self, loop: cst.For | cst.While) -> list[cst.BaseExpression]:
        """What a loop binds: all names of its target."""
        pending: list[cst.BaseExpression] = [loop.target] if isinstance(loop, cst.For) else []
        found: list[cst.BaseExpression] = []
        for target in pending:
            if isinstance(target, (cst.Tuple, cst.List)):
                pending.extend(e.value for e in target.elements)
            else:
                found.append(target)
        return found

    def changed_by(self, node: cst.CSTNode) -> cst.BaseExpression | None:
        """What a statement changes: ``W -= …``, ``W = W - …``, ``W.sub_(…)``."""
        if isinstance(node, cst.AugAssign):
            return node.target
        if isinstance(node, cst.Assign) and len(node.targets) == 1:
            target = node.targets[0].target
            return target if any(self.places_of(node.value, self.reading.text_of(target))) else None
        call = node.value if isinstance(node, cst.Expr) else None
        while isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute):
            call = call.func.value
        return call

    def places_of(self, node: cst.CSTNode, text: str) -> Iterator[cst.CSTNode]:
        """The names, attributes and items of that text inside a node."""
        for part in self.reading.nodes(node):
            parent = self.reading.parents.get(part)
            named = isinstance(parent, cst.Attribute) and parent.attr is part
            place = isinstance(part, (cst.Name, cst.Attribute, cst.Subscript)) and not named
            if place and text and self.reading.text_of(part) == text:
                yield part

    def moved_by(self, recurrence: Recurrence) -> cst.BaseExpression | None:
        """The parameter, where its update is written."""
        for node in self.reading.nodes(None):
            span = self.reading.span(node) if isinstance(node, cst.BaseSmallStatement) else None
            if span is not None and any(span.covers(w) for w in recurrence.writes):
                target = self.changed_by(node)
                if target is not None:
                    return target
        return None

    def is_handed_back(self, node: cst.CSTNode) -> bool:
        """What a return gives to the caller as it is, alone or among others."""
        parts = (cst.Tuple, cst.List, cst.Element)
        around = next((a for a in self.reading.ancestors(node) if not isinstance(a, parts)), None)
        return isinstance(around, cst.Return)

    # edits

    def before(self, node: cst.CSTNode, *statements: str) -> Edit | None:
        """New statements in front of one that starts its line."""
        span = self._span(node)
        if span is None:
            return None
        indent = self.reading.line(span)[: span.column - 1]
        if indent.strip():
            return None  # behind a colon or a semicolon
        text = "".join(f"{s}\n{indent}" for s in statements)
        return Edit(Span(span.line, span.column, span.line, span.column, span.cell), text)

    def after(self, node: cst.CSTNode, *statements: str) -> Edit | None:
        """New statements behind one that starts its line, comments included."""
        span = self._span(node)
        if span is None or self.reading.line(span)[: span.column - 1].strip():
            return None
        indent = self.reading.line(span)[: span.column - 1]
        last = self._last_line(node)
        if last is None:
            return None
        end = len(self.reading.line(Span(last, 1, last, 1, span.cell))) + 1
        text = "".join(f"\n{indent}{s}" for s in statements)
        return Edit(Span(last, end, last, end, span.cell), text)

    def _last_line(self, node: cst.CSTNode) -> int | None:
        """The line that a statement's last part ends in."""
        while isinstance(node, cst.BaseCompoundStatement):
            orelse = getattr(node, "orelse", None) or getattr(node, "finalbody", None)
            block = orelse if orelse is not None and not isinstance(orelse, cst.If) else node
            if isinstance(orelse, cst.If):
                node = orelse
                continue
            body = block.body
            if not isinstance(body, cst.IndentedBlock):
                break
            node = body.body[-1]
        span = self._span(node)
        return span.end_line if span is not None else None

    def at_start(self, block: cst.CSTNode, *statements: str) -> Edit | None:
        """New statements at the start of a function's or a loop's body (behind the docstring)."""
        body = getattr(block, "body", None)
        if not isinstance(body, cst.IndentedBlock):
            return None
        first = next((s for s in body.body if not _is_docstring(s)), None)
        if first is not None:
            return self.before(first, *statements)
        return self.after(body.body[-1], *statements)

    def at_end(self, block: cst.CSTNode, *statements: str) -> Edit | None:
        body = getattr(block, "body", None)
        if not isinstance(body, cst.IndentedBlock) or not body.body:
            return None
        last = body.body[-1]
        leaves = isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], (cst.Return, cst.Raise))
        return self.before(last, *statements) if leaves else self.after(last, *statements)

    def without(self, node: cst.CSTNode) -> Edit | None:
        """A statement line taken out, its lines with it."""
        span = self._span(node)
        if span is None:
            return None
        last = self.reading.line(Span(span.end_line, 1, span.end_line, 1, span.cell))
        if self.reading.line(span)[: span.column - 1].strip() or last[span.end_column - 1 :].strip():
            return None
        return Edit(Span(span.line, 1, span.end_line + 1, 1, span.cell), "")

    def taken_out(self, node: cst.CSTNode) -> tuple[Edit, list[str]] | None:
        """A statement line taken out with the comments right above it, and the lines that it was."""
        out, text = self.without(node), self.text_of(node)
        if out is None or text is None:
            return None
        above: list[str] = []
        for line in reversed(node.leading_lines if isinstance(node, cst.SimpleStatementLine) else ()):
            if line.comment is None:
                break
            above.insert(0, line.comment.value)
        span = out.span
        whole = Span(span.line - len(above), 1, span.end_line, 1, span.cell)
        return Edit(whole, ""), [*above, text]

    def text_of(self, node: cst.CSTNode) -> str | None:
        """A statement line's own text, without its comment."""
        span = self._span(node)
        return None if span is None else self.reading.text(span)

    def _span(self, node: cst.CSTNode) -> Span | None:
        if isinstance(node, cst.SimpleStatementLine):
            first, last = self.reading.span(node.body[0]), self.reading.span(node.body[-1])
            return None if first is None or last is None else first.joined(last)
        return self.reading.span(node)


def _is_docstring(node: cst.CSTNode) -> bool:
    if not isinstance(node, cst.SimpleStatementLine) or not isinstance(node.body[0], cst.Expr):
        return False
    return isinstance(node.body[0].value, (cst.SimpleString, cst.ConcatenatedString))


def method_of(klass: cst.ClassDef, name: str) -> cst.FunctionDef | None:
    """A method that the class itself defines."""
    found = (s for s in klass.body.body if isinstance(s, cst.FunctionDef) and s.name.value == name)
    return next(found, None)


def last_name(text: str) -> str:
    """What a place is called: ``m`` of ``self.m[key]`` and of ``state["m"]``."""
    quoted = re.search(r"""\[f?["'](\w+)["']\]$""", text)
    bare = quoted[1] if quoted else re.sub(r"\[.*$", "", text).rpartition(".")[2]
    return bare if bare.isidentifier() else "moment"


def free_name(wanted: list[str], taken: str) -> str:
    """The first of the names that a text does not use."""
    free = (n for n in wanted if not re.search(rf"\b{re.escape(n)}\b", taken))
    return next(free, f"{wanted[-1]}_")


def later_reads(reading: Reading, write: Read) -> Iterator[Read]:
    """Where the place that ``write`` fills is read with that very content, further down the same function."""
    worth = reading.values.worth(write.expr)
    home = reading.function(write.node)
    for read in reading.by_text.get(write.text, ()):
        below = (read.span.line, read.span.column) > (write.span.end_line, write.span.end_column)
        same = not read.written and reading.values.worth(read.expr) == worth
        if below and same and reading.function(read.node) is home:
            yield read
