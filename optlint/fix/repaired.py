"""What an update's equations are once its mistakes are repaired."""

from __future__ import annotations

from collections.abc import Sequence

from optlint.diagnose.proof import Proof
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.subject import Subject


def fresh_clocks(before: Subject, after: Subject) -> list[Symbol]:
    """The clocks that a repaired update needs and the written one has not."""
    have = {c.symbol for c in before.clocks}
    return [c.symbol for c in after.clocks if c.symbol not in have]


def made_on_top(proofs: Sequence[Proof]) -> bool:
    """The last repair was made on top of the one before it."""
    return len(proofs) == 1 or proofs[-1].before.posts == proofs[-2].repair.subject.posts


def made_beside(proofs: Sequence[Proof]) -> list[Expr] | None:
    """The equations with all of these repairs, each made beside the others; None where two change the same one."""
    whole = list(proofs[0].before.posts)
    for proof in proofs:
        before, after = proof.before.posts, proof.repair.subject.posts
        if not len(before) == len(after) == len(whole):
            return None
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            if new != old and whole[number] != old:
                return None
            whole[number] = new if new != old else whole[number]
    return whole


def in_own_clocks(before: Subject, after: Subject) -> list[Expr]:
    """The repaired equations in the clocks that the source has: where t starts one later, it is t + 1."""
    first = {c.symbol: c.first for c in before.clocks}
    table: dict[Expr, Expr] = {}
    for clock in after.clocks:
        late = clock.first - first.get(clock.symbol, clock.first)
        if late:
            t = ex.sym(clock.symbol)
            table[t] = ex.op("add", t, ex.const(int(late) if float(late).is_integer() else late))
    return [ex.substitute(p, table) for p in after.posts]
