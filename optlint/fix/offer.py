"""The fixes that are offered for an update's findings: found by trying, and kept only where they are proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice, product

from optlint.diagnose.judge import Judgement
from optlint.diagnose.proof import Proof, decays_already, decays_twice
from optlint.fix.aims import REASON, Aims
from optlint.fix.averages import gathered, weighed
from optlint.fix.constants import given, swapped
from optlint.fix.difference import Change, changes, ways_to_read
from optlint.fix.edits import edits_of
from optlint.fix.reading import ATOM, Read, Reading, unbracketed
from optlint.fix.recipes import Recipes
from optlint.fix.repaired import fresh_clocks, in_own_clocks, made_beside, made_on_top
from optlint.fix.resets import Resets
from optlint.fix.results import Results
from optlint.fix.spelling import Speller, Text
from optlint.fix.stores import Stores
from optlint.fix.text import narrowed
from optlint.fix.values import Values
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
_MAX_WAYS = 6
_NO_EDIT = (
    "clock",
    "constants",
    "number",
    "parameter",
    "target",
    "sharing",
    "shift",
)  # kinds of repairs that no changed formula makes
_MORE_THAN_EQUATIONS = ("state", "read", "again", "dropped", *_NO_EDIT)

_OPERAND = "which of its operands is to take the result is a choice"

Found = dict[tuple[str, Span], Finding]


def offered(program: Program, judged: Judged, judge: Judge) -> Found:
    """The findings that have a fix, with it."""
    found: Found = {}
    verifier = Verifier(program, judged, judge)
    wanted = [(r, v) for r, v in judged if v.proofs and v.subject is not None]
    vain: Counter[frozenset[tuple[str, Span]]] = Counter()
    for recurrence, verdict in wanted[:MAX_UPDATES]:
        mine = frozenset((p.finding.code, p.finding.span) for p in verdict.proofs)
        if mine <= found.keys() or vain[mine] == MAX_PATHS:
            continue
        for finding in _Update(program, recurrence, verdict, verifier).fixed():
            found.setdefault((finding.code, finding.span), finding)
        vain[mine] += not mine <= found.keys()
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
        self.exact = False
        self.comes_to = ""  # the convention of the source with the last fix, where nothing is left to mend
        self.reason = ""  # why the candidate at hand is a choice
        self.chosen = ""
        self.made_up: set[Symbol] = set()  # clocks that the source has under other names, or not at all
        self.reading = Reading(program, recurrence, self.values)
        source = next(u.text for u in program.units if u.cell == recurrence.span.cell)
        self.speller = Speller(self.reading, source, self._home(source))
        self.speller.numbers = self.values.settings
        self.speller.arrays = _arrays(self.subject) - self.speller.numbers
        self.recipes = Recipes(recurrence, self.reading, source)
        self.stores = Stores(self.reading)
        self.resets = Resets(self.reading)
        self.results = Results(recurrence, self.reading, self.subject.gradient)

    def _home(self, source: str) -> str:
        span = self.recurrence.home or self.recurrence.span
        return "\n".join(source.split("\n")[span.line - 1 : span.end_line])

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
        if len(proofs) < 2 or len(changed) > 1 or kinds & {*_MORE_THAN_EQUATIONS, "gradient"}:
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
        repair, after = proof.repair, proof.repair.subject
        g = ex.sym(self.subject.g)
        effective = gradient
        if repair.effective is not None and not self._decays_twice(proof):
            effective = ex.substitute(repair.effective, {g: gradient})
        old = [ex.substitute(p, {g: gradient}) for p in proof.before.posts]
        new = [ex.substitute(p, {g: effective}) for p in in_own_clocks(proof.before, after)]
        self.made_up |= set(fresh_clocks(proof.before, after))
        kind = repair.details.get("kind")
        known = not self.made_up and kind not in _MORE_THAN_EQUATIONS
        called = self._calls_epsilon(old, new, proof)  # whatever number the code gives it
        whole = new if made_on_top(proofs) else made_beside(proofs)
        expected = worths(after, whole) if whole is not None and known and not called else None
        title = proof.match.title if proof.match is not None and last else ""
        partial: tuple[Fix, Expr] | None = None
        named = self.speller.named
        for edits in self._candidates(old, new, proof):
            if not tries:
                break
            tries -= 1
            reason = self.reason  # of what this candidate brings in
            narrow = tuple(dict.fromkeys(n for e in edits for n in narrowed(e, self.reading.text(e.span))))
            if kind == "dropped":
                verdict = self.verifier.restores(self.recurrence, proof.finding, narrow)
            elif kind == "target":
                verdict = self.verifier.aims(self.recurrence, mended, title, narrow)
            else:
                verdict = self.verifier.verify(self.recurrence, expected, mended, title, [*done, *narrow])
            if verdict.good:
                beside = any(p.finding.code != proof.finding.code for p in self.verdict.proofs)
                made = self._made(edits, proof, verdict, reason or self._other(proof, beside))
                fix = replace(made, edits=narrow), effective
                if not verdict.left:
                    return fix
                if partial is None:  # another edit may mend all branches at once
                    partial, tries, named = fix, min(tries, MORE_TRIES), self.speller.named
        if partial is not None:
            self.speller.named = named  # what this one has brought in
        return partial

    def _calls_epsilon(self, old: list[Expr], new: list[Expr], proof: Proof) -> bool:
        """A small number that only the repaired equations have: where the code has a name for it, that is written."""
        small = [{n.number for p in posts for n in ex.walk(p) if n.op == "const"} for posts in (old, new)]
        text = self.speller.epsilon(self._site(proof.finding.span)) if 1e-8 in small[1] - small[0] else None
        self.speller.settings = {1e-8: text} if text is not None else {}
        return text is not None

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

    def _candidates(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        seen: set[tuple[Edit, ...]] = set()
        for edits in self._all_candidates(old, new, proof):
            if edits and edits not in seen:
                seen.add(edits)
                yield edits

    def _all_candidates(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        self.reason = ""
        before, after = proof.before, proof.repair.subject
        kind = proof.repair.details.get("kind")
        if "shown" in proof.repair.details:
            return
        if kind == "state":
            yield from self.resets.begun_once(before.recurrence.posts())
        if kind == "memory":
            yield from gathered(before, after, proof.repair.wrong, self.reading, self.speller)
        if kind == "dropped":
            yield from self.results.unbound(proof.finding.span)
            for edits in self.results.kept():
                self.reason = "" if all(e.text.endswith("_") for e in edits) else _OPERAND
                yield edits
            return
        if kind == "target":
            self.reason = REASON
            yield from Aims(self.reading).at_parameter(proof.finding.span)
        if kind == "parameter":
            yield from self.results.unbound(proof.finding.span)
            yield from self.stores.moved(proof.finding.span)
        if kind == "state":
            yield from self.recipes.stored(before, after)
            yield from self.results.kept()
            yield from self.recipes.separated()
            yield from self.recipes.crossed(proof.finding.span)
            yield from self.stores.apart(before, after)
            yield from gathered(before, after, proof.repair.wrong, self.reading, self.speller)
        elif kind == "gradient" and self.subject.gradient is not None and proof.repair.effective is not None:
            for way in changes(self.subject.gradient, proof.repair.effective, self.values)[:_MAX_WAYS]:
                yield from self._edits(way, proof.finding.span)
        elif kind == "read":  # a state that the code keeps already: what reads it is all that changes
            yield from self._read_instead(after.recurrence, proof.finding.span)
        elif kind == "constants":
            yield from swapped(self.reading, self._site(proof.finding.span))
        elif kind == "number":
            site = self._site(proof.finding.span)
            yield from given(self.reading, site, proof.repair.wrong, proof.repair.right)
        elif kind == "clock":
            yield from self.recipes.moved_out()
        if kind in _NO_EDIT or len(old) != len(new):
            return
        yield from self.recipes.renamed(before, after)
        if any(a.post != b.post for a, b in zip(before.states, after.states, strict=True)):
            yield from self._left_alone(old, new, proof)
            yield from weighed(before, after, self.reading, self.speller)
            yield from self.stores.copied(proof.finding.span)
            yield from self.stores.replaced(before, after)
        yield from self.stores.earlier(before, after, proof.finding.span)
        yield from self.stores.later(before, after, proof.finding.span)
        if kind == "again":  # the repaired equation is that of a second update, not of this one
            yield from self.recipes.out_of_place(proof.finding.span)
            return
        fresh = fresh_clocks(before, after)
        if not fresh:
            for place in (proof.finding.span, *self.recurrence.writes):
                yield from self.recipes.other_word(place)
            yield from self._changed(old, new, proof)
            return
        site = self._site(proof.finding.span)
        for t in fresh:
            if any(h.symbol is t for h in before.hypers):
                for more in self.recipes.advanced(t, site):
                    for edits in islice(chain(self._changed(old, new, proof), ((),)), 2):
                        yield (*edits, *more)
                continue
            for products in self._products(t, new):
                yield from self._changed(old, [ex.substitute(p, products) for p in new], proof)
            for counter in self.recipes.counters(site):
                there = [ex.substitute(p, {ex.sym(t): counter.expr}) for p in new] if counter.expr is not None else new
                self.speller.named = counter.spelled(t)
                self.reason = counter.reason
                for edits in islice(self._changed(old, there, proof), 3):
                    yield (*edits, *counter.edits)

    def _read_instead(self, meant: Recurrence, near: Span) -> Iterator[tuple[Edit, ...]]:
        """Edits after which an equation reads a state that the update has not read."""
        unread, ways = ways_to_read(self.recurrence, meant, self.values)
        # a branch may have changed it last, in place: then no line reads what it holds, and its name is as good
        in_place = {s.new: Text(name, ATOM) for s in unread if (name := self.reading.name_of(s))}
        for named in ({}, in_place):
            self.speller.named = named
            for way in ways:
                yield from self._edits(way, near)

    def _products(self, t: Symbol, posts: list[Expr]) -> Iterator[dict[Expr, Expr]]:
        """What the source keeps for β₂ᵗ, read or not: a place that each step multiplies by β₂."""
        wanted = {n for p in posts for n in ex.walk(p) if n.op == "pow" and n.args[1] == ex.sym(t)}
        table: dict[Expr, Expr] = {}
        for read in self.reading.reads:
            for power in wanted if read.written and read.expr.op == "mul" else ():
                if power.args[0] in read.expr.args and all(a.op == "sym" for a in read.expr.args):
                    table.setdefault(power, read.expr)
        if table:
            yield table

    def _left_alone(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        """``v += ε`` taken out, and ε added where v is read."""
        for position, state in enumerate(proof.before.states):
            for out in self.stores.without_term(state, new[position]):
                there = [*new[:position], old[position], *new[position + 1 :]]
                for edits in islice(self._changed(old, there, proof), 3):
                    yield (*edits, *out)

    def _site(self, span: Span) -> Read:
        """A read of the update near to a place."""
        reads = self.reading.reads
        return next(
            (r for r in reads if span.covers(r.span)), next((r for r in reads if r.span.line >= span.line), reads[-1])
        )

    def _changed(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        """Edits of expressions that turn the one equations into the others."""
        ways: list[list[list[Change]]] = []
        for home, before, after in zip(self._homes(proof.before), old, new, strict=True):
            found = sorted(changes(before, after, self.values), key=self._is_apart)
            if found:
                ways.append([[replace(c, home=home) for c in way] for way in found[:_MAX_WAYS]])
        for alone in ways if len(ways) > 1 else ():  # one expression of the source may stand in several equations
            yield from islice(self._edits(alone[0], proof.finding.span), 1)
        for together in islice(product(*ways), _MAX_WAYS * 2) if ways else ():
            yield from self._edits([c for way in together for c in way], proof.finding.span)

    def _is_apart(self, way: list[Change]) -> bool:
        """A correction that is made where no other one stands, which the same step size may hold (η·√(1 − β₂ᵗ))."""
        time, data = self.subject.time, self.subject.moving | {self.subject.g}
        return not all(c.old.symbols & time and not c.new.symbols & data and c.new != ex.op("neg", c.old) for c in way)

    def _homes(self, subject: Subject) -> list[tuple[Span, ...]]:
        """Where each equation's place is written."""
        return [*(s.spans for s in subject.states), self.recurrence.writes]

    def _edits(self, wanted: list[Change], near: Span) -> Iterator[tuple[Edit, ...]]:
        """Edits that make all those changes: each in its likeliest place first; at first, one place for equal ones."""
        worth = self.values.worth
        equal = list({(worth(c.old), worth(c.new)): c for c in wanted}.values())
        for some in (equal, wanted) if len(equal) < len(wanted) else (wanted,):
            choices = [list(islice(edits_of(c, self.reading, self.speller, near), 6)) for c in some]
            for chosen in islice(product(*choices), 12 if some is wanted else 4) if all(choices) else ():
                yield tuple(dict.fromkeys(e for edits in chosen for e in edits))

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
        self.chosen = self.chosen or self.reason
        return _fix_of(edits, _told(edits), reason or verdict.but)


_UNSAFE = " (unsafe: "


def _fix_of(edits: tuple[Edit, ...], told: str, reason: str) -> Fix:
    return Fix("unsafe" if reason else "safe", f"{told}{_UNSAFE}{reason})" if reason else told, edits)


def _told(edits: tuple[Edit, ...]) -> str:
    """What is written where something is written."""
    texts = (" ".join(e.text.split()) for e in edits if e.text.strip())
    told = " and ".join(dict.fromkeys(f"`{unbracketed(t)}`" for t in texts))
    return f"write {told}" if told else "remove it"


def _arrays(subject: Subject) -> frozenset[Symbol]:
    """The symbols of data, which may be arrays."""
    data = subject.gradient.symbols if subject.gradient is not None else frozenset()
    parameter = {subject.parameter} if subject.parameter is not None else set()
    return subject.moving | {subject.g} | parameter | data
