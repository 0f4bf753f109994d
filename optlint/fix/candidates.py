"""Candidates for a fix: the edits that could turn an update's equations into the repaired ones, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice, product

from optlint.diagnose.checks.precision import takes_integers
from optlint.diagnose.proof import Proof
from optlint.fix.aims import REASON, Aims
from optlint.fix.averages import decayed_in_place, gathered, weighed
from optlint.fix.blocks import SEPARATE, separated
from optlint.fix.branches import Branches
from optlint.fix.constants import given, swapped
from optlint.fix.counters import Counters
from optlint.fix.decay import Decay
from optlint.fix.difference import Change, changes, ways_to_read
from optlint.fix.dtypes import Dtypes
from optlint.fix.edits import edits_of
from optlint.fix.epochs import Epochs
from optlint.fix.homes import LASTING, Homes
from optlint.fix.keyed import COUNTED, COUNTED_REASON, for_each
from optlint.fix.largest import LARGEST, is_fed_back, kept_apart, kept_where_compared, kept_where_meant
from optlint.fix.owncounts import REASON as ONE_FOR_EACH
from optlint.fix.owncounts import OwnCounts
from optlint.fix.reading import ATOM, Read, Reading
from optlint.fix.recipes import Recipes
from optlint.fix.repaired import fresh_clocks
from optlint.fix.resets import Resets
from optlint.fix.results import Results
from optlint.fix.spelling import Speller, Text
from optlint.fix.stores import Stores
from optlint.fix.values import Values
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.model import Edit, Span
from optlint.subject import Subject

_MAX_WAYS = 6
NO_EDIT = (
    "clock",
    "constants",
    "number",
    "parameter",
    "target",
    "sharing",
    "shift",
)  # kinds of repairs that no changed formula makes
MORE_THAN_EQUATIONS = ("state", "read", "again", "dropped", "branch", *NO_EDIT)
AS_RUN = ("as run", "refused")  # the repair's subject is what runs; what is meant is what is written
_CALLERS = "its owner may count on the decayed gradient"
_OPERAND = "which of its operands is to take the result is a choice"


class Candidates:
    """What could mend one update.

    reason: why the candidate at hand is a choice; told: what it comes to, where its texts alone would not tell.
    """

    def __init__(self, program: Program, recurrence: Recurrence, subject: Subject) -> None:
        self.recurrence = recurrence
        self.subject = subject
        self.values = Values(subject)
        self.reason = self.told = ""
        self.reading = Reading(program, recurrence, self.values)
        source = self.source = next(u.text for u in program.units if u.cell == recurrence.span.cell)
        self.speller = Speller(self.reading, source, self._home(source))
        self.speller.numbers = self.values.settings
        self.speller.arrays = _arrays(subject) - self.speller.numbers
        self.recipes = Recipes(recurrence, self.reading, source)
        self.counters = Counters(recurrence, self.reading, source)
        self.epochs = Epochs(recurrence, self.reading, source)
        self.stores = Stores(recurrence, self.reading)
        self.resets = Resets(self.reading)
        self.decay = Decay(recurrence, self.reading, self.speller)
        self.branches = Branches(recurrence, self.reading, self.speller, source)
        self.results = Results(recurrence, self.reading, subject.gradient)

    def _home(self, source: str) -> str:
        span = self.recurrence.home or self.recurrence.span
        return "\n".join(source.split("\n")[span.line - 1 : span.end_line])

    def calls_epsilon(self, old: list[Expr], new: list[Expr], proof: Proof) -> bool:
        """A small number that only the repaired equations have: where the code has a name for it, that is written."""
        small = [{n.number for p in posts for n in ex.walk(p) if n.op == "const"} for posts in (old, new)]
        text = self.speller.epsilon(self._site(proof.finding.span)) if 1e-8 in small[1] - small[0] else None
        self.speller.settings = {1e-8: text} if text is not None else {}
        return text is not None

    def of(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        seen: set[tuple[Edit, ...]] = set()
        for edits in self._all_candidates(old, new, proof):
            if edits and edits not in seen:
                seen.add(edits)
                yield edits

    def _all_candidates(self, old: list[Expr], new: list[Expr], proof: Proof) -> Iterator[tuple[Edit, ...]]:
        self.reason = self.told = ""
        before, after = proof.before, proof.repair.subject
        kind = proof.repair.details.get("kind")
        if "shown" in proof.repair.details:
            return
        if "type" in proof.repair.details:
            yield from self._of_other_type(proof)
            return
        if kind == "state":
            yield from self.resets.begun_once(before.recurrence.posts())
            made = self.resets.made(before.recurrence.posts())
            if made:
                self.told = LASTING
                yield from Homes(self.recurrence, self.reading, self.source, made).lasting()
                self.told = ""
        if kind == "memory":
            yield from gathered(before, after, proof.repair.wrong, self.reading, self.speller)
        if kind == "dropped":
            yield from self.results.unbound(proof.finding.span)
            for edits in self.results.kept():
                self.reason = "" if all(e.text.endswith("_") for e in edits) else _OPERAND
                yield edits
            return
        if kind == "branch" and proof.repair.wrong is not None and not self.speller.idioms.traces:
            yield from self.branches.asked_first(before, after, proof.repair.wrong)
            return
        if kind == "target":
            self.reason = REASON
            yield from Aims(self.reading).at_parameter(proof.finding.span)
        if kind == "parameter":
            yield from self.results.unbound(proof.finding.span)
            yield from self.stores.moved(proof.finding.span)
        if kind == "state":
            if is_fed_back(before, after):  # and nothing else is wrong with what holds it
                self.told = LARGEST
                yield from kept_apart(before, after, self.reading, self.source)
                return
            for name, home in self.recipes.bound_names(before, after):
                yield from self.results.unbound_throughout(name, home)
            yield from self.recipes.stored(before, after)
            if proof.repair.wrong is not None and proof.repair.wrong.op == "max":
                yield from kept_where_meant(before, after, self.reading)
                yield from kept_where_compared(proof.repair.wrong, self.reading)
            yield from self.results.kept()
            yield from self.recipes.separated()
            yield from self.recipes.crossed(proof.finding.span)
            yield from self.stores.apart(before, after)
            for place in (proof.finding.span, *self.recurrence.writes):
                yield from self.recipes.out_of_place(place)
            yield from gathered(before, after, proof.repair.wrong, self.reading, self.speller)
        elif kind == "gradient" and self.subject.gradient is not None and proof.repair.effective is not None:
            yield from self.results.taken(proof.finding.span)
            if before.step != after.step:
                yield from self._decayed_beside(before, after, proof.repair.effective, proof.finding.span)
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
            yield from self.counters.moved_out()
            for edits, reason in self.epochs.counted(before, after):
                self.reason = reason
                yield edits
            shared = [s for s in self.recurrence.states if s.old in self.recurrence.shared]
            counts = any(s.old in self.recurrence.shared_products for s in shared)
            self.told, self.reason = (COUNTED, COUNTED_REASON) if counts else (SEPARATE, "")
            yield from for_each(self.recurrence, shared, self.reading, self.source)
            self.told, self.reason = "", ONE_FOR_EACH
            yield from OwnCounts(self.recurrence, self.reading, self.source).apart()
        elif kind == "sharing":
            self.told = SEPARATE
            yield from separated(self.recurrence, self.reading, self.source)
        if kind in NO_EDIT or len(old) != len(new):
            return
        yield from self.recipes.renamed(before, after)
        if any(a.post != b.post for a, b in zip(before.states, after.states, strict=True)):
            yield from self._left_alone(old, new, proof)
            yield from weighed(before, after, self.reading, self.speller)
            yield from decayed_in_place(before, after, self.reading, self.speller)
            yield from self.stores.copied(proof.finding.span)
            yield from self.stores.replaced(before, after)
        yield from self.stores.earlier(before, after, proof.finding.span)
        yield from self.stores.later(before, after, proof.finding.span)
        if kind in ("along", "again"):
            yield from self.recipes.out_of_place(proof.finding.span)
            if kind == "again":  # the repaired equation is that of a second update, not of this one
                self.reason = _CALLERS
                yield from self.recipes.under_another_name(proof.finding.span)
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
                for more in self.counters.advanced(t, site):
                    for edits in islice(chain(self._changed(old, new, proof), ((),)), 2):
                        yield (*edits, *more)
                continue
            for products in self._products(t, new):
                yield from self._changed(old, [ex.substitute(p, products) for p in new], proof)
            for counter in self.counters.at(site):
                there = [ex.substitute(p, {ex.sym(t): counter.expr}) for p in new] if counter.expr is not None else new
                self.speller.named = counter.spelled(t)
                self.reason = counter.reason
                for edits in islice(self._changed(old, there, proof), 3):
                    yield (*edits, *counter.edits)

    def _decayed_beside(self, before: Subject, after: Subject, bare: Expr, near: Span) -> Iterator[tuple[Edit, ...]]:
        """The decay out of the gradient, and into the step."""
        yield from self.decay.instead(before, after, bare)
        gradient = changes(before.gradient, bare, self.values)[:2] if before.gradient is not None else []
        step = changes(before.step, after.step, self.values)[:2]
        in_text = [
            list(islice(chain.from_iterable(self._edits(w, near) for w in ways), 2)) for ways in (gradient, step)
        ]
        out = [*self.decay.left_out(before, bare), *in_text[0]]
        into = [*self.decay.put_in(after), *in_text[1]]
        yield from ((*one, *other) for one, other in product(out, into))

    def _of_other_type(self, proof: Proof) -> Iterator[tuple[Edit, ...]]:
        """What is made in a number type that cannot hold what it is for, made in one that can."""
        dtypes = Dtypes(self.reading, self.recurrence.imports)
        wrong, moved = proof.repair.wrong, self.recurrence.parameter
        if wrong is not None:
            yield from dtypes.wider(wrong.symbol)
            return
        states = [*self.recurrence.states, *([moved] if moved is not None else [])]
        yield from dtypes.of_floats(s.old.typed_at for s in states if takes_integers(s))

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


def _arrays(subject: Subject) -> frozenset[Symbol]:
    """The symbols of data, which may be arrays."""
    data = subject.gradient.symbols if subject.gradient is not None else frozenset()
    parameter = {subject.parameter} if subject.parameter is not None else set()
    return subject.moving | {subject.g} | parameter | data
