"""A file's bytes as text that can be analysed: decoded, newlines unified, notebooks split into cells."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from optlint.notebook import NotebookError, cells_of

_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_NO_CODE = re.compile(rb"[ \t\f]*(?:#|\Z)")
_NEWLINE = re.compile(r"\r\n?")
_UNENCODABLE = re.compile("[\0\ud800-\udfff]")
_SLOW_CODECS = frozenset({"punycode", "idna"})  # their decoding takes quadratic time


class SourceError(Exception):
    """The input is not text that Python could read."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Unit:
    """A text with its own line numbers: a plain file, or one code cell of a notebook."""

    cell: int | None
    text: str
    heading: str = ""  # the Markdown heading that a cell stands under

    @property
    def lines(self) -> tuple[str, ...]:
        """The text's lines, as Python counts them: a form feed or U+2028 does not end one."""
        return tuple(self.text.split("\n"))


@dataclass(frozen=True, slots=True)
class Source:
    path: str
    units: tuple[Unit, ...]

    def texts(self) -> dict[str, tuple[str, ...]]:
        """The lines of every unit, under the key that ``Report.texts`` uses."""
        return {place_name(self.path, unit.cell): unit.lines for unit in self.units}


def place_name(path: str, cell: int | None) -> str:
    return path if cell is None else f"{path}:cell {cell}"


def read_source(path: str, data: bytes) -> Source:
    """Decode a file; raises SourceError where it is not text."""
    return source_from_text(path, _decoded(data, notebook=path.endswith(".ipynb")))


def source_from_text(path: str, text: str) -> Source:
    """Split decoded text into units; raises SourceError for a notebook that cannot be read."""
    if path.endswith(".ipynb"):
        try:
            units = tuple(
                Unit(number, _cleaned(cell), heading) for number, cell, heading in cells_of(text.removeprefix("\ufeff"))
            )
        except NotebookError as error:
            raise SourceError(f"cannot read the notebook: {error}", error.line) from None
        return Source(path, units)
    if "\0" in text:
        raise SourceError("not a text file: it holds NUL bytes")
    return Source(path, (Unit(None, _cleaned(text.removeprefix("\ufeff"))),))


def _cleaned(text: str) -> str:
    return _UNENCODABLE.sub("\ufffd", _NEWLINE.sub("\n", text))


def _decoded(data: bytes, *, notebook: bool) -> str:
    if b"\0" in data:
        raise SourceError("not a text file: it holds NUL bytes")
    name = "utf-8" if notebook else declared_encoding(data)
    try:
        codec = codecs.lookup(name).name
        if codec in _SLOW_CODECS:
            raise LookupError
        return data.decode(codec)
    except LookupError:
        raise SourceError(f"unknown encoding {name!r}", 1) from None
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        hint = "" if notebook or name != "utf-8" else "; declare another encoding on the first line"
        raise SourceError(f"not valid {name.upper()}{hint}", data.count(b"\n", 0, start) + 1) from None


def declared_encoding(data: bytes) -> str:
    """The encoding by PEP 263: a byte-order mark, or a comment in the first two lines."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    for line in re.split(rb"\r\n|\r|\n", data[:4096], maxsplit=2)[:2]:
        if cookie := _COOKIE.match(line):
            return cookie[1].decode("ascii")
        if not _NO_CODE.match(line):
            break
    return "utf-8"
