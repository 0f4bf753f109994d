"""Equation patterns of the rule pages, matched modulo order, sign and spelling.

A pattern is a formula over meta-variables; its sums match any of a sum's terms (the rest stays), its products
any of a product's factors. ``sqrt(x)``, ``x**0.5`` and ``1/rsqrt`` are one.

    g        the effective gradient         w   the parameter          s   the state's own old content
    r        reads w, but no g and no state  t   a count of steps       a, c, k   settings and numbers
    V        built on the second moment      M   built on another state           S   some state's content
    n, x     anything                        u   anything but 1
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import parse
from optlint.lift.recurrence import State
from optlint.lift.structure import factors, product, squared_in, terms, total
from optlint.subject import Subject

VARIABLES = "gwsrtackVMSnxu"
Binding = dict[str, Expr]
SUM = ("add", "sub", "neg")
PRODUCT = ("mul", "div", "sqrt", "pow")
ONE = ex.const(1)


@lru_cache(maxsize=512)
def pattern(formula: str) -> Expr:
    return parse(formula, lambda name: Symbol(name, kind="meta"))


class Matcher:
    """Matches patterns against one part of a subject (a state's post, or the step)."""

    def __init__(self, subject: Subject, own: State | None) -> None:
        self.subject = subject
        self.own = own
        self.second = subject.second
        self.gathered = subject.moving - subject.products

    def fits(self, name: str, node: Expr) -> bool:
        subject = self.subject
        symbols = node.symbols
        kind = name.rstrip("0123456789")
        if kind == "g":
            return node.op == "sym" and node.value is subject.g
        if kind == "w":
            return node.op == "sym" and node.value is subject.parameter
        if kind == "s":
            return self.own is not None and node.op == "sym" and node.value is self.own.old
        if kind == "r":
            own = subject.parameter in symbols and subject.g not in symbols and not symbols & subject.moving
            return own and not self._squares_data(node)
        if kind == "t":
            return bool(symbols & subject.timed) and not symbols & self.gathered
        if kind in ("a", "c", "k"):
            return subject.is_hyper(node)
        if kind == "V":
            held = symbols & self.gathered
            return bool(held) and all(s in self.second for s in held) and subject.g not in symbols
        if kind == "M":
            return bool(symbols & self.gathered) and not symbols & self.second and subject.g not in symbols
        if kind == "S":
            return node.op == "sym" and node.value in self.gathered
        return kind != "u" or node != ONE

    def _squares_data(self, node: Expr) -> bool:
        """The squares of what is made of the gradient's own data: another parameter's gradient."""
        gradient = self.subject.gradient
        data = gradient.symbols - {self.subject.parameter} if gradient is not None else frozenset()
        return bool(node.symbols & data) and any(squared.symbols & data for squared in squared_in(node))

    def unify(self, p: Expr, n: Expr, env: Binding) -> Iterator[Binding]:
        if p.op == "sym":
            assert isinstance(p.value, Symbol)
            name = p.value.name
            if name in env:
                if env[name] == n:
                    yield env
            elif self.fits(name, n):
                yield {**env, name: n}
            return
        if p.op == "const":
            if n.op == "const" and abs(float(n.value) - float(p.value)) < 1e-12:  # type: ignore[arg-type]
                yield env
            return
        if p.op in SUM:
            yield from (e for e, rest in self.sums(p, n, env) if not rest)
            return
        if p.op in PRODUCT and not (p.op == "pow" and p.args[1].op != "const"):  # aᵗ is one factor
            yield from (e for e, rest in self.products(p, n, env) if not rest)
            return
        if p.op == n.op and len(p.args) == len(n.args):
            args = tuple(a.args[0] if n.op == "abs" and a.op == "neg" else a for a in n.args)  # |−g|
            yield from self._each(p.args, args, env)

    def _each(self, ps: tuple[Expr, ...], ns: tuple[Expr, ...], env: Binding) -> Iterator[Binding]:
        if not ps:
            yield env
            return
        for found in self.unify(ps[0], ns[0], env):
            yield from self._each(ps[1:], ns[1:], found)

    def sums(self, p: Expr, n: Expr, env: Binding) -> Iterator[tuple[Binding, list[tuple[int, Expr]]]]:
        """Each way to find the pattern's terms among the node's, with the terms that are left."""
        wanted, have = terms(p), terms(n)
        if len(have) < len(wanted) or len(have) > 12:
            return
        for turned in (1, -1):  # a sum may stand under a minus
            yield from self._sum(wanted, have, env, turned)
            if len(wanted) == 1:
                break

    def _sum(
        self, wanted: list[tuple[int, Expr]], have: list[tuple[int, Expr]], env: Binding, turned: int
    ) -> Iterator[tuple[Binding, list[tuple[int, Expr]]]]:
        if not wanted:
            yield {**env, "±": ex.const(turned)}, have
            return
        (sign, p), others = wanted[0], wanted[1:]
        for position, (mine, node) in enumerate(have):
            left = have[:position] + have[position + 1 :]
            subject: Expr | None = node
            if mine != sign * turned:
                subject = _without_minus(node)
                if subject is None and _has_free_factor(p):
                    subject = ex.op("neg", node, origin=node.origin)
            for found in self.unify(p, subject, env) if subject is not None else ():
                yield from self._sum(others, left, found, turned)

    def products(self, p: Expr, n: Expr, env: Binding) -> Iterator[tuple[Binding, list[tuple[Expr, float]]]]:
        """Each way to find the pattern's factors among the node's; a free ``n`` takes what is left above the line."""
        wanted, have = _without_ones(factors(p)), gathered(_without_ones(factors(n)))
        free = [i for i, (f, e) in enumerate(wanted) if _is_free(f) and e == 1]
        fixed = [w for i, w in enumerate(wanted) if i not in free[:1]]
        if len(have) < len(fixed) or len(have) > 12:
            return
        for found, rest in self._factors(fixed, have, env):
            if not free:
                yield found, rest
                continue
            name = wanted[free[0]][0].symbol.name
            value = product(rest) if rest else ex.const(1)
            if name in found:
                if found[name] == value:
                    yield found, []
            elif self.fits(name, value):
                yield {**found, name: value}, []

    def _factors(
        self, wanted: list[tuple[Expr, float]], have: list[tuple[Expr, float]], env: Binding
    ) -> Iterator[tuple[Binding, list[tuple[Expr, float]]]]:
        if not wanted:
            yield env, have
            return
        (p, exponent), others = wanted[0], wanted[1:]
        for position, (node, mine) in enumerate(have):
            if abs(mine - exponent) > 1e-12:
                continue
            left = have[:position] + have[position + 1 :]
            for found in self.unify(p, node, env):
                yield from self._factors(others, left, found)

    def rewrites(self, wrong: Expr, right: Expr, node: Expr) -> Iterator[tuple[Binding, Expr]]:
        """What ``node`` becomes where the pattern stands in it."""
        known = {"g": ex.sym(self.subject.g)}
        if self.own is not None:
            known["s"] = ex.sym(self.own.old)
        if wrong.op in SUM and node.op in SUM:
            for env, left in self.sums(wrong, node, {}):
                turned = int(env.pop("±", ex.const(1)).value)  # type: ignore[call-overload]
                yield env, total([*left, (turned, build(right, known | env))], node.origin)
        elif wrong.op in PRODUCT and node.op in PRODUCT:
            for env, rest in self.products(wrong, node, {}):
                made = build(right, known | env)
                yield env, (product([*rest, (made, 1.0)], node.origin) if rest else made.at(node.origin))
        elif wrong.op not in SUM and wrong.op not in PRODUCT:
            for env in self.unify(wrong, node, {}):
                yield env, build(right, known | env).at(node.origin)


def _without_minus(node: Expr) -> Expr | None:
    """x of −x that is written as a product, (−η)·λ; None where there is no minus."""
    parts = factors(node)
    minus = [p for p in parts if p == (ex.const(-1), 1.0)]
    return product([p for p in parts if p not in minus], node.origin) if len(minus) % 2 else None


def _without_ones(parts: list[tuple[Expr, float]]) -> list[tuple[Expr, float]]:
    return [(node, exponent) for node, exponent in parts if node != ONE]


def gathered(parts: list[tuple[Expr, float]]) -> list[tuple[Expr, float]]:
    """Equal factors as one: g·g is g²."""
    result: list[tuple[Expr, float]] = []
    for node, exponent in parts:
        for position, (other, power) in enumerate(result):
            if other == node and exponent > 0 and power > 0:
                result[position] = (other, power + exponent)
                break
        else:
            result.append((node, exponent))
    return result


def _is_free(p: Expr) -> bool:
    return p.op == "sym" and isinstance(p.value, Symbol) and p.value.name.rstrip("0123456789") in ("n", "x", "u")


def _has_free_factor(p: Expr) -> bool:
    return any(_is_free(f) and e == 1 for f, e in factors(p))


def build(formula: Expr, env: Binding) -> Expr:
    """The right-hand side with the meta-variables filled in; ``eps`` is a new 1e-8."""
    table: dict[Expr, Expr] = {}
    for node in ex.walk(formula):
        if node.op == "sym":
            assert isinstance(node.value, Symbol)
            name = node.value.name
            if name in env:
                table[node] = env[name]
            elif name == "eps":
                table[node] = ex.const(1e-8)
    return ex.substitute(formula, table)
