"""Averages, and what is made of settings and moves with t: their bias corrections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from optlint.clocks import is_counted_by_caller
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.sandbox.evaluate import evaluate
from optlint.sandbox.probes import LANES
from optlint.subject import Clock, Subject, pseudo

TIMES = (2.0, 3.0, 5.0)  # at t = 1 too much is alike


def averages(subject: Subject) -> list[State]:
    """States that are decayed averages with a decay below one."""
    found = []
    for state in subject.states:
        own = structure.slope(state.post, state.old)
        value = subject.value(own) if own is not None else None
        if value is not None and np.all((value > 0) & (value < 1)) and subject.g in state.post.symbols:
            found.append(state)
    return found


def clock(subject: Subject) -> tuple[Expr, list[Clock]]:
    """An expression that is 1, 2, 3 … and the clocks that it needs."""
    for c in subject.clocks:
        if c.first == 1 and c.by == 1:
            return ex.sym(c.symbol), subject.clocks
    for c in subject.clocks:
        if c.first == 0 and c.by == 1:
            return ex.op("add", ex.sym(c.symbol), ex.const(1)), subject.clocks
    fresh = Clock(Symbol("t", kind="role"), 1.0)
    return ex.sym(fresh.symbol), [*subject.clocks, fresh]


def one_minus_power(subject: Subject, state: State, time: Expr) -> Expr:
    own = structure.slope(state.post, state.old)
    assert own is not None
    return ex.op("sub", ex.const(1), ex.op("pow", structure.tidy(own), time))


def powers_of_time(subject: Subject) -> list[Expr]:
    """Powers of settings to what is no constant: βᵗ."""
    nodes = (n for p in subject.posts for n in ex.walk(p) if n.op == "pow" and n.args[1].op != "const")
    return [n for n in nodes if not n.symbols & subject.moving]


def stuck_powers(subject: Subject) -> list[tuple[Expr, Symbol]]:
    """Those βᵗ whose t is a number that the code stores, and neither it nor its callers ever advance."""
    found = []
    for power in powers_of_time(subject):
        exponent = power.args[1]
        held = [h.symbol for h in subject.hypers if h.symbol in exponent.symbols]
        if exponent.symbols & subject.time or len(held) != 1 or not subject.frozen_at(held[0]):
            continue
        if not is_counted_by_caller(held[0], subject.recurrence):
            found.append((power, held[0]))
    return found


class Timed:
    """Values of settings that move with t, over the lanes and at a few times."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.time, self.clocks = clock(subject)
        self.products: dict[Expr, Expr] = {}  # a running product's contents, old and new, as powers
        for state in subject.states:
            if state.new in subject.products:
                base = structure.slope(state.post, state.old)
                assert base is not None
                self.products[ex.sym(state.new)] = ex.op("pow", base, self.time)
                self.products[ex.sym(state.old)] = ex.op("pow", base, ex.op("sub", self.time, ex.const(1)))

    def value(self, node: Expr) -> Any:
        """(times, lanes), or None where the node reads more than settings and t."""
        node = ex.substitute(node, self.products)
        subject = self.subject
        if not node.symbols <= subject.bound.keys() | self._clock_symbols:
            return None
        return np.stack([np.broadcast_to(evaluate(node, self._at(t), pseudo), (LANES, 1)) for t in TIMES])

    def decay(self, average: State) -> Any:
        """The values of an average's own decay, as ``value`` gives them."""
        own = structure.slope(average.post, average.old)
        return self.value(own) if own is not None else None

    @property
    def _clock_symbols(self) -> frozenset[Symbol]:
        return frozenset(c.symbol for c in self.clocks)

    def _at(self, t: float) -> Mapping[Symbol, Any]:
        return {**self.subject.bound, **{c.symbol: c.first + (t - 1) * c.by for c in self.clocks}}

    @staticmethod
    def corrections(decay: Any) -> Any:
        """1 − βᵗ at these times, (times, lanes, 1), for the values of a β."""
        return 1 - decay ** np.array(TIMES)[:, None, None]

    def moves(self, node: Expr) -> bool:
        return bool(node.symbols & (self._clock_symbols | self.subject.products))


def breaches(subject: Subject) -> int:
    """How many products hold an average that begins with zeros, and beside it what is no correction but moves with t.

    In a product of powers of averages, the factors that move with t and are made of settings have to undo 1 − βᵗ of
    some of these, to the powers that they have there. A product that cannot be told is no breach.
    """
    timed = Timed(subject)
    sums: dict[Symbol, Any] = {}
    for state in subject.states:  # of whatever they gather
        own, taken = structure.slope(state.post, state.old), structure.rest(state.post, state.old)
        gathers = taken is not None and any(s.default is None for s in taken.symbols)
        decay = timed.value(own) if own is not None and gathers else None
        if decay is not None and np.all((decay > 0) & (decay < 1)) and not np.any(subject.initial(state)):
            sums[state.new] = timed.corrections(decay)
    products = {n: None for post in subject.posts for n in ex.walk(post) if n.op in ("mul", "div")} if sums else {}
    inner = {id(a) for n in products for a in n.args if a.op in ("mul", "div")}
    return sum(not _fits(structure.factors(n), sums, timed) for n in products if id(n) not in inner)


def corrects_as_at_first(subject: Subject) -> bool:
    """An average that begins with zeros is divided by its own 1 − β, as is right at t = 1 alone.

    Beside it another one is divided so, too, or by 1 − βᵗ.
    """
    timed = Timed(subject)
    still: set[Symbol] = set()
    corrected: set[Symbol] = set()
    for state in averages(subject):
        decay = timed.decay(state)
        for below in _undoing(subject, state.new) if decay is not None and not np.any(subject.initial(state)) else ():
            value = timed.value(below)
            powered = any(n.op == "pow" for n in ex.walk(below))  # β¹, of a count that begins anew on this way
            if value is not None and not powered and np.allclose(value, 1 - decay, rtol=1e-9):
                still.add(state.old)
            elif value is not None and np.allclose(value, timed.corrections(decay), rtol=1e-9):
                corrected.add(state.old)
    return bool(still) and len(still | corrected) > 1


def _undoing(subject: Subject, average: Symbol) -> Iterator[Expr]:
    """What an average, or its root, is divided by, to the power that it has there itself."""
    for node in (n for post in subject.posts for n in ex.walk(post) if n.op == "div"):
        parts = structure.factors(node)
        power = next((e for f, e in parts if f == ex.sym(average)), 0.0)
        yield from (f for f, e in parts if power and e == -power)


def _fits(parts: list[tuple[Expr, float]], sums: Mapping[Symbol, Any], timed: Timed) -> bool:
    moved: Any = 1.0
    powers: dict[Symbol, float] = {}
    for factor, exponent in parts:
        if timed.moves(factor) and (value := timed.value(factor)) is not None:
            with np.errstate(all="ignore"):  # a correction that is 0 where its count starts late
                moved = moved * np.abs(value) ** exponent
            continue
        if factor.visible & timed.subject.moving - sums.keys():
            return True
        read = factor.visible & sums.keys()
        for symbol in read:
            own = _power_of(factor, symbol) if len(read) == 1 else None
            if own is None:
                return True
            powers[symbol] = powers.get(symbol, 0.0) + exponent * own
    if not powers or np.ndim(moved) == 0:
        return True
    groups = (g for size in range(len(powers) + 1) for g in combinations(powers, size))
    return any(_is_steady(moved * np.prod([sums[s] ** powers[s] for s in g], axis=0)) for g in groups)


def _is_steady(values: Any) -> bool:
    return bool(np.allclose(values, values[:1], rtol=1e-9))


def _power_of(factor: Expr, average: Symbol) -> float | None:
    """The power of an average in a factor: v, √v + ε, |m|."""
    if factor == ex.sym(average):
        return 1.0
    if factor.op == "abs":
        return _power_of(factor.args[0], average)
    if factor.op in ("add", "sub"):
        held = [(t, 1.0) for _, t in structure.terms(factor) if average in t.visible]
    else:
        held = [(f, e) for f, e in structure.factors(factor) if average in f.visible and f != factor]
    own = _power_of(held[0][0], average) if len(held) == 1 else None
    return own * held[0][1] if own is not None else None
