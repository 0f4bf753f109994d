"""The HTML page: well formed, self-contained, and deaf to what the code holds."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner
from handmade import EVERYTHING, EVIDENCE, FINDING, HOSTILE, LINE, NOTEBOOK, UPDATE, report
from hypothesis import given
from hypothesis import strategies as st

from optlint.cli import main
from optlint.knowledge import mistakes
from optlint.model import Problem, Report, Span
from optlint.report.html import render

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "section", "article", "footer", "details", "summary"),
    *("h1", "h2", "h3", "p", "pre", "span", "mark", "code", "dl", "dt", "dd", "table", "tr", "td", "ul", "ol", "li"),
    *("a", "b", "em", "strong", "blockquote"),
}
NASTY = "</pre></title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&lt;" + HOSTILE


class Page(HTMLParser):
    """Checks nesting as it reads, and keeps what links and what is seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {
            "class",
            "id",
            "href",
            "lang",
            "charset",
            "name",
            "content",
            "http-equiv",
        }
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.seen.append(data)

    @property
    def text(self) -> str:
        return "".join(self.seen)


def test_the_page_holds_everything() -> None:
    page = Page(render(replace(EVERYTHING, updates=(replace(UPDATE, path=FINDING.path, name=FINDING.update),))))
    for finding in EVERYTHING.findings[:4]:
        assert finding.message in page.text and finding.code in page.text
    for said in (EVIDENCE.ran, EVIDENCE.meant, EVIDENCE.fixed, "square the sum", "the state [v] starts here"):
        assert said in page.text
    assert "np.square(g) + reg_term" in page.text
    assert "b.ipynb:cell 4:2: invalid syntax" in page.text
    assert "m' = β₁·m\nv' = v" in page.text
    assert page.text.startswith("optlint: 3 errors, 1 warning, 1 note")


def test_the_equations_of_a_finding_stand_beside_it() -> None:
    update = replace(UPDATE, path=FINDING.path, name=FINDING.update, span=Span(10, 1, 20, 1))
    page = Page(render(replace(report(FINDING), updates=(update,))))
    assert page.text.index("As it is read: adam (paper), matched") < page.text.index("All updates")


def test_it_needs_nothing_else_and_runs_nothing() -> None:
    text = render(EVERYTHING)
    page = Page(text)
    assert page.tags <= TAGS
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|<link|javascript:", text)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert text == render(EVERYTHING)


def test_the_finding_is_marked() -> None:
    text = render(report(FINDING))
    assert "<mark>np.square(g) + reg_term</mark>" in text
    several = replace(FINDING, span=Span(14, 46, 15, 3))
    assert "<mark>np.square(g) + reg_term)</mark>" in render(report(several))
    assert "<mark>𝛽 </mark>= 漢" in render(report(several))
    long = "x = " + "a + " * 5000 + "WRONG" + " + b" * 5000
    at = long.index("WRONG") + 1
    text = render(report(replace(FINDING, span=Span(14, at, 14, at + 5)), line=long))
    assert "<mark>WRONG</mark>" in text and len(text) < 20_000 + len(render(report(FINDING)))


def test_every_rule_of_the_report_is_explained() -> None:
    findings = [replace(FINDING, code=page.code, name=page.name) for page in mistakes()]
    page = Page(render(report(*findings)))
    assert page.tags <= TAGS
    assert {f"rule-{each.code}" for each in mistakes()} == set(page.ids)
    assert "Why is this bad?" in page.text


@pytest.mark.parametrize("text", [NASTY, "<script>", "\0\x1b]8;;\u202e", "]]>", "&#x3C;script>"])
def test_hostile_text_stays_text(text: str) -> None:
    evidence = replace(EVIDENCE, ran=text, meant=text, fixed=text)
    finding = replace(
        FINDING, code=text, name=text, message=text, path=text, update=text, evidence=evidence,
        related=((FINDING.span, text),),
    )  # fmt: skip
    update = replace(UPDATE, path=text, name=text, equations=(text,), reason=text, configuration=text, convention=text)
    problem = Problem(text, 1, text)
    written = render(Report((update,), (finding,), (problem,), texts={text: (text,) * 14}))
    page = Page(written)
    assert page.tags <= TAGS
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", written)


@given(st.text(), st.integers(0, 30), st.integers(0, 30))
def test_any_line_and_any_column(line: str, column: int, length: int) -> None:
    finding = replace(FINDING, span=Span(14, column + 1, 14, column + 1 + length), message=line)
    assert Page(render(report(finding, line=line.replace("\n", " ")))).tags <= TAGS


def test_a_clean_report() -> None:
    page = Page(render(Report(files=3, updates=(UPDATE,))))
    assert "no findings in 3 files; 1 update read." in page.text
    assert "mark" not in page.tags
    assert Page(render(NOTEBOOK)).text.count(LINE.strip()) == 2


def test_the_option_writes_it_beside_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    standins.install(monkeypatch)
    Path("a.py").write_text("v = x  # error\n")
    for options in ([], ["-s"], ["--output-format", "json", "-o", "report.json"]):
        result = CliRunner().invoke(main, ["--report", "page.html", *options, "a.py"])
        assert result.exit_code == 1 and ("OPT101" in result.stdout) == (options == [])
        assert "this is error" in Page(Path("page.html").read_text(encoding="utf-8")).text
        Path("page.html").unlink()
    result = CliRunner().invoke(main, ["--report", "nowhere/page.html", "a.py"])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("optlint: --report: nowhere/page.html cannot be written: ")
