"""One update under two names: the branch for Nesterov's that is momentum's once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optlint.diagnose.checks.nesterov import SAYS, may_look_ahead
from optlint.diagnose.findings import Context
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.diagnose.search import ordinary
from optlint.intent import as_told, families_in
from optlint.knowledge import find_mistake
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.branches import asked
from optlint.lift.recurrence import Recurrence
from optlint.model import Finding
from optlint.settings import Settings
from optlint.subject import Subject

CODE = "OPT505"


def momentum_twice(judged: Sequence[tuple[Recurrence, Judgement]], path: str, settings: Settings) -> Iterator[Finding]:
    """One finding for each branch that a text chooses for Nesterov's step, and that is heavy ball as its neighbour is.

    Nothing else in the file asks for that text, so that nothing else can look ahead for it.
    """
    page = find_mistake(CODE)
    if page is None or page.off:
        return
    for recurrence, verdict in judged:
        subject, chosen = verdict.subject, _chosen(recurrence, "nesterov")
        if chosen is None or verdict.status != "matched" or subject is None or may_look_ahead(recurrence):
            continue
        if recurrence.around is None or recurrence.around.asks_for(SAYS) != 1:
            continue
        mine = (recurrence.name, recurrence.equations())
        if not any((r.name, r.equations()) == mine and _chosen(r, "momentum") == chosen for r, _ in judged):
            continue
        right = _looking_ahead(subject)
        match = ordinary(right) if right is not None else None
        if right is not None and match is not None and match.family == "nesterov":
            repair = Repair(CODE, right, subject.step, right.step, span=recurrence.writes[-1], root=subject.step)
            context = Context(recurrence, subject, path, settings)
            finding = context.beside(page, repair, f"{page.message}, but momentum's once more")
            if finding is not None:
                yield finding


def _chosen(recurrence: Recurrence, family: str) -> str | None:
    """What is asked for a text that speaks of the family, and says it."""
    for option, on in as_told(recurrence):
        what, text = asked(option)
        if on and text and family in families_in(text):
            return what
    return None


def _looking_ahead(subject: Subject) -> Subject | None:
    """The update of one velocity with μ·v' + c·g for v' in its step."""
    if len(subject.states) != 1 or subject.gradient is None or subject.gradient.symbols & subject.moving:
        return None
    state, g = subject.states[0], ex.sym(subject.g)
    kept, taken = structure.slope(state.post, state.old), structure.slope(state.post, subject.g)
    if kept is None or taken is None or subject.g in subject.step.symbols:
        return None
    ahead = ex.op("add", ex.op("mul", kept, ex.sym(state.new)), ex.op("mul", taken, g))
    return subject.replaced([state.post, ex.substitute(subject.step, {ex.sym(state.new): ahead})])
