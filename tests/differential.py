"""Runs a lifted recurrence beside what really happened, and says how far apart they are.

A ``Run`` holds what the real optimizer did; ``compare`` runs the recurrence from the same start with the same
gradients, its own equations only, and measures every quantity that it carries. ``agrees`` tells which
configuration of an update a set of flags selects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optlint.lift import Recurrence, lift
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.lifter import Lifted
from optlint.lift.notation import GREEK, render
from optlint.lift.program import Program
from optlint.sandbox.evaluate import Runner, System
from optlint.source import Unit

Array = NDArray[np.float64]

STEPS = 30
SIZE = 5
TOLERANCE = 1e-12


class NotLifted(Exception):
    """There is nothing to compare: the update, or a part of it, was not lifted."""


def lift_text(text: str) -> Lifted:
    return lift(Program.read((Unit(None, text),)))


def gradients(seed: int = 7) -> Array:
    """(STEPS, SIZE): elements of very different scales, zeros among them, and one that is zero for five steps."""
    generator = np.random.default_rng(seed)
    found = generator.normal(size=(STEPS, SIZE)) * np.array([1.0, 1e-3, 30.0, 1.0, 0.2])
    found[generator.random(found.shape) < 0.1] = 0.0
    found[:5, 3] = 0.0
    return found


def start() -> Array:
    """(SIZE,): the parameter before the first step."""
    return np.array([1.0, -2.0, 0.5, 3.0, -0.25])


# what happened


@dataclass(slots=True)
class Run:
    """What a real optimizer did in T steps on n numbers.

    settings: hyper-parameters and flags by name. series: (T, n) or (T,) by name, the gradient for one.
    states: (T, n) by name, each after the step; initial: the same before the first step.
    parameter: (T, n) after each step, from ``start`` (n,); or ``output`` (T, n), where the code returns the step.
    """

    settings: Mapping[str, object]
    series: Mapping[str, Array]
    states: Mapping[str, Array]
    initial: Mapping[str, Array]
    start: Array
    parameter: Array | None = None
    output: Array | None = None

    def after(self, first: int) -> Run:
        """The same without its first steps: it starts from what they left."""
        return Run(
            self.settings,
            {k: v[first:] for k, v in self.series.items()},
            {k: v[first:] for k, v in self.states.items()},
            {k: v[first - 1] for k, v in self.states.items()},
            self.start if self.parameter is None else self.parameter[first - 1],
            None if self.parameter is None else self.parameter[first:],
            None if self.output is None else self.output[first:],
        )


@dataclass(slots=True)
class Comparison:
    """What became of one recurrence beside a run.

    gaps: the largest relative difference by quantity. given: real states that it reads but does not carry.
    returned: the real state that the lifted step equals, where it is not the real step.
    """

    gaps: dict[str, float]
    given: list[str] = field(default_factory=list)
    returned: str = ""

    @property
    def worst(self) -> float:
        return max(self.gaps.values())

    @property
    def different(self) -> dict[str, float]:
        """What is not within the tolerance."""
        return {name: gap for name, gap in self.gaps.items() if not gap <= TOLERANCE}


def base(name: str) -> str:
    """A place's name without its index: ``exp_avgs[i]`` is ``exp_avgs``."""
    return re.sub(r"(\[[^\[\]]*\])+$", "", name)


def compare(recurrence: Recurrence, run: Run, key: Callable[[str], str] = base) -> Comparison:
    """Run the recurrence beside ``run``; ``key`` turns a symbol's name into a name in ``run``.

    Raises NotLifted where the recurrence holds an unknown call or reads something that ``run`` does not know. A call
    that ``run`` knows by its text, like the schedule ``step_size(i)``, is a quantity as any other.
    """
    parameter = recurrence.parameter
    known = {n: ex.sym(symbol) for n, symbol in _calls(recurrence) if symbol.name in run.series}
    moving = [
        (s.name, s.old, s.new, ex.substitute(s.post, known), s.initial)
        for s in [*recurrence.counters, *recurrence.states]
    ]
    step = ex.substitute(recurrence.step, known)
    runner = Runner(
        System([(old, new, post) for _, old, new, post, _ in moving], step, parameter.old if parameter else None)
    )
    if runner.unknowns:
        raise NotLifted(f"unknown: {', '.join(render(node) for _, node in runner.unknowns)}")
    carried = {old for _, old, _, _, _ in moving} | ({parameter.old} if parameter is not None else set())
    length, size = len(next(iter(run.series.values()))), np.shape(run.start)
    bound: dict[Symbol, float] = {}
    series: dict[Symbol, Array] = {}
    result = Comparison({})
    for symbol in runner.free:
        name = key(symbol.name)
        if symbol in carried:
            continue
        if symbol.kind == "index" and symbol.start is not None and name not in run.settings:  # it counts the steps
            series[symbol] = symbol.start.number + np.arange(float(length))
            continue
        value = run.settings.get(name)
        if isinstance(value, (int, float)):
            bound[symbol] = float(value)
        elif name in run.series:
            series[symbol] = run.series[name]
        elif name in run.states:
            series[symbol] = _before(run.states[name], run.initial[name])
            result.given.append(name)
        else:
            raise NotLifted(f"nothing is known by the name {symbol.name}")
    initial: dict[Symbol, Array | float] = {}
    for place, old, _, _, first in moving:
        if key(place) not in run.states:
            raise NotLifted(f"no real state is known by the name {place}")
        initial[old] = first.number if first is not None and first.op == "const" else run.initial[key(place)]
    trace = runner.run(bound, series, initial, run.start, length, size)
    for (place, *_), lifted in zip(moving, trace.states, strict=True):
        result.gaps[key(place)] = gap(lifted, run.states[key(place)])
    if parameter is not None:
        assert run.parameter is not None, "a parameter was lifted, but the run has none"
        result.gaps["parameter"] = gap(trace.parameter, run.parameter)
    else:
        assert run.output is not None, "a returned step was lifted, but the run has none"
        result.gaps["step"] = gap(trace.step, run.output)
        if result.gaps["step"] > TOLERANCE:
            equal = [n for n, v in run.states.items() if gap(trace.step, v) <= TOLERANCE]
            result.returned = equal[0] if equal else ""
    return result


def _calls(recurrence: Recurrence) -> Iterator[tuple[Expr, Symbol]]:
    """The unknown calls of a recurrence, each with a symbol that has the call's text for a name."""
    calls = {n for post in recurrence.posts() for n in ex.walk(post) if n.op == "opaque"}
    for node in sorted(calls, key=render):
        yield node, Symbol(render(node))


def _before(states: Array, initial: Array) -> Array:
    """(T, n) values after each step → (T, n) values before it."""
    return np.concatenate([np.broadcast_to(initial, states[:1].shape), states[:-1]])


def gap(found: Array, expected: Array) -> float:
    """The largest difference of two (T, n) paths, for each element against its own largest magnitude."""
    found, expected = np.broadcast_arrays(found, expected)
    if not np.array_equal(np.isfinite(found), np.isfinite(expected)):
        return float("inf")
    apart = np.max(np.abs(found - expected), axis=0)
    scale = np.max(np.abs(expected), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(apart == 0, 0.0, apart / scale)))


# configurations


class Undecided(Exception):
    """A condition looks at something that the flags do not tell."""


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<text>'[^']*')|(?P<sign>[(),=≠<≤>≥])"
    r"|(?P<name>[^\W\d][\w.]*(?:\[[^\[\]]*\])*))"
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b, "≠": lambda a, b: a != b, "<": lambda a, b: a < b,
    "≤": lambda a, b: a <= b, ">": lambda a, b: a > b, "≥": lambda a, b: a >= b,
}  # fmt: skip
_LATIN = {greek: latin for latin, greek in GREEK.items()}


class _Condition:
    """Reads one condition's text: names, numbers, comparisons, ``and(…)``, ``or(…)``, ``not(…)``, ``x is None``."""

    def __init__(self, text: str, settings: Mapping[str, object]) -> None:
        self.settings = settings
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise Undecided(text)
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.text = text
        self.at = 0

    def value(self) -> bool:
        found = self.comparison()
        if self.at < len(self.tokens):
            raise Undecided(self.text)
        return bool(found)

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def comparison(self) -> object:
        left = self.atom()
        if self.peek() in _COMPARE:
            sign = self.peek()
            self.at += 1
            right = self.atom()
            if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
                return (left == right) == (sign == "=") if sign in "=≠" else self.undecided()
            return _COMPARE[sign](left, right)
        if self.peek() == "is":
            self.at += 2
            return left is None
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "text":
            self.at += 1
            return left == self.tokens[self.at - 1][1][1:-1]
        return left

    def atom(self) -> object:
        if self.at == len(self.tokens):
            self.undecided()
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return float(text)
        if kind == "text":
            return text[1:-1]
        if kind == "sign":
            self.undecided()
        if self.peek() == "(" and text in ("and", "or", "not"):
            values = list(self.arguments())
            return not values[0] if text == "not" else all(values) if text == "and" else any(values)
        for name in (text, _LATIN.get(text, text), base(text)):
            if name in self.settings:
                return self.settings[name]
        return self.undecided()

    def arguments(self) -> Iterable[object]:
        while self.peek() in ("(", ","):
            self.at += 1
            yield self.comparison()
        self.at += 1

    def undecided(self) -> object:
        raise Undecided(self.text)


def holds(condition: str, settings: Mapping[str, object]) -> bool:
    """A configuration's condition under the flags; raises Undecided where they do not tell."""
    if condition in settings:  # a call that the caller answers: callable(step_size)
        return bool(settings[condition])
    return _Condition(condition, settings).value()


def agrees(configuration: Mapping[str, bool], settings: Mapping[str, object]) -> bool:
    """All conditions are decided by the flags, and as the configuration says."""
    try:
        return all(holds(condition, settings) == value for condition, value in configuration.items())
    except Undecided:
        return False


def chosen(lifted: Lifted, name: str, settings: Mapping[str, object]) -> list[Recurrence]:
    """The recurrences of one function (or method) that the flags select; raises NotLifted where there are none."""
    named = [r for r in lifted.recurrences if r.name == name]
    found = [r for r in named if agrees(r.configuration, settings)]
    if not found:
        raise NotLifted(f"{name}: none of the {len(named)} lifted configurations has these flags")
    return found
