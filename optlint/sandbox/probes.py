"""The probes: short, fixed, adversarial gradient sequences, and the hyper-parameters to run them with.

All probes run at once: an array has shape (lanes, 2), a lane being a probe under one binding of the
hyper-parameters, and the last axis two coordinates (so that a reduction over a tensor is seen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 40
BINDINGS = ("own", "rebound-1", "rebound-2")


@dataclass(frozen=True, slots=True)
class Probe:
    name: str
    about: str
    gradients: NDArray[np.float64]  # (STEPS, 2)


def _random(seed: int, scale: float) -> NDArray[np.float64]:
    # a linear congruence: the same numbers on every platform and NumPy version
    values, x = [], seed
    for _ in range(2 * STEPS):
        x = (1103515245 * x + 12345) % 2**31
        values.append((x / 2**31 - 0.5) * 2)
    result = np.array(values).reshape(STEPS, 2)
    return np.asarray(scale * np.sign(result) * (0.25 + 0.75 * np.abs(result)))


def _turning(seed: int, scale: float) -> NDArray[np.float64]:
    """Signs that last for some steps, and sizes over two decades: an average and a gradient in any ratio."""
    uniform = np.abs(_random(seed, 1.0))
    signs = np.cumprod(np.where(_random(seed + 1, 1.0) > 0.4, -1.0, 1.0), axis=0)
    return np.asarray(scale * signs * 10.0 ** (2 * (uniform - 0.25) / 0.75 - 2))


def _make() -> tuple[Probe, ...]:
    ones = np.ones((STEPS, 2))
    skew = np.array([1.0, 0.5])
    k = np.arange(STEPS)[:, None]
    spike = np.full((STEPS, 2), 1e-3)
    spike[12] = 1e3
    return (
        Probe("constant", "g = 1 at every step", ones * skew),
        Probe("random", "random signs and sizes near 1", _random(7, 1.0)),
        Probe("negated", "the random probe with its signs turned", -_random(7, 1.0)),
        Probe("tiny", "g = 1e-6 at every step", 1e-6 * ones * skew),
        Probe("decay", "g shrinks by a decade every six steps", 10.0 ** (-k / 6) * ones * skew),
        Probe("spike", "g = 1e-3, once 1e3", spike * skew),
        Probe("large", "up to 1000, which turns now and then", _turning(11, 1e3)),
        Probe("zero first", "g = 0 at two steps, then 1", np.where(k < 2, 0.0, 1.0) * skew),
    )


PROBES = _make()
GRADIENTS: NDArray[np.float64] = np.concatenate([p.gradients[:, None, :] for p in PROBES] * len(BINDINGS), axis=1)
# the parameter, for steps that read it (LAMB's norm): given like the gradient, once zero
PARAMETERS: NDArray[np.float64] = np.where(np.arange(STEPS) == 2, 0.0, 1.0)[:, None, None] * np.concatenate(
    [_random(23, 2.0)[:, None, :]] * (len(PROBES) * len(BINDINGS)), axis=1
)
LANES = len(PROBES) * len(BINDINGS)
BINDING_OF_LANE = np.repeat(np.arange(len(BINDINGS)), len(PROBES))


def lanes(values: tuple[float, ...]) -> NDArray[np.float64]:
    """One value for each binding, spread over its lanes: shape (LANES, 1)."""
    return np.asarray(values, dtype=float)[BINDING_OF_LANE][:, None]
