"""Edits applied to text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from optlint.model import Edit
from optlint.source import Unit


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


def edited(unit: Unit, edits: Iterable[Edit]) -> Unit:
    """A unit with its edits made; they do not overlap."""
    lines = unit.text.split("\n")
    mine = sorted({e for e in edits if e.span.cell == unit.cell}, key=lambda e: e.span, reverse=True)
    for edit in mine:
        span = edit.span
        head, tail = lines[span.line - 1][: span.column - 1], lines[span.end_line - 1][span.end_column - 1 :]
        lines[span.line - 1 : span.end_line] = (head + edit.text + tail).split("\n")
    return Unit(unit.cell, "\n".join(lines)) if mine else unit
