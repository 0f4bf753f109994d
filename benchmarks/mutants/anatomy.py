"""A correct update's source beside the recurrence that is lifted from it.

Every node of a recurrence remembers its place in the source. An injector asks for the nodes that play a part in the
equations (the root of the second moment, the factor 1 − β …), gets the LibCST nodes that spell them, and edits there.
What a name stands for at its place is taken from the abstract interpreter as it reads the name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, ParentNodeProvider, PositionProvider

from optlint.diagnose.views import views
from optlint.identify import Match, best, matches
from optlint.lift import Lifted, Recurrence, State, lift, lifter
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import Lib, Value, numeric
from optlint.lift.program import Program
from optlint.model import Span
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
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
            if span is not None:
                if isinstance(result, Lib):
                    libraries.add(place(span))
                expr = numeric(result)
                if expr is not None:
                    seen[place(span)].add(expr)
            return result

    original = lifter.Interpreter
    lifter.Interpreter = Recorder  # type: ignore[misc, attr-defined]
    try:
        yield seen, libraries
    finally:
        lifter.Interpreter = original  # type: ignore[misc, attr-defined]


def place(span: Span) -> Place:
    return span.line, span.column, span.end_line, span.end_column


# source


class Code:
    """A file: its text, its LibCST nodes by place, and what was read there."""

    def __init__(self, text: str) -> None:
        self.text = text
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
            self.lifted: Lifted = lift(Program.read(source_from_text("program.py", text).units))
        self.seen, self.libraries = seen, libraries

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

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        found: cst.FunctionDef | None = self.inside(node, cst.FunctionDef)
        return found

    def names_at(self, node: cst.CSTNode) -> set[str]:
        """The names of all symbols that the node's value was built on."""
        return {s.name for expr in self.seen.get(self.place(node), ()) for s in expr.symbols}

    def is_symbol(self, node: cst.CSTNode, name: str) -> bool:
        return any(e.op == "sym" and e.symbol.name == name for e in self.seen.get(self.place(node), ()))

    def is_library(self, node: cst.CSTNode) -> bool:
        return self.place(node) in self.libraries

    def applied(self, edits: tuple[Edit, ...]) -> str:
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text


def is_atom(text: str) -> bool:
    node = cst.parse_expression(text)
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


def originals_in(code: Code, path: str) -> list[Original]:
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
