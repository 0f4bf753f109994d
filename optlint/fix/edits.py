"""Changes of an equation → edits of the source that could make them, the most likely first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import libcst as cst
import numpy as np

from optlint.fix.difference import Change
from optlint.fix.reading import Read, Reading, level_in, level_of, needed
from optlint.fix.spelling import Speller
from optlint.fix.statements import Statements
from optlint.lift import expression as ex
from optlint.model import Edit, Span

_OPPOSITE = {
    "addcmul": "addcdiv", "addcdiv": "addcmul", "mul": "div", "div": "mul", "multiply": "divide", "divide": "multiply",
    "add": "sub", "sub": "add", "subtract": "add",
}  # fmt: skip
_WORD = re.compile(rf"(_foreach_)?({'|'.join(_OPPOSITE)})(_?)")
_SUM = re.compile(r"(_foreach_)?(add|sub)_?")
_SITES = 6  # places that are tried for one change


def edits_of(change: Change, reading: Reading, speller: Speller, near: Span) -> Iterator[tuple[Edit, ...]]:
    """Edits that each could turn ``change.old`` into ``change.new``."""
    seen: set[tuple[Edit, ...]] = set()
    for site in islice(_sites(change, reading, near), _SITES):
        for edits in _at(site, change, reading, speller):
            if edits not in seen:
                seen.add(edits)
                yield edits


def _sites(change: Change, reading: Reading, near: Span) -> Iterator[Read]:
    """The places where the source computes what is to be changed."""

    turned = _is_turned(change, reading)
    around = any(reading.values.same(node, change.old) for node in ex.walk(change.new))
    # a state that is read corrected is corrected where it is read, not where it is made
    corrected = around and change.old.op == "sym" and change.old.symbol not in reading.values.settings
    within = None if corrected else change.within

    def rank(read: Read) -> tuple[object, ...]:
        inside = within is not None and within.covers(read.span)
        here = near.covers(read.span) and (inside or any(h.covers(near) or near.covers(h) for h in change.home))
        home = any(h.covers(read.span) for h in change.home)
        own = read.span == change.old.origin and not around  # what is changed inside is changed where it is computed
        new_minus = turned and _sign_before(read.node, reading) is None
        line = abs(read.span.line - near.line)
        whole = around and bool(read.expr.symbols & reading.values.left_out)  # √(v + 0) around all of it
        return (
            not whole,
            corrected and not read.simple,
            not own,
            not here,
            new_minus,
            not home,
            not inside,
            line,
            not read.simple,
            read.span,
        )

    met: set[Span] = set()
    worth = reading.values.worth(change.old)
    found = [*reading.by_worth.get(worth, ()), *reading.lists_by_worth.get(worth, ())]
    found = [r for r in found if not r.written]
    for read in sorted(found, key=rank):
        if change.new.op != "sym" and read.simple and reading.is_changed(read.node):
            continue  # `(v / c).assign(…)` would change what nobody keeps
        if read.span not in met and not isinstance(reading.parents.get(read.node), cst.Expr):
            met.add(read.span)
            yield read


def _at(site: Read, change: Change, reading: Reading, speller: Speller) -> Iterator[tuple[Edit, ...]]:
    parent = reading.parents.get(site.node)
    if _is_turned(change, reading) and not site.listed:
        yield from _negated(site, reading)
    if _is_inverse(change, reading):
        yield from _divided(site, reading)
    if reading.changes_in_place(site.node):
        yield from _chained(site, change, reading, speller)
        return
    yield from _without_factor(site, change, reading)
    number = bool(change.old.symbols & speller.arrays) and change.new.symbols <= speller.numbers
    text = speller.spell(change.new, site) if not (number and isinstance(parent, cst.Arg)) else None
    if text is not None:  # a call that takes an array may take no number
        yield from _taken_out(site, text.text, reading)
        bare = text.level >= level_in(site.node, parent)
        span = reading.with_brackets(site.node) if bare else site.span
        yield (Edit(span or site.span, text.at(needed(site.node, parent))),)
    other = opposite(site.node, reading)
    if other is not None:
        yield (other,)


def _taken_out(site: Read, text: str, reading: Reading) -> Iterator[tuple[Edit, ...]]:
    """Without the statement, where it would come to ``x = x``."""
    parent = reading.parents.get(site.node)
    if not isinstance(parent, cst.Assign) or len(parent.targets) > 1:
        return
    target = reading.span(parent.targets[0].target)
    if target is not None and reading.text(target) == text:
        out = Statements(reading).without(reading.parents[parent])
        yield from [(out,)] if out is not None else []


_CHAINED = {"add": "add_", "sub": "sub_", "mul": "mul_", "div": "div_"}


def _chained(site: Read, change: Change, reading: Reading, speller: Speller) -> Iterator[tuple[Edit, ...]]:
    """``v.sqrt().div_(c)`` as ``v.sqrt().div_(c).add_(eps)``."""
    word = _CHAINED.get(change.new.op)
    called = site.node.func if isinstance(site.node, cst.Call) else None
    if word is None or not isinstance(called, cst.Attribute) or not called.attr.value.endswith("_"):
        return
    if isinstance(called.value, cst.Call) and reading.values.same(change.new.args[0], change.old):
        operand = speller.spell(change.new.args[1], site)
        end = Span(site.span.end_line, site.span.end_column, site.span.end_line, site.span.end_column, site.span.cell)
        if operand is not None:
            yield (Edit(end, f".{word}({operand.text})"),)


def opposite(node: cst.BaseExpression, reading: Reading) -> Edit | None:
    """The same call of the opposite operation, in the same library's words: ``addcmul_`` for ``addcdiv_``."""
    called = node.func if isinstance(node, cst.Call) else None
    called = called.attr if isinstance(called, cst.Attribute) else called
    parts = _WORD.fullmatch(called.value) if isinstance(called, cst.Name) else None
    place = reading.span(called) if called is not None else None
    if place is None or parts is None:
        return None
    head, word, tail = parts.groups(default="")
    return Edit(place, f"{head}{_OPPOSITE[word]}{tail}")


def _without_factor(site: Read, change: Change, reading: Reading) -> Iterator[tuple[Edit, ...]]:
    """``a * b * x`` as ``b * x``, and ``a * b**2`` as ``a`` where b is to be 1."""
    node, known = site.node, {id(r.node): r for r in reading.reads}
    if change.new == ex.const(1):
        yield from _left_out(node, reading)
    while isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
        for side in (node.right, node.left):
            if _is_factor(known.get(id(side)), change, reading):
                yield from _left_out(side, reading)
        node = node.left


def _left_out(factor: cst.BaseExpression, reading: Reading) -> Iterator[tuple[Edit, ...]]:
    """A product without one of its two sides."""
    parent = reading.parents.get(factor)
    while isinstance(parent, cst.BinaryOperation) and isinstance(parent.operator, cst.Power) and parent.left is factor:
        factor, parent = parent, reading.parents.get(parent)
    if not isinstance(parent, cst.BinaryOperation) or not isinstance(parent.operator, cst.Multiply):
        return
    other = parent.left if parent.right is factor else parent.right
    whole, rest = reading.span(parent), reading.span(other)
    if whole is None or rest is None:
        return
    text = reading.text(rest)
    bare = level_of(text) >= level_in(parent, reading.parents.get(parent))
    span = reading.with_brackets(parent) if bare else whole
    yield (Edit(span or whole, text if bare or parent.lpar else f"({text})"),)


def _is_factor(read: Read | None, change: Change, reading: Reading) -> bool:
    """What the changed expression is divided by."""
    if read is None:
        return False
    numbers = reading.values.numbers
    return bool(np.allclose(numbers(change.new) * numbers(read.expr), numbers(change.old), rtol=1e-9))


def _is_turned(change: Change, reading: Reading) -> bool:
    signs = ((change.new, change.old), (change.old, change.new))
    return any(a.op == "neg" and reading.values.same(a.args[0], b) for a, b in signs)


def _is_inverse(change: Change, reading: Reading) -> bool:
    old, new = reading.values.numbers(change.old), reading.values.numbers(change.new)
    return bool(np.allclose(old * new, 1.0, rtol=1e-9))


def _divided(site: Read, reading: Reading) -> Iterator[tuple[Edit, ...]]:
    """``a * x`` ↔ ``a / x``."""
    parent = reading.parents.get(site.node)
    if isinstance(parent, cst.BinaryOperation) and parent.right is site.node:
        sign = {cst.Multiply: "/", cst.Divide: "*"}.get(type(parent.operator))
        span = reading.operator(parent)
        if sign is not None and span is not None:
            yield (Edit(span, sign),)


_FLIPPED: dict[type, str] = {cst.Add: "-", cst.Subtract: "+", cst.AddAssign: "-=", cst.SubtractAssign: "+="}


def _sign_before(node: cst.CSTNode, reading: Reading) -> Edit | None:
    """The operator or minus in front of a factor, the other way round."""
    parent = reading.parents.get(node)
    if isinstance(parent, cst.UnaryOperation) and isinstance(parent.operator, cst.Minus):
        whole, inner = reading.span(parent), reading.span(node)
        return Edit(whole, reading.text(inner)) if whole is not None and inner is not None else None
    while isinstance(parent, cst.BinaryOperation) and isinstance(parent.operator, (cst.Multiply, cst.Divide)):
        if parent.left is not node or parent.lpar:
            break
        node, parent = parent, reading.parents.get(parent)
    operator = getattr(parent, "operator", None)
    follows = isinstance(parent, cst.AugAssign) or (isinstance(parent, cst.BinaryOperation) and parent.right is node)
    span = reading.operator(parent) if parent is not None and follows and type(operator) in _FLIPPED else None
    return Edit(span, _FLIPPED[type(operator)]) if span is not None else None


def _negated(site: Read, reading: Reading) -> Iterator[tuple[Edit, ...]]:
    """The other sign: of the operator or the minus before the expression, of an own minus, else a new minus."""
    before = _sign_before(site.node, reading)
    if before is not None:
        yield (before,)
    if isinstance(site.node, cst.UnaryOperation) and isinstance(site.node.operator, cst.Minus):
        inner = reading.span(site.node.expression)
        if inner is not None:
            yield (Edit(site.span, reading.text(inner)),)
    elif isinstance(site.node, cst.BinaryOperation) and not site.node.lpar and site.text.startswith("-"):
        yield (Edit(site.span, site.text[1:].lstrip()),)
    else:
        arg = reading.parents.get(site.node)
        call = reading.parents.get(arg) if isinstance(arg, cst.Arg) else None
        other = opposite(call, reading) if isinstance(call, cst.Call) and call.args[-1] is arg else None
        if other is not None and _SUM.fullmatch(other.text):
            yield (other,)  # `sub(v, eps)` as `add(v, eps)`
        wanted = needed(site.node, reading.parents.get(site.node))
        level = 11 if site.simple or isinstance(site.node, (cst.Call, cst.Integer, cst.Float)) else 0
        text = f"-{site.text}" if level else f"-({site.text})"
        yield (Edit(site.span, f"({text})" if wanted > 11 else text),)
