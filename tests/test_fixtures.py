"""Small programs in users' styles: what ``# expect: OPT101`` says at a line's end is found there, and nothing else."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest
from unfixed import lint_unfixed

from optlint import Report
from optlint.knowledge import FAMILIES, find_mistake

FIXTURES = sorted((Path(__file__).parent.parent / "fixtures").rglob("*.py"))
EXPECT = re.compile(r"#\s*expect:\s*(OPT\d+(?:\s*,\s*OPT\d+)*)\s*$")
OK = re.compile(r"#\s*ok:\s*\S")
MATCHED = re.compile(r"^# matched: (.+)$", re.MULTILINE)


@lru_cache
def lint(path: Path) -> Report:
    return lint_unfixed(path.read_text(encoding="utf-8"), path.name)


def expected(path: Path) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = EXPECT.search(line)
        if match is not None:
            found |= {(number, code.strip()) for code in match[1].split(",")}
    return found


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_what_a_fixture_expects_is_found(path: Path) -> None:
    found = {(f.span.line, f.code) for f in lint(path).findings if f.severity != "note"}
    assert sorted(found) == sorted(expected(path))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_findings_are_confirmed(path: Path) -> None:
    for finding in lint(path).findings:
        assert finding.evidence is not None
        assert finding.verdict == ("convention" if finding.severity == "note" else "confirmed")


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_right_optimizers_are_recognised(path: Path) -> None:
    """Silence counts only where optlint has understood what stands there."""
    text = path.read_text(encoding="utf-8")
    named = {name.strip() for line in MATCHED.findall(text) for name in line.split(",")}
    assert named <= set(FAMILIES)
    assert named <= {u.family for u in lint(path).updates if u.status == "matched"}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_fixture_is_well_formed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    compile(text, path.name, "exec")
    lines = text.splitlines()
    assert lines[0].startswith("# "), "a fixture says first what it is"
    assert all(EXPECT.search(line) for line in lines if "expect:" in line)
    assert all(OK.search(line) for line in lines if "# ok" in line)
    assert all(find_mistake(code) for _, code in expected(path))
    if path.stem.startswith(("correct", "lookalikes")):
        assert not expected(path)


def test_there_are_fixtures() -> None:
    assert len(FIXTURES) >= 13
    assert sum(not expected(path) for path in FIXTURES) > len(FIXTURES) / 2, "silent cases are the more numerous"
