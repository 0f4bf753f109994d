"""A file's parts that one update rests on.

A mutant is read hundreds of times over, so what has nothing to do with it is blanked: other top-level functions and
classes, unless the update's block uses them, or they use it. Line numbers stay.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def slice_around(text: str, line: int) -> str:
    """The text with only what the top-level block at a line rests on, and what rests on that block."""
    tree = ast.parse(text)
    blocks = [n for n in tree.body if isinstance(n, _DEFINITION)]
    home = next((b for b in blocks if _first(b) <= line <= (b.end_lineno or b.lineno)), None)
    if home is None:
        return text
    kept = {id(b) for b in _closure([home], blocks)}
    callers = [home]
    while callers:
        names = {b.name for b in callers}
        callers = [b for b in blocks if id(b) not in kept and names & _names(b)]
        kept |= {id(b) for b in callers}
    lines = text.split("\n")
    for block in blocks:
        if id(block) not in kept:
            for number in range(_first(block) - 1, block.end_lineno or block.lineno):
                lines[number] = ""
    return "\n".join(lines)


def _first(block: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([block.lineno, *(d.lineno for d in block.decorator_list)])


def _closure(
    start: Iterable[ast.stmt], blocks: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]
) -> list[ast.stmt]:
    """The blocks that some blocks use, and theirs in turn."""
    found = list(start)
    for block in found:
        names = _names(block)
        found.extend(b for b in blocks if b.name in names and all(b is not f for f in found))
    return found


def _names(block: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(block) if isinstance(n, ast.Name)}
