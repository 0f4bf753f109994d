"""Edits applied to text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import pairwise

from optlint.model import Edit, Span
from optlint.source import Unit

_TOKEN = re.compile(r"\s+|\w+|\*\*|.", re.DOTALL)


def overlap(edits: Iterable[Edit]) -> bool:
    """Whether two different edits touch the same characters; the same insertion twice does, too."""
    ordered = sorted(set(edits), key=lambda e: (e.span.cell or 0, e.span))
    for one, other in pairwise(ordered):
        a, b = one.span, other.span
        if a.cell == b.cell and (b.line, b.column) < (a.end_line, a.end_column):
            return True
        if a == b:
            return True
    return False


def merged(edits: Iterable[Edit]) -> Iterator[Edit]:
    """What several of them put at the same place, put there once."""
    texts: dict[Span, list[str]] = {}
    for edit in edits:
        known = texts.setdefault(edit.span, [])
        if edit.text not in known:
            known.append(edit.text)
    yield from (Edit(span, "".join(parts)) for span, parts in texts.items())


def edited(unit: Unit, edits: Iterable[Edit]) -> Unit:
    """A unit with its edits made; they do not overlap."""
    lines = unit.text.split("\n")
    mine = sorted({e for e in edits if e.span.cell == unit.cell}, key=lambda e: e.span, reverse=True)
    for edit in mine:
        span = edit.span
        head, tail = lines[span.line - 1][: span.column - 1], lines[span.end_line - 1][span.end_column - 1 :]
        lines[span.line - 1 : span.end_line] = (head + edit.text + tail).split("\n")
    return Unit(unit.cell, "\n".join(lines)) if mine else unit


def narrowed(edit: Edit, text: str) -> Iterator[Edit]:
    """The tokens that an edit changes: what it repeats of the old ``text`` stays as it is, comments and all."""
    old, new = _TOKEN.findall(text), _TOKEN.findall(edit.text)
    offsets = [0]
    for token in old:
        offsets.append(offsets[-1] + len(token))
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            span = _within(edit.span, text, offsets[a], offsets[b])
            yield Edit(span, "".join(new[c:d]))


def _within(span: Span, text: str, start: int, end: int) -> Span:
    """The stretch of a span between two offsets of its text."""

    def place(offset: int) -> tuple[int, int]:
        line = text.count("\n", 0, offset)
        column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        return span.line + line, column + (span.column - 1 if line == 0 else 0)

    return Span(*place(start), *place(end), cell=span.cell)
