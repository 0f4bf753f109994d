"""An update ready to be judged: its equations in the effective gradient, its clocks and its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import Runner, System, Trace, evaluate
from optlint.sandbox.probes import GRADIENTS, LANES, PARAMETERS, STEPS, lanes

BEGINNING = 4  # steps that tell most updates apart
_DECAYS = ((0.5, 0.7), (0.7, 0.85), (0.6, 0.8), (0.35, 0.55))
_EPSILONS = (0.1, 0.03)
_OTHERS = ((0.3, 0.17), (0.21, 0.4), (0.13, 0.6), (0.45, 0.25))


@dataclass(slots=True)
class Hyper:
    """A quantity that the user sets. role: "decay", "epsilon" or "other"; own: its value as the code has it."""

    symbol: Symbol
    role: str
    own: float


@dataclass(slots=True)
class Clock:
    """A symbol that counts steps: ``first`` at the first step, then ``by`` more at each."""

    symbol: Symbol
    first: float
    by: float = 1.0
    known: bool = True  # the code shows where it starts
    every: int = 1  # updates for one advance
    outer: bool = False  # counts a loop around the one that updates
    within: int = 0  # updates after which it begins anew (0: never)

    def series(self, steps: int) -> list[float]:
        return [self.first + self.by * ((k % self.within if self.within else k) // self.every) for k in range(steps)]


@dataclass
class Subject:
    """``states`` and ``step`` as the code has them, but in terms of ``g``, the effective gradient."""

    recurrence: Recurrence
    g: Symbol
    gradient: Expr | None  # what the code calls the effective gradient
    states: list[State]
    step: Expr
    parameter: Symbol | None
    clocks: list[Clock]
    hypers: list[Hyper]
    stands_for: dict[Symbol, Expr] = field(default_factory=dict)  # symbols that preparing made up
    played: dict[object, Trace] = field(default_factory=dict, init=False, repr=False)  # runs that were made already

    @cached_property
    def bound(self) -> dict[Symbol, Any]:
        """Each hyper-parameter over the lanes: as the code has it, and twice re-bound."""
        table: dict[Symbol, Any] = {}
        count = {"decay": 0, "epsilon": 0, "other": 0}
        for hyper in self.hypers:
            number = count[hyper.role]
            count[hyper.role] += 1
            if hyper.role == "decay":
                again = _DECAYS[number % len(_DECAYS)]
            elif hyper.role == "epsilon":
                again = _EPSILONS
            else:
                again = _OTHERS[number % len(_OTHERS)]
            table[hyper.symbol] = lanes((hyper.own, *again))
        return table

    @property
    def system(self) -> System:
        return System([(s.old, s.new, s.post) for s in self.states], self.step, self.parameter)

    @cached_property
    def w_slope(self) -> Expr | None:
        """The factor that the parameter itself gets in one step (1 without decay), or None."""
        return ex.const(1) if self.parameter is None else structure.slope(self.step, self.parameter, conditional=True)

    @cached_property
    def reads_parameter(self) -> bool:
        """The step is no plain decay of w plus something without w (LAMB: ‖w‖ scales it)."""
        own = self.w_slope
        return own is None or not own.visible <= {h.symbol for h in self.hypers} | self.time

    @property
    def needs_parameter(self) -> bool:
        """What the gradient drives cannot be run without w: the step reads it, or a state gathers it."""
        return self.reads_parameter or not self.clean

    @cached_property
    def drive(self) -> Expr:
        """The part of the step that the gradient drives."""
        if self.parameter is None:
            return self.step
        if self.reads_parameter:
            return ex.op("sub", self.step, ex.sym(self.parameter))
        return structure.rest(self.step, self.parameter)

    @cached_property
    def undecayed(self) -> Subject:
        """The same update without a decay of its own parameter (which weights have and biases have not)."""
        if self.parameter is None or self.reads_parameter:
            return self
        step = ex.op("add", ex.sym(self.parameter), self.drive)
        read = step.symbols.union(*(s.post.symbols for s in self.states))
        read = read.union(*(s.initial.symbols for s in self.states if s.initial is not None))
        return self.with_states(self.states, step, hypers=[h for h in self.hypers if h.symbol in read])

    @cached_property
    def clean(self) -> bool:
        """The states do not read the parameter."""
        return self.parameter is None or all(self.parameter not in s.post.visible for s in self.states)

    @cached_property
    def decay(self) -> Any:
        """1 − (the parameter's own factor), over the lanes: decoupled decay (that of a later step)."""
        if self.w_slope is None or self.w_slope.op == "const" or self.reads_parameter:
            return np.zeros((LANES, 1))
        later: dict[Expr, Expr] = {ex.sym(c.symbol): ex.const(c.series(STEPS)[-1]) for c in self.clocks}
        value = self.value(ex.substitute(self.w_slope, later))
        return np.zeros((LANES, 1)) if value is None else 1 - value

    def value(self, node: Expr) -> Any:
        """A hyper-parameter expression over the lanes, or None where it depends on more."""
        if not all(s in self.bound for s in node.symbols):
            return None
        return np.broadcast_to(evaluate(node, self.bound, pseudo), (LANES, 1))

    def initial(self, state: State) -> Any:
        """A state's first content over the lanes (0 where the code does not show it)."""
        if state.initial is None:
            return float(self.is_product(state))  # a running product starts at 1
        value = self.value(state.initial)
        return 0.0 if value is None or not np.all(np.isfinite(value)) else value

    def is_product(self, state: State) -> bool:
        """βᵗ kept as a state: multiplied at each step by what no data changes."""
        still = not state.post.symbols & (self.moving - {state.old} | {self.g})
        return still and structure.rest(state.post, state.old) == ex.const(0)

    @property
    def series(self) -> dict[Symbol, Any]:
        table: dict[Symbol, Any] = {c.symbol: c.series(STEPS) for c in self.clocks}
        table[self.g] = GRADIENTS
        if self.parameter is not None and self.reads_parameter:
            table[self.parameter] = PARAMETERS
        return table

    def run(self, steps: int = STEPS) -> Trace:
        """The part that the gradient drives, on every lane."""
        return self._run(
            System(self.system.states, self.drive, None) if self.clean else self.system, self.series, steps
        )

    def run_beside(self, steps: int = STEPS) -> Trace:
        """The same, on parameters that are given where it needs any."""
        if self.clean or self.parameter is None:
            return self.beginning if steps == BEGINNING else self.run(steps)
        taken = ex.op("sub", self.step, ex.sym(self.parameter))
        series = self.series | {self.parameter: PARAMETERS}
        return self._run(System(self.system.states, taken, None), series, steps)

    def _run(self, system: System, series: dict[Symbol, Any], steps: int) -> Trace:
        runner = Runner(system)
        start = {s.old: self.initial(s) for s in self.states}
        bound = dict(self.bound)
        for symbol in runner.free:
            bound.setdefault(symbol, 0.5)
        return runner.run(bound, series, start, 0.0, steps, (LANES, 2), pseudo)

    @cached_property
    def is_subtracted(self) -> bool:
        """A returned step that goes along with the gradient: its caller subtracts it."""
        returned = self.recurrence.parameter is None and self.parameter is not None
        return returned and bool(self.beginning.step[0, 0, 0] * GRADIENTS[0, 0, 0] > 0)

    @cached_property
    def as_applied(self) -> Subject:
        """The update with a returned step as its caller applies it."""
        if not self.is_subtracted or self.parameter is None:
            return self
        w = ex.sym(self.parameter)
        parts = structure.terms(ex.op("sub", self.step, w))
        step = structure.total([(1, w), *((-sign, term) for sign, term in parts)], self.step.origin)
        return self.with_states(self.states, step)

    @cached_property
    def beginning(self) -> Trace:
        """The first few steps of the run."""
        return self.run(BEGINNING)

    def replaced(self, posts: list[Expr], **changes: Any) -> Subject:
        """The same subject with other equations (states in order, then the step)."""
        states = [replace(s, post=p) for s, p in zip(self.states, posts[:-1], strict=True)]
        return self.with_states(states, posts[-1], **changes)

    def with_states(self, states: list[State], step: Expr, **changes: Any) -> Subject:
        """The same subject with other states."""
        return replace(self, states=states, step=step, **changes)

    def with_settings(self, own: Mapping[Symbol, float]) -> Subject:
        """The same subject under other settings than the code's own."""
        hypers = [replace(h, own=own.get(h.symbol, h.own)) for h in self.hypers]
        return replace(self, hypers=hypers)

    @property
    def posts(self) -> list[Expr]:
        return [*(s.post for s in self.states), self.step]

    def is_hyper(self, node: Expr) -> bool:
        """Made of constants and hyper-parameters alone."""
        known = {h.symbol for h in self.hypers if not h.symbol.array or h.symbol.default is not None}
        return all(n.op != "opaque" or not n.symbols for n in ex.walk(node)) and node.symbols <= known

    def frozen_at(self, symbol: Symbol) -> bool:
        """A stored number that nothing advances (an argument is its caller's matter)."""
        return self.recurrence.is_held(symbol) or symbol in self.recurrence.stuck

    @cached_property
    def time(self) -> frozenset[Symbol]:
        return frozenset(c.symbol for c in self.clocks)

    @cached_property
    def second(self) -> frozenset[Symbol]:
        """Symbols of the states that stand under a root, below a line, or gather g² or |g|."""
        g = ex.sym(self.g)
        found: set[Symbol] = set()
        for state in self.states:
            sizes = (n.args[0] for n in ex.walk(state.post) if n.op == "abs")
            if g in structure.squared_in(state.post) or g in sizes:
                found |= {state.old, state.new}
        for post in self.posts:
            for node in ex.walk(post):
                if node.op == "div":
                    found |= node.args[1].symbols & self.moving
                elif node.op == "sqrt" or (node.op == "pow" and _roots_or_inverts(node.args[1])):
                    found |= node.args[0].symbols & self.moving
        for state in self.states:  # AMSGrad's maximum stands below the line, and v is what it is the largest of
            if state.old in found or state.new in found:
                largest = [a for n in ex.walk(state.post) if n.op == "max" for a in n.args]
                found.update(*(a.symbols & self.moving for a in largest))  # corrected, too: v'/(1 − β₂ᵗ)
        # a product of settings is none
        kept = [s for s in self.states if structure.rest(s.post, s.old) != ex.const(0) or self.g in s.post.symbols]
        return frozenset(x for s in kept for x in (s.old, s.new) if s.old in found or s.new in found)

    @cached_property
    def products(self) -> frozenset[Symbol]:
        """The contents, old and new, of running products βᵗ, which are multiplied by a setting at each step."""
        plain = [s for s in self.states if structure.rest(s.post, s.old) == ex.const(0)]
        grown = [s for s in plain if self.is_hyper(structure.slope(s.post, s.old) or ex.sym(s.old))]
        return frozenset(x for s in grown for x in (s.old, s.new))

    @cached_property
    def timed(self) -> frozenset[Symbol]:
        """What moves with the count of steps alone: the clocks, and running products."""
        return self.time | self.products

    @cached_property
    def moving(self) -> frozenset[Symbol]:
        return frozenset(x for s in self.states for x in (s.old, s.new))


def _roots_or_inverts(exponent: Expr) -> bool:
    return exponent.op == "const" and exponent.number < 1


def pseudo(node: Expr) -> float:
    """A fixed, arbitrary positive number for a quantity that cannot be evaluated (a batch size …)."""
    text = f"{node.op}:{node.value}"
    return 0.25 + (sum((i + 1) * ord(c) for i, c in enumerate(text)) % 97) / 130
