"""The algebra's views and rewrites never change what an expression computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlint.diagnose.patterns import gathered
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import NotationError, parse, render
from optlint.sandbox.evaluate import evaluate

NAMES = {name: Symbol(name) for name in ("m", "v", "g", "w", "a", "b")}
VALUES = {symbol: 0.3 + 0.37 * index for index, symbol in enumerate(NAMES.values())}

leaves = st.one_of(
    st.sampled_from([ex.sym(s) for s in NAMES.values()]),
    st.floats(0.25, 3).map(lambda x: ex.const(round(x, 3))),
)


def _grown(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    pairs = st.tuples(st.sampled_from(["add", "sub", "mul", "div", "max"]), children, children)
    return st.one_of(
        pairs.map(lambda p: ex.op(p[0], p[1], p[2])),
        children.map(lambda c: ex.op("neg", c)),
        children.map(lambda c: ex.op("sqrt", ex.op("abs", c))),
        children.map(lambda c: ex.op("pow", c, ex.const(2))),
    )


expressions = st.recursive(leaves, _grown, max_leaves=12)


def value(node: Expr) -> float:
    return float(evaluate(node, VALUES))


def same(one: float, other: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return True  # a division by zero says nothing about the rewriting
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * max(1.0, abs(one)))


@given(expressions)
@settings(max_examples=150, deadline=None)
def test_sums_and_products_come_back_whole(node: Expr) -> None:
    assert same(value(structure.total(structure.terms(node))), value(node))
    assert same(value(structure.product(structure.factors(node))), value(node))
    assert same(value(structure.product(gathered(structure.factors(node)))), value(node))


@given(expressions)
@settings(max_examples=150, deadline=None)
def test_tidying_keeps_the_value(node: Expr) -> None:
    assert same(value(structure.tidy(node)), value(node))


@given(expressions)
@settings(max_examples=150, deadline=None)
def test_slope_and_rest_make_up_an_affine_expression(node: Expr) -> None:
    symbol = NAMES["m"]
    slope = structure.slope(node, symbol)
    if slope is not None:
        assert symbol not in slope.visible
        assert same(value(slope) * VALUES[symbol] + value(structure.rest(node, symbol)), value(node))


@given(expressions)
@settings(max_examples=100, deadline=None)
def test_a_substitution_by_itself_changes_nothing(node: Expr) -> None:
    target = ex.sym(NAMES["g"])
    double = ex.op("div", ex.op("mul", ex.const(2), target), ex.const(2))
    assert same(value(ex.substitute(node, {target: double})), value(node))


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("beta2*v + (1 - beta2)*g**2", "β₂·v + (1 − β₂)·g²"),
        ("w - eta*m'/(sqrt(v') + eps)", "w − η·m_new/(√v_new + ε)"),
        ("a/(b*c)", "a/(b·c)"),
        ("a - (b - c)", "a − (b − c)"),
        ("-(a + b)", "−(a + b)"),
        ("max(beta2*u, abs(g))", "max(β₂·u, |g|)"),
    ],
)
def test_formulas_are_shown_in_the_field_s_notation(formula: str, shown: str) -> None:
    assert render(parse(formula, Symbol)) == shown


@pytest.mark.parametrize("formula", ["a +", "f(x)", "a[0]", "lambda: 1", '"text"', "a if b else c"])
def test_what_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(NotationError):
        parse(formula, Symbol)


def test_a_huge_power_costs_nothing() -> None:
    node = ex.op("pow", ex.const(9), ex.op("pow", ex.const(9), ex.const(99)))
    assert node.op in ("pow", "const")
    assert np.isfinite(node.size)
