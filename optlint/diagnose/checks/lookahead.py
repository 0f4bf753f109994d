"""A step that reads a state at the wrong time, before its update for after it or after for before; Nesterov's signs."""

from __future__ import annotations

from collections.abc import Iterator

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.subject import Subject


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


def _one_sign_turned(subject: Subject) -> Iterator[tuple[Expr, Expr]]:
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
    """A step in which the gradient and an average of it go opposite ways."""
    for wrong, right in _one_sign_turned(subject):
        step = ex.replace_node(subject.step, wrong, right)
        made = subject.replaced([*(s.post for s in subject.states), step])
        yield Repair(page.code, made, wrong, right, where="step", root=subject.step)


@check("nesterov-step")
def nesterov_step(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step of Nesterov's form with one sign turned, or with the velocity of the wrong time."""
    if len(subject.states) != 1 or subject.states[0].old in subject.second or subject.gradient is None:
        return
    if subject.gradient.symbols & subject.moving:
        return  # taken at the look-ahead point
    if _goes_and_returns(subject.step):
        return  # the gradient may well be taken in between
    before = [s.post for s in subject.states]
    for wrong, right in _one_sign_turned(subject):
        step = ex.replace_node(subject.step, wrong, right)
        yield Repair(page.code, subject.replaced([*before, step]), wrong, right)
    for step, wrong, right in read_at_other_time(subject, subject.step):
        yield Repair(page.code, subject.replaced([*before, step]), wrong, right)


def _goes_and_returns(step: Expr) -> bool:
    """w − μ·v + μ·v: the parameter is moved ahead, and back again."""
    parts = structure.terms(step)
    return any((-sign, term) in parts for sign, term in parts)


@check("look-ahead-twice")
def look_ahead_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Nesterov's step with a gradient that is already taken ahead: w + v' is the step then."""
    if subject.parameter is None or point_of_gradient(subject) is None or len(subject.states) != 1:
        return
    state = subject.states[0]
    direct, gathered = structure.slope(subject.drive, subject.g), structure.slope(state.post, subject.g)
    if direct is None or gathered in (None, ex.const(0)) or direct == ex.const(0):
        return  # heavy ball: the look-ahead is in the gradient alone
    assert gathered is not None
    moved = ex.sym(state.new)
    if direct != gathered:
        moved = ex.op("mul", structure.tidy(ex.op("div", direct, gathered)), moved)
    step = ex.op("add", ex.sym(subject.parameter), moved, origin=subject.step.origin)
    yield Repair(page.code, subject.replaced([state.post, step]), subject.step, step, details={"kind": "bowl"})


def point_of_gradient(subject: Subject) -> Expr | None:
    """Where an unseen function is differentiated, if that is the parameter moved on by the velocity."""
    for node in ex.walk(subject.gradient) if subject.gradient is not None else ():
        for point in node.args if node.op == "opaque" else ():
            if subject.parameter in point.visible and point.visible & {s.old for s in subject.states}:
                return point
    return None
