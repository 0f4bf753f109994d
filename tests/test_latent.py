"""Manifest or latent: a mistake that shows only where a setting is not at its default says so, and is less severe."""

from __future__ import annotations

import pytest

from optlint import lint_source
from optlint.model import Finding

DECAYED = """
import torch


class SGD(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, momentum=0.9, weight_decay={decay}):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["buf"] = torch.zeros_like(p)
                grad = p.grad - group["weight_decay"] * p
                state["buf"].mul_(group["momentum"]).add_(grad)
                p.sub_(state["buf"], alpha=group["lr"])
"""
REGULARIZED = """
import numpy as np


def rmsprop(params, grads, squares, lr=0.001, rho=0.9, eps=1e-8, reg={decay}):
    for w, g, s in zip(params, grads, squares):
        s[:] = rho * s + (1 - rho) * (g**2 + reg * w)
        w -= lr * g / (np.sqrt(s) + eps)
"""
FORGOTTEN = """
import numpy as np


def rmsprop(params, grads, squares, lr=0.001, rho=0.9, eps={decay}):
    for w, g, s in zip(params, grads, squares):
        s[:] = rho * s + (1 - rho) * g**2
        w -= lr * (g / np.sqrt(s) + eps)
"""


def only(text: str, code: str) -> Finding:
    found = [f for f in lint_source(text, "example.py").findings if f.code == code]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("text", "code", "setting"), [(DECAYED, "OPT401", "weight_decay"), (REGULARIZED, "OPT101", "reg")]
)
def test_a_decay_that_is_0_by_default(text: str, code: str, setting: str) -> None:
    latent, manifest = (only(text.format(decay=value), code) for value in ("0", "0.01"))
    assert (latent.severity, manifest.severity) == ("warning", "error")
    assert latent.message == f"{manifest.message} (as long as {setting} is 0, its default, nothing is seen of it)"
    assert latent.verdict == manifest.verdict == "confirmed"


def test_what_bites_at_the_default_is_manifest() -> None:
    """0/0 needs no epsilon to be NaN."""
    assert only(FORGOTTEN.format(decay="1e-8"), "OPT201").severity == "error"
    assert "its default" not in only(FORGOTTEN.format(decay="1e-8"), "OPT201").message


SURPRISED = """
import numpy as np


def adabelief(w, g, m, s, t, lr=1e-3, b1=0.9, b2=0.999, eps={eps}, eps_root={eps}):
    m = b1 * m + (1 - b1) * g
    s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(s / (1 - b2**t)) - eps), m, s
"""


def test_what_the_numbers_of_the_code_hide_is_shown_under_other_ones() -> None:
    hidden, manifest = (only(SURPRISED.format(eps=value), "OPT204") for value in ("1e-16", "1e-3"))
    assert (hidden.severity, manifest.severity) == ("warning", "error")
    assert "nothing is seen of it with the code's own numbers; run with ε = 0.1" in hidden.message
    assert "run with" not in manifest.message
