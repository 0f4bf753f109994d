"""One line per finding, for editors and for reading many at once."""

from __future__ import annotations

from optlint.model import Finding, Report
from optlint.report.text import fixable, paint, place, printable


def render(report: Report, color: bool) -> str:
    return "".join(f"{_line(finding, color)}\n" for finding in report.findings)


def _line(finding: Finding, color: bool) -> str:
    code = paint(printable(finding.code), color, finding.severity, bold=True)
    mark = " [*]" if fixable(finding) else ""
    return f"{paint(place(finding.path, finding.span), color, bold=True)}: {code}{mark} {printable(finding.message)}"
