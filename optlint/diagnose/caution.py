"""Cautious optimizers: only coordinates move in which step and gradient agree (Liang et al. 2024, arXiv:2411.16085).

Any optimizer can be cautious: what remains is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence

ONE = ex.const(1)
_SIGNS = frozenset({"gt", "ge"})


def without_caution(recurrence: Recurrence) -> Recurrence | None:
    """The recurrence whose step no mask u·g > 0 holds back, whatever that is scaled by; None where there is no mask."""
    given = {s.new for s in recurrence.states if not s.post.symbols & recurrence.moving}  # a copy of the gradient
    moving = recurrence.moving - given
    masks = list(dict.fromkeys(n for n in ex.walk(recurrence.step) if _is_mask(n, moving)))
    if not masks:
        return None
    step = _without(recurrence.step, masks, moving)
    kept = recurrence.kept and (without_caution(recurrence.kept) or recurrence.kept)
    if recurrence.parameter is None:
        return replace(recurrence, output=step, kept=kept)
    return replace(recurrence, parameter=replace(recurrence.parameter, post=step), kept=kept)


def _is_mask(node: Expr, moving: frozenset[Symbol]) -> bool:
    """u·g > 0, where u is made of what is kept from step to step, and g is not."""
    if node.op not in _SIGNS or node.args[1] != ex.const(0):
        return False
    parts = [f for f, _ in structure.factors(node.args[0]) if f.symbols]
    return any(f.symbols & moving for f in parts) and any(f.op == "sym" and f.symbol not in moving for f in parts)


def _without(root: Expr, masks: Iterable[Expr], moving: frozenset[Symbol]) -> Expr:
    table = dict.fromkeys(masks, ONE)
    data = frozenset().union(*(m.symbols for m in table))
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        if node.op == "opaque" and any(_is_mask(a, moving) for a in node.args):
            return ONE  # mask.numel()
        if not any(ex.contains(node, mask) for mask in table):
            return node
        if id(node) not in memo:
            memo[id(node)] = _bare(node)
        return memo[id(node)]

    def _bare(node: Expr) -> Expr:
        if not ex.substitute(node, table, into_opaque=True).symbols & data:
            return ONE  # the mask, or what it is scaled by: the share of the coordinates that move
        if node.op == "where" and node.args[0] in table and node.args[2] == ex.const(0):
            return go(node.args[1])
        args = [go(a) for a in node.args]
        if node.op == "mul" and ONE in args:
            return args[1 - args.index(ONE)]
        if node.op == "div" and args[1] == ONE:
            return args[0]
        return Expr(node.op, tuple(args), node.value, node.origin)

    return go(root)
