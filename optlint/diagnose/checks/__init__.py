"""Checks for what an equation cannot say. Each module registers its checks by name."""

from optlint.diagnose.checks import (
    adadelta,
    correction,
    decay,
    direction,
    guards,
    lookahead,
    maximum,
    momentum,
    nadam,
    powers,
    second,
    signs,
    storage,
)

__all__ = [
    "adadelta",
    "correction",
    "decay",
    "direction",
    "guards",
    "lookahead",
    "maximum",
    "momentum",
    "nadam",
    "powers",
    "second",
    "signs",
    "storage",
]
