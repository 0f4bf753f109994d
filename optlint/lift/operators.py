"""What Python's operators make of numbers, texts, lists and open conditions."""

from __future__ import annotations

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.memory import Memory
from optlint.lift.objects import ANY, Cell, Const, Each, Func, Klass, Lib, Seq, Value, is_scalar, numeric
from optlint.lift.places import place_of
from optlint.model import Span

_BINARY: dict[type, str] = {
    cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "div", cst.Power: "pow",
    cst.AddAssign: "add", cst.SubtractAssign: "sub", cst.MultiplyAssign: "mul", cst.DivideAssign: "div",
    cst.PowerAssign: "pow", cst.Modulo: "mod",
}  # fmt: skip
_COMPARE = {
    cst.LessThan: "lt", cst.LessThanEqual: "le", cst.GreaterThan: "gt", cst.GreaterThanEqual: "ge",
    cst.Equal: "eq", cst.NotEqual: "ne",
}  # fmt: skip


def _label(operator: type) -> str:
    return operator.__name__.lower().removesuffix("assign")


MAX_COORDINATES = 8

# what gives yes or no, element by element, and how such answers are joined
_ANSWERS = ex.COMPARISONS | {"and", "or", "not"}
_OF_ANSWERS = {cst.BitAnd: "and", cst.BitOr: "or"}

# what the algebra does not compute (``a @ b``), by the names of its values: it gives a result, and keeps nothing
OPERATORS = frozenset(
    _label(o) for o in (cst.MatrixMultiply, cst.Modulo, cst.FloorDivide, cst.BitAnd, cst.BitOr, cst.BitXor)
)


class Operators(Memory):
    """Operators on values, whatever the expressions were that gave them."""

    def binary(self, operator: type, left: Value, right: Value, span: Span | None) -> Value:
        name = _BINARY.get(operator)
        texts = [v.value for v in (left, right) if isinstance(v, Const) and isinstance(v.value, str)]
        if texts and name in ("add", "mod"):
            if name == "mod" and isinstance(left, Const):
                return Const(_percent(str(left.value), self.text(right)), span)
            return Const(self.text(left) + self.text(right), span)
        if name == "add" and isinstance(left, Seq) and isinstance(right, Seq):
            return Seq(left.elements + right.elements)
        if name == "add" and (first := _as_list(left)) is not None and (second := _as_list(right)) is not None:
            return _concatenated(first, second)
        vector = coordinates(left) if name in ("add", "sub") else {}
        if vector and isinstance(left, Cell) and isinstance(right, Cell) and right.expr is not None:
            return self._moved(name or "add", left, vector, right, span)
        if isinstance(left, Cell) and left.growing and name in ("mul", "add") and left.expr is None:
            return self._repeated(left)
        if isinstance(right, Cell) and right.growing and right.expr is None and name == "mul":
            return self._repeated(right)
        if name == "div" or operator in (cst.FloorDivide, cst.FloorDivideAssign):
            passes, stride = numeric(left), numeric(right)
            if passes is not None and stride is not None and self.strides.get(passes) == stride:
                return Cell(passes, scalar=True)  # ``i // batch``, where i goes on by the batch: the number of the step
        if operator in _OF_ANSWERS and all((e := numeric(v)) is not None and e.op in _ANSWERS for v in (left, right)):
            return self.joined(_OF_ANSWERS[operator], [left, right], span)  # ``(norm > 0) & (size > 0)``
        if name is None or name == "mod":
            label = _label(operator)
            return self.opaque(label, [left, right], span)
        return self.fresh(ex.op(name, self.number(left), self.number(right), origin=span), left, right)

    def _moved(self, name: str, left: Cell, vector: dict[str, Expr], right: Cell, span: Span | None) -> Cell:
        """``np.array([x, y]) - step``: each of these places moves by a coordinate of the step, which stands for all."""
        step = self.number(right)
        made = self.fresh(ex.op(name, self.number(left), step, origin=span), left, right)
        made.items = {k: self.fresh(ex.op(name, e, step, origin=span), right) for k, e in vector.items()}
        return made

    def _repeated(self, cell: Cell) -> Cell:
        """``[0] * n``: many elements, one representative."""
        made = Cell(growing=True)
        if len(cell.items) >= 1:
            made.items[ANY] = next(iter(cell.items.values()))
        return made

    def compare(self, operator: cst.BaseCompOp, left: Value, right: Value, span: Span | None) -> Value:
        name = _COMPARE.get(type(operator))
        if isinstance(left, Const) and isinstance(right, Const):
            known = _constant_comparison(operator, left.value, right.value)
            if known is not None:
                return Const(known, span)
        if isinstance(operator, (cst.Is, cst.IsNot)) or name in ("eq", "ne"):
            negative = isinstance(operator, cst.IsNot) or name == "ne"
            if isinstance(right, Const) and right.value is None:
                if isinstance(left, Cell) and left.present is not None:
                    there = left.present if negative else ex.op("not", left.present)
                    return Cell(there.at(span), scalar=True)
                if isinstance(left, (Seq, Each, Func, Lib, Klass)) or (isinstance(left, Cell) and not left.open):
                    return Const(negative, span)
                return Cell(ex.opaque("is not None" if negative else "is None", [self.number(left)], span), scalar=True)
            if isinstance(left, Const) and isinstance(left.value, str):  # ``"adam" == name``
                left, right = right, left
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
        names = _names(right) if isinstance(operator, (cst.In, cst.NotIn)) and numeric(left) is not None else []
        if names:
            found = self.joined("or", [self.compare(cst.Equal(), left, name, span) for name in names], span)
            return (
                found
                if isinstance(operator, cst.In)
                else Cell(ex.op("not", self.number(found), origin=span), scalar=True)
            )
        if isinstance(right, Each) and right.keys_of is not None:  # ``k in d.keys()``
            right = right.keys_of
        if isinstance(operator, (cst.In, cst.NotIn)) and is_scalar(left) and _is_list_of_containers(right):
            return Const(isinstance(operator, cst.NotIn), span)  # ``i in [{}, {}]``: no number is one of them
        place = f"{self.text(left)} {label} {place_of(right) or _listed(right)}"
        return Cell(ex.opaque(place, [], span), scalar=True)

    def joined(self, name: str, values: list[Value], span: Span | None) -> Value:
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
        if len(open_values) > 2:
            open_values = [open_values[0], self.joined(name, open_values[1:], span)]
        if name == "or":  # ``given or default``
            return Cell(
                ex.op("or", *(self.number(v) for v in open_values[:2]), origin=span),
                scalar=all(map(is_scalar, open_values)),
                open=True,
                place=place_of(open_values[0]) or "",
            )
        return Cell(ex.op(name, *(self.number(v) for v in open_values[:2]), origin=span), scalar=True)


def _is_list_of_containers(value: Value) -> bool:
    known = value.items.values() if isinstance(value, Cell) and value.sequence else []
    return bool(known) and all(map(_is_container, known))


def _is_container(value: Value) -> bool:
    """A list or dictionary, or a place that held one at first."""
    first = value.items.get("<template>", value) if isinstance(value, Cell) else value
    return isinstance(first, Cell) and first.growing and first.expr is None


def _as_list(value: Value) -> Cell | None:
    """A list, or as one what a tuple, a generator or ``zip`` holds."""
    if isinstance(value, Seq):
        return Cell(growing=True, items={f"[{n}]": v for n, v in enumerate(value.elements)})
    if isinstance(value, Each):
        return Cell(growing=True, items={ANY: value.element})
    return value if isinstance(value, Cell) and value.growing and value.expr is None else None


def _concatenated(left: Cell, right: Cell) -> Cell:
    """Both lists' elements; a representative of one stands for all: ``[0] + [… for …]``."""
    made = Cell(growing=True)
    for value in (*left.items.values(), *right.items.values()):
        made.items[f"[{len(made.items)}]"] = value
    if ANY in left.items or ANY in right.items:
        first = left.items[ANY] if ANY in left.items else right.items[ANY]
        rest = [v for v in made.items.values() if v is not first]
        made.items = {ANY: first} | {f"[*{i}]": v for i, v in enumerate(rest, 2)}
    return made


def coordinates(value: Value) -> dict[str, Expr]:
    """The places that a list, or an array of it, puts together: ``[x, y]``."""
    items = value.items if isinstance(value, Cell) and not value.open and not value.record else {}
    parts = {k: expr for k, v in items.items() if (expr := numeric(v)) is not None}
    if not 1 < len(items) == len(parts) <= MAX_COORDINATES or list(parts) != [f"[{i}]" for i in range(len(parts))]:
        return {}
    moved = [structure.terms(e)[0] for e in parts.values()]
    return parts if all(sign > 0 and _is_variable(term) for sign, term in moved) else {}


def _is_variable(expr: Expr) -> bool:
    return expr.op == "sym" and expr.symbol.kind == "place" and not expr.symbol.array


def _names(value: Value) -> list[Value]:
    """The few strings that a literal list holds: ``name in ["adam", "nadam"]``."""
    known = written_out(value)
    return known if len(known) <= 4 and all(isinstance(e, Const) and isinstance(e.value, str) for e in known) else []


def written_out(value: Value) -> list[Value]:
    """The elements of a tuple or list that stands there."""
    if isinstance(value, Seq):
        return value.elements
    if isinstance(value, Cell) and value.growing and list(value.items) == [f"[{i}]" for i in range(len(value.items))]:
        return list(value.items.values())
    return []


def _listed(value: Value) -> str:
    """("m", "c") as it stands there: what is asked of one list says nothing of another."""
    known = written_out(value)
    if known and all(isinstance(e, Const) for e in known):
        return "(" + ", ".join(repr(e.value) for e in known if isinstance(e, Const)) + ")"
    return "?"


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


def multiples(condition: Expr) -> dict[Expr, Expr]:
    """``if i % batch == 0``: there, i goes on by the batch."""
    if condition.op == "and":
        return {key: by for part in condition.args for key, by in multiples(part).items()}
    rest = condition.args[0] if condition.op == "eq" and condition.args[1] == ex.const(0) else None
    return {rest.args[0]: rest.args[1]} if rest is not None and rest.value == "modulo" and len(rest.args) == 2 else {}
