"""Comments that silence findings, what is said of those that silence nothing, and comments that are added."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner, Result

from optlint import Settings, lint_source
from optlint.cli import main
from optlint.comments import layout
from optlint.model import Report

ROOT = Path(__file__).parents[1]
FOUNDING = (ROOT / "fixtures" / "founding_rmsprop.py").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ``bad(OPT101)`` in a text is a finding of that code, every ``update(`` … ``)`` an update that holds it."""
    standins.install(monkeypatch, knowledge=False, analyze=marked)


def marked(source: standins.Source, settings: Settings) -> Report:
    findings, updates = [], []
    for unit in source.units:
        for number, line in enumerate(unit.lines, 1):
            for mark in re.finditer(r"bad\('(OPT\d+)'\)", line):
                span = standins.Span(number, mark.start() + 1, number, mark.end() + 1, unit.cell)
                findings.append(standins.finding("error", source.path, span, mark[1]))
        if (step := re.search(r"step_starts.*step_ends", unit.text, re.DOTALL)) is not None:
            first, last = (unit.text.count("\n", 0, at) + 1 for at in step.span())
            span = standins.Span(first, 1, last, len(unit.lines[last - 1]) + 1, unit.cell)
            status = "unsupported" if "while" in step[0] else "mistaken"
            updates.append(standins.Update(source.path, "step", span, "rmsprop", "", status))
    return Report(tuple(updates), tuple(findings))


def found(text: str, path: str = "a.py", **settings: object) -> list[str]:
    """The findings as ``line CODE``."""
    report = lint_source(text, path, settings=Settings(**settings))  # type: ignore[arg-type]
    assert not report.problems
    return [f"{f.span.line} {f.code}" for f in report.findings]


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


B = "bad('OPT101')"


# --- what a comment silences


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: OPT101",
        "#noqa:OPT101",
        "# NOQA : opt101",
        "# noqa: E501, OPT101",
        "# noqa: E501 OPT101 because of that",
        "# noqa: OPT1",
        "# noqa",
        "# type: ignore  # noqa: OPT101",
        "# noqa: E501  # noqa: OPT101",
        "# noqa: E501  # optlint: ignore[OPT101]",
        "# optlint: ignore[OPT101]",
        "#optlint:ignore[OPT101]",
        "# optlint: ignore[opt101] the gradient is squared by its caller",
        "# optlint: ignore[regularization-outside-square]",
        "# optlint: ignore[OPT2, OPT1]",
        "# optlint: ignore[ALL]",
        "# optlint: ignore",
        "# optlint: file-ignore[OPT101]",
        "# optlint: disable[OPT101]",
    ],
)
def test_a_comment_on_the_line_silences(comment: str) -> None:
    text = f"{B}  {comment}\n"
    assert not [f for f in found(text) if "OPT101" in f]
    assert "1 OPT101" in found(text, ignore_noqa=True)
    (silenced,) = lint_source(text, "a.py").suppressed
    assert silenced.code == "OPT101"


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    "text",
    [
        f"{B}  # noqa: E501",
        f"{B}  # noqa: OPT203",
        f"{B}  # noqa:",
        f"{B}  # noqa: because",
        f"{B}  # noqaOPT101",
        f"{B}; y = '# noqa'",
        f'{B}; y = """\n# noqa: OPT101\n"""'.replace("; y", "\ny"),
        f"{B}  # optlint: ignore[OPT203]",
        f"{B}  # optlint: this is fine",
        f"{B}  # optlint: enable[OPT101]",
        f"{B}\n# noqa: OPT101",
        f"# noqa: OPT101\n{B}",
        f"# optlint: disable[OPT101]\n# optlint: enable[OPT101]\n{B}",
    ],
)
def test_what_is_no_such_comment_silences_nothing(text: str) -> None:
    assert any("OPT101" in f for f in found(f"{text}\n"))


@pytest.mark.usefixtures("standin")
def test_a_comment_counts_on_every_line_of_the_statement() -> None:
    text = f"x = f(\n    1,\n    {B},\n    # a remark\n    2,\n)\n"
    for number, line in enumerate(text.splitlines()):
        lines = text.splitlines()
        lines[number] = f"{line}  # noqa: OPT101"
        assert found("\n".join(lines)) == [], line
    assert found(f"x = {B} + \\\n    1  # noqa\n") == []
    assert found(f'x = {B} + """\n\n"""  # optlint: ignore[OPT101]\n') == []
    assert found(f"y = 1  # noqa\nx = {B}\n") == ["2 OPT101"]


@pytest.mark.usefixtures("standin")
def test_a_comment_counts_on_every_line_of_the_update() -> None:
    text = "def f():\n    step_starts = 1\n    {}\n    {}\n    step_ends = 2  {}\n"
    assert found(text.format(B, "pass", "# noqa: OPT101")) == []
    assert found(text.format(B, "# optlint: ignore[OPT101] why", "")) == []
    assert found(text.format("pass", B, "# noqa: OPT203")) == ["4 OPT101", "5 OPT900"]
    assert found(text.format("pass", B, "# noqa")) == ["4 OPT101"]  # which is meant for any linter


@pytest.mark.usefixtures("standin")
def test_a_comment_of_its_own_line_speaks_of_the_next_statement() -> None:
    above = "# optlint: ignore[OPT101] why\n"
    assert found(f"{above}{B}\n") == []
    assert found(f"{above}\n# another remark\n\nx = [\n    {B},\n]\n") == []
    assert found(f"{above}x = 1\n{B}\n") == ["1 OPT900", "3 OPT101"]
    assert found(f"{above}def f():\n    x = 1\n\n    {B}\n\ny = 2\n") == []
    assert found(f"{above}@decorated\n@twice(\n    1\n)\ndef f():\n    {B}\n") == []
    assert found(f"{above}if x:\n    y\nelif z:\n    pass\nelse:\n    {B}\n") == []
    assert found(f"{above}def f():\n    pass\n{B}\n") == ["1 OPT900", "4 OPT101"]
    assert found(f"if x:\n    # optlint: ignore[OPT101]\n    y = {B}\n    {B}\n") == ["4 OPT101"]
    assert found("# optlint: ignore[OPT101]\n") == ["1 OPT900"]


@pytest.mark.usefixtures("standin")
def test_ranges() -> None:
    off, on = "# optlint: disable[OPT101, OPT203]", "# optlint: enable[{}]"
    assert found(f"{B}\n{off}\n{B}\n{on.format('OPT101,OPT203')}\n{B}\nbad('OPT203')\n") == [
        "1 OPT101",
        "2 OPT900",  # OPT203
        "5 OPT101",
        "6 OPT203",
    ]
    assert found(f"{off}\n{B}\n{on.format('OPT101')}\n{B}\nbad('OPT203')\n") == ["4 OPT101"]
    assert found(f"{off}\n{B}\nbad('OPT203')\n# optlint: enable\n{B}\n") == ["5 OPT101"]
    assert found(f"# optlint: disable\n{B}\n# optlint: enable\n{B}\n") == ["4 OPT101"]
    inside = f"def f():\n    # optlint: disable[OPT101]\n    x\n\n    {B}\n\n\ndef g():\n    {B}\n"
    assert found(inside) == ["9 OPT101"]
    assert found(f"{B}\n# optlint: enable[OPT101]\n") == ["1 OPT101", "2 OPT900"]


@pytest.mark.usefixtures("standin")
def test_whole_files() -> None:
    assert found(f"{B}\nx = 1\n# optlint: file-ignore[OPT1]\nbad('OPT203')\n") == ["4 OPT203"]
    assert found(f"{B}\n# optlint: file-ignore\nbad('OPT203')\n") == []
    skipped = lint_source(f"# optlint: skip-file\n{B}\nstep_starts; step_ends\n")
    assert (skipped.files, skipped.updates, skipped.findings) == (1, (), ())
    assert found(f"x = '# optlint: skip-file'\n{B}\n") == ["2 OPT101"]
    assert found(f"# optlint: skip-file\n{B}\n", ignore_noqa=True) == ["2 OPT101"]


@pytest.mark.usefixtures("standin")
def test_notebooks() -> None:
    sources = [f"x\n{B}  # noqa: OPT101\n", f"x\n{B}\n", f"%%time\n!ls # noqa\n# optlint: ignore[OPT101]\n{B}", B]
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources]})
    report = lint_source(notebook, "a.ipynb")
    assert [(f.span.cell, f.code) for f in report.findings] == [(2, "OPT101"), (4, "OPT101")]
    sources[3] += "  # optlint: file-ignore[OPT101]"
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources]})
    assert not lint_source(notebook, "a.ipynb").findings


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    "broken",
    [
        "def f(:\n    pass\n",
        "x = (1,\n\n",
        "x = '''\n",
        "x = 'abc\n",
        "if x:\n    a\n  b\n",
        "print 'hello'\n",
        "x = $\n",
        "\tif 1:\n  x\n",
        "x = 0777 ? 1\n",
    ],
)
def test_what_does_not_tokenize_is_read_all_the_same(broken: str) -> None:
    text = f"x = {B}  # noqa: OPT101\n\n\n{broken}\n\ny = {B}\nz = {B}  # noqa: OPT101\n"
    last = text.count("\n")
    assert [f for f in found(text) if "OPT101" in f] == [f"{last - 1} OPT101"]


def test_layouts_of_statements() -> None:
    spread = layout(
        "a = (\n    1,  # one\n)\n\n\nif a:\n    b\n    # two\nelse:\n    c = '''\n\n'''\nd = 1 + \\\n  2\n"
    )
    assert [(c.line, c.column, c.alone) for c in spread.comments] == [(2, 9, False), (8, 5, True)]
    assert spread.statement(2) == (1, 3) and spread.statement(4) == (4, 4)
    assert spread.following(4) == (6, 12) and spread.following(13) is None
    assert spread.sealed == {10, 11, 13}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before, an f-string is one token")
def test_a_comment_inside_an_f_string_is_none_of_its_lines() -> None:
    spread = layout("x = f'''\n{\n 1\n}\n'''\n")
    assert {1, 2, 3, 4} <= spread.sealed


# --- comments that do nothing


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("text", "says", "fixed"),
    [
        ("x = 1  # noqa: OPT101\ny\n", "the comment silences nothing: OPT101 is not found here", "x = 1\ny\n"),
        ("x = 1  # noqa: E501, OPT101\n", "OPT101 is not found here", "x = 1  # noqa: E501\n"),
        ("x  # noqa: OPT101 OPT203\n", "OPT101, OPT203 are not found here", "x\n"),
        (f"{B}  # noqa: OPT101, OPT203\n", "OPT203 is not found here", f"{B}  # noqa: OPT101\n"),
        ("x  # noqa: OPT101 why so\n", "OPT101 is not found here", "x\n"),
        ("x  # why so  # noqa: OPT101\n", "OPT101 is not found here", "x  # why so\n"),
        ("x  # noqa: OPT101  # why so\n", "OPT101 is not found here", "x  # why so\n"),
        ("y\n    # optlint: ignore[OPT101] why\nx\n", "OPT101 is not found here", "y\nx\n"),
        ("x  # optlint: ignore\n", "the comment silences nothing", "x\n"),
        ("x  # optlint: ignore[OPT1, ascent]\n", "OPT1, ascent are not found here", "x\n"),
        ("# optlint: file-ignore[OPT1]", "OPT1 is not found here", ""),
        ("# optlint: enable[OPT1]\nx\n", "there is nothing disabled to enable here", "x\n"),
    ],
)
def test_an_unused_comment_is_noted_and_can_be_removed(text: str, says: str, fixed: str) -> None:
    (finding,) = lint_source(text).findings
    assert (finding.code, finding.name, finding.severity) == ("OPT900", "unused-suppression", "note")
    assert finding.message.endswith(says)
    Path("a.py").write_text(text, encoding="utf-8")
    assert run("a.py", "--fix").exit_code == 0
    assert Path("a.py").read_text(encoding="utf-8") == fixed


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("x  # noqa\n", {}),
        ("x  # noqa: E501, F401\n", {}),
        ("x  # noqa: OPT101\n", {"ignore": ["OPT101"]}),
        ("x  # noqa: OPT1\n", {"ignore": ["OPT101"]}),
        ("x  # noqa: OPT101\n", {"per_file_ignores": {"a.py": ["OPT1"]}}),
        ("x  # noqa: OPT101\n", {"ignore": ["OPT900"]}),
        ("x  # noqa: OPT101, OPT900\n", {}),
        ("x  # noqa: OPT101\n# optlint: file-ignore[unused-suppression]\n", {}),
        ("x  # noqa: OPT900\n", {}),
        ("step_starts\nwhile x: y  # noqa: OPT101\nstep_ends\n", {}),
        ("x  # optlint: skip-file\n", {}),
    ],
)
def test_comments_that_are_not_said_to_be_unused(text: str, settings: dict[str, object]) -> None:
    assert found(text, **settings) == []


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("comment", "says"),
    [
        ("# noqa: OPT9999", "there is no rule 'OPT9999'"),
        ("# optlint: ignore[asent]", "there is no rule 'asent'. Did you mean ascent?"),
        ("# optlint: ignore[E501]", "there is no rule 'E501'"),
        ("# optlint: ingore[OPT101]", "'optlint: ingore' silences nothing. Did you mean ignore?"),
        ("# optlint: ingore", "'optlint: ingore' silences nothing. Did you mean ignore?"),
        ("# optlint: ignore[]", "'optlint: ignore[]' names no rule"),
        ("# optlint: ignore[OPT101", "the list of rules of 'optlint: ignore' does not end"),
    ],
)
def test_a_comment_that_means_nothing_is_a_warning(comment: str, says: str) -> None:
    (finding,) = lint_source(f"x = 1  {comment}\n").findings
    assert (finding.code, finding.severity) == ("OPT901", "warning")
    assert finding.message.startswith(says)
    assert found(f"x = 1  {comment}\n", ignore=["OPT901"]) == []


def test_a_file_without_an_optimizer_is_read_for_its_comments() -> None:
    assert [f.code for f in lint_source("x = 1  # noqa: OPT101\n").findings] == ["OPT900"]
    assert not lint_source("x = 1  # noqa: F401\n").findings


def test_nothing_is_said_of_comments_where_the_file_cannot_be_read_to_its_end() -> None:
    report = lint_source("beta = = 1\nx = 1  # noqa: OPT101\n")
    assert report.problems and not report.findings


def test_an_unconfirmed_finding_uses_its_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    standins.install(monkeypatch, knowledge=False)
    text = "x = 1  # unconfirmed\ny = 2  # noqa: OPT101\n"
    assert found(text) == ["2 OPT900"]
    assert found("x = (1,  # noqa: OPT101\n  # unconfirmed\n)\n") == []


# --- through the real engine


def test_the_founding_example_is_silenced() -> None:
    assert sorted(found(FOUNDING)) == ["24 OPT101", "27 OPT201", "28 OPT201"]
    lines = FOUNDING.splitlines()
    lines[23] += "  # noqa: OPT101"
    assert sorted(found("\n".join(lines))) == ["27 OPT201", "28 OPT201"]
    assert found("# optlint: file-ignore[OPT]\n" + FOUNDING) == []


# --- --add-noqa


def test_comments_are_added_once(tree: Path) -> None:
    Path("a.py").write_text(FOUNDING, encoding="utf-8")
    result = run("--add-noqa", "a.py")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "optlint: added comments to 3 lines\n")
    text = Path("a.py").read_text(encoding="utf-8")
    assert text.splitlines()[23].endswith("# expect: OPT101  # noqa: OPT101")
    assert text.replace("  # noqa: OPT101", "").replace("  # noqa: OPT201", "") == FOUNDING
    assert run("a.py").exit_code == 0 and found(text) == []
    assert run("--add-noqa", "a.py").stderr == "optlint: added comments to 0 lines\n"
    assert Path("a.py").read_text(encoding="utf-8") == text


def test_a_reason_is_written_too() -> None:
    Path("a.py").write_text(FOUNDING, encoding="utf-8")
    assert run("--add-noqa=not now", "a.py").exit_code == 0
    assert Path("a.py").read_text(encoding="utf-8").count("# noqa: OPT201 not now\n") == 2
    assert run("a.py").exit_code == 0
    assert run("--add-noqa=#12", "a.py").stderr == "optlint: --add-noqa: a reason holds no '#'\n"
    assert run("--add-noqa=a\nb", "a.py").exit_code == 2


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"x = {B}", f"x = {B}  # noqa: OPT101"),
        (f"x = {B}   \r\ny\r\n", f"x = {B}  # noqa: OPT101\r\ny\r\n"),
        (f"x = {B} + bad('OPT203')\n", f"x = {B} + bad('OPT203')  # noqa: OPT101, OPT203\n"),
        (f"{B}  # noqa: E501 long\n", f"{B}  # noqa: E501, OPT101 long\n"),
        (f"{B}  # a remark\n", f"{B}  # a remark  # noqa: OPT101\n"),
        (f"f(\n    {B},\n)\n", f"f(\n    {B},  # noqa: OPT101\n)\n"),
        (f"x = {B} + \\\n    1\n", f"x = {B} + \\\n    1  # noqa: OPT101\n"),
        (f'x = {B} + """\na\n"""\n', f'x = {B} + """\na\n"""  # noqa: OPT101\n'),
        (f'x = """\na\n""" + {B}\n', f'x = """\na\n""" + {B}  # noqa: OPT101\n'),
        (f"\ufeffx = {B}\n", f"\ufeffx = {B}  # noqa: OPT101\n"),
        (f"# coding: latin-1\né = {B}\n", f"# coding: latin-1\né = {B}  # noqa: OPT101\n"),
        (f"if 1: {B}; x = '#'\n", f"if 1: {B}; x = '#'  # noqa: OPT101\n"),
    ],
)
def test_where_a_comment_is_added(before: str, after: str) -> None:
    encoding = "latin-1" if "latin" in before else "utf-8"
    Path("a.py").write_bytes(before.encode(encoding))
    assert run("--add-noqa").stderr == "optlint: added comments to 1 line\n"
    assert Path("a.py").read_bytes().decode(encoding) == after
    assert run("--add-noqa").stderr == "optlint: added comments to 0 lines\n"


@pytest.mark.usefixtures("standin")
def test_comments_are_added_in_notebooks_and_to_standard_input() -> None:
    notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": ["x\n", B]}], "nbformat": 4}
    text = json.dumps(notebook, indent=1)
    Path("a.ipynb").write_text(text, encoding="utf-8")
    assert run("--add-noqa").exit_code == 0
    assert Path("a.ipynb").read_text(encoding="utf-8") == text.replace(B, f"{B}  # noqa: OPT101")
    assert run("--add-noqa", "-", stdin=f"x = {B}\n").stdout == f"x = {B}  # noqa: OPT101\n"


@pytest.mark.usefixtures("standin")
def test_where_no_comment_can_be_added_one_line_says_so() -> None:
    text = f"x = 'abc\nif (:\n  {B}\n"
    Path("a.py").write_text(text, encoding="utf-8")
    result = run("--add-noqa")
    assert result.exit_code == 0
    assert "optlint: a.py:3: there is no place for a comment about OPT101\n" in result.stderr
    assert Path("a.py").read_text(encoding="utf-8") == text
    Path("b.py").write_bytes(f"# coding: ascii\n{B}\n".encode())
    result = run("--add-noqa=β", "b.py")
    assert "b.py: no comment was added: the file's encoding ascii has no form" in result.stderr


@pytest.mark.usefixtures("standin")
def test_only_what_is_shown_gets_a_comment() -> None:
    Path("a.py").write_text(f"{B}\nbad('OPT203')\nx  # noqa: OPT301\n", encoding="utf-8")
    assert run("--add-noqa", "--select", "OPT1").exit_code == 0
    assert Path("a.py").read_text(encoding="utf-8") == f"{B}  # noqa: OPT101\nbad('OPT203')\nx  # noqa: OPT301\n"
    assert run("--add-noqa", "gone.py").exit_code == 2
