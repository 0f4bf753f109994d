"""A baseline: the findings that a project knows of and lives with for now, so that new ones stand out.

A finding is known by its file, its rule, its update's name and its line's text, and by how often there is one like it.
So it is known wherever it moves to, and one more of the kind is new. A run never adds to the file by itself.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from optlint import atomic
from optlint.model import Finding, Report
from optlint.report.common import line_at
from optlint.report.identity import digest, parts
from optlint.settings import ConfigError

if TYPE_CHECKING:
    from optlint.settings.resolve import Resolver

VERSION = 1
MAX_BYTES = 50_000_000


class Kind(NamedTuple):
    """What findings of one kind share, in one file. place: their identity, which the line's number is no part of."""

    code: str
    update: str
    place: str


Counts = Counter[Kind]


@dataclass(slots=True)
class Baseline:
    """path: the file; counts: by the path of a linted file, relative to the baseline's folder, its known findings."""

    path: str
    counts: dict[str, Counts] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """The path of a linted file as it stands in the baseline."""
        here = os.path.dirname(os.path.abspath(self.path))
        try:
            return os.path.relpath(os.path.abspath(name), here).replace(os.sep, "/")
        except ValueError:  # another drive
            return name

    def of(self, name: str) -> Counts:
        return self.counts.get(self.key(name), Counter())

    def divided(self, report: Report) -> Report:
        """The report with the known findings set apart."""
        new: list[Finding] = []
        known: list[Finding] = []
        for finding, is_known in told_apart(report, self.of):
            (known if is_known else new).append(finding)
        return replace(report, findings=tuple(new), known=tuple(known))

    def gone(self, report: Report, could: Callable[[str, str], bool]) -> dict[str, Counts]:
        """What the baseline holds and a run did not find. could: whether it could have, by path and code."""
        found = counted([*report.findings, *(report.known or ())], report, self.key)
        unread = {self.key(problem.path) for problem in report.problems}
        left: dict[str, Counts] = {}
        for path, counts in self.counts.items():
            if path not in unread:
                gone = counts - found.get(path, Counter())
                kinds = {kind: count for kind, count in gone.items() if could(path, kind.code)}
                if kinds:
                    left[path] = Counter(kinds)
        return left

    def renewed(self, report: Report, gone: dict[str, Counts]) -> Baseline:
        """The baseline of what a run found, and of what it did not look for."""
        counts: dict[str, Counts] = {path: counts - gone.get(path, Counter()) for path, counts in self.counts.items()}
        for path, found in counted([*report.findings, *(report.known or ())], report, self.key).items():
            counts[path] = counts.get(path, Counter()) | found
        return Baseline(self.path, counts)

    @property
    def total(self) -> int:
        return sum(counts.total() for counts in self.counts.values())

    def write(self) -> None:
        """Raises ConfigError where the file cannot be written."""
        findings = [
            {"path": path, **kind._asdict(), "count": count}
            for path, counts in sorted(self.counts.items())
            for kind, count in sorted(counts.items())
        ]
        rows = ",\n".join(f"    {json.dumps(finding)}" for finding in findings)
        text = f'{{\n  "version": {VERSION},\n  "findings": [{f"{chr(10)}{rows}{chr(10)}  " if rows else ""}]\n}}\n'
        try:
            atomic.write(self.path, text.encode("ascii"))
        except (OSError, ValueError) as error:
            from optlint.files import reason, shown

            raise ConfigError(shown(self.path), None, f"the baseline cannot be written: {reason(error)}") from None


def looked_for(baseline: Baseline, read: Collection[str], resolver: Resolver) -> Callable[[str, str], bool]:
    """Whether a run could have found what the baseline tells of a path and a code.

    ``read``: the files that the run read. What is in a file that is gone cannot be found any more, and so it was.
    """
    from optlint.knowledge import knowledge_of
    from optlint.selection import Chosen

    folder = os.path.dirname(os.path.abspath(baseline.path))
    names = {os.path.abspath(name): name for name in read}

    @lru_cache(maxsize=1)
    def silent(file: str) -> Collection[str]:
        settings = resolver.of(os.path.dirname(file))
        rules = knowledge_of(settings.rules).mistakes
        chosen = Chosen(settings, rules)
        return {page.code for page in rules} - (chosen.codes - chosen.ignored_in(names[file]))

    def could(path: str, code: str) -> bool:
        file = os.path.abspath(os.path.join(folder, path))
        return code not in silent(file) if file in names else not os.path.exists(file)

    return could


def told_apart(report: Report, known: Callable[[str], Counts]) -> Iterator[tuple[Finding, bool]]:
    """Each finding of a report, and whether it is known: of several of one kind, as many as the baseline counts."""
    left: dict[str, Counts] = {}
    for finding in report.findings:
        counts = left.setdefault(finding.path, Counter(known(finding.path)))
        kind = kind_of(finding, report)
        counts[kind] -= 1
        yield finding, counts[kind] >= 0


def counted(findings: Iterable[Finding], report: Report, key: Callable[[str], str]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for finding in findings:
        found.setdefault(key(finding.path), Counter())[kind_of(finding, report)] += 1
    return found


def kind_of(finding: Finding, report: Report) -> Kind:
    line = line_at(report, finding.path, finding.span.cell, finding.span.line) or ""
    return Kind(finding.code, finding.update, digest(*parts(finding, line))[:16])


def read(path: str, *, missing: bool = False) -> Baseline:
    """A baseline's file; an empty one where ``missing`` is allowed. Raises ConfigError."""
    from optlint.files import reason, shown

    name = shown(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES)
    except FileNotFoundError as error:
        if missing:
            return Baseline(path)
        raise ConfigError(
            name, None, f"the baseline cannot be read: {reason(error)}; --write-baseline makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(name, None, f"the baseline cannot be read: {reason(error)}") from None
    try:
        document = json.loads(data)
    except json.JSONDecodeError as error:
        raise ConfigError(name, error.lineno, f"the baseline is not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise ConfigError(name, None, "the baseline is not valid JSON") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ConfigError(name, None, f"this is no baseline of optlint: there is no version {VERSION}")
    baseline = Baseline(path)
    entries = document.get("findings")
    if not isinstance(entries, list):
        raise ConfigError(name, None, "this is no baseline of optlint: there are no findings")
    for number, entry in enumerate(entries, start=1):
        fault = _fault(entry)
        if fault:
            raise ConfigError(name, None, f"finding {number} of the baseline: {fault}")
        kind = Kind(*(entry[key] for key in Kind._fields))
        baseline.counts.setdefault(entry["path"], Counter())[kind] += entry["count"]
    return baseline


def _fault(entry: object) -> str | None:
    texts: Collection[str] = ("path", *Kind._fields)
    if not isinstance(entry, dict) or entry.keys() != {*texts, "count"}:
        return f"it has {', '.join(texts)} and count, and nothing else"
    if not all(isinstance(entry[key], str) for key in texts):
        return f"{', '.join(texts)} are texts"
    if type(entry["count"]) is not int or entry["count"] < 1:
        return f"count is a number from 1 on, not {entry['count']!r}"
    return None
