"""Every update that was located, as equations (``--show-updates``)."""

from __future__ import annotations

from optlint.model import Report, Update
from optlint.report.text import paint, place, printable
from optlint.terminal import Screen


def render(report: Report, screen: Screen) -> str:
    return "".join(f"{_update(update, screen)}\n\n" for update in report.updates)


def _update(update: Update, screen: Screen) -> str:
    heading = f"{place(update.path, update.span)}: {printable(update.name)}"
    convention = f" ({printable(update.convention)})" if update.convention else ""
    is_read = update.status != "unsupported"
    status = f"{printable(update.family)}{convention}, {update.status}" if is_read else update.status
    if update.configuration:
        status += f", where {printable(update.configuration)}"
    if update.reason:
        status += f": {printable(update.reason)}"
    lines = [f"{paint(heading, screen, bold=True)}: {status}"]
    for line in (line for equation in update.equations for line in equation.splitlines()):
        first, *more = _wrapped(printable(line), screen)
        lines += [f"    {first}", *(f"        {part}" for part in more)]
    return "\n".join(lines)


def _wrapped(line: str, screen: Screen) -> list[str]:
    if not screen.width or len(line) < screen.width // 2:
        return [line]
    from rich.text import Text

    from optlint.report.frame import wrapped

    return [part.plain for part in wrapped(Text(line), max(20, screen.width - 8))]
