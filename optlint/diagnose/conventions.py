"""Epsilon has no single truth: which reading the code follows, and which one was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from optlint.diagnose.proof import Proof
from optlint.diagnose.proposals import Proposals
from optlint.floors import epsilon_values
from optlint.forms import Form, forms
from optlint.identify import Match, best, matches, small_step
from optlint.knowledge import MistakePage, Variant, find_mistake, known
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.notation import number
from optlint.model import Evidence, Finding, Severity, Span

if TYPE_CHECKING:
    from optlint.diagnose.findings import Context

_READINGS = {
    "outside": "ε outside the root, √v + ε",
    "inside": "ε inside the root, √(v + ε)",
    "hat": "ε̂, added to the root of the uncorrected v",
    "max": "ε as a floor, max(√v, ε)",
    "none": "no ε",
    "state": "ε inside the state",
}


def epsilon_findings(context: Context, match: Match) -> Iterator[Finding]:
    """OPT205 and OPT206: the update is right under a named convention, not under the one that counts here."""
    written = match.variant.epsilon
    if written not in ("outside", "inside", "hat") or match.variant in known().own_conventions:
        return
    asked = context.settings.convention
    who = asked if asked != "auto" else context.preferred or "paper"
    meant = readings(match.variant, who)
    if not meant and who != "paper" and asked == "auto":
        who, meant = "paper", readings(match.variant, "paper")
    if not meant or written in meant:
        return
    other = counterpart(match, meant)
    page = find_mistake("OPT206" if written == "hat" else "OPT205")
    if page is None:
        return
    severity: Severity = "note" if asked == "auto" else "warning"
    value = (epsilon_values(context.subject) or [0.0])[0]
    size = float(value[0, 0]) if hasattr(value, "shape") and value.shape else float(value)
    measured = ""
    pair = small_step(match, other, context.subject)
    if pair is not None:
        ours, theirs = pair
        measured = (
            f"at g = 1e-6 the step is {abs(ours):.3g}, under the other reading {abs(theirs):.3g} (ε = {number(size)})"
        )
    reading = _READINGS[written]
    another = _READINGS[other.variant.epsilon]
    finding = Finding(
        code=page.code,
        name=page.name,
        severity=severity,
        verdict="convention",
        message=f"{reading} [{_who(match)}]; {_name(who)} has {another}",
        path=context.path,
        span=_place(context),
        update=context.recurrence.name,
        evidence=Evidence(
            ran=measured,
            meant=f"{another}     [{other.variant.cites}]",
            probe="tiny",
            step=40,
            quantity="step",
            observed=pair[0] if pair else None,
            expected=pair[1] if pair else None,
            ratio=pair[0] / pair[1] if pair and pair[1] else None,
            configuration=context.configuration,
        ),
    )
    if severity == "warning":  # the project has chosen
        context.proofs.extend(_as_asked(context, page, finding, match, meant))
    yield finding


def _as_asked(
    context: Context, page: MistakePage, finding: Finding, match: Match, meant: dict[str, list[Form]]
) -> Iterator[Proof]:
    """The update with ε moved to where the asked convention has it."""
    for repair in Proposals().of(context.subject, frozenset({page.code})):
        asked = [m for m in matches(repair.subject, deviations=False) if m.variant.epsilon in meant]
        moved = best([m for m in asked if m.family == match.family], context.settings.convention)
        if moved is not None:
            yield Proof(finding, page, context.subject, repair, moved)
            return


def counterpart(match: Match, meant: dict[str, list[Form]]) -> Form:
    """The form to compare with: the asked reading on as many states, whoever ships it, else the asked form itself."""
    reading = next(iter(meant))
    alike = [
        f
        for f in [*meant[reading], *forms()]
        if _of_one_kind(f.variant, match.variant)
        and f.variant.epsilon == reading
        and len(f.states) == len(match.form.states)
        and not f.variant.deviation
    ]
    return alike[0] if alike else meant[reading][0]


def readings(kind: Variant, who: str) -> dict[str, list[Form]]:
    """Where ``who`` puts ε in optimizers of this kind: reading → forms."""
    found: dict[str, list[Form]] = {}
    for form in forms():
        variant = form.variant
        if _of_one_kind(variant, kind) and who in variant.ships and variant.epsilon != "none":
            found.setdefault(variant.epsilon, []).append(form)
    return found


def _of_one_kind(one: Variant, other: Variant) -> bool:
    """The same family; in "other", where every optimizer stands for itself, the same optimizer."""
    return one.family == other.family and (one.family != "other" or one.title == other.title)


def _who(match: Match) -> str:
    ships = [s for s in match.variant.ships if s != "paper"]
    return ", ".join(ships[:3]) or match.title


def _name(who: str) -> str:
    return "the paper" if who == "paper" else who


def _place(context: Context) -> Span:
    """The sum that holds ε."""
    subject = context.subject
    for post in reversed(subject.posts):
        for node in ex.walk(post):
            for a, b in structure.floored(node):
                if node.origin is not None and b.symbols & subject.moving and subject.is_hyper(a):
                    return node.origin
    return context.recurrence.step.origin or context.recurrence.span
