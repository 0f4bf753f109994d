"""What looks like a known mistake in an update that is like nothing known: one part of it, mended, is a published one.

A whole that equals no published optimizer, as written or as repaired, confirms nothing, so these findings are shown
only where they are asked for (``--unconfirmed``).
"""

from __future__ import annotations

from collections.abc import Iterator

from optlint.diagnose.proposals import Proposals
from optlint.diagnose.repairs import Repair
from optlint.diagnose.search import size_of
from optlint.knowledge import find_mistake
from optlint.moments import known_moments
from optlint.sandbox.evaluate import TooLarge
from optlint.subject import Subject


def suspected(subject: Subject, intent: str = "") -> list[Repair]:
    """For each state that is no published moment: the smallest known mistake without which it would be one."""
    try:
        known = known_moments(subject)
        found = sorted(_mended(subject, known, intent), key=lambda r: (size_of([r]), r.code))
    except TooLarge:
        return []
    by_state: dict[str, Repair] = {}
    for repair in found:
        by_state.setdefault(repair.where, repair)
    return list(by_state.values())


def _mended(subject: Subject, known: frozenset[object], intent: str) -> Iterator[Repair]:
    """The repairs of one state's equation after which that state is a published moment."""
    for repair in Proposals(intent).of(subject):
        page = find_mistake(repair.code)
        if page is None or page.severity == "note" or page.options.get("alone") or repair.effective is not None:
            continue
        pairs = zip(subject.states, repair.subject.states, strict=False)
        changed = [before.old for before, after in pairs if before.post != after.post]
        same = len(subject.states) == len(repair.subject.states) and subject.step == repair.subject.step
        if same and len(changed) == 1 and changed[0] not in known and changed[0] in known_moments(repair.subject):
            yield repair
