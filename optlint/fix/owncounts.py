"""A number that one attribute holds for all tensors made one for each of them: ``self.t[key]`` for ``self.t``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from optlint.fix.reading import Reading, level_of, parenthesized
from optlint.fix.recipes import RIGHT_OF, SIGNS
from optlint.fix.statements import Statements, assigned
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit

Edits = tuple[Edit, ...]
_KEYS = (cst.Name, cst.Attribute, cst.Call, cst.FormattedString)
REASON = "the caller may count the steps instead"


class OwnCounts:
    """What can be done about numbers that each call of an update for one tensor moves on."""

    def __init__(self, recurrence: Recurrence, reading: Reading, source: str) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.source = source
        self.statements = Statements(reading)

    def apart(self) -> Iterator[Edits]:
        """Each of the shared counters, else of the shared products, with a content of its own for each key."""
        products = [s for s in self.recurrence.states if s.old in self.recurrence.shared_products]
        spans = [span for state in products or self.recurrence.counters for span in state.spans]
        moved = [r.node for r in self.reading.reads if r.written and any(s.covers(r.span) for s in spans)]
        places = {self.reading.text_of(n): n for n in moved if isinstance(n, cst.Attribute)}
        made = [self._made_keyed(text, node) for text, node in places.items()]
        edits = tuple(e for some in made if some is not None for e in some)
        if edits and None not in made:
            yield edits

    def _made_keyed(self, text: str, node: cst.Attribute) -> list[Edit] | None:
        """The edits at every place that the attribute stands at; None where one of them is out of sight."""
        home, klass = self.reading.function(node), self.statements.class_of(node)
        key = self._key(home, node) if isinstance(home, cst.FunctionDef) else ""
        if klass is None or not key:
            return None
        attributes = (n for n in self.reading.nodes(klass) if isinstance(n, cst.Attribute))
        found = [n for n in attributes if self.reading.text_of(n) == text]
        if self._is_known_elsewhere(klass, text, node.attr.value, len(found)):
            return None  # what else reads it wants a number
        begun = [n for n in found if self.reading.function(n) is not home]
        first = self._number_at(begun[0]) if len(begun) == 1 else None
        place = self.reading.span(first) if first is not None else None
        if first is None or place is None:
            return None
        start = self.reading.text(place)
        old = f"{text}.get({key}, {start})"
        mine = [n for n in found if n is not begun[0]]
        advance = self.reading.statement(node)
        inside = [n for n in mine if self.reading.statement(n) is advance]
        own = self._advanced(advance, inside, f"{text}[{key}]", old)
        block = self.reading.parents.get(self.statements.line_of(node))
        later = mine[len(inside) :]
        behind = all(any(a is block for a in self.reading.ancestors(n)) for n in later)
        if own is None or mine[: len(inside)] != inside or not behind:  # the key may be missing there
            return None
        spans = (self.reading.span(n) for n in later)
        return [Edit(place, "{}"), *own, *(Edit(span, f"{text}[{key}]") for span in spans if span is not None)]

    def _is_known_elsewhere(self, klass: cst.ClassDef, text: str, name: str, found: int) -> bool:
        """Somebody reads it of an object, or a class that is related to this one speaks of its own."""
        own = len(re.findall(rf"\b{re.escape(text)}\b", self.source))
        derived = re.search(rf"\bclass \w+\([^)]*\b{klass.name.value}\b", self.source)
        related = bool(klass.bases) or derived is not None
        return len(re.findall(rf"\.{name}\b", self.source)) > own or (own > found and related)

    def _key(self, function: cst.FunctionDef, moved: cst.CSTNode) -> str:
        """What tells the tensors apart: who holds the states, else the one key by which the object keeps them.

        The key is an argument, or what a loop around goes over, or made of one.
        """
        if self.recurrence.owner:
            return f"id({self.recurrence.owner})"
        params = [p.name.value for p in function.params.params]
        loops = (n for loop in self.statements.loops_around(moved) for n in self.statements.names_of(loop))
        told = {*params[1:], *map(self.reading.text_of, loops)}
        found: set[str] = set()
        for node in self.reading.nodes(function):
            if not isinstance(node, cst.Subscript) or not isinstance(node.value, cst.Attribute) or not params:
                continue
            own = isinstance(node.value.value, cst.Name) and node.value.value.value == params[0]
            index = node.slice[0].slice if len(node.slice) == 1 else None
            if not own or not isinstance(index, cst.Index):
                continue
            named = {n.value for n in self.reading.nodes(index.value) if isinstance(n, cst.Name)}
            if named & told and params[0] not in named and isinstance(index.value, _KEYS):
                found.add(self.reading.text_of(index.value))
        return found.pop() if len(found) == 1 else ""

    def _number_at(self, target: cst.Attribute) -> cst.BaseExpression | None:
        """The number that an attribute is given, where an assignment in ``__init__`` gives it one."""
        home = self.reading.function(target)
        statement = self.reading.statement(target)
        if not isinstance(home, cst.FunctionDef) or home.name.value != "__init__" or statement is None:
            return None
        value = next((v for t, v in assigned(statement) if t is target), None)
        return value if isinstance(value, (cst.Integer, cst.Float)) else None

    def _advanced(
        self, statement: cst.CSTNode | None, places: list[cst.Attribute], new: str, old: str
    ) -> list[Edit] | None:
        """``new = old + 1`` for ``… += 1``, and where the statement repeats the place."""
        whole = self.reading.span(statement) if statement is not None else None
        if isinstance(statement, cst.AugAssign) and whole is not None and statement.target is places[0]:
            symbol, text = SIGNS.get(type(statement.operator)), self.reading.text_of(statement.value)
            right = parenthesized(text, level_of(text), RIGHT_OF[symbol]) if symbol is not None else ""
            return [Edit(whole, f"{new} = {old} {symbol} {right}")] if right and len(places) == 1 else None
        if not isinstance(statement, cst.Assign) or len(statement.targets) > 1:
            return None
        spans = [self.reading.span(p) for p in places]
        if statement.targets[0].target is not places[0] or len(spans) < 2:
            return None
        return [Edit(s, old if n else new) for n, s in enumerate(spans) if s is not None]
