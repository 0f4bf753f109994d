"""Branches: which path a run takes, and which state a branch creates.

Conditions that stay open are decided by ``Choices``, one path a run.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import libcst as cst
from libcst import matchers

from optlint.lift.bodies import goes_away, last_return, only_leaves, stops
from optlint.lift.conditions import (
    asked_flag,
    asks_for_key,
    asks_for_zero,
    creates_state,
    flag_of,
    follows_time,
    is_gate,
    is_option,
)
from optlint.lift.creation import Creation
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Leave
from optlint.lift.joins import first_step
from optlint.lift.objects import Target, Unsupported, content, numeric
from optlint.lift.operators import multiples


class Conditionals(Creation):
    """Decides what a branch means: a path to take, a value that depends, or state that comes into being."""

    # branches

    def exec_If(self, node: cst.If) -> None:
        behind, self.behind = self.behind, ()
        condition = self.eval(node.test)
        no = node.orelse
        if self.aims and (aimed := _one_that_names(self.aims, node)) is not None:
            self.take(aimed)
            return
        known = self.decide(condition, node) if not self.is_open(condition) else None
        if known is not None:
            if not (known and no is None and _asks_for_types(node)):
                self.take(node.body if known else no)
            return
        if self.scanning:
            self.quietly(node.body)
            self.quietly(no)
            return
        expr = self.number(condition)
        if self._at_flag(expr, node.body, no):
            return
        creating = creates_state(expr)
        if creating is not None:
            branch, other = (node.body, no) if creating.when else (no, node.body)
            told = creating.tested == "*" and expr.op == "eq" and expr.args[0].op == "sym"
            count = expr.args[0].symbol if told else None
            none_there = asks_for_key(expr) and self.choices.told(expr) == creating.when
            alone = branch is not None and other is None and all(map(_only_returns, behind))
            if alone and self._created_apart(branch, creating.tested, count):
                return
            if branch is not None and self.create(branch, other, creating.tested, count, none_there):
                return
        if no is None and (
            self._ends_a_search(node.body) or (only_leaves(node.body) and not self._hands_back(node.body))
        ):
            if goes_away(node.body):
                self.skipped.append(expr)
                self.choices.pass_by(expr)
            return
        going_on = _goes_on(node)
        if going_on is not None and self.loops:
            self.take(going_on)
            return
        if expr.op == "and" and not all(
            self.choices.take(p, self.span_of(node.test)) for p in expr.args if is_option(p)
        ):
            self.take(no)  # ``if self.normalize and x.sum() > 1:``: the user has no wish for it
            return
        if (follows_time(expr) or asks_for_zero(expr)) and not (no is None and is_gate(expr)):
            if no is None and None not in (last_return(node.body), last_return(behind)):
                self.join_returns(expr, node.body, behind)
            elif self.join(expr, node.body, no):
                return
        if no is None and _stands_in(node, expr):
            return
        taken = self.choices.take(expr, self.span_of(node.test), self.is_abroad)
        if taken:
            self.strides |= multiples(expr)
        self.take(node.body if taken else no)

    def _ends_a_search(self, body: cst.BaseSuite) -> bool:
        """``if norm <= tolerance: return Result(x, …)`` in a loop of the function itself: until then it goes on."""
        simple = all(isinstance(s, cst.SimpleStatementLine) for s in body.body)
        return simple and bool(self.loops) and len(self.stack) == 1 and isinstance(last_return(body), cst.Call)

    def _at_flag(self, condition: Expr, body: cst.BaseSuite, no: cst.If | cst.Else | None) -> bool:
        """``if self.fresh: …; self.fresh = False``: the branch that turns its own flag is the first step's alone."""
        flag = flag_of(condition) or asked_flag(condition)
        if flag is None:
            return False
        branch, other = (body, no) if flag[1] else (no, body)
        if branch is None or not self._turns(branch, *flag):
            return False
        return self.create(branch, None, "*") if other is None else self.join(first_step(), branch, other)

    def _turns(self, branch: cst.BaseSuite | cst.If | cst.Else, flag: Symbol, first: bool) -> bool:
        """Whether a branch leaves the flag, which began as ``first``, as the opposite."""
        mark = self.reached()
        places: list[Target] = [(s.home, s.key) for s in self.store.slots if s.symbol is flag]
        with self.store.watching(dry=True) as log, suppress(Unsupported):
            self.quietly(branch)
        ends = [numeric(content(t)) for t in places if t in log]
        self.take_back(mark, forget_places=False)
        return bool(ends) and all(e is not None and e.op == "const" and bool(e.value) != first for e in ends)

    def _hands_back(self, body: cst.BaseSuite) -> bool:
        """A helper hands back one thing here and another at its end: ``if schedule is None: return beta``."""
        helper = self.stack[-1] if len(self.stack) > 1 else None
        if not isinstance(helper, cst.FunctionDef):
            return False
        here, at_end = last_return(body), last_return(helper.body)
        return here is not None and at_end is not None and not here.deep_equals(at_end)

    def take(self, branch: cst.BaseSuite | cst.If | cst.Else | None) -> None:
        if isinstance(branch, cst.Else):
            self.run(branch.body)
        elif isinstance(branch, cst.If):
            self.exec_If(branch)
        elif branch is not None:
            self.run(branch)

    def exec_Try(self, node: cst.Try) -> None:
        """The body is what normally happens; a handler that makes up for a missing place gives its first value."""
        for handler in node.handlers:
            if not self.scanning:
                self.learn(handler.body)
        self._attempt(node.body)
        if node.orelse is not None:
            self.run(node.orelse.body)
        if node.finalbody is not None:
            self.run(node.finalbody.body)

    exec_TryStar = exec_Try

    def _attempt(self, body: cst.BaseSuite) -> None:
        try:
            self.run(body)
        except Leave as leave:
            if leave.how != "raise":
                raise


def _goes_on(node: cst.If) -> cst.BaseSuite | cst.Else | cst.If | None:
    """The way that the loop goes on, of two of which one but stops it: ``if done: break``, ``else: t += 1``."""
    if node.orelse is None:
        return None
    other = node.orelse.body if isinstance(node.orelse, cst.Else) else None
    if stops(node.body):
        return node.orelse
    return node.body if other is not None and stops(other) else None


_ASKS = matchers.Call(func=matchers.Name("isinstance"))


def _asks_for_types(node: cst.If) -> bool:
    """``if not isinstance(p, Tensor): raise TypeError``: whoever calls this hands in what it wants."""
    last = node.body.body[-1] if only_leaves(node.body) else None
    raises = isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Raise)
    return raises and bool(matchers.findall(node.test, _ASKS))


def _only_returns(statement: cst.CSTNode) -> bool:
    small = statement.body if isinstance(statement, cst.SimpleStatementLine) else [None]
    return all(isinstance(s, (cst.Return, cst.Pass)) for s in small)


@lru_cache(maxsize=512)
def _one_that_names(names: frozenset[str], node: cst.If) -> cst.BaseSuite | cst.If | cst.Else | None:
    """The branch that alone mentions one of the names: ``func = _multi_tensor`` or ``func = _single_tensor``."""
    no = node.orelse
    if no is None:
        return None
    mention = matchers.OneOf(*(matchers.Name(name) for name in sorted(names)))
    here, there = (any(matchers.findall(side, mention)) for side in (node.body, no))
    return None if here == there else node.body if here else no


def _stands_in(node: cst.If, condition: Expr) -> bool:
    """``if t == 0: t = 1``: a number in place of one that no step has. It is no other way to make the step."""
    name = matchers.SaveMatchedNode(matchers.Name(), "name")
    number = matchers.Integer() | matchers.Float()
    set_to = matchers.Assign(targets=[matchers.AssignTarget(target=name)], value=number)
    found = matchers.extract(node.body, matchers.IndentedBlock(body=[matchers.SimpleStatementLine(body=[set_to])]))
    tested = found is not None and matchers.matches(
        node.test, matchers.Comparison(left=matchers.Name(value=cst.ensure_type(found["name"], cst.Name).value))
    )
    return tested and condition.op in ("eq", "lt", "le") and [a.op for a in condition.args] == ["sym", "const"]
