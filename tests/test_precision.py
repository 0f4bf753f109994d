"""Low precision: what is read of number types, what the sandbox makes of them, and when the pages speak."""

from __future__ import annotations

import numpy as np
import pytest

from optlint import Report, lint_source
from optlint.lift import lift
from optlint.lift.expression import Symbol, const, op, sym
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import Runner, System
from optlint.sandbox.rounding import ROUND, Precision
from optlint.source import source_from_text

CENTERED = """
import numpy as np


class RMSprop:
    def __init__(self, params, lr=0.001, rho=0.9, eps={eps}):
        self.lr, self.rho, self.eps, self.params = lr, rho, eps, params
        self.n = [np.zeros_like(p{n}) for p in params]
        self.a = [np.zeros_like(p{a}) for p in params]

    def step(self, grads):
        for p, g, n, a in zip(self.params, grads, self.n, self.a):
            n *= self.rho
            n += (1 - self.rho) * g**2
            a *= self.rho
            a += (1 - self.rho) * g
            p -= self.lr * g / np.sqrt(n - a**2 + self.eps)
"""
PLAIN = """
import numpy as np


def rmsprop(w, gradient, steps=100, lr=0.001, rho=0.9, eps={eps}):
    v = np.zeros_like(w{dtype})
    for _ in range(steps):
        g = gradient(w){cast}
        v {assign} rho * v + (1 - rho) * g**2
        w = w - lr * g / (np.sqrt({read}) + eps)
    return w
"""


def lint(text: str) -> Report:
    report = lint_source(text, "example.py")
    assert not report.problems
    assert [u.status for u in report.updates] in (["matched"], ["mistaken"])
    return report


def codes(text: str) -> list[str]:
    return [f.code for f in lint(text).findings if f.code not in ("OPT205", "OPT206")]


def plain(eps: str = "1e-8", dtype: str = "", cast: str = "", assign: str = "=", read: str = "v") -> str:
    return PLAIN.format(eps=eps, dtype=dtype, cast=cast, assign=assign, read=read)


def only(text: str) -> Recurrence:
    found = lift(Program.read(source_from_text("example.py", text).units)).recurrences
    assert len(found) == 1
    return found[0]


def state(text: str, name: str) -> State:
    recurrence = only(text)
    states = [*recurrence.states, *([recurrence.parameter] if recurrence.parameter else [])]
    return next(s for s in states if s.name == name)


# --- types as the code shows them


@pytest.mark.parametrize(
    ("made", "dtype"),
    [
        ("np.zeros(3, dtype=np.float16)", "float16"),
        ("np.zeros(3, np.float32)", "float32"),
        ("np.zeros_like(w, dtype='float16')", "float16"),
        ("np.zeros_like(w).astype(np.float32)", "float32"),
        ("np.full(3, 0.0, np.float16)", "float16"),
        ("np.zeros_like(np.array([1, 2]))", "int"),
        ("np.zeros_like(np.array([1.0, 2]))", "float64"),
        ("np.zeros(3, dtype=int)", "int"),
        ("np.zeros(3)", ""),
        ("np.zeros_like(w)", ""),
        ("np.zeros_like(w, dtype=kind)", ""),
    ],
)
def test_the_type_of_a_state_is_that_of_its_first_content(made: str, dtype: str) -> None:
    text = f"""
import numpy as np


def minimize(w, gradient, kind, mu=0.9, lr=0.1):
    v = {made}
    for _ in range(10):
        v = mu * v + gradient(w)
        w = w - lr * v
    return w
"""
    assert state(text, "v").dtype == dtype
    assert state(text, "v").becomes == ""  # the gradient's type is not shown


@pytest.mark.parametrize(
    ("dtype", "cast", "assign", "becomes"),
    [
        (", dtype=np.float16", "", "[:] =", "float16"),  # in place
        (", dtype=np.float16", "", "=", ""),
        (", dtype=np.float16", ".astype(np.float16)", "=", "float16"),
        (", dtype=np.float16", ".astype(np.float32)", "=", "float32"),
        (", dtype=np.float32", ".astype(np.float16)", "=", "float32"),
        (", dtype=int", ".astype(np.float32)", "=", "float64"),
    ],
)
def test_the_type_of_a_new_content(dtype: str, cast: str, assign: str, becomes: str) -> None:
    text = plain(dtype=dtype, cast=cast, assign=assign).replace("v [:]", "v[:]")
    assert state(text, "v").becomes == becomes


def test_an_array_of_numbers_computes_as_numpy_does() -> None:
    x, y = Symbol("x"), Symbol("y")
    formula = op("div", sym(x), op("add", op("sqrt", op("mul", sym(x), sym(x))), sym(y)))
    for dtype in (np.float16, np.float32):
        for value in (1e-4, 0.3, 17.0, 300.0):
            for small in (1e-8, 1e-4):
                low = Precision(np.dtype(dtype).name, frozenset({x}))
                runner = Runner(System([], formula, None))
                got = runner.run({x: value, y: small}, {}, {}, 0.0, 1, (), precision=low).step[0]
                with np.errstate(all="ignore"):
                    array = np.array(value, dtype=dtype)
                    expected = array / (np.sqrt(array * array) + small)
                assert expected.dtype == dtype
                assert np.array_equal(got, float(expected), equal_nan=True)


def test_bfloat16_rounds_to_even() -> None:
    torch = pytest.importorskip("torch")
    values = np.array([0.999, 0.9, 1e-8, 1.00390625, 1.01171875, -3.3e38, 1e-40, 0.0, np.inf, -np.inf])
    expected = torch.tensor(values, dtype=torch.float32).bfloat16().double().numpy()
    assert np.array_equal(ROUND["bfloat16"](values), expected)
    assert np.isnan(ROUND["bfloat16"](np.nan)) and ROUND["bfloat16"](0.999) == 1


def test_numbers_that_no_array_meets_are_not_rounded() -> None:
    x, y = Symbol("x"), Symbol("y")
    formula = op("mul", sym(x), op("sub", const(1), sym(y)))
    low = Precision("float16", frozenset({x}))
    got = Runner(System([], formula, None)).run({x: 1.0, y: 0.9999}, {}, {}, 0.0, 1, (), precision=low).step[0]
    assert got == float(np.float16(1 - 0.9999)) != 0


# --- manifest or latent: the pages speak where the code's own types show the mistake


LOW = ", dtype=np.float16"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (plain(dtype=LOW, assign="[:] =").replace("v [:]", "v[:]"), ["OPT208"]),
        (plain(dtype=LOW, cast=".astype(np.float16)"), ["OPT208"]),
        (plain(dtype=LOW), []),  # the gradient's type is not shown: float64 after the first step, perhaps
        (plain(), []),
        (plain(dtype=", dtype=np.float32", cast=".astype(np.float32)"), []),
        (plain(eps="1e-4", dtype=LOW, cast=".astype(np.float16)"), []),
        (plain(eps="1e-7", dtype=LOW, cast=".astype(np.float16)"), []),  # rounds to 1.2e-7
        (plain(dtype=LOW, cast=".astype(np.float16)", read="v.astype(np.float32)"), []),
        (plain(dtype=LOW, cast=".astype(np.float32)"), ["OPT608"]),
    ],
)
def test_an_epsilon_of_nothing(text: str, found: list[str]) -> None:
    assert codes(text) == found


@pytest.mark.parametrize(
    ("eps", "n", "a", "found"),
    [
        ("1e-8", ", dtype=np.float32", ", dtype=np.float32", ["OPT116"]),
        ("1e-4", ", dtype=np.float32", ", dtype=np.float32", ["OPT116"]),
        ("1e-8", "", "", []),  # latent: nothing shows a low precision
        ("1e-8", ", dtype=np.float64", ", dtype=np.float64", []),
        ("1e-8", ", dtype=np.float32", "", []),
        ("1e-8", ", dtype=np.float32", ", dtype=np.float64", []),
        ("1e6", ", dtype=np.float32", ", dtype=np.float32", []),  # this epsilon outweighs all rounding
    ],
)
def test_a_negative_variance(eps: str, n: str, a: str, found: list[str]) -> None:
    report = lint(CENTERED.format(eps=eps, n=n, a=a))
    mine = [f for f in report.findings if f.code not in ("OPT205", "OPT206")]
    assert [f.code for f in mine] == found
    assert all(f.severity == "note" for f in mine), "a published form is no mistake"


@pytest.mark.parametrize(
    ("beta2", "found"),
    [
        ("np.float16(0.9999)", ["OPT316"]),
        ("np.float16(0.999)", []),
        ("np.float32(0.9999)", []),
        ("0.9999", []),
    ],
)
def test_a_rounded_decay(beta2: str, found: list[str]) -> None:
    text = f"""
import numpy as np


class Adam:
    def __init__(self, lr=0.001, eps=1e-8):
        self.lr, self.eps, self.beta1, self.beta2 = lr, eps, 0.9, {beta2}
        self.m, self.v, self.t = 0, 0, 0

    def update(self, w, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return w - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
"""
    assert codes(text) == found


@pytest.mark.parametrize(
    ("start", "update", "found", "said"),
    [
        ("np.array([5, 3])", "w -= 0.1 * v", ["OPT607"], "UFuncTypeError"),
        ("np.array([5, 3])", "w[:] = w - 0.1 * v", ["OPT607"], "the step is 0"),
        ("np.array([5, 3])", "w = w - 0.1 * v", [], ""),
        ("np.array([5, 3])", "w = w - 0.1 * v; w -= 0.1 * v", [], ""),
        ("np.array([5.0, 3])", "w -= 0.1 * v", [], ""),
        ("start.copy()", "w -= 0.1 * v", [], ""),
    ],
)
def test_integers(start: str, update: str, found: list[str], said: str) -> None:
    text = f"""
import numpy as np


def minimize(start, gradient, steps=100, mu=0.9):
    w = {start}
    v = np.zeros(2)
    for _ in range(steps):
        v = mu * v + gradient(w)
        {update}
    return w
"""
    report = lint(text)
    assert [f.code for f in report.findings] == found
    assert all(f.evidence is not None and said in f.evidence.ran for f in report.findings)
