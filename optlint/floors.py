"""What an update adds to its roots, or floors them with: the candidates for ε."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.subject import Subject


def epsilon_values(subject: Subject) -> list[Any]:
    """What the update adds to a root, or floors it with: candidates for ε."""
    found: list[Expr] = []
    data = subject.moving | {subject.g}
    for post in subject.posts:
        for node in ex.walk(post):
            for a, b in structure.floored(node):
                floor = _without_time(subject, a)
                if b.symbols & data and floor is not None and floor not in found:
                    found.append(floor)
    found += [ex.sym(h.symbol) for h in subject.hypers if h.role == "epsilon"]  # ε/η, ε·(1 − β₁ᵗ)/η
    values: list[Any] = []
    for value in (subject.value(a) for a in dict.fromkeys(found)):
        if value is not None and np.all(value >= 0) and not any(np.array_equal(value, v) for v in values):
            values.append(value)
    return values[:4]


def _without_time(subject: Subject, node: Expr) -> Expr | None:
    """ε of ε·√(1 − β₂ᵗ), which is Algorithm 1 multiplied out; None where there are more than settings."""
    if subject.is_hyper(node):
        return node
    kept = [(f, e) for f, e in structure.factors(node) if not f.symbols & subject.time]
    still = structure.product(kept)
    return still if kept and not node.symbols & subject.moving and subject.is_hyper(still) else None
