"""A new count of steps that lives as long as the states do: it begins where they begin, and goes on where they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import libcst as cst

from optlint.fix.reading import Reading
from optlint.fix.statements import Statements, assigned, free_name
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit

Edits = tuple[Edit, ...]
Loop = cst.For | cst.While
_LEAVING = (cst.Continue, cst.Break, cst.Return, cst.Raise)
_LOCAL_NAMES = ["t", "step_number", "iteration"]
_ATTRIBUTE_NAMES = ["t", "step_count", "iterations"]


class Lasting:
    """Where a count can begin and be advanced for one update."""

    def __init__(self, recurrence: Recurrence, reading: Reading, source: str) -> None:
        self.recurrence = recurrence
        self.reading = reading
        self.source = source
        self.statements = Statements(reading)
        # a sum of several passes may begin anew, and be taken in by some of them alone
        self.averages = [s for s in recurrence.states if structure.slope(s.post, s.old) != ex.const(1)]

    def steps(self, node: cst.CSTNode) -> list[Loop]:
        """The loop around a node whose passes are the steps, and those around that."""
        loops = self.statements.loops_around(node)
        here = [n for n, loop in enumerate(loops) if self.reading.span(loop) == self.recurrence.loop]
        return loops[here[0] :] if here and not self.recurrence.of_parts else []

    def count(self, node: cst.CSTNode) -> tuple[str, Edits] | None:
        """A new count of the steps for what a node computes: its text, and what brings it about."""
        loops, homes = self.steps(node), self.homes(node)
        if not loops or not homes:
            return None
        begin = self.beginning(loops, homes)
        if begin is not None:
            name = free_name(_LOCAL_NAMES, self._text(self.reading.function(node)))
            first = [self.statements.before(begin, f"{name} = 0")]
        else:
            made = self._made_elsewhere(node, homes)
            free = free_name(_ATTRIBUTE_NAMES, self._text(self.statements.class_of(node)))
            name = f"{homes[0].partition('.')[0]}.{free}"
            first = [self.statements.after(self.statements.line_of(m), f"{name} = 0") for m in made]
        edits = [*first, self.advanced(loops[0], node, f"{name} += 1")]
        return (name, tuple(e for e in edits if e is not None)) if first and None not in edits else None

    def _text(self, node: cst.CSTNode | None) -> str:
        return self.reading.text_of(node) if node is not None else self.source

    # where the states are

    def homes(self, around: cst.CSTNode) -> list[str]:
        """What holds the states: ``m``, ``self.m`` of ``self.m[k]``, of ``m in zip(…, self.m)``, ``m = self.m[k]``."""
        found: dict[str, None] = {}
        for state in self.averages:
            for read in self.reading.reads:
                mine = any(s.covers(read.span) or read.span.covers(s) for s in state.spans)
                if mine and read.simple and (read.written or read.expr == ex.sym(state.old)):
                    found[self._root(read.node, around)] = None
        return [text for text in found if text]

    def _root(self, node: cst.BaseExpression, around: cst.CSTNode, depth: int = 3) -> str:
        while isinstance(node, cst.Subscript):
            node = node.value
        if not isinstance(node, cst.Name) or not depth:
            return self.reading.text_of(node)
        for loop in self.statements.loops_around(around):
            source = _taken_from(loop.target, loop.iter, node.value) if isinstance(loop, cst.For) else None
            if source is not None:
                return self._root(source, loop, depth - 1)
        given = (assigned(n) for n in self._given_in(self.reading.function(around), [node.value]))
        values = [value for pairs in given for target, value in pairs if self.reading.text_of(target) == node.value]
        alias = values[0] if len(values) == 1 and isinstance(values[0], cst.Subscript) else None
        return self._root(alias, around, depth - 1) if alias is not None else node.value

    def beginning(self, loops: Sequence[Loop], homes: Sequence[str]) -> Loop | None:
        """Of these loops, the outermost that the states last through, which are made in front of it."""
        found: Loop | None = None
        for loop in loops:
            given = self._given_in(loop, homes)
            if any(not self._is_inside(n, loops[0]) for n in given):
                break
            found = loop
        if found is None:
            return None
        home = self.reading.function(found)
        made = [n for n in self._given_in(home, homes) if self.reading.function(n) is home]
        lasting = (n for n in made if self._stands_before(n, found) and not self._is_conditional(n, found))
        return found if next(lasting, None) is not None else None

    def _given_in(self, part: cst.CSTNode | None, homes: Sequence[str]) -> list[cst.CSTNode]:
        """The statements that give a home a content of its own."""
        nodes = self.reading.nodes(part)
        return [n for n in nodes if any(self.reading.text_of(t) in homes for t, _ in assigned(n))]

    def _is_inside(self, node: cst.CSTNode, loop: Loop) -> bool:
        return any(a is loop for a in self.reading.ancestors(node))

    def _is_conditional(self, node: cst.CSTNode, beside: cst.CSTNode | None = None) -> bool:
        """It may have been made before: ``if self.m is None: self.m = …``. beside: what stands in the same branch."""
        around = list(self.reading.ancestors(beside)) if beside is not None else []
        for parent in self.reading.ancestors(node):
            if isinstance(parent, cst.FunctionDef):
                break
            if isinstance(parent, cst.If) and not any(a is parent for a in around):
                return True
        return False

    def _stands_before(self, one: cst.CSTNode, other: cst.CSTNode) -> bool:
        first, then = self.reading.span(one), self.reading.span(other)
        return first is not None and then is not None and first < then

    def _made_elsewhere(self, node: cst.CSTNode, homes: Sequence[str]) -> list[cst.CSTNode]:
        """The last of the statements in each other method that make the states, which all make them alike."""
        home, klass = self.reading.function(node), self.statements.class_of(node)
        params = home.params.params if isinstance(home, cst.FunctionDef) else ()
        if klass is None or not params or "__slots__" in self._text(klass):
            return []
        if any(h.partition(".")[0] != params[0].name.value for h in homes):
            return []
        made = [n for n in self._given_in(klass, homes) if self.reading.function(n) is not home]
        given: dict[str, set[str]] = {}
        for statement in made:
            for target, value in assigned(statement):
                text = self.reading.text_of(target)
                if text in homes:
                    given.setdefault(text, set()).add(self.reading.text_of(value) if value is not None else "")
        if any(len(texts) > 1 or "" in texts for texts in given.values()):  # one may bring back what was saved
            return []
        last = {id(self.reading.function(n)): n for n in made}
        return [] if any(self._is_conditional(n) for n in last.values()) else list(last.values())

    # where it is advanced

    def advanced(self, loop: Loop, node: cst.CSTNode, text: str) -> Edit | None:
        """At the start of a loop's body; where a pass may go without its update, right before that."""
        parts = self._parts(loop, node)
        block: cst.BaseSuite | None = loop.body
        always = True
        while isinstance(block, cst.IndentedBlock):
            inside = next((s for s in block.body if any(_holds(s, p) for p in parts)), None)
            if inside is None:
                break
            before = (n for s in block.body[: list(block.body).index(inside)] for n in self.reading.nodes(s))
            always = always and not any(isinstance(n, _LEAVING) for n in before)
            if isinstance(inside, cst.With):
                block = inside.body
            elif isinstance(inside, cst.If):
                ways = [way for way in _ways(inside) if all(_holds(way, p) for p in parts)]
                block, always = ways[0] if ways else None, False
            elif isinstance(inside, cst.Try):
                break
            else:
                return self.statements.at_start(loop, text) if always else self.statements.before(inside, text)
        return None

    def _parts(self, loop: Loop, node: cst.CSTNode) -> list[list[cst.CSTNode]]:
        """What the update writes in a loop, and a node of it, each with all that it stands in."""
        spans = [*(span for state in self.averages for span in state.spans), *self.recurrence.writes]
        nodes = [r.node for r in self.reading.reads if any(s.covers(r.span) for s in spans)]
        around = ([n, *self.reading.ancestors(n)] for n in [node, *nodes])
        return [chain for chain in around if any(a is loop for a in chain)]


def _holds(part: cst.CSTNode, chain: Iterable[cst.CSTNode]) -> bool:
    return any(a is part for a in chain)


def _ways(branch: cst.If) -> Iterator[cst.BaseSuite]:
    """The blocks of an ``if`` with all its ``elif`` and its ``else``."""
    way: cst.If | cst.Else | None = branch
    while way is not None:
        yield way.body
        way = way.orelse if isinstance(way, cst.If) else None


def _taken_from(target: cst.BaseExpression, source: cst.BaseExpression, name: str) -> cst.BaseExpression | None:
    """What a loop takes the elements from that it gives a name: ``ms`` for the ``m`` of ``p, m in zip(params, ms)``."""
    if isinstance(target, cst.Name):
        return source if target.value == name else None
    called = source.func.value if isinstance(source, cst.Call) and isinstance(source.func, cst.Name) else ""
    if not isinstance(target, (cst.Tuple, cst.List)) or not isinstance(source, cst.Call):
        return None
    sources = [a.value for a in source.args if not a.star and a.keyword is None]
    if called == "enumerate" and len(target.elements) == 2 and sources:
        return _taken_from(target.elements[1].value, sources[0], name)
    if called == "zip" and len(sources) == len(target.elements):
        pairs = zip(target.elements, sources, strict=True)
        return next((f for e, s in pairs if (f := _taken_from(e.value, s, name)) is not None), None)
    return None
