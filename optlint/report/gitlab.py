"""GitLab's Code Quality report: a JSON array of issues, in Code Climate's format."""

from __future__ import annotations

import json
import os

from optlint.model import Finding, Problem, Report
from optlint.report.common import account, in_file, line_at, message, problem_line, problem_message, relative
from optlint.report.identity import digest, parts
from optlint.terminal import Screen

_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def render(report: Report, screen: Screen) -> str:
    root = os.environ.get("CI_PROJECT_DIR")
    used: set[str] = set()
    issues = [_problem(problem, root, used) for problem in report.problems]
    issues += [_finding(finding, report, root, used) for finding in report.findings]
    return json.dumps(issues, ensure_ascii=False, indent=2) + "\n"


def _finding(finding: Finding, report: Report, root: str | None, used: set[str]) -> dict[str, object]:
    path, span = relative(finding.path, root), in_file(finding.span)
    line = line_at(report, finding.path, finding.span.cell, finding.span.line) or ""
    said = account(finding)
    issue: dict[str, object] = {
        "description": "; ".join(
            [f"{finding.code}: {message(finding)}", *(f"{label}: {text}" for label, text in said)]
        ),
        "check_name": finding.code,
        "fingerprint": _fingerprint(used, path, *parts(finding, line)),
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": path,
            "positions": {
                "begin": {"line": span.line, "column": span.column},
                "end": {"line": span.end_line, "column": span.end_column},
            },
        },
    }
    return issue


def _problem(problem: Problem, root: str | None, used: set[str]) -> dict[str, object]:
    path = relative(problem.path, root)
    return {
        "description": problem_message(problem),
        "check_name": "problem",
        "fingerprint": _fingerprint(used, path, "problem", problem.message),
        "severity": "critical" if problem.fatal else "minor",
        "location": {"path": path, "lines": {"begin": problem_line(problem)}},
    }


def _fingerprint(used: set[str], *texts: str) -> str:
    """The same wherever the line moves to. GitLab shows equal ones as one, so that the next of its kind is counted."""
    found, number = digest(*texts), 0
    while found in used:
        number += 1
        found = digest(*texts, str(number))
    used.add(found)
    return found
