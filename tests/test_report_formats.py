"""The formats for other programs, each against what its readers expect."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from handmade import (
    EVERYTHING,
    EVIDENCE,
    FINDING,
    FIX,
    GREEK,
    HOSTILE,
    IN_GREEK,
    LINE,
    NOTEBOOK,
    parsed,
    printed,
    report,
)
from hypothesis import given
from hypothesis import strategies as st

from optlint.model import Edit, Problem, Report, Span
from optlint.report import HUMAN_FORMATS, STATISTICS_FORMATS, render
from optlint.settings import OUTPUT_FORMATS, Settings

MACHINES = sorted(set(OUTPUT_FORMATS) - HUMAN_FORMATS)


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_every_format_prints_everything_and_nothing(output_format: str) -> None:
    for of in (EVERYTHING, NOTEBOOK, Report(), report(replace(FINDING, path="no text.py"))):
        text = printed(of, output_format)
        assert text == printed(of, output_format)
        assert not text or text.endswith("\n")


@pytest.mark.parametrize("output_format", sorted({*MACHINES} - {"junit"}))
def test_the_evidence_reaches_every_format_that_carries_text(output_format: str) -> None:
    text = printed(report(FINDING), output_format)
    assert all(said in text for said in (EVIDENCE.ran, EVIDENCE.meant, EVIDENCE.fixed))


@pytest.mark.parametrize("output_format", MACHINES)
def test_problems_reach_every_format_for_machines(output_format: str) -> None:
    text = printed(EVERYTHING, output_format)
    assert "No such file or directory" in text and "gone.py" in text
    if "json" in output_format and "rd" not in output_format:
        assert '"cell": 4' in text
    else:
        assert "cell 4, line 2: invalid syntax" in text


@pytest.mark.parametrize("output_format", sorted({*MACHINES} - {"json", "json-lines"}))
def test_a_notebook_is_line_1_and_the_cell_is_named(output_format: str) -> None:
    text = printed(NOTEBOOK, output_format)
    assert "ell 3, line 2: regularization" in text or "a.ipynb:cell 3:2:46: OPT101" in text
    assert not re.search(r"(line|row|startLine)\W{1,4}2\b", re.sub("ell \\d, line 2", "", text))


def test_grouped() -> None:
    other = replace(FINDING, path="b.py", fix=None, severity="note")
    far = replace(FINDING, span=Span(140, 5, 140, 6))
    assert printed(report(FINDING, far, other), "grouped") == (
        "src/rmsprop.py:\n"
        "   14:46 OPT101 [*] regularization is added outside the square\n"
        "  140:5  OPT101 [*] regularization is added outside the square\n"
        "\n"
        "b.py:\n"
        "  14:46 OPT101 regularization is added outside the square\n"
        "\n"
        "Found 2 errors, 1 note.\n"
        "[*] 2 fixable with --fix.\n"
        "0 updates read, 0 unsupported.\n"
    )
    assert "a.ipynb:\n  cell 3:2:46 OPT101 regularization" in printed(NOTEBOOK, "grouped")


def test_json_lines_are_the_objects_of_json() -> None:
    lines = [json.loads(line) for line in printed(EVERYTHING, "json-lines").splitlines()]
    document = parsed(EVERYTHING, "json")
    assert [line.pop("kind") for line in lines] == ["finding"] * 5 + ["problem"] * 3
    assert lines == document["findings"] + document["problems"]


# GitHub


def workflow_command(line: str) -> tuple[str, dict[str, str], str]:
    """A line as the runner reads it."""
    match = re.fullmatch(r"::(\w+) ([^\n]*?)::([^\r\n]*)", line)
    assert match is not None, line

    def plain(text: str) -> str:
        for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(escape, character)
        return text

    properties = dict(part.split("=", 1) for part in match[2].split(","))
    return match[1], {name: plain(value) for name, value in properties.items()}, plain(match[3])


def test_github() -> None:
    assert printed(report(FINDING), "github") == (
        "::error title=optlint (OPT101),file=src/rmsprop.py,line=14,col=46,endLine=14,endColumn=69::"
        "src/rmsprop.py:14:46: OPT101 regularization is added outside the square"
        "%0Aran: step 1 with w = -1, g = 1e-3: S = -1.0e-05, sqrt(S) = nan"
        "%0Ameant: S' = β₂·S + (1-β₂)·(g + r)²"
        "%0Afixed: np.square(g + reg_term); equals that optimizer on all probes%0Afix: square the sum\n"
    )


def test_github_escapes_properties_too() -> None:
    finding = replace(FINDING, path="50%,a:b\n.py", message="50%\n::error::x", evidence=None, fix=None)
    (line,) = printed(report(finding), "github").splitlines()
    level, properties, text = workflow_command(line)
    assert (level, properties["file"]) == ("error", "50%,a:b␊.py")
    assert text == "50%,a:b␊.py:14:46: OPT101 50%\n::error::x"
    assert "50%25%2Ca%3Ab" in line and "50%25%0A::error" in line


def test_github_has_columns_on_one_line_only() -> None:
    several = replace(FINDING, span=Span(14, 46, 15, 3))
    assert list(workflow_command(printed(report(several), "github").strip())[1]) == ["title", "file", "line", "endLine"]
    backwards = replace(FINDING, span=Span(14, 46, 14, 46))
    assert "col=46,endLine=14,endColumn=46" in printed(report(backwards), "github")


def test_github_shows_the_worst_first_and_tells_what_it_hides() -> None:
    note, warning = replace(FINDING, severity="note"), replace(FINDING, severity="warning")
    *commands, hint = printed(report(*[note, FINDING] * 12, warning), "github").splitlines()
    assert [workflow_command(c)[0] for c in commands] == ["error"] * 12 + ["warning"] + ["notice"] * 12
    assert hint == "optlint: GitHub shows 10 annotations of each level; 2 errors, 2 notices more in this log."
    assert "GitHub shows" not in printed(report(*[note, FINDING] * 10), "github")


def test_github_paths_start_at_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert "file=project/src/rmsprop.py,line" in printed(report(FINDING), "github")
    outside = replace(FINDING, path="/outside/a.py")
    assert "file=/outside/a.py,line" in printed(report(outside), "github")


# GitLab


def test_gitlab() -> None:
    (issue,) = parsed(report(FINDING), "gitlab")
    assert re.fullmatch(r"[0-9a-f]{32}", issue.pop("fingerprint"))
    assert issue == {
        "description": "OPT101: regularization is added outside the square; "
        f"ran: {EVIDENCE.ran}; meant: {EVIDENCE.meant}; fixed: {EVIDENCE.fixed}; fix: square the sum",
        "check_name": "OPT101",
        "severity": "major",
        "location": {
            "path": "src/rmsprop.py",
            "positions": {"begin": {"line": 14, "column": 46}, "end": {"line": 14, "column": 69}},
        },
    }
    severities = [issue["severity"] for issue in parsed(EVERYTHING, "gitlab")]
    assert set(severities) <= {"info", "minor", "major", "critical", "blocker"}


def fingerprints(of: Report) -> list[str]:
    return [issue["fingerprint"] for issue in parsed(of, "gitlab")]


def test_gitlab_fingerprints_stay_where_lines_move_and_differ_where_they_collide() -> None:
    down = replace(FINDING, span=replace(FINDING.span, line=15, end_line=15))
    moved = Report(findings=(down,), texts={"src/rmsprop.py": ("",) * 14 + (f"\t{LINE}",)})
    assert fingerprints(moved) == fingerprints(report(FINDING))
    twice = Report(findings=(FINDING, down), texts={"src/rmsprop.py": ("",) * 13 + (LINE, LINE)})
    assert len(set(fingerprints(twice))) == 2 and fingerprints(twice)[0] == fingerprints(moved)[0]
    for other in (replace(FINDING, code="OPT102"), replace(FINDING, path="b.py"), replace(FINDING, update="adam")):
        assert fingerprints(report(other)) != fingerprints(report(FINDING))
    assert len(set(fingerprints(EVERYTHING))) == len(EVERYTHING.findings) + len(EVERYTHING.problems)


def test_gitlab_paths_start_at_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    relative = fingerprints(report(replace(FINDING, path=str(tmp_path / "sub" / "a.py"))))
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    (issue,) = parsed(report(FINDING), "gitlab")
    assert issue["location"]["path"] == "sub/src/rmsprop.py"
    assert fingerprints(report(replace(FINDING, path="a.py"))) != relative


# JUnit


def test_junit() -> None:
    assert printed(report(FINDING), "junit") == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<testsuites name="optlint" tests="1" failures="1" errors="0">\n'
        '  <testsuite name="src/rmsprop.py" package="org.optlint" tests="1" failures="1" errors="0">\n'
        '    <testcase name="org.optlint.OPT101" classname="src/rmsprop" line="14" column="46">\n'
        '      <failure message="regularization is added outside the square" type="error">'
        "line 14, col 46, regularization is added outside the square\n"
        "ran: step 1 with w = -1, g = 1e-3: S = -1.0e-05, sqrt(S) = nan\n"
        "meant: S' = β₂·S + (1-β₂)·(g + r)²\n"
        "fixed: np.square(g + reg_term); equals that optimizer on all probes\nfix: square the sum</failure>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def test_junit_of_a_clean_run_has_a_case_that_passes() -> None:
    root = ElementTree.fromstring(printed(Report(files=1), "junit").encode())
    assert root.attrib == {"name": "optlint", "tests": "1", "failures": "0", "errors": "0"}
    assert [case.attrib["name"] for case in root.iter("testcase")] == ["No errors found"]
    assert not list(root.iter("failure"))


def test_junit_counts_and_tells_of_problems() -> None:
    root = ElementTree.fromstring(printed(EVERYTHING, "junit").encode("utf-8", "backslashreplace"))
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("8", "5", "3")
    for suite in root.iter("testsuite"):
        assert int(suite.attrib["tests"]) == len(list(suite.iter("testcase")))
        assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
        assert int(suite.attrib["errors"]) == len(list(suite.iter("error")))


@given(st.text())
def test_junit_is_well_formed_whatever_it_holds(text: str) -> None:
    finding = replace(FINDING, message=text, path=text, evidence=replace(EVIDENCE, ran=text))
    ElementTree.fromstring(printed(report(finding), "junit").encode("utf-8"))


# reviewdog


def test_rdjson() -> None:
    document = parsed(report(FINDING), "rdjson")
    assert document["source"] == {"name": "optlint"}
    bounds = {"start": {"line": 14, "column": 46}, "end": {"line": 14, "column": 69}}
    assert document["diagnostics"] == [
        {
            "message": "regularization is added outside the square\n"
            f"ran: {EVIDENCE.ran}\nmeant: {EVIDENCE.meant}\nfixed: {EVIDENCE.fixed}\nfix: square the sum",
            "location": {"path": "src/rmsprop.py", "range": bounds},
            "severity": "ERROR",
            "source": {"name": "optlint"},
            "code": {"value": "OPT101"},
            "suggestions": [{"range": bounds, "text": "np.square(g + reg_term)"}],
        }
    ]


def test_rdjson_counts_utf_8_bytes() -> None:
    (diagnostic,) = parsed(report(replace(FINDING, span=IN_GREEK, fix=None)), "rdjson")["diagnostics"]
    bounds = diagnostic["location"]["range"]
    encoded = GREEK.encode()
    assert encoded[bounds["start"]["column"] - 1 : bounds["end"]["column"] - 1].decode() == "漢"


def test_rdjson_puts_all_edits_of_a_fix_into_one_suggestion() -> None:
    (diagnostic,) = parsed(report(EVERYTHING.findings[2]), "rdjson")["diagnostics"]
    (suggestion,) = diagnostic["suggestions"]
    assert suggestion["range"] == {"start": {"line": 14, "column": 5}, "end": {"line": 15, "column": 15}}
    assert suggestion["text"] == "ε = 𝛽; " + LINE[4:] + "\n" + GREEK[:8] + "(v + eps)"
    assert GREEK.encode()[:14].decode() == GREEK[:9]
    assert diagnostic["related_locations"][0]["message"] == "the state [v] starts here"


def test_a_fix_whose_edits_cannot_be_joined_is_no_suggestion() -> None:
    overlapping = replace(FIX, edits=(Edit(Span(14, 1, 14, 9), "a"), Edit(Span(14, 5, 14, 12), "b")))
    unknown = replace(FIX, edits=(Edit(Span(1, 1, 1, 2), "a"), Edit(Span(90, 1, 90, 2), "b")))
    for fix in (overlapping, unknown, replace(FIX, edits=())):
        (diagnostic,) = parsed(report(replace(FINDING, fix=fix)), "rdjson")["diagnostics"]
        assert "suggestions" not in diagnostic


def test_rdjsonl_is_one_diagnostic_a_line() -> None:
    lines = [json.loads(line) for line in printed(EVERYTHING, "rdjsonl").splitlines()]
    assert lines == parsed(EVERYTHING, "rdjson")["diagnostics"]


# One line each


def test_pylint() -> None:
    assert printed(report(FINDING), "pylint") == (
        "src/rmsprop.py:14: [OPT101] regularization is added outside the square; "
        f"ran: {EVIDENCE.ran}; meant: {EVIDENCE.meant}; fixed: {EVIDENCE.fixed}; fix: square the sum\n"
    )


def test_azure() -> None:
    said = f"%0Aran: {EVIDENCE.ran}%0Ameant: {EVIDENCE.meant}%0Afixed: {EVIDENCE.fixed}%0Afix: square the sum"
    note = replace(FINDING, severity="note", path="a;b].py", message="50%", evidence=None, fix=None)
    assert printed(report(note, FINDING), "azure") == (
        "##vso[task.logissue type=error;sourcepath=src/rmsprop.py;linenumber=14;columnnumber=46;code=OPT101;]"
        f"regularization is added outside the square{said}\n"
        "##vso[task.logissue type=warning;sourcepath=a%3Bb%5D.py;linenumber=14;columnnumber=46;code=OPT101;]"
        "50%AZP25\n"
    )


@pytest.mark.parametrize("output_format", ["concise", "grouped", "pylint", "azure", "github"])
def test_hostile_text_breaks_no_line(output_format: str) -> None:
    finding = replace(FINDING, message=HOSTILE, path=HOSTILE, name=HOSTILE, evidence=replace(EVIDENCE, ran=HOSTILE))
    text = printed(report(finding), output_format, quiet=True)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    lines = text.splitlines()
    assert len(lines) == {"grouped": 3}.get(output_format, 1)
    assert not any(line.startswith(("::warning", "##vso[task.complete")) for line in lines)


# Counts


def test_statistics() -> None:
    other = replace(FINDING, code="OPT203", name="missing-epsilon", severity="warning", fix=None)
    of = report(*[other] * 2, *[FINDING] * 10, replace(FINDING, code="OPT201", fix=None), other)
    assert render(of, Settings(), statistics=True) == (
        "10  OPT101  [*] regularization-outside-square\n"
        " 3  OPT203      missing-epsilon\n"
        " 1  OPT201      regularization-outside-square\n"
        "Found 11 errors, 3 warnings.\n"
        "[*] 10 fixable with --fix.\n"
        "0 updates read, 0 unsupported.\n"
    )
    expected = [
        {
            "code": "OPT101",
            "name": "regularization-outside-square",
            "severity": "error",
            "count": 10,
            "fixable": True,
        },
        {"code": "OPT203", "name": "missing-epsilon", "severity": "warning", "count": 3, "fixable": False},
    ]
    assert json.loads(printed(of, "json", statistics=True))[:2] == expected
    assert [json.loads(line) for line in printed(of, "json-lines", statistics=True).splitlines()][:2] == expected


def test_statistics_of_nothing() -> None:
    assert render(Report(), Settings(), statistics=True).startswith("All checks passed!\n")
    assert printed(Report(), "json", statistics=True) == "[]\n"
    assert set(OUTPUT_FORMATS) >= STATISTICS_FORMATS


def test_problem_without_a_line_stands_on_the_first() -> None:
    of = Report(problems=(Problem("a.py", None, "gone"),))
    assert printed(of, "pylint") == "a.py:1: [problem] gone\n"
