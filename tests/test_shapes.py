"""How people write updates: each shape is read as what it computes, by mechanism and not by name."""

from __future__ import annotations

import pytest

from optlint import lint_source

# name: (what it is, source)
SHAPES: dict[str, tuple[str, str]] = {
    "keys of tensors that were changed": (
        "adamw",
        """
import torch

class A(torch.optim.Optimizer):
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
                state = self.state[p]
                if len(state) == 1:
                    state["step"] = 0
                    state["m"] = torch.zeros_like(p)
                    state["v"] = torch.zeros_like(p)
                state["step"] += 1
                b1, b2 = group["betas"]
                state["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                state["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m_hat = state["m"] / (1 - b1 ** state["step"])
                v_hat = state["v"] / (1 - b2 ** state["step"])
                p.addcdiv_(m_hat, v_hat.sqrt().add_(group["eps"]), value=-group["lr"])
""",
    ),
    "one list under two loops' names": (
        "adam",
        """
import torch

class A(torch.optim.Optimizer):
    def step(self):
        slices = []
        for group in self.param_groups:
            params = group["params"]
            for first in range(len(params)):
                piece = torch.empty_like(params[first].grad)
                reduce(piece, params[first].grad)
                slices.append(piece)
        i = 0
        for group in self.param_groups:
            params = group["params"]
            for second in range(len(params)):
                p, g = params[second], slices[i]
                state = self.state[p]
                if not state:
                    state["t"] = torch.tensor(0)
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                m, v = state["m"], state["v"]
                state["t"] += 1
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.99).addcmul_(g, g, value=0.01)
                size = group["lr"] * torch.sqrt(1 - 0.99 ** state["t"]) / (1 - 0.9 ** state["t"])
                p.add_(other=m.div(v.sqrt().add_(1e-8)).mul_(size), alpha=-1.0)
                i += 1
""",
    ),
    "values that only the moments' keys share with the gradients": (
        "adam",
        """
import numpy as np

def update(parameters, grads, v, s, t, rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    v_hat, s_hat = {}, {}
    for l in range(1, len(parameters) // 2 + 1):
        v["dW" + str(l)] = beta1 * v["dW" + str(l)] + (1 - beta1) * grads["dW" + str(l)]
        v_hat["dW" + str(l)] = v["dW" + str(l)] / (1 - beta1**t)
        s["dW" + str(l)] = beta2 * s["dW" + str(l)] + (1 - beta2) * np.square(grads["dW" + str(l)])
        s_hat["dW" + str(l)] = s["dW" + str(l)] / (1 - beta2**t)
        parameters["W" + str(l)] -= rate * v_hat["dW" + str(l)] / (np.sqrt(s_hat["dW" + str(l)]) + epsilon)
    return parameters, v, s, v_hat, s_hat
""",
    ),
    "a branch that the step decides": (
        "radam",
        """
import math

def step(w, g, state, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    state["t"] += 1
    t = state["t"]
    state["m"] = b1 * state["m"] + (1 - b1) * g
    state["v"] = b2 * state["v"] + (1 - b2) * g * g
    longest = 2 / (1 - b2) - 1
    length = longest - 2 * t * b2**t / (1 - b2**t)
    if length > 5:
        r = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
        w = w - lr * r * math.sqrt(1 - b2**t) / (1 - b1**t) * state["m"] / (state["v"] ** 0.5 + eps)
    else:
        w = w - lr / (1 - b1**t) * state["m"]
    return w
""",
    ),
    "the norm of the parameter": (
        "lamb",
        """
import numpy as np

def lamb(w, g, m, v, t, lr=1e-3, b1=0.9, b2=0.999, eps=1e-6, decay=0.01):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    u = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * w
    size, length = np.linalg.norm(w), np.linalg.norm(u)
    return w - lr * (size / length if size > 0 and length > 0 else 1.0) * u, m, v
""",
    ),
    "a step that is returned and decays the parameter": (
        "adamw",
        """
class A(Optimizer):
    def __init__(self, params, lr=0.001, b1=0.9, b2=0.999, eps=1e-8, wd=0.01):
        self.lr, self.b1, self.b2, self.eps, self.wd = lr, b1, b2, eps, wd
        self.b1_t, self.b2_t = Tensor.ones((1,)), Tensor.ones((1,))
        self.m = [Tensor.zeros(*t.shape) for t in params]
        self.v = [Tensor.zeros(*t.shape) for t in params]

    def _step(self, params, grads):
        steps = []
        self.b1_t *= self.b1
        self.b2_t *= self.b2
        for i, (t, g) in enumerate(zip(params, grads)):
            self.m[i].assign(self.b1 * self.m[i] + (1.0 - self.b1) * g)
            self.v[i].assign(self.b2 * self.v[i] + (1.0 - self.b2) * (g * g))
            up = (self.m[i] / (1 - self.b1_t)) / ((self.v[i] / (1 - self.b2_t)).sqrt() + self.eps)
            steps.append((self.lr * (up + self.wd * t.detach())).cast(t.dtype))
        return steps, [self.b1_t, self.b2_t] + self.m + self.v
""",
    ),
    "pairs of two compiled functions": (
        "adadelta",
        """
import theano
import theano.tensor as T

def adadelta(lr, params, grads, inputs, cost):
    kept = [theano.shared(p.get_value() * 0.0) for p in params]
    steps = [theano.shared(p.get_value() * 0.0) for p in params]
    squares = [theano.shared(p.get_value() * 0.0) for p in params]
    first = [(k, g) for k, g in zip(kept, grads)]
    second = [(s, 0.95 * s + 0.05 * g**2) for s, g in zip(squares, grads)]
    f_grad = theano.function(inputs, cost, updates=first + second)
    move = [-T.sqrt(d + 1e-6) / T.sqrt(s + 1e-6) * k for k, d, s in zip(kept, steps, squares)]
    third = [(d, 0.95 * d + 0.05 * m**2) for d, m in zip(steps, move)]
    fourth = [(p, p + m) for p, m in zip(params, move)]
    f_update = theano.function([lr], [], updates=third + fourth)
    return f_grad, f_update
""",
    ),
    "a parameter that is kept in bounds": (
        "rmsprop",
        """
import theano
import theano.tensor as T

class R:
    def __init__(self, rate=0.001, rho=0.9, eps=1e-6, regularizer=None):
        self.__dict__.update(locals())

    def __call__(self, params, cost):
        updates = []
        for p, g in zip(params, T.grad(cost, params)):
            acc = theano.shared(p.get_value() * 0.0)
            new = self.rho * acc + (1 - self.rho) * g**2
            updates.append((acc, new))
            updates.append((p, self.regularizer.bounded(p - self.rate * g / T.sqrt(new + self.eps))))
        return updates
""",
    ),
    "a helper that gives views back": (
        "adam",
        """
import torch

class A(Base):
    def step(self):
        for group in self.param_groups:
            group["step"] += 1
            for p in group["params"]:
                grad, state = p.grad, self.state[p]
                m, v = state["m"], state["v"]
                p, grad, m, v = self.as_real(p, grad, m, v)
                m.lerp_(grad, 0.1)
                v.lerp_(grad.square(), 0.001)
                m_hat, v_hat = m / (1 - 0.9 ** group["step"]), v / (1 - 0.999 ** group["step"])
                p.sub_(0.01 * m_hat / (v_hat.sqrt() + 1e-8))
""",
    ),
    "a rate that is a property": (
        "adam",
        """
import math
import numpy as np

class A:
    def __init__(self, alpha=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.t, self.alpha, self.beta1, self.beta2, self.eps = 0, alpha, beta1, beta2, eps
        self.ms, self.vs = {}, {}

    def update(self):
        self.t += 1

    @property
    def lr(self):
        return self.alpha * math.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)

    def update_one(self, param):
        key = id(param)
        if key not in self.ms:
            self.ms[key] = np.zeros_like(param.data)
            self.vs[key] = np.zeros_like(param.data)
        m, v = self.ms[key], self.vs[key]
        m += (1 - self.beta1) * (param.grad.data - m)
        v += (1 - self.beta2) * (param.grad.data * param.grad.data - v)
        param.data -= self.lr * m / (np.sqrt(v) + self.eps)
""",
    ),
    "names for what a dictionary holds, or for its first content": (
        "adam",
        """
class A:
    def __init__(self, params, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
        self.params, self.lr, self.beta1, self.beta2, self.eps = params, lr, beta1, beta2, eps
        self.t, self.m, self.v = {}, {}, {}

    def step(self):
        for p in self.params:
            if p not in self.m:
                t, m, v = 0, 0, 0
            else:
                t, m, v = self.t[p], self.m[p], self.v[p]
            m = self.beta1 * m + (1 - self.beta1) * p.grad
            v = self.beta2 * v + (1 - self.beta2) * p.grad**2
            t = t + 1
            self.m[p], self.v[p], self.t[p] = m, v, t
            p.data = p.data - self.lr * (m / (1 - self.beta1**t)) / ((v / (1 - self.beta2**t)) ** 0.5 + self.eps)
""",
    ),
    "arrays that never change in place": (
        "adam",
        """
import jax.numpy as jnp
from jax.tree_util import tree_map

def adam(grads, state, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    step, m, v = state
    step += 1
    m = tree_map(lambda m, g: (1 - beta1) * g + beta1 * m, m, grads)
    v = tree_map(lambda v, g: beta2 * v + (1 - beta2) * g**2, v, grads)

    def move(m, v):
        m /= 1 - beta1**step
        v /= 1 - beta2**step
        return -lr / (jnp.sqrt(v) + eps) * m

    return tree_map(move, m, v), (step, m, v)
""",
    ),
    "settings that are calls": (
        "adam",
        """
class A:
    def _adam(self, ops, weights, gradient, key, count):
        if key not in self.mom1:
            self.mom1[key] = ops.alloc1f(weights.size)
            self.mom2[key] = ops.alloc1f(weights.size)
        m, v = self.mom1[key], self.mom2[key]
        b1, b2 = self.b1(self.step), self.b2(self.step)
        m *= b1
        m += (1 - b1) * gradient
        v *= b2
        v += (1 - b2) * gradient**2
        rate = self.rate(self.step) * (1 - b2**count) ** 0.5 / (1 - b1**count)
        weights -= rate * m / (ops.xp.sqrt(v) + self.eps(self.step))
        return weights
""",
    ),
    "momentum that warms up": (
        "nadam",
        """
import numpy as np

def nadam(w, g, m, v, product, t, lr=0.002, b1=0.9, b2=0.999, eps=1e-8, psi=0.004):
    mu = b1 * (1 - 0.5 * 0.96 ** (t * psi))
    following = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * psi))
    product *= mu
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    u = (1 - mu) * g / (1 - product) + following * m / (1 - product * following)
    return w - lr * u / (np.sqrt(v / (1 - b2**t)) + eps), m, v, product
""",
    ),
    "an old script": (
        "adagrad",
        """
import numpy as np

def train(w, grad, n):
	h = np.zeros_like(w)
	for i in range(n):
		g = grad(w)
		h += g * g
		w -= 0.1 * g / (np.sqrt(h) + 1e-8)
		print "step", i
	return w
""",
    ),
    "linear combinations on the device": (
        "momentum",
        """
from itertools import izip
from pycuda import gpuarray

class Momentum(object):
    def __init__(self, model):
        self.model = model
        self.velocity = [gpuarray.zeros_like(p) for p in model.parameters]

    def update(self, gradients, rate, momentum):
        steps = []
        for g, v in izip(gradients, self.velocity):
            v._axpbyz(momentum, g, -rate, v)
            steps.append((v, 1.0))
        self.model.update_parameters(steps)
""",
    ),
    "only the caller counts": (
        "adam",
        """
import torch

def adam_kernel(p, g, m, v, lr, beta1, beta2, eps, correction1, correction2):
    m.mul_(beta1).add_(g, alpha=1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    p.addcdiv_(m, (v.sqrt() / correction2**0.5).add_(eps), value=-lr / correction1)

class A(torch.optim.Optimizer):
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            group["step"] += 1
            for p in group["params"]:
                state = self.state[p]
                adam_kernel(
                    p, p.grad, state["m"], state["v"], group["lr"], beta1, beta2, group["eps"],
                    1 - beta1 ** group["step"], 1 - beta2 ** group["step"],
                )
""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_read_as_what_it_computes(name: str) -> None:
    family, text = SHAPES[name]
    report = lint_source(text, "shape.py")
    assert not report.problems
    assert [f.message for f in report.findings if f.severity != "note"] == []
    assert family in {u.family for u in report.updates if u.status == "matched"}
