"""The command's options about fixes, and a run that applies them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from optlint.api import Means
    from optlint.files import FoundFile
    from optlint.fix.files import Fixed
    from optlint.model import Problem, Report
    from optlint.report.output import Output
    from optlint.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Fixing:
    """What the command line says about fixes."""

    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    fix_only: bool = False
    show_fixes: bool = False
    exit_non_zero_on_fix: bool = False

    @property
    def active(self) -> bool:
        return self.fix or self.diff or self.fix_only

    def run(
        self,
        files: Iterable[FoundFile | Problem],
        settings: Settings,
        output: Output,
        code: Callable[[Report, Settings], int],
        means: Means,
    ) -> tuple[int, Report]:
        """Mend the files, show what that did, and what is left. ``code``: the exit code for what is left."""
        from optlint.api import together
        from optlint.fix.files import Wanted, fix_files
        from optlint.terminal import write_bytes

        results = list(fix_files(files, Wanted(self.unsafe_fixes, self.diff), means))
        aside = False
        for fixed in results:
            if self.diff:
                write_bytes(fixed.diff)
            elif fixed.text is not None:
                write_bytes(fixed.text)
                aside = True
        report = together([fixed.report for fixed in results])
        count = sum(len(fixed.applied) for fixed in results)
        if self.diff or self.fix_only:
            output.problems(report)
            status = 2 * any(problem.fatal for problem in report.problems)
        else:
            output.show(report, settings, aside=aside)
            status = code(report, settings)
        self._tell(results, count, output, aside=aside or self.diff)
        return status or int(bool(count) and (self.diff or self.exit_non_zero_on_fix)), report

    def _tell(self, results: list[Fixed], count: int, output: Output, aside: bool) -> None:
        from optlint.report.text import plural, printable
        from optlint.terminal import write

        if output.quiet or output.silent:
            return
        lines = [f"{'Would fix' if self.diff else 'Fixed'} {plural(count, 'finding')}."] if count else []
        if self.show_fixes:
            for fixed in results:
                for path, counts in fixed.counts().items():
                    lines.append(f"- {printable(path)}:")
                    lines += [f"    {number} × {code} ({name})" for (code, name), number in sorted(counts.items())]
        write("".join(f"{line}\n" for line in lines), error=aside)


def fix_options(command: _Command) -> _Command:
    """Adds the options of ``Fixing`` to a click command, which receives them as one argument ``fixing``."""

    @functools.wraps(command)
    def with_fixing(**values: Any) -> Any:
        fixing = Fixing(**{field.name: values.pop(field.name) for field in fields(Fixing)})
        return command(fixing=fixing, **values)

    options = [
        click.option("--fix", is_flag=True, help="Apply the fixes that are safe, and report what is left."),
        click.option("--unsafe-fixes", is_flag=True, help="Apply fixes that are a choice of their author, too."),
        click.option("--diff", is_flag=True, help="Write nothing; print what --fix would change, as a patch."),
        click.option("--fix-only", is_flag=True, help="Apply fixes, and do not report what is left."),
        click.option("--show-fixes", is_flag=True, help="List what was fixed."),
        click.option("--exit-non-zero-on-fix", is_flag=True, help="Exit with 1 where something was fixed."),
    ]
    for option in reversed(options):
        with_fixing = option(with_fixing)
    return with_fixing  # type: ignore[return-value]
