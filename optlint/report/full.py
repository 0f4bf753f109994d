"""Each finding with the code it is about and what running it showed."""

from __future__ import annotations

from optlint.model import Finding, Report
from optlint.report.common import account
from optlint.report.text import expand_tabs, paint, place, printable, width
from optlint.source import place_name

_MAX_WIDTH = 160  # a longer line is cut around the finding


def render(report: Report, color: bool) -> str:
    return "".join(_finding(finding, report, color) + "\n\n" for finding in report.findings)


def _finding(finding: Finding, report: Report, color: bool) -> str:
    lines = [_header(finding, color)]
    number = finding.span.line
    source = report.texts.get(place_name(finding.path, finding.span.cell), ())
    margin = " " * (len(str(number)) + 1)
    if 0 < number <= len(source):
        code, marks = _frame(finding, source[number - 1])
        bar = paint("|", color, "blue", bold=True)
        lines += [
            f"{margin}{bar}",
            f"{paint(str(number), color, 'blue', bold=True)} {bar} {code}".rstrip(),
            f"{margin}{bar} {paint(marks, color, finding.severity, bold=True)}",
        ]
    for label, text in _remarks(finding):
        first, *more = text.splitlines() or [""]
        sign = paint("=", color, "blue", bold=True)
        lines.append(f"{margin}{sign} {paint(f'{label}:'.ljust(8), color, bold=True)}{printable(first)}")
        lines += [f"{margin}{' ' * 10}{printable(line)}" for line in more]
    return "\n".join(lines)


def _header(finding: Finding, color: bool) -> str:
    tags: list[str] = [finding.verdict]
    if finding.fix is not None:
        tags.append("fix" if finding.fix.applicability == "safe" else "unsafe fix")
    return (
        f"{paint(place(finding.path, finding.span), color, bold=True)}: "
        f"{paint(f'{printable(finding.code)} {finding.severity}', color, finding.severity, bold=True)}: "
        f"{printable(finding.message)}  [{', '.join(tags)}]"
    )


def _frame(finding: Finding, line: str) -> tuple[str, str]:
    """The finding's first line, and the marks under its part of it."""
    span = finding.span
    several = span.end_line > span.line
    end = len(line.rstrip()) if several else min(span.end_column - 1, len(line))
    start = min(span.column - 1, len(line))
    far = max(0, start - 3 * _MAX_WIDTH)  # what is not shown is not measured either
    line, start, end = printable(line[far : start + 3 * _MAX_WIDTH]), start - far, end - far
    before = expand_tabs(line[:start])
    upto = expand_tabs(line[: max(start, end)])
    whole = expand_tabs(line)
    marked = max(1, width(upto) - width(before))
    cut = ""
    if width(whole) > _MAX_WIDTH:
        dropped = max(0, len(before) - _MAX_WIDTH // 4)
        cut = "…" if dropped else ""
        before, whole = cut + before[dropped:], cut + whole[dropped:]
        whole = _head(whole)
        marked = max(1, min(marked, width(whole) - width(before)))
    return whole.rstrip(), " " * width(before) + "^" * marked + ("…" if several else "")


def _head(text: str) -> str:
    """As much of the text as fits."""
    if width(text) <= _MAX_WIDTH:
        return text
    room = _MAX_WIDTH - 1
    for position, character in enumerate(text):
        room -= width(character)
        if room < 0:
            return text[:position] + "…"
    return text


def _remarks(finding: Finding) -> list[tuple[str, str]]:
    remarks = account(finding)
    remarks += [("see", f"{place(finding.path, span)}: {text}") for span, text in finding.related]
    remarks.append(("more", f"optlint --explain {finding.code}"))
    return [(label, text) for label, text in remarks if text]
