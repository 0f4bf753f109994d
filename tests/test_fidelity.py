"""The lifted recurrence computes what Python computes: our own programs are run for 30 steps beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optlint.lift import Recurrence, lift
from optlint.lift.expression import Symbol
from optlint.lift.program import Program
from optlint.sandbox.evaluate import Runner, System
from optlint.source import Unit

STEPS = 30
SHAPE = (3,)

# Each program defines step(w, g): one update of a module-level optimizer; it returns the new parameter.
PROGRAMS = {
    "in-place chain": """
class Adam:
    def __init__(self):
        self.m = np.zeros(3)
        self.v = np.zeros(3)
        self.t = 0

    def step(self, w, g):
        self.t += 1
        self.m *= 0.9
        self.m += 0.1 * g
        np.multiply(self.v, 0.99, out=self.v)
        self.v += 0.01 * np.square(g)
        scale = 0.05 * np.sqrt(1 - 0.99**self.t) / (1 - 0.9**self.t)
        return w - scale * self.m / (np.sqrt(self.v) + 1e-7)
""",
    "rebound through an alias": """
class Momentum:
    def __init__(self):
        self.state = {"v": np.zeros(3)}

    def step(self, w, g):
        v = self.state["v"]
        v = 0.8 * v - 0.1 * g
        self.state["v"] = v
        w = w.copy()
        w += 0.8 * v - 0.1 * g
        return w
""",
    "lazy state and helpers": """
def average(old, new, decay):
    return decay * old + (1 - decay) * new


class RMSprop:
    def __init__(self):
        self.cache = None
        self.mean = None

    def step(self, w, g):
        if self.cache is None:
            self.cache, self.mean = np.zeros_like(w), np.zeros_like(w)
        self.mean = average(self.mean, g, 0.95)
        self.cache = average(self.cache, g**2, 0.95)
        return w - 0.01 * g / np.sqrt(self.cache - self.mean**2 + 1e-4)
""",
    "accumulators that feed each other": """
class Adadelta:
    def __init__(self):
        self.s, self.d = np.zeros(3), np.zeros(3)

    def step(self, w, g):
        self.s = 0.9 * self.s + 0.1 * g * g
        dx = np.sqrt((self.d + 1e-6) / (self.s + 1e-6)) * g
        self.d += 0.1 * (np.power(dx, 2) - self.d)
        return w - dx
""",
    "maximum and running product": """
class Adamax:
    def __init__(self):
        self.m = np.zeros(3)
        self.u = np.zeros(3)
        self.power = 1.0

    def step(self, w, g):
        self.power *= 0.9
        self.m = self.m + (1 - 0.9) * (g - self.m)
        self.u = np.maximum(0.99 * self.u, np.abs(g))
        return w - 0.02 / (1 - self.power) * self.m / (self.u + 1e-8)
""",
    "slices and a shared array": """
class Odd:
    def __init__(self):
        self.m = self.v = np.zeros(3)

    def step(self, w, g):
        self.m[:] = 0.9 * self.m + 0.1 * g
        self.v += 0.01 * g**2
        return w - 0.1 * self.m / (np.sqrt(np.abs(self.v)) + 1e-3)
""",
}


def run_python(text: str, gradients: np.ndarray) -> np.ndarray:
    """Our own program, really executed."""
    space: dict[str, Any] = {"np": np}
    exec(text, space)
    optimizer = next(v for v in space.values() if isinstance(v, type))()
    w = np.array([1.0, -2.0, 0.5])
    path = []
    for g in gradients:
        w = optimizer.step(w, g.copy())
        path.append(np.array(w))
    return np.array(path)


def run_lifted(recurrence: Recurrence, gradients: np.ndarray) -> np.ndarray:
    """The recurrence as lifted, nothing cut out of it."""
    parameter = recurrence.parameter
    assert parameter is not None
    moving = [*recurrence.counters, *recurrence.states]
    runner = Runner(System([(s.old, s.new, s.post) for s in moving], recurrence.step, parameter.old))
    free = [s for s in runner.free if s not in {x.old for x in moving} and s is not parameter.old]
    gradient = next(s for s in free if s.name == "g")
    initial: dict[Symbol, Any] = {}
    for state in moving:
        assert state.initial is None or state.initial.op == "const"
        initial[state.old] = state.initial.number if state.initial is not None else 0.0
    return runner.run({}, {gradient: gradients}, initial, np.array([1.0, -2.0, 0.5]), STEPS, SHAPE).parameter


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_recurrence_is_what_python_computes(name: str) -> None:
    text = "import numpy as np\n" + PROGRAMS[name]
    generator = np.random.default_rng(7)
    gradients = generator.normal(size=(STEPS, 3)) * np.array([1.0, 1e-3, 30.0])
    found = [r for r in lift(Program.read((Unit(None, text),))).recurrences if r.parameter is not None]
    assert len(found) == 1
    expected = run_python(text, gradients)
    np.testing.assert_allclose(run_lifted(found[0], gradients), expected, rtol=1e-12, atol=1e-12)
