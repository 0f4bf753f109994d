"""A correct update's source beside the recurrence that is lifted from it.

Every node of a recurrence remembers its place in the source. An injector asks for the nodes that play a part in the
equations (the root of the second moment, the factor 1 − β …), gets the LibCST nodes that spell them, and edits there.
What a name stands for at its place is taken from the abstract interpreter as it reads the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import libcst as cst
import numpy as np

from benchmarks.mutants.source import Code, place
from optlint.diagnose.views import views
from optlint.identify import Match, best, matches
from optlint.lift import Recurrence, State, structure
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge, evaluate
from optlint.sandbox.probes import LANES
from optlint.subject import Subject

# updates


@dataclass(frozen=True)
class Site:
    """A place of the source that spells a node of the recurrence. part: the role of the state, or "step"."""

    node: cst.CSTNode
    expr: Expr
    part: str


@dataclass
class Anatomy:
    """One configuration of a correct update: its equations with their places, and which state plays which part."""

    code: Code
    recurrence: Recurrence
    subject: Subject
    match: Match

    @property
    def family(self) -> str:
        return self.match.family

    @property
    def adaptive(self) -> bool:
        """Divides by a second moment."""
        return bool(self.second) and self.family not in ("momentum", "nesterov", "lion", "sgd")

    @cached_property
    def roles(self) -> dict[str, State]:
        """State by the convention's name for it: m, v …"""
        return self.match.roles

    @cached_property
    def sites(self) -> list[Site]:
        names = {id(s.old): role for role, s in self.roles.items()}
        parts = [(names.get(id(s.old), ""), s.post) for s in self.recurrence.states]
        found: dict[int, Site] = {}
        for part, post in [*parts, ("step", self.recurrence.step)]:
            for expr in ex.walk(post):
                if expr.origin is None or not expr.args:
                    continue
                for node in self.code.by_place.get(place(expr.origin), ()):
                    found.setdefault(id(node), Site(node, expr, part))
        return list(found.values())

    def role_of(self, symbol: Symbol) -> str:
        return next((r for r, s in self.roles.items() if symbol in (s.old, s.new)), "")

    def held(self, expr: Expr) -> set[str]:
        """The roles of the states that an expression reads."""
        return {self.role_of(s) for s in expr.symbols} - {""}

    # numbers: a setting is known by its value on the probes, which re-bind all of them

    @cached_property
    def _numbers(self) -> dict[str, Any]:
        return {symbol.name: value for symbol, value in self.subject.bound.items()}

    def value(self, expr: Expr) -> Any:
        """The value of an expression of settings over the lanes; None for any other."""
        if any(n.op == "opaque" for n in ex.walk(expr)):
            return None
        bound = {s: self._numbers[s.name] for s in expr.symbols if s.name in self._numbers}
        if len(bound) < len(expr.symbols):
            return None
        return np.broadcast_to(evaluate(expr, bound), (LANES, 1))

    @cached_property
    def retentions(self) -> dict[str, Any]:
        """How much of its old content each state keeps, over the lanes, by role."""
        found = {}
        for role, held in self.roles.items():
            state = next((s for s in self.subject.states if s.old is held.old), held)
            own = structure.retention(state.post, state.old)
            value = self.subject.value(own) if own is not None else None
            if value is not None:
                found[role] = np.broadcast_to(value, (LANES, 1))
        return found

    def is_retention(self, expr: Expr, role: str) -> bool:
        """β of that state, in any spelling."""
        return self._equals(expr, self.retentions.get(role))

    def is_weight(self, expr: Expr, role: str) -> bool:
        """1 − β of that state, in any spelling."""
        kept = self.retentions.get(role)
        return self._equals(expr, None if kept is None else 1 - kept)

    def _equals(self, expr: Expr, wanted: Any) -> bool:
        value = self.value(expr) if wanted is not None else None
        return value is not None and bool(np.allclose(value, wanted, rtol=1e-9, atol=0))

    def corrects(self, expr: Expr) -> str:
        """The role of the state that 1 − βᵗ corrects, in any spelling; empty for anything else."""
        if expr.op != "sub" or expr.args[0] != ex.const(1):
            return ""
        power = expr.args[1]
        for role in self.retentions:
            if self.is_power(power, role):
                return role
        return ""

    def is_power(self, expr: Expr, role: str) -> bool:
        """βᵗ of that state: a power of t, or a running product."""
        if expr.op == "pow" and self.is_time(expr.args[1]):
            return self.is_retention(expr.args[0], role)
        if expr.op == "sym" or expr.op == "mul":
            held = next((s for s in self.recurrence.states if expr in (ex.sym(s.new), s.post, ex.sym(s.old))), None)
            own = structure.slope(held.post, held.old) if held is not None else None
            if held is not None and own is not None and structure.rest(held.post, held.old) == ex.const(0):
                return self.is_retention(own, role)
        return False

    def is_scale(self, expr: Expr) -> bool:
        """The step size: a setting (that may be named) which multiplies the whole step."""
        return expr.op == "sym" and any(expr == f for f, e in structure.factors(self.subject.drive) if e == 1)

    def stands_for(self, node: cst.CSTNode, wanted: Callable[[Expr], bool]) -> bool:
        """Whether the interpreter ever read the node as such a value."""
        return any(map(wanted, self.code.seen.get(self.code.place(node), ())))

    def weighs(self, node: cst.CSTNode, role: str) -> bool:
        """The node is 1 − β of that state."""
        return self.stands_for(node, lambda e: self.is_weight(e, role))

    def keeps(self, node: cst.CSTNode, role: str) -> bool:
        """The node is β of that state."""
        return self.stands_for(node, lambda e: self.is_retention(e, role))

    def is_parameter(self, expr: Expr) -> bool:
        w = self.recurrence.parameter
        return w is not None and expr.op == "sym" and expr.symbol.name == w.old.name

    def spells_gradient(self, expr: Expr) -> bool:
        """The effective gradient, whatever run it was read in."""
        return self.subject.gradient is not None and repr(expr) == repr(self.subject.gradient)

    @cached_property
    def second(self) -> set[str]:
        """The roles of the states that gather squares or stand under a root."""
        return {role for role, s in self.roles.items() if s.old in self.subject.second}

    def is_time(self, expr: Expr) -> bool:
        """Moves with the step's number, and reads no state and no gradient."""
        free = not expr.symbols & self.subject.moving and not self.takes_gradient(expr)
        return bool(expr.symbols & self.subject.time) and free

    def takes_gradient(self, expr: Expr) -> bool:
        gradient = self.subject.gradient
        return gradient is not None and (ex.contains(expr, gradient) or bool(expr.symbols & {self.subject.g}))

    def is_gradient(self, expr: Expr) -> bool:
        return self.subject.gradient is not None and expr == self.subject.gradient

    def is_setting(self, expr: Expr) -> bool:
        known = {h.symbol for h in self.subject.hypers}
        return expr.symbols <= known and all(n.op != "opaque" for n in ex.walk(expr))

    def texts(self, wanted: Callable[[Expr], bool], near: cst.CSTNode) -> list[str]:
        """How the function around ``near`` spells a quantity by a name, an attribute or a subscript; nearest first."""
        home = self.code.function(near)
        line = self.code.place(near)[0]
        found: dict[str, int] = {}
        for where, values in self.code.seen.items():
            if not any(map(wanted, values)):
                continue
            for node in self.code.by_place.get(where, ()):
                if isinstance(node, (cst.Name, cst.Attribute, cst.Subscript)) and self.code.function(node) is home:
                    if not self.code.within(node) <= self.code.within(near):
                        continue  # a lambda's own names mean nothing outside it
                    if isinstance(node, cst.Name) and not self.code.has_value(node.value, near):
                        continue
                    text = self.code.source(node)
                    gap = line - where[0] if where[0] <= line else 1000 + where[0] - line
                    found[text] = min(gap, found.get(text, gap))
        return sorted(found, key=lambda t: (found[t], t))


@dataclass
class Original:
    """A correct update of a file: all its configurations that equal a published form."""

    name: str
    code: Code
    anatomies: list[Anatomy] = field(default_factory=list)

    @property
    def span(self) -> tuple[int, int]:
        spans = [a.recurrence.home or a.recurrence.span for a in self.anatomies]
        return min(s.line for s in spans), max(s.end_line for s in spans)


def originals_in(code: Code) -> list[Original]:
    """The updates of a file that equal a published form, by function."""
    found: dict[str, Original] = {}
    shown: set[tuple[object, ...]] = set()
    for recurrence in code.lifted.recurrences:
        if not recurrence.at_home:
            continue
        made = anatomy_of(code, recurrence)
        if made is None or made.match.family == "sgd":
            continue
        where = tuple(sorted(place(s.origin) for p in recurrence.posts() for s in ex.walk(p) if s.origin))
        if where not in shown:
            shown.add(where)
            found.setdefault(recurrence.name, Original(recurrence.name, code)).anatomies.append(made)
    return list(found.values())


def anatomy_of(code: Code, recurrence: Recurrence) -> Anatomy | None:
    for view in (recurrence, *views(recurrence)):
        try:
            subject = prepare(view)
            match = best(matches(subject, deviations=False))
        except TooLarge:
            continue
        if match is not None:
            return Anatomy(code, view, subject, match)
    return None
