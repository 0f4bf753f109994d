"""State that starts over at every call begun once: the line that makes it is left out, or made conditional."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from optlint.fix.reading import Reading
from optlint.fix.statements import Statements, assigned
from optlint.lift import expression as ex
from optlint.lift.annotations import named_parameters
from optlint.lift.expression import Expr
from optlint.model import Edit, Span

Edits = tuple[Edit, ...]
_CONTAINERS = frozenset({"dict", "list", "OrderedDict"})


class Resets:
    """What statements can do about the zeros that one update starts from each time."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.statements = Statements(reading)

    def begun_once(self, posts: list[Expr]) -> Iterator[Edits]:
        """The statements that make a state anew, without which an earlier one counts, or only where there is none."""
        found = self.made(posts)
        if not found:
            return
        if all(map(self._is_begun_before, found)):
            out = [self.statements.without(self.statements.line_of(s)) for s in found]
            if None not in out:
                yield tuple(e for e in out if e is not None)
        guard = self._guard(found[0])
        if guard is not None:
            yield from self._guarded(found, guard)

    def made(self, posts: list[Expr]) -> list[cst.Assign]:
        """The assignments whose zeros the equations start from."""
        zeros = {n.origin for p in posts for n in ex.walk(p) if n.op == "const" and n.value == 0 and n.origin}
        made = {id(s): s for s in map(self._assignment, sorted(zeros)) if s is not None}
        return list(made.values())

    def _assignment(self, zero: Span) -> cst.Assign | None:
        """The assignment that a zero stands in."""
        for node in self.reading.nodes(None):
            if isinstance(node, cst.Assign) and len(node.targets) == 1:
                span = self.reading.span(node.value)
                if span is not None and span.covers(zero):
                    return node
        return None

    def _is_begun_before(self, made: cst.Assign) -> bool:
        """Its target is given a content elsewhere: by the loop, in front of it, or where the object is made."""
        target = made.targets[0].target
        text, home = self.reading.text_of(target), self.reading.function(made)
        loops = self.statements.loops_around(made)
        if any(text in map(self.reading.text_of, self.statements.names_of(loop)) for loop in loops):
            return True
        for node in self.reading.nodes(None):
            given = assigned(node) if node is not made else ()
            if not any(self.reading.text_of(t) == text and not _is_none(v) and not _is_empty(v) for t, v in given):
                continue
            here = self.reading.function(node) is home
            if here and len(self.statements.loops_around(node)) < len(loops) and self._stands_before(node, made):
                return True
            same = self.statements.class_of(node) is self.statements.class_of(made)
            if not here and isinstance(target, cst.Attribute) and same:
                return True
        return False

    def _stands_before(self, one: cst.CSTNode, other: cst.CSTNode) -> bool:
        first, then = self.reading.span(one), self.reading.span(other)
        return first is not None and then is not None and first < then

    def _guard(self, made: cst.Assign) -> str | None:
        """What tells that a place has no content yet."""
        target = made.targets[0].target
        if isinstance(target, cst.Name):
            unset = _is_none(self._default_of(made, target.value))
            return f"{target.value} is None" if unset else None
        if not isinstance(target, (cst.Attribute, cst.Subscript)):
            return None
        text, owner = self.reading.text_of(target), self.reading.text_of(target.value)
        if isinstance(target, cst.Attribute):
            first = list(self._given_elsewhere(made, text))
            if not first:
                return f'not hasattr({owner}, "{target.attr.value}")'
            if all(_is_none(value) for value in first):
                return f"{text} is None"
            return f"not {text}" if all(_is_none(value) or _is_empty(value) for value in first) else None
        index = self.reading.text_of(target.slice[0].slice) if len(target.slice) == 1 else ""
        return f"{index} not in {owner}" if index else None

    def _default_of(self, made: cst.Assign, name: str) -> cst.BaseExpression | None:
        """What the function's argument of that name is, if nobody hands it in."""
        home = self.reading.function(made)
        if not isinstance(home, cst.FunctionDef):
            return None
        return next((p.default for p in named_parameters(home.params) if p.name.value == name), None)

    def _given_elsewhere(self, made: cst.Assign, text: str) -> Iterator[cst.BaseExpression | None]:
        """What other statements of the class give the same attribute; None where that does not stand there."""
        for node in self.reading.nodes(self.statements.class_of(made)):
            if node is not made:
                yield from (value for target, value in assigned(node) if self.reading.text_of(target) == text)

    def _guarded(self, made: list[cst.Assign], guard: str) -> Iterator[Edits]:
        lines = [self.statements.line_of(s) for s in made]
        block = self.reading.parents.get(lines[0])
        around = self.reading.parents.get(block) if block is not None else None
        if isinstance(around, cst.If) and all(self.reading.parents.get(line) is block for line in lines):
            test = self.reading.span(around.test)
            if test is not None:
                yield (Edit(test, guard),)
            return
        if len(lines) > 1 or block is None:
            return
        span = self.reading.span(lines[0])
        head = self.statements.before(lines[0], f"if {guard}:")
        if head is not None and span is not None and span.line == span.end_line:
            yield (Edit(head.span, head.text + self.statements.unit(lines[0])),)


def _is_none(value: cst.BaseExpression | None) -> bool:
    return isinstance(value, cst.Name) and value.value == "None"


def _is_empty(value: cst.BaseExpression | None) -> bool:
    """``{}``, ``[]``, ``dict()``."""
    if isinstance(value, (cst.Dict, cst.List)):
        return not value.elements
    if not isinstance(value, cst.Call) or value.args or not isinstance(value.func, cst.Name):
        return False
    return value.func.value in _CONTAINERS
