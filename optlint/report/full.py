"""Each finding with the code it is about and what running it showed."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from optlint.model import Finding, Report
from optlint.report.common import account
from optlint.report.frame import BAR, frames, margin_of, unseen, wrapped
from optlint.report.text import code, paint, place, printable
from optlint.terminal import Screen

_LABEL = 8  # columns of "meant:  "


def render(report: Report, screen: Screen) -> str:
    return "".join(f"{_header(finding, screen)}\n{_body(finding, report, screen)}\n" for finding in report.findings)


def _header(finding: Finding, screen: Screen) -> str:
    tags: list[str] = [finding.verdict]
    if finding.fix is not None:
        tags.append("fix" if finding.fix.applicability == "safe" else "unsafe fix")
    return (
        f"{paint(place(finding.path, finding.span), screen, bold=True)}: "
        f"{code(finding, screen)} {paint(finding.severity, screen, finding.severity, bold=True)}: "
        f"{printable(finding.message)}  [{', '.join(tags)}]"
    )


def _body(finding: Finding, report: Report, screen: Screen) -> str:
    rows = frames(finding, report, screen)
    margin = margin_of(finding, report)
    room = max(12, screen.width - margin - 2 - _LABEL) if screen.width else None
    for label, text in _remarks(finding, report):
        said = [Text(printable(line)) for line in text.splitlines() or [""]]
        if room:
            said = [part for line in said for part in wrapped(line, room)]
        head = Text.assemble(" " * margin, ("=", BAR), " ", (f"{label}:".ljust(_LABEL), "bold"))
        rows.append(head + said[0])
        rows += [Text(" " * (margin + 2 + _LABEL)) + line for line in said[1:]]
    return _shown(rows, screen)


def _remarks(finding: Finding, report: Report) -> list[tuple[str, str]]:
    remarks = account(finding)
    remarks += [("see", f"{place(finding.path, span)}: {text}") for span, text in unseen(finding, report)]
    remarks.append(("more", f"optlint --explain {finding.code}"))
    return remarks


def _shown(rows: list[Text], screen: Screen) -> str:
    if not screen.color:
        return "".join(f"{row.plain}\n" for row in rows)
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system="standard", legacy_windows=False, highlight=False, _environ={}
    )
    for row in rows:
        console.print(row, soft_wrap=True)
    return out.getvalue()
