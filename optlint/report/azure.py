"""Logging commands of Azure Pipelines: each finding becomes an issue of the step.

The escapes are those of azure-pipelines-task-lib (node/taskcommand.ts).
"""

from __future__ import annotations

from optlint.model import Report
from optlint.report.common import in_file, problem_line, problem_message, story, worst_first
from optlint.report.text import printable
from optlint.terminal import Screen

_DATA = str.maketrans({"%": "%AZP25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({"]": "%5D", ";": "%3B"})


def render(report: Report, screen: Screen) -> str:
    lines = [
        _command("error" if p.fatal else "warning", p.path, problem_line(p), 1, "", [problem_message(p)])
        for p in report.problems
    ]
    for finding in worst_first(report):
        span, level = in_file(finding.span), "error" if finding.severity == "error" else "warning"
        lines.append(_command(level, finding.path, span.line, span.column, finding.code, story(finding)))
    return "".join(f"{line}\n" for line in lines)


def _command(level: str, path: str, line: int, column: int, code: str, text: list[str]) -> str:
    properties = {"type": level, "sourcepath": path, "linenumber": line, "columnnumber": column, "code": code}
    given = "".join(
        f"{name}={printable(str(value)).translate(_PROPERTY)};" for name, value in properties.items() if value != ""
    )
    shown = "\n".join(printable(line) for whole in text for line in whole.split("\n"))
    return f"##vso[task.logissue {given}]{shown.translate(_DATA)}"
