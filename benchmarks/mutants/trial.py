"""One mutant before optlint: is it one at all, and what is said of it?"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np

from benchmarks.mutants.anatomy import Original
from benchmarks.mutants.inject import Injector
from benchmarks.mutants.source import lifted
from optlint import lint_source
from optlint.diagnose.views import views
from optlint.identify import best, matches
from optlint.knowledge import find_mistake
from optlint.lift import Recurrence
from optlint.model import Finding, Report
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.sandbox.laws import rests
from optlint.settings import CONVENTIONS, Settings

MAX_ROUNDS = 3  # of fixes: what is left after one is fixed in the next


@dataclass
class Outcome:
    """What became of a mutant. dropped: why it does not count (else empty); reported: what was found on the update."""

    file: str
    source: str
    function: str
    framework: str
    code: str
    kind: str
    line: int
    change: str = ""
    dropped: str = ""
    reported: list[str] = field(default_factory=list)
    fixed: str = ""
    fix: str = ""  # what applying the offered fixes gives: "restores", "other form", "part" (the rest is still told),
    # "wrong", or "" without one
    status: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


# behaviour


def behaviours(recurrences: Iterable[Recurrence]) -> list[tuple[Recurrence, bytes]]:
    """Each configuration with what tells how it behaves on the probes."""
    return [(r, _behaviour(r)) for r in recurrences]


def _behaviour(recurrence: Recurrence) -> bytes:
    try:
        subject = prepare(recurrence)
        steps = subject.run().step
    except TooLarge:
        return repr(recurrence.equations()).encode()
    with np.errstate(all="ignore"):
        size = np.floor(np.log10(np.where((steps == 0) | ~np.isfinite(steps), 1.0, np.abs(steps))))
        rounded = np.round(steps / 10**size, 8) * 10**size + 0.0  # a zero has no sign
        rounded[np.isnan(rounded)] = np.nan  # nor has this
    clocks = [(c.first, c.by, c.known, c.every, c.outer) for c in subject.clocks]
    lost = (recurrence.kept is None, recurrence.lost)
    around = (recurrence.per_parameter, len(recurrence.aliases), lost, clocks)
    return bytes(rounded.tobytes()) + repr(around).encode()


def published(recurrence: Recurrence) -> str:
    """The form that it equals, deviations left out; empty where there is none."""
    for view in (recurrence, *views(recurrence)):
        try:
            match = best(matches(prepare(view), deviations=False))
        except TooLarge:
            return ""
        if match is not None:
            return match.title
    return ""


# trial


def attempt(original: Original, before: set[bytes], injector: Injector, text: str, outcome: Outcome) -> None:
    """Fill in what optlint says of ``text``."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        outcome.dropped = "does not parse"
        return
    strange = unbound(text) - unbound(original.code.text)
    if strange:
        outcome.dropped = f"reads a name that is not there: {', '.join(sorted(strange))}"
        return
    if reckons_with_lists(tree) > reckons_with_lists(ast.parse(original.code.text)):
        outcome.dropped = "adds a number to a list"
        return
    found = [r for r in lifted(text, original.code.path).recurrences if r.name == original.name]
    changed = [r for r, how in behaviours(found) if how not in before]
    if not changed and found and not injector.hidden:
        outcome.dropped = "behaves as before"
        return
    if not injector.stays and any(_changes_its_gradient(r, original) for r in changed):
        outcome.dropped = "two at once: a second name for the gradient, which is then changed in place"
        return
    if changed and _asks_for_rest(outcome.code) and all(map(_rests, changed)):
        outcome.dropped = "something else keeps the denominator from zero"
        return
    settings = settings_for(original) if injector.asks else None
    asked = settings is not None and settings.convention != "auto"  # else nobody says where epsilon is to stand
    report = lint_source(text, original.code.path or outcome.file, settings=settings)
    findings = [f for f in report.findings if concerns(f, original.name, tree, outcome.line)]
    if (
        not (injector.stays or injector.hidden or asked)
        and changed
        and not any(f.severity != "note" or (injector.asks and f.code == outcome.code) for f in findings)
    ):
        known = [a.recurrence.configuration for a in original.anatomies]
        others = {published(r) for r in [r for r in changed if r.configuration in known] or changed}
        if "" not in others:
            outcome.dropped = f"is {' or '.join(sorted(others))}"
            return
    judge(outcome, report, findings, original.name)
    said = [f for f in findings if f.severity != "note" or f.code == outcome.code]  # whatever the mistake was called
    mended = findings if any(f.fix is not None for f in said) else []
    outcome.fix = fixed(text, original, before, mended, outcome.line)  # what is explained together is mended together


def _changes_its_gradient(recurrence: Recurrence, original: Original) -> bool:
    """The gradient's own place takes something in: another name for it stands where a new tensor did."""
    gradients = (prepare(a.recurrence).gradient for a in original.anatomies)
    names = {s.name for g in gradients if g is not None for s in g.symbols}
    before = {n for a in original.anatomies for n in _changed_places(a.recurrence)}
    return bool(names & _changed_places(recurrence) - before)


def _changed_places(recurrence: Recurrence) -> set[str]:
    return {s.name for s in recurrence.states} | {e.slot.symbol.name for e in recurrence.inputs}


def _asks_for_rest(code: str) -> bool:
    page = find_mistake(code)
    return page is not None and page.options.get("law") == "rests"


def _rests(recurrence: Recurrence) -> bool:
    """Without gradients every step is finite: a clamp is there, or another ε."""
    try:
        subject = prepare(recurrence)
        return subject.gradient is not None and rests(subject)
    except TooLarge:
        return False


def unbound(text: str) -> set[str]:
    """Names that functions read and nothing around them, in the module or in Python itself binds."""
    module = symtable.symtable(text, "?", "exec")
    known = {s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}

    def read_in(table: symtable.SymbolTable) -> Iterator[str]:
        yield from (s.get_name() for s in table.get_symbols() if s.is_referenced() and s.is_global())
        for inner in table.get_children():
            yield from read_in(inner)

    return (set(read_in(module)) - known - set(dir(builtins))) | _too_early(text)


_AGAIN = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


def _too_early(text: str) -> set[str]:
    """Names of functions' own that these read above everything that binds them."""
    found: set[str] = set()
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            own = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
            inside = {id(n) for loop in ast.walk(function) if isinstance(loop, _AGAIN) for n in ast.walk(loop)}
            given = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
            bound: dict[str, int] = {}
            for name in own:
                if not isinstance(name.ctx, ast.Load):
                    bound[name.id] = min(name.lineno, bound.get(name.id, name.lineno))
            early = (n for n in own if n.id in bound and n.lineno < bound[n.id] and id(n) not in inside)
            found |= {n.id for n in early} - given
    return found


def reckons_with_lists(tree: ast.AST) -> int:
    """How often a sum or product has an operand that a ``_foreach_`` function of PyTorch takes or makes: a list."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args and _is_of_lists(n)]
    lists = {c.args[0].id for c in calls if isinstance(c.args[0], ast.Name)}
    operands = [o for n in ast.walk(tree) if isinstance(n, ast.BinOp) for o in (n.left, n.right)]
    named = sum(isinstance(o, ast.Name) and o.id in lists for o in operands)
    return named + sum(isinstance(o, ast.Call) and _is_of_lists(o) for o in operands)


def _is_of_lists(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr.startswith("_foreach_")


def settings_for(original: Original) -> Settings:
    """The convention that the original follows, as the user would ask for it."""
    ships = {s for a in original.anatomies for s in a.match.variant.ships}
    return Settings(convention=next((c for c in CONVENTIONS if c in ships), "auto"))


def fixed(text: str, original: Original, before: set[bytes], findings: list[Finding], line: int) -> str:
    """What the update is once the offered fixes are applied, and those that are offered then."""
    said = ""
    for _ in range(MAX_ROUNDS):
        after = applied(text, findings)
        if after is None:
            break
        said, text = _became(after, original, before), after
        if said != "wrong":
            break
        report = lint_source(text, original.code.path)
        tree = ast.parse(text)
        loud = (f for f in report.findings if f.severity != "note")
        findings = [f for f in loud if concerns(f, original.name, tree, line)]
        if findings:
            said = "part"
    return said


def applied(text: str, findings: list[Finding]) -> str | None:
    """The text with the findings' fixes, or None where they have none."""
    edits = list(dict.fromkeys(edit for f in findings if f.fix is not None for edit in f.fix.edits))
    if not edits:
        return None
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for edit in sorted(edits, key=lambda e: e.span, reverse=True):
        first = starts[edit.span.line - 1] + edit.span.column - 1
        last = starts[edit.span.end_line - 1] + edit.span.end_column - 1
        text = text[:first] + edit.text + text[last:]
    return text


def _became(text: str, original: Original, before: set[bytes]) -> str:
    try:
        found = [r for r in lifted(text, original.code.path).recurrences if r.name == original.name]
    except (SyntaxError, ValueError):
        return "wrong"
    other = [r for r, how in behaviours(found) if how not in before]
    if not other:
        return "restores" if found else "wrong"
    return "other form" if all(map(published, other)) else "wrong"


def loud_on(text: str, path: str) -> list[Finding]:
    """The errors and warnings of a file."""
    return [f for f in lint_source(text, path).findings if f.severity != "note"]


def judge(outcome: Outcome, report: Report, findings: list[Finding], name: str) -> None:
    loud = [f for f in findings if f.severity != "note" and f.verdict in ("confirmed", "convention")]
    notes = [f for f in findings if f.severity == "note"]
    outcome.reported = [f.code for f in loud] + [f"{f.code} (note)" for f in notes]
    right = next((f for f in findings if f.code == outcome.code), None)
    if right is not None and right.evidence is not None:
        outcome.fixed = right.evidence.fixed
    outcome.status = sorted(
        {f"{u.status} {u.convention or u.reason}".strip() for u in report.updates if u.name == name}
    )


def concerns(finding: Finding, name: str, tree: ast.Module, line: int) -> bool:
    """The finding is of that update, or lies in its function, in the one that holds the edited line, or in one that it
    calls: who hands in a step size that is not corrected shows where it is used."""
    homes = [lines_of(tree, name), innermost(tree, line), *called_by(tree, name)]
    return finding.update == name or any(h is not None and h[0] <= finding.span.line <= h[1] for h in homes)


def called_by(tree: ast.Module, name: str) -> list[tuple[int, int]]:
    """First and last line of each of the file's functions that a function calls by its name."""
    whole = lines_of(tree, name)
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    named = {c.func.id for c in calls if whole is not None and whole[0] <= c.lineno <= whole[1]}
    return [
        (f.lineno, f.end_lineno or f.lineno)
        for f in tree.body
        if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) and f.name in named
    ]


def innermost(tree: ast.Module, line: int) -> tuple[int, int] | None:
    """First and last line of the function that holds a line."""
    functions = (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    around = [(f.lineno, f.end_lineno or f.lineno) for f in functions]
    return max((h for h in around if h[0] <= line <= h[1]), default=None)


def lines_of(tree: ast.Module, name: str) -> tuple[int, int] | None:
    """First and last line of a function by its dotted name."""
    body: list[ast.stmt] = list(tree.body)
    node: ast.AST | None = None
    for part in name.split("."):
        node = next(
            (
                n
                for n in body
                if isinstance(n, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)) and n.name == part
            ),
            None,
        )
        if node is None:
            return None
        body = [n for n in ast.walk(node) if isinstance(n, ast.stmt) and n is not node]
    assert isinstance(node, ast.stmt)
    return node.lineno, node.end_lineno or node.lineno


__all__ = ["Outcome", "attempt", "behaviours", "loud_on"]
