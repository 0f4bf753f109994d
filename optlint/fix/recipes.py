"""Repairs that take statements: a counter, a name for a corrected moment, a value that is kept, an array of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from optlint.fix.edits import opposite
from optlint.fix.reading import ATOM, Read, Reading, level_of, parenthesized
from optlint.fix.spelling import Text
from optlint.fix.statements import Statements, free_name, last_name, later_reads
from optlint.fix.values import Values
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Span
from optlint.subject import Subject

Edits = tuple[Edit, ...]
_STEP_NAMES = frozenset(
    {"t", "step", "iteration", "iter", "timestep", "time_step", "global_step", "local_step", "num_iter", "n_iter"}
)
SIGNS = {cst.AddAssign: "+", cst.SubtractAssign: "-", cst.MultiplyAssign: "*", cst.DivideAssign: "/"}
RIGHT_OF = {"+": 9, "-": 10, "*": 11, "/": 11}  # how tightly what stands behind them has to hold together


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

    # a count of steps

    def counters(self, site: Read) -> Iterator[Counter]:
        """What could count the steps at a place: what the source counts already, then a new counter."""
        seen: set[Expr] = set()
        for expr in self._counted():
            if expr not in seen:
                seen.add(expr)
                yield Counter(expr)
        yield from self._handed_in(site)
        yield from (Counter(expr) for expr in self._named_so() if expr not in seen)
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
            params = (*function.params.posonly_params, *function.params.params, *function.params.kwonly_params)
            names = [p.name.value for p in params]
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

    def source_of(self, node: cst.CSTNode | None) -> str:
        span = self.reading.span(node) if node is not None else None
        return self.reading.text(span) if span is not None else self.source

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
            fixed = {"jax", "tensorflow"} & {name.partition(".")[0] for name in before.recurrence.imports}
            if place is None and state.old.array and not fixed:
                place = self._named_for(content, write)  # of a loop over arrays, which can be changed in place
                if place is not None:
                    edits.append(Edit(write.span, f"{place}[...]"))
                    continue
            edit = self.statements.after(self.statements.line_of(write.node), f"{place} = {write.text}")
            if place is None or edit is None:
                return
            edits.append(edit)
        if edits:
            yield tuple(edits)

    def _named(self, content: Expr) -> Read | None:
        """Where a plain name takes that content, the last time: the first of several (others are copies)."""
        reads = self.reading.by_worth.get(self.values.worth(content), ())
        names = [r for r in reads if r.written and isinstance(r.node, cst.Name)]
        home = self.reading.function(names[-1].node) if names else None
        here = [r for r in names if self.reading.function(r.node) is home]
        return next((r for r in reversed(here) if r.text == here[0].text), None)

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
            if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
                called = node.value.func
                if isinstance(called, cst.Attribute) and isinstance(called.value, cst.Name):
                    word = self.reading.span(called.attr)
                    if word is not None and called.attr.value.endswith("_"):
                        name = called.attr.value.rstrip("_")
                        yield (Edit(start, f"{called.value.value} = "), Edit(word, name))

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


def method_of(klass: cst.ClassDef, name: str) -> cst.FunctionDef | None:
    """A method that the class itself defines."""
    found = (s for s in klass.body.body if isinstance(s, cst.FunctionDef) and s.name.value == name)
    return next(found, None)
