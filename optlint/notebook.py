"""Jupyter notebooks: the code cells of formats 3 and 4, with IPython's own syntax taken out.

A magic is replaced by as many harmless characters, so that every line and column stays where it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

MAX_HEADING = 80  # characters; a longer line that starts with "#" is no heading
PYTHON_CELL_MAGICS = frozenset({"time", "capture", "prun", "timeit", "debug", "python", "python3"})

_CELL_MAGIC = re.compile(r"\s*%%[ \t]*(\w*)([^\n]*)")
_WRITES_PYTHON = re.compile(r"[^\n]*\.pyw?[\"']?\s*\Z")

_COMMAND_REST = r"(?:\\\n|[^\n])*"  # a trailing backslash joins the next line
_COMMAND_END = re.compile(_COMMAND_REST)
_LINE_MAGIC = re.compile(
    r"[ \t]*(?:"
    r"(?:[%!?,;/]|(?:pip3?|conda|mamba|cd|ls|cat|cp|mv|rm|mkdir)[ \t]+(?:[\w.~$\"']|[-/]\w))" + _COMMAND_REST + "|"
    r"%{0,2}[\w.*\[\]'\"-]+\?{1,2}[ \t]*(?=\n|\Z)"
    r")"
)
_TOKEN = re.compile(
    r"(?P<string>\"\"\"|'''|\"|')|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])"
    r"|(?P<join>\\\n)|(?P<end>\n)|(?P<assigned>=[ \t]*[%!])"
)
_STRING_END = {
    '"': re.compile(r'(?:[^"\\\n]|\\.)*"?', re.DOTALL),
    "'": re.compile(r"(?:[^'\\\n]|\\.)*'?", re.DOTALL),
    '"""': re.compile(r'(?:[^\\]|\\.)*?(?:"""|\Z)', re.DOTALL),
    "'''": re.compile(r"(?:[^\\]|\\.)*?(?:'''|\Z)", re.DOTALL),
}


class NotebookError(Exception):
    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def cells_of(text: str) -> Iterator[tuple[int, str, str]]:
    """The Python cells as (number, text, heading above). Numbers count all cells, Markdown included, from 1."""
    if not text.strip():
        return
    try:
        notebook = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotebookError(f"invalid JSON: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"invalid JSON: {error}") from None
    cells = _all_cells(notebook)
    if not _is_python(notebook):
        return
    heading = ""
    for number, cell in enumerate(cells, start=1):
        if isinstance(cell, dict) and cell.get("cell_type") in ("markdown", "heading"):
            heading = _heading(cell) or heading
        if isinstance(cell, dict) and cell.get("cell_type") == "code" and _speaks_python(cell.get("language")):
            yield number, without_magics(_joined(cell.get("source", cell.get("input")))), heading


def _heading(cell: dict[str, object]) -> str:
    """The last heading of a Markdown cell (in format 3 a cell may be one)."""
    lines = _joined(cell.get("source")).split("\n")
    if cell.get("cell_type") == "heading":
        return lines[0].strip()
    headings = [line.lstrip("# ").strip() for line in lines if line.startswith("#") and len(line) < MAX_HEADING]
    return headings[-1] if headings else ""


def _all_cells(notebook: object) -> list[object]:
    if isinstance(notebook, dict):
        cells, sheets = notebook.get("cells"), notebook.get("worksheets")
        if isinstance(cells, list):
            return cells
        if isinstance(sheets, list):  # nbformat 3
            found = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
            return [cell for sheet in found if isinstance(sheet, list) for cell in sheet]
    raise NotebookError("it has no list of cells")


def _is_python(notebook: dict[str, object]) -> bool:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, dict):
        return True
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        described = metadata.get(key)
        if isinstance(described, dict) and described.get(name):
            return _speaks_python(described[name])
    return True


def _speaks_python(language: object) -> bool:
    return not isinstance(language, str) or not language or "python" in language.lower()


def _joined(source: object) -> str:
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str)).replace("\r\n", "\n").replace("\r", "\n")


def without_magics(text: str) -> str:
    """The cell with IPython's commands replaced by ``pass``, each character's place kept.

    A cell under a cell magic whose body is not Python becomes blank lines.
    """
    cell_magic = _CELL_MAGIC.match(text)
    if cell_magic is not None:
        name, arguments = cell_magic.groups()
        if name not in PYTHON_CELL_MAGICS and not (name in {"writefile", "file"} and _WRITES_PYTHON.match(arguments)):
            return "\n" * text.count("\n")
    pieces: list[str] = []
    done = 0
    for start, end in _magics(text):
        pieces += text[done:start], _harmless(text[start:end])
        done = end
    return "".join(pieces) + text[done:]


def _magics(text: str) -> Iterator[tuple[int, int]]:
    """Where IPython's commands stand. They start a logical line, or follow its ``=``: ``% b`` inside brackets
    or a string is not one, so brackets and strings are skipped."""
    position = start = depth = 0
    fresh = True
    while position < len(text):
        if fresh:
            fresh = False
            start = position
            if command := _LINE_MAGIC.match(text, position):
                yield command.span()
                position = command.end()
        token = _TOKEN.search(text, position)
        if token is None:
            return
        position = token.end()
        kind = token.lastgroup
        if kind == "string":
            string = _STRING_END[token[0]].match(text, position)
            position = string.end() if string else len(text)
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == "end":
            fresh = depth == 0
        elif kind == "assigned" and depth == 0 and "\n" not in text[start:position]:
            command = _COMMAND_END.match(text, position)
            position = command.end() if command else len(text)
            yield start, position


def _harmless(command: str) -> str:
    first, *joined = command.split("\n")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    statement = "pass" if len(first) - len(indent) >= len("pass") else "0"
    return "\n".join([(indent + statement).ljust(len(first)), *(" " * len(line) for line in joined)])
