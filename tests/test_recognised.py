"""Correct updates that are read as nothing but what they are: no second view of them, and no other reading, is left."""

from __future__ import annotations

import pytest

from optlint import lint_source

# name: (the families that it has, source)
WHOLE: dict[str, tuple[set[str], str]] = {
    "what a loop reaches is returned": (
        {"momentum"},
        """
import numpy as np

def nag(x, y, alpha, gamma, steps):
    a, b = 0, 0
    va, vb = 0, 0
    path = [0]
    for i in range(steps):
        a_temp, b_temp = a - gamma * va, b - gamma * vb
        error = a_temp + b_temp * x - y
        ga, gb = np.sum(error) / len(x), np.sum(error * x) / len(x)
        va = gamma * va + alpha * ga
        vb = gamma * vb + alpha * gb
        if i < steps - 1:
            a = a_temp - alpha * ga
            path.append(a)
            b = b_temp - alpha * gb
    return path, a, b
""",
    ),
    "a loss where it is": (
        {"adam"},
        """
import numpy as np

def loss(x, y):
    return x**2 + 10 * y**2

def adam(gradient, start, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, steps=100):
    x, y = start
    m, v = np.zeros(2), np.zeros(2)
    losses = [loss(x, y)]
    for t in range(1, steps + 1):
        g = gradient(x, y)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x -= lr * m_hat[0] / (np.sqrt(v_hat[0]) + eps)
        y -= lr * m_hat[1] / (np.sqrt(v_hat[1]) + eps)
        losses.append(loss(x, y))
    return losses
""",
    ),
    "the caller counts for keys of text": (
        {"adam"},
        """
import numpy as np

class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.t = 1
        self.m, self.v = {}, {}

    def update(self, layer, name, gradient):
        key = f"{layer.index}_{name}"
        if key not in self.m:
            self.m[key] = np.zeros_like(gradient)
            self.v[key] = np.zeros_like(gradient)
        self.m[key] = self.beta1 * self.m[key] + (1 - self.beta1) * gradient
        self.v[key] = self.beta2 * self.v[key] + (1 - self.beta2) * gradient**2
        m_hat = self.m[key] / (1 - self.beta1**self.t)
        v_hat = self.v[key] / (1 - self.beta2**self.t)
        parameter = getattr(layer, name)
        parameter -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
""",
    ),
    "updates averaged a step later": (
        {"adadelta"},
        """
import numpy as np

def adadelta(w, gradient, steps, rho=0.95, eps=1e-6):
    delta, squared_steps, squared_gradients = 0, 0, 0
    for _ in range(steps):
        g = gradient(w)
        squared_steps = rho * squared_steps + (1 - rho) * delta**2
        squared_gradients = rho * squared_gradients + (1 - rho) * g**2
        delta = -np.sqrt(squared_steps + eps) / np.sqrt(squared_gradients + eps) * g
        w = w + delta
    return w
""",
    ),
    "a step that is added to another loop's name for the parameter": (
        {"adadelta"},
        """
import numpy as np

class Adadelta:
    def __init__(self, rho=0.95, eps=1e-6):
        self.rho, self.eps = rho, eps
        self.v = self.u = None

    def begin(self, params):
        self.v = {k: np.zeros_like(p) for k, p in params.items()}
        self.u = {k: np.zeros_like(p) for k, p in params.items()}

    def update(self, params, grads):
        if self.v is None:
            self.begin(params)
        moved = {}
        for key in params.keys():
            self.v[key] = self.rho * self.v[key] + (1 - self.rho) * np.square(grads[key])
            delta = -np.sqrt(self.u[key] + self.eps) * grads[key] / np.sqrt(self.v[key] + self.eps)
            moved[key] = params[key] + delta
            self.u[key] = self.rho * self.u[key] + (1 - self.rho) * np.square(delta)
        return moved
""",
    ),
    "the last position is handed back": (
        {"momentum"},
        """
def momentum(x, y, alpha, beta, x_last, y_last):
    x_now, y_now = x, y
    gx, gy = 400 * x**3 - 400 * x * y + 2 * x - 2, 200 * (y - x**2)
    x = x - alpha * gx + beta * (x - x_last)
    y = y - alpha * gy + beta * (y - y_last)
    return x, y, x_now, y_now
""",
    ),
    "sums of gradients, which Adagrad takes in": (
        {"adagrad"},
        """
import numpy as np

def adagrad(w, data, gradient, eta=0.01, eps=1e-8, batch=32):
    count = 0
    n = len(w)
    squares = {k: np.zeros_like(w[k]) for k in range(n)}
    sums = {k: np.zeros_like(w[k]) for k in range(n)}
    for x in data:
        for k in range(n):
            sums[k] += gradient(w, x)[k]
        count += 1
        if count % batch == 0:
            for k in range(n):
                squares[k] += np.square(sums[k])
                w[k] -= eta / np.sqrt(squares[k] + eps) * sums[k]
    return w
""",
    ),
    "zeros of another type": (
        {"momentum"},
        """
import numpy as np
from somewhere import floatX

class Momentum:
    def __init__(self, ps, mu=0.9):
        self.ps, self.mu = ps, mu
        self.v = [floatX(np.zeros(p.shape)) for p in ps]
        self.z = 0j

    def step(self, grads, g, lr):
        for p, g, v in zip(self.ps, grads, self.v):
            v[:] = self.mu * v - lr * g
            p += v
        self.z = self.mu * self.z - lr * g
        self.w = self.w + self.z
""",
    ),
    "momentum that decays to nothing": (
        {"adam"},
        """
import numpy as np

class DemonAdam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, epochs=100):
        self.lr, self.beta1, self.beta2, self.eps, self.epochs = lr, beta1, beta2, eps, epochs
        self.m, self.v = {}, {}

    def step(self, params, grads, t, epoch):
        left = 1 - epoch / self.epochs
        beta1 = self.beta1 * (left / (1 - self.beta1 + self.beta1 * left))
        for k in params:
            self.m[k] = beta1 * self.m.get(k, 0) + (1 - beta1) * grads[k]
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * grads[k] ** 2
            m_hat = self.m[k] / (1 - beta1**t)
            v_hat = self.v[k] / (1 - self.beta2**t)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
""",
    ),
    "corrections that are kept from 0": (
        {"adam"},
        """
import numpy as np

class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v = {}, {}

    def step(self, params, grads, t):
        for k in params:
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * grads[k] ** 2
            m_hat = self.m[k] / (1 - self.beta1**t + self.eps)
            v_hat = self.v[k] / (1 - self.beta2**t + self.eps)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_all_that_is_read_is_recognised(name: str) -> None:
    families, text = WHOLE[name]
    report = lint_source(text, "whole.py")
    assert not report.problems
    assert [f.message for f in report.findings if f.severity != "note"] == []
    assert {(u.family, u.status) for u in report.updates} == {(family, "matched") for family in families}


# name: (the mistake that is found all the same, source)
WRONG: dict[str, tuple[set[str], str]] = {
    "what a loop reaches is returned": (
        {"OPT105"},
        """
import numpy as np

def rmsprop(x, y, alpha, beta, steps, eps=1e-8):
    a, b = 0, 0
    va, vb = 0, 0
    for i in range(steps):
        error = a + b * x - y
        ga, gb = np.sum(error) / len(x), np.sum(error * x) / len(x)
        va = beta * va + (1 - beta) * ga**2
        vb = beta * vb + (1 - beta) * gb**2
        a = a - alpha * ga / (va + eps)
        b = b - alpha * gb / (vb + eps)
        if i > 0 and abs(ga) < 1e-3:
            break
    return i, a, b
""",
    ),
    "steps averaged for gradients": (
        {"OPT704"},
        """
import numpy as np

def adadelta(w, gradient, steps, rho=0.95, eps=1e-6):
    squared_steps, squared_gradients = 0, 0
    for _ in range(steps):
        g = gradient(w)
        squared_steps = rho * squared_steps + (1 - rho) * g**2
        squared_gradients = rho * squared_gradients + (1 - rho) * g**2
        w = w - np.sqrt(squared_steps + eps) / np.sqrt(squared_gradients + eps) * g
    return w
""",
    ),
    "updates averaged a step later": (
        {"OPT103"},
        """
import numpy as np

def adadelta(w, gradient, steps, rho=0.95, eps=1e-6):
    delta, squared_steps, squared_gradients = 0, 0, 0
    for _ in range(steps):
        g = gradient(w)
        squared_steps = rho * squared_steps + (1 - rho) * delta**2
        squared_gradients = rho * squared_gradients + (1 - rho) * g
        delta = -np.sqrt(squared_steps + eps) / np.sqrt(squared_gradients + eps) * g
        w = w + delta
    return w
""",
    ),
    "a sum of gradients, and its square's average for it": (
        {"OPT112"},
        """
import numpy as np

def rmsprop(w, data, gradient, eta=0.01, beta=0.9, eps=1e-8, batch=32):
    n = len(w)
    v = [np.zeros_like(p) for p in w]
    total = [np.zeros_like(p) for p in w]
    for i in range(len(data)):
        for j in range(n):
            total[j] = total[j] + gradient(w, data[i])[j]
        if i % batch == 0:
            for k in range(n):
                v[k] = beta * v[k] + (1 - beta) * total[k] ** 2
                w[k] -= eta / np.sqrt(v[k] + eps) * v[k]
    return w
""",
    ),
    "corrections that are kept from 0": (
        {"OPT103"},
        """
import numpy as np

class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v = {}, {}

    def step(self, params, grads, t):
        for k in params:
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * grads[k]
            m_hat = self.m[k] / (1 - self.beta1**t + self.eps)
            v_hat = self.v[k] / (1 - self.beta2**t + self.eps)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_it_is_found(name: str) -> None:
    codes, text = WRONG[name]
    assert {f.code for f in lint_source(text, "wrong.py").findings if f.severity != "note"} == codes
