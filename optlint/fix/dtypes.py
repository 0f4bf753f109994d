"""Number types changed where an array or a number is made: floats for integers, a type that can hold a decay near 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import libcst as cst
import numpy as np

from optlint.fix.reading import Reading
from optlint.fix.text import edited
from optlint.lift.expression import Symbol
from optlint.lift.vocabulary.dtypes import position_of
from optlint.model import Edit, Span
from optlint.sandbox.rounding import ROUND
from optlint.source import Unit

Edits = tuple[Edit, ...]
_WRITTEN_OUT = 4  # so many integers get a point each; more get one ``dtype=float``
_WITHOUT_DOUBLES = frozenset({"jax", "mlx"})  # they make float32 of float64 unless they are told not to
_MAKERS = frozenset({"tensor", "as_tensor", "array", "asarray"})  # they choose a type themselves: the widest usual one
_CONVERT = frozenset({"astype", "to", "type", "cast", "int", "long"})  # what is cut off there may be meant to be


class Dtypes:
    """What can be done where the code gives something its number type."""

    def __init__(self, reading: Reading, imports: Iterable[str]) -> None:
        self.reading = reading
        self.libraries = {name.partition(".")[0] for name in imports}

    def of_floats(self, made: Iterable[Span | None]) -> Iterator[Edits]:
        """Each of these arrays of integers made of floats."""
        edits: list[Edit] = []
        for place in dict.fromkeys(made):
            call = self._call_at(place)
            found = self._whole(call, self._as_floats(call)) if call is not None else None
            if found is None:
                return
            edits.append(found)
        if edits:
            yield tuple(edits)

    def wider(self, decay: Symbol) -> Iterator[Edits]:
        """A decay that its type rounds to 1: in the next type that holds it."""
        call, number = self._call_at(decay.typed_at), decay.default
        wide = next((t for t in ("float32", "float64") if number and self._holds(t, number)), "")
        if call is None or not wide:
            return
        value = self._type_of(call)
        ways: list[Edits | None] = []
        if value is not None:
            ways = [self._named(value, lambda _: wide), self._without(call, value) if wide == "float32" else None]
        elif len(call.args) == 1 and isinstance(call.func, cst.Attribute):  # ``np.float16(0.9999)``
            ways = [self._named(call.func, lambda _: wide)]
        elif len(call.args) == 1:  # the other type's name may not be at hand
            place, inner = self.reading.span(call), self.reading.text_of(call.args[0].value)
            ways = [(Edit(place, inner),)] if place is not None else []
        whole = (self._whole(call, way) for way in ways if way is not None)
        yield from ((edit,) for edit in whole if edit is not None)

    def _holds(self, dtype: str, number: float) -> bool:
        there = dtype != "float64" or not self.libraries & _WITHOUT_DOUBLES
        rounded = ROUND[dtype](number) if dtype in ROUND else np.asarray(number)
        return there and not np.any(rounded == 1)

    def _whole(self, call: cst.Call, edits: Edits | None) -> Edit | None:
        """The call with those edits made."""
        place = self.reading.span(call)
        if place is None or not edits:
            return None
        inside = [Edit(_within(place, e.span), e.text) for e in edits]
        return Edit(place, edited(Unit(place.cell, self.reading.text(place)), inside).text)

    def _call_at(self, place: Span | None) -> cst.Call | None:
        if place is None:
            return None
        self.reading.take_in(place)
        for node in self.reading.nodes(None):
            if isinstance(node, cst.Call) and self.reading.span(node) == place:
                return node
        return None

    def _type_of(self, call: cst.Call) -> cst.BaseExpression | None:
        """The argument that names the type of what a call makes."""
        named = next((a.value for a in call.args if a.keyword is not None and a.keyword.value == "dtype"), None)
        if named is not None:
            return named
        called = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
        position = position_of(called.value) if isinstance(called, cst.Name) else None
        plain = [a for a in call.args if a.keyword is None and not a.star]
        return plain[position].value if position is not None and position < len(plain) else None

    def _as_floats(self, call: cst.Call) -> Edits | None:
        value = self._type_of(call)
        called = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        if called in _CONVERT:
            return None
        if value is not None:
            return self._named(value, lambda name: "float" if name == "int" else "float64") or self._any_floats(value)
        literal = call.args[0].value if call.args else None
        points = list(self._points(literal)) if isinstance(literal, (cst.List, cst.Tuple)) else []
        if points and None not in points and len(points) <= _WRITTEN_OUT:
            return tuple(p for p in points if p is not None)
        last = self.reading.span(call.args[-1].value) if call.args else None
        if last is None:
            return None
        last = self.reading.with_brackets(call.args[-1].value) or last
        return (Edit(Span(last.end_line, last.end_column, last.end_line, last.end_column, last.cell), ", dtype=float"),)

    def _any_floats(self, value: cst.BaseExpression) -> Edits | None:
        """``float`` for a name that stands for a type."""
        span = self.reading.span(value)
        return (Edit(span, "float"),) if span is not None else None

    def _points(self, literal: cst.BaseExpression) -> Iterator[Edit | None]:
        """A point for each number of a literal; None for what is no plain number."""
        if isinstance(literal, (cst.List, cst.Tuple)):
            for element in literal.elements:
                yield from self._points(element.value)
            return
        inner = literal.expression if isinstance(literal, cst.UnaryOperation) else literal
        span = self.reading.span(inner) if isinstance(inner, cst.Integer) else None
        if span is None or not self.reading.text(span).isdigit():
            yield None
            return
        yield Edit(Span(span.end_line, span.end_column, span.end_line, span.end_column, span.cell), ".0")

    def _named(self, value: cst.BaseExpression, chosen: Callable[[str], str]) -> Edits | None:
        """Another type's name, spelled alike: ``np.float64`` for ``np.int64``, a string for a string."""
        if isinstance(value, cst.Attribute):
            span, text = self.reading.span(value.attr), chosen(value.attr.value)
        elif isinstance(value, cst.SimpleString):
            span, text = self.reading.span(value), f"{value.quote}{chosen(value.raw_value)}{value.quote}"
        elif isinstance(value, cst.Name) and value.value == "int":
            span, text = self.reading.span(value), chosen("int")
        else:  # a name that may not be there for the other type
            return None
        return (Edit(span, text),) if span is not None else None

    def _without(self, call: cst.Call, value: cst.BaseExpression) -> Edits | None:
        """The type left out, where the call has others before it and makes float32 of a number, or wider."""
        called = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
        last = call.args[-1]
        if not isinstance(called, cst.Name) or called.value not in _MAKERS or len(call.args) < 2:
            return None
        before, end = self.reading.span(call.args[-2].value), self.reading.span(value)
        if last.value is not value or before is None or end is None:
            return None
        return (Edit(Span(before.end_line, before.end_column, end.end_line, end.end_column, end.cell), ""),)


def _within(whole: Span, part: Span) -> Span:
    """A part's place in the text of the whole."""
    first = (whole.column - 1) * (part.line == whole.line)
    last = (whole.column - 1) * (part.end_line == whole.line)
    up = whole.line - 1
    return Span(part.line - up, part.column - first, part.end_line - up, part.end_column - last, whole.cell)
