"""A recurrence made ready to be judged: time counted, the effective gradient cut out, settings told apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optlint.clocks import clocks_of
from optlint.gradient import as_scaled, decay_beside, effective_gradient, without_sign
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Hyper, Subject, pseudo


def prepare(recurrence: Recurrence) -> Subject:
    """Get a recurrence ready to be judged."""
    counters = {x for c in recurrence.counters for x in (c.old, c.new)}
    stored = _stored_schedules(recurrence.states, recurrence.step, counters)
    states = [replace(s, post=ex.substitute(s.post, stored)) for s in recurrence.states if ex.sym(s.new) not in stored]
    step = ex.substitute(recurrence.step, stored)
    parameter = recurrence.parameter.old if recurrence.parameter is not None else None
    moving = {x for s in states for x in (s.old, s.new)}
    if parameter is None and (parameter := _decayed(step, states, moving)) is not None:
        step = ex.op("add", ex.sym(parameter), step)
    posts = [*(s.post for s in states), step]
    shared = _products_with_itself(posts) | _counts_through(recurrence, posts)
    posts = [ex.substitute(p, shared) for p in posts]
    if parameter is not None:
        posts = decay_beside(posts, states, parameter)
    named = _named_settings(states, posts, moving | ({parameter} if parameter else set()), counters)
    posts = [ex.substitute(p, named) for p in posts]
    states = [replace(s, post=p) for s, p in zip(states, posts[:-1], strict=True)]
    step = posts[-1]
    clocks = clocks_of(recurrence, posts)
    time = {c.symbol for c in clocks}
    settings = _settings(states, posts, moving, time, parameter)
    g = Symbol("g", kind="role")
    gradient = effective_gradient(states, step, parameter, moving, time, settings)
    if gradient is not None:
        gradient, posts = as_scaled(gradient, posts)
        sign, data = without_sign(gradient)
        table = {gradient: ex.sym(g) if sign > 0 else ex.op("neg", ex.sym(g), origin=gradient.origin)}
        gradient = data
        posts = [ex.leaves_apart(ex.substitute(p, table)) for p in posts]
    scheduled = _schedules(posts, moving | {g} | ({parameter} if parameter else set()), time, _decays(states))
    posts = [ex.substitute(p, scheduled) for p in posts]
    new_states = [replace(s, post=p) for s, p in zip(states, posts[:-1], strict=True)]
    hypers = _hypers(new_states, posts, moving, time, parameter, g)
    stands_for = {g: gradient} if gradient is not None else {}
    for written, size in [*stored.items(), *named.items(), *scheduled.items()]:
        stands_for[next(iter(size.symbols))] = ex.op("neg", written) if size.op == "neg" else written
    return Subject(recurrence, g, gradient, new_states, posts[-1], parameter, clocks, hypers, stands_for)


def _stored_schedules(states: list[State], step: Expr, counters: set[Symbol]) -> dict[Expr, Expr]:
    """A step size that is made smaller at each step (η = 0.99·η) is a setting; a running product βᵗ is none."""
    posts = [*(s.post for s in states), step]
    decays = _decays([s for s in states if structure.rest(s.post, s.old) != ex.const(0)])
    moving = {x for s in states for x in (s.old, s.new)}
    table: dict[Expr, Expr] = {}
    for state in states:
        own = structure.slope(state.post, state.old, conditional=True)
        if own is None:  # max(η/(1 + κt), η₀)
            own = structure.tidy(ex.substitute(state.post, {ex.sym(state.old): ex.const(1)}))
            if state.post.op not in ("max", "min", "where") or not _is_of_numbers(state, counters):
                continue
        elif (
            len(structure.terms(state.post)) > 1 or structure.rest(state.post, state.old) != ex.const(0)
        ) and not _is_timed(state, states, counters):
            continue  # an average of what is not seen is an average
        if own == ex.const(0):
            continue
        nodes = list(ex.walk(own))
        powers = any(n.op == "opaque" or (n.op == "pow" and n.args[1].op != "const") for n in nodes)
        if powers or own.symbols & moving or any(n in decays for n in nodes) or _complemented(posts, state):
            continue
        size = ex.sym(Symbol(state.name, kind="role", default=state.old.default))
        table |= {ex.sym(state.old): size, ex.sym(state.new): size}
    return table


def _is_timed(state: State, states: list[State], counters: set[Symbol]) -> bool:
    """A step size that is set by the count (a warm-up), and stays what it was from some time on."""
    choices = [n for n in ex.walk(state.post) if n.op == "where"]
    read = state.post.symbols - {state.old} - counters
    plain = all(not s.array and "[" not in s.name and "{" not in s.name for s in read)
    whole = not any(n.op == "opaque" and n.args for n in ex.walk(state.post))
    alone = not any({state.old, state.new} & s.post.symbols for s in states if s is not state)
    timed = choices and all(n.args[0].symbols & counters for n in choices)
    return bool(timed) and plain and whole and alone


def _is_of_numbers(state: State, counters: set[Symbol]) -> bool:
    """Reads nothing but itself, counts, and numbers that the code knows."""
    read = state.post.symbols - {state.old} - counters
    first = state.initial is not None and state.initial.op == "const"
    return first and all(s.default is not None and not s.array for s in read)


def _complemented(posts: list[Expr], state: State) -> bool:
    """Read as 1 − p."""
    read = (ex.sym(state.old), ex.sym(state.new))
    return any(n.op == "sub" and n.args[1] in read for p in posts for n in ex.walk(p))


def _named_settings(
    states: list[State], posts: list[Expr], moving: set[Symbol], counters: set[Symbol]
) -> dict[Expr, Expr]:
    """Unknown calls that give a decay or ε (``self.beta1(step)``) are settings with a name of their own.

    moving: what these do not read: the states, and the parameter.
    """
    decays: list[Expr] = []
    for state in states:
        own = structure.retention(state.post, state.old)
        if own is not None:
            decays.append(own)
    nodes = [n for p in posts for n in ex.walk(p)]
    powers = [n.args for n in nodes if n.op == "pow" and n.args[1].op != "const"]
    decays += [b for b, e in powers if e.symbols & counters or not b.symbols & counters]  # (t mod 9)^κ has none
    floors = [  # ε
        a
        for n in nodes
        if n.op in ("add", "max")
        for a, b in (n.args, n.args[::-1])
        if a.op == "opaque" and b.op in ("sqrt", "div", "mul") and b.symbols & moving and _has_root(b)
    ]
    table: dict[Expr, Expr] = {}
    for setting in [*decays, *floors]:
        if any(n.op == "div" and all(map(_calls, n.args)) for n in ex.walk(setting)):
            continue  # one result over another is computed from data: the β of conjugate gradients
        for node in ex.walk(setting):
            if node.op == "opaque" and node not in table and not _reads(node, moving):
                table[node] = ex.sym(Symbol(str(node.value)))
    return table


def _calls(node: Expr) -> bool:
    return any(n.op == "opaque" for n in ex.walk(node))


def _reads(node: Expr, moving: set[Symbol]) -> bool:
    """Takes in one of the places, or what holds one: ``curvature(w, steps)`` where ``steps["w"]`` is a state."""
    holders = tuple(s.name + opening for s in node.symbols for opening in "[.")
    return bool(node.symbols & moving) or any(place.name.startswith(holders) for place in moving)


def _counts_through(recurrence: Recurrence, posts: list[Expr]) -> dict[Expr, Expr]:
    """e·n + b of ``for b in range(n)`` in a loop over the epochs e: one count of all steps."""
    table: dict[Expr, Expr] = {}
    counts: dict[Symbol, Expr] = {}
    for node in (n for post in posts for n in ex.walk(post) if n.op == "add"):
        parts = structure.terms(node)
        inner = [t.symbol for sign, t in parts if sign > 0 and t.op == "sym" and t.symbol.stop is not None]
        for b in (i for i in inner if not recurrence.is_of_outer(i)):
            passed = next((t for sign, t in parts if sign > 0 and _is_passed(t, b, recurrence)), None)
            if passed is not None:
                count = counts.setdefault(b, ex.sym(Symbol(b.name, kind="index", start=b.start, begun_by=b)))
                table[node] = structure.total([p for p in parts if p[1] not in (passed, ex.sym(b))] + [(1, count)])
    return table


def _is_passed(term: Expr, b: Symbol, recurrence: Recurrence) -> bool:
    """e·n, where n is the number of passes of the loop over b, and e counts those of a loop around it."""
    for e in term.visible:
        if e.kind == "index" and e.iterates == "count" and recurrence.is_of_outer(e) and b.stop is not None:
            each = structure.slope(term, e)
            return each is not None and structure.tidy(each) == structure.tidy(b.stop)
    return False


_INNER = ("matrixmultiply", "numpy.dot", "numpy.inner", "numpy.vdot")


def _products_with_itself(posts: list[Expr]) -> dict[Expr, Expr]:
    """g @ g where another equation takes in g: the sum of its squares."""
    table: dict[Expr, Expr] = {}
    for post in posts:
        for node in ex.walk(post):
            if node.op == "opaque" and node.value in _INNER and len(node.args) == 2 and node.args[0] == node.args[1]:
                one = node.args[0]
                if one.symbols and any(p is not post and ex.contains(p, one) for p in posts):
                    table[node] = ex.op("sum", ex.op("pow", one, ex.const(2), origin=node.origin), origin=node.origin)
    return table


def _has_root(node: Expr) -> bool:
    return any(structure.is_root(n) for n in ex.walk(node))


def _decayed(step: Expr, states: list[State], moving: set[Symbol]) -> Symbol | None:
    """The parameter that a returned step decays: η·(m̂/(√v̂ + ε) + λ·w) reads w beside what the states give."""
    fed = frozenset().union(*(s.post.symbols for s in states)) if states else frozenset()
    found: list[Symbol] = []

    def go(node: Expr) -> None:
        if node.op in ("add", "sub"):
            for a, b in (node.args, node.args[::-1]):
                if a.symbols & moving and not b.symbols & moving:
                    data = [s for s in b.visible - fed if s.default is None and s.kind == "place" and _is_part(s.name)]
                    found.extend(s for s in data if s not in found)
        if node.op == "div":
            go(node.args[0])
        elif node.op not in ("sqrt", "pow", "norm", "opaque"):
            for a in node.args:
                go(a)

    go(step)
    return found[0] if len(found) == 1 else None


def _is_part(name: str) -> bool:
    """An element, or what an object holds that is handed in; a number of the optimizer's own is neither."""
    return "[" in name or ("." in name and not name.startswith("self."))


def _decays(states: list[State]) -> set[Expr]:
    """What keeps the averages: β₁, β₂ (of 1 − (1 − β₂), too), or 0.9 where the code writes the number (and 1 − 0.9)."""
    kept = [k for s in states if (k := structure.retention(s.post, s.old)) is not None]
    alone = {ex.sym(s) for k in kept if len(k.symbols) == 1 for s in k.symbols}
    numbers = {k.number for k in kept if k.op == "const" and 0 < k.number < 1}
    written = numbers | {w for n in numbers for w in (1 - n, round(1 - n, 12))}
    return alone | {k for k in kept if k.op == "sym"} | {ex.const(n) for n in written}


def _schedules(posts: list[Expr], busy: set[Symbol], time: set[Symbol], decays: set[Expr]) -> dict[Expr, Expr]:
    """A step size that follows a schedule (η/√t, η/(1 + κt), η·γᵗ) is a setting; what reads a decay (βᵗ) is none."""
    table: dict[Expr, Expr] = {}
    for post in posts:
        inside: dict[int, bool] = {}
        powers: set[int] = set()  # holds some γᵗ, which is a schedule as a factor, and in 1 − γᵗ may be a correction
        for node in ex.walk(post):
            power = node.op == "pow" and bool(node.args[1].symbols & time)
            if power or any(id(a) in powers for a in node.args):
                powers.add(id(node))
            known = node not in decays and not (id(node) in powers and node.op not in ("pow", "mul", "div"))
            told = node.op == "opaque" and not node.symbols & time  # a call's result that no step changes
            parts = told or all(inside.get(id(a), False) for a in node.args)
            inside[id(node)] = not node.symbols & busy and known and parts
        for node in ex.walk(post):
            for a in node.args if node.op != "opaque" else ():
                whole = node.symbols & busy or (not inside[id(node)] and a.symbols - time)
                if inside[id(a)] and whole and a.args and a.symbols & time and node.op in ("mul", "div"):
                    size = ex.sym(Symbol(f"schedule{len(table) or ''}", kind="role"))
                    table[a] = ex.op("neg", size) if _is_negative(a, time) else size
    return table


def _is_negative(schedule: Expr, time: set[Symbol]) -> bool:
    """The sign of a step size, with its settings as the code has them; what time is measured by is long (1 − t/T)."""
    measures = [n.args[1] for n in ex.walk(schedule) if n.op == "div" and n.args[0].symbols & time]
    long = frozenset().union(*(m.symbols for m in measures if m.op == "sym")) - time
    usual = {s: 1.0 if s in time else s.default or (1e4 if s in long else 0.01) for s in schedule.symbols}
    return bool(np.all(evaluate(schedule, usual, pseudo) < 0))


def _settings(
    states: list[State], posts: list[Expr], moving: set[Symbol], time: set[Symbol], parameter: Symbol | None
) -> set[Symbol]:
    """Symbols that structure shows to be settings: decay coefficients, what is raised to t, what has a default."""
    found: set[Symbol] = set()
    for state in states:
        own = structure.retention(state.post, state.old)
        if own is not None and not (own.symbols & moving):
            found |= {s for s in own.symbols if not s.array} - _multiplies_all(state, own)
        if own is None:
            found |= {s for s in _weighs_against(state) if not s.array}
    for post in posts:
        for node in ex.walk(post):
            if node.op == "pow" and node.symbols & time and node.args[0].op == "sym":
                found.add(node.args[0].value)  # type: ignore[arg-type]
            if node.op == "not" and node.args[0].op == "sym" and "[" not in node.args[0].symbol.name:
                found.add(node.args[0].symbol)  # an option
            if node.op == "sym":
                symbol = node.value
                assert isinstance(symbol, Symbol)
                if symbol.default is not None and not symbol.array and "{" not in symbol.name:
                    found.add(symbol)
    for term in _summed(posts[-1]):  # what multiplies a moment in the step
        parts = structure.factors(term)
        if any(f.op == "sym" and f.value in moving and e == 1 for f, e in parts):
            plain = {f.symbol for f, e in parts if f.op == "sym" and e == 1 and not f.symbol.array}
            found |= {s for s in plain if not is_called_gradient(s.name)}
    if parameter is not None:
        found |= _weights_of(parameter, posts) | _own_factor(parameter, posts, moving | time)
    return found - moving - time - ({parameter} if parameter else set())


def _weighs_against(state: State) -> Iterator[Symbol]:
    """The β of β·(what holds the old content) + (1 − β)·x, where x reads the old content, too."""
    for node in ex.walk(state.post):
        parts = [structure.factors(t) for _, t in structure.terms(node)] if node.op == "add" else []
        kept = {
            f for p in parts for f, e in p if e == 1 and f.op == "sym" and any(state.old in o.symbols for o, _ in p)
        }
        complements = {ex.op("sub", ex.const(1), f): f.symbol for f in kept}
        yield from (complements[f] for p in parts for f, e in p if e == 1 and f in complements)


def _weights_of(parameter: Symbol, posts: list[Expr]) -> set[Symbol]:
    """What is read only where it multiplies the parameter, in a state, too: the λ of g + λ·w."""
    w = ex.sym(parameter)
    shares = [n for p in posts for n in ex.walk(p) if n.op == "mul" and w in n.args]
    weights = {n.args[0] if n.args[1] == w else n.args[1] for n in shares}
    weights = {x for x in weights if x.op == "sym" and not x.symbol.array and "[" not in x.symbol.name}
    apart = dict.fromkeys(shares, w)
    left = frozenset().union(*(ex.substitute(p, apart).symbols for p in posts))
    inside = frozenset().union(*(p.symbols for p in posts[:-1])) if len(posts) > 1 else frozenset()
    return {x.symbol for x in weights} & inside - left


def _own_factor(parameter: Symbol, posts: list[Expr], busy: set[Symbol]) -> set[Symbol]:
    """The η and λ of w·(1 − η·λ) beside what moves w, where something else than they is left for a gradient."""
    own = structure.slope(posts[-1], parameter)
    factor = {s for s in own.symbols if not s.array and "[" not in s.name} if own is not None else set()
    if own is None or factor != own.symbols or factor & busy:
        return set()
    driving = {s for p in [*posts[:-1], structure.rest(posts[-1], parameter)] for s in p.symbols}
    return factor if factor & driving and driving - factor - busy - {parameter} else set()


def _summed(step: Expr) -> Iterator[Expr]:
    """The step's terms, and those of a sum that is one's factor: the μ·v' and g of η·(μ·v' + g)."""
    for _, term in structure.terms(step):
        yield term
        for factor, exponent in structure.factors(term):
            if factor.op in ("add", "sub") and exponent == 1:
                yield from (t for _, t in structure.terms(factor))


def _multiplies_all(state: State, own: Expr) -> frozenset[Symbol]:
    """The data in (β·s + 1 − β)·g²: what multiplies the old content and all the rest, beside a decay."""
    kept = {f for f, _ in structure.factors(own)}
    shared = kept & {f for f, _ in structure.factors(structure.rest(state.post, state.old))}
    return frozenset().union(*(f.symbols for f in shared)) if shared < kept else frozenset()


def _floored(node: Expr) -> Iterator[tuple[Expr, Expr]]:
    """What may be an ε, and what it is added to, or subtracted from where that is a root's."""
    yield from structure.floored(node)
    if node.op == "sub" and any(n.op == "sqrt" for n in ex.walk(node.args[0])):
        yield node.args[1], node.args[0]
    elif node.op == "sqrt" and node.args[0].op == "sub":
        yield node.args[0].args[1], node.args[0].args[0]


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
        own = structure.retention(state.post, state.old)
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
            if node.op == "mul" and parameter not in node.visible:  # a mean of two, as Lion's
                for a, b in (node.args, node.args[::-1]):
                    if b.symbols & (moving | {g}) and a.op == "sub" and a.args[0] == ex.const(1):
                        decays |= {a.args[1].symbol} - moving - time if a.args[1].op == "sym" else set()
            for a, b in _floored(node) if parameter not in node.visible else ():  # what moves w itself is no floor
                if b.symbols & (moving | {g}) and not a.symbols & (moving | {g, parameter}):
                    epsilons |= {f.symbol for f, e in structure.factors(a) if f.op == "sym" and e == 1}
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
