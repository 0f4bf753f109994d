"""One update's verdict: the convention that it follows, or the mistakes that keep it from one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from optlint.diagnose.caution import without_caution
from optlint.diagnose.checks.direction import is_derivative
from optlint.diagnose.conventions import epsilon_findings
from optlint.diagnose.effect import Effect, effect_of, is_scaled
from optlint.diagnose.findings import Context, at_their_default
from optlint.diagnose.outline import family_of, is_gradient_step, is_scaled_gradient, looks_like_update
from optlint.diagnose.proof import Proof
from optlint.diagnose.repairs import Repair
from optlint.diagnose.restore import Restored, forgotten_average, remember, restore
from optlint.diagnose.search import (
    DEPTH,
    Explanation,
    explain,
    explain_forgotten,
    explain_lost,
    explain_named,
    in_its_family,
    ordinary,
)
from optlint.diagnose.suspicion import suspected
from optlint.diagnose.views import idle_settings, views, without_idle
from optlint.identify import Match, best, matches
from optlint.intent import SIMPLE, meant, meant_families, mentioned
from optlint.knowledge import MistakePage, NamePattern, find_mistake, mistakes
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.recurrence import Recurrence
from optlint.model import Finding, Status
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.settings import Settings
from optlint.subject import Subject

MAX_FINDINGS = 6
MAX_NODES = 10_000  # of an update; those of published ones have some hundreds


@dataclass(slots=True)
class Judgement:
    """deviation: the verdict if the update is meant as the published deviation that it also equals.

    deviates: the convention is itself such a deviation; viewed: it is that of a simpler view of the update.

    subject: the update as it was judged; worst: its largest relative difference from the convention on any probe.
    remembering: the update that keeps what this one forgets, where that is known by a law.
    """

    status: Status
    family: str
    convention: str = ""
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)
    deviation: Judgement | None = None
    subject: Subject | None = None
    proofs: list[Proof] = field(default_factory=list)
    worst: float = 0.0
    deviates: bool = False
    viewed: bool = False
    remembering: Subject | None = None

    @property
    def is_settled(self) -> bool:
        """Several mistakes are no likelier: they may be than a published departure."""
        return self.status != "unmatched" and (self.viewed or not self.deviates)

    @property
    def is_open(self) -> bool:
        """A search for mistakes might tell more."""
        return self.status == "unmatched" or self.deviates or (self.status == "matched" and self.viewed)


def judge(recurrence: Recurrence, path: str, settings: Settings, depth: int = DEPTH) -> Judgement | None:
    """None where the recurrence is no optimizer's update at all.

    depth: the known mistakes that may together keep the update from being a published one; 0: these are not sought.

    An average that starts with the first gradient instead of zero is judged by what it does from then on, and a
    setting that is 0 unless the user sets it may be left out. A cautious step is judged where nothing holds it back.
    What only breaks a law may be a known optimizer's mistake in such a view.
    """
    if recurrence.set_aside and meant(recurrence.called) is None:
        return None  # statistics of gradients, for all that the code says
    if (size := sum(p.size for p in recurrence.posts())) > MAX_NODES:
        return Judgement("unsupported", "other", reason=f"its equations have {size:,} parts")
    recurrence = without_caution(recurrence) or recurrence
    inside = recurrence.within_parameter
    if inside is not None:
        return Judgement(
            "unsupported", "other", reason=f"the state {inside.name} is an element of the parameter itself"
        )
    verdict = _judge(recurrence, path, settings, depth)
    lawless = verdict is not None and verdict.status == "mistaken" and not verdict.convention
    if verdict is None or verdict.status == "unmatched" or lawless:
        wanted = ("mistaken",) if lawless else ("matched", "mistaken")
        simpler = list(views(recurrence))
        departing: Judgement | None = None
        for sought in sorted({0, depth}):
            for view in simpler:
                seen = _judge(view, path, settings, sought)
                if seen is not None and seen.status in wanted and (seen.convention or not lawless):
                    seen.viewed = True
                    if departing is not None and _may_stand_elsewhere(seen):
                        continue
                    if seen.status == "mistaken" or not seen.deviates or view.started is not None:
                        return seen  # averages that begin with their first input need no correction
                    departing = departing or seen
        if departing is not None:
            return departing
    return _without_floor(recurrence, verdict, path, settings) or verdict


def _may_stand_elsewhere(verdict: Judgement) -> bool:
    """All that is missing may be what callers hand in (a corrected step size, beside the moments)."""
    subject = verdict.subject
    if subject is None or any(s.initial is not None or s.name.startswith("self.") for s in subject.states):
        return False  # its own
    data = subject.moving | {subject.g}
    given = any(f.symbols and not f.symbols & data for f, _ in structure.factors(subject.drive))
    pages = [find_mistake(f.code) for f in verdict.findings if f.severity != "note"]
    return given and bool(pages) and all(page is not None and page.options.get("callers") for page in pages)


def _without_floor(
    recurrence: Recurrence, verdict: Judgement | None, path: str, settings: Settings
) -> Judgement | None:
    """The verdict where the one ε of a published form is 0 unless the user sets it: then there is none, beside what
    else is wrong."""
    if verdict is None or not verdict.convention or verdict.subject is None:
        return None
    floors = {h.symbol for h in verdict.subject.hypers if h.role == "epsilon"}
    idle = floors & idle_settings(recurrence)
    view = without_idle(recurrence) if idle and floors <= idle else None
    bare = _judge(view, path, settings, DEPTH) if view is not None else None
    if bare is None:
        return None
    known = {f.code for f in verdict.findings}
    more = [find_mistake(f.code) for f in bare.findings if f.severity != "note" and f.code not in known]
    lost = verdict.status != "matched" and not known <= {f.code for f in bare.findings}
    if lost or not more or not all(p is not None and p.options.get("floor") for p in more):
        return None
    said = f" (as long as {at_their_default(sorted(s.name for s in idle))})"
    bare.findings = [f if f.code in known else replace(f, message=f.message + said) for f in bare.findings]
    return bare


def is_published(recurrence: Recurrence) -> bool:
    """Whether a recurrence equals some published form."""
    try:
        return any(next(matches(subject), None) is not None for subject in readings(recurrence))
    except TooLarge:
        return False


def readings(recurrence: Recurrence) -> Iterator[Subject]:
    """An update as it is judged, and every view of it. Raises TooLarge."""
    bold = without_caution(recurrence) or recurrence
    yield from map(prepare, (bold, *views(bold)))


def _judge(recurrence: Recurrence, path: str, settings: Settings, depth: int) -> Judgement | None:
    try:
        subject = prepare(recurrence)
        found = list(matches(subject))
    except TooLarge as error:
        return Judgement("unsupported", "other", reason=str(error))
    context = Context(recurrence, subject, path, settings)
    prefer = context.preferred
    plain = best([m for m in found if not m.variant.deviation], prefer)
    if recurrence.lost and recurrence.parameter is None:
        gone = forgotten_average(subject) if recurrence.at_home else None
        finding = context.lawless(gone) if gone is not None else None
        return Judgement("mistaken", family_of(subject), findings=[finding]) if finding is not None else None
    if recurrence.lost:
        sized = plain is not None and (is_gradient_step(subject, plain) or is_scaled_gradient(subject, plain))
        stepping = plain is not None and (plain.family != "sgd" or sized)
        forgotten = explain_forgotten(subject, plain) if stepping else None
        return mistaken(context, forgotten, None) if forgotten is not None and recurrence.at_home else None
    sure = recurrence.at_home or any(d.bound for d in recurrence.dropped)  # by whoever has made the state
    if recurrence.as_kept:
        return _as_kept(context, plain) if sure else None
    lost = explain_lost(subject, plain, recurrence.text, depth) if recurrence.at_home else None
    if lost is not None:
        return mistaken(context, in_its_family(subject, lost), None)
    if recurrence.forgetful:
        return None
    dropped = _without_effect(context, plain) if sure else None
    if dropped is not None:
        return dropped
    named = meant(recurrence.called)
    beyond = named if named is not None and not named.modelled else None
    known = beyond.allows | beyond.core if beyond is not None else SIMPLE
    if beyond is not None and plain is not None and plain.family in SIMPLE - known:
        return Judgement("unmatched", beyond.family)  # only a part of it is in sight
    otherwise = explain_named(subject, plain) if plain is not None else None
    if otherwise is not None:
        return mistaken(context, otherwise, None)
    forgetful = remember(subject) if recurrence.at_home else None
    if forgetful is not None and (lawless := context.lawless(forgetful)) is not None:
        verdict = Judgement("mistaken", family_of(subject), findings=[lawless], subject=subject, proofs=context.proofs)
        verdict.remembering = forgetful.repaired
        return verdict
    if plain is not None:
        if plain.family == "sgd" and not is_gradient_step(subject, plain):
            return None
        return matched(context, plain)
    cited = best([m for m in found if context.cites(m)], prefer)
    if cited is not None:
        return matched(context, cited)
    if not looks_like_update(subject):
        return Judgement("unmatched", named.family) if named and subject.states and subject.gradient else None
    try:
        explanation = _explained(context, beyond, depth) if depth else None
    except TooLarge as error:
        return Judgement("unsupported", family_of(subject), reason=str(error))
    deviation = best(found)
    if explanation is None and deviation is not None and deviation.variant.epsilon == "none" and depth:
        # whatever the update is called
        explanation = explain(subject, recurrence.text, context.cites, frozenset({deviation.family}), depth=1)
    if explanation is not None and len({r.code for r in explanation.repairs}) > 1 and _is_published_later(subject):
        explanation = None  # what it does until then is no slip of that one's
    if explanation is not None:
        verdict = mistaken(context, explanation, deviation)
        verdict.deviation = matched(context, deviation) if deviation is not None else None
        return verdict
    if deviation is not None:
        return matched(context, deviation)
    restored = restore(subject) if depth else None
    if restored is not None and (lawless := context.lawless(restored)) is not None:
        beside = _beside(context, restored, beyond, depth)
        if beside is not None:
            return mistaken(context, beside, None)
        return Judgement("mistaken", family_of(subject), findings=[lawless], subject=subject, proofs=context.proofs)
    doubtful = suspected(subject, recurrence.text) if depth and settings.unconfirmed else []
    findings = [finding for repair in doubtful if (finding := context.doubtful(repair)) is not None]
    return Judgement("unmatched", family_of(subject), findings=findings)


def _explained(
    context: Context, beyond: NamePattern | None, depth: int, restored: Subject | None = None
) -> Explanation | None:
    """beyond: the optimizer without equations that the update's name speaks of, of which the core alone is known;
    restored: the update in which one mistake is repaired already."""
    subject, text = restored or context.subject, context.recurrence.text
    if beyond is None:
        return explain(subject, text, context.cites, depth=depth)
    return explain(subject, text, context.cites, beyond.core, depth=1) if beyond.core else None


def _beside(context: Context, restored: Restored, beyond: NamePattern | None, depth: int) -> Explanation | None:
    """The mistakes that explain an update once it obeys the laws again, and the one for which it did not."""
    if restored.written is not context.subject or restored.repair.subject is not restored.repaired:
        return None
    try:
        others = _explained(context, beyond, depth, restored.repaired)
    except TooLarge:
        return None
    return Explanation([restored.repair, *others.repairs], others.match) if others is not None else None


def _as_kept(context: Context, plain: Match | None) -> Judgement | None:
    """The verdict on an update that would be one if the results that nobody takes were kept."""
    subject = context.subject
    effect = effect_of(context.recurrence)
    if effect is None or not effect.dropped.certain:
        return None
    if context.recurrence.on_parameter:
        return _without_effect(context, None)
    adaptive = plain is not None and plain.family not in SIMPLE  # its buffer may hold the step's size
    if not (adaptive or is_scaled(effect.kept)):
        return None
    if not subject.states and not (mentioned(context.recurrence) or is_derivative(subject)):
        return None  # nothing says that it is a step
    families = meant_families(subject.recurrence.called)
    if plain is None or (families is not None and plain.family not in families):
        return _without_effect(context, None) if looks_like_update(subject) else None
    if plain.family == "sgd" and not is_gradient_step(subject, plain):
        return None
    page = _page_of(effect)
    if page is None:
        return None
    details = {"kind": "state"}
    repair = Repair(page.code, subject, span=effect.span, written=effect.written, details=details)
    return mistaken(context, Explanation([repair], plain), None)


def _page_of(effect: Effect) -> MistakePage | None:
    how = "bound" if effect.dropped.bound else "dropped"
    return next((p for p in mistakes() if "effect" in p.stages and p.options["effect"] == how), None)


def _without_effect(context: Context, plain: Match | None) -> Judgement | None:
    """The verdict on an update that would be another one if a result were kept that nobody takes."""
    try:
        effect = effect_of(context.recurrence)
    except TooLarge:
        return None
    page = _page_of(effect) if effect is not None else None
    if effect is None or not effect.dropped.certain or page is None:
        return None
    finding = context.without_effect(page, effect)
    if finding is None:
        return None
    if plain is not None:
        apart = Context(context.recurrence, context.subject, context.path, context.settings)
        told = matched(apart, plain)
        if any(f.span == finding.span for f in told.findings):  # another page says more of it
            return told
    family = plain.family if plain is not None else family_of(context.subject)
    return Judgement("mistaken", family, findings=[finding], subject=context.subject, proofs=context.proofs)


def _is_published_later(subject: Subject) -> bool:
    """The step goes one way up to some time and another way from then on, and one of the two is a published one."""
    data = subject.moving | {subject.g, subject.parameter}
    turns = [n for n in ex.walk(subject.step) if n.op == "where" and not n.args[0].symbols & data]
    sides = (ex.replace_node(subject.step, turn, side) for turn in turns[:1] for side in turn.args[1:])
    return any(ordinary(subject.replaced([*subject.posts[:-1], side])) is not None for side in sides)


def matched(context: Context, match: Match) -> Judgement:
    findings = [*context.extra(context.subject, match), *epsilon_findings(context, match)]
    status: Status = "mistaken" if any(f.severity != "note" for f in findings) else "matched"
    proofs = context.proofs
    deviates = bool(match.variant.deviation)
    return Judgement(
        status, match.family, match.title, "", findings, None, context.subject, proofs, match.worst, deviates
    )


def mistaken(context: Context, explanation: Explanation, reading: Match | None) -> Judgement:
    match = explanation.match
    wanted = bool(match.variant.deviation)  # the code cites it
    found = matches(explanation.repaired, deviations=wanted)
    alike = [m for m in found if m.family == match.family and bool(m.variant.deviation) == wanted]
    match = best(alike, context.preferred) or match
    findings: list[Finding] = []
    before = context.subject
    for repair in explanation.repairs:
        page = find_mistake(repair.code)
        if page is None:
            continue
        finding = context.finding(page, repair, before, explanation, match, reading)
        if finding is not None:
            findings.append(finding)
        before = repair.subject
    findings.extend(context.extra(explanation.repaired, match))
    if not findings:
        return Judgement("unmatched", match.family, match.title)
    status: Status = "mistaken" if any(f.severity != "note" for f in findings) else "matched"
    kept = findings[:MAX_FINDINGS]
    return Judgement(status, match.family, match.title, "", kept, None, context.subject, context.proofs)
