"""Which files a run reads: named files, what lies below named directories, standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from optlint.gitignore import IGNORE_FILES, Ignored
from optlint.model import Problem

SUFFIXES = (".py", ".pyi", ".pyw", ".ipynb")
EXCLUDED = frozenset(
    {
        ".eggs",
        ".git",
        ".hg",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        "__pycache__",
        "__pypackages__",
        "build",
        "dist",
        "node_modules",
        "site-packages",
        "venv",
    }
)
MAX_MEGABYTES = 5
STDIN = "-"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """path: what to open; name: what reports call it; named: the user named this very file."""

    path: str
    name: str
    named: bool = False


def discover(paths: Iterable[str | os.PathLike[str]], stdin_name: str = "<stdin>") -> Iterator[FoundFile | Problem]:
    """The files to lint, each once: named ones in the order given, those below a directory in sorted order."""
    try:
        os.getcwd()
    except OSError as error:
        yield Problem(".", None, f"the working directory cannot be read: {reason(error)}", fatal=True)
        return
    seen: set[str] = set()
    for given in paths:
        path = os.fspath(given)
        for found in [FoundFile(STDIN, stdin_name, named=True)] if path == STDIN else _discovered(path):
            if isinstance(found, FoundFile):
                absolute = found.path if found.path == STDIN else os.path.abspath(found.path)
                if absolute in seen:
                    continue
                seen.add(absolute)
            yield found


def read(file: FoundFile) -> bytes | Problem:
    """A file's content, or why there is none."""
    limit = MAX_MEGABYTES * 1_000_000
    try:
        if file.path == STDIN:
            if sys.stdin is None:
                raise OSError("standard input is closed")
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with open(file.path, "rb") as stream:
                data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        return Problem(file.name, None, reason(error), fatal=file.named)
    if len(data) > limit:
        return Problem(file.name, None, f"larger than {MAX_MEGABYTES} MB: skipped")
    return data


def reason(error: OSError | ValueError) -> str:
    """Why a path cannot be read, in a few words."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def shown(path: str) -> str:
    """A path as reports print it: relative to the working directory where it lies below it, with forward slashes."""
    here = os.path.join(os.getcwd(), "")
    absolute = os.path.abspath(path)
    if absolute + os.sep == here:
        return "."
    name = absolute[len(here) :] if absolute.startswith(here) else os.path.normpath(path)
    return name.replace(os.sep, "/")


def _discovered(path: str) -> Iterator[FoundFile | Problem]:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        yield Problem(shown(path), None, reason(error), fatal=True)
        return
    if not stat.S_ISDIR(mode):
        yield FoundFile(path, shown(path), named=True)
        return
    empty = True
    for found in _walked(path):
        empty = False
        yield found
    if empty:
        name = shown(path)
        yield Problem(name, None, f"no Python files found under {name}")


def _walked(root: str) -> Iterator[FoundFile | Problem]:
    """Depth first, by name. Links to directories are not followed, so nothing is read twice and no loop exists."""
    prefix = shown(root)
    prefix = "" if prefix == "." else prefix.rstrip("/") + "/"
    top = os.path.abspath(root)
    pending: list[tuple[str, bool, Ignored]] = [("", True, Ignored.above(top))]
    while pending:
        relative, is_directory, ignored = pending.pop()
        if not is_directory:
            yield FoundFile(os.path.join(top, relative), prefix + relative)
            continue
        directory = os.path.join(top, relative) if relative else top
        try:
            with os.scandir(directory) as scan:
                entries = sorted(scan, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            name = (prefix + relative).rstrip("/") or "."
            yield Problem(name, None, f"the directory cannot be read: {reason(error)}", fatal=not relative)
            continue
        if any(entry.name in IGNORE_FILES for entry in entries):
            ignored = ignored.below(directory)
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            wanted = entry.name not in EXCLUDED if is_directory else entry.name.endswith(SUFFIXES) and entry.is_file()
            if wanted and not ignored.matches(entry.path, is_directory):
                pending.append((f"{relative}/{entry.name}".lstrip("/"), is_directory, ignored))
