"""Laws: every published optimizer obeys them, and updates with a mistake do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from differential import lift_text

from optlint import lint_source
from optlint.diagnose.restore import restore
from optlint.knowledge import Variant, read_convention, rules_folder
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import parse, parse_system
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Span
from optlint.prepare import prepare
from optlint.sandbox import laws
from optlint.subject import Subject

VARIANTS = [
    pytest.param(variant, id=f"{variant.family}-{variant.name.replace(' ', '-')}")
    for path in sorted((rules_folder() / "conventions").glob("*.toml"))
    for variant in read_convention(path)
]
DEFAULTS = {"eta": 0.1, "rho": 0.9, "mu": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


def subject_of(equations: str, defaults: dict[str, float], initial: dict[str, str] | None = None) -> Subject:
    """The update that equations write out, as if it had been lifted."""
    symbols: dict[str, Symbol] = {}
    parts: dict[str, Expr] = {}

    def resolve(name: str) -> Symbol | Expr:
        if name in parts:
            return parts[name]
        shown = {"g": "grad[i]"}.get(name, name.replace("_new", "'"))
        return symbols.setdefault(name, Symbol(shown, default=defaults.get(name)))

    posts: dict[str, Expr] = {}
    for target, formula in parse_system(equations):
        (posts if target.endswith("'") else parts)[target.removesuffix("'")] = parse(formula, resolve)
    start = {n: ex.const(float(v)) for n, v in (initial or {}).items()}
    states = []
    for name, post in posts.items():
        old, new = (symbols.setdefault(n, Symbol(n.replace("_new", "'"))) for n in (name, f"{name}_new"))
        states.append(State(old.name, old, new, post, start.get(name, ex.const(0))))
    counters = []
    if "t" in symbols:  # 1 at the first step
        t, before = symbols["t"], Symbol("t before")
        counters = [State("t", before, t, ex.op("add", ex.sym(before), ex.const(1)), ex.const(0))]
    parameter = next(s for s in states if s.name == "w")
    others = [s for s in states if s is not parameter]
    return prepare(Recurrence("update", parameter, None, others, counters, [], Span(1, 1, 1, 1)))


def published(variant: Variant) -> Subject:
    return subject_of(variant.equations, {**DEFAULTS, **dict(variant.defaults)}, dict(variant.initial))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_published_optimizer_obeys(variant: Variant) -> None:
    subject = published(variant)
    assert laws.stays_real(subject)
    assert laws.turns_with_gradient(subject)
    assert laws.scales_with_gradient(subject)
    assert laws.decays_with_its_setting(subject)
    assert laws.averages_last(subject)
    assert laws.squares_stay_bounded(subject)
    assert laws.descends(subject)
    assert laws.corrects_once(subject)
    assert laws.corrections_move(subject)
    norms = any(name in variant.equations for name in ("norm(", "mean(", "sum("))
    assert laws.keeps_coordinates_apart(subject) is not norms
    hole = (variant.epsilon == "none" and not variant.initial) or (norms and "where(" not in variant.equations)
    if not hole:  # what is published with one divides zero by zero where all gradients are
        assert laws.rests(subject)
    mended = restore(subject)
    assert mended is None or (mended.law == "rests" and hole)  # bounds and rectifications move with t, too


ADAM = """
m' = beta1*m + (1 - beta1)*g
v' = beta2*v + (1 - beta2)*g**2
w' = w - eta*(m'/(1 - beta1**t))/(sqrt(v'/(1 - beta2**t)) + eps)
"""


@pytest.mark.parametrize(
    ("equations", "exponent"),
    [
        ("w' = w - eta*g", 1.0),
        ("b' = mu*b + g\nw' = w - eta*b'", 1.0),
        (ADAM, 0.0),
        (ADAM.replace("g**2", "abs(g)"), 0.5),
        (ADAM.replace("sqrt(v'/(1 - beta2**t))", "v'/(1 - beta2**t)"), -1.0),
        (ADAM.replace(")/(sqrt", ")*(sqrt"), 2.0),
    ],
)
def test_the_scale_exponent_is_measured(equations: str, exponent: float) -> None:
    assert laws.scale_exponent(subject_of(equations, DEFAULTS)) == pytest.approx(exponent, abs=0.01)


BROKEN: list[tuple[Callable[[Subject], bool], str, str]] = [
    (laws.rests, "(sqrt(v'/(1 - beta2**t)) + eps)", "sqrt(v'/(1 - beta2**t)) + eps"),
    (laws.stays_real, "(1 - beta2)*g**2", "(1 - beta2)*g"),
    (laws.turns_with_gradient, "beta2*v + (1 - beta2)*g**2", "(beta2*sqrt(v) + (1 - beta2)*g)**2"),
    (laws.scales_with_gradient, "sqrt(v'/(1 - beta2**t))", "v'/(1 - beta2**t)"),
    (laws.scales_with_gradient, ")/(sqrt", ")*(sqrt"),
    (laws.keeps_coordinates_apart, "g**2", "mean(g**2)"),
    (laws.decays_with_its_setting, "w' = w - eta*", "w' = w + eta*lam*w - eta*"),
    (laws.descends, "w' = w - eta*", "w' = w + eta*"),
    (laws.averages_last, "beta1*m + (1 - beta1)*g", "beta1*0 + (1 - beta1)*g"),
    (laws.squares_stay_bounded, "beta2*v + (1 - beta2)*g**2", "(beta2*v + (1 - beta2)*g**2)/(1 - beta2**t)"),
    (laws.corrections_move, "(1 - beta1**t)", "(1 - beta1)"),
    (laws.corrects_once, "w' = w - eta*", "r' = r*(1 - beta2**t)\nw' = w - r'*"),
    (laws.follows_its_rate, "(1 - beta2)*g**2", "(1 - beta2)*(eta*g)**2"),
    (laws.corrections_fit, "(1 - beta1**t)", "beta1**t"),
    (laws.corrections_fit, "sqrt(v'/(1 - beta2**t))", "sqrt(v')/(1 - beta2**t)"),
    (laws.corrections_fit, "m'/(1 - beta1**t)", "m'*(1 - beta1**t)"),
    (laws.corrections_fit, "m'/(1 - beta1**t)", "m'/(1 - beta1**t)**2"),
    (laws.corrections_fit, "v'/(1 - beta2**t)", "v'/(1 - beta1**t)"),
]


@pytest.mark.parametrize(("law", "right", "wrong"), BROKEN)
def test_a_broken_update_breaks_the_law(law: Callable[[Subject], bool], right: str, wrong: str) -> None:
    assert right in ADAM
    assert law(subject_of(ADAM, DEFAULTS))
    assert not law(subject_of(ADAM.replace(right, wrong), DEFAULTS))


FRICTION = """
import numpy as np


class Friction:
    def __init__(self, lr=0.01, mu=0.9):
        self.lr, self.mu, self.velocity, self.last = lr, mu, {}, {}

    def step(self, w, grads):
        for k in w:
            g = grads[k]
            if k not in self.last:
                self.last[k], self.velocity[k] = g, np.zeros_like(g)
            change = self.last[k] - g
            self.velocity[k] = self.mu * self.velocity[k] + np.exp(-np.abs(change)) * g
            w[k] -= self.lr * self.velocity[k]
            KEPT
"""


@pytest.mark.parametrize(
    ("kept", "vanishes"),
    [
        ("self.last[k] = g", True),
        ("self.last[k] = self.mu * self.last[k] + (1 - self.mu) * g", True),  # it may be compared with an average
        ("self.last[k] = self.last[k] - g", False),
        ("self.last[k] = self.mu * self.last[k]", False),
        ("pass", False),
    ],
)
def test_a_gradient_that_stays_shows_no_change(kept: str, vanishes: bool) -> None:
    found = lift_text(FRICTION.replace("KEPT", kept)).recurrences
    subject = prepare(next(r for r in found if len(r.states) == 2))
    assert laws.changes_vanish(subject) is vanishes
    report = lint_source(FRICTION.replace("KEPT", kept), "friction.py")
    assert [f.code for f in report.findings] == ([] if vanishes else ["OPT716"])


COUNTED = """
import numpy as np


class Counted:
    def __init__(self, size, lr=0.01, beta=0.9, rho=0.99, eps=1e-8):
        self.lr, self.beta, self.rho, self.eps = lr, beta, rho, eps
        self.m, self.v, self.t = np.zeros(size), np.zeros(size), 0

    def step(self, w, grad):
        ADVANCE
        self.m = self.beta * self.m + (1 - self.beta) * grad
        self.v = self.rho * self.v + (1 - self.rho) * grad**2
        v_hat = self.v / (1 - self.rho**self.t)
        return w - self.lr * np.sign(self.m) * np.maximum(np.abs(self.m), np.abs(grad)) / (np.sqrt(v_hat) + self.eps)
"""


@pytest.mark.parametrize(("advance", "counts"), [("self.t += 1", True), ("pass", False)])
def test_what_a_decay_is_raised_to_counts_the_steps(advance: str, counts: bool) -> None:
    (recurrence,) = lift_text(COUNTED.replace("ADVANCE", advance)).recurrences
    assert laws.counts_steps(prepare(recurrence)) is counts
    report = lint_source(COUNTED.replace("ADVANCE", advance), "counted.py")
    assert [f.code for f in report.findings] == ([] if counts else ["OPT312"])


def test_every_law_is_tested() -> None:
    elsewhere = {laws.changes_vanish, laws.counts_steps}  # of what the code does at its first step, or never
    assert {law.holds for law in laws.LAWS.values()} - elsewhere <= {law for law, _, _ in BROKEN}
    assert all(law.says for law in laws.LAWS.values())


NOVEL = """
import numpy as np


class {name}:
    def __init__(self, size, lr=0.01, beta=0.9, rho=0.99, eps=1e-8):
        self.lr, self.beta, self.rho, self.eps = lr, beta, rho, eps
        self.m, self.v = np.zeros(size), np.zeros(size)

    def step(self, w, grad):
        self.m = self.beta * self.m + (1 - self.beta) * grad
        self.v = self.rho * self.v + (1 - self.rho) * {square}
        return w - self.lr * (np.sign(self.m) * np.maximum(np.abs(self.m), np.abs(grad))) {step}
"""
ROOT = "/ (np.sqrt(self.v) + self.eps)"


def codes(name: str, square: str = "grad**2", step: str = ROOT) -> list[str]:
    report = lint_source(NOVEL.format(name=name, square=square, step=step), "novel.py")
    return [f.code for f in report.findings]


@pytest.mark.parametrize(
    ("square", "step", "code"),
    [
        ("grad**2", "/ np.sqrt(self.v) + self.eps", "OPT201"),
    ],
)
def test_a_mistake_in_an_optimizer_that_no_convention_covers_breaks_a_law(square: str, step: str, code: str) -> None:
    assert codes("LargeAdam", square, step) == [code]


def test_an_optimizer_that_no_convention_covers_is_silent() -> None:
    assert codes("LargeAdam") == []


def test_a_rate_cancels_out_whatever_the_optimizer() -> None:
    assert codes("LargeStep", square="(self.lr * grad) ** 2") == ["OPT115"]
    assert codes("LargeStep", square="(self.rho * grad) ** 2") == []  # makes the steps larger, which may be meant


@pytest.mark.parametrize("step", ["/ (self.v + self.eps)", "* (np.sqrt(self.v) + self.eps)"])
def test_how_the_steps_scale_is_a_matter_of_what_the_update_is_called(step: str) -> None:
    assert codes("LargeStep", step=step) == []


DAMPED = """
import numpy as np


class Damped:
    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=1e-2):
        self.params = params
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.velocity = [np.zeros_like(p) for p in params]
        self.size = [np.zeros_like(p) for p in params]

    def step(self, grads):
        for i, (p, g) in enumerate(zip(self.params, grads)):
            g = g {coupled} self.weight_decay * p
            self.velocity[i] = self.momentum * self.velocity[i] + g
            self.size[i] = 0.9 * self.size[i] + np.abs(g)
            p {beside} self.lr * self.weight_decay * p
            p {step} self.lr * self.velocity[i] * np.exp(-self.size[i])
"""


@pytest.mark.parametrize(
    ("coupled", "beside", "step", "found"),
    [
        ("+", "-=", "-=", []),
        ("-", "-=", "-=", ["OPT401"]),
        ("+", "+=", "-=", ["OPT401"]),
        ("-", "-=", "+=", []),  # what comes in is the direction to go
    ],
)
def test_a_decay_lets_no_weight_grow_whatever_the_optimizer(
    coupled: str, beside: str, step: str, found: list[str]
) -> None:
    report = lint_source(DAMPED.format(coupled=coupled, beside=beside, step=step), "damped.py")
    assert [u.status for u in report.updates] == ["mistaken" if found else "unmatched"]
    assert [f.code for f in report.findings] == found


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ("m = np.zeros_like(w)\n        m", ["OPT601"]),  # made anew
        ("m", ["OPT602"]),  # made once, and never stored
        ("self.m = m", []),
    ],
)
def test_an_average_lasts_whatever_the_optimizer(kept: str, found: list[str]) -> None:
    """The second moment does: an update that keeps nothing at all may well be one step of a test."""
    text = NOVEL.format(name="LargeStep", square="grad**2", step=ROOT)
    if found:
        held = "m" if "zeros" in kept else "self.m"
        text = text.replace("self.m = self.beta * self.m", f"{kept} = self.beta * {held}").replace("(self.m", "(m")
    elif kept == "self.m = m":
        text = text.replace("self.m = self.beta * self.m", "self.m = m = self.beta * self.m")
    report = lint_source(text, "novel.py")
    assert [f.code for f in report.findings if f.severity != "note"] == found


def test_an_average_that_is_started_over_on_purpose_lasts() -> None:
    text = NOVEL.format(name="LargeStep", square="grad**2", step=ROOT)
    text = text.replace(
        "grad):\n", "grad, restart=False):\n        if restart:\n            self.m = np.zeros_like(w)\n", 1
    )
    report = lint_source(text, "novel.py")
    assert [f.code for f in report.findings if f.severity != "note"] == []


def test_a_path_without_the_average_says_nothing_of_whether_it_lasts() -> None:
    text = NOVEL.format(name="LargeStep", square="grad**2", step=ROOT).replace("(self.m", "(m")
    average = "        self.m = self.beta * self.m + (1 - self.beta) * grad\n"
    chosen = (
        "        if self.beta > 0:\n"
        "            m = self.beta * self.m + (1 - self.beta) * grad\n"
        "        else:\n"
        "            m = grad\n"
    )
    report = lint_source(text.replace(average, chosen), "novel.py")
    assert [f.code for f in report.findings if f.severity != "note"] == ["OPT602"]
