"""The JSON contract, version 1: strict JSON, in which a number that is not finite is a string."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from optlint import __version__
from optlint.model import Evidence, Finding, Fix, Problem, Report, Span, Update
from optlint.terminal import Screen

VERSION = 1


def render(report: Report, screen: Screen) -> str:
    """The report as one object; ``color`` is of no use here."""
    document = {
        "version": VERSION,
        "optlint": __version__,
        "summary": _summary(report),
        "updates": [_update(update) for update in report.updates],
        "findings": [finding_fields(finding) for finding in report.findings],
        "problems": [problem_fields(problem) for problem in report.problems],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _summary(report: Report) -> dict[str, int]:
    return {
        "files": report.files,
        "candidates": report.candidates,
        "updates": len(report.updates),
        "unsupported": sum(update.status == "unsupported" for update in report.updates),
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "notes": report.count("note"),
    }


def _update(update: Update) -> dict[str, object]:
    return {
        "path": update.path,
        "cell": update.span.cell,
        "name": update.name,
        "line": update.span.line,
        "end_line": update.span.end_line,
        "family": update.family,
        "convention": update.convention,
        "status": update.status,
        "reason": update.reason,
        "equations": list(update.equations),
    }


def finding_fields(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "verdict": finding.verdict,
        "message": finding.message,
        "path": finding.path,
        "cell": finding.span.cell,
        **_range(finding.span),
        "update": finding.update,
        "evidence": None if finding.evidence is None else evidence_fields(finding.evidence),
        "fix": None if finding.fix is None else _fix(finding.fix),
        "related": [{"cell": span.cell, **_range(span), "message": text} for span, text in finding.related],
    }


def _range(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def evidence_fields(evidence: Evidence) -> dict[str, object]:
    fields = asdict(evidence)
    fields["inputs"] = dict(evidence.inputs)
    return {name: _finite(value) for name, value in fields.items() if value is not None}


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))  # "nan", "inf", "-inf"
    return value


def _fix(fix: Fix) -> dict[str, object]:
    return {
        "applicability": fix.applicability,
        "message": fix.message,
        "edits": [{**_range(edit.span), "text": edit.text} for edit in fix.edits],
    }


def problem_fields(problem: Problem) -> dict[str, object]:
    return {"path": problem.path, "cell": problem.cell, "line": problem.line, "message": problem.message}
