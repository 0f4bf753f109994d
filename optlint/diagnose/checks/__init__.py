"""Checks for what an equation cannot say. Each module registers its checks by name."""

from optlint.diagnose.checks import (
    correction,
    decay,
    direction,
    idle,
    lookahead,
    lost,
    momentum,
    powers,
    second,
    storage,
)

__all__ = ["correction", "decay", "direction", "idle", "lookahead", "lost", "momentum", "powers", "second", "storage"]
