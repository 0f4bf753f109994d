"""Tuples whose parts are places (``self.state[p] = m, v``), and properties, whose parts are functions."""

from __future__ import annotations

import libcst as cst

from optlint.lift.objects import ANY, Cell, Const, Seq, Value

SETTER = ".setter"
MAX_NUMBERS = 6  # of a tuple that is gone through one by one


def record(place: str, parts: dict[str, Value]) -> Cell:
    """A tuple that a place holds, by the keys of its parts."""
    return Cell(items=parts, place=place, growing=True, sequence=True, record=True)


def parts_of(value: Value | None) -> list[Value] | None:
    """What a tuple holds, in order, or None."""
    if isinstance(value, Seq):
        return value.elements
    return list(value.items.values()) if isinstance(value, Cell) and value.record else None


def parts_by_key(value: Value) -> dict[str, Value] | None:
    """What a tuple, or a list that is written out, holds."""
    if isinstance(value, Seq):
        return {f"[{i}]": v for i, v in enumerate(value.elements)}
    if isinstance(value, Cell) and value.sequence and value.expr is None and not value.open and not value.place:
        return dict(value.items) if value.items and ANY not in value.items else None
    return None


def takes_parts(held: Cell, parts: dict[str, Value]) -> bool:
    """Whether a place's content has been seen part by part, and these are new contents of just these parts."""
    return (held.record or held.open) and {k for k in held.items if k.startswith("[")} == parts.keys()


def accessor(node: cst.FunctionDef) -> str:
    """What tells a property's functions apart, which all have its name: ``@beta.setter``."""
    names = (d.decorator.attr.value for d in node.decorators if isinstance(d.decorator, cst.Attribute))
    return next((f".{n}" for n in names if n in ("setter", "deleter")), "")


def numbers_of(value: Value) -> list[Value] | None:
    """The elements of a tuple of numbers that a default gives: ``betas=(0.9, 0.999)``."""
    usual = value.items.get("<template>") if isinstance(value, Cell) else None
    if not isinstance(value, Cell) or not isinstance(usual, Cell) or not 0 < len(usual.items) <= MAX_NUMBERS:
        return None
    keys = [f"[{i}]" for i in range(len(usual.items))]
    if list(usual.items) != keys or not all(isinstance(v, Const) for v in usual.items.values()):
        return None
    return [value.items[k] for k in keys] if all(k in value.items for k in keys) else None
