"""Lifting: source → recurrences."""

from __future__ import annotations

from optlint.lift.lifter import Lifted, lift
from optlint.lift.recurrence import Recurrence, State

__all__ = ["Lifted", "Recurrence", "State", "lift"]
