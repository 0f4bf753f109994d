"""Checks for what an equation cannot say. Each module registers its checks by name."""

from optlint.diagnose.checks import correction, direction, storage

__all__ = ["correction", "direction", "storage"]
