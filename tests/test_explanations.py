"""Mistakes in less common surroundings are found with the code that they deserve."""

from __future__ import annotations

import pytest

from optlint import lint_source

SOURCES: dict[str, tuple[str, str]] = {
    "one of three uses of the gradient": (
        "OPT103",
        """
import numpy as np

class Yogi:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-3):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = 0.0, 0.0, 0

    def update(self, w, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.v - (1 - self.beta2) * np.sign(self.v - g) * g**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return w - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
""",
    ),
    "one name for the gradient that should be its square, used twice": (
        "OPT103",
        """
import numpy as np

class Yogi:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-3):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = 0.0, 0.0, 0

    def update(self, w, g):
        self.t += 1
        sq = g
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.v - (1 - self.beta2) * np.sign(self.v - sq) * sq
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return w - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
""",
    ),
    "momentum in the name of another optimizer": (
        "OPT103",
        """
import numpy as np

class RMSpropMomentum:
    def __init__(self, lr=0.01, rho=0.9, momentum=0.9, eps=1e-8):
        self.lr, self.rho, self.momentum, self.eps = lr, rho, momentum, eps
        self.cache, self.buffer = 0.0, 0.0

    def update(self, w, grad):
        self.cache = self.rho * self.cache + (1 - self.rho) * grad
        self.buffer = self.momentum * self.buffer + grad / (np.sqrt(self.cache) + self.eps)
        return w - self.lr * self.buffer
""",
    ),
    "the neighbour's number for a whole tensor": (
        "OPT606",
        """
import numpy as np

def rmsprop_of_sizes(batches, weights, biases, gradients_of, averages, lr=0.01, beta=0.9, eps=1e-8):
    layers = len(weights)
    for inputs, labels in batches:
        dW, db = gradients_of(inputs, labels, weights, biases)
        sizes_W, sizes_b = averages
        sizes_W = [0] + [beta * sizes_W[k] + (1 - beta) * np.sum(dW[k] ** 2) for k in range(1, layers)]
        sizes_b = [0] + [beta * sizes_b[k] + (1 - beta) * np.sum(db[k] ** 2) for k in range(1, layers)]
        weights[1:] = [weights[k] - lr / (np.sqrt(sizes_W[k]) + eps) * dW[k] for k in range(1, layers)]
        biases[1:] = [biases[k] - lr / (np.sqrt(sizes_W[k]) + eps) * db[k] for k in range(1, layers)]
        averages = (sizes_W, sizes_b)
    return weights, biases, averages
""",
    ),
}


@pytest.mark.parametrize("code, source", SOURCES.values(), ids=SOURCES.keys())
def test_the_mistake_is_named(code: str, source: str) -> None:
    loud = [f for f in lint_source(source, "example.py").findings if f.severity != "note"]
    assert {f.code for f in loud} == {code}
