"""Checks for what an equation cannot say. Each module registers its checks by name."""

from optlint.diagnose.checks import correction, direction, powers, second, storage

__all__ = ["correction", "direction", "powers", "second", "storage"]
