"""The smallest set of known mistakes that explains the difference from a published optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from optlint.diagnose.proposals import Proposals, from_check
from optlint.diagnose.repairs import Repair
from optlint.diagnose.views import views
from optlint.identify import Match, best, matches, title_of
from optlint.intent import SIMPLE, asked_to_climb, families_in, meant, meant_families, mentioned, speaks_of_descent
from optlint.knowledge import conventions, derived, find_mistake, mistakes
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.moments import known_moments
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.subject import Subject

DEPTH = 3
WIDTH = 80  # partial explanations kept at each depth
TRIES = 1500


@dataclass(slots=True)
class Explanation:
    """``repairs`` together make the update ``match``."""

    repairs: list[Repair]
    match: Match
    others: list[list[Repair]] = field(default_factory=list)

    @property
    def repaired(self) -> Subject:
        return self.repairs[-1].subject


Cites = Callable[[Match], bool]  # whether the code says that it means a published deviation


def ordinary(subject: Subject, families: frozenset[str] | None = None, cites: Cites | None = None) -> Match | None:
    """A published form of certain families where these are given; a deliberate deviation only where it is cited."""
    found = matches(subject, deviations=cites is not None, families=families)
    intended = (m for m in found if not m.variant.deviation or (cites is not None and cites(m)))
    return best(m for m in intended if families is None or m.family in families)


@dataclass(slots=True)
class _Partial:
    """Repairs that do not suffice yet. known: the states that by themselves are published moments now."""

    done: list[Repair]
    subject: Subject
    known: frozenset[Symbol]

    @property
    def strange(self) -> int:
        taking = (s for s in self.subject.states if self.subject.g in s.post.symbols)  # not what only follows another
        return sum(s.old not in self.known for s in taking)


def explain(
    subject: Subject,
    intent: str = "",
    cites: Cites | None = None,
    families: frozenset[str] | None = None,
    depth: int = DEPTH,
) -> Explanation | None:
    """Repair one mistake, then two, then three, until a published optimizer comes out.

    Three mistakes can make almost anything of anything, and so can two where the states are all in order; two count
    only where the code says (``intent``: its names and comments) which optimizer it means. Three count where one of
    them was made twice, or where the update itself is called after the optimizer and two of them put its states in
    order. Once one mistake alone does not explain the update, a state that by itself is a published moment (of the
    optimizer that is meant) stays as it is. families: those that it may turn out to be, if not as its name says; depth:
    mistakes, at most.
    """
    called = meant_families(subject.recurrence.called)
    intended = families or called
    said = families_in(intent)
    descends = intended is not None or speaks_of_descent(intent)
    if intended is not None and intended <= SIMPLE and subject.second:
        intended = None  # it is called after the method that all others are built on
    level = [_Partial([], subject, known_moments(subject, intended))]
    seen: set[tuple[object, ...]] = {_key(subject)}
    named = called is not None and intended is not None
    tries = 0
    proposals = Proposals(intent, families or frozenset())
    for made in range(depth):
        following: list[_Partial] = []
        hits: list[Explanation] = []
        for partial in level:
            last = made == DEPTH - 1
            codes = frozenset(r.code for r in partial.done)
            only = codes if last and (partial.strange or not named) else None
            if made and not partial.strange and not said:  # then only the same slip once more
                only = codes if len(codes) == 1 else frozenset()
            for repair in proposals.of(partial.subject, only):
                alone = _stands_alone(repair)
                if made and (alone or not _follows(partial, repair)):
                    continue
                key = _key(repair.subject)
                if key in seen:
                    continue
                seen.add(key)
                tries += 1
                if tries > TRIES:
                    return _choose(hits, intended or frozenset(), subject.recurrence.beside)
                try:
                    match = ordinary(repair.subject, intended, cites)
                except TooLarge:
                    continue
                if match is not None and not _in_its_family(repair, match):
                    seen.discard(key)  # another page may mean the same repair
                    continue
                if match is not None and last and match.family not in said:
                    continue
                if match is not None and not descends and match.family in SIMPLE:
                    continue
                if match is not None:
                    hits.append(Explanation([*partial.done, repair], match))
                elif not last and not alone:
                    known = known_moments(repair.subject, intended)
                    following.append(_Partial([*partial.done, repair], repair.subject, known))
        if hits:
            return _choose(hits, intended or frozenset(), subject.recurrence.beside)
        level = sorted(following, key=lambda p: p.strange)[:WIDTH]
    return None


def _stands_alone(repair: Repair) -> bool:
    """A page that tells of a choice, which is no part of a longer explanation."""
    page = find_mistake(repair.code)
    return page is not None and bool(page.options.get("alone"))


def _in_its_family(repair: Repair, match: Match) -> bool:
    """A page that says which families it speaks of means nothing by a repair that leads to another one.

    Unless the repair says which: heavy ball with a gradient that is taken ahead is Nesterov's form.
    """
    page = find_mistake(repair.code)
    known = page is None or not page.families or match.family in page.families
    return known or match.family == repair.details.get("family")


def explain_named(subject: Subject, plain: Match) -> Explanation | None:
    """The mistake that makes another published optimizer of the one that the name, or an option, says."""
    named = mentioned(subject.recurrence)
    for page in mistakes():
        families = page.options.get("named_families", page.families)
        if "named" in page.stages and named.intersection(families) and plain.family not in families:
            for repair in from_check(subject, page, "named_check"):
                match = ordinary(repair.subject)
                if match is not None and _in_its_family(repair, match):
                    return Explanation([repair], match)
    return None


def explain_lost(subject: Subject, plain: Match | None, intent: str = "", depth: int = DEPTH) -> Explanation | None:
    """The mistakes that keep a state from being one: what is left of the update may well look like another optimizer.

    Pages with ``when = "lost"``; ``plain`` is what the update equals as it stands. depth: mistakes that are sought
    beside that one.
    """
    kept = plain is not None and bool(plain.form.states)
    called = meant(subject.recurrence.called)
    intended = called.allows | called.core | called.like if called is not None else None
    named = mentioned(subject.recurrence)
    for page in mistakes():
        if "lost" not in page.stages or (kept and not page.options.get("even_matched")):
            continue
        doubtful: list[Repair] = []
        for repair in from_check(subject, page, "lost"):
            match = ordinary(repair.subject)
            if match is None and "certain" in repair.details and (seen := _in_a_view(repair, subject)) is not None:
                repair, match = seen
            simple = match is not None and match.family in SIMPLE
            doubted = simple or (kept and match is not None and match.family not in families_in(intent))
            certain = page.options.get("certain") or repair.details.keys() & {"certain", "idle"}
            sure = bool(named or certain or _named_moment(repair, subject, match))
            if match is not None and doubted and not sure:
                continue  # what else the state is for, nobody knows
            meant_so = intended is None or (match is not None and match.family in intended)
            if match is not None and match.form.states and (meant_so or "certain" in repair.details):
                return Explanation([repair], match)
            if match is None and repair.subject.states and "alone" not in repair.details:
                doubtful.append(repair)
        for repair in doubtful if named and depth else ():
            beside = explain(repair.subject, intent, depth=depth)
            if beside is not None:
                return Explanation([repair, *beside.repairs], beside.match)
    return None


def _in_a_view(repair: Repair, subject: Subject) -> tuple[Repair, Match] | None:
    """The repaired update in a simpler view that is published, and the one as written: its lost states are zero."""
    kept = {s.old for s in subject.states}
    lost: dict[Expr, Expr] = {ex.sym(s.old): ex.const(0) for s in repair.subject.states if s.old not in kept}
    for view in views(repair.subject.recurrence):
        made = prepare(view)
        match = ordinary(made)
        if match is not None and match.form.states and made.gradient is not None:
            written = made.replaced([ex.substitute(p, lost) for p in made.posts])
            return replace(repair, subject=made, written=written), match
    return None


def _named_moment(repair: Repair, subject: Subject, match: Match | None) -> bool:
    """What would be a state is called what the match is: ``momentum_buffer``."""
    kept = {s.old.name for s in subject.states}
    names = " ".join(s.old.name for s in repair.subject.states if s.old.name not in kept)
    return match is not None and match.family in families_in(names)


def in_its_family(subject: Subject, general: Explanation) -> Explanation:
    """The same mistake as the page of one family tells it (``instead_of``), where there is one."""
    for page in mistakes():
        if general.repairs[0].code in page.options.get("instead_of", ()) and len(general.repairs) == 1:
            for repair in from_check(subject, page):
                match = ordinary(repair.subject)
                if match is not None and match.family in page.families:
                    return Explanation([repair], match)
    return general


def explain_forgotten(subject: Subject, plain: Match | None) -> Explanation | None:
    """The mistake by which an update that equals ``plain`` moves nothing: its result is bound to a name and forgotten.

    Pages with ``forgotten``.
    """
    named = meant(subject.recurrence.called)
    if plain is None or (named is not None and not plain.form.states and plain.family not in named.allows | named.core):
        return None  # a plain difference may be anything
    pages = (page for page in mistakes() if "forgotten" in page.stages)
    repairs = (repair for page in pages for repair in from_check(subject, page, "forgotten"))
    found = next(repairs, None)
    return Explanation([found], plain) if found is not None else None


def _follows(partial: _Partial, repair: Repair) -> bool:
    """Whether a repair may come on top of the others."""
    if any(r.code == repair.code and (r.where == repair.where or not r.where) for r in partial.done):
        return False
    if any(_contradict(repair.code, r.code) for r in partial.done):
        return False
    states = zip(partial.subject.states, repair.subject.states, strict=False)
    return not any(before.old in partial.known and before.post != after.post for before, after in states)


def _contradict(one: str, other: str) -> bool:
    """What is missing cannot be there in a wrong form, too."""
    pages = {code: find_mistake(code) for code in (one, other)}
    return any(b in page.options.get("not_with", ()) for page, b in ((pages[one], other), (pages[other], one)) if page)


def _key(subject: Subject) -> tuple[object, ...]:
    return (*subject.posts, *((c.symbol, c.first) for c in subject.clocks))


@derived
def _floors() -> dict[str, str]:
    """Where each published form, by its title, has its ε."""
    found = {title_of(v.family, v): v.epsilon for v in conventions()}
    return found | {title_of("adamw", v): v.epsilon for v in conventions() if v.family == "adam"}


def _choose(hits: list[Explanation], intended: frozenset[str], beside: frozenset[str]) -> Explanation | None:
    """The likeliest explanation. intended: the families that the update's name allows; beside: what others are."""
    if not hits:
        return None

    floors = {_floors()[title] for title in beside & _floors().keys()}

    def rank(hit: Explanation) -> tuple[object, ...]:
        own, special = _of_family(hit, intended) or _is_spoken_of(hit), _of_family(hit, None)
        choice = any(map(_stands_alone, hit.repairs))
        return (
            choice,
            _climbs(hit),
            _floorless(hit),
            not _is_at_hand(hit),
            not own,
            hit.match.title not in beside,
            bool(floors) and hit.match.variant.epsilon not in floors,
            size_of(hit.repairs),
            not special,
            [r.code for r in hit.repairs],
        )

    hits.sort(key=rank)
    first = hits[0]
    codes = {r.code for r in first.repairs}
    others = [
        h
        for h in hits[1:]
        if {r.code for r in h.repairs} != codes
        and _floorless(h) == _floorless(first)
        and not _alike(h.repaired, first.repaired)
    ]
    first.others = [h.repairs for h in others][:3]
    return first


def _alike(one: Subject, other: Subject) -> bool:
    """Two repairs that come out at the same update are the same one, under two names."""
    return np.allclose(one.beginning.step, other.beginning.step, rtol=1e-9, atol=0, equal_nan=True)


def _floorless(explanation: Explanation) -> bool:
    """What comes out has no ε: another explanation is likelier to say where it belongs."""
    return explanation.match.variant.epsilon == "none"


def _is_at_hand(explanation: Explanation) -> bool:
    """The code computes what is missing, and does not use it."""
    pages = (find_mistake(r.code) for r in explanation.repairs)
    told = any("computed" in r.details for r in explanation.repairs)
    return told or any(p is not None and p.options.get("computed") for p in pages)


def _of_family(explanation: Explanation, families: frozenset[str] | None) -> bool:
    """All its mistakes are some family's (of these, where given): that says more than what any update can have."""
    pages = [find_mistake(r.code) for r in explanation.repairs]
    return all(p is not None and p.families and (families is None or families & set(p.families)) for p in pages)


def _is_spoken_of(explanation: Explanation) -> bool:
    """Its pages are asked only where the code speaks of what they concern."""
    pages = [find_mistake(r.code) for r in explanation.repairs]
    return all(p is not None and p.options.get("said") for p in pages)


def _climbs(explanation: Explanation) -> bool:
    """The parameter moves against the step, unless an option asks it to; a step that is only handed back may have
    either sign."""
    recurrence = explanation.repaired.recurrence
    upwards = bool(explanation.match.scale[0] < 0)
    return recurrence.parameter is not None and upwards != bool(asked_to_climb(recurrence))


def size_of(repairs: Iterable[Repair]) -> int:
    """How much the repairs rewrite: less is nearer to what was meant."""
    return sum(abs((r.right.size if r.right else 0) - (r.wrong.size if r.wrong else 0)) for r in repairs)
