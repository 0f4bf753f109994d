"""One update under several options, compared: what one of them leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from optlint.diagnose.checks.decay import decay_term
from optlint.diagnose.findings import Context
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.identify import best, matches
from optlint.knowledge import find_mistake
from optlint.lift import expression as ex
from optlint.lift.recurrence import Recurrence
from optlint.model import Finding
from optlint.settings import Settings

CODE = "OPT405"
_MOMENTUM = re.compile(r"momentum|(?<![a-z])mu(?![a-z])", re.IGNORECASE)

Judged = tuple[Recurrence, Judgement]


def decay_only_with_momentum(judged: Sequence[Judged], path: str, settings: Settings) -> Iterator[Finding]:
    """The branch without momentum forgets the weight decay that the other one adds to the gradient."""
    page = find_mistake(CODE)
    if page is None or page.off:
        return
    for recurrence, verdict in judged:
        subject = verdict.subject
        if verdict.status != "matched" or subject is None or subject.gradient is None or decay_term(subject):
            continue
        for other, view in judged:
            decayed = view.subject
            found = decay_term(decayed) if decayed is not None and _differ_in_momentum(recurrence, other) else None
            if found is None or decayed is None or decayed.gradient is None or decayed.parameter is None:
                continue
            names = {s.name for p in recurrence.posts() for s in p.symbols}
            if {s.name for s in found[1].symbols - {decayed.parameter}} & names:
                continue  # this branch decays in its own way
            own = {s.name: s for s in subject.gradient.symbols | {subject.parameter} if s is not None}
            meant = ex.substitute(
                decayed.gradient, {ex.sym(s): ex.sym(own[s.name]) for s in decayed.gradient.symbols if s.name in own}
            )
            context = Context(recurrence, subject, path, settings)
            match = best(matches(subject))
            repair = Repair(CODE, subject, subject.gradient, meant, effective=meant, details={"kind": "gradient"})
            finding = context.confirm(page, repair, subject, match) if match is not None else None
            if finding is not None:
                yield finding
                break


def _differ_in_momentum(one: Recurrence, other: Recurrence) -> bool:
    """Two configurations of one update, of which one has no momentum."""
    if one.name != other.name or one.parameter is None or other.parameter is None:
        return False
    shared = one.configuration.keys() & other.configuration.keys()
    turned = [c for c in shared if one.configuration[c] != other.configuration[c]]
    return one.parameter.name == other.parameter.name and len(turned) == 1 and bool(_MOMENTUM.search(turned[0]))
