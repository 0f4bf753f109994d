"""What code changes in place: a gradient that its owner keeps, a state whose call forgets its decay, a dropped sum."""

from __future__ import annotations

import pytest

from optlint import lint_source
from optlint.fix.text import edited
from optlint.source import Unit


def mended(text: str, code: str, applicability: str) -> str:
    """The text with its fix, after which nothing is said; "" where none is offered."""
    (finding,) = (f for f in lint_source(text, "example.py").findings if f.code == code)
    if finding.fix is None:
        return ""
    assert finding.fix.applicability == applicability
    fixed = edited(Unit(None, text), finding.fix.edits).text
    assert not lint_source(fixed, "example.py").findings
    return fixed


NETWORK = """
class Momentum:
    def __init__(self, net, lr=0.1, mu=0.9, decay=1e-4):
        self.lr, self.mu, self.decay = lr, mu, decay
        self.v = {k: 0.0 * p for k, p in net.params.items()}

    def step(self, net, g=None):
        for k in net.params:
            net.grads[k] += self.decay * net.params[k]
            self.v[k] = self.mu * self.v[k] + net.grads[k]
            net.params[k] -= self.lr * self.v[k]
"""


def test_a_decayed_gradient_of_an_owner_gets_a_name_that_is_free() -> None:
    fixed = NETWORK.replace("net.grads[k] += ", "grad = net.grads[k] + ").replace("+ net.grads[k]\n", "+ grad\n")
    assert mended(NETWORK, "OPT408", "unsafe") == fixed


def test_what_takes_the_decay_away_keeps_its_signs() -> None:
    text = NETWORK.replace("+= self.decay * net.params[k]", "-= -self.decay * net.params[k]")
    fixed = text.replace("net.grads[k] -= ", "grad = net.grads[k] - ").replace("+ net.grads[k]\n", "+ grad\n")
    assert mended(text, "OPT408", "unsafe") == fixed


def test_a_gradient_that_is_changed_again_stays() -> None:
    text = NETWORK.replace("            self.v[k] =", "            net.grads[k] *= 1.0\n            self.v[k] =")
    assert all(f.fix is None for f in lint_source(text, "example.py").findings if f.code == "OPT408")


SGD = """
import torch


class SGD(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=1e-4):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if len(self.state[p]) == 0:
                    self.state[p]["buf"] = torch.zeros_like(p)
                buf = self.state[p]["buf"]
                if group["weight_decay"] != 0:
                    p.grad.add_(p, alpha=group["weight_decay"])
                if group["momentum"] != 0:
                    buf.mul_(group["momentum"]).add_(p.grad)
                    p.add_(buf, alpha=-group["lr"])
                else:
                    p.add_(p.grad, alpha=-group["lr"])
"""


def test_a_decay_that_may_be_off_starts_from_the_gradient_and_every_branch_reads_the_name() -> None:
    head, branch, rest = SGD.partition('                if group["weight_decay"] != 0:\n')
    rest = rest.replace("p.grad.add_(p", "g = g.add(p").replace("p.grad", "g")
    assert mended(SGD, "OPT408", "unsafe") == f"{head}                g = p.grad\n{branch}{rest}"


VELOCITY = """
import torch


class SGD(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            mu = group["momentum"]
            for p in group["params"]:
                state = self.state[p]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(p)
                state["velocity"].add_(p.grad, alpha=mu)
                p.sub_(state["velocity"], alpha=group["lr"])
"""


@pytest.mark.parametrize("call", ["add_(p.grad, alpha=mu)", "add_(p.grad,alpha = mu)"])
def test_a_call_in_place_that_forgets_nothing_decays_its_place_first(call: str) -> None:
    text = VELOCITY.replace("add_(p.grad, alpha=mu)", call)
    assert mended(text, "OPT503", "safe") == text.replace(call, "mul_(mu).add_(p.grad)")


DROPPED = """
import numpy as np
import torch


def sgd_step(params, grads, velocity, lr=0.1, mu=0.9, weight_decay=1e-4):
    for p, g, v in zip(params, grads, velocity):
        if weight_decay != 0:
            CALL
        v.mul_(mu).add_(g)
        p.add_(v, alpha=-lr)
"""


@pytest.mark.parametrize("call", ["g.add(p, alpha=weight_decay)", "torch.add(g, p, alpha=weight_decay)"])
def test_a_dropped_sum_is_given_to_the_gradients_name(call: str) -> None:
    text = DROPPED.replace("CALL", call)
    assert mended(text, "OPT405", "safe") == text.replace(call, f"g = {call}")
