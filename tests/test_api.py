from __future__ import annotations

import json
from pathlib import Path

import pytest
import standins

import optlint
from optlint import Report, Settings, lint_paths, lint_source


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    standins.install(monkeypatch)
    return tmp_path


def test_a_text_is_linted_under_its_name() -> None:
    report = lint_source("x = 1\n# error\n", "src/a.py")
    assert [(finding.path, finding.span.line) for finding in report.findings] == [("src/a.py", 2)]
    assert report.texts == {"src/a.py": ("x = 1", "# error", "")}
    assert (report.files, report.candidates) == (1, 1)


def test_texts_are_kept_for_findings_only() -> None:
    assert lint_source("# unsupported").texts == {}


def test_findings_of_a_notebook_come_in_the_order_of_its_cells() -> None:
    cells = [{"cell_type": "code", "source": source} for source in ("\n\n# error", "# note", "# warning\n# note")]
    report = lint_source(json.dumps({"cells": cells}), "a.ipynb")
    assert [(f.span.cell, f.span.line, f.severity) for f in report.findings] == [
        (1, 3, "error"),
        (2, 1, "note"),
        (3, 1, "warning"),
        (3, 2, "note"),
    ]


def test_settings_reach_the_findings() -> None:
    assert not lint_source("# unconfirmed").findings
    assert lint_source("# unconfirmed", settings=Settings(unconfirmed=True)).findings


@pytest.mark.parametrize("text", ["# crash", "# \0"])
def test_a_text_that_cannot_be_analysed_is_a_problem(text: str) -> None:
    report = lint_source(text)
    assert [problem.path for problem in report.problems] == ["<string>"]
    assert report.files == 1 and not report.findings


def test_a_text_that_has_no_encoding_is_analysed() -> None:
    assert lint_source("x = '\ud800'  # error").findings


def test_a_file_without_candidates_only_counts(tree: Path) -> None:
    (tree / "a.py").write_bytes(b"x = \xff\0")
    assert lint_paths(["a.py"]) == Report(files=1)


def test_paths_may_be_one_or_many(tree: Path) -> None:
    for name in ("a.py", "b.py"):
        (tree / name).write_text("# error\n")
    assert lint_paths("a.py") == lint_paths(tree / "a.py") == lint_paths(["a.py"])
    both = lint_paths(path for path in ("a.py", tree / "b.py"))
    assert both == lint_paths("a.py").merged(lint_paths("b.py")) and both.files == 2
    assert set(both.texts) == {"a.py", "b.py"}


def test_every_public_name_exists() -> None:
    assert {name for name in optlint.__all__ if getattr(optlint, name, None) is None} == set()
    assert dir(optlint) == optlint.__all__
    with pytest.raises(AttributeError, match="no attribute 'lint'"):
        _ = optlint.lint  # type: ignore[attr-defined]
