"""Whether an edited source does what it was edited for: it is lifted and judged again, and compared."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from optlint.diagnose.judge import Judgement, is_published, readings
from optlint.fix.text import edited, overlap
from optlint.fix.values import Values, Worth
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Finding, Span
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.source import Unit
from optlint.subject import Subject

EXACT = 1e-12
_UNKNOWN = "the optimizer is like nothing known: what else is meant, only its author knows"
_PART = "only part of the update's mistakes"

Judged = list[tuple[Recurrence, Judgement]]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trial:
    """What an edited version of a program is judged for.

    key, configuration: the update that the edit concerns, on the path that it mends. clear: this path has to come out
    as a published optimizer, or nothing else need be judged; nor if it is not worth what is expected. mistaken: the
    paths that have several mistakes left, and how many; no more are sought, since one more than before is a reason to
    refuse the edit. known: the updates that there were, where the edit may give its own another key (``for i, (p, g) in
    enumerate(…)``).
    """

    key: Key
    configuration: dict[str, bool]
    clear: bool = False
    mistaken: tuple[tuple[dict[str, bool], int], ...] = ()
    known: frozenset[Key] = frozenset()
    expected: Sequence[Worth] | None = None

    def is_hopeless(self, updates: Iterable[Recurrence]) -> bool:
        """Whether the mended path shows, without a verdict, that the edit does not do what it is for."""
        twins = self.twins(updates)
        if self.clear and not any(map(is_published, twins)):
            return True
        return self.expected is not None and not any(_comes_to(r, self.expected) for r in twins)

    def mine(self, updates: Iterable[Recurrence]) -> list[Recurrence]:
        """The update that the edit concerns, on all its paths."""
        here = [r for r in updates if key_of(r)[0] == self.key[0]]
        same = [r for r in here if key_of(r) == self.key]
        return same or [r for r in here if self.known and key_of(r) not in self.known]

    def twins(self, updates: Iterable[Recurrence]) -> list[Recurrence]:
        """The mended path: an edit may bring in a condition, or take one away; but the branch has to be there still."""
        mine = self.mine(updates)
        same = [r for r in mine if r.configuration == self.configuration]
        return same or [r for r in mine if _agree(self.configuration, r.configuration)]

    def left(self, recurrence: Recurrence) -> int:
        """How many mistakes the update may have left, where they are more than one."""
        return max((n for path, n in self.mistaken if _agree(path, recurrence.configuration)), default=1)


Judge = Callable[[tuple[Unit, ...], Trial], Judged]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an edited source is. exact: it equals the meant optimizer on every probe to the last digits.

    left: findings of the mended kind that the update still has elsewhere. convention: what it is where nothing is left.
    but: why it is not exact.
    """

    good: bool
    exact: bool = False
    left: int = 0
    convention: str = ""
    but: str = ""


def key_of(recurrence: Recurrence) -> Key:
    return recurrence.name, recurrence.parameter.old.name if recurrence.parameter is not None else ""


class Verifier:
    """Judges edited versions of one program."""

    def __init__(self, program: Program, before: Judged, judge: Judge) -> None:
        self.program = program
        self.judge = judge
        self.before = before

    def verify(
        self,
        recurrence: Recurrence,
        expected: Sequence[Worth] | None,
        mended: Sequence[Finding],
        title: str,
        edits: Sequence[Edit],
        shared: bool = False,
    ) -> Verdict:
        """``mended``: the findings that must be gone; ``title``: the update's convention once all are.

        expected: what the update's equations are worth once repaired, where that can be told. shared: the function's
        other updates had the same state, and come right with this one.
        """
        if overlap(edits):
            return Verdict(False)
        units = self._reduced(recurrence, edits)
        if units is None:
            return Verdict(False)
        key = key_of(recurrence)
        trial = self._trial(recurrence, mended, bool(title), shared, expected)
        after = self.judge(units, trial)
        here = trial.mine(r for r, _ in after)
        mine = [(r, v) for r, v in after if any(r is h for h in here)]
        gone, codes = {(f.code, f.span) for f in mended}, {f.code for f in mended}
        if not mine or not self._all_say(after, gone, key, shared) or self._less_clear(mine, key, codes):
            return Verdict(False)
        left = _codes(v for _, v in mine)
        alike = sum(left[code] for code in codes)
        twins = trial.twins(r for r, _ in mine)
        twin = [(r, v) for r, v in mine if any(r is t for t in twins)]
        same_path = (r for r, _ in twin if r.configuration == recurrence.configuration)
        if any(not _beginning(recurrence) <= _beginning(r) for r in same_path):
            return Verdict(False)
        judged = [v for _, v in twin if v.status in ("matched", "mistaken")]
        if any(_starves(recurrence, r, v) for r, v in twin if v in judged):
            return Verdict(False)
        if expected is None and any(_gathering(recurrence) > _gathering(r) for r, v in twin if v in judged):
            return Verdict(False)
        notes = {f.code for f in mended if f.severity == "note"}
        if not judged or any(f.code in notes for v in judged for f in v.findings):
            return Verdict(False)
        if +left:
            clean = [v for v in judged if not _codes([v])]
            if title and clean and all(v.convention != title for v in clean):
                return Verdict(False)  # what is left stands in other branches: this one has become something else
            told = expected is None or any(_is_worth(v.subject, expected) for v in judged)
            return Verdict(told and any(v.family for v in judged), left=alike, but=_PART)
        same = [v for v in judged if v.convention == title] if title else judged
        before = self._paths(key)
        chosen = [r.configuration for r, v in mine if v.status == "unmatched" and v.subject is not None]
        chosen = [new for new in chosen if any(_agree(old, new) for old, _ in before)]
        doubtful = [old for old, v in before if _codes([v]).keys() > codes]
        if not same or not all(any(_agree(old, new) for old in doubtful) for new in chosen):
            return Verdict(False)
        if self._brings_a_state(mine, key) and not all(self._is_meant(code, key, mine) for code in codes):
            return Verdict(False)  # another branch does without it
        told = expected is None or _is_worth(same[0].subject, expected)
        worst = same[0].worst
        but = _PART if chosen else f"it equals that optimizer to {worst:.0e} only" if worst > EXACT else ""
        return Verdict(told, told and not but, convention=same[0].convention, but=but)

    def restores(self, recurrence: Recurrence, mended: Finding, edits: Sequence[Edit]) -> Verdict:
        """Whether the edited update is the one that this one would be if it kept the result that it drops."""
        units = self._reduced(recurrence, edits)
        if units is None or recurrence.kept is None:
            return Verdict(False)
        key = key_of(recurrence)
        after = self.judge(units, self._trial(recurrence, [mended]))
        if not self._all_say(after, {(mended.code, mended.span)}, key):
            return Verdict(False)
        mine = [(r, v) for r, v in after if key_of(r) == key and r.configuration == recurrence.configuration]
        if recurrence.on_parameter:  # no update is seen any more, or one that is kept in bounds
            in_place = all(e.text.endswith("_") for e in edits)
            return Verdict(in_place and not any(r.on_parameter for r, _ in mine), exact=True)
        good = [v for r, v in mine if r.equations() == recurrence.kept.equations()]
        left = _codes(good)[mended.code]
        return Verdict(bool(good), exact=not left, left=left, but=_PART if left else "")

    def obeys(
        self, recurrence: Recurrence, expected: Sequence[Worth] | None, mended: Finding, edits: Sequence[Edit]
    ) -> Verdict:
        """Whether the edited update, of an optimizer that is not known, is the repaired one, which obeys every law."""
        units = self._reduced(recurrence, edits) if expected is not None else None
        if units is None or expected is None:
            return Verdict(False)
        key = key_of(recurrence)
        trial = self._trial(recurrence, [mended], expected=expected)
        after = self.judge(units, trial)
        if not self._all_say(after, {(mended.code, mended.span)}, key):
            return Verdict(False)
        mine = [(r, v) for r, v in after if key_of(r) == key]
        path = trial.twins(r for r, _ in mine)
        told = [not _has(v, {mended.code}) and _is_worth(prepare(r), expected) for r, v in mine if r in path]
        left = _codes(v for _, v in mine)[mended.code]
        return Verdict(bool(told) and all(told), left=left, but=_UNKNOWN)

    def aims(self, recurrence: Recurrence, mended: Sequence[Finding], title: str, edits: Sequence[Edit]) -> Verdict:
        """Whether the same path of the function moves another place now, and is the update that is meant."""
        units = self._reduced(recurrence, edits)
        if units is None or not title:
            return Verdict(False)
        key, known = key_of(recurrence), {key_of(r) for r, _ in self.before}
        after = self.judge(units, self._trial(recurrence, mended))
        still = [(r, v) for r, v in after if key_of(r) in known]
        if any(key_of(r) == key for r, _ in still) or not self._all_say(still, {(f.code, f.span) for f in mended}, key):
            return Verdict(False)
        path = [v for r, v in after if key_of(r) not in known and r.name == recurrence.name]
        good = bool(path) and all(v.convention == title and v.status == "matched" for v in path)
        return Verdict(good, good and path[0].worst <= EXACT, convention=title)

    def _trial(
        self,
        recurrence: Recurrence,
        mended: Sequence[Finding],
        clear: bool = False,
        shared: bool = False,
        expected: Sequence[Worth] | None = None,
    ) -> Trial:
        key = key_of(recurrence)
        gone = {(f.code, f.span) for f in mended}
        left = ((c, len({(p.finding.code, p.finding.span) for p in v.proofs} - gone)) for c, v in self._paths(key))
        known = frozenset(key_of(r) for r, _ in self.before) if shared else frozenset()
        return Trial(key, recurrence.configuration, clear, tuple((c, n) for c, n in left if n > 1), known, expected)

    def _reduced(self, recurrence: Recurrence, edits: Sequence[Edit]) -> tuple[Unit, ...] | None:
        """The edited units, without the blocks that have nothing to do with the edits; None if they do not parse."""
        program = self.program
        touched = {
            index
            for index, (number, block) in enumerate(program.blocks)
            for span in (recurrence.span, *(e.span for e in edits))
            if program.units[number].cell == span.cell and block.line <= span.line <= block.end_line
        }
        kept = program.related(touched)
        units = []
        for number, unit in enumerate(program.units):
            lines = unit.text.split("\n")
            for index, (home, block) in enumerate(program.blocks):
                if home == number and index not in kept:
                    lines[block.line - 1 : block.end_line] = [""] * (block.end_line - block.line + 1)
            made = edited(Unit(unit.cell, "\n".join(lines)), edits)
            if any(e.span.cell == unit.cell for e in edits) and not _parses(made.text):
                return None
            units.append(made)
        return tuple(units)

    def _paths(self, key: Key) -> list[tuple[dict[str, bool], Judgement]]:
        """The update's configurations as they were, with their verdicts."""
        return [(r.configuration, v) for r, v in self.before if key_of(r) == key]

    def _less_clear(self, mine: Judged, key: Key, mended: set[str]) -> bool:
        """Some configuration is like nothing known now, and none that it could have come from was before.

        One that was explained by the mended slip and another one together was not clear.
        """
        before = self._paths(key)
        unclear = [c for c, v in before if v.status == "unmatched" or _codes([v]).keys() > mended]
        now = [r.configuration for r, v in mine if v.status == "unmatched"]
        seen = [new for new in now if any(_agree(old, new) for old, _ in before)]  # others have moved nothing yet
        return any(not any(_agree(old, new) for old in unclear) for new in seen)

    def _all_say(self, after: Judged, gone: set[tuple[str, Span]], mended: Key, shared: bool = False) -> bool:
        """Every update that is left says what it said, except for what is gone.

        In the mended one, what was said of the same slip in another branch may be gone, too, and what stood beside it.
        """
        codes = {code for code, _ in gone}
        alone = {f.code for r, v in self.before for f in v.findings if key_of(r) == mended and not _has(v, codes)}
        now: dict[Key, list[Judgement]] = {}
        for recurrence, verdict in after:
            now.setdefault(key_of(recurrence), []).append(verdict)
        was: dict[Key, list[Judgement]] = {}
        for recurrence, verdict in self.before:
            was.setdefault(key_of(recurrence), []).append(verdict)
        meant = {v.convention for v in was.get(mended, ())} if shared else set()
        for key, verdicts in now.items():
            wrong = key not in was or +_codes(was[key]) or any(v.status == "unmatched" for v in was[key])
            right = all(v.status == "matched" and v.convention in meant and not _codes([v]) for v in verdicts)
            if key[0] == mended[0] and wrong and right:
                continue  # it had the same state, and has come right with the mended one
            if key not in was:
                return False
            says, said = _codes(verdicts), _codes(was[key], gone)
            lost = (said - says).keys() & (alone if key == mended else said.keys())
            if +(says - said) or not all(key == mended and self._is_right_now(code, key, after) for code in lost):
                return False
            if key == mended and self._makes_another(after, mended):
                return False
            same = _codes(was[key]) == _codes(was[key], gone)
            if same and {v.convention for v in verdicts} != {v.convention for v in was[key]}:
                return False
        return True

    def _makes_another(self, after: Judged, key: Key) -> bool:
        """Another way of the same update, a published form of which nothing was said, is a different one now."""
        now = [(r.configuration, v) for r, v in after if key_of(r) == key]
        clear = [(c, v.convention) for c, v in self._paths(key) if v.status == "matched" and not _codes([v])]
        return any(
            same == configuration and verdict.convention not in ("", convention)
            for configuration, convention in clear
            for same, verdict in now
        )

    def _brings_a_state(self, mine: Judged, key: Key) -> bool:
        before = {s.name for r, _ in self.before if key_of(r) == key for s in r.states}
        return any(s.name not in before for r, _ in mine for s in r.states)

    def _is_meant(self, code: str, key: Key, mine: Judged) -> bool:
        """Every branch of which that was said is by now what it was said to have to be, whatever else is said."""
        told = [(r, v) for r, v in self.before if key_of(r) == key and _has(v, {code})]
        return all(
            any(_agree(old.configuration, new.configuration) and now.convention == was.convention for new, now in mine)
            for old, was in told
        )

    def _is_right_now(self, code: str, key: Key, after: Judged) -> bool:
        """Every branch of which that was said is by now what it was said to have to be."""
        told = [(r, v) for r, v in self.before if key_of(r) == key and _has(v, {code})]
        return all(
            any(
                _agree(old.configuration, new.configuration) and now.convention == was.convention and not now.findings
                for new, now in after
                if key_of(new) == key
            )
            for old, was in told
        )


def _starves(before: Recurrence, after: Recurrence, verdict: Judgement) -> bool:
    """What was a state is taken for the gradient now, since what it took in is read no more: ``last[i] = last[i]``."""
    gradient = verdict.subject.gradient if verdict.subject is not None else None
    kept = {s.name for s in before.states}
    if gradient is None or not kept & {s.name for s in gradient.symbols}:
        return False
    read, now = ({s.name for post in r.posts() for s in post.symbols} for r in (before, after))
    return bool(read - kept - now - {s.new.name for s in before.states})


def _gathering(recurrence: Recurrence) -> set[str]:
    """The states that go on from what they hold, and take something in."""
    taken = ((s, structure.rest(s.post, s.old)) for s in recurrence.states if s.old in s.post.symbols)
    return {s.name for s, new in taken if new.symbols}


def _has(judgement: Judgement, codes: set[str]) -> bool:
    return any(f.code in codes for f in judgement.findings)


def _beginning(recurrence: Recurrence) -> Counter[str]:
    """What the first step alone does: a fix of the steps that follow leaves it as it is.

    A state that had not been read may bring its own.
    """
    return Counter(repr(first) for post in recurrence.posts() for first in structure.at_first(post))


def _agree(one: dict[str, bool], other: dict[str, bool]) -> bool:
    return all(other[condition] == way for condition, way in one.items() if condition in other)


def _codes(verdicts: Iterable[Judgement], gone: Collection[tuple[str, Span]] = ()) -> Counter[str]:
    """How often each code stands in different places."""
    places = {(f.code, f.span) for v in verdicts for f in v.findings if f.severity != "note"}
    return Counter(code for code, _ in places - set(gone))


def worths(subject: Subject, posts: Sequence[Expr] | None = None) -> list[Worth]:
    """What a subject's equations (or others in its terms) are worth, by the names of what they read."""
    posts = subject.posts if posts is None else posts
    values = Values(subject, posts)
    return [values.worth(structure.settled(p)) for p in posts]


def _comes_to(recurrence: Recurrence, expected: Sequence[Worth]) -> bool:
    """The update, or a view of it, is worth that."""
    try:
        return any(_is_worth(subject, expected) for subject in (prepare(recurrence), *readings(recurrence)))
    except TooLarge:
        return True


def _is_worth(subject: Subject | None, expected: Sequence[Worth]) -> bool:
    return subject is not None and _alike(worths(subject), expected)


def _alike(mine: Sequence[Worth], expected: Sequence[Worth]) -> bool:
    """The same step and the same states, which another text may compute in another order."""
    return mine[-1:] == expected[-1:] and sorted(mine[:-1]) == sorted(expected[:-1])


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
