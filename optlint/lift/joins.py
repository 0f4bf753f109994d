"""Both ways of a condition in one run: what the step's number decides is one conditional value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import FIRST, Expr, Symbol
from optlint.lift.frames import Leave
from optlint.lift.objects import Cell, Scope, Seq, Target, Value, content, is_none, numeric
from optlint.lift.places import place_text
from optlint.lift.statements import Statements


class Joins(Statements):
    """Runs both branches, and writes what each leaves."""

    def take(self, branch: cst.BaseSuite | cst.If | cst.Else | None) -> None:
        """Run a branch (a hook of the conditionals)."""
        raise NotImplementedError

    def join(
        self,
        condition: Expr,
        body: cst.BaseSuite | cst.If | cst.Else,
        no: cst.BaseSuite | cst.If | cst.Else | None,
    ) -> bool:
        """Run both branches of a condition that the step's number decides: each place gets a conditional value."""
        mark, stored, sinks = self.store.mark(), len(self.stored), len(self.sinks)
        ends: list[dict[Target, Value | None]] = []
        for branch in (body, no):
            with self.store.watching() as log:
                try:
                    self.take(branch)
                except Leave:  # the rest of the body would belong to one branch alone
                    self.store.rollback(mark)
                    del self.stored[stored:], self.sinks[sinks:]
                    return False
            ends.append({target: copied(content(target)) for target in log})
            self.store.rollback(mark, forget_places=False)
        self._write_both(condition, *ends)
        return True

    def join_returns(self, condition: Expr, body: cst.BaseSuite, behind: Sequence[cst.CSTNode]) -> None:
        """``if ρ <= 4: return a`` with ``return b`` at the end hands back either, as the step's number decides.

        Where the two are not of one kind nothing is done: one run follows one way.
        """
        mark, stored, sinks = self.store.mark(), len(self.stored), len(self.sinks)
        ends: list[dict[Target, Value | None]] = []
        returned: list[Value | None] = []
        for statements in (body, behind):
            with self.store.watching() as log:
                try:
                    self.run(statements)
                    returned.append(None)
                except Leave as leave:
                    returned.append(_kept_apart(leave.value) if leave.how == "return" else None)
            ends.append({target: copied(content(target)) for target in log})
            self.store.rollback(mark, forget_places=False)
        both = self._either_value(condition, *returned)
        if both is None:
            self.store.rollback(mark)
            del self.stored[stored:], self.sinks[sinks:]
            return
        self._write_both(condition, *ends)
        raise Leave("return", both)

    def _either_list(self, condition: Expr, yes: Value | None, no: Value | None) -> Cell | None:
        """One list for two that both branches have filled, element by element."""
        if not (isinstance(yes, Cell) and isinstance(no, Cell) and yes is not no and yes.growing and no.growing):
            return None
        parts = {k: self._either_value(condition, yes.items[k], no.items[k]) for k in yes.items if k in no.items}
        items = {k: v for k, v in parts.items() if v is not None}
        if not items or not len(items) == len(yes.items) == len(no.items):
            return None
        return Cell(items=items, growing=True, sequence=yes.sequence)

    def _either_value(self, condition: Expr, yes: Value | None, no: Value | None) -> Value | None:
        """One value for two: a conditional number, or a tuple of such."""
        if isinstance(yes, Seq) and isinstance(no, Seq) and len(yes.elements) == len(no.elements):
            pairs = zip(yes.elements, no.elements, strict=True)
            parts = [self._either_value(condition, a, b) for a, b in pairs]
            return replace(yes, elements=[p for p in parts if p is not None]) if None not in parts else None
        a, b = numeric(yes), numeric(no)
        if a is None or b is None or yes is None or no is None:
            return None
        return yes if a == b else self.fresh(either(condition, a, b), yes, no)

    def _write_both(
        self, condition: Expr, first: dict[Target, Value | None], second: dict[Target, Value | None]
    ) -> None:
        for target in [*first, *(t for t in second if t not in first)]:
            now = content(target)
            yes, other = (end.get(target, now) for end in (first, second))
            a, b = numeric(yes), numeric(other)
            if a is not None and b is not None:
                self._write(target, a if a == b else either(condition, a, b, self.place_text(target)), yes, other)
            elif isinstance(yes, Cell) and a is not None and is_none(other):
                self._rebind(target, _where(condition, yes))
            elif isinstance(other, Cell) and b is not None and is_none(yes):
                self._rebind(target, _where(ex.op("not", condition), other))
            elif (kept := self._either_list(condition, yes, other) or (yes if yes is not None else other)) is not None:
                self._rebind(target, kept)

    def _write(self, target: Target, expr: Expr, *parts: Value | None) -> None:
        home, key = target
        if key == "" and isinstance(home, Cell):
            self.store.fill(home, expr, expr.origin)
        else:
            self._rebind(target, self.fresh(expr, *(p for p in parts if p is not None)))

    def _rebind(self, target: Target, value: Value) -> None:
        home, key = target
        if isinstance(home, Scope):
            self.store.bind(home, key, value)
        elif isinstance(home, Cell) and key:
            self.store.put(home, key, value)

    def place_text(self, target: Target) -> str:
        home, key = target
        return key if isinstance(home, Scope) else f"{home.place if isinstance(home, Cell) else ''}{key}"


def _where(condition: Expr, value: Cell) -> Cell:
    """What the code has under a condition, and None otherwise (``r_t = None``)."""
    made = copied(value)
    made.present = condition
    return made


def _kept_apart(value: Value | None) -> Value | None:
    """A value as it is now, whatever becomes of the places that hold it."""
    if isinstance(value, Seq):
        return replace(value, elements=[copied(v) or v for v in value.elements])
    return copied(value)


def either(condition: Expr, yes: Expr, no: Expr, place: str = "") -> Expr:
    """``yes`` or ``no``; what both keep of the place's own old content stands outside: w + where(c, a, b).

    Without a place: of any one place. A choice by the same condition inside is made already.
    """
    yes, no = _decided(yes, condition, 1), _decided(no, condition, 2)
    if is_first_step(condition) and begins_alike(yes, no, place_text(place)):
        return no
    for sign, term in structure.terms(yes):
        own = term.op == "sym" and sign == 1 and (not place or term.symbol.name == place_text(place))
        if own and (1, term) in structure.terms(no):
            parts = [[t for t in structure.terms(side) if t != (1, term)] for side in (yes, no)]
            return ex.op("add", term, ex.op("where", condition, *map(structure.total, parts)))
    return ex.op("where", condition, yes, no)


def first_step(told_by: Symbol | None = None) -> Expr:
    """True at the first step alone. told_by: the count whose first number the code takes for that."""
    count = Symbol(FIRST, kind="index", iterates="count", start=ex.const(1), begun_by=told_by)
    return ex.op("eq", ex.sym(count), ex.const(1))


def is_first_step(condition: Expr) -> bool:
    """It is told by a flag, which nothing sets back (as it may a count of epochs)."""
    count = condition.args[0].symbol if condition.op == "eq" and condition.args[0].op == "sym" else None
    return count is not None and count.name == FIRST and count.begun_by is None


def begins_alike(first: Expr, later: Expr, place: str) -> bool:
    """What the first step leaves is what every step leaves of states that are 0 before it.

    Those are the place's own, and others that the code shows to begin so.
    """
    places = {s for s in later.visible - first.visible if s.kind == "place" and s.default is None}
    kept = {s for s in places if s.initial == ex.const(0) or (s.initial is None and place and s.name == place)}
    if not kept:
        return False
    empty = ex.substitute(later, {ex.sym(s): ex.const(0) for s in kept})
    return structure.tidy(empty) == structure.tidy(first)


def _decided(root: Expr, condition: Expr, side: int) -> Expr:
    chosen = (n for n in ex.walk(root) if n.op == "where" and n.args[0] == condition)
    return ex.substitute(root, {n: n.args[side] for n in chosen})


@overload
def copied(value: Cell) -> Cell: ...


@overload
def copied(value: Value | None) -> Value | None: ...


def copied(value: Value | None) -> Value | None:
    if isinstance(value, Cell):
        return replace(value, items=dict(value.items), exact=False)
    return value
