"""The expressions of the source that an update's run read or wrote: their place, their text, what they were worth."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import libcst as cst

from optlint.fix.values import Values, Worth
from optlint.lift import expression as ex
from optlint.lift.annotations import named_parameters
from optlint.lift.expression import Expr
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Span

ATOM = 14
_MAPS = frozenset({"tree_map", "tree_multimap"})


@dataclass(frozen=True, slots=True)
class Read:
    """One expression at one moment of the run. moment: its number in the run's order; written: it is a target."""

    moment: int
    node: cst.BaseExpression
    span: Span
    expr: Expr
    text: str
    written: bool
    simple: bool  # a name, an attribute or an item: the content of a place
    listed: bool = False  # a list, seen through one of its elements


class Reading:
    """All reads of one run, by worth."""

    def __init__(self, program: Program, recurrence: Recurrence, values: Values) -> None:
        self.program = program
        self.values = values
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.reads: list[Read] = []
        self.by_worth: dict[Worth, list[Read]] = {}
        self.lists: list[Read] = []  # what is a list of such expressions, seen through one of its elements
        self.lists_by_worth: dict[Worth, list[Read]] = {}
        self.by_text: dict[str, list[Read]] = {}
        self._names: dict[int, set[str]] = {}  # by function, what it binds
        self._turn: dict[int, bool] = {}
        self._places: dict[int, Callable[[cst.CSTNode], Span | None]] = {}
        self._lines = {unit.cell: unit.text.split("\n") for unit in program.units}
        self._know_parents(recurrence)
        for moment, (node, expr, place, listed) in enumerate(recurrence.worth):
            span = place(node)
            if span is None or node not in self.parents:
                continue
            simple = isinstance(node, (cst.Name, cst.Attribute, cst.Subscript))
            listed = listed or (self._is_for_lists(node) and not expr.symbols <= values.settings)
            read = Read(moment, node, span, expr, self.text(span), self._is_written(node), simple, listed)
            (self.lists if listed else self.reads).append(read)
            by_worth = self.lists_by_worth if listed else self.by_worth
            by_worth.setdefault(values.worth(expr), []).append(read)
            if simple:
                self.by_text.setdefault(read.text, []).append(read)

    def take_in(self, place: Span) -> None:
        """Know the block of the source that holds a place, whether the run has read there or not."""
        for index, (number, block) in enumerate(self.program.blocks):
            parsed = self.program.parsed(index)
            here = self.program.units[number].cell == place.cell and block.line <= place.line <= block.end_line
            if not here or parsed is None:
                continue
            for statement, own in parsed.tree.inside:
                self.parents |= own
                self._places.update(dict.fromkeys(map(id, (statement, *own)), parsed.span))

    def _know_parents(self, recurrence: Recurrence) -> None:
        wanted = {worth.node for worth in recurrence.worth}
        for index in range(len(self.program.blocks)):
            parsed = self.program.parsed(index)
            for statement, own in parsed.tree.inside if parsed is not None else ():
                if parsed is not None and not wanted.isdisjoint(own):
                    self.parents |= own
                    self._places.update(dict.fromkeys(map(id, (statement, *own)), parsed.span))

    def _is_for_lists(self, node: cst.CSTNode) -> bool:
        """An operand of ``torch._foreach_*``, a tree that ``tree.map`` takes apart."""
        arg = self.parents.get(node)
        call = self.parents.get(arg) if isinstance(arg, cst.Arg) and arg.keyword is None else None
        called = call.func if isinstance(call, cst.Call) else None
        name = called.attr if isinstance(called, cst.Attribute) else called
        if not isinstance(name, cst.Name) or not isinstance(call, cst.Call):
            return False
        maps = name.value in _MAPS or (name.value == "map" and "tree" in self.text_of(getattr(called, "value", name)))
        return name.value.startswith("_foreach_") or (maps and arg is not call.args[0])

    def is_list(self, text: str) -> bool:
        """A place whose elements are what the run has seen of it."""
        return any(r.text == text for r in self.lists)

    def span(self, node: cst.CSTNode) -> Span | None:
        place = self._places.get(id(node))
        return place(node) if place is not None else None

    def with_brackets(self, node: cst.BaseExpression) -> Span | None:
        """An expression's place with the one pair of brackets that is close around it."""
        span = self.span(node)
        if span is None or len(node.lpar) != 1 or span.line != span.end_line:
            return span
        line = self.line(span)
        if line[span.column - 2 : span.column - 1] != "(" or line[span.end_column - 1 : span.end_column] != ")":
            return span
        return Span(span.line, span.column - 1, span.end_line, span.end_column + 1, span.cell)

    def nodes(self, inside: cst.CSTNode | None) -> Iterator[cst.CSTNode]:
        """Every node of a part of the source, or of all that the run has read, in order."""
        if inside is not None:
            yield from _inside(inside)
            return
        tops = {id(p): p for p in self.parents.values() if p not in self.parents}
        for top in tops.values():
            yield from _inside(top)

    def operator(self, node: cst.CSTNode) -> Span | None:
        """The operator's own characters in ``a - b`` and ``a -= b``."""
        operator = getattr(node, "operator", None)
        place = self.span(operator) if operator is not None else None
        if place is None:
            return None
        text = self.text(place)
        bare = text.strip()
        if "\n" in text or not bare:
            return None
        start = place.column + text.index(bare)
        return Span(place.line, start, place.line, start + len(bare), place.cell)

    def line(self, span: Span) -> str:
        """The whole first line of a place."""
        return self._lines[span.cell][span.line - 1]

    def text(self, span: Span) -> str:
        lines = self._lines[span.cell]
        if span.line == span.end_line:
            return lines[span.line - 1][span.column - 1 : span.end_column - 1]
        first, last = lines[span.line - 1][span.column - 1 :], lines[span.end_line - 1][: span.end_column - 1]
        return "\n".join([first, *lines[span.line : span.end_line - 1], last])

    def text_of(self, node: cst.CSTNode) -> str:
        """The node as the author wrote it; "" for one that the source does not hold."""
        span = self.span(node)
        return self.text(span) if span is not None else ""

    def _is_written(self, node: cst.CSTNode) -> bool:
        """A target; that of ``x += y`` is read first."""
        parent = self.parents.get(node)
        if isinstance(parent, cst.AugAssign) and parent.target is node:
            self._turn[id(node)] = not self._turn.get(id(node), True)
            return self._turn[id(node)]
        while isinstance(parent, (cst.Element, cst.Tuple, cst.List, cst.StarredElement)):
            node, parent = parent, self.parents.get(parent)
        if isinstance(parent, (cst.AssignTarget, cst.AnnAssign)):
            return getattr(parent, "target", None) is node
        return isinstance(parent, (cst.For, cst.CompFor)) and parent.target is node

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        parent = self.parents.get(node)
        while parent is not None:
            yield parent
            parent = self.parents.get(parent)

    def function(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The function that an expression stands in."""
        return next((a for a in self.ancestors(node) if isinstance(a, (cst.FunctionDef, cst.Lambda))), None)

    def means_the_same(self, read: Read, there: cst.CSTNode) -> bool:
        """Whether what a simple text starts with is the same variable at another place, in a function inside, too."""
        name = read.text.partition(".")[0].partition("[")[0]
        return read.simple and self._binder(read.node, name) is self._binder(there, name)

    def _binder(self, node: cst.CSTNode, name: str) -> cst.CSTNode | None:
        """The function whose variable the name is; None for the module's."""
        around = (a for a in self.ancestors(node) if isinstance(a, (cst.FunctionDef, cst.Lambda)))
        return next((a for a in around if name in self._bound(a)), None)

    def _bound(self, function: cst.FunctionDef | cst.Lambda) -> set[str]:
        """The names that a function binds: its arguments, and what it assigns."""
        found = self._names.get(id(function))
        if found is None:
            named = {p.name.value for p in named_parameters(function.params)}
            found = self._names[id(function)] = named | self.given_in(function)
        return found

    def given_in(self, part: cst.CSTNode) -> set[str]:
        """The plain names that a part of the source gives something."""
        return {n.value for n in self.nodes(part) if isinstance(n, cst.Name) and self._is_written(n)}

    def binds(self, loop: cst.CSTNode, name: str) -> bool:
        """Whether a loop gives a plain name something new in each pass."""
        return name in self.given_in(loop)

    def statement(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return next((a for a in self.ancestors(node) if isinstance(a, cst.BaseSmallStatement)), None)

    def holds(self, text: str, moment: int, worth: Worth) -> bool:
        """Whether the place of that text has that worth at a moment."""
        met = self.by_text.get(text, ())
        before = [r for r in met if r.moment <= moment]
        later = [r for r in met if r.moment > moment]
        if before:
            return self.values.worth(before[-1].expr) == worth
        return bool(later) and not later[0].written and self.values.worth(later[0].expr) == worth

    def name_of(self, state: State) -> str:
        """The plain name, else the place, that a state's old content is read from."""
        texts = [r.text for r in self.reads if r.simple and r.expr == ex.sym(state.old)]
        return min(texts, key=len, default="")

    def filled(self, read: Read, moment: int) -> str | None:
        """The place that a call has changed to what it gives, ``v`` of ``v.mul_(b)``, as long as it holds that."""
        node = read.node
        while isinstance(node, cst.Call) and in_place(node) and isinstance(node.func, cst.Attribute):
            inner = node.func.value
            if not isinstance(inner, cst.Call):
                break
            node = inner
        if not isinstance(node, cst.Call) or not self.changes_in_place(read.node):
            return None
        receiver = node.func.value if isinstance(node.func, cst.Attribute) else None
        for place in (receiver, node.args[0].value if node.args else None):
            span = self.span(place) if place is not None else None
            known = self.by_text.get(self.text(span), []) if span is not None else []
            before = [r for r in known if r.moment < read.moment]
            since = [r for r in known if read.moment < r.moment <= moment]
            same = self.values.worth(read.expr)
            if before and before[-1].expr.op == "sym" and all(self.values.worth(r.expr) == same for r in since):
                return before[-1].text
        return None

    def is_taken_from(self, read: Read) -> bool:
        """The owner of an attribute that is worth the same, which the author wrote there."""
        parent = self.parents.get(read.node)
        if not isinstance(parent, cst.Attribute) or parent.value is not read.node:
            return False
        same = self.by_worth.get(self.values.worth(read.expr), ())
        return any(r.node is parent for r in same)

    def is_changed(self, node: cst.CSTNode) -> bool:
        """What a call is made on that changes it."""
        called = self.parents.get(node)
        call = self.parents.get(called) if isinstance(called, cst.Attribute) else None
        return isinstance(call, cst.Call) and call.func is called and in_place(call)

    def changes_in_place(self, node: cst.CSTNode) -> bool:
        """A call that changes what it is called on: ``v.mul_(b)``."""
        return any(in_place(n) for n in _inside(node))


def _inside(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _inside(child)


def in_place(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.NamedExpr):
        return True
    if not isinstance(node, cst.Call):
        return False
    name = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
    named_out = any(a.keyword is not None and a.keyword.value == "out" for a in node.args)
    return (
        named_out
        or (name.endswith("_") and not name.startswith("__"))
        or name in ("copyto", "assign", "assign_add", "assign_sub", "append")
    )


_BINARY = {cst.Add: 9, cst.Subtract: 9, cst.Multiply: 10, cst.Divide: 10, cst.Modulo: 10, cst.FloorDivide: 10,
           cst.MatrixMultiply: 10, cst.Power: 12}  # fmt: skip


def needed(node: cst.CSTNode, parent: cst.CSTNode | None) -> int:
    """The level that a text needs to stand unparenthesized in a node's place."""
    return 0 if getattr(node, "lpar", ()) else level_in(node, parent)


def level_in(node: cst.CSTNode, parent: cst.CSTNode | None) -> int:
    """The same for a node without its own brackets."""
    if isinstance(parent, cst.BinaryOperation):
        level = _BINARY.get(type(parent.operator), 13)
        if isinstance(parent.operator, cst.Power):
            return 13 if parent.left is node else 11
        return level if parent.left is node else level + 1
    if isinstance(parent, cst.UnaryOperation):
        return 11
    if isinstance(parent, (cst.Arg, cst.Index, cst.Assign, cst.AugAssign, cst.AnnAssign, cst.Return, cst.Expr)):
        return 0
    if isinstance(parent, (cst.Lambda, cst.DictElement, cst.Element, cst.DictComp)):
        return 0
    if isinstance(parent, (cst.IfExp, cst.BooleanOperation, cst.Comparison, cst.ComparisonTarget)):
        return 9
    return ATOM


def level_of(text: str) -> int:
    """How tightly an expression's text holds together."""
    try:
        node = ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError):
        return 0
    if isinstance(node, ast.BinOp):
        return 12 if isinstance(node.op, ast.Pow) else 9 if isinstance(node.op, (ast.Add, ast.Sub)) else 10
    if isinstance(node, ast.UnaryOp):
        return 3 if isinstance(node.op, ast.Not) else 11
    if isinstance(node, ast.Compare):
        return 4
    if isinstance(node, ast.BoolOp):
        return 1
    if isinstance(node, (ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Yield, ast.Await)):
        return 0
    if isinstance(node, ast.Tuple):
        return ATOM if text.startswith("(") and text.endswith(")") else 0
    return ATOM


def parenthesized(text: str, level: int, wanted: int) -> str:
    return text if level >= wanted else f"({text})"


def unbracketed(text: str) -> str:
    """A text without the brackets around all of it."""
    inner = text[1:-1]
    if not (text.startswith("(") and text.endswith(")")):
        return text
    try:
        node = ast.parse(text, mode="eval").body
        same = ast.dump(node) == ast.dump(ast.parse(inner.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return text
    return inner if same else text
