"""Expressions of the source → values of the abstract machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import TypeGuard

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import number, render
from optlint.lift.objects import (
    Cell,
    Const,
    Each,
    Fields,
    Func,
    Klass,
    Lib,
    Method,
    Scope,
    Seq,
    Slot,
    Store,
    Super,
    Unsupported,
    Value,
    forget,
    is_scalar,
    numeric,
)
from optlint.lift.places import WHOLE, attribute, indices_of, item, key_text, loosely, place_of
from optlint.model import Span

MAX_SIZE = 4000  # nodes of one expression; beyond it a value is one opaque quantity
MAX_HIDDEN = 300  # nodes of an unknown call's argument; beyond it only its symbols are kept
MAX_WORK = 60_000  # evaluation steps of one run

_KEYED = re.compile(
    r"\[(?:[^\[\]]|\[[^\[\]]*\])*\[\{(\w+)\}\]\]"
)  # ``[groups[group]['params'][{p}]]``: keyed by an element p
_BINARY: dict[type, str] = {
    cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "div", cst.Power: "pow",
    cst.AddAssign: "add", cst.SubtractAssign: "sub", cst.MultiplyAssign: "mul", cst.DivideAssign: "div",
    cst.PowerAssign: "pow", cst.Modulo: "mod",
}  # fmt: skip
_COMPARE = {
    cst.LessThan: "lt", cst.LessThanEqual: "le", cst.GreaterThan: "gt", cst.GreaterThanEqual: "ge",
    cst.Equal: "eq", cst.NotEqual: "ne",
}  # fmt: skip


class Evaluator:
    """Evaluates LibCST expressions in a scope. Statements and calls of functions are the interpreter's."""

    def __init__(self) -> None:
        self.store = Store()
        self.work = 0
        self.scope = Scope()
        self.aliases: dict[str, str] = {}  # index names → the names under which elements were met first
        self.span_of: Callable[[cst.CSTNode], Span | None] = lambda node: None

    # hooks of the interpreter and the vocabulary

    def call(self, callee: Value, args: list[Value], kwargs: dict[str, Value], span: Span | None, text: str) -> Value:
        raise NotImplementedError

    def decide(self, condition: Value, node: cst.CSTNode) -> bool | None:
        raise NotImplementedError

    def known_attribute(self, receiver: Value, name: str, span: Span | None) -> Value | None:
        raise NotImplementedError

    def member(self, home: Value, name: str, span: Span | None) -> Value:
        raise NotImplementedError

    def resolve_global(self, name: str) -> Value | None:
        raise NotImplementedError

    # values

    def fresh(self, expr: Expr, *parts: Value) -> Cell:
        """The result of an operation: a new cell, scalar only where all its parts are."""
        if expr.size > MAX_SIZE:
            expr = self.collapse("…", [expr], expr.origin)
        array = any(isinstance(p, Cell) and p.array for p in parts)
        return Cell(expr, array=array, scalar=bool(parts) and not array and all(map(is_scalar, parts)))

    def collapse(self, name: str, parts: Sequence[Expr], origin: Span | None) -> Expr:
        """An opaque quantity that keeps its dependencies as plain symbols (so that it stays small)."""
        slim: list[Expr] = []
        for part in parts:
            if part.size <= MAX_HIDDEN:
                slim.append(part)
            else:
                slim.extend(ex.sym(s) for s in sorted(part.symbols, key=lambda s: s.name))
        return ex.opaque(name, slim, origin)

    def opaque(self, name: str, values: Sequence[Value], origin: Span | None) -> Cell:
        parts = [e for v in values for e in self.leaves(v)]
        return Cell(self.collapse(name, parts, origin), open=True)

    def leaves(self, value: Value, depth: int = 0) -> list[Expr]:
        """The numbers inside a value, for dependencies."""
        expr = numeric(value)
        if expr is not None:
            return [expr]
        if depth < 3:
            if isinstance(value, Seq):
                return [e for v in value.elements for e in self.leaves(v, depth + 1)]
            if isinstance(value, Each):
                return self.leaves(value.element, depth + 1)
            if isinstance(value, Cell):
                return [e for v in list(value.items.values())[:20] for e in self.leaves(v, depth + 1)]
        return []

    def number(self, value: Value, node: cst.CSTNode | None = None) -> Expr:
        """The numeric expression of a value; something that is no number becomes an opaque quantity."""
        expr = numeric(value)
        if expr is not None:
            return expr
        span = self.span_of(node) if node is not None else None
        name = place_of(value) or "?"
        return self.collapse(name, self.leaves(value), span)

    # children

    def child(self, home: Value, key: str, span: Span | None = None) -> Value:
        """The content of an attribute or item; unknown places come into being as symbols."""
        if isinstance(home, Seq):
            return self._element(home, key, span)
        if isinstance(home, Each):
            return home.element
        if not isinstance(home, Cell):
            return self.opaque(f"{place_of(home) or '?'}{key}", [home], span)
        if key == WHOLE:
            return home
        found = self.lookup(home, key)
        if found is not None:
            return found
        if home.factory is not None:
            made = home.factory(key)
            if isinstance(made, Cell) and made.expr is None:
                made.place = home.place + key
                self.store.quietly(home, key, made)
                return made
        expr = home.expr
        if expr is not None and not (expr.op == "sym" or key.startswith(".")):
            return self._part(home, expr, key, span)
        return self.unveil(home, key)

    def _element(self, home: Seq, key: str, span: Span | None) -> Value:
        try:
            return home.elements[int(key[1:-1])]
        except (ValueError, IndexError):
            if home.elements and all(type(e) is type(home.elements[0]) for e in home.elements):
                return home.elements[0]
            return self.opaque(f"sequence{key}", home.elements, span)

    def _part(self, home: Cell, expr: Expr, key: str, span: Span | None) -> Value:
        if expr.op == "const":
            return Cell(expr, scalar=home.scalar)
        if expr.op == "opaque":
            return Cell(ex.opaque(f"{expr.value}{key_text(key)}", expr.args, span), place=home.place + key, open=True)
        if "{" in key or ":" in key:  # a coordinate stands for all of them
            return Cell(expr, place=home.place + key)
        return Cell(ex.opaque(f"part{key_text(key)}", (expr,), span), place=home.place + key)

    def lookup(self, home: Cell, key: str) -> Value | None:
        """A child that is there: by its key, or as the representative of all keys."""
        if key in home.items:
            return home.items[key]
        if key.startswith("["):
            if "[*]" in home.items:
                return self._representative(home, home.items["[*]"], key)
            if "{" in key:
                alike = [k for k in home.items if loosely(k) == loosely(key)]
                if len(alike) == 1:
                    self.aliases.update(zip(indices_of(key), indices_of(alike[0]), strict=True))
                    return home.items[alike[0]]
        return None

    def _representative(self, home: Cell, found: Value, key: str) -> Value:
        """The element that stands for all: known under the key by which it is met first."""
        if isinstance(found, Cell) and home.place:
            if not found.place:
                found.place = home.place + key
            elif found.place.startswith(home.place):
                first = indices_of(found.place[len(home.place) :])
                self.aliases.update({a: b for a, b in zip(indices_of(key), first, strict=False) if a != b})
        return found

    def initial_of(self, home: Cell, key: str) -> Value | None:
        """What a state-creating branch or ``__init__`` put at a place like this one."""
        template = home.items.get("<template>")
        if not isinstance(template, Cell):
            return None
        exact = self.lookup(template, key)
        if exact is not None:
            return exact
        alike = [v for k, v in template.items.items() if loosely(k, shifts=True) == loosely(key, shifts=True)]
        return alike[0] if alike else (template if template.expr is not None else None)

    def unveil(self, home: Cell, key: str, start: Value | None = None) -> Cell:
        """Make the symbol for a place that existed before we came."""
        start = start if start is not None else self.initial_of(home, key)
        place = home.place + key
        symbol = Symbol(place_text(place), array=home.array and not key.startswith("."))
        cell = self.adopt(symbol, place, start)
        cell.array = symbol.array
        self.store.quietly(home, key, cell)
        self.store.add_slot(Slot(home, key, symbol, cell))
        return cell

    def adopt(self, symbol: Symbol, place: str, start: Value | None) -> Cell:
        """A cell that holds ``symbol``; what is known of its first content goes to the symbol."""
        cell = Cell(ex.sym(symbol), place=place, open=True)
        if isinstance(start, Cell):
            cell.array = start.array
            cell.scalar = start.scalar
            cell.klass = start.klass
            cell.factory = start.factory
            if start.items or start.growing:
                cell.items["<template>"] = start
        elif isinstance(start, Const) and isinstance(start.value, (int, float)):
            cell.scalar = not isinstance(start.value, bool)
        symbol.array = symbol.array or cell.array
        if start is not None:
            first = numeric(start)
            if first is not None:
                symbol.entry = first
                symbol.initial = started(first)
                if first.op == "const" and symbol.default is None and isinstance(first.value, (int, float)):
                    symbol.default = first.value
        return cell

    # evaluation

    def eval(self, node: cst.BaseExpression) -> Value:
        self.work += 1
        if self.work > MAX_WORK:
            raise Unsupported("too large to follow", self.span_of(node))
        method = getattr(self, "eval_" + type(node).__name__, None)
        if method is None:
            raise Unsupported(f"{type(node).__name__} is not understood", self.span_of(node))
        result: Value = method(node)
        return result

    def eval_Name(self, node: cst.Name) -> Value:
        holder = self.scope.holder(node.value)
        if holder is not None:
            return holder.vars[node.value]
        if node.value in ("True", "False", "None"):
            return Const({"True": True, "False": False, "None": None}[node.value], self.span_of(node))
        known = self.resolve_global(node.value)
        if known is not None:
            return known
        return self.free(node.value)

    def free(self, name: str) -> Cell:
        """A name that nothing in sight binds: a global of elsewhere."""
        symbol = Symbol(name, external=True)
        cell = Cell(ex.sym(symbol), place=name, open=True)
        module = self.scope.module
        module.vars[name] = cell
        self.store.journal.append(lambda: forget(module.vars, name))
        self.store.add_slot(Slot(module, name, symbol, cell))
        return cell

    def eval_Integer(self, node: cst.Integer) -> Value:
        value = node.evaluated_value if len(node.value) < 20 else float("inf")
        return Const(value, self.span_of(node))

    def eval_Float(self, node: cst.Float) -> Value:
        return Const(float(node.value.replace("_", "")), self.span_of(node))

    def eval_Imaginary(self, node: cst.Imaginary) -> Value:
        return self.opaque(node.value, [], self.span_of(node))

    def eval_SimpleString(self, node: cst.SimpleString) -> Value:
        try:
            return Const(ast.literal_eval(node.value), self.span_of(node))
        except (ValueError, SyntaxError):
            return Const(node.value, self.span_of(node))

    def eval_ConcatenatedString(self, node: cst.ConcatenatedString) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        return Const(self.text(left) + self.text(right), self.span_of(node))

    def eval_FormattedString(self, node: cst.FormattedString) -> Value:
        pieces = []
        for part in node.parts:
            if isinstance(part, cst.FormattedStringText):
                pieces.append(part.value)
            elif isinstance(part, cst.FormattedStringExpression):
                pieces.append(self.text(self.eval(part.expression)))
        return Const("".join(pieces), self.span_of(node))

    def text(self, value: Value) -> str:
        """What ``str(value)`` would show; symbolic numbers stand in braces."""
        if isinstance(value, Const):
            return str(value.value)
        expr = numeric(value)
        if expr is None:
            return "{" + (place_of(value) or "?") + "}"
        if expr.op == "const" and isinstance(expr.value, (int, float)):
            return number(expr.value)
        return render(expr, lambda s: "{" + s.name + "}")

    def eval_Tuple(self, node: cst.Tuple | cst.List) -> Value:
        elements: list[Value] = []
        for element in node.elements:
            value = self.eval(element.value)
            if isinstance(element, cst.StarredElement):
                if isinstance(value, Seq):
                    elements.extend(value.elements)
                    continue
                return Each(self.child(value, "[*]"))
            elements.append(value)
        return Seq(elements)

    def eval_List(self, node: cst.List) -> Value:
        made = self.eval_Tuple(node)
        if isinstance(made, Seq):
            cell = Cell(growing=True, place="")
            for index, value in enumerate(made.elements):
                cell.items[f"[{index}]"] = value
            return cell
        return made

    eval_Set = eval_Tuple

    def eval_Dict(self, node: cst.Dict) -> Value:
        cell = Cell(growing=True)
        for element in node.elements:
            if isinstance(element, cst.DictElement):
                cell.items[item(self.key(self.eval(element.key)))] = self.eval(element.value)
            elif isinstance(element, cst.StarredDictElement):
                other = self.eval(element.value)
                if isinstance(other, Cell):
                    cell.items.update(other.items)
        return cell

    def key(self, value: Value) -> str:
        """The canonical text of a subscript."""
        if isinstance(value, Const):
            return repr(value.value) if isinstance(value.value, str) else str(value.value)
        if isinstance(value, Seq):
            return ",".join(self.key(v) for v in value.elements)
        place = place_of(value)
        expr = numeric(value)
        if place and expr is not None and (expr.op == "sym" or _is_object(value)):
            return "{" + place + "}" if "{" not in place else place
        if expr is not None:
            return self.text(value)
        if isinstance(value, (Lib, Klass, Func)):  # ``group[names.BETA1]``: a constant of elsewhere
            return place
        return "{" + (place or "?") + "}"

    def eval_Subscript(self, node: cst.Subscript) -> Value:
        home = self.eval(node.value)
        return self.child(home, self.subscript(node), self.span_of(node))

    def subscript(self, node: cst.Subscript) -> str:
        keys = []
        for element in node.slice:
            if isinstance(element.slice, cst.Slice):
                bounds = (element.slice.lower, element.slice.upper)
                keys.append(":".join("" if b is None else self.key(self.eval(b)) for b in bounds))
            else:
                index = cst.ensure_type(element.slice, cst.Index).value
                keys.append("..." if isinstance(index, cst.Ellipsis) else self.key(self.eval(index)))
        if all(k in (":", "...", "None") for k in keys):
            return WHOLE
        return item(",".join(keys))

    def eval_Attribute(self, node: cst.Attribute) -> Value:
        return self.attribute(self.eval(node.value), node.attr.value, self.span_of(node))

    def attribute(self, home: Value, name: str, span: Span | None) -> Value:
        if isinstance(home, Lib):
            return Lib(f"{home.name}.{name}")
        if isinstance(home, Super):
            for base in home.klass.bases:
                found = base.find(name) if isinstance(base, Klass) else None
                if found is not None:
                    return self.bound(found, home.receiver)
            return Method(home, name, span)
        if isinstance(home, Klass):
            found = home.find(name)
            return found if found is not None else self.opaque(f"{home.name}.{name}", [], span)
        if isinstance(home, Cell):
            if attribute(name) in home.items:
                return home.items[attribute(name)]
            if home.klass is not None:
                found = home.klass.find(name)
                if isinstance(found, Func) and found.computed:
                    return self.call(found.bound(home), [], {}, span, name)
                if found is not None:
                    return self.bound(found, home)
        if name == "__dict__" and isinstance(home, Cell):
            return Fields(home)
        special = self.known_attribute(home, name, span)
        if special is not None:
            return special
        if isinstance(home, Cell):
            return self.child(home, attribute(name), span)
        return Method(home, name, span)

    def bound(self, member: Value, receiver: Value) -> Value:
        if isinstance(member, Func) and not member.static:
            return member.bound(receiver)
        return member

    def eval_BinaryOperation(self, node: cst.BinaryOperation) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        return self.binary(type(node.operator), left, right, self.span_of(node))

    def binary(self, operator: type, left: Value, right: Value, span: Span | None) -> Value:
        name = _BINARY.get(operator)
        texts = [v.value for v in (left, right) if isinstance(v, Const) and isinstance(v.value, str)]
        if texts and name in ("add", "mod"):
            if name == "mod" and isinstance(left, Const):
                return Const(_percent(str(left.value), self.text(right)), span)
            return Const(self.text(left) + self.text(right), span)
        if name == "add" and isinstance(left, Seq) and isinstance(right, Seq):
            return Seq(left.elements + right.elements)
        if name == "add" and _is_list(left) and _is_list(right):
            return _concatenated(left, right)
        if isinstance(left, Cell) and left.growing and name in ("mul", "add") and left.expr is None:
            return self._repeated(left)
        if isinstance(right, Cell) and right.growing and right.expr is None and name == "mul":
            return self._repeated(right)
        if name is None or name == "mod":
            label = operator.__name__.lower().removesuffix("assign")
            return self.opaque(label, [left, right], span)
        return self.fresh(ex.op(name, self.number(left), self.number(right), origin=span), left, right)

    def _repeated(self, cell: Cell) -> Cell:
        """``[0] * n``: many elements, one representative."""
        made = Cell(growing=True)
        if len(cell.items) >= 1:
            made.items["[*]"] = next(iter(cell.items.values()))
        return made

    def eval_UnaryOperation(self, node: cst.UnaryOperation) -> Value:
        value = self.eval(node.expression)
        span = self.span_of(node)
        if isinstance(node.operator, cst.Not):
            if isinstance(value, Const):
                return Const(not value.value, span)
            return Cell(ex.op("not", self.number(value), origin=span), scalar=True)
        if isinstance(node.operator, cst.Minus):
            return self.fresh(ex.op("neg", self.number(value), origin=span), value)
        if isinstance(node.operator, cst.Plus):
            return value
        return self.opaque("~", [value], span)

    def eval_Comparison(self, node: cst.Comparison) -> Value:
        left = self.eval(node.left)
        results: list[Value] = []
        for target in node.comparisons:
            right = self.eval(target.comparator)
            results.append(self.compare(target.operator, left, right, self.span_of(node)))
            left = right
        if len(results) == 1:
            return results[0]
        return self._joined("and", results, self.span_of(node))

    def compare(self, operator: cst.BaseCompOp, left: Value, right: Value, span: Span | None) -> Value:
        name = _COMPARE.get(type(operator))
        if isinstance(left, Const) and isinstance(right, Const):
            known = _constant_comparison(operator, left.value, right.value)
            if known is not None:
                return Const(known, span)
        if isinstance(operator, (cst.Is, cst.IsNot)) or name in ("eq", "ne"):
            negative = isinstance(operator, cst.IsNot) or name == "ne"
            if isinstance(right, Const) and right.value is None:
                if isinstance(left, (Seq, Each, Func, Lib, Klass)) or (isinstance(left, Cell) and not left.open):
                    return Const(negative, span)
                return Cell(ex.opaque("is not None" if negative else "is None", [self.number(left)], span), scalar=True)
        if isinstance(right, Const) and isinstance(right.value, str):
            label = f"{'!=' if name == 'ne' else '=='} {right.value!r}"
            return Cell(ex.opaque(label, [self.number(left)], span), scalar=True)
        if name is not None:
            return Cell(ex.op(name, self.number(left), self.number(right), origin=span), scalar=True)
        label = {cst.In: "in", cst.NotIn: "not in", cst.Is: "is", cst.IsNot: "is not"}.get(type(operator), "?")
        if isinstance(operator, (cst.In, cst.NotIn)) and isinstance(right, Seq) and isinstance(left, Const):
            values = [e.value for e in right.elements if isinstance(e, Const)]
            if len(values) == len(right.elements):
                return Const((left.value in values) == isinstance(operator, cst.In), span)
        place = f"{self.text(left)} {label} {place_of(right) or '?'}"
        return Cell(ex.opaque(place, [], span), scalar=True)

    def eval_BooleanOperation(self, node: cst.BooleanOperation) -> Value:
        name = "and" if isinstance(node.operator, cst.And) else "or"
        left = self.eval(node.left)
        if isinstance(left, Const):
            decided = bool(left.value)
            if decided == (name == "or"):
                return left
            return self.eval(node.right)
        return self._joined(name, [left, self.eval(node.right)], self.span_of(node))

    def _joined(self, name: str, values: list[Value], span: Span | None) -> Value:
        open_values: list[Value] = []
        for value in values:
            if isinstance(value, Const):
                if bool(value.value) == (name == "or"):
                    return value
            else:
                open_values.append(value)
        if not open_values:
            return values[-1]
        if len(open_values) == 1:
            return open_values[0]
        if name == "or":  # ``given or default``
            return Cell(
                ex.op("or", *(self.number(v) for v in open_values[:2]), origin=span),
                scalar=all(map(is_scalar, open_values)),
                open=True,
                place=place_of(open_values[0]) or "",
            )
        return Cell(ex.op(name, *(self.number(v) for v in open_values[:2]), origin=span), scalar=True)

    def eval_IfExp(self, node: cst.IfExp) -> Value:
        condition = self.eval(node.test)
        decided = self.decide(condition, node)
        if decided is None:
            yes, no = self.eval(node.body), self.eval(node.orelse)
            a, b = numeric(yes), numeric(no)
            if a is None or b is None:
                return no if a is None and b is not None else yes
            span = self.span_of(node)
            return self.fresh(ex.op("where", self.number(condition), a, b, origin=span), yes, no)
        return self.eval(node.body if decided else node.orelse)

    def eval_NamedExpr(self, node: cst.NamedExpr) -> Value:
        value = self.eval(node.value)
        if isinstance(node.target, cst.Name):
            self.store.bind(self.scope.target(node.target.value), node.target.value, value, self.span_of(node))
        return value

    def eval_Lambda(self, node: cst.Lambda) -> Value:
        func = Func("lambda", node, self.scope)
        func.defaults = self.defaults(node.params)
        return func

    def defaults(self, params: cst.Parameters) -> dict[str, Value]:
        found = {}
        for param in (*params.posonly_params, *params.params, *params.kwonly_params):
            if param.default is not None:
                found[param.name.value] = self.eval(param.default)
        return found

    def eval_Call(self, node: cst.Call) -> Value:
        if isinstance(node.func, cst.Attribute):
            callee = self.member(self.eval(node.func.value), node.func.attr.value, self.span_of(node.func))
        else:
            callee = self.eval(node.func)
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        for arg in node.args:
            value = self.eval(arg.value)
            if arg.star == "*":
                args.extend(value.elements if isinstance(value, Seq) else [self.child(value, "[*]")])
            elif arg.star == "**":
                if isinstance(value, Cell):
                    kwargs.update({k[2:-2]: v for k, v in value.items.items() if k.startswith("['")})
            elif arg.keyword is not None:
                kwargs[arg.keyword.value] = value
            else:
                args.append(value)
        return self.call(callee, args, kwargs, self.span_of(node), dotted(node.func))

    def eval_Await(self, node: cst.Await) -> Value:
        return self.eval(node.expression)

    def eval_StarredElement(self, node: cst.StarredElement) -> Value:
        return self.eval(node.value)

    def eval_Ellipsis(self, node: cst.Ellipsis) -> Value:
        return Const(..., self.span_of(node))

    def eval_Yield(self, node: cst.Yield) -> Value:
        return Const(None)


def _is_object(value: Value) -> bool:
    """An array that was there before and is now changed (``state[p]`` after ``p.mul_()``): a key by identity."""
    return isinstance(value, Cell) and value.open and value.expr is not None and value.expr.op != "opaque"


def _is_list(value: Value) -> TypeGuard[Cell]:
    return isinstance(value, Cell) and value.growing and value.expr is None


def _concatenated(left: Cell, right: Cell) -> Cell:
    """Both lists' elements; where one is seen through a representative, the first one's stands for all."""
    made = Cell(growing=True)
    for value in (*left.items.values(), *right.items.values()):
        made.items[f"[{len(made.items)}]"] = value
    if "[*]" in left.items or "[*]" in right.items:
        rest = list(made.items.values())
        made.items = {"[*]": rest[0]} | {f"[*{i}]": v for i, v in enumerate(rest[1:], 2)}
    return made


def started(entry: Expr) -> Expr | None:
    """The first content of a place that holds ``entry``: what is known of a symbol's own first content."""
    if entry.op == "sym":
        assert isinstance(entry.value, Symbol)
        return entry.value.initial
    return entry


def place_text(place: str) -> str:
    """A place as the user wrote it, near enough: index marks are taken off where they stand alone."""
    return _KEYED.sub(r"[\1]", place).replace("[{", "[").replace("}]", "]")


def _percent(template: str, text: str) -> str:
    for mark in ("%d", "%s", "%i"):
        if mark in template:
            return template.replace(mark, text, 1)
    return template + text


def _constant_comparison(operator: cst.BaseCompOp, left: object, right: object) -> bool | None:
    if isinstance(operator, cst.Is):
        return left is right if None in (left, right) or isinstance(left, bool) else None
    if isinstance(operator, cst.IsNot):
        return left is not right if None in (left, right) or isinstance(left, bool) else None
    if isinstance(operator, cst.Equal):
        return left == right
    if isinstance(operator, cst.NotEqual):
        return left != right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        table: dict[type, bool] = {
            cst.LessThan: left < right,
            cst.LessThanEqual: left <= right,
            cst.GreaterThan: left > right,
            cst.GreaterThanEqual: left >= right,
        }
        return table.get(type(operator))
    if isinstance(left, str) and isinstance(right, str) and isinstance(operator, (cst.In, cst.NotIn)):
        return (left in right) == isinstance(operator, cst.In)
    return None


def dotted(node: cst.CSTNode) -> str:
    """A call's or a target's text, short: ``self.m``, ``grad()``, ``m[]``."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    if isinstance(node, cst.Call):
        return f"{dotted(node.func)}()"
    if isinstance(node, cst.Subscript):
        return f"{dotted(node.value)}[]"
    return "expression"
