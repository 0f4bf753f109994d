"""The command: options become settings, a run becomes a report, the report becomes text and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

from optlint import __version__
from optlint.report.output import Output, output_options
from optlint.settings import CONVENTIONS, FAIL_ON, OUTPUT_FORMATS, Settings
from optlint.terminal import write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optlint.model import Report

INTERRUPTED = 130


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True))
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), default="full", show_default=True)
@click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    default="auto",
    show_default=True,
    help="Whose reading of epsilon and bias correction counts.",
)
@click.option("--unconfirmed", is_flag=True, help="Show findings that could not be confirmed by running, too.")
@click.option("--show-updates", is_flag=True, help="Print every update that was read, as equations.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    default="warning",
    show_default=True,
    help="The lowest severity that makes the exit code 1.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even where there are findings.")
@click.option("--explain", metavar="CODE", help="Print the page of a rule, by code or name.")
@click.option("--rules", is_flag=True, help="List all rules.")
@click.option("--stdin-filename", metavar="FILE", default="<stdin>", help="The name of what '-' reads.")
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@output_options
@click.version_option(__version__, "-V", "--version", message="optlint %(version)s")
@click.pass_context
def main(
    ctx: click.Context,
    paths: tuple[str, ...],
    output_format: str,
    convention: str,
    unconfirmed: bool,
    show_updates: bool,
    fail_on: str,
    exit_zero: bool,
    explain: str | None,
    rules: bool,
    stdin_filename: str,
    isolated: bool,
    output: Output,
) -> NoReturn:
    """Find mistakes in hand-written optimizers (SGD with momentum, RMSprop, Adam and their family).

    PATHS are files, directories and notebooks, or '-' for standard input; the default is '.'.
    The code is read and never executed. Exit code: 0 no findings, 1 findings, 2 the run itself failed.
    """
    try:
        if explain is not None:
            write(_explained(explain))
            ctx.exit(0)
        if rules:
            write(_rule_table())
            ctx.exit(0)
        settings = Settings(
            convention=convention,
            output_format=output_format,
            unconfirmed=unconfirmed,
            exit_zero=exit_zero,
            fail_on=fail_on,
            isolated=isolated,
            show_updates=show_updates,
        )
        ctx.exit(_run(paths or (".",), settings, stdin_filename, output))
    except KeyboardInterrupt:
        ctx.exit(INTERRUPTED)


def _run(paths: Iterable[str], settings: Settings, stdin_filename: str, output: Output) -> int:
    from optlint.api import lint_paths

    output.check(settings)
    report = lint_paths(paths, settings=settings, stdin_filename=stdin_filename)
    output.show(report, settings)
    return exit_code(report, settings)


def exit_code(report: Report, settings: Settings) -> int:
    """2 where a path could not be read, else 1 where a finding is as severe as ``fail_on``, else 0."""
    from optlint.model import SEVERITIES

    if any(problem.fatal for problem in report.problems):
        return 2
    if settings.exit_zero or settings.fail_on == "never":
        return 0
    ranks: dict[str, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return int(any(ranks[finding.severity] >= ranks[settings.fail_on] for finding in report.findings))


def _explained(wanted: str) -> str:
    from optlint.knowledge import find_mistake, mistakes

    page = find_mistake(wanted)
    if page is not None:
        return page.text.rstrip("\n") + "\n"

    from difflib import get_close_matches

    known = {name.casefold(): name for page in mistakes() for name in (page.code, page.name)}
    close = [known[match] for match in get_close_matches(wanted.casefold(), known)]
    hint = f"Did you mean {' or '.join(close)}?" if close else "optlint --rules lists all."
    raise click.BadParameter(f"there is no rule {wanted!r}. {hint}", param_hint="'--explain'")


def _rule_table() -> str:
    from optlint.knowledge import mistakes

    rows = [(page.code, page.name, "off" if page.off else page.severity, page.summary) for page in mistakes()]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n"
        for row in rows
    )
