"""Number types that a fix changes: where the array or the decay is made, as the code spells types."""

from __future__ import annotations

import pytest

from optlint import lint_source
from optlint.fix.text import edited
from optlint.source import Unit

MOMENTUM = """
import numpy as np
from numpy import zeros

COARSE = np.int16
BEFORE


def minimize(gradient, steps=100, lr=0.1, beta=0.9):
    w = START
    v = FIRST
    for _ in range(steps):
        v[:] = beta * v + (1 - beta) * gradient(w)
        w = w - lr * v
    return w
"""
ADAM = """
import numpy as np
import torch
from numpy import float16
from torch import bfloat16, tensor

COARSE = np.float16


def adam(w, g, m, v, t, lr=1e-3, b1=0.9, eps=1e-8):
    b2 = DECAY
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    return w - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + eps), m, v
"""


def mended(text: str, code: str) -> str:
    """The text with its fix, which is unsafe; "" where none is offered."""
    (finding,) = (f for f in lint_source(text, "example.py").findings if f.code == code)
    if finding.fix is None:
        return ""
    assert finding.fix.applicability == "unsafe"
    fixed = edited(Unit(None, text), finding.fix.edits).text
    assert not lint_source(fixed, "example.py").findings
    return fixed


@pytest.mark.parametrize(
    ("made", "floats"),
    [
        ("np.zeros(2, dtype=int)", "np.zeros(2, dtype=float)"),
        ("np.zeros(2, int)", "np.zeros(2, float)"),
        ("np.zeros(2, dtype=np.int32)", "np.zeros(2, dtype=np.float64)"),
        ("zeros((2,), dtype='int64')", "zeros((2,), dtype='float64')"),
        ("np.zeros(2, dtype=COARSE)", "np.zeros(2, dtype=float)"),
        ("np.zeros_like(w, dtype=int)", "np.zeros_like(w, dtype=float)"),
        ("np.array([0, -1])", "np.array([0.0, -1.0])"),
        ("np.array([[0, 0], [0, 0]])", "np.array([[0.0, 0.0], [0.0, 0.0]])"),
        ("np.array([0, 0, 0, 0, 0])", "np.array([0, 0, 0, 0, 0], dtype=float)"),
        ("np.array([0x0, 0],)", "np.array([0x0, 0], dtype=float,)"),
    ],
)
def test_an_array_is_made_of_floats(made: str, floats: str) -> None:
    text = MOMENTUM.replace("BEFORE", "").replace("START", "gradient.start")
    assert mended(text.replace("FIRST", made), "OPT607") == text.replace("FIRST", floats)


def test_the_array_that_another_one_has_its_type_from_is_made_of_floats() -> None:
    text = MOMENTUM.replace("BEFORE", "origin = np.array([5, 3])").replace("FIRST", "np.zeros_like(w)")
    text = text.replace("START", "origin.copy()")
    assert mended(text, "OPT607") == text.replace("[5, 3]", "[5.0, 3.0]")


def test_each_array_that_takes_in_fractions_is_made_of_floats() -> None:
    text = MOMENTUM.replace("BEFORE", "").replace("w = w - lr * v", "w -= lr * v")
    text = text.replace("FIRST", "np.zeros(2, dtype=int)").replace("START", "np.array([5, 3])")
    fixed = text.replace("dtype=int", "dtype=float").replace("[5, 3]", "[5.0, 3.0]")
    assert mended(text, "OPT607") == fixed


def test_what_a_conversion_cuts_off_stays_cut_off() -> None:
    text = MOMENTUM.replace("BEFORE", "").replace("START", "gradient.start").replace("FIRST", "np.zeros(2).astype(int)")
    assert mended(text, "OPT607") == ""


@pytest.mark.parametrize(
    ("made", "held"),
    [
        ("torch.tensor(0.999, dtype=torch.bfloat16)", "torch.tensor(0.999, dtype=torch.float32)"),
        ("tensor(0.999, dtype=bfloat16)", "tensor(0.999)"),
        ("np.float16(0.9999)", "np.float32(0.9999)"),
        ("float16(0.9999)", "0.9999"),
        ("np.array(0.9999, np.float16)", "np.array(0.9999, np.float32)"),
        ("np.array(0.9999, dtype='float16')", "np.array(0.9999, dtype='float32')"),
        ("np.array(0.9999, COARSE)", "np.array(0.9999)"),
        ("np.float32(0.99999999)", "np.float64(0.99999999)"),
    ],
)
def test_a_decay_is_made_in_a_type_that_holds_it(made: str, held: str) -> None:
    assert mended(ADAM.replace("DECAY", made), "OPT316") == ADAM.replace("DECAY", held)


def test_jax_has_no_wider_type_by_default() -> None:
    text = ADAM.replace("import numpy as np", "import jax.numpy as np").replace("DECAY", "np.float32(0.99999999)")
    assert mended(text, "OPT316") == ""
