"""Recurrence → arrays: a flat program of NumPy calls, run for all probes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlint.lift.expression import Expr, Symbol
from optlint.sandbox.rounding import Precision

Array = NDArray[np.float64]

MAX_INSTRUCTIONS = 3000


class TooLarge(Exception):
    """The recurrence is over the sandbox's budget."""


def _reduce(function: Callable[..., Any]) -> Callable[[Array], Array]:
    return lambda x: np.broadcast_to(function(x, axis=-1, keepdims=True), np.shape(x)) if np.ndim(x) else x


def _norm(x: Array, axis: int, keepdims: bool) -> Array:
    return np.asarray(np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)))


def _both(a: Array, b: Array) -> Array:
    return np.asarray((a != 0) & (b != 0), dtype=float)


def _either(a: Array, b: Array) -> Array:
    return np.where(a != 0, a, b)


def _choose(condition: Array, yes: Array, no: Array) -> Array:
    return np.where(np.asarray(condition) != 0, yes, no)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "pow": np.power, "sqrt": np.sqrt, "abs": np.abs, "sign": np.sign, "max": np.maximum, "min": np.minimum,
    "exp": np.exp, "log": np.log, "floor": np.floor, "tanh": np.tanh, "atan": np.arctan,
    "where": _choose, "mod": np.mod,
    "lt": lambda a, b: np.less(a, b).astype(float), "le": lambda a, b: np.less_equal(a, b).astype(float),
    "gt": lambda a, b: np.greater(a, b).astype(float), "ge": lambda a, b: np.greater_equal(a, b).astype(float),
    "eq": lambda a, b: np.equal(a, b).astype(float), "ne": lambda a, b: np.not_equal(a, b).astype(float),
    "and": _both, "or": _either, "not": lambda a: np.equal(a, 0).astype(float),
    "sum": _reduce(np.sum), "mean": _reduce(np.mean), "norm": _reduce(_norm),
    "amax": _reduce(np.max), "amin": _reduce(np.min),
}  # fmt: skip

_POWERS: Mapping[float, Callable[..., Any]] = {2: np.square, 0.5: np.sqrt, 1: np.positive, -1: np.reciprocal}


_Instruction = tuple[Callable[..., Any], int, tuple[int, ...]]  # function, the slot of its result, its arguments' slots


@dataclass(slots=True)
class System:
    """Equations to run: ``states`` as (old symbol, new symbol, post), then the step's post.

    ``parameter`` is the symbol of w, or None where ``step`` is the change itself.
    """

    states: list[tuple[Symbol, Symbol, Expr]]
    step: Expr
    parameter: Symbol | None


@dataclass(slots=True)
class Trace:
    """What a run saw. step: (T, …) changes of the parameter; states: by position (T, …); warnings by step."""

    step: Array
    parameter: Array
    states: list[Array]
    warnings: list[tuple[int, str]] = field(default_factory=list)


class Runner:
    """A compiled system. Symbols are bound when it runs."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.slots: dict[Expr, int] = {}
        self.constants: list[tuple[int, float]] = []
        self.symbols: list[tuple[int, Symbol]] = []
        self.unknowns: list[tuple[int, Expr]] = []
        self.code: list[_Instruction] = []
        self.count = 0
        self.new: dict[Symbol, int] = {}
        self.posts: list[int] = []
        self._pending = {new: post for _, new, post in system.states}
        self._busy: set[Symbol] = set()
        for _, new, post in system.states:
            if new not in self.new:
                self.new[new] = self._state(new, post)
            self.posts.append(self.new[new])
        self.step = self._compile(system.step)

    def _state(self, new: Symbol, post: Expr) -> int:
        self._busy.add(new)
        slot = self._compile(post)
        self._busy.discard(new)
        return slot

    def _slot(self) -> int:
        self.count += 1
        if self.count > MAX_INSTRUCTIONS:
            raise TooLarge("too many operations for the sandbox")
        return self.count - 1

    def _compile(self, node: Expr) -> int:
        if node.op == "sym":
            symbol = node.value
            assert isinstance(symbol, Symbol)
            if symbol in self.new:
                return self.new[symbol]
            if symbol in self._pending and symbol not in self._busy:
                self.new[symbol] = self._state(symbol, self._pending[symbol])
                return self.new[symbol]
        found = self.slots.get(node)
        if found is not None:
            return found
        if node.op == "const":
            slot = self._slot()
            self.constants.append((slot, float(node.value)))  # type: ignore[arg-type]
        elif node.op == "sym":
            slot = self._slot()
            self.symbols.append((slot, node.value))  # type: ignore[arg-type]
        elif node.op == "opaque" or node.op not in FUNCTIONS:
            slot = self._slot()
            self.unknowns.append((slot, node))
        elif node.op == "pow" and node.args[1].op == "const" and node.args[1].value in _POWERS:
            inner = self._compile(node.args[0])
            slot = self._slot()
            self.code.append((_POWERS[node.args[1].value], slot, (inner,)))  # type: ignore[index]
        else:
            inputs = tuple(self._compile(a) for a in node.args)
            slot = self._slot()
            self.code.append((FUNCTIONS[node.op], slot, inputs))
        self.slots[node] = slot
        return slot

    def _lowered(self, precision: Precision) -> list[_Instruction]:
        """The program with each operation on arrays of a low precision rounded."""
        low = {slot for slot, symbol in self.symbols if symbol in precision.data}
        code: list[_Instruction] = []
        for function, out, inputs in self.code:
            if low.intersection(inputs):
                low.add(out)
                function = precision.lowered(function)
            code.append((function, out, inputs))
        return code

    @property
    def free(self) -> list[Symbol]:
        """Symbols that must be bound (states' old contents and w too)."""
        return [s for _, s in self.symbols]

    def run(
        self,
        bound: Mapping[Symbol, Any],
        series: Mapping[Symbol, Sequence[Any] | Array],
        initial: Mapping[Symbol, Any],
        start: Any,
        steps: int,
        shape: tuple[int, ...],
        unknown: Callable[[Expr], Any] | None = None,
        watch: bool = False,
        precision: Precision | None = None,
    ) -> Trace:
        """Run ``steps`` steps. bound: hyper-parameters; series: per-step values (gradient, t); initial: states."""
        values: list[Any] = [0.0] * self.count
        for slot, number in self.constants:
            values[slot] = np.float64(number)
        for slot, node in self.unknowns:
            values[slot] = unknown(node) if unknown is not None else np.float64(0.5)
        moving: list[tuple[int, Any]] = []
        held: list[tuple[int, int]] = []
        position = {old: i for i, (old, _, _) in enumerate(self.system.states)}
        parameter_slots = []
        for slot, symbol in self.symbols:
            if symbol in series:
                moving.append((slot, series[symbol]))
            elif symbol in position:
                held.append((slot, position[symbol]))
            elif symbol is self.system.parameter:
                parameter_slots.append(slot)
            else:
                values[slot] = bound[symbol]
        state: list[Any] = [_filled(initial.get(old, 0.0), shape) for old, _, _ in self.system.states]
        w: Any = _filled(start, shape)
        trace = Trace(np.empty((steps, *shape)), np.empty((steps, *shape)), [np.empty((steps, *shape)) for _ in state])
        whole = self.code if precision is None else self._lowered(precision)
        once, code = _split(whole, {slot for slot, _ in (*moving, *held)} | set(parameter_slots))
        current = 0
        running = ""

        def note(kind: str, flag: int) -> None:
            trace.warnings.append((current + 1, f"{kind} encountered in {running}"))

        with np.errstate(all="call" if watch else "ignore"):
            old_call = np.seterrcall(note) if watch else None
            try:
                for function, out, inputs in once:
                    if watch:
                        running = getattr(function, "__name__", "")
                    values[out] = function(*(values[i] for i in inputs))
                for current in range(steps):
                    for slot, sequence in moving:
                        values[slot] = sequence[current]
                    for slot, index in held:
                        values[slot] = state[index]
                    for slot in parameter_slots:
                        values[slot] = w
                    for function, out, inputs in code:
                        if watch:
                            running = getattr(function, "__name__", "")
                        if len(inputs) == 2:
                            values[out] = function(values[inputs[0]], values[inputs[1]])
                        elif len(inputs) == 1:
                            values[out] = function(values[inputs[0]])
                        else:
                            values[out] = function(*(values[i] for i in inputs))
                    for index, slot in enumerate(self.posts):
                        content = trace.states[index]
                        content[current] = values[slot]
                        state[index] = content[current]
                    if self.system.parameter is not None:
                        trace.parameter[current] = values[self.step]
                        trace.step[current] = trace.parameter[current] - w
                    else:
                        trace.step[current] = values[self.step]
                        trace.parameter[current] = w + trace.step[current]
                    w = trace.parameter[current]
            finally:
                if watch:
                    np.seterrcall(old_call)
        return trace


def _split(code: list[_Instruction], changing: set[int]) -> tuple[list[_Instruction], list[_Instruction]]:
    """What is the same at every step, and what is not. changing: the inputs that differ from step to step."""
    once: list[_Instruction] = []
    each: list[_Instruction] = []
    for instruction in code:
        _, out, inputs = instruction
        if changing.isdisjoint(inputs):
            once.append(instruction)
        else:
            changing.add(out)
            each.append(instruction)
    return once, each


def _filled(value: Any, shape: tuple[int, ...]) -> Array:
    result = np.empty(shape)
    result[...] = value
    return result


def evaluate(node: Expr, bound: Mapping[Symbol, Any], unknown: Callable[[Expr], Any] | None = None) -> Any:
    """One expression's value (silently: NaN and inf are values)."""
    runner = Runner(System([], node, None))
    values: dict[Symbol, Any] = {}
    for symbol in runner.free:
        values[symbol] = bound.get(symbol, np.nan)
    shape = np.broadcast_shapes(*(np.shape(v) for v in values.values())) if values else ()
    return runner.run(values, {}, {}, 0.0, 1, shape, unknown).step[0]
