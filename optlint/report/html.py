"""One HTML file that holds everything: findings with their code, equations and evidence, and the rules' pages.

It reads without scripts and loads nothing. Whatever comes from the code is escaped by how the text is put together:
only ``_Markup`` is taken for markup, and ``_element`` alone makes it.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from importlib.resources import files

from markdown_it import MarkdownIt

from optlint import __version__
from optlint.knowledge import MistakePage, find_mistake
from optlint.model import SEVERITIES, Finding, Problem, Report, Update
from optlint.report.common import account, by_file, line_at
from optlint.report.text import place, plural, printable, problem_line
from optlint.source import place_name

_CONTEXT = 2  # lines shown before and after a finding
_LONGEST = 400  # characters shown of a line, around the finding
_LINES = 40  # and lines of a finding
_EMPTY = frozenset({"meta"})


class _Markup(str):
    """Text that is HTML already."""


def _element(name: str, /, *children: str, **attributes: str) -> _Markup:
    given = "".join(f' {key.rstrip("_")}="{escape(printable(value))}"' for key, value in attributes.items())
    inner = "".join(child if isinstance(child, _Markup) else _text(child) for child in children)
    return _Markup(f"<{name}{given}>" if name in _EMPTY else f"<{name}{given}>{inner}</{name}>")


def _text(text: str) -> _Markup:
    return _Markup(escape("\n".join(printable(line) for line in text.split("\n")), quote=False))


def render(report: Report) -> str:
    style = (files("optlint.report") / "html.css").read_text(encoding="utf-8")
    head = _element(
        "head",
        _element("meta", charset="utf-8"),
        _Markup(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        ),
        _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _element("title", f"optlint: {_count(report)}"),
        _element("style", _Markup(style)),
    )
    body = _element(
        "body",
        _element("h1", "optlint"),
        _element(
            "p", f"{_count(report)} in {plural(report.files, 'file')}; {plural(len(report.updates), 'update')} read."
        ),
        _overview(report),
        *(_file(path, findings, report) for path, findings in by_file(report)),
        _problems(report.problems),
        _updates(report.updates),
        _rules(report),
        _element("footer", f"optlint {__version__}"),
    )
    return f"<!DOCTYPE html>\n{_element('html', head, body, lang='en')}\n"


def _count(report: Report) -> str:
    counts = [(severity, report.count(severity)) for severity in reversed(SEVERITIES)]
    return ", ".join(plural(count, severity) for severity, count in counts if count) or "no findings"


def _overview(report: Report) -> _Markup:
    """How many findings each rule has."""
    counts = Counter(finding.code for finding in report.findings)
    if not counts:
        return _Markup()
    first = {finding.code: finding for finding in reversed(report.findings)}
    rows = [
        _element(
            "tr",
            _element("td", str(count), class_="number"),
            _element("td", _rule_link(first[code])),
            _element("td", first[code].name),
        )
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return _element("table", *rows)


def _rule_link(finding: Finding) -> _Markup:
    code = _element("code", finding.code)
    return _element("a", code, href=f"#rule-{finding.code}") if find_mistake(finding.code) is not None else code


def _file(path: str, findings: list[Finding], report: Report) -> _Markup:
    return _element("section", _element("h2", path), *(_finding(finding, report) for finding in findings))


def _finding(finding: Finding, report: Report) -> _Markup:
    head = _element(
        "h3",
        _element("span", finding.severity, class_=f"severity {finding.severity}"),
        " ",
        _rule_link(finding),
        f" {finding.message}",
    )
    where = f"{place(finding.path, finding.span)} in {finding.update or 'the module'}, {finding.verdict}"
    parts = [head, _element("p", where, class_="place"), _frame(finding, report)]
    for span, text in finding.related:
        parts.append(_element("p", f"{place(finding.path, span)}: {text}", class_="place"))
    said = [part for label, text in account(finding) for part in (_element("dt", label), _element("dd", text))]
    if said:
        parts.append(_element("dl", *said))
    update = _update_of(finding, report)
    if update is not None:
        parts.append(_element("p", f"As it is read: {_title(update)}", class_="place"))
        parts.append(_element("pre", "\n".join(update.equations)))
    return _element("article", *parts)


def _update_of(finding: Finding, report: Report) -> Update | None:
    """The update that a finding is about, where its equations are known."""
    for update in report.updates:
        is_it = (update.path, update.name, update.span.cell) == (finding.path, finding.update, finding.span.cell)
        if is_it and update.span.line <= finding.span.line <= update.span.end_line and update.equations:
            return update
    return None


def _frame(finding: Finding, report: Report) -> _Markup:
    """The finding's lines with those around them, and the finding marked."""
    span = finding.span
    end = min(span.end_line, span.line + _LINES)
    numbers = range(span.line - _CONTEXT, end + _CONTEXT + 1)
    lines = [(number, line_at(report, finding.path, span.cell, number)) for number in numbers]
    width = len(str(end + _CONTEXT))
    rows: list[str] = []
    for number, line in lines:
        if line is not None:
            start = span.column - 1 if number == span.line else len(line) - len(line.lstrip())
            stop = span.end_column - 1 if number == span.end_line else len(line.rstrip())
            inside = span.line <= number <= end
            rows.append(_element("span", f"{number:>{width}} ", class_="line"))
            rows += _marked(line, start, stop) if inside else [line[:_LONGEST]]
            rows.append("\n")
    return _element("pre", *rows, class_=f"code {finding.severity}") if rows else _Markup()


def _marked(line: str, start: int, stop: int) -> list[str]:
    """A line in parts, of which the middle one is marked; what is far from it is left out."""
    start = min(start, len(line))
    stop = max(start, min(stop, len(line)))
    first = max(0, start - _LONGEST // 2)
    middle, last = line[start:stop], line[stop:]
    parts = ["…" if first else "", line[first:start], _element("mark", middle[:_LONGEST])]
    return [*parts, "…" if len(middle) > _LONGEST else last[:_LONGEST]]


def _problems(problems: tuple[Problem, ...]) -> _Markup:
    if not problems:
        return _Markup()
    lines = (_element("li", problem_line(problem).removeprefix("optlint: ")) for problem in problems)
    return _element("section", _element("h2", "What could not be read"), _element("ul", *lines))


def _updates(updates: tuple[Update, ...]) -> _Markup:
    if not updates:
        return _Markup()
    shown = []
    for update in updates:
        where = f"{place_name(update.path, update.span.cell)}:{update.span.line}: "
        summary = _element("summary", where, _element("b", update.name), f" {_title(update)}")
        inside = "\n".join(update.equations) or update.reason or "no equations"
        shown.append(_element("details", summary, _element("pre", inside)))
    return _element("section", _element("h2", "All updates"), *shown)


def _title(update: Update) -> str:
    convention = f" ({update.convention})" if update.convention else ""
    where = f", where {update.configuration}" if update.configuration else ""
    return f"{update.family}{convention}, {update.status}{where}"


def _rules(report: Report) -> _Markup:
    pages = [find_mistake(code) for code in sorted({finding.code for finding in report.findings})]
    shown = [_rule(page) for page in pages if page is not None]
    return _element("section", _element("h2", "The rules"), *shown) if shown else _Markup()


def _rule(page: MistakePage) -> _Markup:
    summary = _element("summary", _element("code", page.code), f" {page.summary}")
    text = _Markup(MarkdownIt("commonmark", {"html": False}).render(page.text))
    return _element("details", summary, text, id=f"rule-{page.code}")
