"""What a name says that the code means to be. Names tell intent, never roles."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from optlint.knowledge import NamePattern, name_patterns
from optlint.lift.recurrence import Recurrence

MAX_LINE = 400  # of a line, as much is searched


def speaks_of(pattern: str, text: str) -> bool:
    """Whether a line of the code's names and comments matches a rule's regular expression."""
    sought = re.compile(pattern, re.IGNORECASE)
    return any(sought.search(line[:MAX_LINE]) for line in text.split("\n"))


def meant(name: str) -> NamePattern | None:
    """The published optimizer that a function's or class's name speaks of: the longest mention decides.

    Two mentions of one length (AdagradRMSProp) allow the families of both.
    """
    best: tuple[int, NamePattern] | None = None
    for entry in name_patterns():
        for found in re.finditer(entry.pattern, name[:MAX_LINE], re.IGNORECASE):
            if best is None or len(found[0]) > best[0]:
                best = len(found[0]), entry
            elif len(found[0]) == best[0] and entry.family not in best[1].allows:
                best = best[0], replace(best[1], allows=best[1].allows | entry.allows)
    return None if best is None else best[1]


def mentioned(recurrence: Recurrence) -> frozenset[str]:
    """Every family that an update's name, or an option that is on (``if nesterov:``), speaks of."""
    said = [recurrence.name, *(option for option, on in recurrence.configuration.items() if on)]
    return frozenset(
        entry.family for entry in name_patterns() if any(re.search(entry.pattern, s, re.IGNORECASE) for s in said)
    )


def meant_families(name: str) -> frozenset[str] | None:
    """The families that an update's name allows, or None where it names none."""
    entry = meant(name)
    return None if entry is None else entry.allows


@lru_cache(maxsize=64)
def families_in(text: str) -> frozenset[str]:
    """The families that a stretch of code speaks of, in its names and comments."""
    entries = [e for e in name_patterns() if e.family != "other"]
    return frozenset(e.family for e in entries if re.search(e.pattern, text, re.IGNORECASE))
