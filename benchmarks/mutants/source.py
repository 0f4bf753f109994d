"""A file to mutate: its text, its LibCST nodes by place, and what the interpreter saw there."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import libcst as cst
from libcst import matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, ParentNodeProvider, PositionProvider

from optlint.lift import Lifted, lift, lifter
from optlint.lift.expression import Expr
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import Lib, Value, numeric
from optlint.lift.program import Program
from optlint.model import Span
from optlint.modules import Modules
from optlint.source import source_from_text

Place = tuple[int, int, int, int]  # line, column, end line, end column, as optlint counts them
Seen = dict[Place, set[Expr]]
Edit = tuple[int, int, str]  # start and end offset, and what stands there instead


# whose language it speaks


def framework_of(text: str) -> str:
    """Whose language a program speaks."""
    for title, modules in _IMPORTED.items():
        if re.search(rf"^\s*(?:import|from)\s+(?:{modules})\b", text, re.MULTILINE):
            return title
    return "plain Python"


_IMPORTED = {
    "optax": "optax",
    "JAX": "jax",
    "Keras": "keras",
    "TensorFlow": "tensorflow",
    "tinygrad": "tinygrad",
    "PyTorch": "torch",
    "NumPy": "numpy|autograd|cupy",
}
_FIXED = frozenset({"optax", "JAX", "Keras", "TensorFlow"})  # their arrays cannot be changed in place


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
        self._known: dict[tuple[int, str], float] = {}  # (function, name) → the first line where it has a value

    @cached_property
    def has_fixed_arrays(self) -> bool:
        """Its arrays cannot be changed in place: ``x += 1`` gives the name another one."""
        return framework_of(self.text) in _FIXED

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

    def has_value(self, name: str, near: cst.CSTNode) -> bool:
        """Whether a name stands for a quantity before ``near`` is reached: not bound later alone, nor a mere key."""
        home = self.function(near)
        if home is None:
            return True
        if (id(home), name) not in self._known:
            self._known[id(home), name] = self._known_from(home, name)
        return self._known[id(home), name] <= self.place(near)[0]

    def _known_from(self, home: cst.FunctionDef, name: str) -> float:
        """The first line of a function where a name has a value; 0 where it always has, infinity for a key."""
        if m.findall(home, m.SubscriptElement(slice=m.Index(value=m.Name(name)))):
            return float("inf")
        if m.findall(home.params, m.Param(name=m.Name(name))):
            return 0
        binds = m.findall(home.body, m.AssignTarget() | m.AnnAssign() | m.For())
        return min((self.place(n)[0] for n in binds if m.findall(n.target, m.Name(name))), default=0)  # type: ignore[attr-defined]

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
