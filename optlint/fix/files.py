"""Fixes over a whole run: each file mended, and written or shown as a difference."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from optlint import atomic
from optlint.files import STDIN, FoundFile, read, reason
from optlint.fix.mend import Mended, mend
from optlint.model import Finding, Problem, Report


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command asks for. unsafe: fixes that are a choice, too; diff: show what would change, write nothing."""

    unsafe: bool = False
    diff: bool = False
    only: bool = False  # report nothing of what is left

    def allows(self, finding: Finding) -> bool:
        return finding.fix is not None and (self.unsafe or finding.fix.applicability == "safe")


@dataclass(slots=True)
class Fixed:
    """What became of a run's files. text: standard input's new content; diff: what changed, as a patch."""

    report: Report
    applied: list[Finding] = field(default_factory=list)
    diff: bytes = b""
    text: bytes | None = None

    def counts(self) -> dict[str, Counter[tuple[str, str]]]:
        """By path: how many findings of each rule were fixed."""
        found: dict[str, Counter[tuple[str, str]]] = {}
        for finding in self.applied:
            found.setdefault(finding.path, Counter())[finding.code, finding.name] += 1
        return found


def fix_files(files: Iterable[FoundFile | Problem], wanted: Wanted) -> Iterator[Fixed]:
    """Each file's result, in order."""
    for found in files:
        yield Fixed(Report(problems=(found,))) if isinstance(found, Problem) else _fixed(found, wanted)


def _fixed(found: FoundFile, wanted: Wanted) -> Fixed:
    from optlint.api import lint_bytes

    data = read(found)
    if isinstance(data, Problem):
        return Fixed(Report(problems=(data,)))
    mended = mend(found.name, data, lambda now: lint_bytes(found.name, now, found.settings), wanted.allows)
    problems = [*mended.report.problems, *_refusals(mended)]
    fixed = Fixed(mended.report, mended.applied)
    if found.path == STDIN:
        fixed.text = mended.data
    if mended.applied and wanted.diff:
        fixed.diff = _difference(found.name, data, mended.data)
    elif mended.applied and found.path != STDIN:
        trouble = put_back(found, data, mended.data)
        if trouble is not None:
            problems.append(trouble)
            fixed = Fixed(lint_bytes(found.name, data, found.settings))
    fixed.report = replace(fixed.report, problems=tuple(problems))
    return fixed


def _refusals(mended: Mended) -> Iterator[Problem]:
    for finding, why in mended.refused:
        span = finding.span
        yield Problem(finding.path, span.line, f"the fix of {finding.code} was not applied: {why}", span.cell)


def put_back(found: FoundFile, before: bytes, after: bytes) -> Problem | None:
    """Replace a file's content, unless somebody else has changed it meanwhile."""
    now = read(found)
    if now != before:
        return Problem(found.name, None, "changed on disk while it was being linted: left alone", fatal=True)
    try:
        atomic.write(found.path, after)
    except (OSError, ValueError) as error:
        return Problem(found.name, None, f"cannot be written: {reason(error)}", fatal=True)
    return None


def _difference(name: str, before: bytes, after: bytes) -> bytes:
    """A patch for ``git apply`` and ``patch -p1``, in the file's own bytes."""
    path = name.replace("\\", "/").removeprefix("./").lstrip("/")
    old, new = (f"{side}/{path}".encode("utf-8", "surrogateescape") for side in "ab")
    pieces = difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after), old, new)
    return b"".join(p if p.endswith(b"\n") else p + b"\n\\ No newline at end of file\n" for p in pieces)


def _lines(data: bytes) -> list[bytes]:
    """The lines as patch counts them, with their ends."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
