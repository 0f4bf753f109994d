"""One state for all tensors of a loop, as a dictionary of such: keyed as the loop's tensors are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from optlint.fix.beside import PLACES, Places, Unclear, end_of, start_of
from optlint.fix.blocks import Blocks, in_a_row
from optlint.fix.reading import Reading, level_of, parenthesized
from optlint.fix.recipes import RIGHT_OF, SIGNS
from optlint.fix.statements import Statements, assigned, free_name
from optlint.fix.text import merged
from optlint.lift import expression as ex
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Edit

Edits = tuple[Edit, ...]
COUNTED = "count the steps of each tensor"
COUNTED_REASON = "what counts as one step, only the caller knows"
_CONTENT = frozenset({"data", "value", "grad"})  # of a tensor, and no part of a larger object
_ZEROS = re.compile(r"((?:\w+\.)*)zeros(?:_like)?\(.*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Key:
    """What tells tensors apart in a loop over them.

    tensor: how the code names one of them; edits: what makes the loop say the key.
    """

    home: cst.For
    text: str
    tensor: str = ""
    edits: Edits = ()


def for_each(recurrence: Recurrence, states: Sequence[State], reading: Reading, source: str) -> Iterator[Edits]:
    """``self.m = β·self.m + …`` as ``self.m[name] = β·self.m.get(name, 0.0) + …``, begun as ``{}``."""
    key = key_of_loop(recurrence, reading, source)
    if key is not None and states:
        yield from _kept_by(key, recurrence, states, reading, source)


def _kept_by(
    key: Key, recurrence: Recurrence, states: Sequence[State], reading: Reading, source: str
) -> Iterator[Edits]:
    try:
        shared = [_Shared(state, recurrence, reading, key) for state in states]
        in_turn = in_a_row(recurrence, states, reading, source)  # by W and b of each layer
        for blocks in in_turn:
            blocks.places.first = "{}"
        if not in_turn and all(state.begins_with_a_number() for state in shared):
            edits = [e for state in shared for e in state.items()]
        else:
            edits = [*(e for state in shared for e in state.elements()), _begun_inside(shared, in_turn, reading, key)]
        edits += merged(e for blocks in in_turn for e in blocks.apart())
        yield (*_begun_apart(shared, reading), *edits, *key.edits)
    except Unclear:
        return


def key_of_loop(recurrence: Recurrence, reading: Reading, source: str) -> Key | None:
    """What the loop over the tensors calls each of them by; its number, if by nothing."""
    return _Loop(recurrence, reading, source).key()


class _Loop:
    def __init__(self, recurrence: Recurrence, reading: Reading, source: str) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.statements = Statements(reading)
        self.source = source

    def key(self) -> Key | None:
        target = self.statements.moved_by(self.recurrence)
        return self._of(target) if target is not None else None

    def _of(self, target: cst.BaseExpression) -> Key | None:
        spoken = {n.value for n in self.reading.nodes(target) if isinstance(n, cst.Name)}
        found: list[cst.For] = []
        for loop in self.statements.loops_around(target):
            bound = (n.value for n in self.statements.names_of(loop) if isinstance(n, cst.Name))
            if isinstance(loop, cst.For) and spoken & set(bound):
                found.append(loop)
        if len(found) != 1:  # one name of two does not tell one tensor from the others
            return None
        loop, tensor = found[0], self.reading.text_of(target)
        names = [n.value for n in self.statements.names_of(loop) if isinstance(n, cst.Name)]
        first = loop.target.elements[0].value if isinstance(loop.target, cst.Tuple) else loop.target
        called = loop.iter.func if isinstance(loop.iter, cst.Call) else None
        counted = isinstance(called, cst.Name) and called.value == "enumerate"
        keys = isinstance(called, cst.Attribute) and called.attr.value == "items"
        if (counted or keys) and isinstance(first, cst.Name) and isinstance(loop.target, cst.Tuple):
            return Key(loop, first.value, tensor)
        index = next((n for n in names if self._is_index(n, loop)), None)
        if index is not None:
            return Key(loop, index, tensor)
        root, part = target, ""
        while isinstance(root, (cst.Attribute, cst.Subscript)):
            part = root.attr.value if isinstance(root, cst.Attribute) else "[]"
            root = root.value
        own = isinstance(root, cst.Name) and root.value in names
        if isinstance(loop.target, cst.Name) and not own:  # params[name]
            return Key(loop, loop.target.value, tensor)
        torch = own and part in _CONTENT | {""} and "torch" in {n.partition(".")[0] for n in self.recurrence.imports}
        if isinstance(root, cst.Name) and torch:  # its tensors are keys, unlike arrays, and what an object may be
            return Key(loop, root.value, tensor)
        return self._numbered(loop, tensor)

    def _is_index(self, name: str, loop: cst.For) -> bool:
        """Other things are kept by it: ``self.counts[index]``."""
        items = (n for n in self.reading.nodes(loop.body) if isinstance(n, cst.Subscript) and len(n.slice) == 1)
        return any(self.reading.text_of(n.slice[0].slice) == name for n in items)

    def _numbered(self, loop: cst.For, tensor: str) -> Key | None:
        bound, listed = self.reading.span(loop.target), self.reading.span(loop.iter)
        if bound is None or listed is None:
            return None
        home = self.reading.function(loop)
        name = free_name(["i", "index", "number"], self.reading.text_of(home) if home is not None else self.source)
        names, lists = self.reading.text(bound), self.reading.text(listed)
        if isinstance(loop.target, cst.Tuple):
            bound = self.reading.with_brackets(loop.target) or bound
            names = f"({names.strip('()')})"
        edits = (Edit(bound, f"{name}, {names}"), Edit(listed, f"enumerate({lists})"))
        return Key(loop, name, tensor, edits)


class _Shared:
    """One of the states that the loop has only one place for."""

    def __init__(self, state: State, recurrence: Recurrence, reading: Reading, key: Key) -> None:
        self.reading = reading
        self.state = state
        self.key = key
        self.held = reading.values.worth(ex.sym(state.old))
        self.home = reading.function(key.home)
        others = [s for s in recurrence.states if s is not state]
        self.places = Places(reading, state, others, self.home)
        self.statements = self.places.statements
        self.inside: list[cst.BaseExpression] = []  # the place, wherever the loop speaks of it
        self.begins: list[tuple[cst.CSTNode, cst.BaseExpression]] = []  # statements with what they begin it with
        for token in self.places.everywhere():
            if any(a is key.home.body for a in reading.ancestors(token)):
                self.inside.append(self._place(token))
            else:
                self.begins.append(self._begin(token))
        if not self.inside or not self.begins:
            raise Unclear

    def _place(self, token: cst.CSTNode) -> cst.BaseExpression:
        node = next((p for p in self.reading.ancestors(token) if isinstance(p, PLACES)), None)
        node = token if isinstance(token, cst.Name) and token.value in self.places.names else node
        around = self.reading.parents.get(node) if node is not None else None
        if not isinstance(node, PLACES) or isinstance(around, cst.Subscript):
            raise Unclear
        return node

    def _begin(self, token: cst.CSTNode) -> tuple[cst.CSTNode, cst.BaseExpression]:
        """The assignment or the entry that gives the place its first content."""
        for node in self.reading.ancestors(token):
            if isinstance(node, cst.Assign):
                for target, value in assigned(node):
                    if value is not None and self.places.is_place(target) and self._is_first(value):
                        return node, value
            if isinstance(node, cst.DictElement) and node.key is token and self._is_first(node.value):
                return node, node.value
            if isinstance(node, cst.BaseSmallStatement):
                break
        raise Unclear

    def _is_first(self, value: cst.BaseExpression) -> bool:
        zeros = isinstance(value, cst.Call) and _ZEROS.fullmatch(self.reading.text_of(value)) is not None
        return zeros or isinstance(value, (cst.Integer, cst.Float))

    def begins_with_a_number(self) -> bool:
        """A zero is as good as an array of them wherever the old content is read."""
        return all(map(self._is_operand, self.inside))

    def elements(self) -> Iterator[Edit]:
        """The element of the tensor whose turn it is, in place of what all share."""
        yield from map(self._element, self.inside)

    def items(self) -> Iterator[Edit]:
        """The same, where the dictionary may not have it yet."""
        for node in self.inside:
            yield from self._item(node)

    def first(self, tensor: str = "") -> str:
        """What a tensor's own state begins with; a number will do for one that has no name."""
        text = self.reading.text_of(self.begins[-1][1])
        zeros = _ZEROS.fullmatch(text)
        if zeros is None:
            return text
        return f"{zeros[1]}zeros_like({tensor})" if tensor else "0.0"

    def _is_operand(self, node: cst.BaseExpression) -> bool:
        """A zero is as good there as an array of them."""
        parent = self.reading.parents.get(node)
        if isinstance(parent, cst.AugAssign) and parent.target is node:
            number = all(not isinstance(value, cst.Call) for _, value in self.begins)
            return not self._is_old(node) or (number and type(parent.operator) in SIGNS)
        called = self.reading.parents.get(parent) if isinstance(parent, cst.Attribute) else None
        if isinstance(called, cst.Call) and called.func is parent:
            return not self._is_old(node) and not self.reading.changes_in_place(called)
        return not self._is_old(node) or isinstance(parent, cst.BinaryOperation)

    def _is_old(self, node: cst.BaseExpression) -> bool:
        """The place is read with what the step before has left there."""
        reads = [r for r in self.reading.reads if r.node is node]
        if reads:
            return any(not r.written and self.reading.values.worth(r.expr) == self.held for r in reads)
        inside = {id(n) for n in self.inside}  # in a branch that this run has not taken
        first = min((start_of(r.span) for r in self.reading.reads if r.written and id(r.node) in inside), default=None)
        span = self.reading.span(node)
        return first is None or span is None or start_of(span) < first

    def _item(self, node: cst.BaseExpression) -> Iterator[Edit]:
        span, parent = self.reading.span(node), self.reading.parents.get(node)
        if span is None:
            raise Unclear
        first = f".get({self.key.text}, {self.first()})"
        if not self._is_old(node):
            yield self._element(node)
        elif isinstance(parent, cst.AugAssign) and parent.target is node:
            yield self._element(node)
            yield from self._written_out(parent, f"{self.reading.text(span)}{first}")
        else:
            yield Edit(end_of(span), first)

    def _written_out(self, statement: cst.AugAssign, held: str) -> Iterator[Edit]:
        """``x += y`` as ``x = x + y``."""
        operator, value = self.reading.operator(statement), self.reading.span(statement.value)
        sign = SIGNS.get(type(statement.operator))
        if operator is None or value is None or sign is None:
            raise Unclear
        text = self.reading.text(value)
        right = parenthesized(text, level_of(text), RIGHT_OF[sign])
        yield Edit(operator, f"= {held} {sign}")
        yield from [Edit(value, right)] if right != text else []

    def _element(self, node: cst.BaseExpression) -> Edit:
        span = self.reading.span(node)
        if span is None:
            raise Unclear
        return Edit(end_of(span), f"[{self.key.text}]")


def _begun_inside(shared: Sequence[_Shared], in_turn: Sequence[Blocks], reading: Reading, key: Key) -> Edit:
    """``if name not in self.v:`` in front of the first statement that speaks of them."""
    body = key.home.body
    lines = list(body.body) if isinstance(body, cst.IndentedBlock) else []
    met = {id(a) for state in shared for node in state.inside for a in reading.ancestors(node)}
    line = next((line for line in lines if id(line) in met), None)
    if line is None:
        raise Unclear
    within = shared[0].statements.unit(key.home)
    texts: list[str] = []
    for state in shared:
        mine = [b for b in in_turn if b.state is state.state]
        tensors = [t for blocks in mine for t in blocks.tensors] or [key.tensor]
        names = [reading.text_of(state.inside[0])]
        names += [b.places.said_of(twin, state.inside[0]) for b in mine for twin in b.twins]
        texts += [f"{within}{n}[{key.text}] = {state.first(t)}" for n, t in zip(names, tensors, strict=True)]
    missing = f"if {key.text} not in {reading.text_of(shared[0].inside[0])}:"
    edit = shared[0].statements.before(line, missing, *texts)
    if edit is None:
        raise Unclear
    return edit


def _begun_apart(shared: Sequence[_Shared], reading: Reading) -> Iterator[Edit]:
    """An empty dictionary for each of them."""
    statements = {id(node): node for state in shared for node, _ in state.begins}
    values = {id(value): value for state in shared for _, value in state.begins}
    for node in statements.values():
        if isinstance(node, cst.Assign) and len(node.targets) > 1:  # `m = v = 0` would share one dictionary
            targets = [reading.text_of(t.target) for t in node.targets]
            mine = [s for s in shared if any(n is node for n, _ in s.begins)]
            span = reading.span(node)
            if len(mine) != len(targets) or span is None:
                raise Unclear
            yield Edit(span, f"{', '.join(targets)} = {', '.join('{}' for _ in targets)}")
            values = {i: v for i, v in values.items() if v is not node.value}
    for value in values.values():
        span = reading.span(value)
        if span is None:
            raise Unclear
        yield Edit(span, "{}")
