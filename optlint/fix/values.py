"""What expressions are worth under one arbitrary choice of numbers: equal worth, equal meaning, whatever the spelling.

An equation of a subject and an expression of the source speak of the same quantities in different forms (a state's
new value under its own symbol, or as all that it was computed from). Under fixed numbers for all that is read, both
are the same numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence
from optlint.subject import Subject

Numbers = NDArray[np.complex128]
Worth = tuple[tuple[float, float], ...]

_LANES = 3
_DIGITS = 9


class Values:
    """Evaluates raw and prepared expressions of one update alike. Complex numbers: every root and power has a value."""

    def __init__(self, subject: Subject, posts: Sequence[Expr] | None = None) -> None:
        """posts: the equations that count instead of the source's own (in the subject's terms)."""
        recurrence = subject.recurrence
        self._numbers: dict[Symbol, Numbers] = {}
        self._memo: dict[Expr, Numbers] = {}
        self._rounded: dict[Expr, Worth] = {}
        self._means: dict[Symbol, Expr] = dict(subject.stands_for)
        moved = [recurrence.parameter] if recurrence.parameter is not None else []
        for state in (*recurrence.states, *recurrence.counters, *moved):
            self._means[state.new] = state.post
            self._means.pop(state.old, None)
        for made, post in zip(subject.states, posts or (), strict=False):
            self._means[made.new] = post
        self.settings = frozenset(h.symbol for h in subject.hypers) | subject.time  # numbers, and no arrays
        self.left_out = recurrence.left_out  # what is 0 by default, and stays where it stands
        self._means |= dict.fromkeys(recurrence.left_out, ex.const(0))
        held = {s.old for s in (*recurrence.states, *recurrence.counters)} | {h.symbol for h in subject.hypers}
        held |= {c.symbol for c in subject.clocks} - self._means.keys()
        if recurrence.parameter is not None:
            held.add(recurrence.parameter.old)
        if subject.gradient is not None:
            held |= subject.gradient.symbols  # zeros stand in for one that is missing
        self._held = held | _counts(recurrence)
        self._busy: set[Symbol] = set()
        self._named: dict[str, int] = {}  # symbols met: equal names give equal numbers in another reading

    def means(self, symbol: Symbol, expr: Expr) -> None:
        """From now on ``symbol`` is what ``expr`` is worth."""
        self._means[symbol] = expr
        self._numbers.pop(symbol, None)
        self._memo.clear()
        self._rounded.clear()

    def worth(self, node: Expr) -> Worth:
        """Equal for expressions that compute the same."""
        found = self._rounded.get(node)
        if found is None:
            numbers = self.numbers(node)
            found = tuple((_rounded(z.real), _rounded(z.imag)) for z in numbers)
            self._rounded[node] = found
        return found

    def same(self, one: Expr, other: Expr) -> bool:
        return one is other or self.worth(one) == self.worth(other)

    def numbers(self, root: Expr) -> Numbers:
        with np.errstate(all="ignore"):
            for node in ex.everything(root):
                if node not in self._memo:
                    self._memo[node] = self._one(node)
        return self._memo[root]

    def _one(self, node: Expr) -> Numbers:
        if node.op == "const":
            return np.full(_LANES, complex(node.number))
        if node.op == "sym":
            return self._of(node.symbol)
        args = [self._memo[a] for a in node.args]
        result = applied(node.op, args)
        if result is not None:
            return result
        return _arbitrary(f"{node.op}:{node.value}:" + ",".join(str(_key(a)) for a in args))

    def _of(self, symbol: Symbol) -> Numbers:
        found = self._numbers.get(symbol)
        if found is None:
            meaning = self._means.get(symbol)
            if meaning is None and symbol not in self._held:
                meaning = symbol.entry  # an inner loop counts as one iteration
            if meaning is not None and symbol not in self._busy:
                self._busy.add(symbol)
                found = self.numbers(meaning)
                self._busy.discard(symbol)
            else:
                count = self._named[symbol.name] = self._named.get(symbol.name, 0) + 1
                found = _arbitrary(f"symbol {symbol.name} {count}")
            self._numbers[symbol] = found
        return found


def _counts(recurrence: Recurrence) -> set[Symbol]:
    """What the code counts steps in, whether an equation reads it or not: not one value, though it starts at 0."""
    found: set[Symbol] = set()
    for worth in recurrence.worth:
        for node in ex.walk(worth.expr):
            if node.op == "pow":
                found |= node.args[1].symbols
        advanced = worth.expr.op == "add" and ex.const(1) in worth.expr.args
        found |= {a.symbol for a in worth.expr.args if advanced and a.op == "sym"}
    return found


def applied(op: str, args: Sequence[Numbers]) -> Numbers | None:
    """What an operation makes of numbers; None for one that no number stands for."""
    function = _FUNCTIONS.get(op)
    if function is None:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(function(*args), dtype=np.complex128)


def _arbitrary(name: str) -> Numbers:
    """Numbers of both signs, of a size between 0.2 and 0.9, that belong to a name."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    signs = np.roll([1.0, 1.0, -1.0], int(generator.integers(_LANES)))
    return np.asarray(signs * generator.uniform(0.2, 0.9, _LANES), dtype=complex)


def _rounded(x: float) -> float:
    if not np.isfinite(x):
        return float("inf")
    return 0.0 if abs(x) < 1e-12 else float(f"{x:.{_DIGITS}g}")


def _key(numbers: Numbers) -> Worth:
    return tuple((_rounded(z.real), _rounded(z.imag)) for z in numbers)


def _softly(a: Numbers, b: Numbers, sharpness: float) -> Numbers:
    """Near the larger of two (the smaller, for a negative sharpness), and equal to neither."""
    total = np.exp(sharpness * a) + np.exp(sharpness * b)
    return np.asarray(np.log(total) / sharpness)


_FUNCTIONS: Mapping[str, Callable[..., Numbers]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.power,
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "sign": lambda x: np.tanh(3 * x),
    # smooth stand-ins: |x| is not x, and a bound that is not reached is still there
    "abs": lambda x: x * np.tanh(3 * x), "max": lambda a, b: _softly(a, b, 3), "min": lambda a, b: _softly(a, b, -3),
}  # fmt: skip
