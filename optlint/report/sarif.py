"""SARIF 2.1.0 (OASIS), as GitHub code scanning reads it: one run, its rules, results and problems."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from optlint import __version__
from optlint.knowledge import MistakePage, find_mistake
from optlint.model import Finding, Problem, Report, Span
from optlint.report.common import in_file, measured, problem_line, problem_message, relative, story, uri, utf16_length
from optlint.report.json import evidence_fields
from optlint.report.linehashes import LineHashes
from optlint.source import place_name
from optlint.terminal import Screen

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"
_LONGEST_DESCRIPTION = 1024  # of what GitHub accepts

_PROBLEM_SEVERITIES = {"error": "error", "warning": "warning", "note": "recommendation"}
# A confirmed finding was run as written and as repaired. Whether the published form was meant is the doubt that is
# left, and it is larger where the finding is no more than a note.
_PRECISIONS = {"error": "high", "warning": "high", "note": "medium"}
_FAMILIES = {"1": "moments", "2": "epsilon", "3": "bias-correction", "4": "weight-decay", "5": "momentum", "6": "state"}


def render(report: Report, screen: Screen) -> str:
    first: dict[str, Finding] = {}
    for finding in report.findings:
        first.setdefault(finding.code, finding)
    places = {code: number for number, code in enumerate(sorted(first))}
    lines = LineHashes(report)
    root = _root()
    run = {
        "tool": {
            "driver": {
                "name": "optlint",
                "semanticVersion": __version__,
                "rules": [_rule(first[code]) for code in places],
            }
        },
        "automationDetails": {"id": "optlint/"},
        "invocations": [
            {
                "executionSuccessful": not any(problem.fatal for problem in report.problems),
                "toolExecutionNotifications": [_notification(problem, root) for problem in report.problems],
            }
        ],
        "columnKind": "utf16CodeUnits",
        "results": [_result(finding, places[finding.code], report, lines, root) for finding in report.findings],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _root() -> str:
    """The repository's root, which code scanning counts paths from; the working directory outside of one."""
    here = folder = os.getcwd()
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return here
        folder = parent
    return folder


def _rule(finding: Finding) -> dict[str, object]:
    page = find_mistake(finding.code)
    severity = page.severity if page else finding.severity
    rule: dict[str, object] = {
        "id": finding.code,
        "name": finding.name,
        "shortDescription": {"text": _sentence(page.summary if page else finding.message)},
        "fullDescription": {"text": _description(page) if page else _sentence(finding.message)},
        "help": {"text": page.text, "markdown": page.text} if page else {"text": _sentence(finding.message)},
        "defaultConfiguration": {"level": severity},
        "properties": {
            "precision": _PRECISIONS.get(severity, "medium"),
            "problem.severity": _PROBLEM_SEVERITIES.get(severity, "warning"),
            "tags": ["optimizer", "correctness", *_topics(finding.code)],
        },
    }
    return rule


def _topics(code: str) -> Iterable[str]:
    topic = _FAMILIES.get(code.removeprefix("OPT")[:1])
    return () if topic is None else (topic,)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return (text if text.endswith((".", "!", "?")) else f"{text}.")[:_LONGEST_DESCRIPTION]


def _description(page: MistakePage) -> str:
    """The summary, and why it is bad: as many whole sentences as there is room for."""
    text = _sentence(page.summary)
    why = re.search(r"^## Why is this bad\?\n+(.*?)(?=^## |\Z)", page.text, re.MULTILINE | re.DOTALL)
    paragraph = " ".join(why[1].split("\n\n")[0].split()) if why else ""
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z`])", paragraph):
        if len(text) + 1 + len(sentence) > _LONGEST_DESCRIPTION:
            break
        text += f" {sentence}" if sentence else ""
    return text


def _result(finding: Finding, rule: int, report: Report, lines: LineHashes, root: str) -> dict[str, object]:
    text = "\n".join(_plain(line) for line in [_sentence(story(finding)[0]), *story(finding)[1:]])
    for number, (span, said) in enumerate(finding.related, start=1):
        text += f"\n[{_link_text(said)}]({number}) (line {span.line})"
    result: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [_location(report, finding, finding.span, root)],
        "partialFingerprints": {"primaryLocationLineHash": lines.of(finding)},
        "properties": {
            "verdict": finding.verdict,
            "update": finding.update,
            "evidence": evidence_fields(finding.evidence) if finding.evidence else {},
        },
    }
    if report.known is not None:
        result["baselineState"] = "new"  # what the baseline holds is not among the results
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_location(report, finding, span, root), "message": {"text": _plain(said)}}
            for number, (span, said) in enumerate(finding.related, start=1)
        ]
    if finding.fix is not None and finding.span.cell is None:  # a region of a notebook would be one of its JSON
        result["fixes"] = [_fix(finding, report, root)]
    return result


def _location(report: Report, finding: Finding, span: Span, root: str) -> dict[str, object]:
    logical: dict[str, object] = {"fullyQualifiedName": finding.update, "kind": "function"}
    if span.cell is not None:
        place = f"{place_name(finding.path, span.cell)}:{span.line}:{span.column}"
        logical = {"name": f"cell {span.cell}", "fullyQualifiedName": place, "kind": "module"}
    location: dict[str, object] = {
        "physicalLocation": {
            "artifactLocation": _artifact(finding.path, root),
            "region": _region(report, finding.path, span),
        }
    }
    return location | ({"logicalLocations": [logical]} if logical["fullyQualifiedName"] else {})


def _artifact(path: str, root: str) -> dict[str, str]:
    name = relative(path, root)
    return {"uri": uri(name)} | ({} if os.path.isabs(name) else {"uriBaseId": _ROOT})


def _region(report: Report, path: str, span: Span) -> dict[str, int]:
    span = in_file(measured(report, path, span, utf16_length))
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(finding: Finding, report: Report, root: str) -> dict[str, object]:
    assert finding.fix is not None
    replacements = [
        {"deletedRegion": _region(report, finding.path, edit.span), "insertedContent": {"text": edit.text}}
        for edit in finding.fix.edits
    ]
    change = {"artifactLocation": _artifact(finding.path, root), "replacements": replacements}
    description = f"{finding.fix.message} ({finding.fix.applicability})"
    return {"description": {"text": _plain(description)}, "artifactChanges": [change]}


def _notification(problem: Problem, root: str) -> dict[str, object]:
    physical = {
        "artifactLocation": _artifact(problem.path, root),
        "region": {"startLine": problem_line(problem)},
    }
    return {
        "level": "error" if problem.fatal else "warning",
        "message": {"text": _plain(problem_message(problem))},
        "locations": [{"physicalLocation": physical}],
    }


def _plain(text: str) -> str:
    """Text in which nothing reads as one of SARIF's placeholders (``{0}``) or links (``[text](1)``)."""
    text = re.sub(r"\{(\d+)\}", r"{{\1}}", text)
    return re.sub(r"\](?=\()", r"\\]", text)


def _link_text(text: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", text)
