"""A state that a call makes for itself, given a place that outlasts it: of the object whose parameter it moves."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from optlint.fix.beside import Unclear
from optlint.fix.keyed import key_of_loop
from optlint.fix.reading import Reading
from optlint.fix.statements import Statements, assigned, free_name, method_of
from optlint.fix.text import merged
from optlint.lift import expression as ex
from optlint.lift.annotations import named_parameters
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit

Edits = tuple[Edit, ...]
LASTING = "keep the state from call to call"


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a local state moves to. text: its place there; missing: what tells that there is none yet.

    ahead: a statement in front of that question; edits: what else has to be written.
    """

    text: str
    missing: str
    edits: Edits = ()
    ahead: tuple[str, ...] = ()


class Homes:
    """made: the statements that begin the states anew at each call."""

    def __init__(self, recurrence: Recurrence, reading: Reading, source: str, made: Sequence[cst.Assign]) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.source = source
        self.statements = Statements(reading)
        self.made = made

    def lasting(self) -> Iterator[Edits]:
        """``m = zeros`` in front of the loop over the steps, or as a place of an object: ``layer.W_m = zeros``."""
        function = self.reading.function(self.made[0])
        if any(self.reading.function(s) is not function for s in self.made):
            return
        for way in (self._in_front, self._moved):
            try:
                yield tuple(merged(way(function)))
            except Unclear:
                continue

    # in front of the loop

    def _in_front(self, function: cst.CSTNode | None) -> Iterator[Edit]:
        """The lines that begin the states, taken out of the loop over the steps."""
        lines = list({id(line): line for line in map(self.statements.line_of, self.made)}.values())
        around = [self.statements.loops_around(line) for line in lines]
        read = {n.value for s in self.made for n in self.reading.nodes(s.value) if isinstance(n, cst.Name)}
        loop = self._loop_of_steps(around[0], read)
        taken = [self.statements.taken_out(line) for line in lines]
        texts = [text for out in taken if out is not None for text in out[1]]
        into = self.statements.before(loop, *texts) if loop is not None else None
        if into is None or None in taken or any(loops != around[0] for loops in around):
            raise Unclear
        yield into
        yield from (out[0] for out in taken if out is not None)

    def _loop_of_steps(
        self, around: Sequence[cst.CSTNode], read: set[str], bound: Collection[str] = ()
    ) -> cst.CSTNode | None:
        """The loop whose passes go on from one parameter, as far out as that is not made anew.

        read: what else is not to be made anew; bound: what only names the parameter.
        """
        target = self.statements.moved_by(self.recurrence)
        moved = (
            {n.value for n in self.reading.nodes(target) if isinstance(n, cst.Name)} if target is not None else set()
        )
        chosen: cst.CSTNode | None = None
        for loop in around:
            if not isinstance(loop, (cst.For, cst.While)) or (read | moved - set(bound)) & set(self._made_in(loop)):
                break
            chosen = loop
        return chosen

    def _made_in(self, loop: cst.For | cst.While) -> Iterator[str]:
        """The names that a loop binds, unless it goes on from what they hold (``w = w - …``)."""
        yield from (n.value for n in self.statements.names_of(loop) if isinstance(n, cst.Name))
        for node in self.reading.nodes(loop.body):
            if isinstance(node, (cst.For, cst.CompFor)):
                yield from (n.value for n in self.reading.nodes(node.target) if isinstance(n, cst.Name))
            for target, value in assigned(node):
                own = value is not None and any(self.statements.places_of(value, self.reading.text_of(target)))
                if isinstance(target, cst.Name) and not own:
                    yield target.value

    # a place of an object

    def _moved(self, function: cst.CSTNode | None) -> Iterator[Edit]:
        """The local names as places that are there still at the next step."""
        if not isinstance(function, cst.FunctionDef):
            raise Unclear
        names = [name for made in self.made for name in self._names(made)]
        if len({n.value for n in names}) < len(names):
            raise Unclear
        homes = {id(name): self._home(function, name) for name in names}
        for name in names:
            home = homes[id(name)]
            yield from home.edits
            yield from self._renamed(function, name, home.text)
        yield from self._guarded([self.statements.line_of(s) for s in self.made], homes)

    def _names(self, made: cst.Assign) -> list[cst.Name]:
        """The local names that a statement begins at zero, all of them."""
        names = [target for target, value in assigned(made) if value is not None and isinstance(target, cst.Name)]
        zeros = {id(r.node) for r in self.reading.reads if r.written and r.expr == ex.const(0)}
        lists = isinstance(made.value, (cst.DictComp, cst.ListComp))
        if len(made.targets) > 1 or len(names) < len(list(assigned(made))):
            raise Unclear
        if not lists and not all(id(n) in zeros for n in names):
            raise Unclear
        return names

    def _home(self, function: cst.FunctionDef, local: cst.Name) -> _Home:
        name, made = local.value, self.reading.statement(local)
        params = [p.name.value for p in named_parameters(function.params)]
        home = self.statements.class_of(function)
        own = params[0] if home is not None and params else ""
        target = self.statements.moved_by(self.recurrence)
        owner = self.reading.text_of(target.value) if isinstance(target, cst.Attribute) else ""
        if isinstance(target, cst.Attribute) and owner in params and owner != own:
            return self._kept_by(owner, f"{target.attr.value}_{name}", self.source)
        key = key_of_loop(self.recurrence, self.reading, self.source)
        loop = key.home if key is not None and isinstance(key.home, cst.For) else None
        inside = loop is not None and any(a is loop.body for a in self.reading.ancestors(local))
        if key is not None and inside and f"{own}.param_groups" in self.source and not key.edits:
            return self._beside_others(function, f"{own}.state[{key.text}]", name)
        if key is not None and loop is not None and inside:
            bound = {n.value for n in self.statements.names_of(loop) if isinstance(n, cst.Name)}
            steps = self._loop_of_steps(self.statements.loops_around(loop), set(), bound)
            begin = self.statements.before(steps, f"{name} = {{}}") if steps is not None else None
            if begin is not None:  # in front of the loop over the steps, which holds that over the tensors
                return _Home(f"{name}[{key.text}]", f"{key.text} not in {name}", (begin, *key.edits))
        if home is None or not own or not self._is_whole(home):
            raise Unclear
        around = self.source if home.bases else self.reading.text_of(home)
        lists = isinstance(made, cst.Assign) and isinstance(made.value, (cst.DictComp, cst.ListComp))
        if owner == own or lists or (key is None and self._counts(own)):
            return self._kept_by(own, name, around)
        init = self._init(function)
        begin = self.statements.at_end(init, f"{own}.{name} = {{}}") if init is not None else None
        if key is None or begin is None or not inside or _is_taken(name, around):
            raise Unclear
        return _Home(f"{own}.{name}[{key.text}]", f"{key.text} not in {own}.{name}", (begin, *key.edits))

    def _counts(self, own: str) -> bool:
        """The object counts the calls of one tensor, and keeps its states as well."""
        spans = [span for counter in self.recurrence.counters for span in counter.spans]
        written = [r for r in self.reading.reads if r.written and any(span.covers(r.span) for span in spans)]
        return bool(written) and all(r.text.startswith(f"{own}.") for r in written)

    def _kept_by(self, owner: str, name: str, around: str) -> _Home:
        if _is_taken(name, around):
            raise Unclear
        return _Home(f"{owner}.{name}", f'not hasattr({owner}, "{name}")')

    def _beside_others(self, function: cst.FunctionDef, states: str, name: str) -> _Home:
        """``state["m"]``, where ``state = self.state[p]``."""
        given = [pair for n in self.reading.nodes(function) for pair in assigned(n)]
        called = [t.value for t, v in given if isinstance(t, cst.Name) and v is not None and self._is(v, states)]
        text = called[0] if called else free_name(["state", "kept"], self.reading.text_of(function))
        if f'"{name}"' in self.source or f"'{name}'" in self.source:
            raise Unclear
        quote = "'" if "['" in self.reading.text_of(function) else '"'
        key = f"{quote}{name}{quote}"
        return _Home(f"{text}[{key}]", f"{key} not in {text}", ahead=() if called else (f"{text} = {states}",))

    def _is(self, node: cst.BaseExpression, text: str) -> bool:
        return self.reading.text_of(node) == text

    def _is_whole(self, home: cst.ClassDef) -> bool:
        """No class out of sight has attributes of its own."""
        names = [self.reading.text_of(b.value) for b in home.bases]
        return all(n == "object" or re.search(rf"^class {re.escape(n)}\b", self.source, re.MULTILINE) for n in names)

    def _init(self, function: cst.FunctionDef) -> cst.FunctionDef | None:
        home = self.statements.class_of(function)
        init = method_of(home, "__init__") if home is not None else None
        return init if init is not function else None

    def _renamed(self, function: cst.FunctionDef, name: cst.Name, place: str) -> Iterator[Edit]:
        """The place, wherever else the function has the name."""
        for node in self.reading.nodes(function):
            if not isinstance(node, cst.Name) or node.value != name.value or node is name:
                continue
            parent, span = self.reading.parents.get(node), self.reading.span(node)
            if isinstance(parent, cst.Attribute) and parent.attr is node:
                continue
            if isinstance(parent, cst.Arg) and parent.keyword is node:
                continue
            bound = isinstance(parent, (cst.For, cst.CompFor, cst.Param)) or self.statements.is_handed_back(node)
            if span is None or bound or self.reading.function(node) is not function:
                raise Unclear
            yield Edit(span, place)

    def _guarded(self, lines: Sequence[cst.CSTNode], homes: Mapping[int, _Home]) -> Iterator[Edit]:
        """The lines that begin the states, as the body of one condition."""
        block = self.reading.parents.get(lines[0])
        body: list[cst.CSTNode] = list(block.body) if isinstance(block, cst.IndentedBlock) else []
        place = body.index(lines[0]) if lines[0] in body else 0
        first = homes[id(self._names(self.made[0])[0])]
        head = self.statements.before(lines[0], *first.ahead, f"if {first.missing}:")
        if head is None or body[place : place + len(lines)] != list(lines):
            raise Unclear
        for line, made in zip(lines, self.made, strict=True):
            whole, names = self.reading.span(made), self._names(made)
            for name in names:
                span = self.reading.span(name)
                if whole is None or span is None or whole.line != whole.end_line:
                    raise Unclear
                within = (head.text if line is lines[0] else "") + self.statements.unit(line)
                yield Edit(span, f"{within if name is names[0] else ''}{homes[id(name)].text}")


def _is_taken(name: str, around: str) -> bool:
    """Something has an attribute of that name already."""
    return re.search(rf"\.{re.escape(name)}\b", around) is not None
