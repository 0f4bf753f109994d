"""Which files a run reads: named files, what lies below named directories, standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from optlint.gitignore import IGNORE_FILES, Ignored
from optlint.globs import Globs, globs, under
from optlint.model import Problem
from optlint.settings import ConfigError, Settings
from optlint.settings.layers import CONFIG_NAMES
from optlint.settings.resolve import Resolver

MAX_MEGABYTES = 5
STDIN = "-"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """path: what to open; name: what reports call it; named: the user named this very file."""

    path: str
    name: str
    named: bool = False
    settings: Settings = field(default_factory=Settings, compare=False)


def discover(
    paths: Iterable[str | os.PathLike[str]], stdin_name: str = "<stdin>", resolver: Resolver | None = None
) -> Iterator[FoundFile | Problem]:
    """The files to lint, each once: named ones in the order given, those below a directory in sorted order.

    A configuration file that cannot be used is a problem, and what it speaks of is passed over.
    """
    try:
        here = os.getcwd()
    except OSError as error:
        yield Problem(".", None, f"the working directory cannot be read: {reason(error)}", fatal=True)
        return
    resolver = resolver or Resolver.fixed(Settings())
    seen: set[str] = set()
    broken: set[Problem] = set()
    for given in paths:
        path = os.fspath(given)
        for found in _stdin(stdin_name, here, resolver) if path == STDIN else _discovered(path, resolver):
            if isinstance(found, FoundFile):
                absolute = found.path if found.path == STDIN else os.path.abspath(found.path)
                if absolute in seen:
                    continue
                seen.add(absolute)
            elif found.fatal:
                if found in broken:
                    continue
                broken.add(found)
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


def _stdin(name: str, here: str, resolver: Resolver) -> Iterator[FoundFile | Problem]:
    """Standard input has the settings of the file that it is said to be."""
    place = os.path.join(here, name)
    try:
        settings = resolver.of(os.path.dirname(os.path.abspath(place)))
    except ConfigError as error:
        yield error.problem()
        return
    if not (settings.force_exclude and globs(settings.excluded).holds(place, settings.directory)):
        yield FoundFile(STDIN, name, True, settings)


def _discovered(path: str, resolver: Resolver) -> Iterator[FoundFile | Problem]:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        yield Problem(shown(path), None, reason(error), fatal=True)
        return
    absolute = os.path.abspath(path)
    is_directory = stat.S_ISDIR(mode)
    try:
        settings = resolver.of(absolute if is_directory else os.path.dirname(absolute))
    except ConfigError as error:
        yield error.problem()
        return
    if settings.force_exclude and globs(settings.excluded).holds(absolute, settings.directory):
        return
    if not is_directory:
        yield FoundFile(path, shown(path), True, settings)
        return
    empty = True
    for found in _walked(path, settings, resolver):
        empty = False
        yield found
    if empty:
        name = shown(path)
        yield Problem(name, None, f"no Python files found under {name}")


@dataclass(frozen=True, slots=True)
class _Rules:
    """What decides in a directory whether an entry is wanted."""

    settings: Settings
    excluded: Globs
    included: Globs

    @classmethod
    def of(cls, settings: Settings, top: str) -> _Rules:
        return cls(settings, under(settings.excluded, top), globs(settings.included))

    def wants(self, entry: os.DirEntry[str], is_directory: bool, ignored: Ignored) -> bool:
        if self.excluded.matches(entry.path, is_directory=is_directory):
            return False
        if not is_directory and not (self.included.matches(entry.path) and entry.is_file()):
            return False
        return not (self.settings.respect_gitignore and ignored.matches(entry.path, is_directory))


def _walked(root: str, settings: Settings, resolver: Resolver) -> Iterator[FoundFile | Problem]:
    """Depth first, by name. Links to directories are not followed, so nothing is read twice and no loop exists."""
    prefix = shown(root)
    prefix = "" if prefix == "." else prefix.rstrip("/") + "/"
    top = os.path.abspath(root)
    pending: list[tuple[str, bool, Ignored, _Rules]] = [("", True, Ignored.above(top), _Rules.of(settings, top))]
    while pending:
        relative, is_directory, ignored, rules = pending.pop()
        if not is_directory:
            yield FoundFile(os.path.join(top, relative), prefix + relative, settings=rules.settings)
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
        if relative and any(entry.name in CONFIG_NAMES for entry in entries):
            try:
                settings = resolver.of(directory, {entry.name for entry in entries})
            except ConfigError as error:
                yield error.problem()
                continue
            if settings is not rules.settings:
                rules = _Rules.of(settings, directory)
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if rules.wants(entry, is_directory, ignored):
                pending.append((f"{relative}/{entry.name}".lstrip("/"), is_directory, ignored, rules))
