"""Shares that are taken for what they leave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.intent import is_called_decay, is_called_step_size
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.subject import Subject

_WIPED = 0.1  # of a weight: no decay leaves less in one step


@check("decay-share")
def decay_share(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """w − (1 − η·λ)·w for w − η·λ·w: by the code's own numbers, next to nothing of a weight is left after one step."""
    own = subject.w_slope
    if own is None or own.op == "const" or subject.reads_parameter or not _is_known_decay(own):
        return
    if abs(1 - float(np.ravel(subject.decay)[0])) > _WIPED:
        return
    for node in dict.fromkeys(n for n in ex.walk(subject.step) if n.op == "sub" and n.args[0] == ex.const(1)):
        if not node.symbols or not node.symbols <= own.symbols:
            continue
        step = ex.replace_node(subject.step, node, node.args[1])
        made = subject.replaced([*subject.posts[:-1], step])
        driven = structure.terms(made.drive) == structure.terms(subject.drive)
        if driven and np.allclose(made.decay, 1 - subject.decay, rtol=1e-9):
            yield Repair(page.code, made, node, node.args[1], root=subject.step, details={"says": "wiped"})
            return


def _is_known_decay(own: Expr) -> bool:
    """A name says that it is a decay, and its size is known: by the code's own numbers, or by a step size in it."""
    known = all(s.default is not None for s in own.symbols) or any(is_called_step_size(s.name) for s in own.symbols)
    return known and any(is_called_decay(s.name) for s in own.symbols)
