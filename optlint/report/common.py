"""What the formats for other programs share: the evidence as text, and places as those programs count them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import quote

from optlint.model import Edit, Finding, Problem, Report, Span
from optlint.source import place_name


def account(finding: Finding) -> list[tuple[str, str]]:
    """The evidence in sentences: what was run, what is meant, how it is fixed."""
    evidence = finding.evidence
    said = [("ran", evidence.ran), ("meant", evidence.meant), ("fixed", evidence.fixed)] if evidence else []
    if finding.fix is not None:
        said.append(("fix", finding.fix.message))
    return [(label, text) for label, text in said if text]


def message(finding: Finding) -> str:
    """The message, with the place in front where the path alone does not hold one: in a notebook."""
    span = finding.span
    return finding.message if span.cell is None else f"cell {span.cell}, line {span.line}: {finding.message}"


def story(finding: Finding) -> list[str]:
    """The message and the evidence, in lines."""
    return [message(finding), *(f"{label}: {text}" for label, text in account(finding))]


def problem_message(problem: Problem) -> str:
    """The problem's message; a line in a notebook's cell is named, for no format has a place for it."""
    if problem.cell is None:
        return problem.message
    where = f"cell {problem.cell}" + ("" if problem.line is None else f", line {problem.line}")
    return f"{where}: {problem.message}"


def problem_line(problem: Problem) -> int:
    return problem.line or 1 if problem.cell is None else 1


def in_file(span: Span) -> Span:
    """The span as a place in the file: a notebook's JSON shows none, so that its start stands for the cell."""
    return span if span.cell is None else Span(1, 1, 1, 1)


def line_at(report: Report, path: str, cell: int | None, number: int) -> str | None:
    lines = report.texts.get(place_name(path, cell), ())
    return lines[number - 1] if 0 < number <= len(lines) else None


def utf8_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def measured(report: Report, path: str, span: Span, length: Callable[[str], int]) -> Span:
    """The span with its columns counted in other units than code points: as ``length`` measures the text before."""

    def column(number: int, column: int) -> int:
        line = line_at(report, path, span.cell, number)
        return column if line is None else length(line[: column - 1]) + max(0, column - 1 - len(line)) + 1

    return Span(
        span.line,
        column(span.line, span.column),
        span.end_line,
        column(span.end_line, span.end_column),
        span.cell,
    )


def as_one_edit(report: Report, finding: Finding) -> Edit | None:
    """All edits of the finding's fix as one that replaces everything from the first to the last of them."""
    if finding.fix is None or not finding.fix.edits:
        return None
    edits = sorted(finding.fix.edits, key=lambda edit: edit.span)
    whole = edits[0].span
    text = ""
    for edit in edits:
        if edit.span.cell != whole.cell:
            return None
        if edit is not edits[0]:
            between = _text(report, finding.path, whole.cell, (whole.end_line, whole.end_column), edit.span)
            if between is None:
                return None
            text += between
        text += edit.text
        whole = whole.joined(edit.span)
    return Edit(whole, text)


def _text(report: Report, path: str, cell: int | None, start: tuple[int, int], end: Span) -> str | None:
    """The source from ``start`` up to where ``end`` begins."""
    lines = [line_at(report, path, cell, number) for number in range(start[0], end.line + 1)]
    known = [line for line in lines if line is not None]
    if len(known) < len(lines) or start > (end.line, end.column):
        return None
    known[-1] = known[-1][: end.column - 1]
    known[0] = known[0][start[1] - 1 :]
    return "\n".join(known)


def relative(path: str, root: str | None) -> str:
    """The path from ``root`` on, with forward slashes; as it is where it does not lie below."""
    if not root:
        return path
    folder, name = os.path.split(os.path.abspath(path))
    try:
        name = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(root))
    except ValueError:  # another drive
        return path
    return path if name.split(os.sep)[0] == os.pardir else name.replace(os.sep, "/")


def uri(path: str) -> str:
    """A path as a URI reference: relative, or absolute with the scheme ``file``."""
    if not os.path.isabs(path):
        return quote(os.fsencode(path.replace(os.sep, "/")), safe="/")
    quoted = quote(os.fsencode(path.replace(os.sep, "/")), safe="/:")
    return "file://" + quoted if quoted.startswith("/") else "file:///" + quoted


def worst_first(report: Report) -> list[Finding]:
    return [f for severity in ("error", "warning", "note") for f in report.findings if f.severity == severity]


def by_file(report: Report) -> Iterator[tuple[str, list[Finding]]]:
    """The findings of each file, in the order in which the files were read."""
    grouped: dict[str, list[Finding]] = {}
    for finding in report.findings:
        grouped.setdefault(finding.path, []).append(finding)
    yield from grouped.items()
