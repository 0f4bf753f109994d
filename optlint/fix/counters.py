"""What counts the steps for an equation: what the source counts already, else a new counter where the states live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from optlint.fix.lasting import Lasting
from optlint.fix.reading import ATOM, Read, Reading
from optlint.fix.spelling import Text
from optlint.fix.statements import Statements, free_name, last_name, method_of
from optlint.lift import expression as ex
from optlint.lift.annotations import named_parameters
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit

Edits = tuple[Edit, ...]
_STEP_NAMES = frozenset(
    {"t", "step", "iteration", "iter", "timestep", "time_step", "global_step", "local_step", "num_iter", "n_iter"}
)
_INDEX_NAMES = frozenset({"i", "it", "itr"})  # they start at 0


@dataclass(frozen=True, slots=True)
class Counter:
    """A count of steps for an equation: an expression of the source, or a new name with what brings it about."""

    expr: Expr | None = None
    text: str = ""
    edits: Edits = ()

    @property
    def reason(self) -> str:
        """Why its use is a choice."""
        if self.edits:
            return "a counter is added, and the code may keep one elsewhere"
        return "the argument has to be the step number" if self.text else ""

    def spelled(self, symbol: Symbol) -> dict[Symbol, Text]:
        return {symbol: Text(self.text, ATOM)} if self.text else {}


@dataclass(slots=True)
class Counters:
    """Counts of the steps of one update."""

    recurrence: Recurrence
    reading: Reading
    source: str
    statements: Statements = field(init=False)
    lasting: Lasting = field(init=False)

    def __post_init__(self) -> None:
        self.statements = Statements(self.reading)
        self.lasting = Lasting(self.recurrence, self.reading, self.source)

    def source_of(self, node: cst.CSTNode | None) -> str:
        span = self.reading.span(node) if node is not None else None
        return self.reading.text(span) if span is not None else self.source

    def at(self, site: Read) -> Iterator[Counter]:
        """What could count the steps at a place: what the source counts already, then a new counter."""
        seen: set[Expr] = set()
        for expr in self._counted():
            if expr not in seen:
                seen.add(expr)
                yield Counter(expr)
        yield from self._handed_in(site)
        yield from (Counter(expr) for expr in self._named_so() if expr not in seen)
        if self.lasting.steps(site.node):
            made = self.lasting.count(site.node)
            yield from [Counter(text=made[0], edits=made[1])] if made is not None else []
            if any("." in home for home in self.lasting.homes(site.node)):
                return  # a local count would begin anew where its object's averages go on
        else:
            yield from self._attribute(site)
            yield from self._beside_state(site)
        yield from self._local(site)

    def _counted(self) -> Iterator[Expr]:
        for read in self.reading.reads:
            if read.expr.op == "pow" and read.expr.args[1].op != "const":
                yield read.expr.args[1]
        yield from self._advanced_unread()
        for counter in self.recurrence.counters:
            start = counter.initial
            t: Expr = ex.sym(counter.new)
            yield t if start is None or start == ex.const(0) else ex.op("sub", t, start)
        for index in self.recurrence.indices:
            if index.name.strip("_") == "":
                continue
            late = 1 - (index.start.number if index.start is not None and index.start.op == "const" else 0)
            t = ex.sym(index)
            yield t if late == 0 else ex.op("add", t, ex.const(int(late)))

    def _advanced_unread(self) -> Iterator[Expr]:
        """A place that each step adds 1 to, though no equation reads it."""
        held = {(r.text, r.expr) for r in self.reading.reads if r.simple and not r.written and r.expr.op == "sym"}
        for read in self.reading.reads:
            counts = read.written and read.expr.op == "add" and ex.const(1) in read.expr.args
            if counts and any((read.text, old) in held for old in read.expr.args):
                yield read.expr

    def _named_so(self) -> Iterator[Expr]:
        """What a name that speaks of a count holds: ``step = self.iterations + 1``, and then not the iterations."""
        named = dict.fromkeys(r.expr for r in self.reading.reads if r.simple and last_name(r.text) in _STEP_NAMES)
        ahead = [e for e in named if e.op == "add" and ex.const(1) in e.args]
        known = [e for e in named if e.op == "sym" and e.symbol.initial is not None]  # else who knows where it starts
        bare = [e for e in known if not any(e in a.args for a in ahead)]
        yield from (e for e in (*ahead, *bare) if len(e.symbols) == 1)

    def _handed_in(self, site: Read) -> Iterator[Counter]:
        """An argument that is called a step number, and that nothing reads."""
        function = self.reading.function(site.node)
        if isinstance(function, cst.FunctionDef):
            names = [p.name.value for p in named_parameters(function.params)]
            yield from (Counter(text=name) for name in names if name in _STEP_NAMES)
            yield from (Counter(text=f"({name} + 1)") for name in names if name in _INDEX_NAMES)

    def _attribute(self, site: Read) -> Iterator[Counter]:
        """``self.t``: 0 in ``__init__``, one more at the start of the method."""
        home, method = self.statements.class_of(site.node), self.reading.function(site.node)
        init = method_of(home, "__init__") if home is not None else None
        if init is None or not isinstance(method, cst.FunctionDef) or method is init:
            return
        owner = method.params.params[0].name.value if method.params.params else "self"
        name = free_name(["t", "step_count", "iterations"], self.source_of(home))
        begin = self.statements.at_end(init, f"{owner}.{name} = 0")
        advance = self.statements.at_start(method, f"{owner}.{name} += 1")
        if begin is not None and advance is not None:
            yield Counter(text=f"{owner}.{name}", edits=(begin, advance))

    def _beside_state(self, site: Read) -> Iterator[Counter]:
        """``state["step"]``: 0 where the moments are made, one more before they are updated."""
        for state in self.recurrence.states:
            for write in self.reading.reads:
                if not (write.written and isinstance(write.node, cst.Subscript)) or write.expr != state.initial:
                    continue
                owner = self.reading.span(write.node.value)
                if owner is None or self.reading.function(write.node) is not self.reading.function(site.node):
                    continue
                quote = "'" if "'" in write.text else '"'
                text = f"{self.reading.text(owner)}[{quote}step{quote}]"
                if text in self.source:
                    continue
                begin = self.statements.after(self.statements.line_of(write.node), f"{text} = 0")
                guard = next((a for a in self.reading.ancestors(write.node) if isinstance(a, cst.If)), None)
                advance = self.statements.after(guard, f"{text} += 1") if guard is not None else None
                if begin is not None and advance is not None:
                    yield Counter(text=text, edits=(begin, advance))
                    return

    def _local(self, site: Read) -> Iterator[Counter]:
        """A local ``t`` around the loop that steps."""
        home = self.reading.function(site.node)
        span = self.reading.span(home) if home is not None else None
        taken = self.reading.text(span) if span is not None else self.source
        name = free_name(["t", "step_number", "iteration"], taken)
        for loop in self.statements.loops_around(site.node):
            begin = self.statements.before(loop, f"{name} = 0")
            advance = self.statements.at_start(loop, f"{name} += 1")
            if begin is not None and advance is not None:
                yield Counter(text=name, edits=(begin, advance))

    def advanced(self, symbol: Symbol, site: Read) -> Iterator[Edits]:
        """A stored number that should count and never does: advanced where the step begins, or where it ends."""
        texts = dict.fromkeys(r.text for r in self.reading.reads if r.simple and r.expr == ex.sym(symbol))
        for text in texts:
            places = [self.reading.function(site.node), *self.statements.loops_around(site.node)]
            for place in places:
                if not isinstance(place, (cst.FunctionDef, cst.For, cst.While)):
                    continue
                root = text.partition("[")[0].partition(".")[0]
                loops = [n for n in self.reading.nodes(place.body) if isinstance(n, (cst.For, cst.While))]
                if any(self.reading.binds(loop, root) for loop in loops):
                    continue  # ``state = self.state[p]``: behind that loop it is the last one's alone
                if isinstance(place, cst.FunctionDef) or not self.reading.binds(place, root):
                    start = self.statements.at_start(place, f"{text} += 1")
                    if start is not None:
                        yield (start,)
                end = self.statements.at_end(place, f"{text} += 1")
                if end is not None:
                    yield (end,)

    def moved_out(self) -> Iterator[Edits]:
        """The counter's increment, or a running product's factor, in front of the loop that it stands in."""
        shared = [s for s in self.recurrence.states if s.old in self.recurrence.shared_products]
        spans = [span for state in shared or self.recurrence.counters for span in state.spans]
        inside = [r.node for r in self.reading.reads if any(s.covers(r.span) for s in spans)]
        moved = {id(line): line for line in map(self.statements.line_of, inside)}
        lines = [line for line in moved.values() if self.statements.loops_around(line)]
        out = [self.statements.without(line) for line in lines]
        for loop in self.statements.loops_around(lines[0]) if lines else ():
            into = self.statements.before(loop, *(self.source_of(line).strip() for line in lines))
            edits = [e for e in (into, *out) if e is not None]
            if len(edits) == len(out) + 1:
                yield tuple(edits)
