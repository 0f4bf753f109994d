"""One update's verdict: the convention that it follows, or the mistakes that keep it from one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from optlint.diagnose.conventions import epsilon_findings
from optlint.diagnose.repairs import CHECKS, Repair, load_checks
from optlint.diagnose.search import Explanation, explain
from optlint.identify import Match, best, matches
from optlint.intent import meant
from optlint.knowledge import MistakePage, find_mistake, mistakes
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.notation import render
from optlint.lift.recurrence import Recurrence
from optlint.model import Evidence, Finding, Severity, Span, Status
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.sandbox.witness import Seen, look, sentence
from optlint.settings import Settings
from optlint.subject import Subject

MAX_FINDINGS = 6
_SIMPLE = frozenset({"sgd", "momentum", "nesterov"})


@dataclass(slots=True)
class Judgement:
    """deviation: the verdict if the update is meant as the published deviation that it also equals."""

    status: Status
    family: str
    convention: str = ""
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)
    deviation: Judgement | None = None


def judge(recurrence: Recurrence, path: str, settings: Settings, search: bool = True) -> Judgement | None:
    """None where the recurrence is no optimizer's update at all.

    Without ``search`` an update that is no published one is not compared with the known mistakes.

    An average that starts with the first gradient instead of zero is judged by what it does from then on.
    """
    verdict = _judge(recurrence, path, settings, search)
    if verdict is None or verdict.status == "unmatched":
        later = after_first_step(recurrence)
        if later is not None:
            return _judge(later, path, settings, search) or verdict
    return verdict


def after_first_step(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence without what the code does at the first step alone; None where that is nothing."""
    states = [replace(s, post=structure.after_first(s.post)) for s in recurrence.states]
    parameter = recurrence.parameter and replace(
        recurrence.parameter, post=structure.after_first(recurrence.parameter.post)
    )
    output = recurrence.output and structure.after_first(recurrence.output)
    later = replace(recurrence, states=states, parameter=parameter, output=output)
    return None if later.posts() == recurrence.posts() else later


def _judge(recurrence: Recurrence, path: str, settings: Settings, search: bool) -> Judgement | None:
    try:
        subject = prepare(recurrence)
        found = list(matches(subject))
    except TooLarge as error:
        return Judgement("unsupported", "other", reason=str(error))
    context = Context(recurrence, subject, path, settings)
    prefer = context.preferred
    plain = best([m for m in found if not m.variant.deviation], prefer)
    if not subject.states and recurrence.at_home and starts_over(recurrence):
        explanation = explain(subject, recurrence.text)
        if explanation is not None:
            return context.mistaken(explanation, None)
    named = meant(recurrence.name)
    beyond = named if named is not None and not named.modelled else None
    if plain is not None and beyond is not None and plain.family in _SIMPLE and plain.family not in beyond.allows:
        return Judgement("unmatched", beyond.family)  # only a part of it is in sight
    if plain is not None:
        if plain.family == "sgd" and not is_gradient_step(subject, plain):
            return None
        return context.matched(plain)
    cited = best([m for m in found if context.cites(m)], prefer)
    if cited is not None:
        return context.matched(cited)
    if not looks_like_update(subject):
        return Judgement("unmatched", named.family) if named and subject.states and subject.gradient else None
    try:
        explanation = explain(subject, recurrence.text) if search and beyond is None else None
    except TooLarge as error:
        return Judgement("unsupported", family_of(subject), reason=str(error))
    deviation = best(found)
    if explanation is not None:
        verdict = context.mistaken(explanation, deviation)
        verdict.deviation = context.matched(deviation) if deviation is not None else None
        return verdict
    if deviation is not None:
        return context.matched(deviation)
    return Judgement("unmatched", family_of(subject))


@dataclass(slots=True)
class Context:
    recurrence: Recurrence
    subject: Subject
    path: str
    settings: Settings

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
        variant = match.variant
        if self.settings.convention in variant.ships:
            return True
        return bool(variant.cue and re.search(variant.cue, self.recurrence.text, re.IGNORECASE))

    def matched(self, match: Match) -> Judgement:
        findings = [*self.extra(self.subject, match), *epsilon_findings(self, match)]
        status: Status = "mistaken" if any(f.severity != "note" for f in findings) else "matched"
        return Judgement(status, match.family, match.title, findings=findings)

    def mistaken(self, explanation: Explanation, reading: Match | None) -> Judgement:
        match = explanation.match
        findings: list[Finding] = []
        before = self.subject
        for position, repair in enumerate(explanation.repairs):
            page = find_mistake(repair.code)
            if page is None:
                continue
            finding = self.finding(page, repair, before, explanation, match, reading, position)
            if finding is not None:
                findings.append(finding)
            before = repair.subject
        findings.extend(self.extra(explanation.repaired, match))
        if all(f.severity == "note" for f in findings):
            return Judgement("matched" if findings else "unmatched", match.family, match.title, findings=findings)
        return Judgement("mistaken", match.family, match.title, findings=findings[:MAX_FINDINGS])

    def finding(
        self,
        page: MistakePage,
        repair: Repair,
        before: Subject,
        explanation: Explanation,
        match: Match,
        reading: Match | None,
        position: int,
    ) -> Finding | None:
        # the symptom of this mistake alone: all others repaired on both sides
        seen = look(before, repair.subject, repair.effective, tuple(page.options.get("probes", ())))
        if seen is None:
            seen = look(self.subject, explanation.repaired, repair.effective, tuple(page.options.get("probes", ())))
        if seen is None:
            return None
        meant = page.meant or (render(repair.right, self.spell(repair)) if repair.right is not None else "")
        also = [r for r in explanation.repairs if r is not repair]
        fixed = self.fixed(repair, explanation, match, also)
        message = page.message
        if reading is not None and reading.variant.deviation:
            message += f" (another reading: {reading.title}, {reading.variant.deviation})"
        names = {tuple(r.code for r in other) for other in explanation.others}
        if names and len(explanation.repairs) == 1:
            message += "; or " + " or ".join("+".join(n) for n in sorted(names))
        return self.make(page, repair, message, self.evidence(seen, f"{meant}     [{match.title}]", fixed))

    def fixed(self, repair: Repair, explanation: Explanation, match: Match, also: list[Repair]) -> str:
        if repair.right is None:
            return ""
        right = repair.right
        if repair.effective is not None:
            right = ex.substitute(right, {ex.sym(self.subject.g): repair.effective})
        text = render(right, self.spell(repair))
        if len(text) > 160:
            text = "as meant"
        if repair.effective is not None:
            text += ", and the same gradient in the step"
        tail = "the fixed update equals that optimizer on all probes"
        if also:
            tail = f"with {', '.join(sorted({r.code for r in also}))} fixed too, it equals that optimizer on all probes"
        return f"{text}; {tail} (max |Δ| {explanation.match.worst:.1g})"

    def spell(self, repair: Repair):  # type: ignore[no-untyped-def]
        from optlint.lift.notation import GREEK

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
        if repair.place is not None:
            return repair.place
        for node in (repair.wrong, self.recurrence.step):
            for part in reversed(list(ex.walk(node))) if node is not None else ():
                if part.origin is not None:
                    return part.origin
        return self.recurrence.span

    def extra(self, subject: Subject, match: Match) -> Iterator[Finding]:
        """Mistakes that stand beside a match: constants, signs, the gradient's own terms."""
        load_checks()
        for page in mistakes():
            if page.options.get("when") != "matched" or page.check not in CHECKS:
                continue
            if page.families and match.family not in page.families:
                continue
            unless = page.options.get("unless")
            if unless and re.search(unless, self.recurrence.text, re.IGNORECASE):
                continue
            for repair in CHECKS[page.check](subject, page):
                finding = self.confirm(page, repair, subject, match)
                if finding is not None:
                    yield finding

    def confirm(self, page: MistakePage, repair: Repair, subject: Subject, match: Match) -> Finding | None:
        kind = repair.details.get("kind")
        probes = tuple(page.options.get("probes", ()))
        if kind == "constants":
            text = f"decays {repair.details['first']} (first moment) and {repair.details['second']} (second moment)"
            evidence = Evidence(
                ran=text, meant=page.meant, fixed="", probe="constants", configuration=self.configuration
            )
            return self.make(page, repair, page.message, evidence)
        if kind == "gradient":
            if not self.descends(match):
                return None
            seen = look(
                self.with_gradient(subject, subject.gradient),
                self.with_gradient(subject, repair.effective),
                None,
                probes,
            )
        elif kind == "clock":  # the repair's subject is the update as the code really counts
            seen = look(repair.subject, subject, None, probes)
        elif kind == "sign":
            if self.descends(match):
                return None
            seen = look(subject, repair.subject, None, probes)
        else:
            seen = look(subject, repair.subject, repair.effective, probes)
        if seen is None:
            return None
        right = render(repair.right, self.spell(repair)) if repair.right is not None else ""
        return self.make(page, repair, page.message, self.evidence(seen, page.meant, right))

    def with_gradient(self, subject: Subject, gradient: ex.Expr | None) -> Subject:
        """The update with its gradient's own terms visible: the data in it becomes the probe's g."""
        assert gradient is not None
        w = subject.parameter
        table: dict[ex.Expr, ex.Expr] = {}
        settings = {h.symbol for h in subject.hypers}
        for node in ex.walk(gradient):
            if node.op == "opaque" or (
                node.op == "sym" and node.value is not w and self._carries(node, gradient, settings)
            ):
                table[node] = ex.sym(subject.g)
        inner = ex.substitute(gradient, table)
        posts = [ex.substitute(p, {ex.sym(subject.g): inner}) for p in subject.posts]
        return subject.replaced(posts)

    def _carries(self, node: ex.Expr, gradient: ex.Expr, settings: set[ex.Symbol]) -> bool:
        for total in ex.walk(gradient):
            if total.op in ("add", "sub"):
                for _, term in structure.terms(total):
                    if node.value in term.symbols and self.subject.parameter in term.symbols:
                        return False
        return node.value not in settings

    def descends(self, match: Match) -> bool:
        """The step goes against the gradient. Forms are written as descent, so their factor is positive then."""
        return bool(match.scale[0] > 0)


def looks_like_update(subject: Subject) -> bool:
    """Worth explaining: a state keeps part of itself, takes in the gradient, and moves a parameter."""
    if subject.gradient is None:
        return False
    if not subject.states:
        return False
    for state in subject.states:
        own = structure.retention(state.post, state.old)
        if own is not None and subject.value(own) is not None and subject.g in state.post.symbols:
            break
    else:
        if not any(s.post.symbols & subject.time and subject.g in s.post.symbols for s in subject.states):
            return False
    rooted = any(n.op in ("sqrt", "pow", "max") for p in subject.posts for n in ex.walk(p))
    return subject.parameter is not None or rooted


def starts_over(recurrence: Recurrence) -> bool:
    """An average decays a literal 0: its state was made in this very call."""
    nodes = list(ex.walk(recurrence.step))
    return any(n.op == "mul" and any(a.op == "const" and a.value == 0 for a in n.args) for n in nodes)


def is_gradient_step(subject: Subject, match: Match) -> bool:
    """w − η·g with a step size, downhill: a bare ``total += loss`` is no optimizer."""
    drive = structure.factors(subject.drive)
    sized = any(f != ex.sym(subject.g) and not (f.op == "const" and abs(f.value) == 1) for f, _ in drive)  # type: ignore[arg-type]
    return sized and bool(match.scale[0] > 0)


def family_of(subject: Subject) -> str:
    """The family of an update that equals nothing known: what its name says that it means to be, else its outline."""
    named, shape = meant(subject.recurrence.name), outline(subject)
    return shape if named is None or shape in named.allows else named.family


def outline(subject: Subject) -> str:
    """The family that the update's states look like."""
    second = {s for s in subject.states if s.old in subject.second}
    first = [s for s in subject.states if s not in second]
    if not second:
        return "momentum" if first else "sgd"
    if first:
        return "adam"
    if len(second) > 1:
        return "adadelta"
    only = next(iter(second))
    return "adagrad" if structure.retention(only.post, only.old) == ex.const(1) else "rmsprop"
