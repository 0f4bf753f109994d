"""Ways that only a first call takes: what they find missing is what others keep."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optlint.lift import expression as ex
from optlint.lift.recurrence import Recurrence

_MISSING = " is None"
_AT_FIRST = re.compile(r"(.+) = [01]")


def without_beginnings(recurrences: Sequence[Recurrence]) -> list[Recurrence]:
    """``m = 0 if m is None else m``: where m is kept, the way through None is the first step of that, and no other."""
    return [r for r in recurrences if not any(_goes_before(r, other) for other in recurrences if other.name == r.name)]


def _goes_before(first: Recurrence, later: Recurrence) -> bool:
    """Whether a run has found missing, or begins by a count, what another run of the same function keeps."""
    parting = {c: yes for c, yes in first.configuration.items() if later.configuration.get(c) is (not yes)}
    kept = [s.old.name for s in later.states]
    lasting = {s.old.name for s in first.states if s.old in s.post.symbols}  # it shows its later steps, too
    for condition, yes in parting.items():
        place = condition.removesuffix(_MISSING)  # ``if not cache:`` asks the same
        places = {n for n in kept if n == place or n.startswith((place + "[", place + "."))}
        if (place != condition) == yes and places and not places <= lasting:
            return True
        counted = _AT_FIRST.fullmatch(condition)
        fewer = {s.old.name for s in first.states} < set(kept)
        if yes and counted is not None and fewer and _is_time(counted[1], later):
            return True
    return False


def _is_time(name: str, recurrence: Recurrence) -> bool:
    """Stands in an exponent: 1 − βᵗ."""
    powers = (n.args[1] for post in recurrence.posts() for n in ex.walk(post) if n.op == "pow")
    return any(s.name == name for exponent in powers for s in exponent.symbols)
