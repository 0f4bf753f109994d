"""A report as text: one module per output format, each with ``render(report, screen) -> str``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from optlint.terminal import PLAIN, Screen

if TYPE_CHECKING:
    from optlint.model import Report
    from optlint.settings import Settings

HUMAN_FORMATS = frozenset({"full", "concise", "grouped"})
STATISTICS_FORMATS = HUMAN_FORMATS | {"json", "json-lines"}


def render(
    report: Report, settings: Settings, *, screen: Screen = PLAIN, quiet: bool = False, statistics: bool = False
) -> str:
    """The whole output of a run; a text that is not empty ends with a newline.

    quiet: without the summary; statistics: counts by rule instead of findings, in one of STATISTICS_FORMATS.
    """
    human = settings.output_format in HUMAN_FORMATS
    if statistics:
        from optlint.report import statistics as counts

        text = counts.render(report, settings.output_format, screen)
    elif human and not report.findings:
        text = ""  # and nothing is imported for it
    else:
        module = import_module(f"optlint.report.{settings.output_format.replace('-', '_')}")
        text = module.render(report, screen)
    if human and settings.show_updates:
        from optlint.report.updates import render as listing

        text = listing(report, screen) + text
    if human and not quiet:
        from optlint.report.text import summary

        text += summary(report, screen)
    return text
