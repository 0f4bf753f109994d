"""A correct update's source beside the recurrence that is lifted from it.

Every node of a recurrence remembers its place in the source. An injector asks for the nodes that play a part in the
equations (the root of the second moment, the factor 1 − β …), gets the LibCST nodes that spell them, and edits there.
What a name stands for at its place is taken from the abstract interpreter as it reads the name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import libcst as cst
import numpy as np
from libcst.metadata import CodeRange, MetadataWrapper, ParentNodeProvider, PositionProvider

from optlint.diagnose.views import views
from optlint.identify import Match, best, matches
from optlint.lift import Lifted, Recurrence, State, lift, lifter, structure
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import Lib, Value, numeric
from optlint.lift.program import Program
from optlint.model import Span
from optlint.modules import Modules
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge, evaluate
from optlint.sandbox.probes import LANES
from optlint.source import source_from_text
from optlint.subject import Subject

Place = tuple[int, int, int, int]  # line, column, end line, end column, as optlint counts them
Seen = dict[Place, set[Expr]]
Edit = tuple[int, int, str]  # start and end offset, and what stands there instead


# what the interpreter sees


@contextmanager
def recording() -> Iterator[tuple[Seen, set[Place]]]:
    """What each expression stood for when the interpreter read it, by place; and where it read a library's name."""
    seen: Seen = defaultdict(set)
    libraries: set[Place] = set()

    class Recorder(Interpreter):
        def eval(self, node: cst.BaseExpression) -> Value:
            result = super().eval(node)
            span = self.span_of(node)
            if span is not None and not self.is_abroad:
                if isinstance(result, Lib):
                    libraries.add(place(span))
                expr = numeric(result)
                if expr is not None:
                    seen[place(span)].add(expr)
            return result

    original = vars(lifter)["Interpreter"]
    vars(lifter)["Interpreter"] = Recorder
    try:
        yield seen, libraries
    finally:
        vars(lifter)["Interpreter"] = original


def place(span: Span) -> Place:
    return span.line, span.column, span.end_line, span.end_column


# source


def lifted(text: str, path: str = "") -> Lifted:
    """What a text holds, as if it stood in a file."""
    return lift(Program.read(source_from_text("program.py", text).units, Modules(path) if path else None))


class Code:
    """A file: its text, its LibCST nodes by place, and what was read there. path: where it lies among its own."""

    def __init__(self, text: str, path: str = "") -> None:
        self.text = text
        self.path = path
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        self.module = wrapper.module
        self.positions: Mapping[cst.CSTNode, CodeRange] = wrapper.resolve(PositionProvider)
        self.parents: Mapping[cst.CSTNode, cst.CSTNode] = wrapper.resolve(ParentNodeProvider)
        self.starts = [0]
        for line in text.split("\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.by_place: dict[Place, list[cst.CSTNode]] = defaultdict(list)
        for node in self.positions:
            if isinstance(node, (cst.BaseExpression, cst.BaseSmallStatement)):
                self.by_place[self.place(node)].append(node)
        with recording() as (seen, libraries):
            self.lifted: Lifted = lifted(text, path)
        self.seen, self.libraries = seen, libraries

    @cached_property
    def has_fixed_arrays(self) -> bool:
        """Its arrays cannot be changed in place: ``x += 1`` gives the name another one."""
        return re.search(r"^\s*(?:import|from)\s+(?:jax|optax|keras|tensorflow)\b", self.text, re.MULTILINE) is not None

    def place(self, node: cst.CSTNode) -> Place:
        where = self.positions[node]
        return where.start.line, where.start.column + 1, where.end.line, where.end.column + 1

    def offsets(self, node: cst.CSTNode) -> tuple[int, int]:
        line, column, end_line, end_column = self.place(node)
        return self.starts[line - 1] + column - 1, self.starts[end_line - 1] + end_column - 1

    def source(self, node: cst.CSTNode) -> str:
        """The node's text, with its parentheses."""
        start, end = self.offsets(node)
        text = self.text[start:end]
        return f"({text})" if getattr(node, "lpar", ()) else text

    def bare(self, node: cst.CSTNode) -> str:
        """The node's text, without its parentheses."""
        return self.text[slice(*self.offsets(node))]

    def replaced(self, node: cst.CSTNode, text: str) -> Edit:
        """Write ``text``, an expression, for ``node``; with parentheses where the node's surroundings need them."""
        return (*self.offsets(node), text if self._stands_alone(node) or is_atom(text) else f"({text})")

    def _stands_alone(self, node: cst.CSTNode) -> bool:
        if getattr(node, "lpar", ()):
            return True
        parent = self.parents[node]
        return isinstance(parent, (cst.Arg, cst.Assign, cst.AugAssign, cst.AnnAssign, cst.Return, cst.Index, cst.Expr,
                                   cst.Element, cst.DictElement, cst.Param, cst.BaseStatement))  # fmt: skip

    def inside(self, node: cst.CSTNode, *kinds: type) -> Any:
        """The nearest enclosing node of these kinds, or None."""
        current = self.parents.get(node)
        while current is not None and not isinstance(current, kinds):
            current = self.parents.get(current)
        return current

    def outermost(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The module's statement that holds the node."""
        return self.holder(node, list(self.module.body))

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        found: cst.FunctionDef | None = self.inside(node, cst.FunctionDef)
        return found

    def within(self, node: cst.CSTNode) -> set[int]:
        """The lambdas and comprehensions around a node, which have names of their own."""
        kinds = (cst.Lambda, cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)
        found: set[int] = set()
        inner = self.inside(node, *kinds)
        while inner is not None:
            found.add(id(inner))
            inner = self.inside(inner, *kinds)
        return found

    def names_at(self, node: cst.CSTNode) -> set[str]:
        """The names of all symbols that the node's value was built on."""
        return {s.name for expr in self.seen.get(self.place(node), ()) for s in expr.symbols}

    def is_symbol(self, node: cst.CSTNode, name: str) -> bool:
        return any(e.op == "sym" and e.symbol.name == name for e in self.seen.get(self.place(node), ()))

    def is_library(self, node: cst.CSTNode) -> bool:
        return self.place(node) in self.libraries

    # statements

    def statement(self, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
        """The line that holds the node, if it holds nothing else."""
        line = node if isinstance(node, cst.SimpleStatementLine) else self.inside(node, cst.SimpleStatementLine)
        return line if line is not None and len(line.body) == 1 else None

    def block(self, statement: cst.CSTNode) -> list[cst.CSTNode]:
        """The statements of the block that a statement stands in."""
        return list(getattr(self.parents[statement], "body", ()))

    def lines(self, statement: cst.CSTNode) -> tuple[int, int]:
        """The offsets of whole lines, the last newline included."""
        line, _, end_line, _ = self.place(statement)
        return self.starts[line - 1], min(self.starts[end_line], len(self.text))

    def indent(self, statement: cst.CSTNode) -> str:
        line, column, _, _ = self.place(statement)
        return self.text[self.starts[line - 1] : self.starts[line - 1] + column - 1]

    def removed(self, statement: cst.CSTNode) -> Edit:
        """Take a statement out (a block of one keeps ``pass``)."""
        alone = len(self.block(statement)) == 1
        return (*self.offsets(statement), "pass") if alone else (*self.lines(statement), "")

    def inserted(self, before: cst.CSTNode, text: str) -> Edit:
        """Put a statement before another one, in its block."""
        start, _ = self.lines(before)
        return start, start, f"{self.indent(before)}{text}\n"

    def appended(self, after: cst.CSTNode, text: str) -> Edit:
        """Put a statement behind another one, in its block."""
        _, end = self.lines(after)
        return end, end, f"{self.indent(after)}{text}\n"

    def moved_behind(self, statement: cst.CSTNode, after: cst.CSTNode) -> tuple[Edit, Edit]:
        start, end = self.offsets(statement)
        return self.removed(statement), self.appended(after, self.text[start:end])

    def holder(self, node: cst.CSTNode, block: list[cst.CSTNode]) -> cst.CSTNode | None:
        """The statement of a block that holds the node, however deep."""
        current: cst.CSTNode | None = node
        while current is not None and all(current is not s for s in block):
            current = self.parents.get(current)
        return current

    def applied(self, edits: tuple[Edit, ...]) -> str:
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text


def is_atom(text: str) -> bool:
    node = cst.parse_expression(" ".join(text.split()))  # lines of a bracket are no expression by themselves
    return bool(node.lpar) or isinstance(
        node, (cst.Name, cst.Attribute, cst.Subscript, cst.Call, cst.BaseNumber, cst.SimpleString)
    )


# updates


@dataclass(frozen=True)
class Site:
    """A place of the source that spells a node of the recurrence. part: the role of the state, or "step"."""

    node: cst.CSTNode
    expr: Expr
    part: str


@dataclass
class Anatomy:
    """One configuration of a correct update: its equations with their places, and which state plays which part."""

    code: Code
    recurrence: Recurrence
    subject: Subject
    match: Match

    @property
    def family(self) -> str:
        return self.match.family

    @property
    def adaptive(self) -> bool:
        """Divides by a second moment."""
        return bool(self.second) and self.family not in ("momentum", "nesterov", "lion", "sgd")

    @cached_property
    def roles(self) -> dict[str, State]:
        """State by the convention's name for it: m, v …"""
        return self.match.roles

    @cached_property
    def sites(self) -> list[Site]:
        names = {id(s.old): role for role, s in self.roles.items()}
        parts = [(names.get(id(s.old), ""), s.post) for s in self.recurrence.states]
        found: dict[int, Site] = {}
        for part, post in [*parts, ("step", self.recurrence.step)]:
            for expr in ex.walk(post):
                if expr.origin is None or not expr.args:
                    continue
                for node in self.code.by_place.get(place(expr.origin), ()):
                    found.setdefault(id(node), Site(node, expr, part))
        return list(found.values())

    def role_of(self, symbol: Symbol) -> str:
        return next((r for r, s in self.roles.items() if symbol in (s.old, s.new)), "")

    def held(self, expr: Expr) -> set[str]:
        """The roles of the states that an expression reads."""
        return {self.role_of(s) for s in expr.symbols} - {""}

    # numbers: a setting is known by its value on the probes, which re-bind all of them

    @cached_property
    def _numbers(self) -> dict[str, Any]:
        return {symbol.name: value for symbol, value in self.subject.bound.items()}

    def value(self, expr: Expr) -> Any:
        """The value of an expression of settings over the lanes; None for any other."""
        if any(n.op == "opaque" for n in ex.walk(expr)):
            return None
        bound = {s: self._numbers[s.name] for s in expr.symbols if s.name in self._numbers}
        if len(bound) < len(expr.symbols):
            return None
        return np.broadcast_to(evaluate(expr, bound), (LANES, 1))

    @cached_property
    def retentions(self) -> dict[str, Any]:
        """How much of its old content each state keeps, over the lanes, by role."""
        found = {}
        for role, held in self.roles.items():
            state = next((s for s in self.subject.states if s.old is held.old), held)
            own = structure.retention(state.post, state.old)
            value = self.subject.value(own) if own is not None else None
            if value is not None:
                found[role] = np.broadcast_to(value, (LANES, 1))
        return found

    def is_retention(self, expr: Expr, role: str) -> bool:
        """β of that state, in any spelling."""
        return self._equals(expr, self.retentions.get(role))

    def is_weight(self, expr: Expr, role: str) -> bool:
        """1 − β of that state, in any spelling."""
        kept = self.retentions.get(role)
        return self._equals(expr, None if kept is None else 1 - kept)

    def _equals(self, expr: Expr, wanted: Any) -> bool:
        value = self.value(expr) if wanted is not None else None
        return value is not None and bool(np.allclose(value, wanted, rtol=1e-9, atol=0))

    def corrects(self, expr: Expr) -> str:
        """The role of the state that 1 − βᵗ corrects, in any spelling; empty for anything else."""
        if expr.op != "sub" or expr.args[0] != ex.const(1):
            return ""
        power = expr.args[1]
        for role in self.retentions:
            if self.is_power(power, role):
                return role
        return ""

    def is_power(self, expr: Expr, role: str) -> bool:
        """βᵗ of that state: a power of t, or a running product."""
        if expr.op == "pow" and self.is_time(expr.args[1]):
            return self.is_retention(expr.args[0], role)
        if expr.op == "sym" or expr.op == "mul":
            held = next((s for s in self.recurrence.states if expr in (ex.sym(s.new), s.post, ex.sym(s.old))), None)
            own = structure.slope(held.post, held.old) if held is not None else None
            if held is not None and own is not None and structure.rest(held.post, held.old) == ex.const(0):
                return self.is_retention(own, role)
        return False

    def is_scale(self, expr: Expr) -> bool:
        """The step size: a setting (that may be named) which multiplies the whole step."""
        return expr.op == "sym" and any(expr == f for f, e in structure.factors(self.subject.drive) if e == 1)

    def stands_for(self, node: cst.CSTNode, wanted: Callable[[Expr], bool]) -> bool:
        """Whether the interpreter ever read the node as such a value."""
        return any(map(wanted, self.code.seen.get(self.code.place(node), ())))

    def weighs(self, node: cst.CSTNode, role: str) -> bool:
        """The node is 1 − β of that state."""
        return self.stands_for(node, lambda e: self.is_weight(e, role))

    def keeps(self, node: cst.CSTNode, role: str) -> bool:
        """The node is β of that state."""
        return self.stands_for(node, lambda e: self.is_retention(e, role))

    def is_parameter(self, expr: Expr) -> bool:
        w = self.recurrence.parameter
        return w is not None and expr.op == "sym" and expr.symbol.name == w.old.name

    def spells_gradient(self, expr: Expr) -> bool:
        """The effective gradient, whatever run it was read in."""
        return self.subject.gradient is not None and repr(expr) == repr(self.subject.gradient)

    @cached_property
    def second(self) -> set[str]:
        """The roles of the states that gather squares or stand under a root."""
        return {role for role, s in self.roles.items() if s.old in self.subject.second}

    def is_time(self, expr: Expr) -> bool:
        """Moves with the step's number, and reads no state and no gradient."""
        free = not expr.symbols & self.subject.moving and not self.takes_gradient(expr)
        return bool(expr.symbols & self.subject.time) and free

    def takes_gradient(self, expr: Expr) -> bool:
        gradient = self.subject.gradient
        return gradient is not None and (ex.contains(expr, gradient) or bool(expr.symbols & {self.subject.g}))

    def is_gradient(self, expr: Expr) -> bool:
        return self.subject.gradient is not None and expr == self.subject.gradient

    def is_setting(self, expr: Expr) -> bool:
        known = {h.symbol for h in self.subject.hypers}
        return expr.symbols <= known and all(n.op != "opaque" for n in ex.walk(expr))

    def texts(self, wanted: Callable[[Expr], bool], near: cst.CSTNode) -> list[str]:
        """How the function around ``near`` spells a quantity by a name, an attribute or a subscript; nearest first."""
        home = self.code.function(near)
        line = self.code.place(near)[0]
        found: dict[str, int] = {}
        for where, values in self.code.seen.items():
            if not any(map(wanted, values)):
                continue
            for node in self.code.by_place.get(where, ()):
                if isinstance(node, (cst.Name, cst.Attribute, cst.Subscript)) and self.code.function(node) is home:
                    if not self.code.within(node) <= self.code.within(near):
                        continue  # a lambda's own names mean nothing outside it
                    text = self.code.source(node)
                    gap = line - where[0] if where[0] <= line else 1000 + where[0] - line
                    found[text] = min(gap, found.get(text, gap))
        return sorted(found, key=lambda t: (found[t], t))


@dataclass
class Original:
    """A correct update of a file: all its configurations that equal a published form."""

    name: str
    code: Code
    anatomies: list[Anatomy] = field(default_factory=list)

    @property
    def span(self) -> tuple[int, int]:
        spans = [a.recurrence.home or a.recurrence.span for a in self.anatomies]
        return min(s.line for s in spans), max(s.end_line for s in spans)


def originals_in(code: Code) -> list[Original]:
    """The updates of a file that equal a published form, by function."""
    found: dict[str, Original] = {}
    shown: set[tuple[object, ...]] = set()
    for recurrence in code.lifted.recurrences:
        if not recurrence.at_home:
            continue
        made = anatomy_of(code, recurrence)
        if made is None or made.match.family == "sgd":
            continue
        where = tuple(sorted(place(s.origin) for p in recurrence.posts() for s in ex.walk(p) if s.origin))
        if where not in shown:
            shown.add(where)
            found.setdefault(recurrence.name, Original(recurrence.name, code)).anatomies.append(made)
    return list(found.values())


def anatomy_of(code: Code, recurrence: Recurrence) -> Anatomy | None:
    for view in (recurrence, *views(recurrence)):
        try:
            subject = prepare(view)
            match = best(matches(subject, deviations=False))
        except TooLarge:
            continue
        if match is not None:
            return Anatomy(code, view, subject, match)
    return None
