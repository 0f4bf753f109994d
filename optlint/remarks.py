"""What optlint says about its own comments: one that silences nothing (OPT900), one that names no rule (OPT901)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from optlint.knowledge import MistakePage
from optlint.model import Edit, Finding, Fix, Severity, Span, Update
from optlint.selection import named
from optlint.suppressions import Mention, Suppression, Suppressions

UNUSED, UNKNOWN = "OPT900", "OPT901"


def remarks(
    path: str, comments: Suppressions, rules: Sequence[MistakePage], ran: frozenset[str], updates: Sequence[Update]
) -> Iterator[Finding]:
    """Findings about a file's comments. ran: the rules that were looked for in it."""
    unknown, unused = named(UNKNOWN, rules), named(UNUSED, rules)
    if unknown is not None:
        for span, why in comments.wrong:
            yield _finding(unknown, path, span, why)
    if unused is None:
        return
    unread = [u.span for u in updates if u.status == "unsupported"]
    off = frozenset(rule.code for rule in rules if rule.off) | {UNUSED, UNKNOWN}
    by_place: dict[Span, list[Suppression]] = {}
    for one in comments.found:
        if not any(one.whole_file or _touches(one, span) for span in unread):
            by_place.setdefault(one.span, []).append(one)
    for group in by_place.values():
        idle = [mention for one in group for mention in _idle(one, ran, off)]
        if idle:
            yield _unused(unused, path, group, idle)


def _idle(one: Suppression, ran: frozenset[str], off: frozenset[str]) -> Iterator[Mention]:
    """The mentions of a comment that silence nothing, though their rules were looked for. A bare noqa is not ours."""
    if one.kind == "skip-file" or (one.kind == "noqa" and one.mentions is None):
        return
    if one.kind == "enable":
        if not one.used:
            yield Mention("", frozenset())
        return
    if one.mentions is None:
        if not one.used and ran:
            yield Mention("", frozenset())
        return
    for mention in one.mentions:
        codes = mention.codes - off
        if codes and codes <= ran and not codes & one.used:
            yield mention


def _unused(page: MistakePage, path: str, group: list[Suppression], idle: list[Mention]) -> Finding:
    first = group[0]
    texts = [mention.text for mention in idle if mention.text]
    if first.kind == "enable":
        message = "there is nothing disabled to enable here"
    elif texts:
        message = (
            f"the comment silences nothing: {', '.join(texts)} {'is' if len(texts) == 1 else 'are'} not found here"
        )
    else:
        message = "the comment silences nothing"
    return replace(_finding(page, path, first.span, message), fix=_fix(first, texts))


def _fix(one: Suppression, idle: list[str]) -> Fix:
    """Take the rules out of the comment's list, or the comment away where nothing else is in the list."""
    comment, line = one.comment, one.comment.line
    start, end = one.listed
    listed = comment.text[start - comment.column : end - comment.column].replace(",", " ").split()
    left = [text for text in listed if text not in idle]
    if idle and left:
        return _edit(
            f"take {', '.join(idle)} out of the comment", Span(line, start, line, end, one.cell), ", ".join(left)
        )
    before, after = comment.text[: one.start - comment.column].rstrip(), comment.text[one.end - comment.column :]
    if after.strip():
        stop = one.end + len(after) - len(after.lstrip())
        return _edit("remove that part of the comment", Span(line, one.start, line, stop, one.cell), "")
    stop = comment.column + len(comment.text)
    if before:
        return _edit(
            "remove that part of the comment", Span(line, comment.column + len(before), line, stop, one.cell), ""
        )
    if comment.alone:
        return _edit("remove the comment", Span(line, 1, line + 1, 1, one.cell), "")
    return _edit("remove the comment", Span(line, comment.behind, line, stop, one.cell), "")


def _edit(message: str, span: Span, text: str) -> Fix:
    return Fix("safe", message, (Edit(span, text),))


def _finding(page: MistakePage, path: str, span: Span, message: str) -> Finding:
    return Finding(page.code, page.name, cast(Severity, page.severity), "confirmed", message, path, span, "")


def _touches(one: Suppression, span: Span) -> bool:
    return one.cell == span.cell and one.lines[0] <= span.end_line and span.line <= one.lines[1]
