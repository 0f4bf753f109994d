"""How many findings each rule has, most first."""

from __future__ import annotations

import json
from collections import Counter

from optlint.model import Report
from optlint.report.text import fixable, paint, printable
from optlint.terminal import Screen


def render(report: Report, output_format: str, screen: Screen) -> str:
    rows = _rows(report)
    if output_format == "json":
        return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
    if output_format == "json-lines":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return _table(rows, screen)


def _table(rows: list[dict[str, object]], screen: Screen) -> str:
    """Count, code, whether all can be fixed, name."""
    width = max((len(str(row["count"])) for row in rows), default=0)
    mark = "[*] " if any(row["fixable"] for row in rows) else ""
    lines = []
    for row in rows:
        code = paint(printable(str(row["code"])), screen, str(row["severity"]), bold=True)
        shown = mark if row["fixable"] else " " * len(mark)
        lines.append(f"{str(row['count']).rjust(width)}  {code}  {shown}{printable(str(row['name']))}\n")
    return "".join(lines)


def _rows(report: Report) -> list[dict[str, object]]:
    counts = Counter(finding.code for finding in report.findings)
    fixed = Counter(finding.code for finding in report.findings if fixable(finding))
    first = {finding.code: finding for finding in reversed(report.findings)}
    return [
        {
            "code": code,
            "name": first[code].name,
            "severity": first[code].severity,
            "count": count,
            "fixable": fixed[code] == count,
        }
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
