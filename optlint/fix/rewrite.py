"""Edits made in a file's own bytes: its encoding, byte-order mark, line ends and, in a notebook, its JSON stay."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from optlint.model import Edit
from optlint.source import declared_encoding

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|\Z)")


class CannotRewrite(Exception):
    """The edited text has no form in this file; says why."""


def rewritten(path: str, data: bytes, edits: Iterable[Edit]) -> bytes:
    """A file's bytes with the edits made; raises CannotRewrite."""
    edits = list(edits)
    if path.endswith(".ipynb"):
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        return mark + _notebook(data.removeprefix(mark).decode("utf-8"), edits).encode("utf-8")
    encoding = codecs.lookup(declared_encoding(data)).name
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    text = _edited(data.removeprefix(mark).decode(encoding), edits)
    try:
        return mark + text.encode(encoding)
    except UnicodeEncodeError:
        raise CannotRewrite(f"the file's encoding {encoding} has no form for the edited text") from None


def _edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits; a new line ends as the line that it is put into."""
    lines = [m[0] for m in _LINE.finditer(text)]
    if len(lines) > 1 and lines[-1] == "":  # the end of the text ends no line
        lines.pop()
    lines.append("")  # the place behind the last line
    usual = next((_end(line) for line in lines if _end(line)), "\n")
    for edit in sorted(set(edits), key=lambda e: e.span, reverse=True):
        span = edit.span
        first, last = lines[span.line - 1], lines[span.end_line - 1]
        new = edit.text.replace("\n", _end(first) or usual)
        lines[span.line - 1 : span.end_line] = [first[: span.column - 1] + new + last[span.end_column - 1 :]]
        lines[span.line : span.line] = [""] * (span.end_line - span.line)  # the others keep their numbers
    return "".join(lines)


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


@dataclass(frozen=True, slots=True)
class _Source:
    """A cell's "source" (nbformat 3: "input") in the JSON text: where its strings stand."""

    strings: tuple[tuple[int, int], ...]
    listed: bool


def _notebook(text: str, edits: list[Edit]) -> str:
    sources = dict(enumerate(_sources(text), start=1))
    changes: list[tuple[int, int, str]] = []
    for cell in {e.span.cell for e in edits}:
        source = sources.get(cell or 0)
        if source is None:
            raise CannotRewrite(f"cell {cell} is not found in the notebook")
        old = "".join(json.loads(text[a:b]) for a, b in source.strings)
        new = _edited(old, [e for e in edits if e.span.cell == cell])
        changes.append(_replaced(text, source, new))
    for start, end, value in sorted(changes, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _replaced(text: str, source: _Source, new: str) -> tuple[int, int, str]:
    """The strings' place in the JSON, and what stands there for the new source; lines that are the same stay."""
    escaped = text.isascii()
    start, end = source.strings[0][0], source.strings[-1][1]
    if not source.listed:
        return start, end, json.dumps(new, ensure_ascii=escaped)
    old = [text[a:b] for a, b in source.strings]
    between = text[source.strings[0][1] : source.strings[1][0]] if len(source.strings) > 1 else ", "
    known = {json.loads(raw): raw for raw in old}
    lines = [m[0] for m in _LINE.finditer(new) if m[0]]
    return start, end, between.join(known.get(line) or json.dumps(line, ensure_ascii=escaped) for line in lines)


def _sources(text: str) -> Iterator[_Source | None]:
    """Each cell's source in the order of the cells; None for a cell without one."""
    walker = _Walker(text)
    walker.value(walker.skip(0), ())
    for cell in range(max((c for c, _ in walker.cells), default=-1) + 1):
        strings = [place for c, place in walker.cells if c == cell]
        yield _Source(tuple(strings), cell in walker.lists) if strings else None


_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
Path = tuple[object, ...]


class _Walker:
    """Walks over JSON that is known to be valid, and notes where the sources of cells stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.cells: list[tuple[int, tuple[int, int]]] = []
        self.lists: set[int] = set()
        self.sheets: dict[int, int] = {}

    def skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def value(self, at: int, path: Path) -> int:
        """Walk over the value that starts here; gives where it ends."""
        opening = self.text[at]
        if opening == "{":
            return self._members(at, path, named=True)
        if opening == "[":
            return self._members(at, path, named=False)
        found = (_STRING if opening == '"' else _SCALAR).match(self.text, at)
        assert found is not None
        if opening == '"':
            self._note(path, found.span())
        return found.end()

    def _members(self, at: int, path: Path, named: bool) -> int:
        closing, number = "}" if named else "]", 0
        at = self.skip(at + 1)
        while self.text[at] != closing:
            key: object = number
            if named:
                name = _STRING.match(self.text, at)
                assert name is not None
                key = json.loads(name[0])
                at = self.skip(self.skip(name.end()) + 1)
            at = self.skip(self.value(at, (*path, key)))
            if self.text[at] == ",":
                at = self.skip(at + 1)
            number += 1
        return at + 1

    def _note(self, path: Path, span: tuple[int, int]) -> None:
        if path[:1] == ("worksheets",) and len(path) > 3:
            sheet, inner = path[1], path[3:]
            cell = inner[0]
            if not isinstance(sheet, int) or not isinstance(cell, int) or path[2] != "cells":
                return
            self.sheets[sheet] = max(self.sheets.get(sheet, 0), cell + 1)
            cell += sum(count for s, count in self.sheets.items() if s < sheet)
            rest = inner[1:]
        elif path[:1] == ("cells",) and len(path) > 2 and isinstance(path[1], int):
            cell, rest = path[1], path[2:]
        else:
            return
        if rest[:1] in (("source",), ("input",)) and len(rest) <= 2:
            self.cells.append((cell, span))
            if len(rest) == 2:
                self.lists.add(cell)
