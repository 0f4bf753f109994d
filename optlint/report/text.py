"""What the formats for people share: safe text, its width on a terminal, colour, places and the summary."""

from __future__ import annotations

import re

from optlint.model import SEVERITIES, Finding, Problem, Report, Span
from optlint.source import place_name
from optlint.terminal import Screen

TAB = 4

COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
# Control characters could move the cursor, and those that turn the writing direction could hide code.
_UNPRINTABLE = re.compile("[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text on one line, each control character but the tab replaced by a visible one of width 1."""
    return _UNPRINTABLE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def expand_tabs(text: str) -> str:
    """Tabs as spaces up to the next stop, with wide characters counted as two columns."""
    head, *rest = text.split("\t")
    if rest:
        from rich.cells import cell_len
    for part in rest:
        head += " " * (TAB - cell_len(head) % TAB) + part
    return head


def paint(text: str, screen: Screen, name: str | None = None, *, bold: bool = False) -> str:
    if not screen.color:
        return text
    import click

    return click.style(text, fg=COLORS.get(name or "", name), bold=bold or None)


def code(finding: Finding, screen: Screen) -> str:
    """The finding's code, which a terminal that can follow links opens the rule's page with."""
    painted = paint(printable(finding.code), screen, finding.severity, bold=True)
    page = page_uri(finding) if screen.links else None
    return f"\x1b]8;;{page}\x1b\\{painted}\x1b]8;;\x1b\\" if page else painted


def page_uri(finding: Finding) -> str | None:
    """Where the page of the finding's rule is."""
    from optlint.knowledge import find_mistake

    page = find_mistake(finding.code)
    return page.source.absolute().as_uri() if page is not None and page.source is not None else None


def place(path: str, span: Span) -> str:
    return printable(f"{place_name(path, span.cell)}:{span.line}:{span.column}")


def fixable(finding: Finding) -> bool:
    return finding.fix is not None and finding.fix.applicability == "safe"


def problem_line(problem: Problem) -> str:
    where = place_name(problem.path, problem.cell) + ("" if problem.line is None else f":{problem.line}")
    return printable(f"optlint: {where}: {problem.message}")


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def summary(report: Report, screen: Screen) -> str:
    """What was found, and what was read."""
    counts = [(severity, report.count(severity)) for severity in reversed(SEVERITIES)]
    found = ", ".join(
        paint(plural(count, severity), screen, severity, bold=True) for severity, count in counts if count
    )
    if found:
        verdict = f"Found {found}."
    elif report.problems:
        verdict = f"Found no mistakes, but {plural(len(report.problems), 'problem')}."
    else:
        verdict = paint("All checks passed!", screen, "green", bold=True)
    if report.known:
        verdict += f" {plural(len(report.known), 'finding')} of the baseline not shown."
    safe = sum(fixable(finding) for finding in report.findings)
    hidden = sum(finding.fix is not None for finding in report.findings) - safe
    if safe or hidden:
        more = f"{hidden} more with --unsafe-fixes" if safe else f"{hidden} fixable with --fix --unsafe-fixes"
        verdict += f"\n[*] {safe} fixable with --fix" + (f" ({more})." if hidden else ".") if safe else f"\n{more}."
    unsupported = sum(update.status == "unsupported" for update in report.updates)
    return f"{verdict}\n{plural(len(report.updates), 'update')} read, {unsupported} unsupported.\n"
