"""What the lifter makes of single pieces of code: equations, places, and what it says where it sees too little."""

from __future__ import annotations

import pytest

from optlint import lint_source
from optlint.lift import expression as ex
from optlint.lift import kinds
from optlint.lift.expression import Symbol
from optlint.lift.objects import Cell, Slot
from optlint.lift.recurrence import State


def test_what_is_out_of_sight_is_listed() -> None:
    text = """
import torch
from elsewhere import fused_adam

class FusedAdam(torch.optim.Optimizer):
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                size = group["lr"] * (1 - 0.999 ** state["t"]) ** 0.5
                fused_adam(p, p.grad, state["m"], state["v"], size)
"""
    (update,) = lint_source(text, "fused.py").updates
    assert update.status == "unsupported"
    assert "fused_adam()" in update.reason
    assert update.family == "adam"


@pytest.mark.parametrize(("first", "code"), [("1", None), ("0", "OPT311"), ("2", "OPT315")])
def test_a_count_is_what_the_first_step_gives_it(first: str, code: str | None) -> None:
    """It is raised in the other branch, so at the first step it is not."""
    text = f"""
import numpy as np

def step(w, g, state):
    if "t" in state:
        state["t"] += 1
    else:
        state["t"] = {first}
    if "m" not in state:
        state["m"], state["v"] = np.zeros_like(w), np.zeros_like(w)
    t = state["t"]
    state["m"] = 0.9 * state["m"] + 0.1 * g
    state["v"] = 0.999 * state["v"] + 0.001 * g**2
    w -= 0.01 * state["m"] / (1 - 0.9**t) / (np.sqrt(state["v"] / (1 - 0.999**t)) + 1e-8)
"""
    found = {f.code for f in lint_source(text, "counted.py").findings}
    assert found == ({code} if code else set())


def test_a_first_step_of_its_own_is_part_of_the_equations() -> None:
    text = """
import numpy as np

def step(w, g, state):
    if "v" not in state:
        state["v"] = g**2
    else:
        state["v"] = 0.9 * state["v"] + 0.1 * g**2
    w -= 0.01 * g / (np.sqrt(state["v"]) + 1e-8)
"""
    (update,) = lint_source(text, "first.py").updates
    assert update.family == "rmsprop"
    assert "step = 1" in " ".join(update.equations)


def test_what_goes_on_in_a_place_of_a_record_is_that_places_content() -> None:
    """Not another place's, where the code has mixed up which one its average decays."""
    text = """
def rmsprop(rate, gamma, mu, eps):
    def update(i, g, state):
        x, square, velocity = state
        square = gamma * velocity + (1 - gamma) * g**2
        velocity = mu * velocity + rate * g / (square + eps) ** 0.5
        return x - velocity, square, velocity

    return update
"""
    (update,) = lint_source(text, "record.py").updates
    assert update.equations[-2].startswith("state[2]' = μ·state[2] + rate·g/")
    assert update.equations[-1] == "state[0]' = state[0] − state[2]'"


def test_idle_arguments_of_two_functions_are_two() -> None:
    text = """
class Rules:
    def momentum(self, w, g, m):
        m *= self.mu
        m += g
        w -= self.lr * m

    def adam(self, w, g, m, v, t):
        m += (g - m) * 0.1
        v += (g * g - v) * 0.001
        w -= self.lr * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * g / (v**0.5 + 1e-8)
"""
    assert [f.code for f in lint_source(text, "two.py").findings if f.severity != "note"] == ["OPT507"]


def test_a_vector_times_itself_is_the_sum_of_its_squares() -> None:
    text = """
import numpy as np

def adam(grad, w, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v = np.zeros_like(w), 0
    for t in range(100):
        g = grad(w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (g @ g)
        m_hat = m / (1 - beta1)
        v_hat = v / (1 - beta2)
        w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
    return w
"""
    assert [f.code for f in lint_source(text, "vector.py").findings] == ["OPT117", "OPT305", "OPT305"]


def test_one_number_for_all_squares_shows_beside_a_ratio_of_norms() -> None:
    text = """
import numpy as np

def lamb(w, g, m, v, t, lr=1e-3, b1=0.9, b2=0.999, eps=1e-6):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * np.mean(g**2)
    u = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    size, length = np.linalg.norm(w), np.linalg.norm(u)
    return w - lr * (size / length if size > 0 and length > 0 else 1.0) * u, m, v
"""
    (finding,) = lint_source(text, "lamb.py").findings
    assert finding.code == "OPT117" and finding.evidence is not None
    assert not lint_source(text.replace("np.mean(g**2)", "g**2"), "lamb.py").findings


_OVER_ITEMS = """
import jax.numpy as jnp

def adam_update(params, grads, lr, m, v, t, b1=0.9, b2=0.999, eps=1e-8):
    new = {{}}
    for k, {name} in params.items():
        m[k] = b1 * m[k] + (1 - b1) * grads[k]
        v[k] = b2 * v[k] + (1 - b2) * grads[k] ** 2
        new[k] = params[k] - lr * (m[k] / (1 - b1**t)) / (jnp.sqrt(v[k] / (1 - b2**t)) + eps)
    return new, m, v
"""


@pytest.mark.parametrize("name, status", [("p", "matched"), ("v", "unsupported")])
def test_an_element_of_the_parameter_is_no_state_of_its_own(name: str, status: str) -> None:
    """A loop's name may hide the dictionary of the second moments: v[k] is then a part of the parameter."""
    report = lint_source(_OVER_ITEMS.format(name=name), "items.py")
    assert [u.status for u in report.updates] == [status]
    assert all(f.severity == "note" for f in report.findings)


@pytest.mark.parametrize(("place", "expected"), [("norm", True), ("self.norm", False)])
def test_a_local_array_that_adds_up_norms_is_a_length(place: str, expected: bool) -> None:
    old, taken = Symbol(place), ex.sym(Symbol("grads[i]"))
    post = ex.op("add", ex.sym(old), ex.op("sum", ex.op("mul", taken, taken)))
    home = Cell(post, place=place, array=True)  # an array that a loop changes in place: ``norm += np.sum(g**2)``
    state = State(place, old, Symbol(f"{place}'"), post, ex.const(0), (), Slot(home, "", old, home))
    assert kinds.gathers_lengths(state) is expected
