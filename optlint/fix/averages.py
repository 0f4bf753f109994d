"""A place that gathers squares made an average of them, or a sum, by the statement that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import libcst as cst

from optlint.fix.reading import Read, Reading, level_of, parenthesized
from optlint.fix.spelling import Speller, Text
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.model import Edit, Span
from optlint.subject import Subject

Edits = tuple[Edit, ...]
_WEIGHTS = {"add_": "alpha", "addcmul_": "value"}  # what weighs the product that these calls add


def gathered(
    before: Subject, after: Subject, written: Expr | None, reading: Reading, speller: Speller
) -> Iterator[Edits]:
    """``v += x`` and ``v = x`` as ``v = β·v + (1 − β)·x``, or as a sum; ``written``: what a new state holds now."""
    held = {s.old: s.post for s in before.states}
    for state in after.states:
        now = held.get(state.old, written)
        own = structure.slope(state.post, state.old)
        if now is None or now == state.post or own is None:
            continue
        for read in reading.by_worth.get(reading.values.worth(now), ()):
            decay = None if own == ex.const(1) else speller.spell(structure.tidy(own), read)
            if read.written and read.simple:
                yield from _statement(read, decay, own, reading)
        yield from _call(state, own, reading, speller)


def _statement(read: Read, decay: Text | None, own: Expr, reading: Reading) -> Iterator[Edits]:
    statement = reading.statement(read.node)
    single = isinstance(statement, cst.Assign) and len(statement.targets) == 1
    adds = isinstance(statement, cst.AugAssign) and isinstance(statement.operator, cst.AddAssign)
    if not isinstance(statement, (cst.Assign, cst.AugAssign)) or not (single or adds):
        return
    added, whole = reading.span(statement.value), reading.span(statement)
    if added is None or whole is None:
        return
    text, place = reading.text(added), read.text
    if own == ex.const(1):
        yield (Edit(whole, f"{place} += {text}"),)
    elif decay is not None:
        weighed = parenthesized(text, level_of(text), 11)
        yield (Edit(whole, f"{place} = {decay.at(10)} * {place} + (1 - {decay.at(10)}) * {weighed}"),)


def _call(state: State, own: Expr, reading: Reading, speller: Speller) -> Iterator[Edits]:
    """``v.addcmul_(g, g)`` as ``v.mul_(β).addcmul_(g, g, value=1 - β)``."""
    for read in reading.reads:
        node = read.node
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            continue
        weight, whole = _WEIGHTS.get(node.func.attr.value), reading.span(node)
        receiver, last = reading.span(node.func.value), reading.span(node.args[-1]) if node.args else None
        if weight is None or receiver is None or last is None or whole is None or own == ex.const(1):
            continue
        if not any(s.covers(whole) or whole.covers(s) for s in state.spans) or any(a.keyword for a in node.args):
            continue
        decay = speller.spell(structure.tidy(own), read)
        if decay is not None:
            yield (
                Edit(_behind(receiver), f".mul_({decay.text})"),
                Edit(_behind(last), f", {weight}=1 - {decay.at(10)}"),
            )


def weighed(before: Subject, after: Subject, reading: Reading, speller: Speller) -> Iterator[Edits]:
    """``addcmul_(g, g)`` as ``addcmul_(g, g, value=1 - β)``: what the fused call adds has no place of its own."""
    for one, other in zip(before.states, after.states, strict=True):
        own = structure.retention(other.post, other.old)
        if own is None or one.post == other.post:
            continue
        for read in (*reading.reads, *reading.lists):
            node, whole = read.node, read.span
            called = node.func if isinstance(node, cst.Call) else None
            name = called.attr.value if isinstance(called, cst.Attribute) else ""
            last = reading.span(node.args[-1]) if isinstance(node, cst.Call) and node.args else None
            if last is None or "addcmul" not in name or any(a.keyword for a in getattr(node, "args", ())):
                continue
            weight = speller.spell(ex.op("sub", ex.const(1), structure.tidy(own)), replace(read, listed=False))
            if weight is not None and any(s.covers(whole) or whole.covers(s) for s in one.spans):
                yield (Edit(_behind(last), f", value={weight.text}"),)


def decayed_in_place(before: Subject, after: Subject, reading: Reading, speller: Speller) -> Iterator[Edits]:
    """``v.add_(g, alpha=μ)`` as ``v.mul_(μ).add_(g)``, or with another weight: what v held fades."""
    for one, other in zip(before.states, after.states, strict=True):
        own = structure.slope(other.post, other.old)
        if one.post == other.post or own is None or own == ex.const(1):
            continue
        taken, rest = structure.rest(other.post, other.old), ex.op("sub", ex.const(1), own)
        for read in reading.by_worth.get(reading.values.worth(one.post), ()):
            place, added = _adds(read.node, reading)
            decay = speller.spell(structure.tidy(own), read)
            if added is None or decay is None:
                continue
            weight = None if reading.values.same(taken, added.expr) else speller.spell(structure.tidy(rest), read)
            if weight is None or reading.values.same(taken, ex.op("mul", rest, added.expr)):
                more = f", alpha={weight.text}" if weight is not None else ""
                yield (Edit(read.span, f"{place}.mul_({decay.text}).add_({added.text}{more})"),)


def _adds(call: cst.CSTNode, reading: Reading) -> tuple[str, Read | None]:
    """The place that a statement ``v.add_(g, …)`` adds to, and what it adds."""
    called = call.func if isinstance(call, cst.Call) else None
    if not isinstance(call, cst.Call) or not isinstance(called, cst.Attribute) or called.attr.value != "add_":
        return "", None
    if not isinstance(reading.parents.get(call), cst.Expr) or isinstance(called.value, cst.Call) or not call.args:
        return "", None
    added = next((r for r in reading.reads if r.node is call.args[0].value and call.args[0].keyword is None), None)
    return reading.text_of(called.value), added


def _behind(span: Span) -> Span:
    return Span(span.end_line, span.end_column, span.end_line, span.end_column, span.cell)
