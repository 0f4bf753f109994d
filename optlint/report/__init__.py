"""A report as text: one module per output format, each with ``render(report, color) -> str``."""

from __future__ import annotations

from importlib import import_module

from optlint.model import Report
from optlint.settings import Settings

HUMAN_FORMATS = frozenset({"full", "concise", "grouped"})
STATISTICS_FORMATS = HUMAN_FORMATS | {"json", "json-lines"}


def render(
    report: Report, settings: Settings, *, color: bool = False, quiet: bool = False, statistics: bool = False
) -> str:
    """The whole output of a run; a text that is not empty ends with a newline.

    quiet: without the summary; statistics: counts by rule instead of findings, in one of STATISTICS_FORMATS.
    """
    human = settings.output_format in HUMAN_FORMATS
    if statistics:
        from optlint.report import statistics as counts

        text = counts.render(report, settings.output_format, color)
    else:
        module = import_module(f"optlint.report.{settings.output_format.replace('-', '_')}")
        text = module.render(report, color)
    if not human:
        return text
    from optlint.report.text import summary

    if settings.show_updates:
        from optlint.report.updates import render as listing

        text = listing(report, color) + text
    return text if quiet else text + summary(report, color)
