"""What an editor has open, linted and mended: a text document, or a notebook with a document for each of its cells."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from lsprotocol import types as lsp

from optlint.api import lint_bytes
from optlint.fix.files import Wanted
from optlint.fix.mend import mend
from optlint.globs import globs
from optlint.model import Edit, Finding, Report, Span, Update
from optlint.settings import Settings
from optlint.settings.resolve import Resolver

Units = Callable[[str], int]  # how long a text is, as the editor counts

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True, slots=True)
class Text:
    """A document of the editor; ``number`` is the notebook's cell, or None for a file."""

    uri: str
    number: int | None
    source: str
    is_code: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """path: of the file or notebook, as far as there is one."""

    path: str
    texts: tuple[Text, ...]

    def linted(self, resolver: Resolver) -> Report:
        """The report, by the settings of the nearest configuration file. Raises ConfigError."""
        settings = self._settings(resolver)
        return Report() if settings is None else lint_bytes(self._path, self._data(), settings)

    def mended(self, resolver: Resolver) -> dict[str, str]:
        """The new texts of the documents that safe fixes change. Raises ConfigError."""
        settings = self._settings(resolver)
        if settings is None:
            return {}
        path = self._path
        data = mend(path, self._data(), lambda now: lint_bytes(path, now, settings), Wanted().allows).data
        if self.is_notebook:
            sources = ["".join(cell["source"]) for cell in json.loads(data)["cells"]]
        else:
            sources = [data.decode("utf-8", "surrogatepass")]
        return {text.uri: source for text, source in zip(self.texts, sources, strict=True) if source != text.source}

    @property
    def is_notebook(self) -> bool:
        return not self.texts or self.texts[0].number is not None

    @property
    def _path(self) -> str:
        return os.path.splitext(self.path)[0] + ".ipynb" if self.is_notebook else self.path

    def _settings(self, resolver: Resolver) -> Settings | None:
        """None for what is not to be linted: what ``exclude`` names, and the JSON of a notebook."""
        settings = resolver.of(os.path.dirname(os.path.abspath(self.path)))
        is_excluded = globs(settings.excluded).holds(self.path, settings.directory)
        return None if is_excluded or (self.path.endswith(".ipynb") and not self.is_notebook) else settings

    def _data(self) -> bytes:
        if not self.is_notebook:
            return self.texts[0].source.encode("utf-8", "surrogatepass")
        kinds = ("markdown", "code")
        cells = [{"cell_type": kinds[text.is_code], "metadata": {}, "source": text.source} for text in self.texts]
        return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def line_edits(old: str, new: str) -> Iterator[lsp.TextEdit]:
    """The edits that make one text of the other, in whole lines."""
    before, after = _LINE.findall(old), _LINE.findall(new)
    for kind, start, end, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            range_ = lsp.Range(lsp.Position(start, 0), lsp.Position(end, 0))
            yield lsp.TextEdit(range_, "".join(after[first:last]))


class Places:
    """Spans of a report as ranges of the editor's documents, and back."""

    def __init__(self, opened: Opened, units: Units) -> None:
        self._units = units
        self._uris = {text.number: text.uri for text in opened.texts}
        self._cells = {text.uri: text.number for text in opened.texts}
        self._lines = {text.number: _lines(text.source) for text in opened.texts}

    def uri(self, span: Span) -> str:
        return self._uris[span.cell]

    def line(self, span: Span, number: int) -> str:
        lines = self._lines[span.cell]
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def range(self, span: Span) -> lsp.Range:
        return lsp.Range(
            self._position(span, span.line, span.column), self._position(span, span.end_line, span.end_column)
        )

    def _position(self, span: Span, line: int, column: int) -> lsp.Position:
        return lsp.Position(line - 1, self._units(self.line(span, line)[: column - 1]))

    def location(self, span: Span) -> lsp.Location:
        return lsp.Location(self.uri(span), self.range(span))

    def edit(self, edit: Edit) -> tuple[str, lsp.TextEdit]:
        return self.uri(edit.span), lsp.TextEdit(self.range(edit.span), edit.text)

    def findings(self, report: Report, uri: str, range_: lsp.Range) -> list[Finding]:
        """The findings that touch a range of a document."""
        return [
            finding
            for finding in report.findings
            if finding.span.cell == self._cells.get(uri) and _touch(self.range(finding.span), range_)
        ]

    def update(self, report: Report, uri: str, position: lsp.Position) -> Update | None:
        """The update at a position: the one of the fewest lines where several are."""
        cell, line = self._cells.get(uri), position.line + 1
        found = [
            update
            for update in report.updates
            if update.span.cell == cell and update.span.line <= line <= update.span.end_line and update.equations
        ]
        return min(found, key=lambda update: update.span.end_line - update.span.line, default=None)


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _touch(a: lsp.Range, b: lsp.Range) -> bool:
    return _key(a.start) <= _key(b.end) and _key(b.start) <= _key(a.end)


def _key(position: lsp.Position) -> tuple[int, int]:
    return position.line, position.character
