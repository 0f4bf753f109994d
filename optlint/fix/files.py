"""Fixes over a whole run: each file mended, and written or shown as a difference."""

from __future__ import annotations

import difflib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from optlint import atomic
from optlint.files import STDIN, FoundFile, read, reason
from optlint.fix.mend import Mended, mend
from optlint.model import Finding, Problem, Report

if TYPE_CHECKING:
    from optlint.api import Means
    from optlint.baseline import Counts
    from optlint.cache import Cache
    from optlint.tasks import Task


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


def fix_files(files: Iterable[FoundFile | Problem], wanted: Wanted, means: Means | None = None) -> Iterator[Fixed]:
    """Each file's result, in order. What the baseline holds is left as it is, and not reported."""
    from optlint.api import Means
    from optlint.tasks import in_order

    means = means or Means()
    baseline = means.baseline
    pending: deque[tuple[FoundFile, bytes]] = deque()

    def work() -> Iterator[Fixed | Mended | Task[Fixed | Mended]]:
        for found in files:
            data = found if isinstance(found, Problem) else read(found)
            if isinstance(found, Problem):
                yield Fixed(Report(problems=(found,)))
            elif isinstance(data, Problem):
                yield Fixed(Report(problems=(data,)))
            else:
                pending.append((found, data))
                yield _mending(found, data, wanted, means.cache, baseline.of(found.name) if baseline else None)

    results: Iterator[Fixed | Mended] = in_order(work(), means.jobs)
    for result in results:
        fixed = result if isinstance(result, Fixed) else _settled(*pending.popleft(), result, wanted)
        if baseline is not None:
            fixed.report = baseline.divided(fixed.report)
        yield fixed


def _mending(
    found: FoundFile, data: bytes, wanted: Wanted, cache: Cache | None, known: Counts | None
) -> Mended | Task[Fixed | Mended]:
    """What a file is mended to, where there is nothing to mend in it, or the work that this is."""
    from optlint.api import lint_task
    from optlint.tasks import Task

    linting = lint_task(found, data, cache)
    if not isinstance(linting, Task):
        # Edits are made of what was found just now, not of what a cache says.
        report = _without_fixes(linting, known)
        if not any(map(wanted.allows, report.findings)):
            return Mended(data, report)
        linting = cast("Task[Report]", lint_task(found, data))
    task: Task[Report] = linting

    def quick() -> Mended | None:
        report = task.quick()
        return None if report is None else Mended(data, report)

    def done(result: Fixed | Mended) -> None:
        if isinstance(result, Mended) and not result.applied and not known:
            task.done(result.report)

    return Task(
        mended_file,
        (found, data, wanted, known),
        failed=lambda why: Mended(data, task.failed(why)),
        quick=quick,
        done=done,
    )


def mended_file(found: FoundFile, data: bytes, wanted: Wanted, known: Counts | None) -> Mended:
    """A file's content mended; nothing is written."""
    from optlint.api import lint_bytes

    def lint(now: bytes) -> Report:
        return _without_fixes(lint_bytes(found.name, now, found.settings), known)

    return mend(found.name, data, lint, wanted.allows)


def _without_fixes(report: Report, known: Counts | None) -> Report:
    """The report with no fix for what a baseline holds."""
    if not known:
        return report
    from optlint.baseline import told_apart

    apart = told_apart(report, lambda name: known)
    return replace(report, findings=tuple(replace(f, fix=None) if is_known else f for f, is_known in apart))


def _settled(found: FoundFile, data: bytes, mended: Mended, wanted: Wanted) -> Fixed:
    """The file written, or what stands in the way of that."""
    problems = [*mended.report.problems, *_refusals(mended)]
    fixed = Fixed(mended.report, mended.applied)
    if found.path == STDIN:
        fixed.text = mended.data
    if mended.applied and wanted.diff:
        fixed.diff = _difference(found.name, data, mended.data)
    elif mended.applied and found.path != STDIN:
        trouble = put_back(found, data, mended.data)
        if trouble is not None:
            from optlint.api import lint_bytes

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
