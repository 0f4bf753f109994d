"""An update made ready to be judged: time counted, the effective gradient cut out, hyper-parameters told apart.

The effective gradient is what the moments consume; clipping and coupled decay belong to it. It is the largest
expression that every place shares that takes in data, so that no name has to be believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import Runner, System, Trace, evaluate
from optlint.sandbox.probes import GRADIENTS, LANES, PARAMETERS, STEPS, lanes

BEGINNING = 4  # steps that tell most updates apart
_DECAYS = ((0.5, 0.7), (0.7, 0.45), (0.6, 0.8), (0.35, 0.55))
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

    def series(self, steps: int) -> list[float]:
        return [self.first + self.by * (k // self.every) for k in range(steps)]


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
        return ex.const(1) if self.parameter is None else ex.slope(self.step, self.parameter)

    @cached_property
    def reads_parameter(self) -> bool:
        """The step is no plain decay of w plus something without w (LAMB: ‖w‖ scales it)."""
        own = self.w_slope
        return own is None or not own.visible <= {h.symbol for h in self.hypers} | self.time

    @cached_property
    def drive(self) -> Expr:
        """The part of the step that the gradient drives."""
        if self.parameter is None:
            return self.step
        if self.reads_parameter:
            return ex.op("sub", self.step, ex.sym(self.parameter))
        return ex.rest(self.step, self.parameter)

    @cached_property
    def clean(self) -> bool:
        """The states do not read the parameter."""
        return self.parameter is None or all(self.parameter not in s.post.visible for s in self.states)

    @cached_property
    def decay(self) -> Any:
        """1 − (the parameter's own factor), over the lanes: decoupled decay."""
        if self.w_slope is None or self.w_slope.op == "const" or self.reads_parameter:
            return np.zeros((LANES, 1))
        value = self.value(self.w_slope)
        return np.zeros((LANES, 1)) if value is None else 1 - value

    def value(self, node: Expr) -> Any:
        """A hyper-parameter expression over the lanes, or None where it depends on more."""
        if not all(s in self.bound for s in node.symbols):
            return None
        return np.broadcast_to(evaluate(node, self.bound, pseudo), (LANES, 1))

    def initial(self, state: State) -> Any:
        """A state's first content over the lanes (0 where the code does not show it)."""
        if state.initial is None:
            return 1.0 if ex.rest(state.post, state.old) == ex.const(0) else 0.0  # a running product starts at 1
        value = self.value(state.initial)
        return 0.0 if value is None or not np.all(np.isfinite(value)) else value

    @property
    def series(self) -> dict[Symbol, Any]:
        table: dict[Symbol, Any] = {c.symbol: c.series(STEPS) for c in self.clocks}
        table[self.g] = GRADIENTS
        if self.parameter is not None and self.reads_parameter:
            table[self.parameter] = PARAMETERS
        return table

    def run(self, steps: int = STEPS) -> Trace:
        """The part that the gradient drives, on every lane."""
        runner = Runner(System(self.system.states, self.drive, None) if self.clean else self.system)
        start = {s.old: self.initial(s) for s in self.states}
        bound = dict(self.bound)
        for symbol in runner.free:
            bound.setdefault(symbol, 0.5)
        return runner.run(bound, self.series, start, 0.0, steps, (LANES, 2), pseudo)

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

    @property
    def posts(self) -> list[Expr]:
        return [*(s.post for s in self.states), self.step]

    def is_hyper(self, node: Expr) -> bool:
        """Made of constants and hyper-parameters alone."""
        known = {h.symbol for h in self.hypers}
        return all(n.op != "opaque" or not n.symbols for n in ex.walk(node)) and node.symbols <= known

    def frozen_at(self, symbol: Symbol) -> bool:
        """A stored number that nothing in sight advances (an argument is its caller's matter)."""
        return symbol.default is not None and not symbol.external and symbol not in self.recurrence.advanced

    @cached_property
    def time(self) -> frozenset[Symbol]:
        return frozenset(c.symbol for c in self.clocks)

    @cached_property
    def second(self) -> frozenset[Symbol]:
        """Symbols of the states that stand under a root, below a line, or gather squares of the gradient."""
        g = ex.sym(self.g)
        found: set[Symbol] = set()
        for state in self.states:
            if any(ex.square_root_of(n) == g for n in ex.walk(state.post)):
                found |= {state.old, state.new}
        for post in self.posts:
            for node in ex.walk(post):
                if node.op == "div":
                    found |= node.args[1].symbols & self.moving
                elif node.op == "sqrt" or (node.op == "pow" and _roots_or_inverts(node.args[1])):
                    found |= node.args[0].symbols & self.moving
        return frozenset(x for s in self.states for x in (s.old, s.new) if s.old in found or s.new in found)

    @cached_property
    def moving(self) -> frozenset[Symbol]:
        return frozenset(x for s in self.states for x in (s.old, s.new))


def _roots_or_inverts(exponent: Expr) -> bool:
    return exponent.op == "const" and exponent.number < 1


def pseudo(node: Expr) -> float:
    """A fixed, arbitrary positive number for a quantity that cannot be evaluated (a batch size …)."""
    text = f"{node.op}:{node.value}"
    return 0.25 + (sum((i + 1) * ord(c) for i, c in enumerate(text)) % 97) / 130


def prepare(recurrence: Recurrence) -> Subject:
    """Get a recurrence ready to be judged."""
    states = list(recurrence.states)
    step = recurrence.step
    parameter = recurrence.parameter.old if recurrence.parameter is not None else None
    moving = {x for s in states for x in (s.old, s.new)}
    if parameter is None and (parameter := _decayed(step, states, moving)) is not None:
        step = ex.op("add", ex.sym(parameter), step)
    posts = [*(s.post for s in states), step]
    posts = _named_settings(states, posts, moving)
    states = [replace(s, post=p) for s, p in zip(states, posts[:-1], strict=True)]
    step = posts[-1]
    clocks = _clocks(recurrence, posts)
    time = {c.symbol for c in clocks}
    settings = _settings(states, posts, moving, time, parameter)
    g = Symbol("g", kind="role")
    gradient = _effective_gradient(states, step, parameter, moving, time, settings)
    if gradient is not None:
        table = {gradient: ex.sym(g)}
        posts = [ex.substitute(p, table) for p in posts]
    posts = _without_schedules(posts, moving | {g} | ({parameter} if parameter else set()), time)
    new_states = [replace(s, post=p) for s, p in zip(states, posts[:-1], strict=True)]
    hypers = _hypers(new_states, posts, moving, time, parameter, g)
    return Subject(recurrence, g, gradient, new_states, posts[-1], parameter, clocks, hypers)


def _named_settings(states: list[State], posts: list[Expr], moving: set[Symbol]) -> list[Expr]:
    """Unknown calls that give a decay or ε (``self.beta1(step)``) are settings with a name of their own."""
    decays: list[Expr] = []
    for state in states:
        own = ex.retention(state.post, state.old)
        if own is not None:
            decays.append(own)
    nodes = [n for p in posts for n in ex.walk(p)]
    decays += [n.args[0] for n in nodes if n.op == "pow" and n.args[1].op != "const"]
    floors = [  # ε
        a
        for n in nodes
        if n.op in ("add", "max")
        for a, b in (n.args, n.args[::-1])
        if a.op == "opaque" and b.op in ("sqrt", "div", "mul") and b.symbols & moving and _has_root(b)
    ]
    table: dict[Expr, Expr] = {}
    for setting in [*decays, *floors]:
        for node in ex.walk(setting):
            if node.op == "opaque" and node not in table and not node.symbols & moving:
                table[node] = ex.sym(Symbol(str(node.value)))
    return [ex.substitute(p, table) for p in posts] if table else posts


def _has_root(node: Expr) -> bool:
    return any(n.op == "sqrt" or (n.op == "pow" and n.args[1] == ex.const(0.5)) for n in ex.walk(node))


def _decayed(step: Expr, states: list[State], moving: set[Symbol]) -> Symbol | None:
    """The parameter that a returned step decays: η·(m̂/(√v̂ + ε) + λ·w) reads w beside what the states give."""
    fed = frozenset().union(*(s.post.symbols for s in states)) if states else frozenset()
    found: list[Symbol] = []

    def go(node: Expr) -> None:
        if node.op in ("add", "sub"):
            for a, b in (node.args, node.args[::-1]):
                if a.symbols & moving and not b.symbols & moving:
                    data = [s for s in b.visible - fed if s.default is None and s.kind == "place" and "[" in s.name]
                    found.extend(s for s in data if s not in found)
        if node.op == "div":
            go(node.args[0])
        elif node.op not in ("sqrt", "pow", "norm", "opaque"):
            for a in node.args:
                go(a)

    go(step)
    return found[0] if len(found) == 1 else None


def _without_schedules(posts: list[Expr], busy: set[Symbol], time: set[Symbol]) -> list[Expr]:
    """A step size that follows a schedule (η/√t, η/(1 + κt)) is a setting; powers βᵗ are not schedules."""
    table: dict[Expr, Expr] = {}
    for post in posts:
        inside: dict[int, bool] = {}
        for node in ex.walk(post):
            free = not node.symbols & busy
            power = node.op == "pow" and bool(node.args[1].symbols & time)
            good = free and not power and all(inside.get(id(a), False) for a in node.args)
            inside[id(node)] = good
        for node in ex.walk(post):
            for a in node.args if node.op != "opaque" else ():
                whole = node.symbols & busy or (not inside[id(node)] and a.symbols - time)
                if inside[id(a)] and whole and a.args and a.symbols & time and node.op in ("mul", "div"):
                    size = ex.sym(Symbol(f"schedule{len(table) or ''}", kind="role"))
                    table[a] = ex.op("neg", size) if _is_negative(a, time) else size
    return [ex.substitute(p, table) for p in posts]


def _is_negative(schedule: Expr, time: set[Symbol]) -> bool:
    """The sign of a step size, with its settings as the code has them."""
    usual = {s: 1.0 if s in time else s.default or 0.01 for s in schedule.symbols}
    return bool(np.all(evaluate(schedule, usual, pseudo) < 0))


def _exponents(posts: Iterable[Expr], moving: set[Symbol]) -> list[Expr]:
    """What settings are raised to (βᵗ)."""
    powers = [n for p in posts for n in ex.walk(p) if n.op == "pow" and n.args[1].op != "const"]
    return [n.args[1] for n in powers if not n.args[0].symbols & moving]


def _counting(exponents: list[Expr], counters: set[Symbol]) -> set[Symbol]:
    """The symbols that count steps in the exponents: t and t + 1, but not the ψ of t·ψ."""
    plain = {
        s
        for e in exponents
        if len(e.visible) == 1
        for s in e.visible
        if (own := ex.slope(e, s)) is not None and own.op == "const"
    }
    if plain | counters:
        return plain
    return set().union(*(e.visible for e in exponents))


def _clocks(recurrence: Recurrence, posts: list[Expr]) -> list[Clock]:
    """What counts steps: counters, loop indices, and whatever a decay is raised to."""
    states = {x for s in recurrence.states for x in (s.old, s.new)}
    exponents = _exponents(posts, states)
    read = set().union(*(p.visible for p in posts)) if posts else set()
    clocks: list[Clock] = []
    for counter in recurrence.counters:
        by = float(ex.rest(counter.post, counter.old).value)  # type: ignore[arg-type]
        first = counter.initial.value if counter.initial is not None and counter.initial.op == "const" else None
        known = isinstance(first, (int, float))
        start = float(first) if isinstance(first, (int, float)) else 0.0
        if not known and any(counter.old in e.visible and counter.new not in e.visible for e in exponents):
            plain = any(e == ex.sym(counter.old) for e in exponents)
            start = 1.0 if plain else 0.0
        clocks.append(Clock(counter.old, start, by, known))
        clocks.append(Clock(counter.new, start + by, by, known))
    have = {c.symbol for c in clocks}
    indices = {s for s in read if s.kind == "index"}
    for symbol in sorted(indices, key=lambda s: s.name):
        begin = symbol.start.value if symbol.start is not None and symbol.start.op == "const" else None
        known = isinstance(begin, (int, float))
        outer = recurrence.frame == "loop" and symbol not in recurrence.indices
        clocks.append(Clock(symbol, float(begin) if isinstance(begin, (int, float)) else 0.0, 1.0, known, outer=outer))
        have.add(symbol)
    counting = _counting(exponents, {s for e in exponents for s in e.visible if s in have})
    free = counting - have - states
    for symbol in sorted(free, key=lambda s: s.name):
        if symbol.default is not None and not symbol.external and symbol not in recurrence.advanced:
            continue  # a stored number that nothing advances
        # the caller counts: from 0 where the code itself adds one wherever it uses the count, else from 1
        mine = [e for e in exponents if e.visible == {symbol}] or [e for e in exponents if symbol in e.visible]
        from_zero = all(float(evaluate(e, dict.fromkeys(e.symbols, 0.0))) >= 1 for e in mine)
        clocks.append(Clock(symbol, 0.0 if from_zero else 1.0, 1.0, False))
    return clocks


def _settings(
    states: list[State], posts: list[Expr], moving: set[Symbol], time: set[Symbol], parameter: Symbol | None
) -> set[Symbol]:
    """Symbols that structure shows to be settings: decay coefficients, what is raised to t, what has a default."""
    found: set[Symbol] = set()
    for state in states:
        own = ex.retention(state.post, state.old)
        if own is not None and not (own.symbols & moving):
            found |= {s for s in own.symbols if not s.array}
    for post in posts:
        for node in ex.walk(post):
            if node.op == "pow" and node.symbols & time and node.args[0].op == "sym":
                found.add(node.args[0].value)  # type: ignore[arg-type]
            if node.op == "sym":
                symbol = node.value
                assert isinstance(symbol, Symbol)
                if symbol.default is not None and not symbol.array and "{" not in symbol.name:
                    found.add(symbol)
    return found - moving - time - ({parameter} if parameter else set())


def _is_data(
    node: Expr, settings: set[Symbol], parameter: Symbol | None, moving: set[Symbol], time: set[Symbol]
) -> bool:
    """A leaf that carries data: an unknown call, an array, anything that is no setting."""
    if node.op == "opaque":
        return bool(node.args) or not str(node.value).startswith("len ")
    return node.op == "sym" and node.value not in settings and node.value is not parameter


def _effective_gradient(
    states: list[State],
    step: Expr,
    parameter: Symbol | None,
    moving: set[Symbol],
    time: set[Symbol],
    settings: set[Symbol],
) -> Expr | None:
    inputs: list[set[Expr]] = []
    known = settings | time
    # without data of its own the gradient is written out in w, as in g = 2·w
    written_out = bool(states) and not any(
        _gradient_nodes(s.post, parameter, moving, time, settings, with_parameter=False) for s in states
    )
    if written_out:
        driven = [t for _, t in ex.terms(step) if t != ex.sym(parameter)]  # type: ignore[arg-type]
    else:
        driven = [t for _, t in ex.terms(step) if not _only_parameter(t, parameter, known, moving)]
    for places in [*([s.post] for s in states), driven]:
        found: set[Expr] = set()
        for post in places:
            found |= _gradient_nodes(post, parameter, moving, time, settings, written_out)
        if found:
            inputs.append(found)
    if not inputs:
        return None
    common = set.intersection(*inputs)
    if not common:  # one place takes something else: go by what most places share
        counts: dict[Expr, int] = {}
        for nodes in inputs:
            for node in nodes:
                counts[node] = counts.get(node, 0) + 1
        most = max(counts.values())
        common = {n for n, c in counts.items() if c == most}
    stand_in = Symbol("g", kind="role")
    places = [*(s.post for s in states), *driven]

    def left_over(node: Expr) -> int:
        """How many places still take in data once ``node`` is the gradient."""
        table = {node: ex.sym(stand_in)}
        busy = moving | {stand_in}
        return sum(
            bool(_gradient_nodes(ex.substitute(p, table), parameter, busy, time, settings, False)) for p in places
        )

    ranked = sorted(common, key=_gradient_rank, reverse=True)[:24]
    best = min(ranked, key=left_over)
    return _peeled(best, common, settings)


def _only_parameter(term: Expr, parameter: Symbol | None, known: set[Symbol], moving: set[Symbol]) -> bool:
    """The summand of the step that is the parameter itself, or its decoupled decay."""
    if parameter is None:
        return False
    if parameter not in term.visible:
        return False
    parts = [f for f, _ in ex.factors(term)]
    if ex.sym(parameter) in parts:  # w times something that takes in no state and no call: a decay
        others = [f for f in parts if f != ex.sym(parameter)]
        return not any(f.symbols & moving or any(n.op == "opaque" for n in ex.walk(f)) for f in others)
    return all(f.op in ("sym", "const") or f.visible <= known | {parameter} for f in parts)


def _gradient_rank(node: Expr) -> tuple[bool, int, bool, str]:
    """Larger wins; a square is what is made of the gradient; among settings-like leaves an element wins."""
    name = repr(node)
    likely = node.op == "opaque" or "[" in name or "{" in name or "grad" in name.lower() or name.lower().startswith("d")
    return (ex.square_root_of(node) is None, node.size, likely, name)


def _gradient_nodes(
    post: Expr,
    parameter: Symbol | None,
    moving: set[Symbol],
    time: set[Symbol],
    settings: set[Symbol],
    with_parameter: bool,
) -> set[Expr]:
    """Sub-expressions that are free of state and time and take in data."""
    result: set[Expr] = set()
    verdict: dict[int, tuple[bool, bool]] = {}  # (free of state and time, has data)
    for node in ex.walk(post):
        if not node.args or node.op == "opaque":
            free = not (node.op == "sym" and (node.value in moving or node.value in time))
            data = free and _is_data(node, settings, parameter, moving, time)
            if with_parameter and node.op == "sym" and node.value is parameter:
                data = True
        else:
            parts = [verdict[id(a)] for a in node.args]
            free = all(p[0] for p in parts)
            data = free and any(p[1] for p in parts)
        verdict[id(node)] = (free, data)
        if free and data and not (node.op == "sym" and node.value is parameter):
            result.add(node)
    return result


def _peeled(node: Expr, common: set[Expr], settings: set[Symbol]) -> Expr:
    """Without factors that are settings: lr·g is g."""
    while node.op in ("mul", "div", "neg"):
        data = [
            a
            for a in node.args
            if a in common and not (node.op == "div" and a is node.args[1]) and not a.symbols <= settings
        ]
        others = [a for a in node.args if a not in data]
        if len(data) != 1 or not all(a.op != "const" and a.symbols and a.symbols <= settings for a in others):
            break
        node = data[0]
    return node


def _hypers(
    states: list[State],
    posts: list[Expr],
    moving: set[Symbol],
    time: set[Symbol],
    parameter: Symbol | None,
    g: Symbol,
) -> list[Hyper]:
    decays: set[Symbol] = set()
    for state in states:
        own = ex.retention(state.post, state.old)
        if own is not None:
            decays |= own.symbols
    epsilons: set[Symbol] = set()
    order: list[Symbol] = []
    for post in posts:
        for node in ex.walk(post):
            if node.op == "sym":
                symbol = node.value
                assert isinstance(symbol, Symbol)
                if symbol not in moving and symbol not in time and symbol not in (parameter, g) and symbol not in order:
                    order.append(symbol)
            if node.op == "pow" and node.args[1].symbols & time:
                decays |= {s for s in node.args[0].symbols if s not in moving and s not in time}
            if node.op in ("add", "max"):
                for a, b in (node.args, node.args[::-1]):
                    if b.symbols & (moving | {g}) and not a.symbols & (moving | {g, parameter}):
                        epsilons |= {f.symbol for f, e in ex.factors(a) if f.op == "sym" and e == 1}
    result = []
    for state in states:
        for symbol in state.initial.symbols if state.initial is not None else ():
            if symbol not in moving and symbol not in order and symbol is not parameter:
                order.append(symbol)
    seen = 0
    for symbol in order:
        if symbol in decays:
            usual = 0.9 if seen == 0 else 0.999
            seen += 1
            own_value = symbol.default if symbol.default is not None and 0 < symbol.default < 1 else usual
            result.append(Hyper(symbol, "decay", own_value))
        elif symbol in epsilons:
            result.append(Hyper(symbol, "epsilon", symbol.default if symbol.default is not None else 1e-8))
        else:
            value = symbol.default if symbol.default not in (None, 0) else 0.01
            result.append(Hyper(symbol, "other", float(value or 0.01)))
    return result
