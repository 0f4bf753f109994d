"""A count that follows the epochs made one of all updates: the exponents read another, or it begins outside of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from optlint.fix.lasting import Lasting, Loop
from optlint.fix.reading import Read, Reading
from optlint.fix.statements import Statements
from optlint.lift import structure
from optlint.lift.expression import Symbol
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Span
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Subject

Edits = tuple[Edit, ...]
ADDED = "a counter is added, and the code may keep one elsewhere"
GOES_ON = "the averages may be meant to begin anew with the count"


class Epochs:
    """What can be done about exponents that read a count of epochs, or of the updates of one epoch."""

    def __init__(self, recurrence: Recurrence, reading: Reading, source: str) -> None:
        self.reading = reading
        self.statements = Statements(reading)
        self.lasting = Lasting(recurrence, reading, source)

    def counted(self, before: Subject, written: Subject) -> Iterator[tuple[Edits, str]]:
        """Edits, with why they are a choice. written: the update as it runs, whose clocks show which one is wrong."""
        now = {c.symbol: (c.every, c.within) for c in written.clocks}
        wrong = {c.symbol: c.first for c in before.clocks if now.get(c.symbol) not in (None, (c.every, c.within))}
        for counter in before.recurrence.counters:
            if wrong.keys() & {counter.old, counter.new}:
                wrong |= {c.symbol: c.first for c in before.clocks if c.symbol in (counter.old, counter.new)}
        exponents = (r for r in self._reads(wrong) if self._is_of_an_average(r.node, before))
        sites = [r for r in exponents if self.statements.loops_around(r.node)]
        if not sites or len({self.reading.function(r.node) for r in sites}) > 1:
            return
        yield from ((edits, GOES_ON) for edits in self._goes_on(sites, wrong))
        made = self.lasting.count(sites[0].node)
        texts = [self._read_as(r, made[0], wrong) for r in sites] if made is not None else []
        if made is not None and None not in texts and all(map(self._is_of_a_step, sites)):
            yield (*made[1], *(t for t in texts if t is not None)), ADDED

    def _is_of_a_step(self, read: Read) -> bool:
        return bool(self.lasting.steps(read.node))

    def _reads(self, wrong: dict[Symbol, float]) -> Iterator[Read]:
        """Where such a count is read, each place once."""
        met: set[Span] = set()
        for read in self.reading.reads:
            if not read.written and read.span not in met and read.expr.symbols and read.expr.symbols <= wrong.keys():
                met.add(read.span)
                yield read

    def _is_of_an_average(self, node: cst.CSTNode, subject: Subject) -> bool:
        """The exponent of an average's decay: a learning rate that falls from epoch to epoch may go on doing so."""
        parent = self.reading.parents.get(node)
        power = self.reading.parents.get(parent) if isinstance(parent, cst.Arg) else parent
        kept = (structure.retention(s.post, s.old) for s in subject.states)
        decays = [decay for decay in kept if decay is not None]
        same = self.reading.values.same
        powers = [r.expr.args for r in self.reading.reads if r.node is power and r.expr.op == "pow"]
        exponents = [r.expr for r in self.reading.reads if r.node is node]
        return any(same(base, d) and same(time, e) for base, time in powers for d in decays for e in exponents)

    def _read_as(self, read: Read, name: str, wrong: dict[Symbol, float]) -> Edit | None:
        """What an exponent is in a count that is 1 at the first update."""
        late = evaluate(read.expr, dict(wrong)) - 1
        if late < 0 or late != int(late):
            return None
        span = self.reading.with_brackets(read.node) if late == 0 else self.reading.span(read.node)
        bracketed = bool(read.node.lpar)
        text = name if late == 0 else f"{name} + {int(late)}" if bracketed else f"({name} + {int(late)})"
        return Edit(span, text) if span is not None else None

    # the count that is there goes on

    def _goes_on(self, sites: Sequence[Read], wrong: dict[Symbol, float]) -> Iterator[Edits]:
        """The name that the exponents read counts through all epochs, where nothing else reads it."""
        names = {n.value for r in sites for n in self.reading.nodes(r.node) if isinstance(n, cst.Name)}
        name = next(iter(names)) if len(names) == 1 else ""
        loops = self.lasting.steps(sites[0].node)
        begin = self.lasting.beginning(loops, self.lasting.homes(sites[0].node)) if loops else None
        texts = [self._read_as(r, name, wrong) for r in sites]
        if not name or begin in (None, *loops[:1]) or None in texts or not self._reads_only(name, sites):
            return
        assert begin is not None
        changed = [t for t in texts if t is not None and self.reading.text(t.span) != t.text]
        first = self.statements.before(begin, f"{name} = 0")
        start = self.lasting.advanced(loops[0], sites[0].node, f"{name} += 1")
        if first is None or start is None:
            return
        given = self._given(name, begin)
        header = self._unnumbered(loops[0], name) if isinstance(loops[0], cst.For) else None
        if header is not None and not given:
            yield (first, *header, start, *changed)
        if len(given) == 1:
            yield from self._begun_outside(given[0], begin, loops[0]) if not changed else ()
            out = self._instead(given[0], wrong)
            if out is not None:
                yield (first, out, start, *changed)

    def _given(self, name: str, begin: Loop) -> list[cst.Assign]:
        """The assignments of their own that give a name its content in a loop."""
        nodes = (n for n in self.reading.nodes(begin) if isinstance(n, cst.Assign) and len(n.targets) == 1)
        return [n for n in nodes if self.reading.text_of(n.targets[0].target) == name]

    def _begun_outside(self, given: cst.Assign, begin: Loop, loop: Loop) -> Iterator[Edits]:
        """``t = 0`` in front of the outermost loop that the states last through."""
        inside = any(a is loop for a in self.reading.ancestors(given))
        taken = self.statements.taken_out(self.statements.line_of(given)) if not inside else None
        into = self.statements.before(begin, *taken[1]) if taken is not None else None
        if taken is not None and into is not None and isinstance(given.value, (cst.Integer, cst.Float)):
            yield (into, taken[0])

    def _instead(self, given: cst.Assign, wrong: dict[Symbol, float]) -> Edit | None:
        """``t = epoch + 1`` taken out."""
        place = self.reading.span(given.value)
        counts = any(r.span == place and r.expr.symbols and r.expr.symbols <= wrong.keys() for r in self.reading.reads)
        return self.statements.without(self.statements.line_of(given)) if counts else None

    def _unnumbered(self, loop: cst.For, name: str) -> Edits | None:
        """``for t, x in enumerate(xs, 1)`` as ``for x in xs``."""
        target, source = loop.target, loop.iter
        called = source.func if isinstance(source, cst.Call) else None
        if not isinstance(target, cst.Tuple) or len(target.elements) != 2 or not isinstance(source, cst.Call):
            return None
        first, element = (e.value for e in target.elements)
        if not isinstance(first, cst.Name) or first.value != name or not isinstance(called, cst.Name):
            return None
        if called.value != "enumerate" or not source.args or source.args[0].keyword is not None or source.args[0].star:
            return None
        begin, end = self.reading.with_brackets(target), self.reading.span(source)
        if begin is None or end is None:
            return None
        text = f"{self.reading.text_of(element)} in {self.reading.text_of(source.args[0].value)}"
        return (Edit(Span(begin.line, begin.column, end.end_line, end.end_column, end.cell), text),)

    def _reads_only(self, name: str, sites: Sequence[Read]) -> bool:
        """Nothing but the exponents reads the name in their function."""
        home = self.reading.function(sites[0].node)
        known = [r.span for r in sites]
        for node in self.reading.nodes(home):
            place = self.reading.span(node) if isinstance(node, cst.Name) and node.value == name else None
            if place is None or any(s.covers(place) for s in known) or self.reading.function(node) is not home:
                continue
            if not self._is_given(node):
                return False
        return True

    def _is_given(self, node: cst.CSTNode) -> bool:
        """A target, that of ``t += 1`` too."""
        parent = self.reading.parents.get(node)
        while isinstance(parent, (cst.Element, cst.Tuple, cst.List)):
            node, parent = parent, self.reading.parents.get(parent)
        return isinstance(parent, (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.For)) and parent.target is node
