"""What optlint says: frozen, typed results that every report and every caller share.

Lines, columns and notebook cells count from 1; an end column is exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
Verdict = Literal["confirmed", "convention", "unconfirmed"]
Status = Literal["matched", "mistaken", "unmatched", "unsupported"]
Applicability = Literal["safe", "unsafe"]

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of source. ``cell`` is the notebook cell, or None in a plain file."""

    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None

    def covers(self, other: Span) -> bool:
        return (
            self.cell == other.cell
            and (self.line, self.column) <= (other.line, other.column)
            and (other.end_line, other.end_column) <= (self.end_line, self.end_column)
        )

    def joined(self, other: Span) -> Span:
        """The smallest span that covers both (they are in the same cell)."""
        first = min((self.line, self.column), (other.line, other.column))
        last = max((self.end_line, self.end_column), (other.end_line, other.end_column))
        return Span(*first, *last, cell=self.cell)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the sandbox saw when it ran the update as written and as repaired.

    probe: the probe's name; step: 1-based step at which the symptom shows; quantity: what is compared
    (a state, or the step); observed, expected: its values as written and as meant; ratio: observed/expected
    where that says something; warning: NumPy's own warning text; inputs: what is needed to replay
    (gradient, parameter, hyper-parameters); ran, meant, fixed: the sentences that reports print.
    """

    ran: str
    meant: str = ""
    fixed: str = ""
    probe: str = ""
    step: int | None = None
    quantity: str = ""
    observed: float | None = None
    expected: float | None = None
    ratio: float | None = None
    warning: str | None = None
    configuration: str = ""
    inputs: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of ``span`` by ``text``."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    name: str
    severity: Severity
    verdict: Verdict
    message: str
    path: str
    span: Span
    update: str
    evidence: Evidence | None = None
    fix: Fix | None = None
    related: tuple[tuple[Span, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """One optimizer's step in the source, whatever became of it."""

    path: str
    name: str
    span: Span
    family: str
    convention: str
    status: Status
    reason: str = ""
    equations: tuple[str, ...] = ()
    configuration: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or analysed; the rest of the run went on."""

    path: str
    line: int | None
    message: str
    cell: int | None = None
    fatal: bool = False  # a path that cannot be read at all: the run exits with 2
    trace: str = field(default="", compare=False, repr=False)  # where an internal error arose


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found in one file, or in all of them."""

    updates: tuple[Update, ...] = ()
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: int = 0
    candidates: int = 0
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    suppressed: tuple[Finding, ...] = ()  # what comments silence
    known: tuple[Finding, ...] | None = None  # what a baseline holds; None where there is no baseline
    beside: tuple[tuple[str, str], ...] = ()  # other files that this one's report rests on, each with its digest

    def merged(self, other: Report) -> Report:
        return Report(
            self.updates + other.updates,
            self.findings + other.findings,
            self.problems + other.problems,
            self.files + other.files,
            self.candidates + other.candidates,
            {**self.texts, **other.texts},
            self.suppressed + other.suppressed,
            None if self.known is other.known is None else (self.known or ()) + (other.known or ()),
        )

    def count(self, severity: Severity) -> int:
        return sum(f.severity == severity for f in self.findings)
