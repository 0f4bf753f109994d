"""What confirmed a finding: the repair without which the update is not the optimizer that it means to be."""

from __future__ import annotations

from dataclasses import dataclass

from optlint.diagnose.repairs import Repair
from optlint.identify import Match
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.model import Finding
from optlint.subject import Subject


@dataclass(frozen=True, slots=True)
class Proof:
    """A finding with the repair that confirmed it.

    match: what comes out once all are repaired; None where that is like nothing known.
    """

    finding: Finding
    page: MistakePage
    before: Subject
    repair: Repair
    match: Match | None = None
    readings: int = 1  # explanations of the same size


def decays_twice(repair: Repair, match: Match | None) -> bool:
    """A decay in one place of an update that decays its weights already, as a whole: mended, it is not there."""
    effective, w = repair.effective, repair.subject.parameter
    if match is None or effective is None or w is None or w not in effective.symbols or repair.details:
        return False
    return match.decoupled or decays_already(repair.subject)


def decays_already(subject: Subject) -> bool:
    """The gradient that everything reads is g + λ·w, or w shrinks beside the step."""
    w, terms = subject.parameter, structure.terms(subject.gradient) if subject.gradient is not None else []
    decays = [w is not None and ex.sym(w) in [f for f, _ in structure.factors(t)] for _, t in terms]
    return (any(decays) and not all(decays)) or not (subject.reads_parameter or subject.w_slope == ex.const(1))
