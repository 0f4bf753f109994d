"""Runs of the command in a directory of their own, and what they say."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner, Result

from optlint.cli import main


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def found(*arguments: str) -> list[str]:
    """The findings as ``path CODE``, in the order printed."""
    result = run(*arguments, "--output-format", "concise")
    assert result.exit_code in (0, 1), result.output
    return [f"{m[1]} {m[2]}" for m in re.finditer(r"^(.+?):\d+:\d+: (\w+) ", result.stdout, re.MULTILINE)]


def refused(*arguments: str) -> str:
    """The one line that a run prints which cannot start."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    return result.stderr.strip()
