"""TOML: the standard library's reader, or what it was before Python 3.11, and the lines on which keys stand."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError, loads
else:  # pragma: no cover
    from tomli import TOMLDecodeError, loads

__all__ = ["TOMLDecodeError", "line_of", "loads", "table_at"]

MAX_LINES = 5000  # of a text in which a line is looked for


def table_at(document: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    found: Any = document
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found if isinstance(found, dict) else None


def line_of(text: str, path: tuple[str, ...], within: str | None = None) -> int | None:
    """The line on which a key stands: where the shortest beginning of the text that is valid TOML and has it ends.

    ``within``: a key or an element of the value, whose own line is meant where it can be told.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES:
        return None
    start = 0
    for end in _ends(lines):
        try:
            document = loads("\n".join(lines[:end]) + "\n")
        except (TOMLDecodeError, RecursionError):
            continue
        if _has(document, path) and (within is None or _mentions(document, path, within)):
            own = range(start, end)
            blank = [n for n in own if lines[n].strip() and not lines[n].lstrip().startswith("#")]
            spoken = [n for n in blank if within is not None and _quotes(lines[n], within)]
            return (spoken or blank or [start])[0] + 1
        start = end
    return None


def _ends(lines: list[str]) -> Iterator[int]:
    return (n + 1 for n, line in enumerate(lines) if line.strip())


def _quotes(line: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", line) is not None


def _has(document: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    table = table_at(document, path[:-1])
    return table is not None and path[-1] in table


def _mentions(document: Mapping[str, Any], path: tuple[str, ...], within: str) -> bool:
    """Whether the value holds that key or element already: a table may be filled line by line."""
    table = table_at(document, path[:-1])
    value = None if table is None else table[path[-1]]
    if not isinstance(value, dict):
        return True
    return within in value or any(isinstance(element, list) and within in element for element in value.values())
