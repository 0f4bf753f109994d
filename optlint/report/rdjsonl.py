"""Reviewdog's diagnostics, one a line."""

from __future__ import annotations

import json

from optlint.model import Report
from optlint.report.rdjson import diagnostics
from optlint.terminal import Screen


def render(report: Report, screen: Screen) -> str:
    return "".join(json.dumps(diagnostic, ensure_ascii=False) + "\n" for diagnostic in diagnostics(report))
