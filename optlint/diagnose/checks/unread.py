"""Decay without effect: computed and not read, taken and not read, or of what stays 0."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optlint.diagnose.checks.decay import OWN_DECAY, decay_term, decay_unused
from optlint.diagnose.repairs import Repair, check
from optlint.intent import meant
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Symbol
from optlint.subject import Hyper, Subject

_DECAY = re.compile(r"decay$|^wd$|lambda", re.IGNORECASE)


@check("decay-without-effect")
def decay_without_effect(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The update is the same whatever λ is."""
    yield from decay_unused(subject, page)
    named = meant(subject.recurrence.called)
    if named is None or named.family != "adamw" or decay_term(subject) or np.any(subject.decay):
        return
    around = subject.recurrence.around
    setting = around.takes_unread(_DECAY) if around is not None else ""
    found = _of_what_stays_zero(subject)
    if setting and subject.parameter is not None:
        yield _decayed(subject, page, Symbol(setting), "unread")
    elif found is not None:
        yield _decayed(subject, page, found, "wasted")


def _decayed(subject: Subject, page: MistakePage, setting: Symbol, says: str) -> Repair:
    """w − λ·w beside the step. One that is handed back gets a parameter for that."""
    w = subject.parameter or Symbol("w", kind="role")
    step = subject.step if subject.parameter is not None else ex.op("add", ex.sym(w), subject.step)
    written = replace(subject, parameter=w, step=step)
    right = ex.op("sub", step, ex.op("mul", ex.sym(setting), ex.sym(w)), origin=subject.step.origin)
    hypers = [*(h for h in subject.hypers if h.symbol is not setting), Hyper(setting, "other", OWN_DECAY)]
    made = written.replaced([*subject.posts[:-1], right], hypers=hypers)
    details = {"kind": "written", "says": says}
    return Repair(page.code, made, subject.step, right, root=subject.step, details=details, written=written)


def _of_what_stays_zero(subject: Subject) -> Symbol | None:
    """The λ of λ·u where u is 0 at first, and nothing ever writes it."""
    recurrence, around = subject.recurrence, subject.recurrence.around
    for node in dict.fromkeys(worth.expr for worth in recurrence.worth):
        factors = [f.symbol for f, e in structure.factors(node) if f.op == "sym" and e == 1] if node.op == "mul" else []
        zeros = [s for s in factors if s.initial == ex.const(0) and s not in recurrence.advanced | recurrence.moving]
        decays = [s for s in factors if _DECAY.search(s.name)]
        if zeros and decays and around is not None and not around.is_written_elsewhere(zeros[0].name):
            return decays[0]
    return None
