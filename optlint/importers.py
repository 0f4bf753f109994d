"""Which files of a project import one of its files, and what they would say if they stood in it. Only text is read."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from optlint.modules import Modules
from optlint.settings.options import EXCLUDED

MAX_FILES = 400  # that are looked into
MAX_IMPORTERS = 6
MAX_CHANGES = 1_000  # of one file
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Change = tuple[int, int, str]  # a stretch of text, and what stands there instead


@dataclass(frozen=True, slots=True)
class Importer:
    """A file, with the names of the file that it imports in place of its imports."""

    path: str
    text: str


def importers_of(modules: Modules, own: str) -> tuple[Importer, ...]:
    """The files that import the module that ``modules`` looks from, looked for once. own: its text.

    A file that defines one of the module's names itself is left out: in one text the two would be taken for each other.
    """
    taken = _defined(own)
    if taken not in modules.importers:
        modules.importers[taken] = tuple(islice(_importers(modules, taken), MAX_IMPORTERS))
    return modules.importers[taken]


def _importers(modules: Modules, taken: frozenset[str]) -> Iterator[Importer]:
    stem = os.path.splitext(os.path.basename(modules.path))[0]
    stem = os.path.basename(os.path.dirname(modules.path)) if stem == "__init__" else stem
    for path in _files(modules):
        text = modules.look_at(path)
        tree = _parsed(text) if text is not None and stem in text and "import" in text else None
        if text is not None and tree is not None and not taken & _defined(tree):
            changes = list(islice(_changes(tree, text, Modules(path), modules.path), MAX_CHANGES + 1))
            if 0 < len(changes) <= MAX_CHANGES:
                yield Importer(path, _changed(text, changes))


def _files(modules: Modules) -> Iterator[str]:
    """The project's other Python files, from its top on."""
    left = MAX_FILES
    for folder, folders, files in os.walk(modules.roots[-1]):
        modules.list_folder(folder)
        folders[:] = sorted(f for f in folders if f not in EXCLUDED and not f.startswith("."))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".py") and path != modules.path:
                yield path
                left -= 1
                if not left:
                    return


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defined(code: str | ast.Module) -> frozenset[str]:
    tree = _parsed(code) if isinstance(code, str) else code
    return frozenset(n.name for n in tree.body if isinstance(n, _DEFS)) if tree is not None else frozenset()


def _changes(tree: ast.Module, text: str, modules: Modules, wanted: str) -> Iterator[Change]:
    """What makes the imports of a module, and what is read of it, its own names."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    def instead(node: ast.stmt | ast.expr, by: str) -> Change:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset), by

    spaces: set[str] = set()  # names that mean the module
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meant = {a.asname or a.name for a in node.names if modules.find(a.name, 0, modules.path) == wanted}
            spaces |= meant
            if len(meant) == len(node.names):
                yield instead(node, "pass")
        elif isinstance(node, ast.ImportFrom):
            if modules.find(node.module or "", node.level, modules.path) == wanted:
                bound = (f"{a.asname} = {a.name}" for a in node.names if a.asname not in (None, a.name))
                yield instead(node, "; ".join(bound) or "pass")
            else:
                inner = ((a, ".".join(filter(None, (node.module, a.name)))) for a in node.names)
                spaces |= {a.asname or a.name for a, n in inner if modules.find(n, node.level, modules.path) == wanted}
    longest = max((space.count(".") for space in spaces), default=0)
    for node in ast.walk(tree) if spaces else ():
        if isinstance(node, ast.Attribute) and _dotted(node.value, longest) in spaces:
            yield instead(node, node.attr)


def _dotted(node: ast.expr, dots: int) -> str:
    """``a.b.c`` of names with so many dots at most; "" of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < dots:
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _changed(text: str, changes: list[Change]) -> str:
    for start, end, by in sorted(changes, reverse=True):
        text = text[:start] + by + text[end:]
    return text
