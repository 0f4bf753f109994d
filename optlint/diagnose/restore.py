"""Laws: the mistake without which an update of an optimizer that is not known obeys them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optlint.diagnose.pairs import pair_of
from optlint.diagnose.proposals import Proposals, from_check
from optlint.diagnose.repairs import Repair
from optlint.diagnose.search import size_of
from optlint.intent import meant_families
from optlint.knowledge import find_mistake, mistakes
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.sandbox.evaluate import TooLarge
from optlint.sandbox.laws import LAWS
from optlint.subject import Subject
from optlint.timed import breaches


@dataclass(slots=True)
class Restored:
    """``repair`` makes an update obey a law again that it breaks: what to run, before and after."""

    repair: Repair
    written: Subject
    repaired: Subject
    law: str


def restore(subject: Subject) -> Restored | None:
    """The smallest known mistake without which an update that is like nothing known obeys every law again."""
    try:
        return min(_restored(subject), key=lambda r: (size_of([r.repair]), r.repair.code), default=None)
    except TooLarge:
        return None


def remember(subject: Subject) -> Restored | None:
    """The average that starts from zero at each call, in an update that keeps something else from call to call.

    Of one that is computed from a place that the code only ever begins, that place's content is the zero.
    """
    if subject.gradient is None or not (subject.states or subject.recurrence.made_anew):
        return None
    holds = LAWS["lasts"].holds
    try:
        for page in mistakes():
            if page.options.get("law") == "lasts" and not page.off:
                for repair in from_check(subject, page, "lost"):
                    written, made = _as_begun(subject, repair), repair.subject
                    broken = _is_idle_maximum(repair) or (not holds(written) and holds(made))
                    if len(made.states) > 1 and broken:
                        return Restored(repair, written, made, "lasts")
    except TooLarge:
        return None
    return None


def _is_idle_maximum(repair: Repair) -> bool:
    """max(x, v') with an x that stays at zero: v' itself, which averages squares."""
    return (
        repair.details.get("says") == "largest"
        and "certain" in repair.details
        and all(
            s.post.symbols & repair.subject.second - {s.old, s.new} for s in repair.subject.states if s.post.op == "max"
        )
    )


def forgotten_average(subject: Subject) -> Restored | None:
    """The average that the code computes for a place and forgets, kept there."""
    for page in mistakes():
        if page.options.get("law") == "lasts" and not page.off:
            for repair in from_check(subject, page, "lost"):
                old = [s.old for s in repair.subject.states]
                posts = [ex.substitute(p, {ex.sym(s): ex.const(0) for s in old}) for p in repair.subject.posts]
                return Restored(repair, repair.subject.replaced(posts), repair.subject, "lasts")
    return None


def _as_begun(subject: Subject, repair: Repair) -> Subject:
    """The update as it is written, with zero for what its code begins and never writes again."""
    if "certain" not in repair.details:
        return subject
    if repair.written is not None:
        return repair.written
    lost = {s.old for s in repair.subject.states} - {s.old for s in subject.states}
    table: dict[Expr, Expr] = {ex.sym(old): ex.const(0) for old in lost}
    return repair.subject.replaced([ex.substitute(p, table) for p in repair.subject.posts])


def _restored(subject: Subject) -> Iterator[Restored]:
    yield from _decaying(subject)
    yield from _remembering(subject)
    yield from _descending(subject)
    yield from _obeying("bounded", subject)
    yield from _obeying("counts", subject)
    yield from _obeying("corrects later", subject)
    yield from _obeying("corrects once", subject)
    yield from _obeying("follows its rate", subject)
    yield from _correcting(subject)
    second = [s for s in subject.states if s.old in subject.second]
    if not second or any(s.initial is None for s in second):
        return  # what an accumulator starts with decides whether its root is safe
    # no probe of both signs stands for a square
    signed = subject.gradient is None or structure.square_root_of(subject.gradient) is None
    written = _with_all_data(subject)
    gathered = [structure.after_first(s.post) for s in written.states if s.old in subject.second]
    if not any(written.g in post.symbols for post in gathered):
        return  # what is computed once gathers nothing
    if any(_unknown(s.post) for s in written.states) or any(_is_shared_out(written.step, s) for s in second):
        return
    named = bool(meant_families(subject.recurrence.called))
    whole = signed and not _unknown(written.step)
    general = {name: law for name, law in LAWS.items() if law.finite or law.named}  # the others have pages of their own
    judged = [name for name, law in general.items() if name == "rests" or (whole and (named or not law.named))]
    broken = [name for name in judged if not LAWS[name].holds(written)]
    for repair in Proposals().of(written) if broken else ():
        law = _law_of(repair.code)
        if law in broken and all(LAWS[name].holds(repair.subject) for name in judged):
            yield Restored(repair, written, repair.subject, law)


def _is_shared_out(step: Expr, state: State) -> bool:
    """Σ·(c/sum Σ): what is scaled by its own size is no step by the root of an average."""
    for node in ex.walk(step):
        parts = structure.factors(node) if node.op in ("mul", "div") else []
        whole = any(e > 0 and structure.slope(f, state.new) not in (None, ex.const(0)) for f, e in parts)
        below = (n for f, e in parts if e < 0 and whole for n in ex.walk(f))
        if any(n.op in ex.REDUCTIONS and state.new in n.symbols for n in below):
            return True
    return False


def _decaying(subject: Subject) -> Iterator[Restored]:
    """What makes a weight grow that should decay: without gradients only the decay is left to see."""
    descends = bool(subject.as_applied.beginning.step[0, 0, 0] < 0)
    law = LAWS["decays"].holds
    for repair in _proposed_for("decays", subject):
        pair = pair_of(repair, subject, descends)
        if pair is not None and not law(pair[0]) and law(pair[1]):
            yield Restored(repair, pair[0], pair[1], "decays")


def _remembering(subject: Subject) -> Iterator[Restored]:
    """What keeps something else for the last gradient, to tell the next one's change by."""
    law = LAWS["changes"].holds
    if subject.gradient is not None and not law(subject):
        for repair in _proposed_for("changes", subject):
            if law(repair.subject):
                yield Restored(repair, subject, repair.subject, "changes")


def _descending(subject: Subject) -> Iterator[Restored]:
    """What makes a step climb whose gradient is visibly that of a loss."""
    law, w = LAWS["descends"].holds, subject.parameter
    if w is None or subject.gradient is None or _unknown(subject.step):
        return
    owners = {s.name.removesuffix(".grad") for s in subject.gradient.symbols if s.name.endswith(".grad")}
    if owners and w.name.removesuffix(".data") not in owners:
        return  # a sum of gradients beside the weights (dual averaging), which step against it
    for repair in _proposed_for("descends", subject):
        if not law(subject) and law(repair.subject):
            yield Restored(repair, subject, repair.subject, "descends")


def _obeying(name: str, subject: Subject) -> Iterator[Restored]:
    """What breaks a law by itself: a correction fed back into an average of squares, one multiplied up in a rate."""
    law = LAWS[name].holds
    for repair in _proposed_for(name, subject):
        if not law(subject) and law(repair.subject):
            yield Restored(repair, subject, repair.subject, name)


def _correcting(subject: Subject) -> Iterator[Restored]:
    """What stands where the sum of an average's weights belongs, and is none.

    What else moves with t there (a schedule, a rectification) may do so before and after.
    """
    before = breaches(subject) if subject.gradient is not None else 0
    for repair in _proposed_for("corrects", subject) if before else ():
        if breaches(repair.subject) < before:
            yield Restored(repair, subject, repair.subject, "corrects")


def _proposed_for(law: str, subject: Subject) -> Iterator[Repair]:
    """The repairs of the pages whose mistakes break a law."""
    for page in mistakes():
        if page.options.get("law") == law and not page.off:
            yield from from_check(subject, page)


def _law_of(code: str) -> str:
    page = find_mistake(code)
    return str(page.options.get("law", "")) if page is not None else ""


def _unknown(post: Expr) -> bool:
    """Reads what an unknown call makes of data."""
    return any(n.op == "opaque" and n.args for n in ex.walk(post))


def _with_all_data(subject: Subject) -> Subject:
    """The update with all that the gradient is made of as the gradient: norms and projections of it follow it."""
    made_of = subject.gradient.symbols if subject.gradient is not None else frozenset()
    data = {h.symbol for h in subject.hypers if h.symbol in made_of and h.symbol.default is None}
    g = ex.sym(subject.g)
    table = {ex.sym(symbol): g for symbol in data if symbol is not subject.parameter}
    if not table:
        return subject
    hypers = [h for h in subject.hypers if h.symbol not in data]
    return subject.replaced([ex.substitute(p, table) for p in subject.posts], hypers=hypers)
