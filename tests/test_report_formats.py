"""The formats for other programs, each against what its readers expect."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
from handmade import EVERYTHING, EVIDENCE, FINDING, FIX, GREEK, HOSTILE, IN_GREEK, LINE, NOTEBOOK, report
from hypothesis import given
from hypothesis import strategies as st

from optlint import __version__
from optlint.model import Edit, Problem, Report, Span
from optlint.report import HUMAN_FORMATS, STATISTICS_FORMATS, render
from optlint.report.linehashes import line_hashes
from optlint.settings import OUTPUT_FORMATS, Settings

MACHINES = sorted(set(OUTPUT_FORMATS) - HUMAN_FORMATS)
SCHEMA = json.loads((Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


def printed(of: Report, output_format: str, **options: bool) -> str:
    return render(of, Settings(output_format=output_format), **options)


def parsed(of: Report, output_format: str) -> Any:
    def refuse(constant: str) -> object:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(printed(of, output_format), parse_constant=refuse)


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


# SARIF


def sarif_run(of: Report) -> Any:
    document = parsed(of, "sarif")
    jsonschema.validate(document, SCHEMA)
    assert document["$schema"] == "https://json.schemastore.org/sarif-2.1.0.json" and document["version"] == "2.1.0"
    (run,) = document["runs"]
    return run


def test_sarif_is_valid() -> None:
    for of in (EVERYTHING, NOTEBOOK, Report()):
        sarif_run(of)


def test_sarif_rules_tell_what_code_scanning_asks_for() -> None:
    from optlint.knowledge import mistakes

    findings = [replace(FINDING, code=page.code, name=page.name) for page in mistakes()]
    driver = sarif_run(report(*findings, FINDING))["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("optlint", __version__)
    assert [rule["id"] for rule in driver["rules"]] == [page.code for page in mistakes()]
    for rule, page in zip(driver["rules"], mistakes(), strict=True):
        assert len(rule["shortDescription"]["text"]) <= len(rule["fullDescription"]["text"]) <= 1024
        assert rule["fullDescription"]["text"].endswith((".", "!", "?"))
        assert rule["help"] == {"text": page.text, "markdown": page.text}
        assert rule["defaultConfiguration"]["level"] == page.severity
        assert rule["properties"]["precision"] in {"very-high", "high", "medium", "low"}
        assert rule["properties"]["problem.severity"] in {"error", "warning", "recommendation"}
        assert len(rule["properties"]["tags"]) <= 10
    assert driver["rules"][0]["shortDescription"]["text"].startswith("The L2 term is added to the squared gradient")


def test_sarif_result() -> None:
    run = sarif_run(report(FINDING))
    (result,) = run["results"]
    assert run["automationDetails"] == {"id": "optlint/"}
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("OPT101", 0, "error")
    assert result["message"]["text"].split("\n") == [
        "Regularization is added outside the square.",
        f"ran: {EVIDENCE.ran}",
        f"meant: {EVIDENCE.meant}",
        f"fixed: {EVIDENCE.fixed}",
        "fix: square the sum",
    ]
    region = {"startLine": 14, "startColumn": 46, "endLine": 14, "endColumn": 69}
    (location,) = result["locations"]
    assert location["physicalLocation"]["region"] == region
    assert result["properties"]["verdict"] == "confirmed"
    assert result["properties"]["evidence"]["observed"] == "nan"
    (fix,) = result["fixes"]
    (change,) = fix["artifactChanges"]
    assert change["artifactLocation"] == location["physicalLocation"]["artifactLocation"]
    assert change["replacements"] == [
        {"deletedRegion": region, "insertedContent": {"text": "np.square(g + reg_term)"}},
    ]


def test_sarif_counts_utf_16_units() -> None:
    run = sarif_run(report(replace(FINDING, span=IN_GREEK, fix=None)))
    assert run["columnKind"] == "utf16CodeUnits"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert (region["startColumn"], region["endColumn"]) == (6, 7)


def test_sarif_related_places_are_linked() -> None:
    finding = replace(FINDING, related=((Span(1, 2, 1, 4), "the state [v] starts"), (Span(2, 1, 2, 2), "here")))
    (result,) = sarif_run(report(finding))["results"]
    assert result["message"]["text"].endswith("\n[the state \\[v\\] starts](1) (line 1)\n[here](2) (line 2)")
    assert [place["id"] for place in result["relatedLocations"]] == [1, 2]
    assert result["relatedLocations"][0]["message"]["text"] == "the state [v] starts"


def test_sarif_text_has_no_placeholders_and_links_by_accident() -> None:
    (result,) = sarif_run(report(replace(FINDING, message="S['dW{l}'] {0} x[0](1)")))["results"]
    assert result["message"]["text"].startswith("S['dW{l}'] {{0}} x[0\\](1).\n")


def test_sarif_paths_start_at_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def uris(path: str) -> tuple[str, str | None]:
        (result,) = sarif_run(report(replace(FINDING, path=path)))["results"]
        artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
        return artifact["uri"], artifact.get("uriBaseId")

    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "repo" / "sub")
    assert uris("src/a.py") == ("sub/src/a.py", "%SRCROOT%")
    assert uris("../b c#é.py") == ("b%20c%23%C3%A9.py", "%SRCROOT%")
    assert uris("a:b.py") == ("sub/a%3Ab.py", "%SRCROOT%")
    outside, base = uris(str(tmp_path / "x.py"))
    assert base is None and unquote(outside) == (tmp_path / "x.py").as_uri()


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (
            " a\nb\n  \t\tc\n d",
            ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
        ),
    ],
)
def test_line_hashes_are_those_of_codeql_action(text: str, hashes: list[str]) -> None:
    assert line_hashes(text) == hashes
    assert line_hashes(text.replace("\n", "\r\n")) == line_hashes(text.replace("\n", "\r")) == hashes


def test_equal_line_hashes_are_counted() -> None:
    line = "x" * 100  # of which no more than these count
    hashes = line_hashes(f"{line}1\n{line}2\n{line}3\n")
    assert [each.partition(":")[2] for each in hashes] == ["1", "2", "3", "1"]
    assert len({each.partition(":")[0] for each in hashes}) == 2


def test_sarif_fingerprints_stay_where_lines_above_change() -> None:
    def hashes(above: tuple[str, ...]) -> list[str]:
        finding = replace(FINDING, span=replace(FINDING.span, line=len(above) + 1, end_line=len(above) + 1))
        of = Report(findings=(finding,), texts={finding.path: (*above, LINE, "after", "")})
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in sarif_run(of)["results"]]

    assert hashes(()) == hashes(("a", "b", ""))
    first, second = (
        result["partialFingerprints"]["primaryLocationLineHash"] for result in sarif_run(NOTEBOOK)["results"]
    )
    assert first != second


def test_sarif_tells_of_problems() -> None:
    (invocation,) = sarif_run(EVERYTHING)["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["level"] for note in invocation["toolExecutionNotifications"]] == ["warning", "warning", "error"]
    assert sarif_run(Report())["invocations"][0]["executionSuccessful"] is True


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
