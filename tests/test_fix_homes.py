"""Fixes of states that a call makes for itself: where they live from then on."""

from __future__ import annotations

import numpy as np
import pytest

from optlint import lint_source
from optlint.fix.text import edited
from optlint.source import Unit


def fixed(text: str) -> str | None:
    """The text with the fix of OPT601; None where none is offered."""
    (finding,) = [f for f in lint_source(text, "example.py").findings if f.code == "OPT601"]
    if finding.fix is None:
        return None
    assert finding.fix.applicability == "unsafe"
    after = edited(Unit(None, text), finding.fix.edits).text
    assert [f.code for f in lint_source(after, "example.py").findings if f.severity != "note"] == []
    return after


LAYER = """
import numpy as np


class Momentum:
    def __init__(self, rate=0.01, mu=0.9):
        self.rate, self.mu = rate, mu

    def move(self, layer):
        velocity = np.zeros_like(layer.kernel)
        velocity = self.mu * velocity + layer.kernel_grad
        layer.kernel -= self.rate * velocity
"""
KEPT = """
        if not hasattr(layer, "kernel_velocity"):
            layer.kernel_velocity = np.zeros_like(layer.kernel)
        layer.kernel_velocity = self.mu * layer.kernel_velocity + layer.kernel_grad
        layer.kernel -= self.rate * layer.kernel_velocity
"""


def test_the_object_whose_parameter_moves_keeps_the_state() -> None:
    head, line, _ = LAYER.partition("    def move(self, layer):\n")
    after = fixed(LAYER)
    assert after == head + line + KEPT[1:]
    names: dict[str, type] = {}
    exec(after, names)  # our own text

    class Layer:
        kernel, kernel_grad = np.ones(2), np.array([0.5, -1.0])

    layers, optimizer = [Layer(), Layer()], names["Momentum"]()
    for layer in layers:
        layer.kernel = np.ones(2)
    for _ in range(2):
        for layer in layers:
            optimizer.move(layer)
    for layer in layers:
        np.testing.assert_allclose(layer.kernel, 1 - 0.01 * 2.9 * layer.kernel_grad)


def test_a_name_that_the_code_has_already_is_not_taken() -> None:
    assert fixed(LAYER + "\n    def last(self, layer):\n        return layer.kernel_velocity\n") is None


KEYED = """
import numpy as np


class RMSprop:
    def __init__(self, rate=0.01, rho=0.9):
        self.rate, self.rho = rate, rho

    def update(self, params, grads):
        for key, g in grads.items():
            mean = np.zeros_like(g)
            mean = self.rho * mean + (1 - self.rho) * g**2
            params[key] -= self.rate * g / np.sqrt(mean + 1e-8)
"""


def test_an_optimizer_keeps_the_states_of_all_tensors() -> None:
    text = KEYED.replace("self.rho = rate, rho\n", "self.rho = rate, rho\n        self.mean = {}\n")
    text = text.replace("            mean = np.zeros_like(g)\n", "            if key not in self.mean:\n    MADE\n")
    text = text.replace("            mean = ", "            self.mean[key] = ").replace("* mean", "* self.mean[key]")
    text = text.replace("(mean", "(self.mean[key]")
    assert fixed(KEYED) == text.replace("    MADE", "                self.mean[key] = np.zeros_like(g)")


def test_an_optimizer_with_a_base_out_of_sight_may_have_attributes_of_that_name() -> None:
    assert fixed(KEYED.replace("class RMSprop:", "class RMSprop(Base):")) is None


TORCH = """
import torch


class Momentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, mu=0.9):
        super().__init__(params, dict(lr=lr, mu=mu))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buf = torch.zeros_like(p)
                buf.mul_(group["mu"]).add_(p.grad)
                p.sub_(buf, alpha=group["lr"])
"""


@pytest.mark.parametrize("name", ["state", "mine"])
def test_a_state_of_torch_stands_with_the_others(name: str) -> None:
    begin = f'                if "buf" not in {name}:\n                    {name}["buf"] = torch.zeros_like(p)\n'
    given = f"                {name} = self.state[p]\n"
    text = TORCH
    if name != "state":
        text = text.replace("                buf = ", f"{given}                buf = ")
    wanted = TORCH.replace("                buf = torch.zeros_like(p)\n", given + begin)
    wanted = wanted.replace("buf.mul_", f'{name}["buf"].mul_').replace("sub_(buf", f'sub_({name}["buf"]')
    assert fixed(text) == wanted


SEARCH = """
import numpy as np


def search(loss_grad, start, rates, epochs, batches, mu=0.9):
    found = []
    for rate in rates:
        w = start.copy()
        for epoch in range(epochs):
            for batch in batches:
                # momentum
                velocity = np.zeros_like(w)
                velocity = mu * velocity + loss_grad(w, batch)
                w = w - rate * velocity
        found.append(w)
    return found
"""


def test_a_state_begins_in_front_of_the_loop_over_the_steps() -> None:
    made = "# momentum\n{0}velocity = np.zeros_like(w)\n"
    inner, outer = " " * 16, " " * 8
    text = SEARCH.replace(inner + made.format(inner), "")
    loop = f"{outer}for epoch in range(epochs):\n"
    assert fixed(SEARCH) == text.replace(loop, outer + made.format(outer) + loop)


def test_a_state_of_several_tensors_begins_there_as_a_dictionary() -> None:
    text = """
import numpy as np


def train(params, loss_grads, steps, rate=0.01, mu=0.9):
    for _ in range(steps):
        grads = loss_grads(params)
        for name in params:
            v = 0
            v = mu * v + grads[name]
            params[name] = params[name] - rate * v
    return params
"""
    wanted = text.replace("    for _", "    v = {}\n    for _")
    wanted = wanted.replace("            v = 0\n", "            if name not in v:\n    MADE\n")
    wanted = wanted.replace("            v = ", "            v[name] = ").replace("* v", "* v[name]")
    assert fixed(text) == wanted.replace("    MADE", "                v[name] = 0")


def test_a_function_that_nothing_outlasts_has_no_place() -> None:
    assert (
        fixed("""
import numpy as np


def momentum_step(w, g, rate=0.01, mu=0.9):
    v = np.zeros_like(w)
    v = mu * v + g
    return w - rate * v
""")
        is None
    )


COUNTED = """
import numpy as np


class Adam:
    def __init__(self, rate=0.01):
        self.rate, self.t = rate, 0

    def update(self, w, g):
        self.t += 1
        m, v = np.zeros_like(w), np.zeros_like(w)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        return w - self.rate * m / (1 - 0.9**self.t) / (np.sqrt(v / (1 - 0.99**self.t)) + 1e-8)
"""


def test_what_counts_the_calls_keeps_their_states() -> None:
    text = COUNTED.replace("        m, v = ", '        if not hasattr(self, "m"):\n            self.m, self.v = ')
    text = text.replace("        m = 0.9 * m", "        self.m = 0.9 * self.m").replace("rate * m", "rate * self.m")
    text = text.replace("        v = 0.99 * v", "        self.v = 0.99 * self.v").replace("sqrt(v", "sqrt(self.v")
    assert fixed(COUNTED) == text
