"""Linting from Python: one text, or files and directories. Nothing here raises for what a file holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optlint.files import STDIN, FoundFile, discover, read
from optlint.model import Finding, Problem, Report, Span, Update
from optlint.settings import Settings
from optlint.settings.resolve import Resolver

if TYPE_CHECKING:
    from optlint.baseline import Baseline
    from optlint.cache import Cache
    from optlint.source import Source
    from optlint.tasks import Task


def lint_source(text: str, path: str = "<string>", *, settings: Settings | None = None) -> Report:
    """Lint a text as if it stood in ``path``; a notebook's JSON where that ends in ``.ipynb``.

    No configuration file is read. Settings that name a rule that does not exist raise ValueError.
    """
    _checked(settings)

    def source() -> Source:
        from optlint.source import source_from_text

        return source_from_text(path, text)

    return _linted(path, text.encode("utf-8", "replace"), source, settings or Settings())


def lint_paths(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    settings: Settings | None = None,
    stdin_filename: str = "<stdin>",
    progress: Callable[[str], object] | None = None,
    jobs: int = 1,
) -> Report:
    """Lint files, and all Python files and notebooks below directories; ``-`` is standard input.

    Without ``settings`` each file has those of the nearest configuration file. Settings that name a rule that does
    not exist raise ValueError. ``progress`` is called with each file's name before it is read. ``jobs``: how many
    processes lint where there are several files with something to read. No cache and no baseline is used.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    _checked(settings)
    resolver = Resolver() if settings is None else Resolver.fixed(settings)
    return lint(paths, resolver, stdin_filename, progress, Means(jobs))


@dataclass(frozen=True, slots=True)
class Means:
    """What a run has at hand. jobs: how many files are linted at a time; baseline: the findings that are known."""

    jobs: int = 1
    cache: Cache | None = None
    baseline: Baseline | None = None


def lint(
    paths: Iterable[str | os.PathLike[str]],
    resolver: Resolver,
    stdin_filename: str = "<stdin>",
    progress: Callable[[str], object] | None = None,
    means: Means | None = None,
) -> Report:
    """Lint paths, each file with the settings that the resolver has for it."""
    from optlint.tasks import in_order

    means = means or Means()
    work = (_work(found, progress, means.cache) for found in discover(paths, stdin_filename, resolver))
    report = together(list(in_order(work, means.jobs)))
    return report if means.baseline is None else means.baseline.divided(report)


def _checked(settings: Settings | None) -> None:
    if settings is not None and settings.speaks_of_rules:
        from optlint.knowledge import knowledge_of
        from optlint.selection import check

        check(settings, knowledge_of(settings.rules).mistakes)


def lint_bytes(name: str, data: bytes, settings: Settings) -> Report:
    """Lint a file's content."""

    def source() -> Source:
        from optlint.source import read_source

        return read_source(name, data)

    return _linted(name, data, source, settings)


def _work(
    found: FoundFile | Problem, progress: Callable[[str], object] | None, cache: Cache | None
) -> Report | Task[Report]:
    """A file's report, where it is there or comes without effort, or what has to be done for it."""
    if isinstance(found, Problem):
        return Report(problems=(found,))
    if progress is not None:
        progress(found.name)
    data = read(found)
    if isinstance(data, Problem):
        return Report(problems=(data,))
    if not _to_read(data):
        return Report(files=1)
    return lint_task(found, data, cache)


def lint_task(found: FoundFile, data: bytes, cache: Cache | None = None) -> Report | Task[Report]:
    """The work that a file's report is, or the report, where the cache has it."""
    from optlint.tasks import Task

    keep: Callable[[Report], None] = _forget
    if cache is not None and found.path != STDIN:
        entry = cache.entry(found, data)
        if (report := entry.read()) is not None:
            return report
        keep = entry.write
    return Task(
        lint_bytes,
        (found.name, data, found.settings),
        failed=lambda why: Report(files=1, problems=(Problem(found.name, None, why),)),
        quick=lambda: _quick(found.name, data, found.settings),
        done=keep,
    )


def _forget(report: Report) -> None:
    pass


def _quick(name: str, data: bytes, settings: Settings) -> Report | None:
    """The report on a file that holds nothing to analyse, else None."""
    from optlint.locate import survey
    from optlint.source import SourceError, read_source

    try:
        if survey(read_source(name, data).units).candidates:
            return None
    except SourceError:
        pass
    except Exception:  # a fault of optlint's own, which the report tells
        return None
    return lint_bytes(name, data, settings)


def _linted(path: str, data: bytes, source_of: Callable[[], Source], settings: Settings) -> Report:
    """The report on one file, whatever happens: an exception is a problem of this file alone."""
    try:
        from optlint.locate import worth_reading

        if not _to_read(data):
            return Report(files=1)
        return _analyzed(path, source_of, settings, worth_reading(data))
    except Exception as error:  # RecursionError and MemoryError, too
        message = " ".join(f"internal error: {type(error).__name__}: {error}".split())
        return Report(files=1, problems=(Problem(path, None, message, trace=_trace(error)),))


def _to_read(data: bytes) -> bool:
    from optlint.locate import worth_reading

    return worth_reading(data) or _speaks_to_us(data)


def _speaks_to_us(data: bytes) -> bool:
    """Whether a file without an optimizer may hold comments to optlint, which then silence nothing."""
    return b"optlint" in data or (b"OPT" in data and b"noqa" in data.lower())


def _trace(error: Exception) -> str:
    import traceback

    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # the error's own text fails, or memory is gone
        return ""


def _analyzed(path: str, source_of: Callable[[], Source], settings: Settings, worth: bool) -> Report:
    from optlint.source import SourceError

    try:
        source = source_of()
    except SourceError as error:
        return Report(files=1, problems=(Problem(path, error.line, error.message),))

    from optlint.knowledge import knowledge_of, using
    from optlint.verdicts import judged, skipped

    knowledge = knowledge_of(settings.rules)
    if skipped(source, settings, knowledge.mistakes):
        return Report(files=1)

    report = Report()
    if worth:
        from optlint.locate import survey

        found = survey(source.units)
        report = Report(problems=tuple(Problem(path, line, message, cell) for cell, line, message in found.problems))
        if found.candidates:
            from optlint.analysis import analyze

            with using(knowledge):
                report = analyze(source, settings)
    report = judged(report, source, settings, knowledge.mistakes)
    return replace(
        report,
        files=1,
        findings=tuple(sorted(report.findings, key=lambda finding: (_place(finding), finding.code))),
        updates=tuple(sorted(report.updates, key=_place)),
        texts=source.texts() if report.findings else {},
    )


def _place(item: Finding | Update) -> tuple[int, Span]:
    return item.span.cell or 0, replace(item.span, cell=None)


def together(reports: list[Report]) -> Report:
    """All reports as one. Pairwise merging would copy everything once for each file."""
    return Report(
        updates=tuple(update for report in reports for update in report.updates),
        findings=tuple(finding for report in reports for finding in report.findings),
        problems=tuple(problem for report in reports for problem in report.problems),
        files=sum(report.files for report in reports),
        candidates=sum(report.candidates for report in reports),
        texts={name: lines for report in reports for name, lines in report.texts.items()},
        suppressed=tuple(finding for report in reports for finding in report.suppressed),
        known=None
        if all(report.known is None for report in reports)
        else tuple(finding for report in reports for finding in report.known or ()),
    )
