"""Workflow commands of GitHub Actions: each finding becomes an annotation of the changed lines.

The escapes are those of the toolkit (actions/toolkit, packages/core/src/command.ts).
"""

from __future__ import annotations

import os

from optlint.model import Finding, Problem, Report
from optlint.report.common import in_file, problem_line, problem_message, relative, story, worst_first
from optlint.report.text import place, plural, printable
from optlint.terminal import Screen

SHOWN = 10  # annotations of each level that GitHub shows for a step

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render(report: Report, screen: Screen) -> str:
    root = os.environ.get("GITHUB_WORKSPACE")
    findings = worst_first(report)
    commands = [_problem(problem, root) for problem in report.problems] + [_finding(f, root) for f in findings]
    return "".join(f"{line}\n" for line in commands + _hidden(report))


def _finding(finding: Finding, root: str | None) -> str:
    span = in_file(finding.span)
    properties: dict[str, object] = {
        "title": f"optlint ({finding.code})",
        "file": relative(finding.path, root),
        "line": span.line,
    }
    # GitHub drops an annotation that has columns on different lines.
    if span.line == span.end_line:
        properties["col"] = span.column
    properties["endLine"] = span.end_line
    if span.line == span.end_line:
        properties["endColumn"] = max(span.column, span.end_column)
    # The log shows the text alone, so that it holds the place, too.
    first = f"{place(finding.path, finding.span)}: {finding.code} {finding.message}"
    return _command(_LEVELS[finding.severity], properties, [first, *story(finding)[1:]])


def _problem(problem: Problem, root: str | None) -> str:
    properties = {"title": "optlint", "file": relative(problem.path, root), "line": problem_line(problem)}
    text = f"{problem.path}: {problem_message(problem)}"
    return _command("error" if problem.fatal else "warning", properties, [text])


def _command(level: str, properties: dict[str, object], lines: list[str]) -> str:
    given = ",".join(f"{name}={printable(str(value)).translate(_PROPERTY)}" for name, value in properties.items())
    text = "\n".join(printable(line) for whole in lines for line in whole.split("\n"))
    return f"::{level} {given}::{text.translate(_DATA)}"


def _hidden(report: Report) -> list[str]:
    counts = {level: report.count(severity) for severity, level in _LEVELS.items()}  # type: ignore[arg-type]
    for problem in report.problems:
        counts["error" if problem.fatal else "warning"] += 1
    hidden = [plural(count - SHOWN, level) for level, count in counts.items() if count > SHOWN]
    if not hidden:
        return []
    return [f"optlint: GitHub shows {SHOWN} annotations of each level; {', '.join(hidden)} more in this log."]
