"""What LAMB's ratio of norms hides from a run of one coordinate, and what its words mean."""

from __future__ import annotations

import pytest

from optlint import lint_source

LAMB = '''
import numpy as np


class LAMB:
    """Layer-wise adaptive moments: each layer's step is as long as the layer's weights."""

    def __init__(self, size, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-6):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = np.zeros(size), np.zeros(size), 0

    def step(self, w, grad):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * {square}
        m_hat = self.m / {correction}
        v_hat = self.v / (1 - self.beta2**self.t)
        r = m_hat / (np.sqrt(v_hat) + self.eps)
        w_norm, r_norm = np.linalg.norm(w), np.linalg.norm(r)
        ratio = np.where(w_norm > 0, np.where(r_norm > 0, w_norm / r_norm, 1.0), 1.0)
        return w - self.lr * ratio * r
'''


@pytest.mark.parametrize(
    ("square", "correction", "found"),
    [
        ("grad**2", "(1 - self.beta1**self.t)", []),
        ("np.mean(grad**2)", "(1 - self.beta1**self.t)", ["OPT117"]),  # LAMB's layers are those of its norms
        ("grad**2", "(1 - self.beta1)", ["OPT305"]),  # seen where weights of zero get their first gradient late
    ],
)
def test_mistakes_beside_a_ratio_of_norms(square: str, correction: str, found: list[str]) -> None:
    report = lint_source(LAMB.format(square=square, correction=correction), "lamb.py")
    assert [f.code for f in report.findings] == found
    assert all(f.verdict == "confirmed" for f in report.findings)


def test_second_moments_of_layers_are_meant_without_a_ratio() -> None:
    text = LAMB.replace("np.where(w_norm > 0, np.where(r_norm > 0, w_norm / r_norm, 1.0), 1.0)", "1.0")
    text = text.replace("LAMB", "LayerAdam")
    report = lint_source(text.format(square="np.mean(grad**2)", correction="(1 - self.beta1**self.t)"), "adam.py")
    assert report.findings == ()
