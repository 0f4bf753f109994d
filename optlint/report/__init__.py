"""A report as text: one module per output format, each with ``render(report, color) -> str``."""

from __future__ import annotations

from importlib import import_module

from optlint.model import Report
from optlint.settings import Settings

HUMAN_FORMATS = frozenset({"full", "concise"})


def render(report: Report, settings: Settings, *, color: bool = False) -> str:
    """The whole output of a run, which ends with a newline."""
    module = import_module(f"optlint.report.{settings.output_format}")
    text: str = module.render(report, color)
    if settings.show_updates and settings.output_format in HUMAN_FORMATS:
        from optlint.report.updates import render as listing

        text = listing(report, color) + text
    return text
