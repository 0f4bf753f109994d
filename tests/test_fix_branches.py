"""Fixes that ask before they divide or take a root: RAdam's rectification, LAMB's ratio of norms."""

from __future__ import annotations

import pytest
from test_fix import apply, lint

RADAM = """\
import numpy as np


def train(grad, w, steps, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    m, v = np.zeros_like(w), np.zeros_like(w)
    longest = 2 / (1 - b2) - 1
    for t in range(1, steps + 1):
        g = grad(w)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat = m / (1 - b1**t)
        length = longest - 2 * t * b2**t / (1 - b2**t)
        # as the paper has it
        rectified = np.sqrt(
            (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        )

        w -= lr * rectified * m_hat / (np.sqrt(v / (1 - b2**t)) + eps)  # one step
    return w
"""
BRANCH = """\
        # as the paper has it
        if length > 5:
            rectified = np.sqrt(
                (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            )

            w -= lr * rectified * m_hat / (np.sqrt(v / (1 - b2**t)) + eps)  # one step
        else:
            w -= lr * m_hat
    return w
"""


def mended(text: str, code: str) -> str:
    (finding,) = lint(text).findings
    assert finding.code == code and finding.fix is not None and finding.fix.applicability == "unsafe"
    fixed = apply(text, finding.fix)
    assert all(f.severity == "note" for f in lint(fixed).findings) and lint(fixed).updates[0].status == "matched"
    return fixed


def test_the_lines_of_a_rectified_step_go_into_a_branch() -> None:
    assert mended(RADAM, "OPT709") == RADAM.partition("        # as the paper")[0] + BRANCH


def test_a_branch_is_refused_where_a_later_line_reads_what_it_would_name() -> None:
    (finding,) = lint(RADAM.replace("    return w", "    return w, rectified")).findings
    assert finding.code == "OPT709" and finding.fix is None


def test_a_traced_function_chooses_by_where() -> None:
    text = RADAM.replace("numpy as np", "jax.numpy as jnp").replace("np.", "jnp.").replace("jjnp", "jnp")
    step = "lr * rectified * m_hat / (jnp.sqrt(v / (1 - b2**t)) + eps)"
    assert f"w -= jnp.where(length > 5, {step}, lr * m_hat)  # one step" in mended(text, "OPT709")


def test_a_size_that_is_rectified_beside_a_denominator_that_asks_asks_as_it_does() -> None:
    one = "        w -= lr * rectified * m_hat / (np.sqrt(v / (1 - b2**t)) + eps)  # one step\n"
    both = """\
        size = lr * rectified / (1 - b1**t)
        if length >= 5:
            w -= size * m / (np.sqrt(v / (1 - b2**t)) + eps)
        else:
            w -= size * m
"""
    assert ") if length >= 5 else 1.0\n" in mended(RADAM.replace(one, both), "OPT709")


LAMB = """\
import torch


class Lamb(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["step"], state["m"], state["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                state["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                state["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m_hat = state["m"] / (1 - b1 ** state["step"])
                v_hat = state["v"] / (1 - b2 ** state["step"])
                u = m_hat / (v_hat.sqrt() + group["eps"]) + group["weight_decay"] * p
                p.sub_(STEP)
"""


@pytest.mark.parametrize(
    ("step", "safe"),
    [
        (
            'group["lr"] * (p.norm() / u.norm()) * u',
            'group["lr"] * (p.norm() / u.norm() if p.norm() > 0 and u.norm() > 0 else 1.0) * u',
        ),
        (
            'group["lr"] * p.norm() / u.norm() * u',
            'group["lr"] * (p.norm() / u.norm() if p.norm() > 0 and u.norm() > 0 else 1.0) * u',
        ),
    ],
)
def test_a_ratio_of_norms_is_1_where_one_is_zero(step: str, safe: str) -> None:
    assert mended(LAMB.replace("STEP", step), "OPT713") == LAMB.replace("STEP", safe)


CORRECTED_BY_OPTION = """\
import math

import numpy as np


class Adam:
    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, debias=True):
        self.lr, self.beta1, self.beta2, self.eps, self.debias = lr, beta1, beta2, eps, debias
        self.m, self.v, self.t = {}, {}, 0

    def step(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, 0.0) + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v.get(k, 0.0) + (1 - self.beta2) * g * g
            size = self.lr
            if self.debias:
                size *= 1 / (1 - self.beta1**self.t)
            params[k] -= size * self.m[k] / (np.sqrt(self.v[k]) + self.eps)
"""


def test_no_fix_makes_another_optimizer_of_what_another_option_chooses() -> None:
    """To correct v in the last line would correct it without ``debias``, too: AdamD, where nothing was wrong."""
    (finding,) = lint(CORRECTED_BY_OPTION).findings
    assert finding.code == "OPT302" and finding.severity == "warning"
    if finding.fix is not None:
        fixed = lint(apply(CORRECTED_BY_OPTION, finding.fix))
        without = [u for u in fixed.updates if u.configuration == "not debias"]
        assert [u.convention for u in without] == ["Adam (no bias correction)"]
