"""A decay's coefficient that multiplies the gradient: no weight is decayed."""

from __future__ import annotations

from collections.abc import Iterator

from optlint.diagnose.checks.decay import gradient_becomes
from optlint.diagnose.repairs import Repair, check
from optlint.intent import is_called_decay
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.subject import Subject


def _coefficients(parts: list[tuple[Expr, float]]) -> list[Expr]:
    """The factors that are called after a decay."""
    return [f for f, e in parts if f.op == "sym" and is_called_decay(f.symbol.name) and e == 1]


def _sums_in(gradient: Expr) -> Iterator[Expr]:
    """The gradient, and what of it is a sum that is scaled, or stands on one way: (g + λ·g)·ratio, as LARS has it."""
    waiting, seen = [gradient], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            ways = part.args[1:] if part.op == "where" else [f for f, e in structure.factors(part) if e == 1]
            waiting.extend(way for way in ways if way.op in ("add", "sub", "mul", "div", "where"))


@check("decay-of-gradient")
def decay_of_gradient(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g + λ·g for g + λ·w: the decay's coefficient multiplies the gradient itself."""
    gradient, w = subject.gradient, subject.parameter
    if gradient is None or w is None:
        return
    for whole in _sums_in(gradient):
        parts = structure.terms(whole)
        for _, term in parts:
            factors = structure.factors(term)
            rates = _coefficients(factors)
            data = structure.product([(f, e) for f, e in factors if f not in rates])
            if len(rates) == 1 and any(t == data for _, t in parts):
                decay = ex.op("mul", rates[0], ex.sym(w), origin=term.origin)
                right = structure.total([(s, decay if t is term else t) for s, t in parts], whole.origin)
                yield gradient_becomes(subject, page, term, decay, ex.replace_node(gradient, whole, right))
                return


@check("decay-of-gradient-in-step")
def decay_of_gradient_in_step(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """u + λ·g for u + λ·w beside what the moments give. A function that is not given w can only leave it away."""
    w, g = subject.parameter, ex.sym(subject.g)
    if not subject.second and not any(n.op == "sign" for n in ex.walk(subject.step)):
        return  # of λ·g beside an average of g, nobody knows what it is for
    for node in ex.walk(subject.step):
        parts = structure.factors(node) if node.op == "mul" else []
        rates = _coefficients(parts)
        plain = all(e == 1 and f.op in ("sym", "const") and not f.symbols & subject.moving for f, e in parts)
        if plain and len(rates) == 1 and [f for f, _ in parts].count(g) == 1:
            right = ex.substitute(node, {g: ex.sym(w)}) if w is not None else ex.const(0)
            step = ex.replace_node(subject.step, node, right)
            made = subject.replaced([*(s.post for s in subject.states), step])
            yield Repair(page.code, made, node, right, where="step", root=subject.step)
