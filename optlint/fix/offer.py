"""The fixes that are offered for an update's findings: found by trying, and kept only where they are proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from optlint.diagnose.findings import Proof
from optlint.diagnose.judge import Judgement
from optlint.fix.difference import Change, changes
from optlint.fix.edits import edits_of
from optlint.fix.reading import Reading
from optlint.fix.spelling import Speller
from optlint.fix.text import overlap
from optlint.fix.values import Values
from optlint.fix.verify import Judge, Judged, Verdict, Verifier, worths
from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Finding, Fix, Span
from optlint.subject import Subject

MAX_TRIES = 16  # edited sources that are read again for one finding
MAX_UPDATES = 24  # updates of one file that fixes are sought for
_MAX_WAYS = 6

Found = dict[tuple[str, Span], Finding]


def offered(program: Program, judged: Judged, judge: Judge) -> Found:
    """The findings that have a fix, with it."""
    found: Found = {}
    verifier = Verifier(program, judged, judge)
    wanted = [(r, v) for r, v in judged if v.proofs and v.subject is not None]
    for recurrence, verdict in wanted[:MAX_UPDATES]:
        if all((p.finding.code, p.finding.span) in found for p in verdict.proofs):
            continue
        for finding in _Update(program, recurrence, verdict, verifier).fixed():
            found.setdefault((finding.code, finding.span), finding)
    return found


class _Update:
    """One update's findings, mended one after the other."""

    def __init__(self, program: Program, recurrence: Recurrence, verdict: Judgement, verifier: Verifier) -> None:
        assert verdict.subject is not None
        self.recurrence = recurrence
        self.verdict = verdict
        self.subject: Subject = verdict.subject
        self.verifier = verifier
        self.values = Values(self.subject)
        self.reading = Reading(program, recurrence, self.values)
        source = next(u.text for u in program.units if u.cell == recurrence.span.cell)
        self.speller = Speller(self.reading, source, self._home(source))

    def _home(self, source: str) -> str:
        span = self.recurrence.home or self.recurrence.span
        return "\n".join(source.split("\n")[span.line - 1 : span.end_line])

    def fixed(self) -> Iterator[Finding]:
        shown = {(f.code, f.span) for f in self.verdict.findings}
        proofs = [p for p in self.verdict.proofs if (p.finding.code, p.finding.span) in shown]
        done: list[Edit] = []
        mended: list[Finding] = []
        gradient: Expr = ex.sym(self.subject.g)
        for number, proof in enumerate(proofs):
            last = number == len(proofs) - 1
            made = self._fix(proof, done, [*mended, proof.finding], gradient, last)
            if made is None:
                return  # what follows was explained on top of this repair
            fix, effective = made
            gradient = effective
            done += fix.edits
            mended.append(proof.finding)
            yield replace(proof.finding, fix=fix)

    def _fix(
        self, proof: Proof, done: list[Edit], mended: Sequence[Finding], gradient: Expr, last: bool
    ) -> tuple[Fix, Expr] | None:
        repair = proof.repair
        after = repair.subject
        g = ex.sym(self.subject.g)
        effective = ex.substitute(repair.effective, {g: gradient}) if repair.effective is not None else gradient
        old = [ex.substitute(p, {g: gradient}) for p in proof.before.posts]
        new = [ex.substitute(p, {g: effective}) for p in _counted(proof.before, after)]
        if len(old) != len(new):
            return None
        expected = worths(after, new) if last else None
        title = proof.match.title if proof.match is not None and last else ""
        for edits in islice(self._candidates(old, new, proof), MAX_TRIES):
            whole = [*done, *edits]
            verdict = self.verifier.verify(self.recurrence, expected, mended, title, whole)
            if verdict.good:
                return self._made(edits, proof, verdict, len(mended) > 1 or not last), effective
        return None

    def _candidates(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        ways: list[list[list[Change]]] = []
        for before, after in zip(old, new, strict=True):
            found = changes(before, after, self.values)
            if found:
                ways.append(found[:_MAX_WAYS])
        seen: set[tuple[Edit, ...]] = set()
        for together in islice(product(*ways), _MAX_WAYS * 2) if ways else ():
            for edits in self._edits([c for way in together for c in way], proof.finding.span):
                if edits and edits not in seen:
                    seen.add(edits)
                    yield edits

    def _edits(self, wanted: list[Change], near: Span) -> Iterator[tuple[Edit, ...]]:
        """Edits that make all those changes: each in its likeliest place first."""
        choices = [list(islice(edits_of(c, self.reading, self.speller, near), 6)) for c in wanted]
        if not all(choices):
            return
        for chosen in islice(product(*choices), 12):
            edits = tuple(dict.fromkeys(e for some in chosen for e in some))
            if not overlap(edits):
                yield edits

    def _made(self, edits: tuple[Edit, ...], proof: Proof, verdict: Verdict, beside: bool) -> Fix:
        reason = proof.page.unsafe
        if beside:
            reason = reason or "another mistake stands in the same update"
        if proof.readings > 1:
            reason = reason or "there is another reading of the code"
        if not verdict.exact and not beside:
            reason = reason or "the result was not compared to the last digit"
        return Fix("unsafe" if reason else "safe", _message(edits, reason), edits)


def _message(edits: tuple[Edit, ...], reason: str) -> str:
    told = " and ".join(dict.fromkeys(f"`{' '.join(e.text.split())}`" for e in edits if e.text.strip()))
    text = f"write {told}" if told else "remove it"
    return f"{text} (unsafe: {reason})" if reason else text


def _counted(before: Subject, after: Subject) -> list[Expr]:
    """The repaired equations in the clocks that the source has: where t starts one later, it is t + 1."""
    first = {c.symbol: c.first for c in before.clocks}
    table: dict[Expr, Expr] = {}
    for clock in after.clocks:
        late = clock.first - first.get(clock.symbol, clock.first)
        if late:
            t = ex.sym(clock.symbol)
            table[t] = ex.op("add", t, ex.const(int(late) if float(late).is_integer() else late))
    return [ex.substitute(p, table) for p in after.posts]
