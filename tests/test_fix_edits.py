"""Fixes: what exactly is edited, in programs of several styles; each is mended back to what it was made from."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from optlint.analysis import analyze
from optlint.fix.text import edited
from optlint.settings import Settings
from optlint.source import Unit, source_from_text

FIXTURES = Path(__file__).parent.parent / "fixtures"

FOREACH = """
import torch


def _multi_tensor_rmsprop(params, grads, square_avgs, alpha, lr, eps):
    params = [p.data for p in params]
    vs = [square_avgs[i] for i in range(len(params))]
    torch._foreach_mul_(vs, alpha)
    torch._foreach_addcmul_(vs, grads, grads, value=1 - alpha)
    roots = torch._foreach_sqrt(vs)
    torch._foreach_add_(params, torch._foreach_div(grads, torch._foreach_add(roots, eps)), alpha=-lr)
"""

LISTS = """
import torch


def rmsprop(weights, grads, squares, lr=1e-3, rho=0.9, eps=1e-8):
    torch._foreach_mul_(squares, rho)
    torch._foreach_add_(squares, torch._foreach_mul(grads, grads), alpha=1 - rho)
    roots = torch._foreach_add(torch._foreach_sqrt(squares), eps)
    torch._foreach_addcdiv_(weights, grads, roots, value=-lr)
"""

RMSPROP_LISTS = """
import torch


class RMSprop:
    def __init__(self, square_avgs, rho=0.9, eps=1e-8):
        self.square_avgs, self.rho, self.eps = square_avgs, rho, eps

    def step(self, params, grads, lr):
        weights = [p.value for p in params]
        squares = [self.square_avgs[p].value for p in params]
        torch._foreach_mul_(squares, self.rho)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - self.rho)
        floors = torch._foreach_add(squares, self.eps)
        torch._foreach_sqrt_(floors)
        torch._foreach_add_(weights, torch._foreach_div(grads, floors), alpha=-lr)
"""

KERAS = """
from keras import ops
from keras.optimizers import Optimizer


class Adam(Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        m = self._momentums[self._get_variable_index(variable)]
        v = self._velocities[self._get_variable_index(variable)]
        t = ops.cast(self.iterations + 1, variable.dtype)
        alpha = learning_rate * ops.sqrt(1 - ops.power(self.beta_2, t)) / (1 - ops.power(self.beta_1, t))
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1 - self.beta_1))
        self.assign_add(
            v,
            ops.multiply(ops.subtract(ops.square(gradient), v), 1 - self.beta_2),
        )
        self.assign_sub(variable, ops.divide(ops.multiply(m, alpha), ops.add(ops.sqrt(v), self.epsilon)))
"""
SQUARES = """        self.assign_add(
            v,
            ops.multiply(ops.subtract(ops.square(gradient), v), 1 - self.beta_2),
        )
"""
STEP = """        self.assign_sub(variable, ops.divide(ops.multiply(m, alpha), ops.add(ops.sqrt(v), self.epsilon)))
"""

LARGEST = """        if self.amsgrad:
            v_hat = self._velocity_hats[self._get_variable_index(variable)]
            self.assign(v_hat, ops.maximum(v_hat, v))
            v = v_hat
"""

PRODUCTS = """
import numpy as np


class Adam:
    def __init__(self, shape, b1=0.9, b2=0.999, eps=1e-8):
        self.b1, self.b2, self.eps = b1, b2, eps
        self.m, self.v = np.zeros(shape), np.zeros(shape)
        self.b1_t, self.b2_t = 1.0, 1.0

    def step(self, w, g, lr):
        self.b1_t *= self.b1
        self.b2_t *= self.b2
        self.m = self.b1 * self.m + (1.0 - self.b1) * g
        self.v = self.b2 * self.v + (1.0 - self.b2) * g * g
        m_hat = self.m / (1.0 - self.b1_t)
        v_hat = self.v / (1.0 - self.b2_t)
        return w - lr * m_hat / (np.sqrt(v_hat) + self.eps)
"""

KEYED = """
import numpy as np


def rmsprop(params, grads, S, lr=0.001, beta=0.9, eps=1e-8):
    for l in range(1, len(params) // 2 + 1):
        S[f"dW{l}"] = beta * S[f"dW{l}"] + (1 - beta) * np.square(grads[f"dW{l}"])
        params[f"W{l}"] -= lr * grads[f"dW{l}"] / (np.sqrt(S[f"dW{l}"]) + eps)
    return params, S
"""

ZIPPED = """
import numpy as np


class Momentum:
    def __init__(self, params, lr=0.1, momentum=0.9):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        for i, (p, g) in enumerate(zip(self.params, grads)):
            self.v[i] = self.momentum * self.v[i] + g
            p -= self.lr * self.v[i]
"""

CLOSURE = """
import jax
import jax.numpy as jnp


def adam_step(params, grads, state, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    t = state["t"] + 1
    mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state["mu"], grads)
    nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g**2, state["nu"], grads)

    def move(p, m, v):
        return p - lr * (m / (1 - b1**t)) / (jnp.sqrt(v / (1 - b2**t)) + eps)

    return jax.tree.map(move, params, mu, nu), {"t": t, "mu": mu, "nu": nu}
"""

TWICE = """
import numpy as np


def adadelta(params, states, rho=0.9, eps=1e-5):
    for p, (s, delta) in zip(params, states):
        s[:] = rho * s + (1 - rho) * np.square(p.grad)
        step = (np.sqrt(delta + eps) / np.sqrt(s + eps)) * p.grad
        delta[:] = rho * delta + (1 - rho) * step * step
        p[:] -= step
"""

NADAM = """
import numpy as np


def nadam(grad, w, steps, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    m = np.zeros_like(w)
    v = np.zeros_like(w)
    for t in range(1, steps + 1):
        g = grad(w)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        ahead = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
        w = w - lr * ahead / (np.sqrt(v / (1 - b2**t)) + eps)
    return w
"""

JAX = """
import jax.numpy as jnp


def adagrad(step_size, momentum=0.9):
    def init(x):
        return x, jnp.zeros_like(x), jnp.zeros_like(x)

    def update(i, g, state):
        x, g_sq, m = state
        g_sq += jnp.square(g)
        scale = jnp.where(g_sq > 0, 1.0 / jnp.sqrt(g_sq), 0.0)
        m = (1.0 - momentum) * (g * scale) + momentum * m
        x = x - step_size(i) * m
        return x, g_sq, m

    return init, update
"""

ADAMAX = """
import jax.numpy as jnp


def adamax(step_size, b1=0.9, b2=0.999, eps=1e-8):
    def update(i, g, state):
        x, m, u = state
        m = (1 - b1) * g + b1 * m
        u = jnp.maximum(b2 * u, jnp.abs(g))
        x = x - step_size(i) / (1 - b1 ** (i + 1)) * m / (u + eps)
        return x, m, u

    return update
"""

CACHED = """
import numpy as np


class RMSprop:
    def __init__(self, rho=0.9, eps=1e-8):
        self.rho, self.eps = rho, eps
        self.cache = {}

    def update(self, key, w, grad, lr):
        if key not in self.cache:
            self.cache[key] = np.zeros_like(w)
        old = self.cache[key]
        new = self.rho * old + (1 - self.rho) * grad**2
        self.cache[key] = new
        return w - lr * grad / (np.sqrt(new) + self.eps)
"""

MAXIMIZE = """
import torch


def adagrad(params, grads, state_sums, lr, eps, maximize):
    for param, grad, state_sum in zip(params, grads, state_sums):
        grad = grad if not maximize else -grad
        state_sum.add_(grad ** 2)
        param.addcdiv_(grad, state_sum.sqrt().add_(eps), value=-lr)
"""

LION = """
from keras import ops
from keras.optimizers import Optimizer


class Lion(Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        m = self._momentums[self._get_variable_index(variable)]
        mixed = ops.sign(ops.add(ops.multiply(m, self.beta_1), ops.multiply(gradient, 1 - self.beta_1)))
        self.assign_sub(variable, ops.multiply(learning_rate, mixed))
        self.assign(m, ops.add(ops.multiply(m, self.beta_2), ops.multiply(gradient, 1 - self.beta_2)))
"""

ADAGRAD = """
import numpy as np


class Adagrad:
    def __init__(self, eps=1e-7):
        self.eps = eps
        self.sums = {}

    def update(self, key, w, grad, lr):
        if key not in self.sums:
            self.sums[key] = np.zeros_like(w)
        self.sums[key] += grad**2
        return w - lr * grad / np.sqrt(self.sums[key] + self.eps)
"""

GROUP = """
import torch


class Adagrad(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, eps=1e-10):
        super().__init__(params, dict(lr=lr, eps=eps))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["sum"] = torch.zeros_like(p)
                state["sum"].addcmul_(p.grad, p.grad)
                p.addcdiv_(p.grad, state["sum"].sqrt() + group["eps"], value=-group["lr"])
"""

MIXED = "ops.add(ops.multiply(m, self.beta_1), ops.multiply(gradient, 1 - self.beta_1))"

PROGRAMS = [
    pytest.param(FOREACH, "_foreach_div(grads", "_foreach_mul(grads", id="the word of a call on lists"),
    pytest.param(
        FOREACH, "torch._foreach_sqrt(vs)", "torch._foreach_sqrt(torch._foreach_sqrt(vs))", id="one of two calls"
    ),
    pytest.param(RMSPROP_LISTS, "_foreach_add(squares", "_foreach_sub(squares", id="a word lines above the finding"),
    pytest.param(KERAS, "ops.sqrt(v)", "ops.sqrt(m)", id="a variable that a call has filled"),
    pytest.param(KERAS, "multiply(m, alpha)", "multiply(gradient, alpha)", id="a moment that a call has filled"),
    pytest.param(KERAS, SQUARES + STEP, STEP + SQUARES, id="a statement of several lines"),
    pytest.param(PRODUCTS, "np.sqrt(v_hat)", "np.sqrt(self.v)", id="a correction by a product that is kept"),
    pytest.param(ADAMAX, "b1 ** (i + 1)", "b1", id="a step number that starts at 0"),
    pytest.param(CACHED, "        self.cache[key] = new\n", "", id="a place that was read into a name"),
    pytest.param(MAXIMIZE, "grad ** 2", "torch.abs(grad)", id="a slip that has another name on another branch"),
    pytest.param(LION, f"ops.sign({MIXED})", MIXED, id="a function that the library has"),
    pytest.param(LISTS, "torch._foreach_mul(grads, grads)", "grads", id="a square of lists"),
    pytest.param(LISTS, "torch._foreach_sqrt(squares)", "squares", id="a root of lists"),
    pytest.param(FOREACH, ", value=1 - alpha", "", id="the weight of a call that multiplies and adds"),
    pytest.param(GROUP, ' + group["eps"]', "", id="an epsilon that the defaults name"),
    pytest.param(PRODUCTS, "(np.sqrt(v_hat) + self.eps)", "np.sqrt(v_hat)", id="an epsilon that is bound with others"),
    pytest.param(KEYED, 'params[f"W{l}"] -=', 'grads[f"dW{l}"] -=', id="a step that the gradient takes, by its key"),
    pytest.param(ZIPPED, "            p -=", "            g -=", id="a step that the gradient takes, in a loop"),
    pytest.param(CLOSURE, "(m / (1 - b1**t))", "m", id="a correction by what a function around has"),
    pytest.param(TWICE, "np.sqrt(s + eps)", "(s + eps)", id="a root that two equations lack"),
    pytest.param(NADAM, " + (1 - b1) * g / ", " - (1 - b1) * g / ", id="a sign before a product"),
]


def fixed(text: str) -> str:
    report = analyze(source_from_text("example.py", text), Settings())
    edits = [e for f in report.findings if f.fix is not None for e in f.fix.edits]
    return edited(Unit(None, text), edits).text


@pytest.mark.parametrize(("text", "right", "wrong"), PROGRAMS)
def test_a_slip_is_mended_as_it_was_written(text: str, right: str, wrong: str) -> None:
    assert text.count(right) == 1
    slipped = text.replace(right, wrong)
    assert fixed(slipped) == text
    assert fixed(text) == text


def test_a_statement_is_moved_in_front_of_whatever_equation_wants_it() -> None:
    lines = JAX.split("\n")
    at = lines.index("        g_sq += jnp.square(g)")
    slipped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    assert fixed("\n".join(slipped)) == JAX


def test_an_epsilon_that_gathers_is_taken_out_and_added_where_the_state_is_read() -> None:
    slipped = ADAGRAD.replace("        return", "        self.sums[key] += self.eps\n        return").replace(
        "np.sqrt(self.sums[key] + self.eps)", "np.sqrt(self.sums[key])"
    )
    assert fixed(slipped) == ADAGRAD


def test_a_statement_is_not_moved_to_where_its_names_mean_something_else() -> None:
    text = KERAS.replace(STEP, LARGEST + STEP)
    slipped = KERAS.replace(SQUARES, "").replace(STEP, LARGEST + STEP + SQUARES)
    assert fixed(slipped) == text


LION_IN_PLACE = """
import numpy as np


class Lion:
    def __init__(self, lr=1e-4, beta1=0.9, beta2=0.99):
        self.lr, self.beta1, self.beta2 = lr, beta1, beta2
        self.m = {}

    def step(self, params, grads):
        for k in params:
            m = self.m.setdefault(k, np.zeros_like(params[k]))
            update = np.sign(self.beta1 * m + (1 - self.beta1) * grads[k])
            # the momentum: a slower average
            m[...] = self.beta2 * m + (1 - self.beta2) * grads[k]
            params[k] -= self.lr * update
"""


def test_a_statement_is_moved_behind_what_wants_the_old_content_with_its_comment() -> None:
    lines = LION_IN_PLACE.split("\n")
    at = next(n for n, line in enumerate(lines) if "update = " in line)
    slipped = "\n".join([*lines[:at], *lines[at + 1 : at + 3], lines[at], *lines[at + 3 :]])
    assert fixed(slipped) == LION_IN_PLACE


IN_BUFFERS = """
import numpy as np


def rmsprop(w, g, v, buffer, lr=1e-3, rho=0.9, eps=1e-8):
    np.multiply(v, rho, v)
    np.multiply(g, g)
    np.multiply(buffer, 1 - rho, buffer)
    np.add(v, buffer, v)
    np.sqrt(v, buffer)
    np.add(buffer, eps, buffer)
    np.divide(g, buffer, buffer)
    np.multiply(buffer, lr, buffer)
    np.subtract(w, buffer, w)
"""


def test_no_fix_puts_a_result_where_the_gradient_is() -> None:
    report = analyze(source_from_text("example.py", IN_BUFFERS), Settings())
    assert [f.code for f in report.findings] == ["OPT603"]
    assert fixed(IN_BUFFERS) == IN_BUFFERS


def of_fixture(name: str, definition: str) -> str:
    """One definition of a fixture, as a program of its own, without what is expected of it."""
    text = re.sub(r"  # expect: .*", "", (FIXTURES / name).read_text(encoding="utf-8"))
    node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == definition)
    return f"import numpy as np\n\n\n{ast.get_source_segment(text, node)}\n"


def test_a_statement_that_would_say_nothing_is_taken_out() -> None:
    text = of_fixture("wrong_regularized.py", "AdamWOfGradients")
    decayed = "        step = step + self.weight_decay * grad\n"
    assert fixed(text) == text.replace(decayed, "") != text


def test_a_state_that_would_take_in_nothing_is_no_gradient() -> None:
    """``last[i] = last[i]`` would make an average of zeros, which looks like that of a gradient."""
    text = of_fixture("wrong_several_at_once.py", "AdamOfLastGradients")
    assert "self.last[i] = p.grad" in text
    assert "self.last[i] = p.grad" in fixed(text)
