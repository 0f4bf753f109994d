"""A rule's page on a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.markdown import Markdown

from optlint.terminal import Screen

_READABLE = 100  # columns; longer lines are hard to read


def render(text: str, screen: Screen) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=min(screen.width or _READABLE, _READABLE),
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        _environ={},
    )
    console.print(Markdown(text, code_theme="ansi_dark", hyperlinks=False))
    return out.getvalue()
