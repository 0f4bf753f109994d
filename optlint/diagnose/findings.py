"""Findings: what is said of a mistake, with the evidence of running the update as written and as meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optlint.diagnose.effect import Effect
from optlint.diagnose.pairs import pair_of
from optlint.diagnose.proof import Proof, decays_twice
from optlint.diagnose.proposals import from_check
from optlint.diagnose.repairs import Repair
from optlint.diagnose.restore import Restored
from optlint.diagnose.search import Explanation
from optlint.identify import Match, best, matches
from optlint.intent import asked_to_climb, speaks_of, without_that_option
from optlint.knowledge import MistakePage, find_mistake, mistakes
from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.mentions import is_begun_by_initializer
from optlint.lift.notation import GREEK, render
from optlint.lift.recurrence import Recurrence
from optlint.model import Evidence, Finding, Severity, Span
from optlint.sandbox.laws import LAWS
from optlint.sandbox.rounding import refusal
from optlint.sandbox.witness import Seen, latent_settings, look, look_low, other_settings, sentence
from optlint.settings import Settings
from optlint.subject import Subject
from optlint.timed import stuck_powers


@dataclass(slots=True)
class Context:
    """One update under judgement, and what stands to be said about it."""

    recurrence: Recurrence
    subject: Subject
    path: str
    settings: Settings
    proofs: list[Proof] = field(default_factory=list)

    @property
    def preferred(self) -> str | None:
        """Whose form to name first: the setting's, else the framework's that the file imports."""
        if self.settings.convention != "auto":
            return self.settings.convention
        roots = {name.split(".")[0] for name in self.recurrence.imports}
        for root, who in (("torch", "pytorch"), ("keras", "keras"), ("tensorflow", "tensorflow"), ("optax", "optax")):
            if root in roots:
                return who
        return None

    def cites(self, match: Match) -> bool:
        """Whether the project or the code says that it means this form; it does not where it corrects with a t that is
        stuck, and behaves as if it did not correct."""
        variant = match.variant
        if self.settings.convention in variant.ships:
            return True
        return bool(variant.cue and speaks_of(variant.cue, self.recurrence.text)) and not stuck_powers(self.subject)

    def _begins_above_zero(self, subject: Subject) -> bool:
        """An unseen initializer gives a second moment its first content (TensorFlow's Adagrad: 0.1)."""
        around = self.recurrence.around
        return around is not None and any(
            is_begun_by_initializer(around, s.name) for s in subject.states if s.old in subject.second
        )

    def finding(
        self,
        page: MistakePage,
        repair: Repair,
        before: Subject,
        explanation: Explanation,
        match: Match,
        reading: Match | None,
    ) -> Finding | None:
        # the symptom of this mistake alone: all others repaired on both sides
        written = repair.written or before
        twice = decays_twice(repair, match)
        effective, probes = None if twice else repair.effective, page.probes
        repaired = repair.subject
        if repair.details.get("kind") == "bowl" and (pair := pair_of(repair, written, descends=True)) is not None:
            written, repaired, _ = pair
        seen = look(written, repaired, effective, probes)
        if seen is None:
            seen = look(self.subject, explanation.repaired, effective, probes)
        others: dict[ex.Symbol, float] = {}
        if seen is None and len(explanation.repairs) == 1:  # the code's own settings may hide it
            others = other_settings(written, repaired, effective)
            if others:
                run = written.with_settings(others), repaired.with_settings(others)
                seen = look(*run, effective, probes)
        floors = bool(page.options.get("floor"))
        if seen is None or (floors and (seen.kind != "nan" or self._begins_above_zero(written))):
            return None  # something else keeps it from zero
        meant = repair.details.get("meant") or page.meant
        meant = meant or (render(repair.right, self.spell(repair)) if repair.right is not None else "")
        also = [r for r in explanation.repairs if r is not repair]
        fixed = self.fixed(repair, explanation, match, also)
        message = page.options.get(repair.details.get("says", ""), page.message)
        if twice:
            meant, message = "g alone", f"{message.partition(';')[0]}; the weights decay already"
        if reading is not None and reading.variant.deviation:
            message += f" (another reading: {reading.title}, {reading.variant.deviation})"
        names = {tuple(r.code for r in other) for other in explanation.others}
        if names and len(explanation.repairs) == 1:
            message += "; or " + " or ".join("+".join(n) for n in sorted(names))
        if others:
            message, severity = _as_hidden(page, message, others)
        else:
            latent = latent_settings(written, repaired, effective, probes)
            message, severity = _as_it_bites(page, message, latent)
        made = self.make(page, repair, message, self.evidence(seen, f"{meant}     [{match.title}]", fixed), severity)
        readings = 1 + len(explanation.others) + bool(reading is not None and reading.variant.deviation)
        self.proofs.append(Proof(made, page, before, repair, match, readings))
        return made

    def lawless(self, restored: Restored) -> Finding | None:
        """The finding for an update of an optimizer that is not known, which breaks a law that all obey."""
        repair, page = restored.repair, find_mistake(restored.repair.code)
        if page is None or self.is_ruled_out(page):
            return None
        seen = look(restored.written, restored.repaired, repair.effective, page.probes)
        law = LAWS[restored.law]
        if seen is None or (law.finite and seen.kind != "nan"):
            return None
        right = render(repair.right, self.spell(repair)) if repair.right is not None else ""
        fixed = f"{right if 0 < len(right) <= 160 else 'as meant'}; repaired, {law.says}"
        message = page.options.get(repair.details.get("says", "")) or page.message
        meant = repair.details.get("meant") or page.meant or right
        made = self.make(page, repair, message, self.evidence(seen, meant, fixed))
        if restored.written is self.subject:
            self.proofs.append(Proof(made, page, self.subject, repair))
        return made

    def doubtful(self, repair: Repair) -> Finding | None:
        """What only a part of the update shows: the whole is like nothing known, as written and as repaired."""
        page = find_mistake(repair.code)
        seen = look(self.subject, repair.subject, None, page.probes) if page is not None else None
        if page is None or seen is None or repair.right is None:
            return None
        fixed = f"{render(repair.right, self.spell(repair))}; that part is a published one then, the whole is not known"
        evidence = self.evidence(seen, page.meant, fixed)
        return replace(self.make(page, repair, page.message, evidence, "note"), verdict="unconfirmed")

    def without_effect(self, page: MistakePage, effect: Effect) -> Finding | None:
        """The finding for a result that nobody takes, whatever optimizer it is that goes without."""
        written, kept = effect.written, effect.kept
        probes = page.probes
        seen = look(written, kept, None, probes)
        if seen is None:
            return None
        repair = Repair(page.code, kept, span=effect.span, written=written, details={"kind": "dropped"})
        message, severity = _as_it_bites(page, page.message, latent_settings(written, kept, None, probes))
        evidence = self.evidence(seen, page.meant, "with the result kept, the update changes with it")
        made = self.make(page, repair, message, evidence, severity)
        self.proofs.append(Proof(made, page, self.subject, repair))
        return made

    def beside(self, page: MistakePage, repair: Repair, message: str) -> Finding | None:
        """The finding for an update that behaves otherwise than another one of the same function."""
        seen = look(self.subject, repair.subject, repair.effective, page.probes)
        if seen is None or repair.right is None:
            return None
        right = render(repair.right, self.spell(repair))
        fixed = f"{right if len(right) <= 160 else 'as there'}; then both behave alike on every probe"
        return self.make(page, repair, message, self.evidence(seen, page.meant or right, fixed))

    def slip(self, page: MistakePage, repair: Repair, same: tuple[str, float], message: str) -> Finding | None:
        """The finding for an update that reads what belongs to another one of the same function.

        same: the optimizer that it is with its own, and the largest difference from that one.
        """
        seen = look(self.subject, repair.subject, None, page.probes)
        if seen is None or repair.right is None:
            return None
        fixed = f"{render(repair.right)}; the fixed update equals that optimizer on all probes (max |Δ| {same[1]:.1g})"
        return self.make(page, repair, message, self.evidence(seen, f"{page.meant}     [{same[0]}]", fixed))

    def fixed(self, repair: Repair, explanation: Explanation, match: Match, also: list[Repair]) -> str:
        if repair.right is None and repair.details.get("kind") != "state":
            return ""
        right = repair.right if repair.right is not None else ex.sym(ex.Symbol("as meant"))
        effective = None if decays_twice(repair, match) else repair.effective
        if effective is not None:
            right = ex.substitute(right, {ex.sym(self.subject.g): effective})
        text = render(right, self.spell(repair))
        if len(text) > 160:
            text = "as meant"
        if effective is not None:
            text += ", and the same gradient in the step"
        tail = "the fixed update equals that optimizer on all probes"
        if also:
            tail = f"with {', '.join(sorted({r.code for r in also}))} fixed too, it equals that optimizer on all probes"
        return f"{text}; {tail} (max |Δ| {explanation.match.worst:.1g})"

    def spell(self, repair: Repair) -> Callable[[ex.Symbol], str]:
        gradient = self.subject.gradient
        name = render(gradient) if gradient is not None and gradient.size <= 3 else "g"

        def go(symbol: ex.Symbol) -> str:
            return name if symbol is self.subject.g else GREEK.get(symbol.name, symbol.name)

        return go

    def evidence(self, seen: Seen, meant: str, fixed: str) -> Evidence:
        bad = next(((n, v) for n, v in seen.states if not np.isfinite(v)), None)
        quantity, observed = bad if bad is not None and seen.kind == "nan" else (seen.quantity, seen.observed)
        ratio = seen.ratio
        return Evidence(
            ran=sentence(seen),
            meant=meant.strip(),
            fixed=fixed,
            probe=seen.scene.name,
            step=seen.step,
            quantity=quantity,
            observed=observed,
            expected=seen.expected,
            ratio=ratio,
            warning=seen.warning,
            configuration=self.configuration,
            inputs=(("g", seen.gradient), ("w", seen.scene.start), *seen.inputs),
        )

    @property
    def configuration(self) -> str:
        return ", ".join(f"{'' if v else 'not '}{k}" for k, v in self.recurrence.configuration.items())

    def make(
        self, page: MistakePage, repair: Repair, message: str, evidence: Evidence, severity: Severity | None = None
    ) -> Finding:
        span = self.place(repair)
        return Finding(
            code=page.code,
            name=page.name,
            severity=severity or page.severity,  # type: ignore[arg-type]
            verdict="confirmed",
            message=message,
            path=self.path,
            span=span,
            update=self.recurrence.name,
            evidence=evidence,
        )

    def place(self, repair: Repair) -> Span:
        """The smallest source expression of the mistake; a moved or made-up node falls back on its parts."""
        if (place := repair.place) is not None:
            return self._at_home(repair, place) or place
        for node in (_changed_way(repair), self.recurrence.step):
            for part in reversed(list(ex.walk(node))) if node is not None else ():
                if part.origin is not None:
                    return part.origin
        return self.recurrence.span

    def _at_home(self, repair: Repair, place: Span) -> Span | None:
        """What the update's own function hands to the one that makes its step, where the whole step is at fault."""
        home, step = self.recurrence.home, self.subject.step
        if home is None or repair.span is not None or repair.wrong != step or home.covers(place):
            return None
        own = [n for n in ex.walk(step) if n.args and n.origin is not None and home.covers(n.origin)]
        given = [n for n in own if n.symbols & self.subject.moving]
        return max(given, key=lambda n: n.size).origin if given else None

    def extra(self, subject: Subject, match: Match) -> Iterator[Finding]:
        """Mistakes that stand beside a match: constants, signs, the gradient's own terms."""
        for page in mistakes():
            if (page.families and match.family not in page.families) or page.code in match.variant.intended:
                continue
            ruled_out = self.is_ruled_out(page)
            for repair in self._beside(page, subject):
                if ruled_out and "regardless" not in repair.details:
                    continue  # what the code speaks of says nothing against it
                finding = self.confirm(page, repair, subject, match)
                if finding is not None:
                    self.proofs.append(Proof(finding, page, subject, repair, self.after(repair, subject, match)))
                    yield finding

    def _beside(self, page: MistakePage, subject: Subject) -> Iterator[Repair]:
        """By the page's check, where the update is called as it says (``only``); by another one whatever its name."""
        only = page.options.get("only")
        if "matched" in page.stages and (not only or speaks_of(only, self.recurrence.called)):
            yield from from_check(subject, page)
        if "beside" in page.stages:
            yield from from_check(subject, page, "beside")

    def is_ruled_out(self, page: MistakePage) -> bool:
        """The code speaks of what makes no mistake of it (``unless``), or an option asks for it (``turned``)."""
        text = self.recurrence.text
        if page.options.get("turned") and (climb := asked_to_climb(self.recurrence)) is not None:
            if climb:
                return True
            text = without_that_option(text)
        unless = page.options.get("unless")
        return bool(unless and speaks_of(unless, text))

    def after(self, repair: Repair, subject: Subject, match: Match) -> Match:
        """What a repair of a match comes out at."""
        if repair.subject is subject or repair.details.get("kind") in ("clock", "as run", "refused"):
            return match
        return best(matches(repair.subject, deviations=False), self.preferred) or match

    def confirm(self, page: MistakePage, repair: Repair, subject: Subject, match: Match) -> Finding | None:
        kind = repair.details.get("kind")
        probes = page.probes
        if kind == "constants":
            text = f"decays {repair.details['first']} (first moment) and {repair.details['second']} (second moment)"
            evidence = Evidence(
                ran=text, meant=page.meant, fixed="", probe="constants", configuration=self.configuration
            )
            return self.make(page, repair, page.message, evidence)
        if kind in ("types", "refused"):
            text = repair.details["text"] if kind == "types" else refusal()
            evidence = Evidence(ran=text, meant=page.meant, probe="types", configuration=self.configuration)
            return self.make(page, repair, page.message, evidence)
        if repair.precision is not None:
            written, repaired = repair.precision
            pair = None
            seen = look_low((subject, written), (repair.subject, repaired))
        else:
            pair = pair_of(repair, subject, descends=bool(match.scale[0] > 0))
            seen = look(*pair, probes) if pair is not None else None
        if seen is None:
            return None
        right = render(repair.right, self.spell(repair)) if repair.right is not None else ""
        latent = latent_settings(*pair) if pair is not None else ()
        other = page.options.get(repair.details.get("says", ""))
        message, severity = _as_it_bites(page, other or page.message, latent)
        severity = severity or (_milder(page) if repair.details.get("mild") else None)
        evidence = self.evidence(seen, page.meant, right)
        if assumed := repair.details.get("assumes", page.options.get("assumes")):
            evidence = replace(evidence, ran=f"{assumed}, {evidence.ran}")
        return self.make(page, repair, message, evidence, severity)


def at_their_default(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'is 0, its default' if len(names) == 1 else 'are 0, their defaults'}"


def _as_it_bites(page: MistakePage, message: str, latent: tuple[str, ...]) -> tuple[str, Severity | None]:
    """The message, and another severity than the page's, of a mistake that shows only where settings are not 0."""
    if not latent:
        return message, None
    message += f" (as long as {at_their_default(latent)}, nothing is seen of it)"
    return message, _milder(page)


def _as_hidden(page: MistakePage, message: str, others: dict[ex.Symbol, float]) -> tuple[str, Severity | None]:
    """The message, and another severity than the page's, of a mistake that shows only under other settings."""
    said = ", ".join(f"{GREEK.get(s.name, s.name)} = {v:g}" for s, v in others.items())
    if all(s.default is None for s in others):  # the code leaves them to its callers
        return f"{message} (run with {said})", None
    return f"{message} (nothing is seen of it with the code's own numbers; run with {said})", _milder(page)


def _milder(page: MistakePage) -> Severity | None:
    return "warning" if page.severity == "error" else None


def _changed_way(repair: Repair) -> Expr | None:
    """What is wrong, or where one of its two ways (RAdam's) alone is, the smallest part of that way."""
    wrong, right, way = repair.wrong, repair.right, None
    while wrong is not None and right is not None and wrong.op == right.op and len(wrong.args) == len(right.args):
        pairs = [(w, r) for w, r in zip(wrong.args, right.args, strict=True) if w != r]
        if len(pairs) != 1:
            break
        forks = wrong.op == "where"
        wrong, right = pairs[0]
        if forks or (way is not None and wrong.origin is not None):
            way = wrong
    return way or repair.wrong
