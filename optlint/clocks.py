"""What counts the steps of an update: counters, loop indices, and whatever a decay is raised to."""

from __future__ import annotations

from collections.abc import Iterable

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import COMPARISONS, Expr, Symbol
from optlint.lift.recurrence import Recurrence
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Clock


def clocks_of(recurrence: Recurrence, posts: list[Expr]) -> list[Clock]:
    """What counts steps: counters, loop indices, and whatever a decay is raised to."""
    states = recurrence.moving
    decays = {structure.retention(s.post, s.old) for s in recurrence.states}
    counters = {x for c in recurrence.counters for x in (c.old, c.new)}
    exponents = _exponents(posts, states, decays, counters)
    read = set().union(*(p.visible for p in posts)) if posts else set()
    clocks: list[Clock] = []
    for counter in recurrence.counters:
        by = float(structure.rest(counter.post, counter.old).value)  # type: ignore[arg-type]
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
        outer = recurrence.is_of_outer(symbol.begun_by or symbol)
        clocks.append(Clock(symbol, float(begin) if isinstance(begin, (int, float)) else 0.0, 1.0, known, outer=outer))
        have.add(symbol)
    counting = _counting(exponents, {s for e in exponents for s in e.visible if s in have})
    thresholds = _thresholds(posts)
    free = (counting | thresholds.keys()) - have - states
    for symbol in sorted(free, key=lambda s: s.name):
        if recurrence.is_held(symbol) and not is_counted_by_caller(symbol, recurrence):
            continue
        if symbol.default is not None and not float(symbol.default).is_integer():
            continue  # the ψ of β^(t·ψ)
        if symbol in recurrence.stuck:
            continue
        # the caller counts: from 0 where the code itself adds one wherever it uses the count, else from 1
        mine = [e for e in exponents if e.visible == {symbol}] or [e for e in exponents if symbol in e.visible]
        from_zero = all(float(evaluate(e, dict.fromkeys(e.symbols, 0.0))) >= 1 for e in mine)
        first = 0.0 if from_zero else 1.0
        outer = symbol in recurrence.outer
        clocks.append(Clock(symbol, first if mine else min(1.0, *thresholds[symbol]), 1.0, False, outer=outer))
    return clocks


def is_counted_by_caller(symbol: Symbol, recurrence: Recurrence) -> bool:
    """An attribute of what is called for one parameter after the other: who calls it may well count the steps."""
    return "." in symbol.name and bool(recurrence.keyed_by)


def _thresholds(posts: list[Expr]) -> dict[Symbol, list[float]]:
    """What is read only to be compared with whole numbers counts steps (``t > 1``, ``step == 0``).

    By symbol: the last number on the first step's side, for each comparison.
    """
    found: dict[Symbol, list[float]] = {}
    other: set[Symbol] = set()
    for post in posts:
        asked = {id(n.args[0]) for n in ex.walk(post) if n.op in COMPARISONS and _last_first(n) is not None}
        for node in ex.walk(post):
            last = _last_first(node)
            if last is not None:
                found.setdefault(node.args[0].symbol, []).append(last)
            other.update(a.symbol for a in node.args if a.op == "sym" and id(a) not in asked)
    return {s: last for s, last in found.items() if s not in other and not s.array}


def _last_first(node: Expr) -> float | None:
    """k for ``t > k``, ``t <= k`` and ``t == k``, k − 1 for ``t >= k`` and ``t < k``; None for anything else."""
    if node.op not in COMPARISONS or node.args[0].op != "sym" or node.args[1].op != "const":
        return None
    number = node.args[1].number - (node.op in ("ge", "lt"))
    return number if number >= 0 and float(number).is_integer() else None


def _exponents(
    posts: Iterable[Expr], moving: frozenset[Symbol], decays: set[Expr | None], counters: set[Symbol]
) -> list[Expr]:
    """What settings are raised to (βᵗ), or what a decay is the exponent of where the two are exchanged (t^β); in an
    update without powers, what a decay is multiplied by where one is added to it, as to no setting.

    The κ of a schedule t^κ is neither, not even where it is not seen that t counts, once the time is told by a decay.
    """
    powers = [n for p in posts for n in ex.walk(p) if n.op == "pow" and n.args[1].op != "const"]
    powers = [n for n in powers if not n.args[0].symbols & moving]
    told = {s for n in powers if n.args[0] in decays for s in n.args[1].visible}
    powers = [n for n in powers if not told or n.args[1].visible & told or not _may_count(n.args[0], decays)]
    factors = [n for p in posts for n in ex.walk(p) if n.op == "mul" and n.args[0] in decays] if not powers else []
    counted = [n.args[1] for n in factors if _is_next(n.args[1]) and not n.args[1].symbols & moving]
    return counted or [
        n.args[0] if n.args[1] in decays else n.args[1]
        for n in powers
        if n.args[1] in decays or n.args[1].symbols & counters or not n.args[0].symbols & counters
    ]


def _is_next(node: Expr) -> bool:
    """i + 1, which takes the place of an exponent in β·(i + 1)."""
    return node.op == "add" and node.args[1] == ex.const(1) and node.args[0].op == "sym"


def _may_count(base: Expr, decays: set[Expr | None]) -> bool:
    """A quantity of which nothing says that it is below 1."""
    if base.op != "sym" or base in decays:
        return False
    return base.symbol.default is None or base.symbol.default >= 1


def _counting(exponents: list[Expr], counters: set[Symbol]) -> set[Symbol]:
    """The symbols that count steps in the exponents: t and t + 1, but not the ψ of t·ψ."""
    plain = {
        s
        for e in exponents
        if len(e.visible) == 1
        for s in e.visible
        if (own := structure.slope(e, s)) is not None and own.op == "const"
    }
    if plain | counters:
        return plain
    return set().union(*(e.visible for e in exponents))
