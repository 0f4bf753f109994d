"""Expressions of the source → values of the abstract machine."""

from __future__ import annotations

import ast
from functools import lru_cache

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.annotations import named_parameters
from optlint.lift.frames import Worth
from optlint.lift.objects import (
    ANY,
    UNSEEN,
    Cell,
    Const,
    Each,
    Fields,
    Func,
    Klass,
    Lib,
    Method,
    Seq,
    Super,
    Unsupported,
    Value,
    is_none,
    numeric,
    one_of,
)
from optlint.lift.operators import Operators
from optlint.lift.parts import parts_of
from optlint.lift.places import WHOLE, attribute, item
from optlint.lift.vocabulary.keras import MADE_ANEW
from optlint.lift.wordings import without_nothing
from optlint.model import Span

MAX_WORK = 60_000  # evaluation steps of one run


class Evaluator(Operators):
    """Evaluates LibCST expressions in a scope. Statements and calls of functions are later layers'."""

    def __init__(self) -> None:
        super().__init__()
        self.work = 0
        self.effort = 0  # evaluation steps of all runs, also of those that are taken back
        self.scanning = False  # a dry run, which only shows what is written
        self.worth: list[Worth] = []
        self.called: tuple[Value, list[Value]] = Const(None), []  # the last call, and what it was given

    # hooks of later layers and the vocabulary

    @property
    def is_abroad(self) -> bool:
        """The code that runs stands in another file."""
        raise NotImplementedError

    def imported(self, name: Lib) -> Value | None:
        """What an imported name means where another file of the project defines it."""
        raise NotImplementedError

    def call(self, callee: Value, args: list[Value], kwargs: dict[str, Value], span: Span | None, text: str) -> Value:
        raise NotImplementedError

    def decide(self, condition: Value, node: cst.CSTNode) -> bool | None:
        raise NotImplementedError

    def begun(self, condition: Value, node: cst.IfExp) -> Value | None:
        raise NotImplementedError

    def of_library(self, name: str, span: Span | None) -> Value:
        raise NotImplementedError

    def known_attribute(self, receiver: Value, name: str, span: Span | None) -> Value | None:
        raise NotImplementedError

    def member(self, home: Value, name: str, span: Span | None) -> Value:
        raise NotImplementedError

    def resolve_global(self, name: str) -> Value | None:
        raise NotImplementedError

    # names and literals

    def eval(self, node: cst.BaseExpression) -> Value:
        self.work += 1
        self.effort += 1
        if self.work > MAX_WORK:
            raise Unsupported("too large to follow", self.span_of(node))
        method = getattr(self, "eval_" + type(node).__name__, None)
        if method is None:
            raise Unsupported(f"{type(node).__name__} is not understood", self.span_of(node))
        result: Value = method(node)
        self.keep_worth(node, result)
        return result

    def keep_worth(self, node: cst.BaseExpression, value: Value) -> None:
        """Remember what an expression of the source, read or written, was worth in this run."""
        if not self.scanning and not self.is_abroad:
            element = one_of(value)
            expr = numeric(element or value)
            if expr is not None:
                listed = element is not None or (isinstance(value, Cell) and value.listed)
                self.worth.append(Worth(node, expr, self.span_of, listed))

    def eval_Name(self, node: cst.Name) -> Value:
        holder = self.scope.holder(node.value)
        if holder is not None:
            held = holder.vars[node.value]
            number = self.imported(held) if isinstance(held, Lib) else None
            return number if isinstance(number, Const) else held
        if node.value in ("True", "False", "None"):
            return Const({"True": True, "False": False, "None": None}[node.value], self.span_of(node))
        known = self.resolve_global(node.value)
        if known is not None:
            return known
        return self.free(node.value)

    def eval_Integer(self, node: cst.Integer) -> Value:
        return Const(_literal(node.value) if len(node.value) < 20 else float("inf"), self.span_of(node))

    def eval_Float(self, node: cst.Float) -> Value:
        return Const(float(node.value.replace("_", "")), self.span_of(node))

    def eval_Imaginary(self, node: cst.Imaginary) -> Value:
        if not node.value.rstrip("jJ").strip("0._"):  # a complex zero is one
            return Const(0.0, self.span_of(node))
        return self.opaque(node.value, [], self.span_of(node))

    def eval_SimpleString(self, node: cst.SimpleString) -> Value:
        try:
            return Const(_literal(node.value), self.span_of(node))
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

    def eval_Ellipsis(self, node: cst.Ellipsis) -> Value:
        return Const(..., self.span_of(node))

    # containers

    def eval_Tuple(self, node: cst.Tuple | cst.List) -> Value:
        return self.display(node)

    def display(self, node: cst.Tuple | cst.List, count: int | None = None) -> Value:
        """``count``: how many names ``lr, beta1, beta2 = group["lr"], *group["betas"]`` unpacks it into."""
        starred = sum(isinstance(e, cst.StarredElement) for e in node.elements)
        missing = count - len(node.elements) + 1 if count is not None and starred == 1 else None
        elements: list[Value] = []
        for element in node.elements:
            value = self.eval(element.value)
            if isinstance(element, cst.StarredElement):
                parts = parts_of(value)
                if parts is not None:
                    elements.extend(parts)
                    continue
                if missing is not None and isinstance(value, Cell):
                    elements.extend(self.child(value, f"[{i}]") for i in range(missing))
                    continue
                return Each(self.child(value, ANY))
            elements.append(value)
        return Seq(elements)

    def eval_List(self, node: cst.List) -> Value:
        made = self.eval_Tuple(node)
        if isinstance(made, Seq):
            cell = Cell(growing=True, sequence=True)
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

    def eval_StarredElement(self, node: cst.StarredElement) -> Value:
        return self.eval(node.value)

    def eval_Subscript(self, node: cst.Subscript) -> Value:
        home, key = self.eval(node.value), self.subscript(node)
        if isinstance(home, Lib) and home.name == "numpy.c_" and len(node.slice) == 1:
            index = node.slice[0].slice  # ``np.c_[x]``: x as a column
            return self.eval(index.value) if isinstance(index, cst.Index) else self.child(home, key, self.span_of(node))
        if ":" in key and len(node.slice) == 1 and key != WHOLE and isinstance(home, Cell) and one_of(home) is not None:
            return Cell(items=dict(home.items), growing=True)  # ``moved[:count]``: a list, of which one stands for all
        return self.child(home, key, self.span_of(node))

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

    # attributes

    def eval_Attribute(self, node: cst.Attribute) -> Value:
        return self.attribute(self.fields_of(self.eval(node.value)), node.attr.value, self.span_of(node))

    def attribute(self, home: Value, name: str, span: Span | None) -> Value:
        if isinstance(home, Lib):
            made = self.of_library(f"{home.name}.{name}", span)
            if isinstance(made, Lib):
                made.file, made.level = home.file, home.level
                number = self.imported(made)
                return number if isinstance(number, Const) else made
            return made
        if isinstance(home, Super):
            for base in home.klass.bases:
                found = base.find(name) if isinstance(base, Klass) else None
                if found is not None:
                    return self.bound(found, home.receiver)
            return Method(home, name, span)
        if isinstance(home, Klass):
            found = self.constants.get((home, attribute(name))) or home.find(name)
            return found if found is not None else self.opaque(f"{home.name}.{name}", [], span)
        if isinstance(home, Cell):
            held = home.items.get(attribute(name))
            if held is not None and not (name == "grad" and is_none(held)):  # None until ``loss.backward()``
                return held
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

    # operations

    def eval_BinaryOperation(self, node: cst.BinaryOperation) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        if isinstance(node.operator, cst.Multiply) and any(map(_is_zero, (node.left, node.right))):
            return self.fresh(ex.const(0, self.span_of(node)), left, right)  # ``[w * 0 for w in weights]``: zeros
        return self.binary(type(node.operator), left, right, self.span_of(node))

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
        asked = without_nothing(node)
        if asked is not None:
            return self.eval(asked)
        left = self.eval(node.left)
        results: list[Value] = []
        for target in node.comparisons:
            right = self.eval(target.comparator)
            results.append(self.compare(target.operator, left, right, self.span_of(node)))
            left = right
        if len(results) == 1:
            return results[0]
        return self.joined("and", results, self.span_of(node))

    def eval_BooleanOperation(self, node: cst.BooleanOperation) -> Value:
        name = "and" if isinstance(node.operator, cst.And) else "or"
        left = self.eval(node.left)
        if isinstance(left, Const):
            decided = bool(left.value)
            if decided == (name == "or"):
                return left
            return self.eval(node.right)
        right = self.eval(node.right)
        made = self.called[0] if isinstance(node.right, cst.Call) else None
        if name == "or" and isinstance(made, Method) and made.name in MADE_ANEW:
            return right
        return self.joined(name, [left, right], self.span_of(node))

    def eval_IfExp(self, node: cst.IfExp) -> Value:
        condition = self.eval(node.test)
        begun = self.begun(condition, node)
        if begun is not None:
            return begun
        quotient = self._guarded(condition, node)
        if quotient is not None:
            return quotient
        decided = self.decide(condition, node)
        if decided is None:
            yes, no = self.eval(node.body), self.eval(node.orelse)
            a, b = numeric(yes), numeric(no)
            if a is None or b is None:
                return no if a is None and b is not None else yes
            span = self.span_of(node)
            return self.fresh(ex.op("where", self.number(condition), a, b, origin=span), yes, no)
        return self.eval(node.body if decided else node.orelse)

    def _guarded(self, condition: Value, node: cst.IfExp) -> Value | None:
        """``m/(1 − p) if p < 1 else m`` is that quotient: the condition asks but whether its divisor is zero."""
        asked = numeric(condition)
        if asked is None or asked.op not in ex.COMPARISONS or [a.op for a in asked.args] != ["sym", "const"]:
            return None
        bound = {asked.args[0].symbol: asked.args[1].number}
        sides = [self.eval(node.body), self.eval(node.orelse)]
        for value, (whole, plain) in zip(sides, (map(numeric, sides), map(numeric, sides[::-1])), strict=True):
            if whole is not None and whole.op == "div" and whole.args[0] == plain:
                return value if structure.number_at(whole.args[1], bound) == 0 else None
        return None

    def eval_NamedExpr(self, node: cst.NamedExpr) -> Value:
        value = self.eval(node.value)
        if isinstance(node.target, cst.Name):
            self.store.bind(self.scope.target(node.target.value), node.target.value, value, self.span_of(node))
        return value

    # functions

    def eval_Lambda(self, node: cst.Lambda) -> Value:
        func = Func("lambda", node, self.scope, unit=self.unit)
        func.defaults = self.defaults(node.params)
        return func

    def defaults(self, params: cst.Parameters) -> dict[str, Value]:
        found = {}
        for param in named_parameters(params):
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
                parts = parts_of(value)
                args.extend(parts if parts is not None else [self.child(value, ANY)])
            elif arg.star == "**":
                if isinstance(value, Cell):
                    kwargs.update({k[2:-2]: v for k, v in value.items.items() if k.startswith("['")})
                    if UNSEEN in value.items and isinstance(callee, Func) and callee.name == "__init__":
                        kwargs[UNSEEN] = value  # ``super().__init__(**kwargs)``: whatever our caller names
            elif arg.keyword is not None:
                kwargs[arg.keyword.value] = value
            else:
                args.append(value)
        made = self.call(callee, args, kwargs, self.span_of(node), dotted(node.func))
        self.called = callee, args
        return made

    def eval_Await(self, node: cst.Await) -> Value:
        return self.eval(node.expression)


@lru_cache(maxsize=4096)
def _literal(text: str) -> int | str | bytes:
    """What a number or a string of the source is; a run comes to the same few ones again and again."""
    value: int | str | bytes = ast.literal_eval(text)
    return value


def _is_zero(node: cst.BaseExpression) -> bool:
    return isinstance(node, (cst.Integer, cst.Float)) and node.value in ("0", "0.0", "0.")


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
