"""Reports without fixes, whose search takes a quarter of the time, and those with fixes that several tests ask for."""

from __future__ import annotations

from functools import lru_cache

import pytest

from optlint import Report, analysis, lint_source


@lru_cache
def lint(text: str) -> Report:
    report = lint_source(text, "example.py")
    assert not report.problems
    return report


def lint_unfixed(text: str, name: str) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "offered", lambda *_: {})
        report = lint_source(text, name)
    assert not report.problems
    return report
