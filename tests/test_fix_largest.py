"""Fixes of AMSGrad's maximum: in a place of its own beside the average, or where the code keeps it already."""

from __future__ import annotations

import numpy as np
import pytest
from test_fix_places import changed, fixed

from optlint import lint_source
from optlint.fix.text import edited
from optlint.source import Unit

LISTS = """
import torch


class AMSGrad:
    def __init__(self, params, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
        self.params, self.lr, self.b1, self.b2, self.eps = list(params), lr, b1, b2, eps
        self.means = [torch.zeros_like(p) for p in self.params]
        self.squares = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, m, s in zip(self.params, self.means, self.squares):
            m.mul_(self.b1).add_(p.grad, alpha=1 - self.b1)
            latest = self.b2 * s + (1 - self.b2) * p.grad * p.grad
            torch.maximum(s, latest, out=s)
            p -= self.lr * m / (s.sqrt() + self.eps)
"""


def test_the_maximum_of_a_loop_over_lists_has_a_list_of_its_own() -> None:
    squares = "        self.squares = [torch.zeros_like(p) for p in self.params]"
    assert fixed(LISTS, "OPT701") == changed(
        LISTS,
        (squares, f"{squares}\n{squares.replace('squares', 'max_squares')}"),
        (
            "        for p, m, s in zip(self.params, self.means, self.squares):",
            "        for p, m, s, max_s in zip(self.params, self.means, self.squares, self.max_squares):",
        ),
        (
            "            torch.maximum(s, latest, out=s)",
            "            s.copy_(latest)\n            torch.maximum(max_s, latest, out=max_s)",
        ),
        (
            "            p -= self.lr * m / (s.sqrt() + self.eps)",
            "            p -= self.lr * m / (max_s.sqrt() + self.eps)",
        ),
    )


SAVED = """
import numpy as np


class AMSGrad:
    def __init__(self, lr=0.01, b1=0.9, b2=0.99, correct=True):
        self.lr, self.b1, self.b2, self.correct = lr, b1, b2, correct
        self.reset()

    def reset(self):
        self.m, self.v, self.t = {}, {}, 0

    def step(self, params, grads):
        self.t += 1
        for key, g in grads.items():
            self.m[key] = self.b1 * self.m.get(key, 0.0) + (1 - self.b1) * g
            last = self.v.get(key, 0.0)
            self.v[key] = np.maximum(last, self.b2 * last + (1 - self.b2) * g**2)
            if self.correct:
                m, v = self.m[key] / (1 - self.b1**self.t), self.v[key] / (1 - self.b2**self.t)
            else:
                m, v = self.m[key], self.v[key]
            params[key] -= self.lr * m / (np.sqrt(v) + 1e-8)

    def state_dict(self):
        return {"m": self.m, "v": self.v, "t": self.t}

    def load_state_dict(self, state):
        self.m, self.v, self.t = state["m"], state["v"], state["t"]
"""


def test_the_maximum_is_begun_saved_and_restored_with_the_average() -> None:
    after = fixed(SAVED, "OPT701")
    assert after == changed(
        SAVED,
        ("        self.m, self.v, self.t = {}, {}, 0", "        self.m, self.v, self.v_max, self.t = {}, {}, {}, 0"),
        (
            "            last = self.v.get(key, 0.0)",
            "            last = self.v.get(key, 0.0)\n            last_max = self.v_max.get(key, 0.0)",
        ),
        (
            "            self.v[key] = np.maximum(last, self.b2 * last + (1 - self.b2) * g**2)",
            "            self.v[key] = self.b2 * last + (1 - self.b2) * g**2\n"
            "            self.v_max[key] = np.maximum(last_max, self.v[key])",
        ),
        (
            "                m, v = self.m[key] / (1 - self.b1**self.t), self.v[key] / (1 - self.b2**self.t)",
            "                m, v = self.m[key] / (1 - self.b1**self.t), self.v_max[key] / (1 - self.b2**self.t)",
        ),
        ("                m, v = self.m[key], self.v[key]", "                m, v = self.m[key], self.v_max[key]"),
        (
            '        return {"m": self.m, "v": self.v, "t": self.t}',
            '        return {"m": self.m, "v": self.v, "v_max": self.v_max, "t": self.t}',
        ),
        (
            '        self.m, self.v, self.t = state["m"], state["v"], state["t"]',
            '        self.m, self.v, self.v_max, self.t = state["m"], state["v"], state["v_max"], state["t"]',
        ),
    )
    names: dict[str, type] = {}
    exec(after, names)  # our own text
    optimizer, params, expected = names["AMSGrad"](), {"w": np.array([1.0, -2.0])}, np.array([1.0, -2.0])
    m = v = largest = np.zeros(2)
    for t, size in enumerate([1.0, 3.0, 0.1, 0.1, 0.2], 1):
        if t == 3:  # as if resumed from a file
            saved, optimizer = optimizer.state_dict(), names["AMSGrad"]()
            optimizer.load_state_dict(saved)
        g = size * np.array([0.5, -1.0])
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        largest = np.maximum(largest, v)
        expected -= 0.01 * m / (1 - 0.9**t) / (np.sqrt(largest / (1 - 0.99**t)) + 1e-8)
        optimizer.step(params, {"w": g})
    np.testing.assert_allclose(params["w"], expected)


CONFIG = """
import numpy as np


def amsgrad(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    m, v = config["m"], config["v"]
    m = 0.9 * m + 0.1 * dw
    v = np.maximum(0.99 * v + 0.01 * dw**2, v)
    config["m"], config["v"] = m, v
    return w - 0.01 * m / (np.sqrt(v) + 1e-8), config
"""


def test_what_a_dictionary_hands_on_it_hands_on_of_both() -> None:
    assert fixed(CONFIG, "OPT701") == changed(
        CONFIG,
        (
            '    config.setdefault("v", np.zeros_like(w))',
            '    config.setdefault("v", np.zeros_like(w))\n    config.setdefault("v_max", np.zeros_like(w))',
        ),
        ('    m, v = config["m"], config["v"]', '    m, v, v_max = config["m"], config["v"], config["v_max"]'),
        (
            "    v = np.maximum(0.99 * v + 0.01 * dw**2, v)",
            "    v = 0.99 * v + 0.01 * dw**2\n    v_max = np.maximum(v, v_max)",
        ),
        ('    config["m"], config["v"] = m, v', '    config["m"], config["v"], config["v_max"] = m, v, v_max'),
        (
            "    return w - 0.01 * m / (np.sqrt(v) + 1e-8), config",
            "    return w - 0.01 * m / (np.sqrt(v_max) + 1e-8), config",
        ),
    )


PLAIN = """
import numpy as np


class AMSGrad:
    def __init__(self, lr=0.01, amsgrad=True):
        self.lr, self.amsgrad = lr, amsgrad
        self.m, self.v = 0.0, 0.0

    def update(self, w, g):
        self.m = 0.9 * self.m + 0.1 * g
        latest = 0.99 * self.v + 0.01 * g**2
        self.v = np.maximum(self.v, latest)
        return w - self.lr * self.m / (np.sqrt(self.v) + 1e-8)
"""


def test_a_place_that_another_method_reads_is_left_alone() -> None:
    assert fixed(PLAIN, "OPT701") is not None
    assert fixed(PLAIN + "\n    def spread(self):\n        return np.sqrt(self.v)\n", "OPT701") is None


def test_a_place_that_is_handed_back_is_left_alone() -> None:
    assert fixed(PLAIN.replace("+ 1e-8)", "+ 1e-8), self.v"), "OPT701") is None


def test_the_plain_average_of_another_branch_stays_the_denominator_there() -> None:
    text = PLAIN.replace(
        "        self.v = np.maximum(self.v, latest)\n",
        "        if self.amsgrad:\n            self.v = np.maximum(self.v, latest)\n"
        "        else:\n            self.v = latest\n",
    )
    assert fixed(text, "OPT701") is None


def mended(text: str, code: str) -> str:
    """The text with the safe fix of its one mistake."""
    (finding,) = [f for f in lint_source(text, "example.py").findings if f.code == code]
    assert finding.fix is not None and finding.fix.applicability == "safe"
    return edited(Unit(None, text), finding.fix.edits).text


LOST = """
import torch


def amsgrad(loss, w, steps, rate=0.01):
    m, v, largest = torch.zeros_like(w), torch.zeros_like(w), torch.zeros_like(w)
    for t in range(steps):
        (g,) = torch.autograd.grad(loss(w), w)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        top = torch.max(v, largest)
        with torch.no_grad():
            w -= rate * m / (top.sqrt() + 1e-8)
        if t % 100 == 0:
            print(top.mean())
    return w
"""


def test_the_maximum_is_kept_under_the_name_that_it_is_compared_with() -> None:
    """Wherever its own name was spoken of, in branches that no run has taken, too."""
    assert mended(LOST, "OPT702") == LOST.replace("top", "largest")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("torch.maximum(tops[i], squares[i], out=squares[i])", "torch.maximum(tops[i], squares[i], out=tops[i])"),
        ("squares[i].copy_(torch.maximum(tops[i], squares[i]))", "tops[i].copy_(torch.maximum(tops[i], squares[i]))"),
        ("squares[i] = torch.max(squares[i], tops[i])", "tops[i] = torch.max(squares[i], tops[i])"),
    ],
)
def test_the_average_is_not_where_the_maximum_goes(wrong: str, right: str) -> None:
    text = f"""
import torch


def amsgrad(params, grads, means, squares, tops, rate=0.01):
    for i, param in enumerate(params):
        means[i].mul_(0.9).add_(grads[i], alpha=0.1)
        squares[i].mul_(0.99).addcmul_(grads[i], grads[i], value=0.01)
        {wrong}
        param.addcdiv_(means[i], squares[i].sqrt().add_(1e-8), value=-rate)
"""
    assert mended(text, "OPT702") == text.replace(wrong, right).replace("squares[i].sqrt", "tops[i].sqrt")
