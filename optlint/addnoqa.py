"""``--add-noqa``: a comment for each finding, so that a project can start clean and look at them one by one."""

from __future__ import annotations

import io
import re
import tokenize
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optlint.comments import Layout, layout
from optlint.files import STDIN, FoundFile, read
from optlint.fix.files import put_back
from optlint.fix.rewrite import CannotRewrite, rewritten
from optlint.model import Edit, Finding, Problem, Report, Span
from optlint.remarks import UNKNOWN, UNUSED
from optlint.source import Unit, read_source
from optlint.suppressions import NOQA

if TYPE_CHECKING:
    from optlint.api import Means
    from optlint.tasks import Task

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(slots=True)
class Added:
    """What became of one file. lines: how many got a comment; text: standard input's new content."""

    lines: int = 0
    problems: list[Problem] = field(default_factory=list)
    text: bytes | None = None


def add_noqa(files: Iterable[FoundFile | Problem], reason: str = "", means: Means | None = None) -> Iterator[Added]:
    """Silence every finding of the files by a comment; each file is written at once or left as it is.

    What the baseline holds gets none.
    """
    from optlint.api import Means, lint_task
    from optlint.tasks import in_order

    means = means or Means()
    words = " ".join(reason.split())
    pending: deque[tuple[FoundFile, bytes]] = deque()

    def work() -> Iterator[Problem | Report | Task[Problem | Report]]:
        for found in files:
            data = found if isinstance(found, Problem) else read(found)
            if isinstance(found, Problem) or isinstance(data, Problem):
                yield data  # type: ignore[misc]
            else:
                pending.append((found, data))
                yield lint_task(found, data, means.cache)  # type: ignore[misc]

    results: Iterator[Problem | Report] = in_order(work(), means.jobs)
    for result in results:
        if isinstance(result, Problem):
            yield Added(problems=[result])
        else:
            report = result if means.baseline is None else means.baseline.divided(result)
            yield _add(*pending.popleft(), report, words)


def check_reason(reason: str) -> str | None:
    """What is wrong with a reason: it has to stay on its line, in its comment."""
    if _UNPRINTABLE.search(reason):
        return "a reason is one line of printable text"
    return "a reason holds no '#'" if "#" in reason else None


def _add(found: FoundFile, data: bytes, report: Report, reason: str) -> Added:
    from optlint.api import lint_bytes

    added = Added(problems=list(report.problems), text=data if found.path == STDIN else None)
    wanted = [finding for finding in report.findings if finding.code not in (UNUSED, UNKNOWN)]
    if not wanted:
        return added
    units = {unit.cell: unit for unit in read_source(found.name, data).units}
    edits = list(_edits(wanted, units, reason, added.problems))
    if not edits:
        return added
    try:
        new = rewritten(found.name, data, edits)
    except CannotRewrite as error:
        added.problems.append(Problem(found.name, None, f"no comment was added: {error}"))
        return added
    left = {f.code for f in lint_bytes(found.name, new, found.settings).findings}
    before = {f.code for f in (*report.findings, *(report.known or ()))}
    if not _same_code(found.name, data, new) or len(left) > len(before):
        added.problems.append(Problem(found.name, None, "no comment was added: it would have changed the code"))
        return added
    if found.path == STDIN:
        added.text = new
    elif (trouble := put_back(found, data, new)) is not None:
        added.problems.append(trouble)
        return added
    added.lines = len(edits)
    return added


def _edits(
    findings: Iterable[Finding], units: dict[int | None, Unit], reason: str, problems: list[Problem]
) -> Iterator[Edit]:
    """One edit for each line that gets a comment, or more rules in the one that it has."""
    layouts: dict[int | None, Layout] = {}
    codes: dict[tuple[int | None, int], list[str]] = {}
    for finding in findings:
        cell = finding.span.cell
        if cell not in layouts:
            layouts[cell] = layout(units[cell].text)
        line = _place(layouts[cell], finding.span.line)
        if line is None:
            why = f"there is no place for a comment about {finding.code}"
            problems.append(Problem(finding.path, finding.span.line, why, cell))
            continue
        known = codes.setdefault((cell, line), [])
        if finding.code not in known:
            known.append(finding.code)
    for (cell, line), new in sorted(codes.items(), key=lambda item: (item[0][0] or 0, item[0][1])):
        yield _edit(units[cell].lines[line - 1], layouts[cell], cell, line, new, reason)


def _place(spread: Layout, line: int) -> int | None:
    """Where a comment on a line's statement can stand: on that line, else on the next one that has room."""
    end = spread.statement(line)[1]
    return next((number for number in range(line, end + 1) if number not in spread.sealed), None)


def _edit(text: str, spread: Layout, cell: int | None, line: int, codes: list[str], reason: str) -> Edit:
    comment = next((one for one in spread.comments if one.line == line), None)
    if comment is not None:
        for noqa in NOQA.finditer(comment.text):
            if noqa["codes"]:  # one more rule in its list
                column = comment.column + noqa.end("codes")
                return Edit(Span(line, column, line, column, cell), "".join(f", {code}" for code in codes))
    end = len(text.rstrip())
    words = f"  # noqa: {', '.join(codes)}" + (f" {reason}" if reason else "")
    return Edit(Span(line, end + 1, line, len(text) + 1, cell), words)


def _same_code(path: str, before: bytes, after: bytes) -> bool:
    """Whether the two differ in nothing but comments, where they can be told apart at all."""
    old, new = (read_source(path, data).units for data in (before, after))
    return [_code(unit) for unit in old] == [_code(unit) for unit in new]


def _code(unit: Unit) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(unit.text).readline):
            if token.type not in (tokenize.COMMENT, tokenize.NL):
                found.append((token.type, token.string))
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # as far as it can be read
    return found
