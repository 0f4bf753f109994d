"""Conditions that stay open: which way a run goes, and which runs there are to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from optlint.lift.conditions import asks_for_shape, by_default, looks_at_data, plain, says_how
from optlint.lift.expression import Expr
from optlint.model import Span

MAX_PATHS = 40


@dataclass(slots=True)
class Choices:
    """One run's decisions, and the alternatives that it met. The same condition gets the same answer."""

    given: dict[str, bool] = field(default_factory=dict)
    taken: dict[str, bool] = field(default_factory=dict)
    spans: dict[str, Span | None] = field(default_factory=dict)
    on_data: set[str] = field(default_factory=set)  # the conditions that look at data, not at a setting
    passed: dict[str, bool] = field(default_factory=dict)  # what the guards that were passed have settled

    def take(self, condition: Expr, span: Span | None, quietly: bool = False) -> bool:
        """Which way to go. quietly: a question about the library's version has no other way that is worth a run."""
        if condition.op == "not":
            return not self.take(condition.args[0], span, quietly)
        if condition.op == "and":
            return all(self.take(part, span, quietly) for part in condition.args)
        if condition.op == "or":
            return any(self.take(part, span, quietly) for part in condition.args)
        name, positive = plain(condition)
        if name in self.passed and name not in self.taken:
            return self.passed[name] == positive
        if quietly and name not in self.taken and name.startswith("hasattr "):
            return by_default(condition) is not False
        if name not in self.taken:
            self.spans[name] = span
            if looks_at_data(condition) and not says_how(name):
                self.on_data.add(name)
            if name in self.given:
                self.taken[name] = self.given[name]
            elif (known := self.settled(name)) is not None:
                self.taken[name] = known
            else:
                usual = by_default(condition)
                if usual is None:  # the plain way first
                    self.taken[name] = positive and not says_how(name)
                else:
                    self.taken[name] = usual if positive else not usual
        return self.taken[name] == positive

    def pass_by(self, guard: Expr) -> None:
        """``if g is None: continue``: whoever goes on from there is not None."""
        if guard.op == "or":
            for part in guard.args:
                self.pass_by(part)
        elif guard.op == "opaque" and guard.value in ("is None", "is not None"):
            name, positive = plain(guard)
            self.passed[name] = not positive

    def told(self, condition: Expr) -> bool | None:
        """What this run has answered already, if it was asked."""
        name, positive = plain(condition)
        answer = self.taken.get(name)
        return None if answer is None else answer == positive

    def settled(self, name: str) -> bool | None:
        """What is one name has no other: ``opt == "adam"`` is settled where ``opt == "sgd"`` is chosen."""
        subject, value = asked(name)
        if not value:
            return self._among(name)
        known = {
            asked(other)[1] for other, yes in (self.given | self.taken).items() if yes and asked(other)[0] == subject
        }
        return None if not known - {""} else value in known

    def _among(self, name: str) -> bool | None:
        """``kind in [0, 1]`` and ``kind == 3`` do not go together: what is known of one settles the other."""
        answers = self.given | self.taken
        if (several := _AMONG.fullmatch(name)) is not None:
            chosen = [one[2] for one in _answered(_IS, answers, several[1], True)]
            return chosen[0] in several[2].split(", ") if chosen else None
        if (one := _IS.fullmatch(name)) is not None:
            inside = (s[2].split(", ") for s in _answered(_AMONG, answers, one[1], True))
            outside = (s[2].split(", ") for s in _answered(_AMONG, answers, one[1], False))
            if any(one[2] not in values for values in inside) or any(one[2] in values for values in outside):
                return False
        return None


_AMONG = re.compile(r"\{?(.+?)\}? in \((.*)\)")
_IS = re.compile(r"(.+) = (-?\d+)")


def _answered(form: re.Pattern[str], answers: Mapping[str, bool], subject: str, yes: bool) -> Iterator[re.Match[str]]:
    """The questions of one form about one thing that were answered so."""
    found = (form.fullmatch(name) for name, answer in answers.items() if answer == yes)
    return (match for match in found if match is not None and match[1] == subject)


_NAMED = re.compile(r"(.*) ('[^']*'|\"[^\"]*\")")


@lru_cache(maxsize=4096)
def asked(name: str) -> tuple[str, str]:
    """What a condition asks about, and which name it asks for: ``opt 'adam'``; elsewhere the condition, and none."""
    found = _NAMED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def _distance(given: Mapping[str, bool]) -> int:
    """How many things are other than usual: one choice among many names is one thing."""
    return len({asked(name)[0] for name in given})


class Paths:
    """Runs to do: first the usual configuration, then each condition flipped, nearest first."""

    def __init__(self, limit: int = MAX_PATHS) -> None:
        self.queue: list[dict[str, bool]] = [{}]
        self.seen: set[frozenset[tuple[str, bool]]] = {frozenset()}
        self.limit = limit
        self.cut = False
        self.results: dict[frozenset[tuple[str, bool]], object] = {}
        self.usual: frozenset[str] = frozenset()  # the conditions that the usual configuration meets
        self.idle: set[str] = set()  # conditions that made no difference (checks of types and devices)

    def __bool__(self) -> bool:
        return bool(self.queue)

    def next(self) -> Choices:
        self.limit -= 1
        nearest = min(range(len(self.queue)), key=lambda i: _distance(self.queue[i]))
        return Choices(given=self.queue.pop(nearest))

    def learn(self, choices: Choices, result: object = None) -> None:
        """Queue the neighbours of a run that is done. ``result`` tells runs apart that differ in what they lift."""
        given = frozenset(choices.given.items())
        self.results[given] = result
        if not given:
            self.usual = frozenset(choices.taken)
        for condition in given:
            if asked(condition[0])[1]:
                continue  # one of many names: that two of them do nothing says nothing of the next
            same = result is not None and self.results.get(given - {condition}) == result
            if same and not _asks_on(choices, condition[0]) and (len(given) == 1 or condition[0] not in self.usual):
                self.idle.add(condition[0])
        self.queue = [q for q in self.queue if len(q) < 2 or not self.idle & q.keys()]
        asked_for = list(choices.taken.items())
        if not result:  # what hides an update may be a matrix's way, or stand late: from both ends in turn
            ends = zip(reversed(asked_for), asked_for, strict=True)
            asked_for = list(dict.fromkeys(one for both in ends for one in both))
            asked_for.sort(key=lambda one: not asks_for_shape(one[0]))
        for name, value in asked_for:
            if name in choices.given or (choices.given and self.idle & {name, *choices.given}):
                continue
            kept = {k: v for k, v in choices.taken.items() if k in choices.given}
            if Choices(given=kept).settled(name) == value:
                continue  # the other answer does not go together with what is given
            other = kept | {name: not value}
            key = frozenset(other.items())
            if key in self.seen:
                continue
            self.seen.add(key)
            self.queue.append(other)
            if len(self.queue) > self.limit:
                self.cut = True
                farthest = max(range(len(self.queue)), key=lambda i: (_distance(self.queue[i]), i))
                if self.queue.pop(farthest) is other:
                    return


def _asks_on(choices: Choices, name: str) -> bool:
    """The answer only leads to the rest of the question, whose own answer may well make a difference: ``a or b``."""
    rest = (n for n in choices.taken if n != name and n not in choices.given)
    return choices.spans.get(name) is not None and any(choices.spans[n] == choices.spans[name] for n in rest)
