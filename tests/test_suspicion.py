"""What is like nothing known may still hold a part with a known mistake: it is told where that is asked for."""

from __future__ import annotations

from optlint import lint_source
from optlint.settings import Settings

NOVEL = """
import numpy as np


class Swirl:
    def __init__(self, lr=1e-3, beta=0.99, eps=1e-8):
        self.lr, self.beta, self.eps = lr, beta, eps
        self.v = {}

    def step(self, params, grads):
        for k, g in grads.items():
            v = self.v.get(k, np.zeros_like(g))
            self.v[k] = self.beta * v + (1 - self.beta) * np.square(g)
            params[k] -= self.lr * np.tanh(g) / (np.sqrt(self.v[k]) + self.eps)
"""
SLIPPED = NOVEL.replace("(1 - self.beta) * np.square(g)", "np.square(g)")


def test_a_part_of_an_unknown_optimizer_is_doubted_where_that_is_asked_for() -> None:
    assert not lint_source(SLIPPED).findings
    report = lint_source(SLIPPED, settings=Settings(unconfirmed=True))
    assert [(f.code, f.verdict, f.severity, f.span.line) for f in report.findings] == [
        ("OPT108", "unconfirmed", "note", 13)
    ]
    assert report.findings[0].evidence.ran
    assert [u.status for u in report.updates] == ["unmatched"]


def test_an_unknown_optimizer_of_known_parts_is_silent() -> None:
    assert not lint_source(NOVEL, settings=Settings(unconfirmed=True)).findings


def test_what_is_confirmed_is_doubted_no_more() -> None:
    known = SLIPPED.replace("np.tanh(g)", "g")
    report = lint_source(known, settings=Settings(unconfirmed=True))
    assert [(f.code, f.verdict) for f in report.findings] == [("OPT108", "confirmed")]
