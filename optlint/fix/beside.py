"""A place beside one that the code has: what begins that one, hands it on or keeps it is said of the new one, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from optlint.fix.reading import Reading
from optlint.fix.statements import Statements, assigned
from optlint.lift.recurrence import State
from optlint.model import Edit, Span

Place = cst.Name | cst.Attribute | cst.Subscript
PLACES = (cst.Name, cst.Attribute, cst.Subscript)
_BEGINS = frozenset({"append", "clear", "extend", "fill", "setdefault", "zero_"})  # calls that give a place its content
_KEYED = frozenset({"get", "pop", "setdefault"})  # calls whose first argument is a key
_WIDE = 100  # characters of a line that is not made longer
_PARTS = re.compile(r"\.\w+|\[.*?\](?=$|[.\[])|^\w+")


class Unclear(Exception):
    """The code does with the place what has no clear counterpart for another one."""


@dataclass(frozen=True, slots=True)
class Twin:
    """What a place beside another one is called. instead: what is spoken of there as another one: b, and not W."""

    head: str = ""
    tail: str = ""
    instead: tuple[str, str] = ("", "")

    def of(self, token: str) -> str:
        return f"{self.head}{token}{self.tail}"


def own_part(state: State, others: Sequence[State]) -> str:
    """The part of a state's name that those of its neighbours have another one for: ``.v`` of ``self.v[k]``."""
    mine: list[str] = _PARTS.findall(state.name)
    for other in others:
        theirs = _PARTS.findall(other.name)
        apart = [a for a, b in zip(mine, theirs, strict=True) if a != b] if len(mine) == len(theirs) else []
        if len(apart) == 1:
            return apart[0]
    named = [p for p in mine if p[:1] == "." or p[1:2] in ("'", '"')]
    return named[-1] if named else mine[0] if mine else ""


class Places:
    """How the code speaks of one state's place: an attribute, a key, or local names.

    names: those of the function that updates it. scope: where else it may be spoken of. first: what its twins begin
    with, if not with what it begins with itself.
    """

    def __init__(self, reading: Reading, state: State, others: Sequence[State], home: cst.CSTNode | None) -> None:
        self.reading = reading
        self.statements = Statements(reading)
        self.home = home
        self.first = ""
        part = own_part(state, others)
        self.attribute = part[1:] if part[:1] == "." else ""
        self.key = part[2:-2] if part[1:2] in ("'", '"') else ""
        self.owners = {state.name.rpartition(part)[0], "self"}
        self.names: set[str] = set() if self.attribute or self.key else {part}
        kept = bool(self.attribute or self.key)
        self.scope = (self.statements.class_of(home) if home is not None else None) if kept else home

        if self.attribute and any(map(self._is_saved, self.reading.nodes(self.scope))):
            self.key = self.attribute

    def _is_saved(self, node: cst.CSTNode) -> bool:
        """``"v": self.v`` in a dictionary of all states."""
        called = node.key if isinstance(node, cst.DictElement) else None
        named = isinstance(called, cst.SimpleString) and called.evaluated_value == self.attribute
        return named and isinstance(node, cst.DictElement) and self.is_place(node.value)

    # what the code calls it

    def tokens(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The names and strings inside a node that speak of the place."""
        return (n for n in self.reading.nodes(node) if self._is_token(n))

    def _is_token(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.SimpleString):
            return bool(self.key) and node.evaluated_value == self.key and self._is_key(node)
        if not isinstance(node, cst.Name):
            return False
        parent = self.reading.parents.get(node)
        if isinstance(parent, cst.Attribute) and parent.attr is node:
            return node.value == self.attribute and self.reading.text_of(parent.value) in self.owners
        if isinstance(parent, cst.Arg) and parent.keyword is node:
            return node.value == self.key and self._makes_dict(parent)
        return node.value in self.names and self._is_home(node)

    def _is_home(self, node: cst.CSTNode) -> bool:
        return self.reading.function(node) is self.home

    def _is_key(self, string: cst.SimpleString) -> bool:
        parent = self.reading.parents.get(string)
        if isinstance(parent, (cst.Index, cst.Comparison)):
            return True
        if isinstance(parent, cst.DictElement):
            return parent.key is string
        call = self.reading.parents.get(parent) if isinstance(parent, cst.Arg) else None
        called = call.func if isinstance(call, cst.Call) and call.args[0] is parent else None
        return isinstance(called, cst.Attribute) and called.attr.value in _KEYED

    def _makes_dict(self, arg: cst.Arg) -> bool:
        call = self.reading.parents.get(arg)
        return isinstance(call, cst.Call) and isinstance(call.func, cst.Name) and call.func.value == "dict"

    def is_place(self, node: cst.CSTNode | None) -> bool:
        """The place itself, or an element of it."""
        while isinstance(node, (cst.Attribute, cst.Subscript)):
            if isinstance(node, cst.Attribute) and self._is_token(node.attr):
                return True
            keys = node.slice if isinstance(node, cst.Subscript) and len(node.slice) == 1 else ()
            if any(self._is_token(e.slice.value) for e in keys if isinstance(e.slice, cst.Index)):
                return True
            node = node.value
        return isinstance(node, cst.Name) and self._is_token(node)

    def holds_others(self, target: cst.BaseExpression) -> bool:
        """What it is given is a dictionary or a list, for the contents of all tensors."""
        statement = self.reading.statement(target)
        values = [v for t, v in assigned(statement) if t is target] if statement is not None else []
        return bool(values) and isinstance(values[0], (cst.Dict, cst.DictComp, cst.List, cst.ListComp))

    def named_by(self, node: cst.BaseExpression) -> None:
        """Count a plain name that holds the state's content among its names."""
        if isinstance(node, cst.Name) and self._is_home(node):
            self.names.add(node.value)

    def free(self, twins: Sequence[Twin], source: str) -> Twin | None:
        """The first of the twins whose names the source does not use."""
        tokens = [t for t in (self.attribute, self.key, *sorted(self.names)) if t]
        taken = set(re.findall(r"\w+", source))
        return next((twin for twin in twins if not any(twin.of(t) in taken for t in tokens)), None)

    # the same of another place

    def renaming(self, node: cst.CSTNode, twin: Twin) -> list[Edit]:
        """The edits that make a node speak of the other place."""
        edits = [edit for token in self.tokens(node) for edit in self.renamed(token, twin)]
        old, new = twin.instead
        spans = map(self.reading.span, self.statements.places_of(node, old))
        return [*edits, *(Edit(span, new) for span in spans if span is not None)]

    def renamed(self, token: cst.CSTNode, twin: Twin) -> Iterator[Edit]:
        """One name or string that speaks of the place, as that of the other one."""
        span = self.reading.span(token)
        if span is not None and isinstance(token, cst.SimpleString):
            quoted = self.reading.text(span)
            yield Edit(span, quoted.replace(self.key, twin.of(self.key)))
        elif span is not None:
            yield Edit(span, twin.of(self.reading.text(span)))

    def said_of(self, twin: Twin, node: cst.CSTNode) -> str:
        """A node's text, speaking of the other place."""
        return self.changed(node, self.renaming(node, twin))

    def changed(self, node: cst.CSTNode, edits: Sequence[Edit]) -> str:
        """A node's text with edits inside it."""
        whole = self.reading.span(node)
        if whole is None:
            raise Unclear
        text, line, column = "", whole.line, whole.column
        for edit in sorted(edits, key=lambda e: e.span):
            span = edit.span
            text += self.reading.text(Span(line, column, span.line, span.column, whole.cell)) + edit.text
            line, column = span.end_line, span.end_column
        return text + self.reading.text(Span(line, column, whole.end_line, whole.end_column, whole.cell))

    def begun(
        self, twins: Sequence[Twin], handled: Sequence[cst.CSTNode], hands_on: Callable[[cst.BaseExpression], bool]
    ) -> list[tuple[cst.CSTNode, tuple[Edit, ...]]]:
        """The statements that begin the place, hand it on or store it, with what says the same of its twins.

        handled: what the caller looks after; hands_on: whether a target gets the state's own content, or its first.
        """
        found: list[tuple[cst.CSTNode, tuple[Edit, ...]]] = []
        fresh = False
        for node in self.reading.nodes(self.scope):
            if any(node is h for h in handled):
                continue
            if isinstance(node, (cst.Assign, cst.AnnAssign)):
                marked = [(t, v) for t, v in assigned(node) if self.is_place(t)]
                if marked:
                    if len(marked) > 1 or not hands_on(marked[0][0]):
                        raise Unclear
                    value = marked[0][1]
                    fresh = fresh or (value is not None and not any(self.tokens(value)))
                    found.append((node, self._assignment(node, *marked[0], twins)))
            elif isinstance(node, cst.AugAssign) and self.is_place(node.target):
                raise Unclear
            elif isinstance(node, cst.For) and any(map(self.is_place, self.statements.names_of(node))):
                found += [(node.target, self._loop(node, twins)), (node.iter, ())]
            elif isinstance(node, cst.Expr) and self._begins(node.value):
                fresh = True
                found.append((node, self._line(node, [self.said_of(t, node) for t in twins])))
            elif (isinstance(node, cst.DictElement) and self._is_token(node.key)) or (
                isinstance(node, cst.Arg) and node.keyword is not None and self._is_token(node.keyword)
            ):
                fresh = True
                found.append((node, self._element(node, twins)))
        if not fresh:
            raise Unclear  # it begins out of sight
        return found

    def _assignment(
        self, node: cst.CSTNode, target: cst.BaseExpression, value: cst.BaseExpression | None, twins: Sequence[Twin]
    ) -> tuple[Edit, ...]:
        if value is None:
            raise Unclear
        single = isinstance(node, cst.AnnAssign) or (
            isinstance(node, cst.Assign) and len(node.targets) == 1 and node.targets[0].target is target
        )
        if single and not self.first:
            return self._line(node, [self.said_of(t, node) for t in twins])
        texts = [(self.said_of(t, target), self.first or self.said_of(t, value)) for t in twins]
        lists = self.reading.span(target), self.reading.span(value)
        in_tuple = isinstance(self.reading.parents.get(target), cst.Element)
        whole = self.reading.span(node)
        if in_tuple and whole is not None and lists[0] is not None and lists[1] is not None:
            behind = ["".join(f", {text[side]}" for text in texts) for side in (0, 1)]
            if len(twins) == 1 and whole.end_column + sum(map(len, behind)) <= _WIDE:
                return tuple(Edit(end_of(s), text) for s, text in zip(lists, behind, strict=True) if s is not None)
        return self._line(node, [f"{a} = {b}" for a, b in texts])

    def _line(self, node: cst.CSTNode, texts: Sequence[str]) -> tuple[Edit, ...]:
        """New lines behind a statement that has its line to itself."""
        line = self.statements.line_of(node)
        edit = self.statements.after(line, *texts)
        if edit is None or not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
            raise Unclear
        return (edit,)

    def _loop(self, loop: cst.For, twins: Sequence[Twin]) -> tuple[Edit, ...]:
        """``for p, v in zip(params, self.v)``: one more of the names, and of the lists."""
        lists: cst.BaseExpression = loop.iter
        names: cst.BaseExpression = loop.target
        while isinstance(lists, cst.Call) and self.reading.text_of(lists.func) == "enumerate" and lists.args:
            inner = names.elements[-1].value if isinstance(names, cst.Tuple) else None
            if inner is None:
                raise Unclear
            names, lists = inner, lists.args[0].value
        if not isinstance(lists, cst.Call) or self.reading.text_of(lists.func) != "zip":
            raise Unclear
        listed = [a.value for a in lists.args if a.keyword is None and not a.star]
        named = [e.value for e in names.elements] if isinstance(names, cst.Tuple) else []
        edits: list[Edit] = []
        for name, many in zip(named, listed, strict=False):
            if self.is_place(name) is not self.is_place(many) or len(named) != len(listed):
                raise Unclear
            for part in (name, many) if self.is_place(name) else ():
                span = self.reading.span(part)
                if span is None:
                    raise Unclear
                edits.append(Edit(end_of(span), "".join(f", {self.said_of(t, part)}" for t in twins)))
        if len(edits) != 2:
            raise Unclear
        return tuple(edits)

    def _begins(self, call: cst.BaseExpression) -> bool:
        """``config.setdefault("v", …)``, ``self.v.append(…)``."""
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            return False
        first = call.args[0].value if call.args else None
        word = call.func.attr.value
        keyed = word == "setdefault" and first is not None and self._is_token(first)
        return keyed or (word in _BEGINS and self.is_place(call.func.value))

    def _element(self, node: cst.DictElement | cst.Arg, twins: Sequence[Twin]) -> tuple[Edit, ...]:
        """``{"v": zeros}`` and ``dict(v=zeros)``, in one line or with a line for each."""
        key = node.key if isinstance(node, cst.DictElement) else node.keyword
        span, value = self.reading.span(key) if key is not None else None, self.reading.span(node.value)
        if key is None or span is None or value is None:
            raise Unclear
        before = self.reading.line(span)[: span.column - 1]
        between = ", " if before.strip() else f",\n{before}"
        colon = ": " if isinstance(node, cst.DictElement) else "="
        first = [self.first or self.said_of(t, node.value) for t in twins]
        texts = [f"{between}{self.said_of(t, key)}{colon}{text}" for t, text in zip(twins, first, strict=True)]
        return (Edit(end_of(value), "".join(texts)),)

    # what is left

    def others(self, handled: Sequence[cst.CSTNode]) -> Iterator[cst.CSTNode]:
        """Where else its function speaks of the place; other functions may ask whether it is there, and no more."""
        known = {id(n) for part in handled for n in self.reading.nodes(part)}
        for token in self.everywhere():
            if id(token) in known:
                continue
            if self._is_home(token):
                yield token
            elif not self._asks(token):
                raise Unclear

    def everywhere(self) -> Iterator[cst.CSTNode]:
        """All names and strings that speak of the place."""
        return (n for n in self.reading.nodes(self.scope) if self._is_token(n))

    def is_handed_back(self, token: cst.CSTNode) -> bool:
        """The function gives the place to its caller, who would have to keep the other one, too."""
        for parent in self.reading.ancestors(token):
            if isinstance(parent, cst.Return):
                return True
            part = isinstance(parent, (cst.Tuple, cst.List, cst.Element, cst.Index, cst.SubscriptElement))
            if not part and not (isinstance(parent, PLACES) and self.is_place(parent)):
                return False
        return False

    def _asks(self, token: cst.CSTNode) -> bool:
        """Part of a condition: ``if k not in self.v``."""
        node = token
        for parent in self.reading.ancestors(token):
            if isinstance(parent, cst.Comparison):
                return True
            if isinstance(parent, (cst.If, cst.IfExp, cst.While, cst.Assert)):
                return parent.test is node
            node = parent
        return False


def start_of(span: Span) -> tuple[int, int, int]:
    """Where a place starts, to be compared with others."""
    return span.cell or 0, span.line, span.column


def end_of(span: Span) -> Span:
    """The place right behind another one."""
    return Span(span.end_line, span.end_column, span.end_line, span.end_column, span.cell)
