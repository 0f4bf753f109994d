"""Checks for what an equation cannot say. Each module registers its checks by name."""

from optlint.diagnose.checks import (
    adadelta,
    choices,
    correction,
    decay,
    direction,
    idle,
    lookahead,
    lost,
    memory,
    momentum,
    powers,
    second,
    sharing,
    storage,
    targets,
)

__all__ = [
    "adadelta",
    "choices",
    "correction",
    "decay",
    "direction",
    "idle",
    "lookahead",
    "lost",
    "memory",
    "momentum",
    "powers",
    "second",
    "sharing",
    "storage",
    "targets",
]
