"""The fixes that are offered for an update's findings: found by trying, and kept only where they are proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from optlint.diagnose.judge import Judgement
from optlint.diagnose.proof import Proof, decays_already, decays_twice
from optlint.fix.candidates import AS_RUN, MORE_THAN_EQUATIONS, Candidates
from optlint.fix.reading import unbracketed
from optlint.fix.repaired import fresh_clocks, in_own_clocks, made_beside, made_on_top
from optlint.fix.text import narrowed
from optlint.fix.verify import Judge, Judged, Verdict, Verifier, key_of, worths
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Finding, Fix, Span
from optlint.prepare import prepare
from optlint.subject import Subject

MAX_TRIES = 16  # edited sources that are read again for one finding
MORE_TRIES = 4  # and once one is good, for one that is better
MAX_UPDATES = 24  # updates of one file that fixes are sought for
MAX_PATHS = 3  # of these, such as say the same, and have shown no fix for all of it
MAX_TWINS = 2  # and such as are the same update of another parameter

Found = dict[tuple[str, Span], Finding]


def offered(program: Program, judged: Judged, judge: Judge) -> Found:
    """The findings that have a fix, with it."""
    found: Found = {}
    verifier = Verifier(program, judged, judge)
    wanted = [(r, v) for r, v in judged if v.proofs and v.subject is not None]
    vain: Counter[frozenset[tuple[str, Span]]] = Counter()
    twins: Counter[tuple[str, ...]] = Counter()  # without a fix, too
    for recurrence, verdict in wanted[:MAX_UPDATES]:
        mine = frozenset((p.finding.code, p.finding.span) for p in verdict.proofs)
        shape = (recurrence.name, *(code for code, _ in sorted(mine)), *_without_names(recurrence))
        if mine <= found.keys() or vain[mine] == MAX_PATHS or twins[shape] == MAX_TWINS:
            continue
        for finding in _Update(program, recurrence, verdict, verifier).fixed():
            found.setdefault((finding.code, finding.span), finding)
        vain[mine] += not mine <= found.keys()
        twins[shape] += not mine <= found.keys()
    return found


def _without_names(recurrence: Recurrence) -> list[str]:
    """The equations, whatever their quantities are called: those of w₁ and of w₂ are one."""
    read = (n for post in recurrence.posts() for n in ex.walk(post) if n.op in ("sym", "opaque"))
    table = {quantity: ex.sym(Symbol(str(number))) for number, quantity in enumerate(dict.fromkeys(read))}
    return [repr(ex.substitute(post, table)) for post in recurrence.posts()]


class _Update:
    """One update's findings, mended one after the other."""

    def __init__(self, program: Program, recurrence: Recurrence, verdict: Judgement, verifier: Verifier) -> None:
        assert verdict.subject is not None
        self.recurrence = recurrence
        self.verdict = verdict
        self.subject: Subject = verdict.subject
        self.verifier = verifier
        self.exact = False
        self.comes_to = ""  # the convention of the source with the last fix, where nothing is left to mend
        self.chosen = ""  # why a fix was a choice
        self.made_up: set[Symbol] = set()  # clocks that the source has under other names, or not at all
        self.candidates = Candidates(program, recurrence, self.subject)

    def fixed(self) -> Iterator[Finding]:
        proofs = list(self._proofs())
        made = list(self._one_by_one(proofs))
        if len(made) < len(proofs) and proofs[len(made)].page.options.get("when") != "matched":
            # the update would stay wrong: nothing is proved by mending a part of it
            yield from self._together(proofs)
            return
        if len(made) < len(proofs) or len({p.finding.code for p in proofs}) > 1 or not self.exact:
            yield from made
            return
        for finding, proof in zip(made, proofs, strict=True):  # one slip in several places, all mended
            assert finding.fix is not None
            told = finding.fix.message.partition(_UNSAFE)[0]
            yield replace(finding, fix=_fix_of(finding.fix.edits, told, self._reason(proof) or self.chosen))

    def _together(self, proofs: list[Proof]) -> Iterator[Finding]:
        """Several mistakes that one edit mends: ``√m`` for ``√v̂`` is another average, and is not corrected."""
        first, last = proofs[0], proofs[-1]
        changed = [p.repair.effective for p in proofs if p.repair.effective is not None]
        kinds = {p.repair.details.get("kind") for p in proofs}
        if len(proofs) < 2 or len(changed) > 1 or kinds & {*MORE_THAN_EQUATIONS, "gradient"}:
            return
        repair = replace(last.repair, effective=next(iter(changed), None))
        whole = replace(last, before=first.before, repair=repair)
        made = self._fix([whole], [], [p.finding for p in proofs], ex.sym(self.subject.g), True, MORE_TRIES)
        for proof in proofs if made is not None else ():
            assert made is not None
            yield replace(proof.finding, fix=made[0])

    def _proofs(self) -> Iterator[Proof]:
        """What stands to be mended; several repairs of one finding are one."""
        shown = {(f.code, f.span) for f in self.verdict.findings}
        for (code, span), same in groupby(self.verdict.proofs, key=lambda p: (p.finding.code, p.finding.span)):
            first, *more = same
            chosen = first.page.options.get("alone") and first.finding.verdict != "convention"
            if (code, span) in shown and not chosen:
                yield replace(first, repair=more[-1].repair) if more else first

    def _one_by_one(self, proofs: list[Proof]) -> Iterator[Finding]:
        done: list[Edit] = []
        mended: list[Finding] = []
        gradient: Expr = ex.sym(self.subject.g)
        for number, proof in enumerate(proofs):
            last = number == len(proofs) - 1
            made = self._fix(proofs[: number + 1], done, [*mended, proof.finding], gradient, last)
            if made is None:
                return  # what follows was explained on top of this repair
            fix, effective = made
            gradient = effective
            done += fix.edits
            mended.append(proof.finding)
            yield replace(proof.finding, fix=fix)
            if number == 0 and proof.match is not None and self.comes_to == proof.match.title:  # it was one mistake
                yield from (replace(other.finding, fix=fix) for other in proofs[1:])
                return

    def _fix(
        self,
        proofs: Sequence[Proof],
        done: list[Edit],
        mended: Sequence[Finding],
        gradient: Expr,
        last: bool,
        tries: int = MAX_TRIES,
    ) -> tuple[Fix, Expr] | None:
        """The fix of the last of these findings, the others being mended."""
        proof = proofs[-1]
        repair = proof.repair
        kind = repair.details.get("kind")
        after = proof.before if kind in AS_RUN else repair.subject
        g = ex.sym(self.subject.g)
        effective = gradient
        if repair.effective is not None and not self._decays_twice(proof):
            effective = ex.substitute(repair.effective, {g: gradient})
        old = [ex.substitute(p, {g: gradient}) for p in proof.before.posts]
        new = [ex.substitute(p, {g: effective}) for p in in_own_clocks(proof.before, after)]
        self.made_up |= set(fresh_clocks(proof.before, after))
        known = not self.made_up and kind not in MORE_THAN_EQUATIONS
        called = self.candidates.calls_epsilon(old, new, proof)  # whatever number the code gives it
        whole = new if made_on_top(proofs) else made_beside(proofs)
        expected = worths(after, whole) if whole is not None and known and not called else None
        title = proof.match.title if proof.match is not None and last else ""
        partial: tuple[Fix, Expr] | None = None
        named = self.candidates.speller.named
        for edits in self.candidates.of(old, new, proof):
            if not tries:
                break
            tries -= 1
            reason = self.candidates.reason  # of what this candidate brings in
            narrow = tuple(dict.fromkeys(n for e in edits for n in narrowed(e, self.candidates.reading.text(e.span))))
            if kind == "dropped":
                verdict = self.verifier.restores(self.recurrence, proof.finding, narrow)
            elif kind == "target":
                verdict = self.verifier.aims(self.recurrence, mended, title, narrow)
            elif proof.match is None:
                verdict = self.verifier.obeys(self.recurrence, expected, proof.finding, narrow)
            else:
                shared = kind == "sharing" or (kind == "clock" and bool(self.recurrence.shared))
                verdict = self.verifier.verify(self.recurrence, expected, mended, title, [*done, *narrow], shared)
            if verdict.good:
                beside = any(p.finding.code != proof.finding.code for p in self.verdict.proofs)
                made = self._made(edits, proof, verdict, reason or self._other(proof, beside))
                fix = replace(made, edits=narrow), effective
                if not verdict.left:
                    return fix
                if partial is None:  # another edit may mend all branches at once
                    partial, tries, named = fix, min(tries, MORE_TRIES), self.candidates.speller.named
        if partial is not None:
            self.candidates.speller.named = named  # what this one has brought in
        return partial

    def _decays_twice(self, proof: Proof) -> bool:
        """What is one decay too many with an option on is none with the option off, either: the text is the same."""
        if decays_twice(proof.repair, proof.match):
            return True
        effective, mine = proof.repair.effective, key_of(self.recurrence)
        if effective is None or self.subject.parameter not in effective.symbols or proof.repair.details:
            return False
        known = ((r, v) for r, v in self.verifier.before if key_of(r) == mine and v.status != "unsupported")
        subjects = (v.subject or prepare(r) for r, v in known)
        return any(map(decays_already, subjects))

    def _reason(self, proof: Proof) -> str:
        """Why a fix that is right may still not be what is meant."""
        if self._decays_twice(proof):
            return "which of the two decays is meant, only their author knows"
        return proof.page.unsafe or ("there is another reading of the code" if proof.readings > 1 else "")

    def _other(self, proof: Proof, beside: bool) -> str:
        return self._reason(proof) or ("another mistake stands in the same update" if beside else "")

    def _made(self, edits: tuple[Edit, ...], proof: Proof, verdict: Verdict, reason: str) -> Fix:
        self.exact = verdict.exact
        self.comes_to = verdict.convention if verdict.exact else ""
        self.chosen = self.chosen or self.candidates.reason
        return _fix_of(edits, self.candidates.told or _told(edits), reason or verdict.but)


_UNSAFE = " (unsafe: "


def _fix_of(edits: tuple[Edit, ...], told: str, reason: str) -> Fix:
    return Fix("unsafe" if reason else "safe", f"{told}{_UNSAFE}{reason})" if reason else told, edits)


def _told(edits: tuple[Edit, ...]) -> str:
    """What is written where something is written."""
    texts = (" ".join(e.text.split()) for e in edits if e.text.strip())
    told = " and ".join(dict.fromkeys(f"`{unbracketed(t)}`" for t in texts))
    return f"write {told}" if told else "remove it"
