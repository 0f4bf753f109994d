"""What version control ignores: .gitignore, .ignore and .git/info/exclude, nested ones included."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlint.globs import spec, tame

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = frozenset({".git", ".gitignore", ".ignore"})  # their presence makes a directory worth a look

_SOURCES = (os.path.join(".git", "info", "exclude"), ".gitignore", ".ignore")  # a later one overrules
_MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns in force in a directory: (directory that holds them, patterns), the deepest last."""

    levels: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    @staticmethod
    def above(root: str) -> Ignored:
        """What the directories between a root and the top of its repository say about its content.

        Nothing, where they ignore the root itself: the user who names it wants it read.
        """
        directories = []
        directory = root
        while not os.path.exists(os.path.join(directory, ".git")):
            parent = os.path.dirname(directory)
            if parent == directory:
                return Ignored()  # not in a repository
            directory = parent
            directories.append(parent)
        ignored = Ignored()
        for directory in reversed(directories):
            ignored = ignored.below(directory)
        return Ignored() if ignored.matches(root, True) else ignored

    def below(self, directory: str) -> Ignored:
        """These patterns and the directory's own."""
        lines = [line for source in _SOURCES for line in _lines(os.path.join(directory, source))]
        if not lines:
            return self
        return Ignored((*self.levels, (directory, spec(lines))))

    def matches(self, path: str, is_directory: bool) -> bool:
        """Whether the deepest pattern that speaks of the path ignores it."""
        for directory, patterns in reversed(self.levels):
            relative = path[len(directory) :].replace(os.sep, "/").lstrip("/")
            verdict = patterns.check_file(relative + "/" if is_directory else relative).include
            if verdict is not None:
                return verdict
        return False


def _lines(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return []
    lines = (line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n"))
    return [line for line in lines if line.strip() and tame(line)]
