"""Frames: the source lines that a finding is about, with marks under what is meant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from optlint.model import Finding, Report, Span
from optlint.report.common import line_at
from optlint.report.text import COLORS, expand_tabs, place, printable
from optlint.terminal import Screen

if TYPE_CHECKING:
    from pygments.lexers.python import PythonLexer

MAX_WIDTH = 160  # a longer line is cut around the finding
MAX_LINES = 6  # of a longer span the first line is shown
BAR = "bold blue"


@dataclass(frozen=True, slots=True)
class Mark:
    span: Span
    label: str
    sign: str
    style: str


def margin_of(finding: Finding, report: Report) -> int:
    """The columns in front of the bar: room for the largest line number, and a space."""
    numbers = [n for group in _groups(finding, report) for mark in group for n in _lines(mark.span)]
    return len(str(max(numbers, default=finding.span.line))) + 1


def unseen(finding: Finding, report: Report) -> list[tuple[Span, str]]:
    """The related places whose source is not at hand, so that no frame shows them."""
    return [(span, text) for span, text in finding.related if not _is_known(finding, report, span)]


def frames(finding: Finding, report: Report, screen: Screen) -> list[Text]:
    """The finding's frame, in which its related places are marked, too, and a frame for each other cell of these."""
    margin = margin_of(finding, report)
    room = max(20, min(MAX_WIDTH, screen.width - margin - 2)) if screen.width else MAX_WIDTH
    rows: list[Text] = []
    for group in _groups(finding, report):
        cell = group[0].span.cell
        if rows or cell != finding.span.cell:
            first = place(finding.path, group[0].span)
            rows.append(Text.assemble(" " * (margin - 1), ("-->", BAR), f" {first}"))
        rows.append(Text.assemble(" " * margin, ("|", BAR)))
        last = None
        for number in sorted({n for mark in group for n in _lines(mark.span)}):
            source = line_at(report, finding.path, cell, number)
            if source is None:
                continue
            if last is not None and number > last + 1:
                rows.append(Text("..." if margin < 4 else "...".rjust(margin - 1), style=BAR))
            last = number
            rows += _line(source, number, [m for m in group if number in _lines(m.span)], margin, room, screen)
    return rows


def _groups(finding: Finding, report: Report) -> list[list[Mark]]:
    """The marks of each cell, the finding's own cell first."""
    marks = [Mark(finding.span, "", "^", f"bold {COLORS[finding.severity]}")]
    marks += [Mark(span, text, "-", BAR) for span, text in finding.related]
    groups: dict[int | None, list[Mark]] = {}
    for mark in marks:
        if _is_known(finding, report, mark.span):
            groups.setdefault(mark.span.cell, []).append(mark)
    return list(groups.values())


def _is_known(finding: Finding, report: Report, span: Span) -> bool:
    return line_at(report, finding.path, span.cell, span.line) is not None


def _lines(span: Span) -> range:
    return range(span.line, (span.end_line if span.end_line - span.line < MAX_LINES else span.line) + 1)


def _line(source: str, number: int, marks: list[Mark], margin: int, room: int, screen: Screen) -> list[Text]:
    """A source line, and a row for each mark under it."""
    bounds = [_bounds(mark.span, number, source) for mark in marks]
    shown = _Cut(source, bounds[0], room)
    code = _highlighted(shown.text.rstrip()) if screen.color else Text(shown.text.rstrip())
    row = Text.assemble((str(number).rjust(margin - 1), BAR), " ", ("|", BAR), " ", code)
    row.rstrip()
    rows = [row]
    empty = Text.assemble(" " * margin, ("|", BAR), " ")
    for mark, (start, end) in zip(marks, bounds, strict=True):
        before = shown.column(start)
        signs = mark.sign * max(1, shown.column(end) - before)
        ends_here = number == _lines(mark.span)[-1]
        if ends_here and mark.span.end_line > number:
            signs += "…"
        label = Text(printable(mark.label) if ends_here else "", style=mark.style)
        left = room - before - len(signs) - 1
        fits = not screen.width or cell_len(label.plain) <= left
        marked = empty + Text.assemble(" " * before, (signs, mark.style))
        rows.append(marked + Text(" ") + label if label and fits else marked)
        if label and not fits:
            rows += [empty + part for part in wrapped(label, room)]
    return rows


def _bounds(span: Span, number: int, source: str) -> tuple[int, int]:
    """Where the span begins and ends on a line, as positions in the text; an end is exclusive."""
    start = span.column - 1 if number == span.line else len(source) - len(source.lstrip())
    end = span.end_column - 1 if number == span.end_line else len(source.rstrip())
    start = min(start, len(source))
    return start, max(start, min(end, len(source)))


class _Cut:
    """A source line as the terminal shows it: tabs expanded, and cut around a mark where it is too long."""

    def __init__(self, source: str, bounds: tuple[int, int], room: int) -> None:
        focus, end = bounds
        self._far = max(0, focus - 3 * MAX_WIDTH)  # what is not shown is not measured either
        self._line = printable(source[self._far : focus + 3 * MAX_WIDTH])
        whole = expand_tabs(self._line)
        self._gone = self._cut = 0
        if cell_len(whole) > room:
            before = expand_tabs(self._line[: focus - self._far])
            marked = cell_len(expand_tabs(self._line[: end - self._far])) - cell_len(before)
            dropped = max(0, len(before) - max(0, min(room // 4, room - marked - 2)))
            self._cut = 1 if dropped else 0
            self._gone = cell_len(whole[:dropped])
            whole = _head("…" * self._cut + whole[dropped:], room)
        self.text = whole

    def column(self, position: int) -> int:
        """Where a position of the source stands on the terminal."""
        before = expand_tabs(self._line[: max(0, position - self._far)])
        return max(0, min(cell_len(before) - self._gone + self._cut, cell_len(self.text)))


def _head(text: str, room: int) -> str:
    """As much of the text as fits."""
    if cell_len(text) <= room:
        return text
    room -= 1
    for position, character in enumerate(text):
        room -= cell_len(character)
        if room < 0:
            return text[:position] + "…"
    return text


def wrapped(text: Text, room: int) -> list[Text]:
    """Lines of at most ``room`` columns, broken between words."""
    from rich.console import Console

    lines = list(text.wrap(Console(width=room, color_system=None, _environ={}), room))
    for line in lines:
        line.rstrip()
    return lines


_STYLES = {"Comment": "dim", "Keyword": "magenta", "Literal.String": "green", "Literal.Number": "cyan"}


@lru_cache(maxsize=1)
def _lexer() -> PythonLexer:
    from pygments.lexers.python import PythonLexer

    return PythonLexer()


def _highlighted(code: str) -> Text:
    text = Text(code)
    for start, token, value in _lexer().get_tokens_unprocessed(code):
        kind = str(token).removeprefix("Token.")
        style = next((style for name, style in _STYLES.items() if kind.startswith(name)), None)
        if style:
            text.stylize(style, start, start + len(value))
    return text
