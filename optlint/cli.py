"""The command: options become settings, a run becomes a report, the report becomes text and an exit code."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from optlint import __version__
from optlint.fix.options import Fixing, fix_options
from optlint.report.output import Output, output_options
from optlint.settings import ConfigError, Settings
from optlint.settings.arguments import configured, given, settings_options
from optlint.settings.resolve import Resolver
from optlint.terminal import write

if TYPE_CHECKING:
    from optlint.model import Problem, Report

INTERRUPTED = 130
ADD_NOQA = "--add-noqa"


def _rules_like(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    from optlint.knowledge import mistakes

    return [
        CompletionItem(name, help=page.summary)
        for page in mistakes()
        for name in (page.code, page.name)
        if name.casefold().startswith(typed.casefold()) and (typed or name is page.code)
    ]


class Wrong(click.ClickException):
    """What is wrong with the command line, in one line."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"optlint: {' '.join(self.format_message().split())}", file=file, err=file is None)


class Command(click.Command):
    """``--add-noqa`` takes its reason after ``=`` only: what follows it with a space between is a path."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        spelled = [f"{ADD_NOQA}=" if arg == ADD_NOQA else arg for arg in args[:end]]
        return super().parse_args(ctx, [*spelled, *args[end:]])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise Wrong(error.format_message()) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise Wrong(error.format_message()) from None


@click.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True))
@settings_options
@click.option(
    "--config",
    multiple=True,
    metavar="FILE|KEY=VALUE",
    help="A configuration file that stands for all others, or one setting in TOML.",
)
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@click.option("--stdin-filename", metavar="FILE", default="<stdin>", help="The name of what '-' reads.")
@click.option("--show-settings", is_flag=True, help="Print the settings that the files are linted with.")
@click.option("--show-files", is_flag=True, help="List the files that would be linted.")
@click.option(
    "--explain", metavar="CODE", shell_complete=_rules_like, help="Print the page of a rule, by code or name."
)
@click.option("--rules", is_flag=True, help="List all rules.")
@click.option("--test-rules", is_flag=True, help="Run the examples on the project's own pages, or on those in PATHS.")
@click.option(
    ADD_NOQA, metavar="[=REASON]", help="Write a comment for each finding that silences it, with or without a reason."
)
@click.option(
    "--write-baseline", is_flag=True, help="Write the findings that there are to the baseline, and show none of them."
)
@fix_options
@output_options
@click.version_option(__version__, "-V", "--version", message="optlint %(version)s")
@click.pass_context
def main(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> NoReturn:
    """Find mistakes in hand-written optimizers (SGD with momentum, RMSprop, Adam and their family).

    PATHS are files, directories and notebooks, or '-' for standard input; the default is '.'.
    The code is read and never executed. Exit code: 0 no findings, 1 findings, 2 the run itself failed.
    """
    try:
        ctx.exit(_main(paths, options))
    except ConfigError as error:
        _tell(error)
        ctx.exit(2)
    except KeyboardInterrupt:
        ctx.exit(INTERRUPTED)


def _main(paths: tuple[str, ...], options: dict[str, Any]) -> int:
    resolver = _resolver(options)
    settings = resolver.root()
    if options["explain"] is not None:
        write(options["output"].page(_explained(options["explain"], settings)))
        return 0
    if options["rules"]:
        write(_rule_table(settings))
        return 0
    if options["test_rules"]:
        return _test_rules(paths, settings)
    if options["add_noqa"] is not None:
        return _add_noqa(paths or (".",), resolver, options)
    if options["show_files"] or options["show_settings"]:
        return _show(paths or (".",), resolver, options)
    if options["output"].watch:
        _watch(paths or (".",), options)
    return _run(paths or (".",), settings, resolver, options)


def _watch(paths: tuple[str, ...], options: dict[str, Any]) -> NoReturn:
    """Lint again and again, with the settings of each time, until the user interrupts."""
    from optlint.watch import watch

    def lint() -> None:
        try:
            resolver = _resolver(options)
            _run(paths, resolver.root(), resolver, options)
        except ConfigError as error:
            _tell(error)

    watch(paths, lint, silent=options["output"].silent)
    raise KeyboardInterrupt  # nothing else ends it


def _tell(error: ConfigError) -> None:
    from optlint.report.text import problem_line

    write(problem_line(error.problem()) + "\n", error=True)


def _resolver(options: dict[str, Any]) -> Resolver:
    file, layers = configured(options["config"])
    if file is not None and options["isolated"]:
        raise ConfigError("--config", None, f"--isolated reads no configuration file, not even {file}")
    return Resolver((*layers, given(options)), config=file, isolated=options["isolated"])


def _run(paths: tuple[str, ...], settings: Settings, resolver: Resolver, options: dict[str, Any]) -> int:
    from optlint.api import lint
    from optlint.run import Run

    output: Output = options["output"]
    output.check(settings)
    fixing: Fixing = options["fixing"]
    writes: bool = options["write_baseline"]
    if writes and (fixing.active or output.watch):
        raise click.UsageError("--write-baseline goes neither with fixes nor with --watch.")
    run = Run.prepared(settings, resolver, writes_baseline=writes)
    with output.progress() as progress:
        if fixing.active:
            found = run.seen(paths, options["stdin_filename"], progress)
            with resolver.reported():
                code, report = fixing.run(found, settings, output, exit_code, run.means)
        else:
            report = lint(paths, resolver, options["stdin_filename"], run.noted(progress), run.means)
    run.close()
    _warn(resolver, output)
    if writes:
        output.problems(report)
        said = run.write_baseline(report)
        if not (output.quiet or output.silent):
            write(f"optlint: {said}\n", error=True)
        return 2 if any(problem.fatal for problem in report.problems) else 0
    if not fixing.active:
        with resolver.reported():
            output.show(report, settings)
        code = exit_code(report, settings)
    stale = run.stale(report, listed=settings.fail_on_stale or output.verbose)
    if stale and not output.silent and (settings.fail_on_stale or not output.quiet):
        write("".join(f"optlint: {line}\n" for line in stale), error=True)
    return code or int(bool(stale) and settings.fail_on_stale and not settings.exit_zero)


def _test_rules(paths: tuple[str, ...], settings: Settings) -> int:
    from optlint.ruletests import run

    text, failed = run(paths, settings)
    write(text)
    return int(failed)


def _add_noqa(paths: tuple[str, ...], resolver: Resolver, options: dict[str, Any]) -> int:
    from optlint.addnoqa import add_noqa, check_reason
    from optlint.model import Report
    from optlint.report.text import plural
    from optlint.run import Run
    from optlint.terminal import write_bytes

    output: Output = options["output"]
    reason: str = options["add_noqa"]
    if (fault := check_reason(reason)) is not None:
        raise ConfigError(ADD_NOQA, None, fault)
    lines = 0
    problems: list[Problem] = []
    run = Run.prepared(resolver.root(), resolver)
    with output.progress() as progress:
        done = list(add_noqa(run.seen(paths, options["stdin_filename"], progress), reason, run.means))
    run.close()
    for added in done:
        lines += added.lines
        problems += added.problems
        if added.text is not None:
            write_bytes(added.text)
    _warn(resolver, options["output"])
    output.problems(Report(problems=tuple(problems)))
    if not (output.quiet or output.silent):
        write(f"optlint: added comments to {plural(lines, 'line')}\n", error=True)
    return 2 if any(problem.fatal for problem in problems) else 0


def _warn(resolver: Resolver, output: Output) -> None:
    if not output.silent:
        write("".join(f"optlint: {warning}\n" for warning in resolver.warnings), error=True)


def _show(paths: tuple[str, ...], resolver: Resolver, options: dict[str, Any]) -> int:
    """The files that would be linted, or the settings that they would be linted with."""
    from optlint.files import FoundFile, discover
    from optlint.report.text import printable, problem_line

    found = list(discover(paths, options["stdin_filename"], resolver))
    files = [file for file in found if isinstance(file, FoundFile)]
    if options["show_files"]:
        write("".join(f"{printable(file.name)}\n" for file in files))
    else:
        from optlint.settings.show import listing

        write(listing(files, resolver))
    _warn(resolver, options["output"])
    problems = [problem for problem in found if not isinstance(problem, FoundFile)]
    write("".join(f"{problem_line(problem)}\n" for problem in problems), error=True)
    return 2 if any(problem.fatal for problem in problems) else 0


def exit_code(report: Report, settings: Settings) -> int:
    """2 where a path could not be read, else 1 where a finding is as severe as ``fail_on``, else 0."""
    from optlint.model import SEVERITIES

    if any(problem.fatal for problem in report.problems):
        return 2
    if settings.exit_zero or settings.fail_on == "never":
        return 0
    ranks: dict[str, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return int(any(ranks[finding.severity] >= ranks[settings.fail_on] for finding in report.findings))


def _explained(wanted: str, settings: Settings) -> str:
    from optlint.knowledge import knowledge_of
    from optlint.selection import named, nearest

    rules = knowledge_of(settings.rules).mistakes
    page = named(wanted.strip(), rules)
    if page is not None:
        return page.text.rstrip("\n") + "\n"
    hint = nearest(wanted, rules).lstrip(". ") or "optlint --rules lists all."
    raise ConfigError("--explain", None, f"there is no rule {wanted!r}. {hint}")


def _rule_table(settings: Settings) -> str:
    from optlint.knowledge import knowledge_of

    pages = knowledge_of(settings.rules).mistakes
    rows = [(page.code, page.name, "off" if page.off else page.severity, page.summary) for page in pages]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n"
        for row in rows
    )
