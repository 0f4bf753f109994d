"""Every update that was located, as equations (``--show-updates``)."""

from __future__ import annotations

from optlint.model import Report, Update
from optlint.report.text import paint, place, printable


def render(report: Report, color: bool) -> str:
    return "".join(f"{_update(update, color)}\n\n" for update in report.updates)


def _update(update: Update, color: bool) -> str:
    heading = f"{place(update.path, update.span)}: {printable(update.name)}"
    convention = f" ({printable(update.convention)})" if update.convention else ""
    is_read = update.status != "unsupported"
    status = f"{printable(update.family)}{convention}, {update.status}" if is_read else update.status
    if update.configuration:
        status += f", where {printable(update.configuration)}"
    if update.reason:
        status += f": {printable(update.reason)}"
    lines = [f"{paint(heading, color, bold=True)}: {status}"]
    lines += [f"    {printable(line)}" for equation in update.equations for line in equation.splitlines()]
    return "\n".join(lines)
