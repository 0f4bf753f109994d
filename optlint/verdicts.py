"""What of a file's findings is shown: the rules that count, less what comments silence, and what these are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from optlint.model import Finding, Report
from optlint.selection import Chosen
from optlint.settings import Settings
from optlint.source import Source
from optlint.suppressions import Suppressions, speaks, suppressions

if TYPE_CHECKING:
    from optlint.knowledge import MistakePage


def judged(report: Report, source: Source, settings: Settings, rules: Sequence[MistakePage]) -> Report:
    """A file's report under its settings and its comments."""
    chosen = Chosen(settings, rules)
    findings = chosen.apply(report.findings, source.path)
    comments = Suppressions() if settings.ignore_noqa else suppressions(source, rules)
    silent: list[Finding] = []
    loud: list[Finding] = []
    for finding in findings:
        (silent if comments.silence(finding, report.updates) else loud).append(finding)
    if (comments.found or comments.wrong) and not report.problems:
        from optlint.remarks import remarks

        ran = chosen.codes - chosen.ignored_in(source.path)
        said = chosen.apply(remarks(source.path, comments, rules, ran, report.updates), source.path)
        loud += [finding for finding in said if not comments.silences_itself(finding)]
    return replace(report, findings=_shown(loud, settings), suppressed=_shown(silent, settings))


def skipped(source: Source, settings: Settings, rules: Sequence[MistakePage]) -> bool:
    """Whether a comment takes the whole file out."""
    return not settings.ignore_noqa and speaks(source, "skip-file") and suppressions(source, rules).skip_file


def _shown(findings: list[Finding], settings: Settings) -> tuple[Finding, ...]:
    return tuple(f for f in findings if settings.unconfirmed or f.verdict != "unconfirmed")
