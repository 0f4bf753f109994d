"""Reports without fixes, whose search takes a quarter of the time and has tests of its own."""

from __future__ import annotations

import pytest

from optlint import Report, analysis, lint_source


def lint_unfixed(text: str, name: str) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "offered", lambda *_: {})
        report = lint_source(text, name)
    assert not report.problems
    return report
