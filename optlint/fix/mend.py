"""A file mended: its fixes applied together where together they hold, else one by one, until nothing is left to do."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from optlint.fix.rewrite import CannotRewrite, rewritten
from optlint.fix.text import overlap
from optlint.model import Finding, Report
from optlint.source import SourceError, place_name, read_source

MAX_ROUNDS = 50

Lint = Callable[[bytes], Report]


@dataclass(slots=True)
class Mended:
    """data: the new content; report: what is left to say about it; refused: fixes that did not hold, with why."""

    data: bytes
    report: Report
    applied: list[Finding] = field(default_factory=list)
    refused: list[tuple[Finding, str]] = field(default_factory=list)


def mend(path: str, data: bytes, lint: Lint, allowed: Callable[[Finding], bool]) -> Mended:
    """Apply every allowed fix that holds: the result parses, what it was for is gone, and nothing else has come."""
    result = Mended(data, lint(data))
    refused: set[tuple[str, str]] = set()
    for _ in range(MAX_ROUNDS):
        wanted = [
            f for f in result.report.findings if f.fix is not None and allowed(f) and _key(f, result) not in refused
        ]
        if not wanted:
            break
        for some in _choices(wanted):
            made = _applied(path, result, some, lint)
            if not isinstance(made, str):
                result.data, result.report = made
                result.applied += some
                break
            if len(some) == 1:
                refused.add(_key(some[0], result))
                result.refused.append((some[0], made))
        else:
            break
    return result


def _key(finding: Finding, result: Mended) -> tuple[str, str]:
    """A finding by its code and its line's text, whatever its number has become."""
    lines = result.report.texts.get(place_name(finding.path, finding.span.cell), ())
    line = lines[finding.span.line - 1] if 0 < finding.span.line <= len(lines) else ""
    return finding.code, f"{line.strip()}:{finding.span.column}"


def _choices(wanted: list[Finding]) -> Iterator[list[Finding]]:
    """All at once, then each update's, then each by itself."""
    yield wanted
    by_update: dict[str, list[Finding]] = {}
    for finding in wanted:
        by_update.setdefault(finding.update, []).append(finding)
    if len(by_update) > 1:
        yield from (some for some in by_update.values() if len(some) > 1)
    if len(wanted) > 1:
        yield from ([finding] for finding in wanted)


def _applied(path: str, now: Mended, some: list[Finding], lint: Lint) -> tuple[bytes, Report] | str:
    """The content with these fixes and what is said of it, or why they do not hold."""
    edits = [e for f in some if f.fix is not None for e in f.fix.edits]
    if overlap(edits):
        return "it overlaps with another fix"
    try:
        data = rewritten(path, now.data, edits)
        if not _parses(path, data):
            return "the result would not parse"
    except (CannotRewrite, SourceError) as error:
        return str(error)
    report = lint(data)
    before, after = _counts(now.report.findings), _counts(report.findings)
    gone = _counts(some)
    if any(after[code] > before[code] - gone[code] for code in after | gone):
        return "the result was linted again and is not right"
    if len(report.problems) > len(now.report.problems):
        return "the result cannot be read"
    return data, report


def _counts(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(f.code for f in findings if f.severity != "note" or f.fix is not None)


def _parses(path: str, data: bytes) -> bool:
    for unit in read_source(path, data).units:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(unit.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
