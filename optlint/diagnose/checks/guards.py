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
        length = _length(subject, root)
        if length is None:
            continue
        choices = [n.args[0] for n in ex.walk(subject.step) if n.op == "where"]
        if choices and all(ex.contains(choice, root) for choice in choices):  # by the root, which is to be 0 before
            for threshold in THRESHOLDS:
                none = ex.op("where", ex.op("gt", length, ex.const(threshold)), root, ex.const(0))
                made = subject.replaced([*subject.posts[:-1], ex.substitute(subject.step, {root: none})])
                yield Repair(page.code, made, root, none, where="step", root=subject.step)
        if choices:
            continue
        drive = subject.drive
        plain = _unrectified(subject, drive, root)
        if plain == drive:
            continue
        for threshold in THRESHOLDS:
            chosen = ex.op("where", ex.op("gt", length, ex.const(threshold)), drive, plain)
            step = chosen if subject.parameter is None else ex.op("add", _kept(subject), chosen)
            made = subject.replaced([*subject.posts[:-1], step])
            yield Repair(page.code, made, root, None, where="step", root=subject.step)


def _length(subject: Subject, root: Expr) -> Expr | None:
    """ρ of a root that a factor ρ − 4 stands under, ρ a number that moves with t."""
    if not structure.is_root(root) or root.symbols & subject.moving or not root.symbols & subject.time:
        return None
    for node in ex.walk(root):
        if node.op == "sub" and node.args[1] == FOUR and node.args[0].symbols & subject.time:
            return node.args[0]
    return None


def _unrectified(subject: Subject, drive: Expr, root: Expr) -> Expr:
    """The step without its root of t and without its second moment."""
    kept = [
        (f, e)
        for f, e in structure.factors(drive)
        if not f.symbols & subject.second and f != root.args[0] and not (e == 0.5 and f.symbols & subject.time)
    ]
    return structure.product(kept)


def _kept(subject: Subject) -> Expr:
    assert subject.parameter is not None
    w = ex.sym(subject.parameter)
    own = subject.w_slope
    return w if own in (None, ONE) else ex.op("mul", own, w)


@check("ratio-of-norms")
def ratio_of_norms(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """‖w‖/‖u‖ as it is: 1 where either is zero."""
    for node in ex.walk(subject.step):
        if node.op != "div" or node.args[0].op != "norm" or node.args[1].op != "norm":
            continue
        if subject.parameter not in node.args[0].symbols or any(
            n.op in ("where", "max") and ex.contains(n, node) for n in ex.walk(subject.step)
        ):
            continue
        safe: Expr = node
        for norm in node.args[::-1]:
            safe = ex.op("where", ex.op("gt", norm, ZERO), safe, ONE)
        made = subject.replaced([*subject.posts[:-1], ex.replace_node(subject.step, node, safe)])
        yield Repair(page.code, made, node, safe, where="step", root=subject.step)
        return
