"""Lion's sign and AdaBelief's residual: which average a step, or a square, is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State
from optlint.subject import Hyper, Subject

_BETA = re.compile(r"^(?:b|beta)_?[12]$", re.IGNORECASE)


def _averages(subject: Subject) -> list[State]:
    """States that decay and take in the gradient itself."""
    return [
        s
        for s in subject.states
        if structure.slope(s.post, subject.g) not in (None, ex.const(0))
        and structure.slope(s.post, s.old) not in (None, ex.const(0))
    ]


@check("residual-of-old-average")
def residual_of_old_average(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """(g − m)² for (g − m')² in an average of squares."""
    for m in _averages(subject):
        table: dict[Expr, Expr] = {ex.sym(m.old): ex.sym(m.new)}
        for state in subject.states:
            if state is m or m.old not in state.post.symbols or subject.g not in state.post.symbols:
                continue
            squares = [n for n in ex.walk(state.post) if structure.square_root_of(n) is not None]
            wrong = next((n for n in squares if {m.old, subject.g} <= n.symbols), None)
            if wrong is not None:
                posts = [ex.substitute(s.post, table) if s is state else s.post for s in subject.states]
                made = subject.replaced([*posts, subject.step])
                right = ex.substitute(wrong, table)
                yield Repair(page.code, made, wrong, right, where=state.name, root=state.post)


@check("sign-of-average")
def sign_of_average(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """sign(β₁·m' + (1 − β₁)·g) for one that reads m; or β₁·m + (1 − β₁)·g with no sign at all."""
    for m in _averages(subject):
        for node in ex.walk(subject.step):
            if node.op == "sign" and {m.new, subject.g} <= node.symbols and m.old not in node.symbols:
                right = ex.substitute(node, {ex.sym(m.new): ex.sym(m.old)})
            elif _is_mixture(subject, node, m) and not _signed(subject, node):
                right = ex.op("sign", node, origin=node.origin)
            else:
                continue
            made = subject.replaced([*(s.post for s in subject.states), ex.replace_node(subject.step, node, right)])
            yield Repair(page.code, made, node, right, where="step", root=subject.step)
        yield from _one_decay_for_two(subject, page, m)


def _one_decay_for_two(subject: Subject, page: MistakePage, m: State) -> Iterator[Repair]:
    """sign(m') where m' has the one decay, and the other is taken and never read."""
    around, kept = subject.recurrence.around, structure.slope(m.post, m.old)
    node = next((n for n in ex.walk(subject.step) if n.op == "sign" and n.args[0] == ex.sym(m.new)), None)
    if node is None or around is None or kept is None or kept.op != "sym" or m.post.symbols & subject.time:
        return
    name = around.binds_unread(_BETA) or around.takes_unread(_BETA)
    if not name:
        return
    unread = Symbol(name)
    other = ex.substitute(m.post, {kept: ex.sym(unread)})
    first = name.endswith("1")
    step = ex.substitute(subject.step, {ex.sym(m.new): other if first else m.post})
    posts = [other if s is m and not first else s.post for s in subject.states]
    made = subject.replaced([*posts, step], hypers=[*subject.hypers, Hyper(unread, "decay", 0.9 if first else 0.99)])
    right = ex.op("sign", other if first else m.post, origin=node.origin)
    yield Repair(page.code, made, node, right, where="step", root=subject.step)


def _is_mixture(subject: Subject, node: Expr, m: State) -> bool:
    """a·m + c·g and nothing else."""
    if node.op not in ("add", "sub") or not {m.old, subject.g} <= node.symbols:
        return False
    parts = [structure.slope(node, s) for s in (m.old, subject.g)]
    rest = structure.rest(structure.rest(node, m.old), subject.g)
    return all(p is not None and subject.is_hyper(p) for p in parts) and rest == ex.const(0)


def _signed(subject: Subject, node: Expr) -> bool:
    """Stands in a sign, or in what else keeps a step small (optax's smooth Lion has tanh)."""
    shaped = (n for n in ex.walk(subject.step) if n.op not in ("add", "sub", "mul", "div", "neg"))
    return any(inner is node for n in shaped for inner in ex.walk(n))
