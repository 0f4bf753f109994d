"""Reviewdog's diagnostic format (proto/rdf): columns count UTF-8 bytes, the end is exclusive."""

from __future__ import annotations

import json

from optlint.model import Finding, Problem, Report, Span
from optlint.report.common import as_one_edit, in_file, measured, problem_line, problem_message, story, utf8_length
from optlint.terminal import Screen

_SEVERITIES = {"error": "ERROR", "warning": "WARNING", "note": "INFO"}


def render(report: Report, screen: Screen) -> str:
    document = {"source": {"name": "optlint"}, "severity": "WARNING", "diagnostics": diagnostics(report)}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def diagnostics(report: Report) -> list[dict[str, object]]:
    problems = [_problem(problem) for problem in report.problems]
    return problems + [_finding(finding, report) for finding in report.findings]


def _finding(finding: Finding, report: Report) -> dict[str, object]:
    diagnostic: dict[str, object] = {
        "message": "\n".join(story(finding)),
        "location": _location(report, finding.path, finding.span),
        "severity": _SEVERITIES[finding.severity],
        "source": {"name": "optlint"},
        "code": {"value": finding.code},
    }
    edit = as_one_edit(report, finding)
    if edit is not None and edit.span.cell is None:  # a suggestion has one range, and in a notebook none
        diagnostic["suggestions"] = [{"range": _range(report, finding.path, edit.span), "text": edit.text}]
    if finding.related:
        diagnostic["related_locations"] = [
            {"message": text, "location": _location(report, finding.path, span)} for span, text in finding.related
        ]
    return diagnostic


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "message": problem_message(problem),
        "location": {"path": problem.path, "range": {"start": {"line": problem_line(problem)}}},
        "severity": "ERROR" if problem.fatal else "WARNING",
        "source": {"name": "optlint"},
    }


def _location(report: Report, path: str, span: Span) -> dict[str, object]:
    return {"path": path, "range": _range(report, path, span)}


def _range(report: Report, path: str, span: Span) -> dict[str, object]:
    span = in_file(measured(report, path, span, utf8_length))
    return {
        "start": {"line": span.line, "column": span.column},
        "end": {"line": span.end_line, "column": span.end_column},
    }
