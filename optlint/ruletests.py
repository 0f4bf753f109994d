"""``optlint --test-rules``: each page's bad examples are found, its good ones are understood and silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from optlint.api import lint_source
from optlint.files import shown
from optlint.knowledge import KnowledgeError, MistakePage, knowledge_of
from optlint.model import Report
from optlint.ownrules import files_of
from optlint.report.text import plural
from optlint.settings import ConfigError, Settings

BESIDE_ANYTHING = frozenset({"OPT205", "OPT206"})  # which reading of epsilon: a note beside anything


def run(paths: tuple[str, ...], settings: Settings) -> tuple[str, bool]:
    """Test the pages at these paths, or all of the project's own: (one line per failure and a summary, any failed)."""
    try:
        pages, rules = _pages(paths, settings)
    except KnowledgeError as error:
        raise ConfigError(shown(str(error.path)), error.line, error.message) from None
    lines: list[str] = []
    examples = 0
    for page in pages:
        source = shown(str(page.source))
        if not (page.bad and page.good) and not page.off:
            lines.append(f"{source}: {page.code} needs a bad and a good example at least")
        for kind, number, text in _examples(page):
            examples += 1
            report = lint_source(text, f"{page.code}-{kind}-{number}.py", settings=Settings(rules=rules))
            line = _line(page, kind, number)
            why = [*(p.message for p in report.problems), *(_bad if kind == "bad" else _good)(page, report)]
            lines += [f"{source}:{line}: {page.code} {kind} example {number}: {w}" for w in why[:1]]
    tested = f"{plural(len(pages), 'page')}, {plural(examples, 'example')}"
    verdict = f"{plural(len(lines), 'failure')}." if lines else "all as they should be."
    return "".join(f"{line}\n" for line in lines) + f"{tested}: {verdict}\n", bool(lines)


def _pages(paths: tuple[str, ...], settings: Settings) -> tuple[list[MistakePage], tuple[str, ...]]:
    """The pages to test, and the rules to test them with. Optlint's own pages can be named, too."""
    own = knowledge_of(settings.rules)
    if not paths:
        if not own.own_mistakes:
            raise ConfigError("--test-rules", None, "there are no pages to test; the setting 'rules' names them")
        return list(own.own_mistakes), settings.rules
    wanted = [path.resolve() for given in paths for path in files_of(Path(given))]
    known = {page.source.resolve() for page in own.mistakes if page.source is not None}
    known |= {path.resolve() for rule in settings.rules for path in files_of(Path(rule))}
    rules = (*settings.rules, *(os.fspath(path) for path in dict.fromkeys(wanted) if path not in known))
    pages = knowledge_of(rules).mistakes
    return [page for page in pages if page.source is not None and page.source.resolve() in wanted], rules


def _examples(page: MistakePage) -> Iterator[tuple[str, int, str]]:
    for kind, texts in (("bad", () if page.off else page.bad), ("good", page.good)):
        for number, text in enumerate(texts, 1):
            yield kind, number, text


def _bad(page: MistakePage, report: Report) -> Iterator[str]:
    others = sorted({f.code for f in report.findings} - {page.code} - BESIDE_ANYTHING - {*page.options.get("also", ())})
    if not any(f.code == page.code for f in report.findings):
        states = sorted({update.status for update in report.updates})
        yield f"not found; instead: {', '.join([*others, *states]) or 'no update at all'}"
    elif others:
        yield f"{', '.join(others)} is found, too; where that is meant, name it in options.also"


def _good(page: MistakePage, report: Report) -> Iterator[str]:
    for finding in report.findings:
        if finding.code == page.code or finding.severity != "note":
            yield f"{finding.code} is found in its line {finding.span.line}: {finding.message}"
    if all(update.status != "matched" for update in report.updates):
        yield "silent, but not understood: no update in it equals a published optimizer"


def _line(page: MistakePage, kind: str, number: int) -> int:
    """Where an example starts in its page."""
    assert page.source is not None
    lines = page.source.read_text(encoding="utf-8").splitlines()
    starts = [n for n, line in enumerate(lines, 1) if line.strip() == f"```python {kind}"]
    return starts[number - 1]
