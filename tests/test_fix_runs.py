"""Fixed examples that no driver knows how to call, run beside the good ones with calls of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optlint import lint_source
from optlint.fix.text import edited
from optlint.knowledge import find_mistake
from optlint.source import Unit

Names = dict[str, Any]
ROWS = [(np.array([[1.0, 2.0], [0.5, -1.0]]) * k, np.array([0.3, -0.2 * k])) for k in (1, 2, 3)]


def _train(names: Names) -> Any:
    return names["train"](ROWS, np.array([0.5, -0.5]), epochs=3)


def _fit_twice(names: Names) -> Any:
    model = names["Regression"](2)
    x, y = np.concatenate([x for x, _ in ROWS]), np.concatenate([y for _, y in ROWS])
    for _ in range(2):
        model.fit(x, y, n_epochs=3, batch_size=2)
    return model.w


def _two_tensors(names: Names) -> Any:
    adam, params = names["Adam"](), {"w": np.array([1.0, 2.0]), "b": np.array([-1.0])}
    for k in range(1, 5):
        for key, w in params.items():
            params[key] = adam.update(key, w, 0.1 * w + 1 / k)
    return np.concatenate(list(params.values()))


def _minimize(names: Names) -> Any:
    return (names.get("minimize") or names["adagrad"])(lambda w: 0.3 * w + 0.1, steps=7)


@pytest.mark.parametrize(
    ("code", "number", "call"),
    [
        ("OPT312", 3, _train),
        ("OPT313", 5, _two_tensors),
        ("OPT314", 1, _train),
        ("OPT314", 2, _fit_twice),
        ("OPT607", 1, _minimize),
        ("OPT607", 2, _minimize),
    ],
)
def test_a_fixed_example_runs_as_the_good_one(code: str, number: int, call: Callable[[Names], Any]) -> None:
    page = find_mistake(code)
    assert page is not None
    bad, good = page.bad[number - 1], page.good[number - 1]
    edits = [e for f in lint_source(bad, "example.py").findings if f.fix is not None for e in f.fix.edits]
    results = []
    for text in (edited(Unit(None, bad), edits).text, good):
        names: Names = {}
        exec(text, names)  # our own text
        results.append(call(names))
    np.testing.assert_allclose(results[0], results[1])
    names = {}
    exec(bad, names)
    try:
        wrong = call(names)
    except TypeError:  # integers take in no fractions
        return
    assert not np.allclose(wrong, results[1], rtol=1e-4)
