"""One line per finding, for editors and for reading many at once."""

from __future__ import annotations

from optlint.model import Finding, Report
from optlint.report.text import code, fixable, paint, place, printable
from optlint.terminal import Screen


def render(report: Report, screen: Screen) -> str:
    return "".join(f"{_line(finding, screen)}\n" for finding in report.findings)


def _line(finding: Finding, screen: Screen) -> str:
    mark = " [*]" if fixable(finding) else ""
    where = paint(place(finding.path, finding.span), screen, bold=True)
    return f"{where}: {code(finding, screen)}{mark} {printable(finding.message)}"
