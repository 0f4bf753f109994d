"""Fixes of a count that each call for one tensor moves on: one for each key, or for each layer."""

from __future__ import annotations

import pytest
from test_fix_counts import check, findings
from test_fix_places import changed, fixed

from optlint import lint_source

KEYED = """
import numpy as np


class Adam:
    def __init__(self, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps = lr, b1, b2, eps
        self.means, self.squares = {}, {}
        self.calls = 0

    def __call__(self, param):
        ADVANCE
        if KEY not in self.means:
            self.means[KEY] = np.zeros_like(param.data)
            self.squares[KEY] = np.zeros_like(param.data)
        self.means[KEY] = self.b1 * self.means[KEY] + (1 - self.b1) * param.grad
        self.squares[KEY] = self.b2 * self.squares[KEY] + (1 - self.b2) * param.grad**2
        rate = self.lr * np.sqrt(1 - self.b2**self.calls) / (1 - self.b1**self.calls)
        param.data -= rate * self.means[KEY] / (np.sqrt(self.squares[KEY]) + self.eps)
"""


@pytest.mark.parametrize("key", ["id(param)", "param.name"])
@pytest.mark.parametrize("advance", ["self.calls += 1", "self.calls = self.calls + 1", "self.calls = 1 + self.calls"])
def test_a_counter_that_each_call_advances_is_one_for_each_key(key: str, advance: str) -> None:
    text = KEYED.replace("KEY", key).replace("ADVANCE", advance)
    old = f"self.calls.get({key}, 0)"
    new = f"self.calls[{key}] = {old} + 1" if advance[-1] == "1" else f"self.calls[{key}] = 1 + {old}"
    check(
        text,
        "OPT313",
        ("self.calls = 0", "self.calls = {}"),
        (advance, new),
        ("**self.calls", f"**self.calls[{key}]"),
    )


LAYERS = """
import numpy as np


class Adam:
    def __init__(self, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps = lr, b1, b2, eps
        self.t = 0

    def update(self, layer):
        self.t += 1
        layer.m = self.b1 * layer.m + (1 - self.b1) * layer.d_weights
        layer.v = self.b2 * layer.v + (1 - self.b2) * layer.d_weights**2
        m_hat, v_hat = layer.m / (1 - self.b1**self.t), layer.v / (1 - self.b2**self.t)
        layer.weights -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class Schedule:
    def __init__(self):
        self.t = 0

    def step(self):
        self.t += 1
"""


def test_a_counter_beside_the_states_of_layers_is_one_for_each_layer() -> None:
    """Another class may have a counter that is called so."""
    check(
        LAYERS,
        "OPT313",
        ("eps\n        self.t = 0", "eps\n        self.t = {}"),
        (
            "        self.t += 1\n        layer",
            "        self.t[id(layer)] = self.t.get(id(layer), 0) + 1\n        layer",
        ),
        ("**self.t", "**self.t[id(layer)]"),
    )
    derived = LAYERS.replace("class Schedule:", "class Schedule(Adam):")
    assert [f.fix for f in findings(derived, "OPT313")] == [None]


@pytest.mark.parametrize("key", ["layer", "id(layer)"])
def test_a_counter_that_is_kept_by_layer_is_right(key: str) -> None:
    head, _, _ = LAYERS.partition("class Schedule")
    text = head.replace("self.t = 0", "self.t = {}").replace("**self.t", f"**self.t[{key}]")
    text = text.replace("self.t += 1", f"self.t[{key}] = self.t.get({key}, 0) + 1")
    assert not lint_source(text, "example.py").findings


@pytest.mark.parametrize(
    "more",
    [
        "\n    def report(self):\n        print(self.calls)\n",
        "\n    def reset(self):\n        self.calls = 0\n",
        "\n\ndef rewind(optimizer):\n    optimizer.calls = 0\n",
    ],
)
def test_a_counter_that_others_read_stays_a_number(more: str) -> None:
    text = KEYED.replace("KEY", "id(param)").replace("ADVANCE", "self.calls += 1") + more
    assert [f.fix for f in findings(text, "OPT313")] == [None]


def test_a_key_that_may_be_missing_is_not_read() -> None:
    text = KEYED.replace("KEY", "id(param)").replace("ADVANCE", "if self.lr > 0:\n            self.calls += 1")
    assert [f.fix for f in findings(text, "OPT313")] in ([], [None])


CALLS = """
import numpy as np


class Adam:
    def __init__(self, rate=0.01):
        self.rate, self.t = rate, 0
        self.m, self.v = {}, {}

    def move(self, name, w, g):
        self.t += 1
        self.m[name] = 0.9 * self.m.get(name, 0.0) + 0.1 * g
        self.v[name] = 0.99 * self.v.get(name, 0.0) + 0.01 * g**2
        m, v = self.m[name] / (1 - 0.9**self.t), self.v[name] / (1 - 0.99**self.t)
        return w - self.rate * m / (np.sqrt(v) + 1e-8)
"""


def test_what_each_call_counts_is_counted_for_the_tensor_that_it_is_called_with() -> None:
    assert fixed(CALLS, "OPT313") == changed(
        CALLS.replace("9**self.t)", "9**self.t[name])"),
        ("        self.rate, self.t = rate, 0", "        self.rate, self.t = rate, {}"),
        ("        self.t += 1", "        self.t[name] = self.t.get(name, 0) + 1"),
    )
    assert fixed(CALLS + "\n    def steps(self):\n        return self.t\n", "OPT313") is None
