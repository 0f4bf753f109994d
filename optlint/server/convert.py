"""Findings as a language server tells them: diagnostics, code actions, what stands under the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lsprotocol import types as lsp

from optlint.model import Edit, Finding, Span, Update
from optlint.report.common import account, story
from optlint.report.text import page_uri, printable
from optlint.server.opened import Places, line_edits

FIX_ALL = "source.fixAll.optlint"

_SEVERITIES = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "note": lsp.DiagnosticSeverity.Information,
}
_IGNORED = re.compile(r"#\s*optlint:\s*ignore\[([^\]]*)\]")


def diagnostic(finding: Finding, places: Places) -> lsp.Diagnostic:
    page = page_uri(finding)
    lines = [finding.message, *story(finding)[1:]]
    return lsp.Diagnostic(
        range=places.range(finding.span),
        message="\n".join(printable(line) for line in lines),
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        code_description=lsp.CodeDescription(page) if page else None,
        source="optlint",
        related_information=[
            lsp.DiagnosticRelatedInformation(places.location(span), printable(text)) for span, text in finding.related
        ],
        data={"name": finding.name, "update": finding.update, "verdict": finding.verdict},
    )


def quick_fixes(findings: Iterable[Finding], places: Places) -> list[lsp.CodeAction]:
    """What can be done about findings: each one's fix, and a comment that ignores it."""
    found: list[lsp.CodeAction] = []
    for finding in findings:
        about = [diagnostic(finding, places)]
        if finding.fix is not None:
            found.append(
                lsp.CodeAction(
                    title=printable(f"{finding.code}: {finding.fix.message}"),
                    kind=lsp.CodeActionKind.QuickFix,
                    diagnostics=about,
                    edit=_workspace_edit(finding.fix.edits, places),
                    is_preferred=finding.fix.applicability == "safe" or None,
                )
            )
        found.append(
            lsp.CodeAction(
                title=f"Ignore {finding.code} here",
                kind=lsp.CodeActionKind.QuickFix,
                diagnostics=about,
                edit=_workspace_edit([ignoring(finding, places)], places),
            )
        )
    return found


def fix_all(old: dict[str, str], new: dict[str, str]) -> list[lsp.CodeAction]:
    """The action that makes all safe fixes; ``old`` and ``new`` are texts by document."""
    changes = {uri: list(line_edits(old[uri], text)) for uri, text in new.items()}
    title = "Fix all that optlint can fix safely"
    return [lsp.CodeAction(title, FIX_ALL, edit=lsp.WorkspaceEdit(changes=changes))] if changes else []


def ignoring(finding: Finding, places: Places) -> Edit:
    """The edit that adds the finding's code to a comment on its line, or a comment above a line that goes on."""
    span = finding.span
    number = span.line
    line = places.line(span, number)
    comment = _IGNORED.search(line)
    if comment:
        there = comment.end(1) + 1
        return Edit(
            Span(number, there, number, there, span.cell), f", {finding.code}" if comment[1].strip() else finding.code
        )
    text = f"# optlint: ignore[{finding.code}]"
    if line.rstrip().endswith("\\"):  # a backslash joins lines: nothing may stand behind it
        while number > 1 and places.line(span, number - 1).rstrip().endswith("\\"):
            number -= 1
        line = places.line(span, number)
        indent = line[: len(line) - len(line.lstrip())]
        return Edit(Span(number, 1, number, 1, span.cell), f"{indent}{text}\n")
    end = len(line.rstrip()) + 1
    return Edit(Span(number, end, number, len(line) + 1, span.cell), f"  {text}")


def hover(findings: Iterable[Finding], update: Update | None) -> str:
    """Markdown: the findings under the cursor with what running them showed, and the update's equations."""
    parts = []
    for finding in findings:
        parts.append(f"**{finding.code}** {_escaped(finding.message)}")
        parts.append(_block(f"{label + ':':<8}{text}" for label, text in account(finding)))
    if update is not None:
        name = update.family + (f" ({update.convention})" if update.convention else "")
        where = f", where {update.configuration}" if update.configuration else ""
        parts.append(f"**{_escaped(update.name)}**: {_escaped(name)}, {update.status}{_escaped(where)}")
        parts.append(_block(update.equations))
    return "\n\n".join(part for part in parts if part)


def _block(lines: Iterable[str]) -> str:
    text = "\n".join(printable(part) for line in lines for part in line.splitlines())
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}" if text else ""


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", printable(text))


def wanted(kind: str, only: Iterable[str] | None) -> bool:
    """Whether an editor that asks for some kinds asks for this one: ``source`` includes ``source.fixAll``."""
    return only is None or any(not part or kind == part or kind.startswith(f"{part}.") for part in only)


def _workspace_edit(edits: Iterable[Edit], places: Places) -> lsp.WorkspaceEdit:
    changes: dict[str, list[lsp.TextEdit]] = {}
    for edit in edits:
        uri, change = places.edit(edit)
        changes.setdefault(uri, []).append(change)
    return lsp.WorkspaceEdit(changes=changes)
