"""What a name says that the code means to be. Names tell intent, never roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from optlint.knowledge import NamePattern, name_patterns
from optlint.lift.recurrence import Recurrence

SIMPLE = frozenset({"sgd", "momentum", "nesterov"})
_DESCENT = re.compile(r"momentum|grad|sgd|loss|learn|(?<![a-z])lr(?![a-z])", re.IGNORECASE)
_STEP_SIZE = re.compile(r"(?<![a-z])(?:lr|eta|learning_?rate|step_?size)(?![a-z])", re.IGNORECASE)
_DECAY = re.compile(r"decay|lambda|\blam|lmbda|\breg|_reg|l2|\bwd\b|penalty", re.IGNORECASE)
_CLIMB, _DESCEND = re.compile(r"maximi[sz]e?", re.IGNORECASE), re.compile(r"minimi[sz]e?", re.IGNORECASE)
_NO = re.compile(r" = (?:0|False)$")
MAX_LINE = 400  # of a line, as much is searched


@lru_cache(maxsize=256)
def speaks_of(pattern: str, text: str) -> bool:
    """Whether a line of the code's names and comments matches a rule's regular expression."""
    sought = re.compile(pattern, re.IGNORECASE)
    return any(sought.search(line[:MAX_LINE]) for line in text.split("\n"))


def meant(name: str) -> NamePattern | None:
    """The published optimizer that a function's or class's name speaks of, of the longest mention.

    A mention inside a longer one does not count (Adam in AdamW). Several beside each other allow the families of all
    (AdagradRMSProp); momentum and plain descent only qualify another optimizer (RMSpropMomentum).
    """
    name = name[:MAX_LINE]
    found = [(m.span(), entry) for entry in name_patterns() for m in re.finditer(entry.pattern, name, re.IGNORECASE)]
    apart = [(span, entry) for span, entry in found if not any(_inside(span, other) for other, _ in found)]
    if not apart:
        return None
    _, best = max(apart, key=lambda f: (f[1].family not in SIMPLE, f[0][1] - f[0][0]))
    return replace(best, allows=best.allows.union(*(entry.allows for _, entry in apart)))


def speaks_of_descent(text: str) -> bool:
    """Whether the code says that it minimises something. What only looks like momentum may be a ball, or a swing."""
    return any(_DESCENT.search(line[:MAX_LINE]) for line in text.split("\n"))


def is_called_step_size(name: str) -> bool:
    return bool(_STEP_SIZE.search(name[:MAX_LINE]))


def is_called_decay(name: str) -> bool:
    return bool(_DECAY.search(name[:MAX_LINE]))


def asked_to_climb(recurrence: Recurrence) -> bool | None:
    """Whether this path of the update is that of an option to maximise; None where there is no such option."""
    for option, on in recurrence.configuration.items():
        if " " not in option and _CLIMB.search(option):
            return on
        if " " not in option and _DESCEND.search(option):
            return not on
    return None


def without_that_option(text: str) -> str:
    """The text without its mentions of maximising, which speak of the option alone."""
    return _CLIMB.sub("", text)


def _inside(one: tuple[int, int], other: tuple[int, int]) -> bool:
    overlap = one[0] < other[1] and other[0] < one[1]
    return overlap and one[1] - one[0] < other[1] - other[0]


def as_told(recurrence: Recurrence) -> Iterator[tuple[str, bool]]:
    """A path's options, each without its comparison with what is no: ``nesterov = 0`` off is ``nesterov`` on."""
    for option, on in recurrence.configuration.items():
        plain = _NO.sub("", option)
        yield plain, on is (plain == option)


def mentioned(recurrence: Recurrence) -> frozenset[str]:
    """Every family that an update's name, or an option that is on (``if nesterov:``), speaks of."""
    said = [recurrence.called, *(option for option, on in as_told(recurrence) if on)]
    return frozenset(
        entry.family for entry in name_patterns() if any(re.search(entry.pattern, s, re.IGNORECASE) for s in said)
    )


def meant_families(name: str) -> frozenset[str] | None:
    """The families that an update's name allows, and those that it is like, or None where it names none."""
    entry = meant(name)
    return None if entry is None else entry.allows | entry.like


@lru_cache(maxsize=64)
def families_in(text: str) -> frozenset[str]:
    """The families that a stretch of code speaks of, in its names and comments."""
    entries = [e for e in name_patterns() if e.family != "other"]
    return frozenset(e.family for e in entries if re.search(e.pattern, text, re.IGNORECASE))
