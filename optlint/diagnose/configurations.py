"""One update under several options, compared: what one of them leaves out, or turns round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from optlint.diagnose.checks.correction import with_maximum_corrected
from optlint.diagnose.checks.decay import decay_term
from optlint.diagnose.checks.direction import turned_round
from optlint.diagnose.findings import Context
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.diagnose.search import ordinary
from optlint.identify import Match, best, matches
from optlint.intent import meant_families
from optlint.knowledge import find_mistake
from optlint.lift import expression as ex
from optlint.lift.branches import asked
from optlint.lift.places import is_called_momentum
from optlint.lift.recurrence import Recurrence
from optlint.model import Finding
from optlint.settings import Settings

CODE = "OPT405"
CLIMBS = "OPT501"
UNCORRECTED = "OPT302"

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
    return one.parameter.name == other.parameter.name and len(turned) == 1 and is_called_momentum(turned[0])


def climbs_alone(judged: Sequence[Judged], path: str, settings: Settings) -> Iterator[Finding]:
    """The optimizer that adds what another one of the same function subtracts from the same parameter."""
    page = find_mistake(CLIMBS)
    if page is None or page.off:
        return
    page = replace(page, message=page.options.get("opposed", page.message))
    ways: dict[tuple[str, ...], list[tuple[Recurrence, Judgement, Match]]] = {}
    for recurrence, verdict in judged:
        subject = verdict.subject
        if verdict.status != "matched" or subject is None or recurrence.parameter is None or subject.gradient is None:
            continue
        match = best(matches(subject))
        if match is not None:
            key = (recurrence.name, recurrence.parameter.name, repr(subject.gradient))
            ways.setdefault(key, []).append((recurrence, verdict, match))
    for updates in ways.values():
        down = [r for r, _, match in updates if match.scale[0] > 0]
        for recurrence, verdict, match in updates:
            subject = verdict.subject
            if match.scale[0] > 0 or subject is None or not any(_is_of_another(recurrence, r) for r in down):
                continue
            context = Context(recurrence, subject, path, settings)
            if context.is_ruled_out(page):
                continue
            for repair in turned_round(subject, page):
                finding = context.confirm(page, repair, subject, match)
                if finding is not None:
                    yield finding


def _is_of_another(one: Recurrence, other: Recurrence) -> bool:
    """Two configurations that only the name of an optimizer tells apart (``opt == "adam"``)."""
    shared = one.configuration.keys() & other.configuration.keys()
    turned = [asked(c)[1] for c in shared if one.configuration[c] != other.configuration[c]]
    return bool(turned) and all(name and meant_families(name) is not None for name in turned)


def corrected_on_another_path(judged: Sequence[Judged], path: str, settings: Settings) -> Iterator[Finding]:
    """AMSGrad with m corrected alone, beside a path that corrects both: published as such, but not what is meant here.

    ``v_hat = v_max if amsgrad else v / (1 - beta2**t)``
    """
    page = find_mistake(UNCORRECTED)
    if page is None or page.off:
        return
    page = replace(page, message=page.options.get("path", page.message))
    whole = [r for r, v in judged if v.status == "matched" and v.family in ("adam", "adamw") and not v.deviates]
    for recurrence, verdict in judged:
        subject = verdict.subject
        if verdict.status != "matched" or verdict.family != "amsgrad" or subject is None:
            continue
        made = with_maximum_corrected(subject)
        match, right = best(matches(subject)), ordinary(made) if made is not None else None
        if made is None or match is None or right is None or not any(_differ_once(recurrence, r) for r in whole):
            continue
        context = Context(recurrence, subject, path, settings)
        repair = Repair(UNCORRECTED, made, subject.step, made.step, root=subject.step)
        finding = context.confirm(page, repair, subject, match)
        if finding is not None:
            yield finding


def _differ_once(one: Recurrence, other: Recurrence) -> bool:
    """Two configurations of one update that one option tells apart."""
    shared = one.configuration.keys() & other.configuration.keys()
    turned = [c for c in shared if one.configuration[c] != other.configuration[c]]
    return one.name == other.name and set(one.writes) == set(other.writes) and len(turned) == 1
