"""A step that reads a state at the wrong time, before its update for after it or after for before; and signs."""

from __future__ import annotations

from collections.abc import Iterator

from optlint.diagnose.repairs import Repair, check
from optlint.intent import speaks_of
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.subject import Subject

_NEGATIVE = r"negative.{0,9}momentum"  # Gidel et al. 2019, for two players


def read_at_other_time(subject: Subject, post: Expr) -> Iterator[tuple[Expr, Expr, Expr]]:
    """The equation with one state read before instead of after its update, or after instead of before.

    All its readings of that state change together, or those of one summand. Yields (equation, wrong, right).
    """
    for state in subject.states:
        for now, then in ((state.new, state.old), (state.old, state.new)):
            table = {ex.sym(now): ex.sym(then)}
            for root in dict.fromkeys([post, *(t for _, t in structure.terms(post))]):
                if now in root.visible and state.post is not root:
                    right = ex.substitute(root, table)
                    yield ex.replace_node(post, root, right), root, right


def one_sign_turned_in(subject: Subject) -> Iterator[tuple[Expr, Expr]]:
    """Each sum of the step with one of its signs turned (not the parameter's, nor a size's), the gradient's last."""
    driven = subject.moving - subject.second | {subject.g}
    for node in ex.walk(subject.step):
        parts = structure.terms(node) if node.op in ("add", "sub") else []
        for place, (_, term) in sorted(enumerate(parts), key=lambda p: subject.g in p[1][1].symbols):
            if term.symbols & driven and subject.parameter not in term.visible:
                turned = [(-sign if i == place else sign, t) for i, (sign, t) in enumerate(parts)]
                yield node, structure.total(turned, node.origin)


@check("one-sign-turned")
def one_sign_turned(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A step in which the gradient and an average of it go opposite ways, or an average that turns its own sign."""
    yield from _turns_each_time(subject, page)
    for wrong, right in one_sign_turned_in(subject):
        step = ex.replace_node(subject.step, wrong, right)
        made = subject.replaced([*(s.post for s in subject.states), step])
        details = {"says": "opposite"}
        yield Repair(page.code, made, wrong, right, where="step", root=subject.step, details=details)


def _turns_each_time(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v' = η·g − μ·v: what is kept goes against what it was."""
    if speaks_of(_NEGATIVE, subject.recurrence.text):
        return
    for number, state in enumerate(subject.states):
        own, parts = structure.slope(state.post, state.old), structure.terms(state.post)
        value = subject.value(own) if own is not None else None
        kept = [i for i, (_, t) in enumerate(parts) if state.old in t.symbols]
        if value is None or not (value < 0).all() or len(kept) != 1 or subject.g not in state.post.symbols:
            continue
        turned = [(-sign if i in kept else sign, t) for i, (sign, t) in enumerate(parts)]
        right = structure.total(turned, state.post.origin)
        posts = [right if i == number else p for i, p in enumerate(subject.posts)]
        made, details = subject.replaced(posts), {"says": "turns"}
        yield Repair(page.code, made, state.post, right, where=state.name, root=state.post, details=details)
