"""``--watch``: lint again whenever a file changes (the extra ``optlint[watch]``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import click

from optlint.files import STDIN
from optlint.settings.layers import CONFIG_NAMES
from optlint.settings.options import INCLUDED
from optlint.terminal import Screen, write

SUFFIXES = (*(pattern[1:] for pattern in INCLUDED), ".toml", ".md")  # the latter two hold a project's own rules


def watch(paths: Sequence[str], lint: Callable[[], object], *, silent: bool = False) -> None:
    """Call ``lint``, and again after each change below the paths, until the user interrupts."""
    if STDIN in paths:
        raise click.UsageError("--watch cannot watch standard input.")
    for path in paths:
        if not os.path.exists(path):
            raise click.UsageError(f"--watch cannot watch {path}: there is no such file or directory.")
    try:
        import watchfiles
    except ImportError:
        raise click.UsageError("--watch needs watchfiles: pip install 'optlint[watch]'") from None

    files = {os.path.abspath(path) for path in paths if not os.path.isdir(path)}
    # An editor may replace a file by another of its name, which only the directory sees.
    folders = {os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path)) for path in paths}
    directories = tuple(os.path.join(os.path.abspath(path), "") for path in paths if os.path.isdir(path))
    usual = watchfiles.DefaultFilter()

    def concerns(change: watchfiles.Change, path: str) -> bool:
        if not usual(change, path):
            return False
        if os.path.basename(path) in CONFIG_NAMES:
            return True
        return path in files or (path.endswith(SUFFIXES) and path.startswith(directories))

    # The watching starts before the first report, or what changes meanwhile would be missed.
    first = True
    for changes in watchfiles.watch(
        *folders, watch_filter=concerns, recursive=bool(directories), rust_timeout=100, yield_on_timeout=True
    ):
        if changes or first:
            _again(lint, silent)
            first = False


def _again(lint: Callable[[], object], silent: bool) -> None:
    if silent:
        lint()
        return
    if Screen.of_output().width:
        write("\x1b[2J\x1b[H")
    lint()
    write("optlint: waiting for changes; Ctrl-C ends this\n", error=True)
