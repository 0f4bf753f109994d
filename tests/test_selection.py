"""Which rules are on: selected, ignored, for some files alone, and how severe they are."""

from __future__ import annotations

import json

import pytest
import standins
from runs import found, run, write

from optlint import Settings, lint_paths
from optlint.knowledge import mistakes
from optlint.selection import Chosen, mentioned
from optlint.settings import Selection

pytestmark = pytest.mark.usefixtures("tree")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, "101 102 203 301", id="all"),
        pytest.param({"select": ["ALL"]}, "101 102 203 301", id="all by name"),
        pytest.param({"select": []}, "", id="none"),
        pytest.param({"select": ["OPT1"]}, "101 102", id="a prefix"),
        pytest.param({"select": ["OPT"]}, "101 102 203 301", id="the letters alone"),
        pytest.param({"select": ["missing-epsilon", "opt301"]}, "203 301", id="a name, a code in small letters"),
        pytest.param({"ignore": ["OPT1"]}, "203 301", id="ignored"),
        pytest.param({"select": ["OPT1"], "ignore": ["OPT101"]}, "102", id="a rule of the selected ones"),
        pytest.param({"select": ["OPT101"], "ignore": ["OPT1"]}, "101", id="the more specific mention wins"),
        pytest.param({"select": ["OPT101"], "ignore": ["OPT101"]}, "", id="of equals the one that ignores"),
        pytest.param({"select": ["OPT1"], "extend_select": ["OPT203"]}, "101 102 203", id="more"),
        pytest.param({"ignore": ["OPT1"], "extend_ignore": ["OPT2"]}, "301", id="fewer"),
        pytest.param(
            {"beneath": (Selection(("OPT1",), ignore=("OPT101",)),), "select": ["OPT101"]}, "101", id="select anew"
        ),
        pytest.param(
            {"beneath": (Selection(("OPT1",), ignore=("OPT101",)),), "extend_select": ["OPT203"]},
            "102 203",
            id="upon what lies beneath",
        ),
        pytest.param(
            {
                "beneath": (
                    Selection(
                        ("OPT101", "OPT203"),
                    ),
                ),
                "ignore": ["OPT1"],
            },
            "203",
            id="ignore beneath",
        ),
    ],
)
def test_selection(settings: dict[str, object], expected: str) -> None:
    of_interest = {"OPT101", "OPT102", "OPT203", "OPT301"}
    chosen = Chosen(Settings(**settings), mistakes()).codes & of_interest  # type: ignore[arg-type]
    assert sorted(chosen) == [f"OPT{number}" for number in expected.split()]


def test_a_prefix_keeps_letters_and_digits_apart() -> None:
    assert mentioned("OPT30", mistakes()) < mentioned("OPT3", mistakes())
    for wrong in ("O", "OP", "OPTX", "OPT9999", "301", "epsilon", ""):
        with pytest.raises(ValueError, match="there is no rule"):
            mentioned(wrong, mistakes())


def test_selection_decides_what_is_shown() -> None:
    write("a.py", "# error OPT101\n# warning OPT203\n# error OPT301\n")
    assert found() == ["a.py OPT101", "a.py OPT203", "a.py OPT301"]
    assert found("--select", "OPT1,missing-epsilon") == ["a.py OPT101", "a.py OPT203"]
    assert found("--select", "OPT1", "--select", "OPT3") == ["a.py OPT101", "a.py OPT301"]
    assert found("--ignore", "OPT1", "--extend-ignore", "OPT3") == ["a.py OPT203"]
    assert found("--select", "OPT1", "--extend-select", "OPT2") == ["a.py OPT101", "a.py OPT203"]
    assert run("--ignore", "ALL").exit_code == 0


def test_per_file_ignores() -> None:
    for name in ("src/a.py", "tests/a.py", "tests/deep/b.py", "c_test.py"):
        write(name, "# error OPT101\n# error OPT203\n")
    write("optlint.toml", '[per-file-ignores]\n"tests/*" = ["OPT1"]\n"*_test.py" = ["ALL"]\n"!src/**" = ["OPT203"]\n')
    assert found() == ["src/a.py OPT101", "src/a.py OPT203"]
    assert len(found("--per-file-ignores", "src:OPT101,src:OPT203")) == 6  # instead of the file's
    assert found("--extend-per-file-ignores", "src/a.py:OPT101") == ["src/a.py OPT203"]
    assert found("src/a.py", "tests/a.py") == ["src/a.py OPT101", "src/a.py OPT203"]


def test_severities_are_changed() -> None:
    write("a.py", "# error OPT101\n# note OPT205\n# error OPT301\n# error OPT302\n")
    write("optlint.toml", 'severity = { OPT205 = "warning", OPT3 = "note", OPT302 = "warning" }\n')
    report = lint_paths(["a.py"])
    assert [f.severity for f in report.findings] == ["error", "warning", "note", "warning"]
    report = json.loads(run("--severity", "opt101=note,ALL=warning", "--output-format", "json").stdout)
    assert [f["severity"] for f in report["findings"]] == ["note", "warning", "note", "warning"]
    assert run("--severity", "OPT=note", "--severity", "OPT205=note,OPT302=note").exit_code == 0


def test_a_page_that_informs_cannot_be_turned_on(monkeypatch: pytest.MonkeyPatch) -> None:
    page = standins.Page("OPT101", "regularization-outside-square", "note", "", "", off="it is a matter of taste")
    standins.install(monkeypatch, pages=(page, standins.PAGES[1]))
    write("a.py", "# error OPT101\n# error OPT203\n")
    result = run("--select", "OPT101,OPT2", "--output-format", "concise")
    assert result.stderr == "optlint: OPT101 is documentation and is not looked for: it is a matter of taste\n"
    assert "OPT101" not in result.stdout and "OPT203" in result.stdout
    assert run("--select", "OPT").stderr == run("--ignore", "OPT101").stderr == ""
