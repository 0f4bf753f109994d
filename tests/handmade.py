"""Reports made by hand, for tests of what prints them: today's rules need not show every case."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from optlint.model import Edit, Evidence, Finding, Fix, Problem, Report, Span, Update
from optlint.report import render
from optlint.settings import Settings

LINE = "    S[key] = beta2 * S[key] + (1 - beta2) * (np.square(g) + reg_term)"
SPAN = Span(14, 46, 14, 69)
EVIDENCE = Evidence(
    ran="step 1 with w = -1, g = 1e-3: S = -1.0e-05, sqrt(S) = nan",
    meant="S' = β₂·S + (1-β₂)·(g + r)²",
    fixed="np.square(g + reg_term); equals that optimizer on all probes",
    probe="decay",
    step=1,
    quantity="S",
    observed=float("nan"),
    expected=1e-5,
    ratio=float("-inf"),
    inputs=(("w", -1.0), ("g", float("inf"))),
)
FIX = Fix("safe", "square the sum", (Edit(Span(14, 46, 14, 69), "np.square(g + reg_term)"),))
FINDING = Finding(
    code="OPT101",
    name="regularization-outside-square",
    severity="error",
    verdict="confirmed",
    message="regularization is added outside the square",
    path="src/rmsprop.py",
    span=SPAN,
    update="rmsprop",
    evidence=EVIDENCE,
    fix=FIX,
)
UPDATE = Update("src/a.py", "step", Span(3, 5, 9, 2), "adam", "paper", "matched", equations=("m' = β₁·m", "v' = v"))
UNREAD = Update("src/a.py", "other", Span(20, 1, 21, 2), "other", "", "unsupported", reason="a while loop")

# A line on which code points, UTF-16 units, UTF-8 bytes and terminal columns all differ: 𝛽 is 1, 2, 4 and 1 of them.
GREEK = "𝛽 = 漢 * v  # é"
IN_GREEK = Span(15, 5, 15, 6)  # 漢

HOSTILE = "a%0A::error::,:;]\x1b[31m\u202e<b>\"&'\ud800\n::warning::x ##vso[task.complete]\r{0}[x](1)"


def report(*findings: Finding, line: str = LINE) -> Report:
    return Report(findings=findings, texts={"src/rmsprop.py": ("",) * 13 + (line, GREEK)}, files=1)


def in_cell(cell: int, line: int = 2) -> Finding:
    """The finding in a notebook, without a fix."""
    return replace(FINDING, path="a.ipynb", span=replace(SPAN, line=line, end_line=line, cell=cell), fix=None)


NOTEBOOK = Report(
    findings=(in_cell(3), in_cell(4)),
    texts={"a.ipynb:cell 3": ("import numpy as np", LINE), "a.ipynb:cell 4": ("", LINE)},
    files=1,
)

# All that a report can hold.
EVERYTHING = Report(
    updates=(UPDATE, UNREAD),
    findings=(
        FINDING,
        replace(FINDING, span=IN_GREEK, severity="note", verdict="convention", fix=None, evidence=None),
        replace(
            FINDING,
            code="OPT203",
            name="missing-epsilon",
            severity="warning",
            message="nothing guards the division",
            span=Span(14, 14, 15, 4),
            related=((IN_GREEK, "the state [v] starts here"),),
            fix=Fix("unsafe", "add ε", (Edit(Span(15, 9, 15, 10), "(v + eps)"), Edit(Span(14, 5, 14, 5), "ε = 𝛽; "))),
        ),
        in_cell(3),
        replace(FINDING, path="/outside/ü b#.py", code="OPT999", message=HOSTILE, update=HOSTILE, fix=None),
    ),
    problems=(
        Problem("src/broken.py", 3, "invalid syntax"),
        Problem("b.ipynb", 2, "invalid syntax", cell=4),
        Problem("gone.py", None, "No such file or directory", fatal=True),
    ),
    files=4,
    candidates=5,
    texts={**report().texts, "a.ipynb:cell 3": NOTEBOOK.texts["a.ipynb:cell 3"]},
)


def printed(of: Report, output_format: str, **options: bool) -> str:
    return render(of, Settings(output_format=output_format), **options)


def parsed(of: Report, output_format: str) -> Any:
    def refuse(constant: str) -> object:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(printed(of, output_format), parse_constant=refuse)
