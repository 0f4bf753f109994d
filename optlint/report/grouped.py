"""The findings of each file under its name, one line each, in columns."""

from __future__ import annotations

from optlint.model import Finding, Report
from optlint.report.common import by_file
from optlint.report.text import code, fixable, paint, printable
from optlint.terminal import Screen


def render(report: Report, screen: Screen) -> str:
    return "".join(_group(path, findings, screen) + "\n" for path, findings in by_file(report))


def _group(path: str, findings: list[Finding], screen: Screen) -> str:
    places = [_place(finding) for finding in findings]
    rows, columns = (max(len(place[part]) for place in places) for part in (0, 1))
    lines = [f"{paint(printable(path), screen, bold=True)}:\n"]
    for (row, column), finding in zip(places, findings, strict=True):
        mark = " [*]" if fixable(finding) else ""
        lines.append(
            f"  {row.rjust(rows)}:{column.ljust(columns)} {code(finding, screen)}{mark} {printable(finding.message)}\n"
        )
    return "".join(lines)


def _place(finding: Finding) -> tuple[str, str]:
    span = finding.span
    cell = "" if span.cell is None else f"cell {span.cell}:"
    return f"{cell}{span.line}", str(span.column)
