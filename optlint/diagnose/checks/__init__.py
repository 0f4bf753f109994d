"""Checks for what an equation cannot say. Each module registers its checks by name."""

from optlint.diagnose.checks import (
    adadelta,
    choices,
    correction,
    decay,
    direction,
    lookahead,
    memory,
    momentum,
    powers,
    precision,
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
    "lookahead",
    "memory",
    "momentum",
    "powers",
    "precision",
    "second",
    "sharing",
    "storage",
    "targets",
]
