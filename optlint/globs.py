"""Patterns for paths, in the notation of .gitignore: each belongs to a directory, and speaks of what lies below it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# A pattern becomes a regular expression that backtracks once more for each wildcard. Ones with more than this
# are no one's habit, and one of seven already takes minutes on a long file name.
MAX_WILDCARDS = 4
MAX_ALTERNATIVES = 50

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_SUFFIX = re.compile(r"\*(?:\.\w+)+")
_WILD = re.compile(r"[*?\[\]!\\{}/#]|^\s|\s$")


class Glob(NamedTuple):
    """``text`` with a slash is anchored at ``base`` (nothing: the working directory), without one it is a name."""

    text: str
    base: str = ""

    @property
    def is_name(self) -> bool:
        return not _WILD.search(self.text)


def tame(text: str) -> bool:
    """Whether a pattern takes a bounded time."""
    return len(re.findall(r"\*+", text)) <= MAX_WILDCARDS


def based(text: str, base: str) -> Glob:
    """A pattern as a user writes it: ``./x`` and absolute paths are anchored, ``../x`` starts one directory higher."""
    turned, text = ("!", text[1:]) if text.startswith("!") else ("", text)
    text = text.replace("\\", "/") if os.sep == "\\" else text
    above = (base or ".").replace(os.sep, "/").rstrip("/") + "/"
    if text.startswith(above) and os.path.isabs(base):
        text = "/" + text[len(above) :]
    elif text.startswith("./"):
        text = text[1:]
    while text.startswith("../"):
        base, text = os.path.dirname(os.path.abspath(base)), text[3:]
        text = text if text.startswith("../") else "/" + text
    return Glob(turned + text, base)


def alternatives(text: str) -> list[str]:
    """``{a,b}`` written out; raises ValueError where that makes too many."""
    found = [text]
    while any(_BRACES.search(t) for t in found):
        found = [
            t[: m.start()] + one + t[m.end() :] for t in found if (m := _BRACES.search(t)) for one in m[1].split(",")
        ]
        if len(found) > MAX_ALTERNATIVES:
            raise ValueError(f"it has more than {MAX_ALTERNATIVES} alternatives")
    return found


def spec(lines: Iterable[str]) -> GitIgnoreSpec:
    """The patterns as one; what cannot be read is passed over, as git does."""
    from pathspec import GitIgnoreSpec

    valid = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # re dislikes "[["
        for line in lines:
            with suppress(ValueError, re.error):
                GitIgnoreSpec.from_lines([line])
                valid.append(line)
        return GitIgnoreSpec.from_lines(valid)


def below(path: str, base: str) -> str | None:
    """The path relative to a directory, with forward slashes; None where it does not lie there."""
    top = os.path.join(os.path.abspath(base), "")
    path = os.path.abspath(path)
    return path[len(top) :].replace(os.sep, "/") if path.startswith(top) else None


class Globs:
    """Several patterns, of which the last that speaks of a path decides (``!`` takes a path out again)."""

    def __init__(self, globs: tuple[Glob, ...]) -> None:
        # Plain names and suffixes are by far the most common, and need no library.
        plain = not any(g.text.startswith("!") for g in globs)
        self._names = frozenset(g.text for g in globs if plain and g.is_name)
        self._suffixes = tuple(g.text[1:] for g in globs if plain and _SUFFIX.fullmatch(g.text))
        wild = (g for g in globs if g.text not in self._names and g.text[1:] not in self._suffixes)
        self._specs = [
            (base, spec(line for g in group for line in alternatives(g.text)))
            for base, group in groupby(wild, key=lambda g: g.base)
        ]

    def matches(self, path: str, *, is_directory: bool = False) -> bool:
        """Whether the path itself is meant, or a directory below the patterns' own that it lies in."""
        name = os.path.basename(path)
        return name in self._names or name.endswith(self._suffixes) or self._by_place(path, is_directory)

    def holds(self, path: str, root: str) -> bool:
        """Whether the path or any directory between it and ``root`` is meant."""
        relative = below(path, root) or os.path.basename(path)
        return not self._names.isdisjoint(relative.split("/")) or self.matches(path)

    def _by_place(self, path: str, is_directory: bool) -> bool:
        found = False
        for base, patterns in self._specs:
            relative = below(path, base)
            if relative:
                verdict = patterns.check_file(relative + "/" if is_directory else relative).include
                found = found if verdict is None else verdict
        return found


@lru_cache(maxsize=256)
def globs(patterns: tuple[Glob, ...]) -> Globs:
    return Globs(patterns)


@lru_cache(maxsize=256)
def under(patterns: tuple[Glob, ...], directory: str) -> Globs:
    """The patterns as they count below a directory that the user names: those that mean itself are left out."""
    return Globs(tuple(g for g in patterns if g.is_name or not Globs((g,)).matches(directory, is_directory=True)))
