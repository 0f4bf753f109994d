"""The powers βᵗ of the bias correction: what stands where 1 − βᵗ should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from optlint.diagnose.checks.correction import averages, clock, complements, one_minus_power
from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.sandbox.evaluate import evaluate
from optlint.sandbox.probes import LANES
from optlint.subject import Subject, pseudo

TIMES = (2.0, 3.0, 5.0)  # at t = 1 too much is alike

# what people write for 1 − βᵗ
SLIPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda b, t: b**t,
    lambda b, t: (1 - b) ** t,
    lambda b, t: 1 - b * t,
    lambda b, t: 1 - t**b,
    lambda b, t: 1 + b**t,
    lambda b, t: b**t - 1,
    lambda b, t: 1 - (1 - b) ** t,
)


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

    @property
    def _clock_symbols(self) -> frozenset[Symbol]:
        return frozenset(c.symbol for c in self.clocks)

    def _at(self, t: float) -> Mapping[Symbol, Any]:
        return {**self.subject.bound, **{c.symbol: c.first + (t - 1) * c.by for c in self.clocks}}

    def moves(self, node: Expr) -> bool:
        return bool(node.symbols & (self._clock_symbols | self.subject.products))


@check("correction-power")
def correction_power(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """βᵗ, (1 − β)ᵗ, 1 − β·t … as a factor where 1 − βᵗ belongs: all of them at once."""
    if complements(subject):
        return  # β weights the gradient: which of the two is meant is another question
    timed = Timed(subject)
    right = {}
    for state in averages(subject):
        decay = timed.value(structure.slope(state.post, state.old))  # type: ignore[arg-type]
        if decay is not None:
            right[state.name] = decay, one_minus_power(subject, state, timed.time)
    table: dict[Expr, Expr] = {}
    for node in _time_factors(subject, timed):
        value = timed.value(node)
        for decay, new in right.values() if value is not None else ():
            if _is_slip(value, decay) and node not in table:
                table[node] = new
    if not table:
        return
    posts = [ex.substitute(p, table) for p in subject.posts]
    wrong, new = next(iter(table.items()))
    yield Repair(page.code, subject.replaced(posts, clocks=timed.clocks), wrong, new, root=subject.step)


def _time_factors(subject: Subject, timed: Timed) -> Iterator[Expr]:
    """Factors and divisors (also below a root) that are made of settings and move with t."""
    for post in subject.posts:
        for node in ex.walk(post):
            if node.op in ("mul", "div", "sqrt") or (node.op == "pow" and node.args[1].op == "const"):
                for part in node.args:
                    if part.op not in ("mul", "div", "sqrt") and timed.moves(part):
                        yield part


def _is_slip(value: Any, decay: Any) -> bool:
    times = np.array(TIMES)[:, None, None]
    return any(np.allclose(value, slip(decay, times), rtol=1e-9) for slip in SLIPS)
