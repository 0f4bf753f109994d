"""Where the paths of an update show each other's findings to be a choice, or the data's, and no mistake."""

from __future__ import annotations

from optlint.diagnose.judge import Judgement
from optlint.fix.verify import Judged, key_of
from optlint.knowledge import find_mistake
from optlint.lift import Recurrence
from optlint.lift.conditions import says_how, says_which
from optlint.lift.recurrence import State


def by_option(recurrence: Recurrence, verdict: Judgement, judged: Judged) -> Judgement:
    """What the user can turn on or off (``if bias_correction:``) is chosen, not forgotten.

    The option leads to what the update would be without its mistakes; one that leads to another optimizer
    (``if amsgrad:``), or to averages of something else, says nothing of this one. What corrects one moment alone is no
    choice beside a path that corrects none.
    """
    pages = [find_mistake(f.code) for f in verdict.findings if f.severity != "note"]
    if not pages or not all(p is not None and p.options.get("optional") for p in pages):
        return verdict
    chosen = verdict.deviation or Judgement("unmatched", verdict.family, subject=verdict.subject)
    codes = {f.code for f in verdict.findings}
    none = all(p is not None and p.options.get("moments") == "all" for p in pages)
    for other, view in judged:
        wrong = view.status == "mistaken" and not codes & {f.code for f in view.findings}  # in some other way
        theirs = [find_mistake(f.code) for f in view.findings]
        wrong = wrong and (none or not all(p is not None and p.options.get("optional") for p in theirs))
        clear = view.status == "matched" and not view.deviates
        if (clear or wrong) and set(other.writes) & set(recurrence.writes):
            shared = recurrence.configuration.keys() & other.configuration.keys()
            turned = [c for c in shared if recurrence.configuration[c] != other.configuration[c]]
            alike = view.family == verdict.family and _gathers_alike(recurrence, other)
            if len(turned) == 1 and not says_how(turned[0]) and alike:
                return chosen
    return verdict


def _gathers_alike(one: Recurrence, other: Recurrence) -> bool:
    """Some state of the one is made in the other of the very same numbers, as far as both know of it."""
    posts = {s.name: repr(s.post) for s in other.states}
    same = [posts[s.name] == repr(s.post) for s in one.states if s.name in posts]
    return not same or any(same)


def keep_lasting(judged: Judged) -> None:
    """What one path alone does against a law is done on purpose: an average that starts over every so many steps, a
    division without an epsilon where the user sets that to 0.

    A path that does without the average (``momentum == 0``) says nothing of whether it lasts.
    """

    def breaks(verdict: Judgement, law: str) -> bool:
        pages = [find_mistake(f.code) for f in verdict.findings]
        return not verdict.convention and any(p is not None and p.options.get("law") == law for p in pages)

    for recurrence, verdict in judged:
        others = [(r, v) for r, v in judged if key_of(r) == key_of(recurrence) and v is not verdict]
        averages = _forgotten(verdict)
        keeping = (v for r, v in others if not averages or any(_keeps(r, a) for a in averages))
        lasts = breaks(verdict, "lasts") and not all(breaks(v, "lasts") for v in keeping)
        with_it = (v for r, v in others if _differs_by_zero(recurrence, r))
        if lasts or (breaks(verdict, "rests") and not all(breaks(v, "rests") for v in with_it)):
            verdict.findings, verdict.status = [], "unmatched"


def _forgotten(verdict: Judgement) -> list[State]:
    """The averages that are there once the mistakes are mended, and not before."""
    if verdict.subject is None:
        return []
    there = {s.name for s in verdict.subject.states}
    mended = [proof.repair.subject for proof in verdict.proofs]
    mended += [verdict.remembering] if verdict.remembering is not None else []
    return [s for subject in mended for s in subject.states if s.name not in there]


def _keeps(recurrence: Recurrence, average: State) -> bool:
    """It has a state of this name, or one that is made in the same lines."""
    return any(
        s.name == average.name or any(a.covers(b) or b.covers(a) for a in average.spans for b in s.spans)
        for s in recurrence.states
    )


def _differs_by_zero(one: Recurrence, other: Recurrence) -> bool:
    """What sets the one path apart is that a setting is 0 there (``if eps != 0``)."""
    mine, theirs = one.configuration, other.configuration
    turned = [c for c in mine.keys() & theirs.keys() if mine[c] != theirs[c]]
    return len(turned) == 1 and turned[0].endswith(" = 0") and mine[turned[0]]


def keep_agreed(recurrence: Recurrence, verdict: Judgement, judged: Judged) -> None:
    """On a path that data chooses, only what every path of the same options shows is the update's mistake."""
    data = recurrence.on_data
    mine = {c: way for c, way in recurrence.configuration.items() if c not in data and not says_which(c)}
    for other, view in judged:
        elsewhere = any(other.configuration.get(c, way) != way for c, way in mine.items())
        beside = other is not recurrence and not elsewhere and set(other.writes) & set(recurrence.writes)
        if beside and view.status != "unmatched":
            codes = {f.code for f in view.findings}
            verdict.findings = [f for f in verdict.findings if f.code in codes]
    if verdict.status == "mistaken" and all(f.severity == "note" for f in verdict.findings):
        verdict.status = "matched"
