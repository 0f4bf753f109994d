"""What to run beside each other: an update as it is written, and as it is meant."""

from __future__ import annotations

from optlint.diagnose.checks.decay import scales_gradients
from optlint.diagnose.checks.nesterov import point_of_gradient
from optlint.diagnose.repairs import Repair
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.subject import Subject

Pair = tuple[Subject, Subject, Expr | None]


def pair_of(repair: Repair, subject: Subject, descends: bool) -> Pair | None:
    """The update as written, as meant, and what g means in that one; None where its direction rules the mistake out.

    descends: the step goes against the gradient.
    """
    kind = repair.details.get("kind")
    if kind == "gradient":
        if not descends:
            return None
        return with_gradient(subject, subject.gradient), with_gradient(repair.subject, repair.effective), None
    if kind == "again":  # the second update with the gradient that the first one has changed
        return with_gradient(subject, repair.effective), with_gradient(subject, subject.gradient), None
    if kind in ("clock", "as run"):  # the repair's subject is the update as the code really runs it
        return repair.subject, subject, None
    if kind == "written" and repair.written is not None:  # both with their first steps
        return repair.written, repair.subject, None
    if kind == "bowl":
        return _on_bowl(subject), _on_bowl(repair.subject), None
    if kind == "returned":
        return subject.as_applied, repair.subject.as_applied, None
    if kind == "sign":
        return None if descends else (subject, repair.subject, None)
    return subject, repair.subject, repair.effective


def with_gradient(subject: Subject, gradient: Expr | None) -> Subject:
    """The update with its gradient's own terms visible: the data in it becomes the probe's g."""
    assert gradient is not None
    w = subject.parameter
    table: dict[Expr, Expr] = {}
    settings = {h.symbol for h in subject.hypers}
    settings |= {s for s in gradient.symbols if s.default is not None or scales_gradients(s)}
    for node in ex.walk(gradient):
        data = node.op == "sym" and node.value is not w and node.value not in settings
        if node.op == "opaque" or (data and not _multiplies_parameter(node, gradient, w)):
            table[node] = ex.sym(subject.g)
    inner = ex.substitute(gradient, table)
    return subject.replaced([ex.substitute(p, {ex.sym(subject.g): inner}) for p in subject.posts])


def _multiplies_parameter(node: Expr, gradient: Expr, w: Symbol | None) -> bool:
    """Stands in one summand with the parameter."""
    sums = (total for total in ex.walk(gradient) if total.op in ("add", "sub"))
    return any(node.value in t.symbols and w in t.symbols for total in sums for _, t in structure.terms(total))


def _on_bowl(subject: Subject) -> Subject:
    """The update on f(w) = w²/2, whose gradient at a point is that point: for gradients taken ahead of w."""
    point = point_of_gradient(subject)
    assert point is not None
    return subject.replaced([ex.substitute(p, {ex.sym(subject.g): point}) for p in subject.posts])
