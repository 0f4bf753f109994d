"""How a report is shown: the command's options about that, and where the text goes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from optlint.report import HUMAN_FORMATS, STATISTICS_FORMATS, render
from optlint.terminal import Progress, Screen, encoded, write

if TYPE_CHECKING:
    from optlint.model import Problem, Report
    from optlint.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """quiet: findings and failures alone; silent: nothing on the terminal; verbose: what went on, too."""

    color: str = "auto"
    output_file: str | None = None
    report: str | None = None
    statistics: bool = False
    quiet: bool = False
    silent: bool = False
    verbose: bool = False
    watch: bool = False

    def check(self, settings: Settings) -> None:
        """Raises UsageError where the options do not go together."""
        if self.statistics and settings.output_format not in STATISTICS_FORMATS:
            known = ", ".join(sorted(STATISTICS_FORMATS))
            raise click.UsageError(f"--statistics goes with the formats {known}, not with {settings.output_format}.")

    def progress(self) -> Progress:
        return Progress(wanted=not (self.quiet or self.silent))

    def page(self, text: str) -> str:
        """A rule's page, which is Markdown: as it is, or set for a terminal."""
        screen = Screen.of_output(self.color)
        if not screen.color or not screen.width:
            return text
        from optlint.report.page import render as set_page

        return set_page(text, screen)

    def show(self, report: Report, settings: Settings, *, aside: bool = False) -> None:
        """Findings to standard output (``aside``: standard error) or to the file, all else to standard error."""
        to_file = self.output_file is not None
        if (settings.output_format in HUMAN_FORMATS or to_file) and not self.silent:
            self._show_problems(report.problems)
        if self.report is not None:
            from optlint.report.html import render as page

            _save(self.report, page(report), "--report")
        if self.silent and not to_file:
            return
        text = render(
            report,
            settings,
            screen=Screen(self.color == "always") if to_file else Screen.of_output(self.color, error=aside),
            quiet=self.quiet,
            statistics=self.statistics,
        )
        if self.output_file is None:
            write(text, error=aside)
        else:
            _save(self.output_file, text, "--output-file")
        if self.verbose and not self.silent:
            write(f"optlint: {_read(report)}\n", error=True)

    def problems(self, report: Report) -> None:
        """The problems alone, where nothing else is to be shown."""
        if not self.silent:
            self._show_problems(report.problems)

    def _show_problems(self, problems: tuple[Problem, ...]) -> None:
        for problem in problems:
            if problem.fatal or not self.quiet:
                from optlint.report.text import problem_line

                write(f"{problem_line(problem)}\n{problem.trace if self.verbose else ''}", error=True)


def output_options(command: _Command) -> _Command:
    """Adds the options of ``Output`` to a click command, which receives them as one argument ``output``."""

    @functools.wraps(command)
    def with_output(**values: Any) -> Any:
        output = Output(**{field.name: values.pop(field.name) for field in fields(Output)})
        return command(output=output, **values)

    options = [
        click.option(
            "-o",
            "--output-file",
            metavar="FILE",
            envvar="OPTLINT_OUTPUT_FILE",
            help="Write the report to a file instead of to standard output.",
        ),
        click.option("--report", metavar="FILE.html", help="Write everything as an HTML page, too."),
        click.option("--statistics", is_flag=True, help="Count the findings of each rule instead of showing them."),
        click.option("-q", "--quiet", is_flag=True, help="Print findings, and nothing else."),
        click.option("-s", "--silent", is_flag=True, help="Print nothing: the exit code tells."),
        click.option("-v", "--verbose", is_flag=True, help="Print what was read, and where an internal error arose."),
        click.option("--watch", is_flag=True, help="Lint again whenever a file changes, until interrupted."),
        click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True),
    ]
    for option in reversed(options):
        with_output = option(with_output)
    return with_output  # type: ignore[return-value]


def _save(path: str, text: str, option: str) -> None:
    from optlint import atomic

    try:
        atomic.write(path, encoded(text))
    except (OSError, ValueError) as error:
        from optlint.files import reason
        from optlint.settings import ConfigError

        raise ConfigError(option, None, f"{path or repr(path)} cannot be written: {reason(error)}") from None


def _read(report: Report) -> str:
    from optlint.report.text import plural

    return (
        f"{plural(report.files, 'file')} read, {plural(report.candidates, 'place')} that could hold an optimizer, "
        f"{plural(len(report.updates), 'update')}, {plural(len(report.findings), 'finding')}"
    )
