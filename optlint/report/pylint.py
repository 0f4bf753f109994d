"""Pylint's parseable lines, ``path:line: [code] message``, with the evidence behind the message."""

from __future__ import annotations

from optlint.model import Report
from optlint.report.common import in_file, problem_line, problem_message, story
from optlint.report.text import printable
from optlint.terminal import Screen


def render(report: Report, screen: Screen) -> str:
    lines = [f"{p.path}:{problem_line(p)}: [problem] {problem_message(p)}" for p in report.problems]
    lines += [f"{f.path}:{in_file(f.span).line}: [{f.code}] {'; '.join(story(f))}" for f in report.findings]
    return "".join(f"{printable(line)}\n" for line in lines)
