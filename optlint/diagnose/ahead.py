"""The look-ahead that one method makes for another one's step: the point where Nesterov's gradient is to be taken.

It may lie elsewhere than momentum alone leads; and where the weights themselves are moved there, the step is to go from
where they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from optlint.diagnose.checks.nesterov import MEANT, Velocity, as_velocity, velocity_of
from optlint.diagnose.findings import Context
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.intent import mentioned
from optlint.knowledge import MistakePage, find_mistake
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Recurrence
from optlint.model import Finding
from optlint.settings import Settings
from optlint.subject import Subject

CODE = "OPT505"


def points_ahead(judged: Sequence[tuple[Recurrence, Judgement]], path: str, settings: Settings) -> Iterator[Finding]:
    """One finding for each point w + μ·v that lacks the rate of the step −η·v', which another method makes."""
    page = find_mistake(CODE)
    if page is None or page.off:
        return
    page = replace(page, meant=MEANT)
    for recurrence, verdict in judged:
        subject = verdict.subject
        if verdict.status != "matched" or subject is None or len(subject.states) != 1 or subject.gradient is None:
            continue
        velocity = velocity_of(subject)
        if velocity is None or not velocity.is_heavy_ball or subject.gradient.symbols & subject.moving:
            continue
        for other, _ in judged:
            far = _point(other, recurrence, velocity)
            if far is not None:
                written, right = _ahead(subject, velocity, far), _ahead(subject, velocity, velocity.ahead)
                span = other.parameter.spans[0] if other.parameter is not None and other.parameter.spans else None
                repair = Repair(CODE, right, far, velocity.ahead, span=span)
                finding = Context(recurrence, written, path, settings).beside(page, repair, page.message)
                if finding is not None:
                    yield finding


def moved_for_good(judged: Sequence[tuple[Recurrence, Judgement]], path: str, settings: Settings) -> Iterator[Finding]:
    """One finding for each parameter that one method moves to w + μ·v, for another to move on by v' from there.

    Under an option of the mover's the finding stands there, else where the step is.
    """
    page = find_mistake(CODE)
    if page is None or page.off:
        return
    page = replace(page, meant=MEANT)
    pairs = list(_moved_before(judged))
    told = {r.parameter.name for r, *_ in pairs if r.parameter is not None and "nesterov" in mentioned(r)}
    for recurrence, velocity, other, far in pairs:
        named = [r for r in (recurrence, other) if "nesterov" in mentioned(r)]
        assert recurrence.parameter is not None
        if not named or (named[0] is other and recurrence.parameter.name in told):
            continue  # nobody speaks of Nesterov, or another step of the class is meant
        context = Context(named[0], velocity.subject, path, settings)
        finding = _twice(page, recurrence, velocity, far, context)
        if finding is not None:
            yield finding


def _moved_before(
    judged: Sequence[tuple[Recurrence, Judgement]],
) -> Iterator[tuple[Recurrence, Velocity, Recurrence, Expr]]:
    """Each heavy ball whose parameter another method has moved ahead by k·v, and nobody back: (it, v, the other, k)."""
    for recurrence, verdict in judged:
        subject = verdict.subject
        if verdict.status != "matched" or subject is None or len(subject.states) != 1 or subject.gradient is None:
            continue
        velocity = as_velocity(subject)
        if velocity is None or not velocity.is_heavy_ball or subject.gradient.symbols & subject.moving:
            continue
        for other, _ in judged:
            far = _point(other, recurrence, velocity, moved=True)
            if far is not None and not _brought_back(recurrence, velocity, other, judged):
                yield recurrence, velocity, other, far


def _brought_back(
    recurrence: Recurrence, velocity: Velocity, other: Recurrence, judged: Sequence[tuple[Recurrence, Judgement]]
) -> bool:
    """A function that is neither of the two, nor makes a step with a gradient, writes the parameter, too.

    Or the step starts from what was kept before.
    """
    assert recurrence.parameter is not None
    if recurrence.around is None or recurrence.from_saved:
        return True
    place, v = recurrence.parameter.name, velocity.state.old.name
    steps = [r for r, _ in judged if r.states or all(s.name != v for s in r.step.symbols)]
    known = [r.around for r in (other, *steps) if r.around is not None]
    return recurrence.around.is_written_elsewhere(place, known)


def _twice(
    page: MistakePage, recurrence: Recurrence, velocity: Velocity, far: Expr, context: Context
) -> Finding | None:
    """The finding for a step from the point ahead, beside the step from where the parameter was."""
    subject = velocity.subject
    assert subject.parameter is not None
    point = ex.op("add", ex.sym(subject.parameter), ex.op("mul", far, ex.sym(velocity.state.old)))
    right = _ahead(subject, velocity, far)
    step = ex.substitute(subject.step, {ex.sym(subject.parameter): point})
    written = right.replaced([*(s.post for s in right.states), step])
    span = next((s for s in context.recurrence.writes), recurrence.span)
    repair = Repair(CODE, right, step, subject.step, span=span)
    context.subject = written
    return context.beside(page, repair, page.message)


def _point(other: Recurrence, recurrence: Recurrence, velocity: Velocity, moved: bool = False) -> Expr | None:
    """k of a point w + k·v that another method of the same class makes, where it is μ without the step's rate.

    moved: where it is as far as it should be, and the parameter itself is there from then on.
    """
    owner, mine = (r.name.partition(".")[0] if "." in r.name else "" for r in (other, recurrence))
    if not owner or owner != mine or other.name == recurrence.name or other.states or other.parameter is None:
        return None
    point, place = other.parameter.post, velocity.state.old.name
    v = next((s for s in point.visible if s.name == place), None)
    own, far = structure.slope(point, other.parameter.old), structure.slope(point, v) if v is not None else None
    if own != ex.const(1) or far is None:
        return None
    subject = velocity.subject
    named = {h.symbol.name: h.symbol for h in subject.hypers}
    far = ex.substitute(far, {ex.sym(s): ex.sym(named[s.name]) for s in far.symbols if s.name in named})
    value, kept = subject.value(far), subject.value(velocity.kept)
    if value is None:
        return None
    as_meant = bool(np.allclose(value, velocity.own, rtol=1e-9, atol=0))
    if moved:
        same = recurrence.parameter is not None and recurrence.parameter.name == other.parameter.name
        return far if as_meant and same and "." in other.parameter.name else None
    if as_meant:
        return None
    return far if np.allclose(value, np.sign(velocity.own) * kept, rtol=1e-9, atol=0) else None


def _ahead(subject: Subject, velocity: Velocity, far: Expr) -> Subject:
    """The update on f(w) = w²/2, whose gradient at the point is that point."""
    assert subject.parameter is not None
    point = ex.op("add", ex.sym(subject.parameter), ex.op("mul", far, ex.sym(velocity.state.old)))
    return subject.replaced([ex.substitute(p, {ex.sym(subject.g): point}) for p in subject.posts])
