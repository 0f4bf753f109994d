"""Fixes: what is offered is verified, repairs what it is offered for, and leaves nothing to do."""

from __future__ import annotations

import pytest

from optlint.analysis import analyze
from optlint.fix.text import edited
from optlint.knowledge import mistakes
from optlint.model import Fix, Report
from optlint.settings import Settings
from optlint.source import Unit, source_from_text

EXAMPLES = [
    pytest.param(page.code, example, id=f"{page.code}-{number}")
    for page in mistakes()
    if not page.off
    for number, example in enumerate(page.bad, 1)
]


def lint(text: str) -> Report:
    return analyze(source_from_text("example.py", text), Settings())


def apply(text: str, *fixes: Fix) -> str:
    return edited(Unit(None, text), [e for fix in fixes for e in fix.edits]).text


UNFIXABLE = {  # pages, and single examples of a page
    "OPT119": "which of the twins is meant, only their author knows",
    "OPT205": "where epsilon stands is a choice",
    "OPT206": "where epsilon stands is a choice",
    "OPT314": "what counts the steps has to be named",
    "OPT402": "decoupled decay takes another coefficient",
    "OPT405-3": "in place it would change the gradient",
    "OPT407": "the decay moves out of a bracket",
    "OPT503-2": "in-place calls are rewritten, not edited",
    "OPT505-1": "statements change their order",
    "OPT601": "where the state should live is a choice",
}


@pytest.mark.parametrize(("code", "text"), EXAMPLES)
def test_each_mistake_that_is_no_choice_has_a_fix(code: str, text: str, request: pytest.FixtureRequest) -> None:
    fixed = [f.fix is not None for f in lint(text).findings if f.code == code]
    assert all(fixed) is not any(name in UNFIXABLE for name in (code, request.node.callspec.id))


@pytest.mark.parametrize(("code", "text"), EXAMPLES)
def test_each_fix_of_a_page_silences_what_it_is_offered_for(code: str, text: str) -> None:
    report = lint(text)
    fixes = [f.fix for f in report.findings if f.code == code and f.fix is not None]
    if not fixes:
        pytest.skip("no fix is offered")
    after = lint(apply(text, *fixes))
    assert code not in [f.code for f in after.findings]
    assert [u.status for u in after.updates if u.status == "unmatched"] == []
    others = sorted(f.code for f in report.findings if f.code != code and f.severity != "note")
    assert sorted(f.code for f in after.findings if f.severity != "note") == others
