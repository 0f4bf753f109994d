from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from handmade import EVIDENCE, FINDING, FIX, LINE, SPAN, UNREAD, UPDATE, report
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from optlint import __version__
from optlint.model import Evidence, Finding, Problem, Report, Span
from optlint.report import render
from optlint.report.text import expand_tabs, problem_line
from optlint.settings import Settings
from optlint.terminal import Screen


def printed(of: Report, output_format: str = "full", color: bool = False, show_updates: bool = False) -> str:
    return render(of, Settings(output_format=output_format, show_updates=show_updates), screen=Screen(color=color))


def frame(finding: Finding, line: str) -> tuple[str, str]:
    """The code and the marks of a finding on line 14, without their margins."""
    shown = printed(report(finding, line=line)).split("\n")
    assert shown[1] == "   |"
    assert shown[2].startswith("14 |") and shown[3].startswith("   | ")
    return shown[2][5:], shown[3][5:]


def at(column: int, end_column: int, lines: int = 1) -> Finding:
    return replace(FINDING, span=Span(14, column, 13 + lines, end_column))


def test_full_shows_code_and_evidence() -> None:
    assert printed(report(FINDING)) == (
        "src/rmsprop.py:14:46: OPT101 error: regularization is added outside the square  [confirmed, fix]\n"
        "   |\n"
        "14 |     S[key] = beta2 * S[key] + (1 - beta2) * (np.square(g) + reg_term)\n"
        "   |                                              ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "   = ran:    step 1 with w = -1, g = 1e-3: S = -1.0e-05, sqrt(S) = nan\n"
        "   = meant:  S' = β₂·S + (1-β₂)·(g + r)²\n"
        "   = fixed:  np.square(g + reg_term); equals that optimizer on all probes\n"
        "   = fix:    square the sum\n"
        "   = more:   optlint --explain OPT101\n"
        "\n"
        "Found 1 error.\n"
        "[*] 1 fixable with --fix.\n"
        "0 updates read, 0 unsupported.\n"
    )


def test_full_without_evidence_or_source() -> None:
    bare = replace(FINDING, evidence=None, fix=replace(FIX, applicability="unsafe"), path="gone.py", severity="note")
    assert printed(report(bare)) == (
        "gone.py:14:46: OPT101 note: regularization is added outside the square  [confirmed, unsafe fix]\n"
        "   = fix:    square the sum\n"
        "   = more:   optlint --explain OPT101\n"
        "\n"
        "Found 1 note.\n"
        "1 fixable with --fix --unsafe-fixes.\n"
        "0 updates read, 0 unsupported.\n"
    )


def test_full_points_to_places_it_has_no_source_of_and_aligns_further_lines() -> None:
    related = replace(
        FINDING,
        fix=None,
        evidence=Evidence(ran="first\nsecond"),
        related=((Span(99, 3, 99, 4), "the state starts here"),),
    )
    shown = printed(report(related))
    assert "   = ran:    first\n             second\n" in shown
    assert "   = see:    src/rmsprop.py:99:3: the state starts here\n" in shown


@pytest.mark.parametrize(
    ("line", "finding", "code", "marks"),
    [
        pytest.param("\tv = x", at(6, 7), "    v = x", "        ^", id="tab before"),
        pytest.param("v =\tx + y", at(1, 6), "v = x + y", "^^^^^", id="tab inside"),
        pytest.param("漢 = x", at(5, 6), "漢 = x", "     ^", id="wide character before"),
        pytest.param("x = 漢字", at(5, 7), "x = 漢字", "    ^^^^", id="wide characters inside"),
        pytest.param("e\u0301 = x", at(6, 7), "e\u0301 = x", "    ^", id="combining character before"),
        pytest.param("漢\tx", at(3, 4), "漢  x", "    ^", id="tab after a wide character"),
        pytest.param("v = (a +  ", at(5, 3, lines=2), "v = (a +", "    ^^^^", id="several lines"),
        pytest.param("v = (a +  ", at(5, 3, lines=9), "v = (a +", "    ^^^^…", id="many lines"),
        pytest.param("v = x", at(6, 6), "v = x", "     ^", id="nothing at the end"),
        pytest.param("v", at(40, 50), "v", " ^", id="beyond the line"),
        pytest.param("v = '\x1b[2J\u202e'", at(5, 12), "v = '␛[2J\ufffd'", "    ^^^^^^^", id="control characters"),
    ],
)
def test_marks_stand_under_the_code(line: str, finding: Finding, code: str, marks: str) -> None:
    assert frame(finding, line) == (code, marks)


def test_a_long_line_is_cut_around_the_finding() -> None:
    line = "x = " + "a + " * 1000 + "WRONG" + " + b" * 1000
    column = line.index("WRONG") + 1
    code, marks = frame(at(column, column + 5), line)
    assert len(code) <= 160 and code[0] == code[-1] == "…"
    assert code[marks.index("^") : marks.rindex("^") + 1] == "WRONG"
    code, marks = frame(at(1, len(line)), line)
    assert code.startswith("x = a") and len(marks) == len(code) == 160


@given(st.text(alphabet="a漢\t\u0301 é\x1b", max_size=300), st.data())
def test_marks_never_leave_the_code(text: str, data: st.DataObject) -> None:
    line = f"x{text}x"
    column = data.draw(st.integers(1, len(line)))
    end_column = data.draw(st.integers(column + 1, len(line) + 1))
    code, marks = frame(at(column, end_column), line)
    assert "^" in marks
    assert cell_len(marks) <= cell_len(code) <= 160


def test_many_findings_on_one_enormous_line_take_no_time() -> None:
    line = "v = é + " * 200_000
    findings = [at(column, column + 1) for column in range(1, len(line), len(line) // 500)]
    started = time.process_time()
    assert printed(report(*findings, line=line)).count("^") == len(findings)
    assert time.process_time() - started < 5


def test_tabs_stop_every_four_columns() -> None:
    assert expand_tabs("a\tbc\t\td") == "a   bc      d"


def test_notebooks_name_the_cell() -> None:
    finding = replace(FINDING, path="a.ipynb", span=replace(SPAN, line=1, end_line=1, cell=3))
    shown = Report(findings=(finding,), texts={"a.ipynb:cell 3": (LINE,)})
    assert printed(shown).startswith("a.ipynb:cell 3:1:46: OPT101 error: ")
    assert f"1 | {LINE}\n" in printed(shown)
    assert printed(shown, "concise").startswith("a.ipynb:cell 3:1:46: OPT101 [*] regularization")


def test_concise_is_one_line_each() -> None:
    unsafe = replace(FINDING, fix=replace(FIX, applicability="unsafe"), severity="note", message="two\nlines")
    assert printed(report(FINDING, unsafe), "concise") == (
        "src/rmsprop.py:14:46: OPT101 [*] regularization is added outside the square\n"
        "src/rmsprop.py:14:46: OPT101 two␊lines\n"
        "Found 1 error, 1 note.\n"
        "[*] 1 fixable with --fix (1 more with --unsafe-fixes).\n"
        "0 updates read, 0 unsupported.\n"
    )


@pytest.mark.parametrize("output_format", ["full", "concise"])
def test_summary_counts(output_format: str) -> None:
    warning = replace(FINDING, severity="warning")
    assert "\nFound 2 errors, 1 warning.\n" in printed(report(FINDING, warning, FINDING), output_format)
    clean = Report(updates=(UPDATE, UNREAD), files=1)
    assert printed(clean, output_format) == "All checks passed!\n2 updates read, 1 unsupported.\n"


def test_what_could_not_be_read_has_not_passed() -> None:
    assert printed(Report(problems=(Problem("a.py", None, "gone"),))).startswith("Found no mistakes, but 1 problem.\n")


@pytest.mark.parametrize("output_format", ["full", "concise"])
def test_colour_only_where_asked_for(output_format: str) -> None:
    plain, painted = (printed(report(FINDING), output_format, color=color) for color in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[31m" in painted
    assert "\x1b" not in printed(report(FINDING), "json", color=True)


def test_updates_are_listed_as_equations() -> None:
    assert printed(Report(updates=(UPDATE, UNREAD)), "concise", show_updates=True) == (
        "src/a.py:3:5: step: adam (paper), matched\n"
        "    m' = β₁·m\n"
        "    v' = v\n"
        "\n"
        "src/a.py:20:1: other: unsupported: a while loop\n"
        "\n"
        "All checks passed!\n"
        "2 updates read, 1 unsupported.\n"
    )


def test_problem_lines() -> None:
    assert problem_line(Problem("a.py", 3, "syntax error")) == "optlint: a.py:3: syntax error"
    assert problem_line(Problem("a.ipynb", 3, "x", cell=2)) == "optlint: a.ipynb:cell 2:3: x"
    assert problem_line(Problem("a\nb.py", None, "x")) == "optlint: a␊b.py: x"


def strict(text: str) -> object:
    def refuse(constant: str) -> object:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_contract() -> None:
    in_cell = replace(FINDING, evidence=None, fix=None, span=replace(SPAN, cell=2), severity="warning")
    related = replace(FINDING, related=((Span(1, 2, 1, 4), "starts here"),))
    everything = Report((UPDATE, UNREAD), (related, in_cell), (Problem("b.py", None, "gone", fatal=True),), 7, 3)
    text = printed(everything, "json")
    place = {"line": 14, "column": 46, "end_line": 14, "end_column": 69}
    said = {
        "code": "OPT101",
        "name": "regularization-outside-square",
        "severity": "error",
        "verdict": "confirmed",
        "message": "regularization is added outside the square",
        "path": "src/rmsprop.py",
        "cell": None,
        **place,
        "update": "rmsprop",
        "evidence": {
            "ran": EVIDENCE.ran,
            "meant": EVIDENCE.meant,
            "fixed": EVIDENCE.fixed,
            "probe": "decay",
            "step": 1,
            "quantity": "S",
            "observed": "nan",
            "expected": 1e-5,
            "ratio": "-inf",
            "configuration": "",
            "inputs": {"w": -1.0, "g": "inf"},
        },
        "fix": {
            "applicability": "safe",
            "message": "square the sum",
            "edits": [{**place, "text": "np.square(g + reg_term)"}],
        },
        "related": [{"cell": None, "line": 1, "column": 2, "end_line": 1, "end_column": 4, "message": "starts here"}],
    }
    expected = {
        "version": 1,
        "optlint": __version__,
        "summary": {
            "files": 7,
            "candidates": 3,
            "updates": 2,
            "unsupported": 1,
            "errors": 1,
            "warnings": 1,
            "notes": 0,
        },
        "updates": [
            {
                "path": "src/a.py",
                "cell": None,
                "name": "step",
                "line": 3,
                "end_line": 9,
                "family": "adam",
                "convention": "paper",
                "status": "matched",
                "reason": "",
                "equations": ["m' = β₁·m", "v' = v"],
            },
            {
                "path": "src/a.py",
                "cell": None,
                "name": "other",
                "line": 20,
                "end_line": 21,
                "family": "other",
                "convention": "",
                "status": "unsupported",
                "reason": "a while loop",
                "equations": [],
            },
        ],
        "findings": [said, {**said, "severity": "warning", "cell": 2, "evidence": None, "fix": None, "related": []}],
        "problems": [{"path": "b.py", "cell": None, "line": None, "message": "gone"}],
    }
    assert strict(text) == expected
    assert text == json.dumps(expected, ensure_ascii=False, indent=2) + "\n"  # the order of the keys, too


@given(st.floats(), st.text())
def test_json_is_strict_whatever_was_observed(number: float, text: str) -> None:
    evidence = replace(EVIDENCE, observed=number, ran=text, inputs=((text, number),))
    assert strict(printed(report(replace(FINDING, evidence=evidence, message=text)), "json"))


@pytest.mark.parametrize(
    "wrong", [{"convention": "torch"}, {"output_format": "xml"}, {"fail_on": 1}, {"unconfirmed": "no"}]
)
def test_settings_are_validated(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        Settings(**wrong)  # type: ignore[arg-type]
