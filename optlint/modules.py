"""Which file of a project an import means. Nothing is imported: names are looked up as paths, and read as text."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optlint.importers import Importer

MAX_FILES = 40  # that one file's imports lead to
MAX_BYTES = 1_000_000
MAX_FOLDERS = 8  # above the file
_TOP = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")  # what stands in a project's top folder


@dataclass(slots=True)
class Modules:
    """The modules that can be seen from one file; where the code is no file's, libraries' alone (path "").

    seen: what was asked for: by path, the digest of the text that was read there, or nothing where there is none.
    importers: the files that import this one, once they were looked for, by the names that it defines.
    """

    path: str
    seen: dict[str, str] = field(default_factory=dict)
    importers: dict[frozenset[str], tuple[Importer, ...]] = field(default_factory=dict)
    _texts: dict[str, str | None] = field(default_factory=dict)
    _roots: list[str] | None = None

    def find(self, module: str, level: int, beside: str) -> str | None:
        """The path of a module that a file imports: ``from ..base import x`` has level 2."""
        parts = module.split(".") if module else []
        if not all(part.isidentifier() for part in parts):
            return None
        if level and not self.path:
            return None
        if level:
            folder = os.path.dirname(beside)
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
            return self._module(folder, parts)
        if not parts or parts[0] in sys.stdlib_module_names:
            return None
        folders = dict.fromkeys([os.path.dirname(beside), *self.roots]) if self.path else ()
        return next((path for folder in folders if (path := self._module(folder, parts))), None) or self._told(parts)

    @property
    def roots(self) -> list[str]:
        """The folders from the file's own up to the project's top; without a sign of one, to where its package lies."""
        if self._roots is None:
            folders = [os.path.dirname(self.path)]
            while len(folders) < MAX_FOLDERS and os.path.dirname(folders[-1]) != folders[-1]:
                folders.append(os.path.dirname(folders[-1]))
            top = next((i for i, f in enumerate(folders) if _holds(f, _TOP)), None)
            if top is None:
                top = next((i for i, f in enumerate(folders) if not _holds(f, ("__init__.py",))), len(folders) - 1)
            self._roots = folders[: top + 1]
        return self._roots

    def text(self, path: str) -> str | None:
        """The text of a module that ``find`` has given; None where it is none."""
        return self._texts.get(path)

    def look_at(self, path: str) -> str | None:
        """The text of any file of the project."""
        if not self._is_inside(path):
            return None
        text, self.seen[path] = _text(path)
        return text

    def list_folder(self, path: str) -> None:
        """Note what a folder holds: another file there may change what is seen."""
        self.seen[path] = _digest(_bytes(path))

    def _is_inside(self, path: str) -> bool:
        """Within the project, links followed."""
        top = os.path.realpath(self.roots[-1])
        return os.path.realpath(path).startswith(os.path.join(top, ""))

    def _module(self, folder: str, parts: list[str]) -> str | None:
        base = os.path.join(folder, *parts)
        names = [os.path.join(base, "__init__.py")] if not parts else [f"{base}.py", os.path.join(base, "__init__.py")]
        return next((path for path in names if self._read(path)), None)

    def _told(self, parts: list[str]) -> str | None:
        """A library's module out of sight, as ``rules/libraries`` tells what its helpers do."""
        from optlint.knowledge import rules_folder

        path = str(rules_folder().joinpath("libraries", *parts).with_suffix(".py"))
        if path not in self._texts:
            self._texts[path], _ = _text(path)
        return path if self._texts[path] is not None else None

    def _read(self, path: str) -> bool:
        if path == self.path or not self._is_inside(path):
            return False
        if path not in self._texts:
            if len(self._texts) - list(self._texts.values()).count(None) >= MAX_FILES:
                return False
            self._texts[path], self.seen[path] = _text(path)
        return self._texts[path] is not None


def _holds(folder: str, names: tuple[str, ...]) -> bool:
    return any(os.path.exists(os.path.join(folder, name)) for name in names)


def unchanged(seen: tuple[tuple[str, str], ...]) -> bool:
    """Whether all that was seen of other files is still so."""
    return all(_digest(_bytes(path)) == digest for path, digest in seen)


def _text(path: str) -> tuple[str | None, str]:
    """A file's text with its digest; None where there is no text to read."""
    from optlint.source import SourceError, read_source

    data = _bytes(path)
    try:
        return (None if data is None or os.path.isdir(path) else read_source(path, data).units[0].text), _digest(data)
    except SourceError:
        return None, _digest(data)


def _bytes(path: str) -> bytes | None:
    """A file's content, or a folder's names; None where there is no such file, or none to read."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return "/".join(sorted(os.listdir(path))).encode(errors="surrogateescape")
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES)
    except (OSError, ValueError):
        return None


def _digest(data: bytes | None) -> str:
    return "" if data is None else hashlib.blake2b(data, digest_size=16).hexdigest()
