"""Fixes that give a state a place of its own: begun, handed on and kept wherever the code does so with the first."""

from __future__ import annotations

import pytest

from optlint import lint_source
from optlint.fix.text import edited
from optlint.source import Unit


def fixed(text: str, code: str) -> str | None:
    """The text with the fix of its one mistake; None where none is offered."""
    found = [f for f in lint_source(text, "example.py").findings if f.code == code]
    assert found
    if found[0].fix is None:
        return None
    assert found[0].fix.applicability == "unsafe"
    after = edited(Unit(None, text), found[0].fix.edits).text
    assert [f.code for f in lint_source(after, "example.py").findings if f.severity != "note"] == []
    return after


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """The text with each of these lines, wherever it stands, as others."""
    for old, new in pairs:
        assert f"{old}\n" in text
        text = text.replace(f"{old}\n", f"{new}\n")
    return text


BLOCKS = """
import torch


class RMSprop:
    def __init__(self, net, lr=0.01, alpha=0.9):
        self.net, self.lr, self.alpha = net, lr, alpha
        self.avg = torch.zeros(1)

    @torch.no_grad()
    def step(self):
        self.avg = self.alpha * self.avg + (1 - self.alpha) * self.net.w.grad ** 2
        self.net.w -= self.lr * self.net.w.grad / (self.avg.sqrt() + 1e-8)
        self.avg = self.alpha * self.avg + (1 - self.alpha) * self.net.b.grad ** 2
        self.net.b -= self.lr * self.net.b.grad / (self.avg.sqrt() + 1e-8)
        self.avg = self.alpha * self.avg + (1 - self.alpha) * self.net.u.grad ** 2
        self.net.u -= self.lr * self.net.u.grad / (self.avg.sqrt() + 1e-8)
"""


def test_each_parameter_in_a_row_has_a_state_named_after_it() -> None:
    begin = "        self.avg = torch.zeros(1)"
    more = [begin.replace("avg", name) for name in ("avg", "avg_b", "avg_u")]
    wanted = changed(BLOCKS, (begin, "\n".join(more)))
    for name in "bu":
        lines = [f"{x}\n" for x in wanted.split("\n") if f"net.{name}." in x]
        for line in lines:
            wanted = wanted.replace(line, line.replace("self.avg", f"self.avg_{name}"))
    assert fixed(BLOCKS, "OPT609") == wanted


ADAM = """
import numpy as np


def fit(params, grad, steps, lr=0.01, b1=0.9, b2=0.99):
    m = v = 0
    for t in range(1, steps + 1):
        grads = grad(params)
        m *= b1
        m += (1 - b1) * grads["W"]
        v *= b2
        v += (1 - b2) * grads["W"] ** 2
        params["W"] -= lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        m *= b1
        m += (1 - b1) * grads["b"]
        v *= b2
        v += (1 - b2) * grads["b"] ** 2
        params["b"] -= lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
    return params
"""


def test_what_is_made_in_two_statements_moves_as_a_whole() -> None:
    head, first, second = ADAM.partition('W"] -= lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)\n')
    for name in "mv":
        second = second.replace(f" {name} ", f" {name}_b ").replace(f"({name} ", f"({name}_b ")
    text = head.replace("    m = v = 0\n", "    m = v = 0\n    m_b = 0\n    v_b = 0\n") + first + second
    assert fixed(ADAM, "OPT609") == text


STORED = """
import numpy as np


def descend(net, grad, steps, rate=0.01, mu=0.9):
    kept = BEGIN
    for _ in range(steps):
        dW, db = grad(net)
        v = mu * kept + dW
        net.W -= rate * v
        kept = v
        v = mu * kept + db
        net.b -= rate * v
        kept = v
"""


@pytest.mark.parametrize(
    ("begin", "own"),
    [("0", "0"), ("np.zeros_like(net.W)", "np.zeros_like(net.b)"), ("np.zeros(net.W.shape)", "np.zeros(net.b.shape)")],
)
def test_a_parameter_of_another_shape_begins_with_its_own(begin: str, own: str) -> None:
    text = STORED.replace("BEGIN", begin)
    head, line, tail = text.partition("        kept = v\n")
    begun = head.replace("    for _", f"    kept_b = {own}\n    for _")
    assert fixed(text, "OPT609") == begun + line + tail.replace("kept", "kept_b")


def test_a_shape_in_numbers_is_that_of_one_parameter() -> None:
    assert fixed(STORED.replace("BEGIN", "np.zeros((3, 4))"), "OPT609") is None


LOOP = """
import numpy as np


class Momentum:
    def __init__(self, lr=0.01, mu=0.9):
        self.lr, self.mu = lr, mu
        self.v = BEGIN

    def update(self, params, grads):
        for LOOP:
            self.v = self.mu * self.v - self.lr * GRAD
            TENSOR += self.v
"""


@pytest.mark.parametrize(
    ("loop", "tensor", "grad", "key", "numbered"),
    [
        ("name in params", "params[name]", "grads[name]", "name", None),
        ("name, g in grads.items()", "params[name]", "g", "name", None),
        ("j, p in enumerate(params)", "p", "grads[j]", "j", None),
        ("j in range(len(params))", "params[j]", "grads[j]", "j", None),
        ("w, dw in zip(params, grads)", "w", "dw", "i", "i, (w, dw) in enumerate(zip(params, grads))"),
        ("layer in params", "layer.w", "layer.dw", "i", "i, layer in enumerate(params)"),
        ("layer in params", 'layer["w"]', 'layer["dw"]', "i", "i, layer in enumerate(params)"),
    ],
)
@pytest.mark.parametrize(("begin", "first"), [("0.0", "0.0"), ("0", "0"), ("np.zeros(1)", "0.0")])
def test_a_state_of_all_tensors_is_keyed_as_their_loop_is(
    loop: str, tensor: str, grad: str, key: str, numbered: str | None, begin: str, first: str
) -> None:
    def written(begin: str, loop: str, new: str, old: str) -> str:
        text = LOOP.replace("self.mu * self.v", f"self.mu * {old}").replace("self.v = self", f"{new} = self")
        text = text.replace("+= self.v", f"+= {new}").replace("BEGIN", begin).replace("LOOP", loop)
        return text.replace("TENSOR", tensor).replace("GRAD", grad)

    text = written(begin, loop, "self.v", "self.v")
    wanted = written("{}", numbered or loop, f"self.v[{key}]", f"self.v.get({key}, {first})")
    assert fixed(text, "OPT609") == wanted


def test_the_parameters_of_each_layer_have_a_dictionary_each() -> None:
    text = """
import numpy as np


class RMSprop:
    def __init__(self, rate=0.01, rho=0.9):
        self.rate, self.rho = rate, rho
        self.mean = np.zeros(1)

    def update(self, layers):
        for number, layer in enumerate(layers):
            self.mean = self.rho * self.mean + (1 - self.rho) * layer.dW**2
            layer.W -= self.rate * layer.dW / np.sqrt(self.mean + 1e-8)
            self.mean = self.rho * self.mean + (1 - self.rho) * layer.db**2
            layer.b -= self.rate * layer.db / np.sqrt(self.mean + 1e-8)
"""
    wanted = changed(text, ("        self.mean = np.zeros(1)", "        self.mean = {}\n        self.mean_b = {}"))
    head, loop, body = wanted.partition("        for number, layer in enumerate(layers):\n")
    lines = [
        line.replace("self.mean", "self.mean[number]" if "layer.W" in line or "dW" in line else "self.mean_b[number]")
        for line in body.split("\n")
    ]
    begin = (
        "            if number not in self.mean:\n"
        "                self.mean[number] = np.zeros_like(layer.W)\n"
        "                self.mean_b[number] = np.zeros_like(layer.b)\n"
    )
    assert fixed(text, "OPT609") == head + loop + begin + "\n".join(lines)


IN_PLACE = """
import torch


class RMSprop(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, alpha=0.99):
        super().__init__(params, dict(lr=lr, alpha=alpha))
        self.avg = torch.zeros(1)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.avg.mul_(group["alpha"]).addcmul_(p.grad, p.grad, value=1 - group["alpha"])
                p.addcdiv_(p.grad, self.avg.sqrt().add_(1e-8), value=-group["lr"])
"""


def test_what_is_changed_in_place_is_begun_with_an_array_for_each() -> None:
    begun = "                if p not in self.avg:\n                    self.avg[p] = torch.zeros_like(p)\n"
    text = IN_PLACE.replace("torch.zeros(1)", "{}").replace("self.avg.", "self.avg[p].")
    wanted = text.replace("                self.avg[p].mul_", f"{begun}                self.avg[p].mul_")
    assert fixed(IN_PLACE, "OPT609") == wanted


def test_a_code_that_indents_by_tabs_gets_tabs() -> None:
    tabbed = IN_PLACE.replace("    ", "\t")
    spaced = fixed(IN_PLACE, "OPT609")
    assert spaced is not None and fixed(tabbed, "OPT609") == spaced.replace("    ", "\t")


def test_a_state_that_something_else_reads_stays_as_it_is() -> None:
    text = LOOP.replace("BEGIN", "0.0").replace("LOOP", "k in params")
    text = text.replace("TENSOR", "params[k]").replace("GRAD", "grads[k]")
    assert fixed(text, "OPT609") is not None
    assert fixed(text + "        return self.v\n", "OPT609") is None
    assert fixed(text + "\n    def speed(self):\n        return np.abs(self.v)\n", "OPT609") is None


def test_two_names_of_a_tensor_are_no_key() -> None:
    text = LOOP.replace("BEGIN", "0.0").replace("LOOP", "k in params").replace("            ", "                ")
    text = text.replace("        for k in params:", "        for layer in params:\n            for k in layer:")
    text = text.replace("TENSOR", "layer[k]").replace("GRAD", "grads[layer][k]")
    found = [f for f in lint_source(text, "example.py").findings if f.code == "OPT609"]
    assert [f.fix for f in found] in ([], [None])


def test_what_other_things_are_kept_by_is_the_key() -> None:
    """The number in the loop would be 0 for each tensor of a caller that hands in one at a time."""
    text = """
import numpy as np


class Momentum:
    def __init__(self, rate=0.01, mu=0.9):
        self.rate, self.mu, self.counts = rate, mu, {}
        self.v = 0.0

    def update(self, indices, weights, grads):
        for index, w, g in zip(indices, weights, grads):
            self.counts[index] = self.counts.get(index, 0) + 1
            self.v = self.mu * self.v - self.rate * g
            w += self.v
"""
    wanted = changed(
        text,
        ("        self.v = 0.0", "        self.v = {}"),
        (
            "            self.v = self.mu * self.v - self.rate * g",
            "            self.v[index] = self.mu * self.v.get(index, 0.0) - self.rate * g",
        ),
        ("            w += self.v", "            w += self.v[index]"),
    )
    assert fixed(text, "OPT609") == wanted
