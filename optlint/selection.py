"""Which rules count in a file, and how severe their findings are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar, cast

from optlint.globs import globs
from optlint.model import Finding, Severity
from optlint.settings import Settings
from optlint.settings.values import did_you_mean

ALL = "ALL"
_CODE = re.compile(r"([A-Z]+)([0-9]*)")


class Rule(Protocol):
    """What a rule's page has to say here. off: why it is not looked for."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def off(self) -> str: ...


AnyRule = TypeVar("AnyRule", bound=Rule)


class UnknownRule(ValueError):
    pass


def mentioned(mention: str, rules: Iterable[Rule]) -> frozenset[str]:
    """The codes that a code, a prefix of codes, a name or ALL stands for. Raises UnknownRule where it is none."""
    rules = tuple(rules)
    wanted = mention.strip()
    if wanted.upper() == ALL:
        return frozenset(rule.code for rule in rules)
    exact = named(wanted, rules)
    if exact is not None:
        return frozenset({exact.code})
    found: set[str] = set()
    if (prefix := _CODE.fullmatch(wanted.upper())) is not None:
        for rule in rules:
            code = _CODE.fullmatch(rule.code)
            if code is not None and code[1] == prefix[1] and code[2].startswith(prefix[2]):
                found.add(rule.code)
    if not found:
        raise UnknownRule(f"there is no rule {mention!r}{nearest(wanted, rules)}")
    return frozenset(found)


def named(wanted: str, rules: Iterable[AnyRule]) -> AnyRule | None:
    """The rule of that code or name."""
    wanted = wanted.casefold()
    return next((rule for rule in rules if wanted in (rule.code.casefold(), rule.name.casefold())), None)


def nearest(wanted: str, rules: Iterable[Rule]) -> str:
    return did_you_mean(wanted, [name for rule in rules for name in (rule.code, rule.name)])


def specificity(mention: str, rules: Iterable[Rule]) -> int:
    """How specific a mention is: a rule itself is the most, a longer prefix more than a shorter one."""
    if mention.upper() == ALL:
        return 0
    return 1000 if named(mention, rules) is not None else len(mention)


class Chosen:
    """The rules that count under some settings."""

    def __init__(self, settings: Settings, rules: Sequence[Rule]) -> None:
        self.settings = settings
        self.rules = rules
        self.codes = frozenset(self._selected())
        self._severity = dict(self._severities())
        ignores = (*settings.per_file_ignores, *settings.extend_per_file_ignores)
        self._ignored = [(glob, self._codes(mentions)) for glob, mentions in ignores]

    def apply(self, findings: Iterable[Finding], path: str) -> list[Finding]:
        """The findings that count in a file, as severe as the settings want them."""
        codes = self.codes - self.ignored_in(path)
        return [self._judged(finding) for finding in findings if finding.code in codes]

    def ignored_in(self, path: str) -> frozenset[str]:
        """The rules that ``per-file-ignores`` takes out for a file."""
        found: set[str] = set()
        for glob, codes in self._ignored:
            turned = glob.text.startswith("!")
            plain = glob._replace(text=glob.text[1:]) if turned else glob
            if globs((plain,)).holds(path, plain.base) != turned:
                found |= codes
        return frozenset(found)

    def _judged(self, finding: Finding) -> Finding:
        severity = self._severity.get(finding.code, finding.severity)
        return finding if severity == finding.severity else replace(finding, severity=cast(Severity, severity))

    def _codes(self, mentions: Iterable[str]) -> frozenset[str]:
        return frozenset().union(*(mentioned(mention, self.rules) for mention in mentions))

    def _selected(self) -> set[str]:
        """Source by source: a ``select`` starts anew, everything else changes what is there."""
        codes = {rule.code for rule in self.rules if not rule.off}
        for selection in self.settings.selections:
            verdicts: dict[str, bool] = {}
            wanted = [(m, True) for m in (*(selection.select or ()), *selection.extend_select)]
            unwanted = [(m, False) for m in selection.ignore]
            # of equally specific mentions the one that ignores counts
            for mention, verdict in sorted([*wanted, *unwanted], key=lambda w: (self._rank(w[0]), not w[1])):
                verdicts.update(dict.fromkeys(mentioned(mention, self.rules), verdict))
            if selection.select is not None:
                codes.clear()
            codes = (codes | {c for c, v in verdicts.items() if v}) - {c for c, v in verdicts.items() if not v}
        return codes - {rule.code for rule in self.rules if rule.off}

    def _severities(self) -> Iterator[tuple[str, str]]:
        for mention, severity in sorted(self.settings.severity, key=lambda pair: self._rank(pair[0])):
            for code in mentioned(mention, self.rules):
                yield code, severity

    def _rank(self, mention: str) -> int:
        return specificity(mention, self.rules)


def check(settings: Settings, rules: Sequence[Rule]) -> None:
    """Raises UnknownRule where the settings mention a rule that does not exist."""
    for key, mention in settings.mentions():
        try:
            mentioned(mention, rules)
        except UnknownRule as error:
            raise UnknownRule(f"{key}: {error}") from None
