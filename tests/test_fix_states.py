"""State that starts over at each call: the fixed program runs, whatever its object held, and keeps the state."""

from __future__ import annotations

import numpy as np
import pytest

from optlint.analysis import analyze
from optlint.fix.text import edited
from optlint.settings import Settings
from optlint.source import Unit, source_from_text

MOMENTUM = """
import numpy as np


class Momentum:
    def __init__(self, params, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum
        FIRST

    def update(self, params, grads):
        self.v = {key: np.zeros_like(p) for key, p in params.items()}
        for key in params:
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]
"""
FIRST = {
    "nothing": "pass",
    "None": "self.v = None",
    "None among others": "self.steps, self.v = 0, None",
    "an empty dict": "self.v = {}",
    "zeros": "self.v = {key: np.zeros_like(p) for key, p in params.items()}",
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST.keys())
def test_state_that_starts_over_is_begun_once(first: str) -> None:
    text = MOMENTUM.replace("FIRST", first)
    report = analyze(source_from_text("example.py", text), Settings())
    assert [f.code for f in report.findings] == ["OPT601"]
    edits = [e for f in report.findings if f.fix is not None for e in f.fix.edits]
    assert edits
    params = {"w": np.array([1.0, -2.0])}
    names: dict[str, type] = {}
    exec(edited(Unit(None, text), edits).text, names)  # our own text
    optimizer = names["Momentum"](params)
    v = np.zeros(2)
    expected = params["w"].copy()
    for step in range(5):
        g = np.array([0.5, -1.0]) * (step + 1)
        v = 0.9 * v - 0.01 * g
        expected += v
        optimizer.update(params, {"w": g})
    np.testing.assert_allclose(params["w"], expected)
