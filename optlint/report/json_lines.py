"""One JSON object a line: each finding, then each problem, as in the JSON format, with its ``kind`` in front."""

from __future__ import annotations

import json

from optlint.model import Report
from optlint.report.json import finding_fields, problem_fields
from optlint.terminal import Screen


def render(report: Report, screen: Screen) -> str:
    lines = [{"kind": "finding", **finding_fields(finding)} for finding in report.findings]
    lines += [{"kind": "problem", **problem_fields(problem)} for problem in report.problems]
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
