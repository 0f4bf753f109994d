"""Reports of files that have not changed since: a folder with one JSON file for each report.

An entry is found by what its report follows from: the file's content, name and settings, optlint itself and the
project's own rules. It is data and nothing else, and is read as such: what does not have the exact form is no entry.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from optlint.globs import Glob
from optlint.model import Report
from optlint.modules import unchanged
from optlint.settings.options import Settings, options

if TYPE_CHECKING:
    from optlint.files import FoundFile

FOLDER = ".optlint_cache"
KEPT = 30 * 86_400  # seconds for which an entry stays that nobody reads
MAX_BYTES = 20_000_000
FILES = {
    ".gitignore": b"# Made by optlint.\n*\n",
    "CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n# This is a cache of optlint.\n",
}
_DAY = 86_400
_ENTRY = re.compile(r"[0-9a-f]{40}\.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the report on one file is kept, whether it is there or not."""

    cache: Cache
    folder: str
    key: str
    found: FoundFile
    data: bytes

    def read(self) -> Report | None:
        """The report, or None where there is none that can be used."""
        path = self._path
        try:
            with open(path, "rb") as stream:
                text = stream.read(MAX_BYTES)
            if time.time() - os.stat(path).st_mtime > _DAY:
                os.utime(path)
        except (OSError, ValueError):
            return None
        from optlint.records import decoded

        report = decoded(text, self.found.name)
        if report is None or not unchanged(report.beside):
            return None
        if not report.findings:
            return report
        from optlint.source import SourceError, read_source

        try:  # the lines are the file's own
            return replace(report, texts=read_source(self.found.name, self.data).texts())
        except SourceError:
            return None

    def write(self, report: Report) -> None:
        """Keep a report, unless it tells of what may be otherwise the next time."""
        if any(problem.trace for problem in report.problems) or not self.cache.opens(self.folder):
            return
        from optlint.records import encoded

        beside = os.path.join(self.folder, f"{self.key}.{os.getpid()}.tmp")
        try:
            with open(beside, "xb") as stream:
                stream.write(encoded(report))
            os.replace(beside, self._path)  # a link of this name is replaced, not followed
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            self.cache.gives_up(self.folder, error)

    @property
    def _path(self) -> str:
        return os.path.join(self.folder, f"{self.key}.json")


class Cache:
    """The caches of a run: each file's lies beside its configuration, or where that says.

    ``warn`` is called with a line for each folder that cannot be written to.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._folders: dict[str, bool] = {}  # those that were written to, and whether that works

    def entry(self, found: FoundFile, data: bytes) -> Entry:
        settings = found.settings
        folder = settings.cache_dir or os.path.join(settings.directory or os.getcwd(), FOLDER)
        return Entry(self, os.path.abspath(folder), _key(found, data), found, data)

    def opens(self, folder: str) -> bool:
        """Make the folder where it is not there; False where it cannot be written to, which is told once."""
        if folder not in self._folders:
            self._folders[folder] = True
            try:
                os.makedirs(folder, exist_ok=True)
                for name, content in FILES.items():
                    with contextlib.suppress(FileExistsError), open(os.path.join(folder, name), "xb") as stream:
                        stream.write(content)
            except OSError as error:
                self.gives_up(folder, error)
        return self._folders[folder]

    def gives_up(self, folder: str, error: OSError) -> None:
        if self._folders.get(folder):
            from optlint.files import reason, shown

            self._folders[folder] = False
            self._warn(f"{shown(folder)}: the cache cannot be written: {reason(error)}")

    def close(self) -> None:
        """Drop the entries that nobody has read for a month, where something was written."""
        now = time.time()
        for folder in (folder for folder, works in self._folders.items() if works):
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    ours = _ENTRY.fullmatch(entry.name) or entry.name.endswith(".tmp")
                    if ours and now - entry.stat(follow_symlinks=False).st_mtime > KEPT:
                        os.unlink(entry.path)


def _key(found: FoundFile, data: bytes) -> str:
    """All that a file's report follows from."""
    told = [found.name, *_said(found.settings, os.path.abspath(found.path))]
    digest = hashlib.blake2b(_tool(), digest_size=20)
    for text in told:
        part = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(part) + part)
    for path in _own_rules(found.settings.rules):
        digest.update(_digest([path]))
    digest.update(data)
    return digest.hexdigest()


def _said(settings: Settings, path: str) -> list[str]:
    """The settings that change what is found in a file. A pattern's folder counts by where the file lies below it."""

    def plain(value: object) -> object:
        if isinstance(value, Glob):
            return value.text, _relative(path, value.base or os.curdir)
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        return value

    named = {name: getattr(settings, name) for name, option in options().items() if not option.aside}
    named.pop("rules")  # their content counts
    return [repr(plain(list(named.items()))), repr(plain(settings.beneath))]


def _relative(path: str, base: str) -> str:
    try:
        return os.path.relpath(path, base)
    except ValueError:  # another drive
        return f"{path} {base}"


def _own_rules(rules: tuple[str, ...]) -> Iterable[str]:
    if not rules:
        return ()
    from pathlib import Path

    from optlint.ownrules import files_of

    return [str(path) for rule in rules for path in files_of(Path(rule))]


@lru_cache(maxsize=1)
def _tool() -> bytes:
    """What optlint itself is: its code and rules, and what they run on."""
    from importlib.metadata import version
    from pathlib import Path

    here = Path(__file__).resolve().parent
    inside = here / "rules"
    files = [*here.rglob("*.py"), *(inside if inside.is_dir() else here.parent / "rules").rglob("*.*")]
    names = [f"{name} {version(name)}" for name in ("libcst", "numpy")]
    return _digest(sorted(map(str, files))) + repr((sys.version_info, names)).encode()


def _digest(paths: Iterable[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=20)
    for path in paths:
        with open(path, "rb") as stream:
            content = stream.read()
        digest.update(f"{os.path.basename(path)}\0{len(content)}\0".encode("utf-8", "surrogatepass") + content)
    return digest.digest()
