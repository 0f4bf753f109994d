"""JUnit's XML, for the test reports of CI servers: a suite for each file, a failed case for each finding."""

from __future__ import annotations

import os
import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from optlint.model import Finding, Problem, Report
from optlint.report.common import account, in_file, message, problem_line, problem_message
from optlint.terminal import Screen

PACKAGE = "org.optlint"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, screen: Screen) -> str:
    items: list[Finding | Problem] = [*report.problems, *report.findings]
    cases: dict[str, list[Finding | Problem]] = {}
    for item in items:
        cases.setdefault(item.path, []).append(item)
    root = _element(None, "testsuites", name="optlint", **_counts(items))
    for path, found in cases.items():
        suite = _element(root, "testsuite", name=path, package=PACKAGE, **_counts(found))
        for item in found:
            if isinstance(item, Finding):
                _failure(suite, item)
            else:
                _error(suite, item)
    if not items:
        suite = _element(root, "testsuite", name="optlint", package=PACKAGE, **_counts(items))
        _element(suite, "testcase", name="No errors found", classname="optlint")
    indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + tostring(root, encoding="unicode") + "\n"


def _counts(items: list[Finding | Problem]) -> dict[str, object]:
    failures = sum(isinstance(item, Finding) for item in items)
    return {"tests": len(items) or 1, "failures": failures, "errors": sum(isinstance(item, Problem) for item in items)}


def _failure(suite: Element, finding: Finding) -> None:
    span = in_file(finding.span)
    case = _case(suite, f"{PACKAGE}.{finding.code}", finding.path, span.line, span.column)
    failure = _element(case, "failure", message=message(finding), type=finding.severity)
    first = f"line {span.line}, col {span.column}, {message(finding)}"
    failure.text = _legal("\n".join([first, *(f"{label}: {text}" for label, text in account(finding))]))


def _error(suite: Element, problem: Problem) -> None:
    case = _case(suite, f"{PACKAGE}.problem", problem.path, problem_line(problem), 1)
    _element(case, "error", message=problem_message(problem), type="problem")


def _case(suite: Element, name: str, path: str, line: int, column: int) -> Element:
    return _element(suite, "testcase", name=name, classname=os.path.splitext(path)[0], line=line, column=column)


def _element(parent: Element | None, tag: str, **attributes: object) -> Element:
    legal = {name: _legal(str(value)) for name, value in attributes.items()}
    return Element(tag, legal) if parent is None else SubElement(parent, tag, legal)


def _legal(text: str) -> str:
    """XML has no place for control characters and lone surrogates, not even escaped."""
    return _NOT_XML.sub("\ufffd", text)
