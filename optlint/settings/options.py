"""Every setting in one place: its default, its kind, what it means, its names on the command line and elsewhere.

Configuration files, the command line, the JSON schema and the reference in ``docs/settings.md`` all follow from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from optlint.globs import Glob
from optlint.settings.values import AUTO, OPTION, Kind, Option, converted

OUTPUT_FORMATS = (
    "full",
    "concise",
    "grouped",
    "json",
    "json-lines",
    "github",
    "gitlab",
    "sarif",
    "junit",
    "rdjson",
    "rdjsonl",
    "pylint",
    "azure",
)
FAIL_ON = ("error", "warning", "note", "never")
CONVENTIONS = (
    "auto",
    "paper",
    "pytorch",
    "keras",
    "tensorflow",
    "optax",
    "jax",
    "mxnet",
    "mlx",
    "chainer",
    "lasagne",
)
INCLUDED = ("*.py", "*.pyi", "*.pyw", "*.ipynb")
EXCLUDED = (
    ".eggs",
    ".git",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".optlint_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "__pypackages__",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)


class Selection(NamedTuple):
    """What one source of settings says about which rules count."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def _option(default: Any, kind: Kind, about: str, **more: Any) -> Any:
    return field(default=default, metadata={OPTION: Option(kind=kind, about=about, default=default, **more)})


def _names(*texts: str) -> tuple[Glob, ...]:
    return tuple(Glob(text) for text in texts)


@dataclass(frozen=True, slots=True)
class Settings:
    """One file's settings, or one run's; a value that is not allowed raises ValueError.

    Patterns and paths that are given here, not in a configuration file, are relative to the working directory.
    """

    select: tuple[str, ...] | None = _option(
        None,
        "rules",
        "The rules to look for: codes, prefixes of codes, names, or `ALL`. Without it, all.",
        example='select = ["OPT1", "OPT2", "ascent"]',
        flag="--select",
    )
    extend_select: tuple[str, ...] = _option(
        (),
        "rules",
        "Rules to look for besides the selected ones.",
        example='extend-select = ["OPT205"]',
        flag="--extend-select",
    )
    ignore: tuple[str, ...] = _option(
        (),
        "rules",
        "Rules not to look for. Where a rule is both selected and ignored, the more specific mention counts.",
        example='ignore = ["epsilon-convention"]',
        flag="--ignore",
    )
    extend_ignore: tuple[str, ...] = _option(
        (),
        "rules",
        "The same as `ignore`.",
        example='extend-ignore = ["OPT206"]',
        flag="--extend-ignore",
    )
    per_file_ignores: tuple[tuple[Glob, tuple[str, ...]], ...] = _option(
        (),
        "rules by pattern",
        "Rules to ignore in the files that a pattern matches; `!pattern` is for all others.",
        example='[per-file-ignores]\n"tests/*" = ["OPT2"]\n"!src/**" = ["OPT205"]',
        flag="--per-file-ignores",
    )
    extend_per_file_ignores: tuple[tuple[Glob, tuple[str, ...]], ...] = _option(
        (),
        "rules by pattern",
        "The same, besides those of `per-file-ignores`.",
        example='[extend-per-file-ignores]\n"legacy/*" = ["ALL"]',
        flag="--extend-per-file-ignores",
    )
    severity: tuple[tuple[str, str], ...] = _option(
        (),
        "severity by rule",
        "How severe the findings of a rule are, whatever its page says.",
        example='severity = { OPT205 = "warning", OPT3 = "error" }',
        flag="--severity",
    )
    convention: str = _option(
        "auto",
        "choice",
        "Whose reading of epsilon and bias correction counts.",
        example='convention = "pytorch"',
        choices=CONVENTIONS,
        flag="--convention",
    )
    unconfirmed: bool = _option(
        False,
        "flag",
        "Show findings that could not be confirmed by running, too.",
        example="unconfirmed = true",
        flag="--unconfirmed",
    )
    rules: tuple[str, ...] = _option(
        (),
        "paths",
        "The project's own rules: mistake pages (`.md`) and conventions (`.toml`), or folders of them.",
        example='rules = ["lint/rules"]',
    )
    include: tuple[Glob, ...] = _option(
        _names(*INCLUDED),
        "patterns",
        "The files to read below directories.",
        example='include = ["*.py", "src/**/*.ipynb"]',
        aside=True,
    )
    extend_include: tuple[Glob, ...] = _option(
        (),
        "patterns",
        "The same, besides those of `include`.",
        example='extend-include = ["*.py.in"]',
        aside=True,
    )
    exclude: tuple[Glob, ...] = _option(
        _names(*EXCLUDED),
        "patterns",
        "Files and directories to pass over.",
        example='exclude = ["third_party", "src/generated/*.py"]',
        flag="--exclude",
        aside=True,
    )
    extend_exclude: tuple[Glob, ...] = _option(
        (),
        "patterns",
        "The same, besides those of `exclude`.",
        example='extend-exclude = ["third_party"]',
        flag="--extend-exclude",
        aside=True,
    )
    force_exclude: bool = _option(
        False,
        "flag",
        "Pass over excluded files even where they are named on the command line, as pre-commit does.",
        example="force-exclude = true",
        flag="--force-exclude/--no-force-exclude",
        aside=True,
    )
    respect_gitignore: bool = _option(
        True,
        "flag",
        "Pass over what `.gitignore`, `.ignore` and `.git/info/exclude` name.",
        example="respect-gitignore = false",
        flag="--respect-gitignore/--no-respect-gitignore",
        aside=True,
    )
    output_format: str = _option(
        "full",
        "choice",
        "How findings are printed.",
        example='output-format = "concise"',
        choices=OUTPUT_FORMATS,
        flag="--output-format",
        variable="OPTLINT_OUTPUT_FORMAT",
        scope="run",
        aside=True,
    )
    fail_on: str = _option(
        "warning",
        "choice",
        "The lowest severity that makes the exit code 1.",
        example='fail-on = "error"',
        choices=FAIL_ON,
        flag="--fail-on",
        scope="run",
        aside=True,
    )
    exit_zero: bool = _option(
        False,
        "flag",
        "Exit with 0 even where there are findings.",
        flag="--exit-zero",
        scope="command line",
        aside=True,
    )
    ignore_noqa: bool = _option(
        False, "flag", "Show what comments silence, too.", flag="--ignore-noqa", scope="command line"
    )
    show_updates: bool = _option(
        False,
        "flag",
        "Print every update that was read, as equations.",
        flag="--show-updates",
        scope="command line",
        aside=True,
    )
    jobs: int | Literal["auto"] = _option(
        AUTO,
        "number",
        "How many files are linted at a time; `auto` is the number of processors.",
        example="jobs = 2",
        flag="--jobs",
        short="-j",
        variable="OPTLINT_JOBS",
        scope="run",
        aside=True,
    )
    no_cache: bool = _option(
        False,
        "flag",
        "Neither read nor write the cache.",
        flag="--no-cache",
        variable="OPTLINT_NO_CACHE",
        scope="command line",
        aside=True,
    )
    cache_dir: str | None = _option(
        None,
        "path",
        "Where reports are kept, so that a file that has not changed is not analysed again. Without it, "
        "`.optlint_cache` beside the configuration file, or in the working directory where there is none.",
        example='cache-dir = ".cache/optlint"',
        flag="--cache-dir",
        variable="OPTLINT_CACHE_DIR",
        aside=True,
    )
    baseline: str | None = _option(
        None,
        "path",
        "A file of findings that are known and not shown; `--write-baseline` writes it.",
        example='baseline = "optlint-baseline.json"',
        flag="--baseline",
        scope="run",
        aside=True,
    )
    fail_on_stale: bool = _option(
        False,
        "flag",
        "Exit with 1 where the baseline holds what is not found any more.",
        example="fail-on-stale = true",
        flag="--fail-on-stale",
        scope="run",
        aside=True,
    )
    ignore_baseline: bool = _option(
        False,
        "flag",
        "Show what the baseline holds, too.",
        flag="--ignore-baseline",
        scope="command line",
        aside=True,
    )
    # Where the settings come from: what sources beneath say about rules, and the directory of the configuration file.
    beneath: tuple[Selection, ...] = field(default=(), repr=False)
    directory: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name, option in options().items():
            value = getattr(self, name)
            if value != option.default:
                object.__setattr__(self, name, converted(name, option, value))

    @property
    def selections(self) -> tuple[Selection, ...]:
        """What each source says about which rules count, the last one strongest."""
        return (*self.beneath, Selection(self.select, self.extend_select, (*self.ignore, *self.extend_ignore)))

    def mentions(self) -> Iterator[tuple[str, str]]:
        """Every mention of a rule, with the name of the setting that mentions it."""
        for selection in self.selections:
            for key, mentions in zip(Selection._fields, selection, strict=True):
                yield from ((key, mention) for mention in mentions or ())
        for key in ("per_file_ignores", "extend_per_file_ignores"):
            yield from ((key, mention) for _, mentions in getattr(self, key) for mention in mentions)
        yield from (("severity", mention) for mention, _ in self.severity)

    @property
    def speaks_of_rules(self) -> bool:
        """Whether these settings have anything to say about rules."""
        return any(s.select is not None for s in self.selections) or next(self.mentions(), None) is not None

    @property
    def excluded(self) -> tuple[Glob, ...]:
        return (*self.exclude, *self.extend_exclude)

    @property
    def included(self) -> tuple[Glob, ...]:
        return (*self.include, *self.extend_include)


def options() -> dict[str, Option]:
    """All options by their names in ``Settings``."""
    if not _OPTIONS:
        _OPTIONS.update((f.name, f.metadata[OPTION]) for f in fields(Settings) if OPTION in f.metadata)
    return _OPTIONS


_OPTIONS: dict[str, Option] = {}
