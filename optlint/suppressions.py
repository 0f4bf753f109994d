"""Comments that silence findings: ``# noqa: OPT101``, ``# optlint: ignore[OPT101] why`` and their kin.

A comment speaks of the line it stands on. A finding is silenced by one on any line of its statement, of the statements
that it names as related, or of its update. A bare ``# noqa`` is meant for any linter, so it counts on the finding's
own statement only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast

from optlint.comments import Comment, Layout, layout
from optlint.model import Finding, Span, Update
from optlint.selection import UnknownRule, mentioned
from optlint.settings.values import did_you_mean
from optlint.source import Source

if TYPE_CHECKING:
    from optlint.knowledge import MistakePage

Kind = Literal["noqa", "ignore", "file-ignore", "skip-file", "disable", "enable"]
KINDS: tuple[Kind, ...] = ("ignore", "file-ignore", "skip-file", "disable", "enable")

NOQA = re.compile(r"#\s*noqa\b(?P<colon>\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)?)?", re.IGNORECASE)
_OWN = re.compile(r"#\s*optlint\s*:\s*(?P<kind>[\w-]+)[ \t]*(?P<list>\[(?P<codes>[^\]]*)\]?)?", re.IGNORECASE)
_MENTION = re.compile(r"[^\s,]+")
_MAYBE = re.compile(r"noqa|optlint\s*:", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Mention:
    """A rule, or several by their prefix, that a comment speaks of."""

    text: str
    codes: frozenset[str]


@dataclass(slots=True)
class Suppression:
    """One such comment, or one mention of a range's. mentions: None where it speaks of all rules.

    start, end: the columns of its words in the comment's line, with the reason that follows; listed: those of its
    list of rules. lines: what it speaks of. used: the rules that it silenced.
    """

    kind: Kind
    comment: Comment
    cell: int | None
    start: int
    end: int
    listed: tuple[int, int]
    lines: tuple[int, int]
    mentions: tuple[Mention, ...] | None
    used: set[str] = field(default_factory=set)

    @property
    def whole_file(self) -> bool:
        return self.kind in ("file-ignore", "skip-file")

    @property
    def span(self) -> Span:
        return Span(self.comment.line, self.start, self.comment.line, self.end, self.cell)

    def covers(self, code: str) -> bool:
        return self.mentions is None or any(code in mention.codes for mention in self.mentions)


@dataclass(slots=True)
class Suppressions:
    """All that a source's comments say about findings. wrong: words in them that mean nothing, and why."""

    layouts: dict[int | None, Layout] = field(default_factory=dict)
    found: list[Suppression] = field(default_factory=list)
    wrong: list[tuple[Span, str]] = field(default_factory=list)

    @property
    def skip_file(self) -> bool:
        return any(one.kind == "skip-file" for one in self.found)

    def silence(self, finding: Finding, updates: Sequence[Update]) -> bool:
        """Whether a comment silences the finding; every one that does has been of use."""
        if not self.found:
            return False
        cell = finding.span.cell
        own = [self._widened(finding.span)]
        wider = [*own, *(self._widened(span) for span, _ in finding.related if span.cell == cell)]
        wider += [self._widened(u.span) for u in updates if u.name == finding.update and u.span.covers(finding.span)]
        hit = False
        for one in self.found:
            if one.kind == "enable" or not one.covers(finding.code):
                continue
            places = own if one.kind == "noqa" and one.mentions is None else wider
            if one.whole_file or (one.cell == cell and any(_meet(one.lines, place) for place in places)):
                one.used.add(finding.code)
                hit = True
        return hit

    def silences_itself(self, finding: Finding) -> bool:
        """Whether a comment that names the rule silences a finding about comments."""
        return any(
            one.mentions is not None
            and one.kind != "enable"
            and one.covers(finding.code)
            and (one.whole_file or (one.cell == finding.span.cell and _meet(one.lines, _lines(finding.span))))
            for one in self.found
        )

    def _widened(self, span: Span) -> tuple[int, int]:
        """The lines of a span, out to the ends of the statements in which it starts and ends."""
        spread = self.layouts.get(span.cell)
        if spread is None:
            return _lines(span)
        return spread.statement(span.line)[0], spread.statement(span.end_line)[1]


def speaks(source: Source, word: str) -> bool:
    """Whether a word stands anywhere in the source: a quick look before its comments are told from its code."""
    return any(word in unit.text.lower() for unit in source.units)


def suppressions(source: Source, rules: Sequence[MistakePage]) -> Suppressions:
    """Read a source's comments."""
    result = Suppressions()
    for unit in source.units:
        if _MAYBE.search(unit.text):
            spread = result.layouts[unit.cell] = layout(unit.text)
            last = unit.text.count("\n") + 1
            mine = [
                one for comment in spread.comments for one in _read(comment, unit.cell, spread, rules, result.wrong)
            ]
            result.found += _ranges(mine, spread, last)
    return result


def _read(
    comment: Comment, cell: int | None, spread: Layout, rules: Sequence[MistakePage], wrong: list[tuple[Span, str]]
) -> Iterator[Suppression]:
    words = [*NOQA.finditer(comment.text), *_OWN.finditer(comment.text)]
    for word in sorted(words, key=lambda m: m.start()):
        own = word.re is _OWN
        start = comment.column + word.start()
        here = Span(comment.line, start, comment.line, comment.column + word.end(), cell)
        kind: Kind = "noqa"
        if own:
            spelled = word["kind"].lower()
            if spelled not in KINDS:
                hint = did_you_mean(spelled, KINDS)
                if hint or word["list"]:  # else it is prose
                    wrong.append((here, f"'optlint: {word['kind']}' silences nothing{hint}"))
                continue
            kind = cast(Kind, spelled)
            if word["list"] and not word["list"].endswith("]"):
                wrong.append((here, f"the list of rules of 'optlint: {kind}' does not end"))
                continue
        mentions: tuple[Mention, ...] | None = None
        at = comment.column + word.start("codes") if word["codes"] is not None else start
        if word["list"] if own else word["colon"]:
            mentions = tuple(
                _mentions(word["codes"] or "", Span(comment.line, at, comment.line, at, cell), own, rules, wrong)
            )
            if own and not word["codes"].strip():
                wrong.append((here, f"'optlint: {kind}[]' names no rule"))
        rest = comment.text[word.end() :]
        end = comment.column + word.end() + len(rest.partition("#")[0].rstrip())
        listed = (at, at + len(word["codes"] or ""))
        yield Suppression(kind, comment, cell, start, end, listed, _spoken_of(kind, comment, spread), mentions)


def _mentions(
    text: str, place: Span, own: bool, rules: Sequence[MistakePage], wrong: list[tuple[Span, str]]
) -> Iterator[Mention]:
    """The rules that a list names; codes of other tools in a ``noqa`` are theirs."""
    ours = {letters[0] for rule in rules if (letters := _LETTERS.match(rule.code))}
    for part in _MENTION.finditer(text):
        letters = _LETTERS.match(part[0])
        if not own and (letters is None or letters[0].upper() not in ours):
            continue
        try:
            yield Mention(part[0], mentioned(part[0], rules))
        except UnknownRule as error:
            span = replace(place, column=place.column + part.start(), end_column=place.column + part.end())
            wrong.append((span, str(error)))


def _spoken_of(kind: Kind, comment: Comment, spread: Layout) -> tuple[int, int]:
    """The lines that a comment speaks of, but for how far a range goes."""
    line = comment.line
    inside = spread.statement(line) != (line, line)
    if kind == "ignore" and comment.alone and not inside:
        following = spread.following(line)
        if following is not None:
            return line, following[1]
    return line, line


def _ranges(found: list[Suppression], spread: Layout, last: int) -> Iterator[Suppression]:
    """The comments of one unit; each ``disable`` goes to its ``enable``, else to the end of its block."""
    for number, one in enumerate(found):
        if one.kind != "disable":
            yield one
            continue
        block = spread.scope_end(one.comment.line, one.comment.column, last) if one.comment.alone else last
        for mention in [None] if one.mentions is None else one.mentions:
            end = block
            for other in found[number + 1 :]:
                if other.kind == "enable" and other.comment.line <= block and _ends(other, mention):
                    other.used.add("enable")
                    end = other.comment.line
                    break
            mentions = None if mention is None else (mention,)
            yield replace(one, lines=(one.comment.line, end), mentions=mentions, used=set())


def _ends(enable: Suppression, mention: Mention | None) -> bool:
    return enable.mentions is None or (mention is not None and all(enable.covers(code) for code in mention.codes))


def _lines(span: Span) -> tuple[int, int]:
    return span.line, span.end_line


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
