"""SARIF, against its schema and against what code scanning asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from handmade import (
    EVERYTHING,
    EVIDENCE,
    FINDING,
    IN_GREEK,
    LINE,
    NOTEBOOK,
    parsed,
    report,
)

from optlint import __version__
from optlint.model import Report, Span
from optlint.report.linehashes import line_hashes

SCHEMA = json.loads((Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))


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
