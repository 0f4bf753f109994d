"""What is divided or rooted before it is known to be safe: RAdam's rectification, LAMB's ratio of norms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.subject import Subject

ZERO, ONE, FOUR = ex.const(0), ex.const(1), ex.const(4)
THRESHOLDS = (5, 4)  # of the authors' code, and of the paper


@check("rectified-always")
def rectified_always(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√((ρ − 4)·(ρ − 2)·…) at every step: take it where ρ is large enough, and the plain corrected average before."""
    names = {re.escape(symbol.name.rstrip("'")) for symbol in subject.time}
    by_time = re.compile(rf"(?:{'|'.join(names)})(?!\w*(?:\[\w+\])?\.\w)")  # and not by what holds it (`t.is_cpu`)
    if names and any(by_time.search(option) for option in subject.recurrence.configuration):
        return  # one side of a choice that the code makes by the time
    for root in ex.walk(subject.step):
        length = rectified_length(subject, root)
        if length is None:
            continue
        choices = [n.args[0] for n in ex.walk(subject.step) if n.op == "where"]
        if choices and all(ex.contains(choice, root) for choice in choices):  # by the root, which is to be 0 before
            for threshold in THRESHOLDS:
                none = ex.op("where", ex.op("gt", length, ex.const(threshold)), root, ex.const(0))
                made = subject.replaced([*subject.posts[:-1], ex.substitute(subject.step, {root: none})])
                yield Repair(page.code, made, root, none, where="step", root=subject.step)
        yield from _sized_alike(subject, page, root, length)
        if choices:
            continue
        drive = subject.drive
        plain = _unrectified(subject, drive, root)
        if plain == drive:
            continue
        for threshold in THRESHOLDS:
            step = _asked(subject, ex.op("gt", length, ex.const(threshold)), drive, plain)
            made = subject.replaced([*subject.posts[:-1], step])
            yield Repair(page.code, made, root, None, where="step", root=subject.step, details={"kind": "branch"})


def _sized_alike(subject: Subject, page: MistakePage, root: Expr, length: Expr) -> Iterator[Repair]:
    """Where the length decides on the denominator alone: on the root as well."""
    for node in ex.walk(subject.step):
        if node.op != "where" or not ex.contains(node.args[0], length) or ex.contains(node.args[0], root):
            continue
        for sides in ((root, ONE), (ONE, root)):
            sized = ex.op("where", node.args[0], *sides)
            made = subject.replaced([*subject.posts[:-1], ex.substitute(subject.step, {root: sized})])
            yield Repair(page.code, made, root, sized, where="step", root=subject.step)


def _asked(subject: Subject, condition: Expr, drive: Expr, plain: Expr) -> Expr:
    """The one step where the condition holds, else the other; what both take away is taken away once."""
    if subject.parameter is None:
        return ex.op("where", condition, drive, plain)
    taken = drive.op == plain.op == "neg"
    one, other = (drive.args[0], plain.args[0]) if taken else (drive, plain)
    return ex.op("sub" if taken else "add", _kept(subject), ex.op("where", condition, one, other))


def rectified_length(subject: Subject, root: Expr) -> Expr | None:
    """ρ of a root that a factor ρ − 4 stands under, ρ a number that moves with t."""
    if not structure.is_root(root) or root.symbols & subject.moving or not root.symbols & subject.time:
        return None
    for node in ex.walk(root):
        if node.op == "sub" and node.args[1] == FOUR and node.args[0].symbols & subject.time:
            return node.args[0]
    return None


def _unrectified(subject: Subject, drive: Expr, root: Expr) -> Expr:
    """The step without its root of t and without its second moment, its products as they are grouped."""

    def dropped(node: Expr, exponent: int) -> bool:
        ((f, e),) = structure.factors(node)
        return (
            bool(f.symbols & subject.second)
            or f == root.args[0]
            or (e * exponent == 0.5 and bool(f.symbols & subject.time))
        )

    def kept(node: Expr, exponent: int = 1) -> Expr | None:
        if node.op == "neg":
            inner = kept(node.args[0], exponent)
            return None if inner is None else ex.op("neg", inner)
        if node.op not in ("mul", "div"):
            return None if dropped(node, exponent) else node
        one = kept(node.args[0], exponent)
        other = kept(node.args[1], -exponent if node.op == "div" else exponent)
        if other is None:
            return one
        if one is None:
            return other if node.op == "mul" else ex.op("div", ONE, other)
        return ex.op(node.op, one, other).at(node.origin if (one, other) == node.args else None)

    return kept(drive) or ONE


def _kept(subject: Subject) -> Expr:
    assert subject.parameter is not None
    w = ex.sym(subject.parameter)
    own = subject.w_slope
    return w if own in (None, ONE) else ex.op("mul", own, w)


@check("ratio-of-norms")
def ratio_of_norms(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """‖w‖/‖u‖ as it is: 1 where either is zero."""
    for node in sorted(ex.walk(subject.step), key=lambda n: n.size):
        parts = structure.factors(node) if node.op in ("mul", "div") else []
        above = [f for f, e in parts if f.op == "norm" and e == 1 and subject.parameter in f.symbols]
        below = [f for f, e in parts if f.op == "norm" and e == -1]
        if len(above) != 1 or len(below) != 1:
            continue
        if any(n.op in ("where", "max") and ex.contains(n, node) for n in ex.walk(subject.step)):
            continue
        ratio = node if len(parts) == 2 else ex.op("div", *above, *below)
        positive = ex.op("and", *(ex.op("gt", norm, ZERO) for norm in (*above, *below)))
        safe = ex.op("where", positive, ratio, ONE)
        others = [p for p in parts if p[0] not in (*above, *below)]
        right = structure.product([*others, (safe, 1.0)], node.origin) if others else safe
        made = subject.replaced([*subject.posts[:-1], ex.replace_node(subject.step, node, right)])
        yield Repair(page.code, made, node, right, where="step", root=subject.step)
        return


@check("ratio-of-norms-half-guarded")
def ratio_of_norms_half_guarded(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """‖w‖/‖u‖ where the one norm is asked for and the other may be zero: 1 there, too."""
    for guard in (n for n in ex.walk(subject.step) if n.op == "where"):
        asked = set(ex.walk(guard.args[0]))
        for node in (n for side in guard.args[1:] for n in ex.walk(side) if n.op == "div"):
            norms = [a for a in node.args if _is_norm(a)]
            unasked = [n for n in norms if n not in asked]
            if len(norms) == 2 and len(unasked) == 1:
                right = ex.op("where", ex.op("gt", unasked[0], ZERO), node, ONE)
                made = subject.replaced([*subject.posts[:-1], ex.replace_node(subject.step, node, right)])
                yield Repair(page.code, made, node, right, where="step", root=subject.step)
                return


def _is_norm(node: Expr) -> bool:
    """‖x‖, or √Σx²."""
    inner = node.args[0] if node.op == "sqrt" else None
    return node.op == "norm" or (
        inner is not None and inner.op == "sum" and structure.square_root_of(inner.args[0]) is not None
    )
