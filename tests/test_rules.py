"""Each page in ``rules/mistakes`` is a test: its bad examples are found and confirmed, its good ones are silent."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from unfixed import lint, lint_unfixed

from optlint import Report
from optlint.diagnose.twins import _are_moments
from optlint.forms import compile_variant
from optlint.knowledge import MistakePage, Variant, mistakes, read_convention, read_mistake, rules_folder
from optlint.lift import expression as ex
from optlint.lift.expression import Symbol
from optlint.model import SEVERITIES

MISTAKES = sorted((rules_folder() / "mistakes").glob("*.md"))
CONVENTIONS = sorted((rules_folder() / "conventions").glob("*.toml"))
NOTES = {"OPT205", "OPT206"}  # which reading of epsilon: a note beside anything
# to define what the examples define
NOT_NEEDED = (
    *("autograd", "jax", "jax.numpy", "keras", "keras.optimizers"),
    *("mxnet", "mxnet.ndarray", "mxnet.optimizer", "optax", "torch"),
)
HEADINGS = (
    "## What it does",
    "## Why is this bad?",
    "## Example",
    "## Use instead",
    "## Legitimate variants",
    "## Fix safety",
    "## References",
)


@dataclass(frozen=True)
class Example:
    page: MistakePage
    kind: str
    number: int
    text: str

    def __str__(self) -> str:
        kind = "" if self.kind == "bad" else f"{self.kind}-"  # bad ones are named as in test_fix.py
        return f"{self.page.code}-{kind}{self.number}"

    def lint(self) -> Report:
        return lint(self.text) if self.kind == "bad" else linted(self.text, "example.py")


linted = lru_cache(lint_unfixed)


def examples(kind: str) -> list[Example]:
    return [
        Example(page, kind, number, text)
        for page in map(read_mistake, MISTAKES)
        if kind == "good" or not page.off
        for number, text in enumerate(page.bad if kind == "bad" else page.good, 1)
    ]


def lines_outside_code(text: str) -> Iterator[str]:
    inside = False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            yield line


@pytest.mark.parametrize("example", examples("bad"), ids=str)
def test_a_bad_example_is_found(example: Example) -> None:
    page = example.page
    findings = example.lint().findings
    mine = [f for f in findings if f.code == page.code]
    others = {f.code for f in findings} - {page.code} - NOTES
    assert mine and others <= set(page.options.get("also", ())), [(f.code, f.span.line) for f in findings]
    for finding in mine:
        assert finding.name == page.name
        assert finding.severity == page.severity
        assert finding.verdict == ("convention" if page.code in NOTES else "confirmed")
        assert finding.message
        assert_inside(finding.span, example.text)
        if page.options.get("when") != "comments":  # what these say needs no running
            assert finding.evidence is not None
            assert finding.evidence.ran and finding.evidence.probe


def assert_inside(span: object, text: str) -> None:
    lines = text.splitlines()
    start = (span.line, span.column)  # type: ignore[attr-defined]
    end = (span.end_line, span.end_column)  # type: ignore[attr-defined]
    assert (1, 1) <= start < end <= (len(lines), len(lines[-1]) + 1)
    assert all(column <= len(lines[line - 1]) + 1 for line, column in (start, end))


@pytest.mark.parametrize("example", examples("good"), ids=str)
def test_a_good_example_is_silent(example: Example) -> None:
    report = example.lint()
    allowed = NOTES - {example.page.code}
    assert {f.code for f in report.findings} <= allowed
    assert all(f.severity == "note" for f in report.findings)


@pytest.mark.parametrize("example", examples("good"), ids=str)
def test_a_good_example_is_read(example: Example) -> None:
    """Silence counts only where optlint has understood what stands there."""
    assert "matched" in {update.status for update in example.lint().updates}


@pytest.mark.parametrize("example", [*examples("bad"), *examples("good")], ids=str)
def test_an_example_runs(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOT_NEEDED:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    monkeypatch.setitem(sys.modules, "autograd.numpy", np)
    scope: dict[str, object] = {"__name__": "example"}
    with np.errstate(all="ignore"):
        exec(compile(example.text, str(example), "exec"), scope)
    assert len(scope) > 2


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.name[:6])
def test_a_page_is_complete(path: Path) -> None:
    page = read_mistake(path)
    assert path.name == f"{page.code}-{page.name}.md" and page.code == path.name[:6] and page.code[3:].isdigit()
    assert page.severity in SEVERITIES
    assert page.summary and page.message
    lines = list(lines_outside_code(page.text))
    assert lines[0].startswith(f"# {page.code}: ")
    assert tuple(line for line in lines if line.startswith("##")) == HEADINGS
    assert sum(line.startswith("# ") for line in lines) == 1
    assert len(page.bad) >= 2 and len(page.good) >= 2
    assert not page.off or page.severity == "note"
    sections = "\n".join(lines).split("\n## ")[1:]
    assert all(s.partition("\n")[2].strip() for s in sections if not s.startswith(("Example", "Use instead")))
    assert all(re.search(r"^(import|from) ", text, re.MULTILINE) for text in (*page.bad, *page.good))
    assert all(len(line) <= 120 for line in (*lines, *"\n".join((*page.bad, *page.good)).splitlines()))


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.name[:6])
def test_a_page_shows_nothing_twice(path: Path) -> None:
    page = read_mistake(path)
    shown = [*page.bad, *page.good]
    assert len(set(shown)) == len(shown)


def test_codes_and_names_are_unique() -> None:
    pages = mistakes()
    assert len({page.code for page in pages}) == len({page.name for page in pages}) == len(pages) == len(MISTAKES)


def variants() -> list[Variant]:
    return [variant for path in CONVENTIONS for variant in read_convention(path)]


@pytest.mark.parametrize("path", CONVENTIONS, ids=lambda path: path.stem)
def test_the_names_in_a_convention_file_are_unique(path: Path) -> None:
    read = read_convention(path)
    names = [(variant.family, variant.name) for variant in read]
    assert read and len(set(names)) == len(names)


@pytest.mark.parametrize("variant", variants(), ids=lambda v: f"{v.family}-{v.name.replace(' ', '-')}")
def test_a_convention_compiles(variant: Variant) -> None:
    form = compile_variant(variant)
    assert form.names == [old.name for old, _, _ in form.states]
    assert "g" in form.symbols and form.symbols["g"] in form.needs
    assert variant.cites and (variant.epsilon == "none" or "eps" in form.symbols)
    assert variant.deviation or not variant.cue, "only a deviation has to be cited"


def test_averages_of_a_gradient_and_of_its_square_are_no_twins() -> None:
    gradient, kept = ex.sym(Symbol("cache['g']")), ex.sym(Symbol("beta"))
    first, second = (ex.op("mul", kept, taken) for taken in (gradient, ex.op("mul", gradient, gradient)))
    assert _are_moments(first, second, {})
    assert _are_moments(second, first, {})
    assert not _are_moments(first, second, {ex.sym(Symbol("db")): gradient})  # a twin's own gradient, not squared
