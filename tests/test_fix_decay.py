"""Fixes of where the weights decay: out of the gradient into the step, out of a bracket that scales it."""

from __future__ import annotations

import pytest
from test_fix import apply, lint
from test_fix_branches import mended

ADAMW = """\
import numpy as np


class AdamW:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        self.params, self.lr, self.betas, self.eps, self.weight_decay = params, lr, betas, eps, weight_decay
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]
        self.t = 0

    def step(self, grads):
        self.t += 1
        b1, b2 = self.betas
        for i, (p, g) in enumerate(zip(self.params, grads)):
            ADDED
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g**2
            rate = self.lr * np.sqrt(1 - b2**self.t) / (1 - b1**self.t)
            STEP
"""
MINUS = "p -= rate * self.m[i] / (np.sqrt(self.v[i]) + self.eps)"
WHOLE = "self.params[i] = p - rate * self.m[i] / (np.sqrt(self.v[i]) + self.eps)"


@pytest.mark.parametrize(
    ("added", "instead", "step", "stepped"),
    [
        ("g = g + self.weight_decay * p", "p -= self.lr * self.weight_decay * p", MINUS, MINUS),
        (
            "h = grads[i] + self.weight_decay * p",
            "h = grads[i]",
            MINUS,
            f"p -= self.lr * self.weight_decay * p\n            {MINUS}",
        ),
    ],
)
def test_the_decay_leaves_the_gradient(added: str, instead: str, step: str, stepped: str) -> None:
    form = ADAMW.replace("* g", "* h").replace("g**2", "h**2") if added.startswith("h") else ADAMW
    text = form.replace("ADDED", added).replace("STEP", step)
    assert mended(text, "OPT402") == form.replace("ADDED", instead).replace("STEP", stepped)


def test_a_step_that_is_assigned_holds_the_decay() -> None:
    text = ADAMW.replace("ADDED", "g = g + self.weight_decay * p").replace("STEP", WHOLE)
    assert "self.lr * self.weight_decay * p" in mended(text, "OPT402")


def test_a_tree_is_not_calculated_with() -> None:
    text = """\
import jax
import jax.numpy as jnp


def adamw(params, grads, m, v, t, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, wd=0.01):
    grads = jax.tree_util.tree_map(lambda g, p: g + wd * p, grads, params)
    m = jax.tree_util.tree_map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
    v = jax.tree_util.tree_map(lambda v, g: b2 * v + (1 - b2) * g**2, v, grads)
    c1, c2 = 1 - b1**t, 1 - b2**t
    params = jax.tree_util.tree_map(lambda p, m, v: p - lr * (m / c1) / (jnp.sqrt(v / c2) + eps), params, m, v)
    return params, m, v
"""
    (finding,) = [f for f in lint(text).findings if f.code == "OPT402"]
    assert finding.fix is not None
    fixed = apply(text, finding.fix)
    assert "lambda p, m, v: p - lr * wd * p - lr * (m / c1)" in fixed and "g + wd * p" not in fixed


SCALED = """\
import torch


def step(params, grads, buffers, lr, momentum, weight_decay, grad_scale):
    for p, g, buf in zip(params, grads, buffers):
        g = SUM
        buf.mul_(momentum).add_(g)
        p.data.sub_(lr * buf)
"""


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("(g + weight_decay * p.data) / grad_scale", "g / grad_scale + weight_decay * p.data"),
        ("g.add(p.data, alpha=weight_decay) / grad_scale", "g / grad_scale + weight_decay * p.data"),
    ],
)
def test_the_decay_moves_out_of_the_bracket(wrong: str, right: str) -> None:
    text = SCALED.replace("SUM", wrong)
    (finding,) = lint(text).findings
    assert finding.code == "OPT407" and finding.fix is not None and finding.fix.applicability == "unsafe"
    assert apply(text, finding.fix) == SCALED.replace("SUM", right)


CORRECTED = """\
import math

import torch


class Decayed(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                bias_correction1 = 1 - beta1 ** state["step"]
                bias_correction2 = 1 - beta2 ** state["step"]
                state["m"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                denom = (state["v"].sqrt() / math.sqrt(bias_correction2)).add_(group["eps"])
                p.mul_(1 - bias_correction1 * group["weight_decay"])
                p.addcdiv_(state["m"], denom, value=-group["lr"] / bias_correction1)
"""


def test_the_learning_rate_takes_the_place_of_a_correction_that_scales_the_decay() -> None:
    """What is left without it would be the decay as it is, a thousand times as strong."""
    assert mended(CORRECTED, "OPT411") == CORRECTED.replace("1 - bias_correction1 *", '1 - group["lr"] *')
