"""Moments kept as matrices of which the diagonal alone is read: ``G += np.outer(g, g); … np.sqrt(np.diag(G))``.

The diagonal of g·gᵀ is g², and that of a sum is the sum of the diagonals: element for element, it is the moment.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.recurrence import Entry

_PRODUCTS = frozenset({"numpy.outer", "matrixmultiply"})


def by_diagonals(entries: list[Entry]) -> list[Entry]:
    """With the square in place of the outer product, where nothing reads more of the matrix than its diagonal."""
    nodes = [n for e in entries for n in ex.everything(e.post)]
    taken = [n for n in nodes if _is_diagonal(n)]
    outer = {p for d in taken for p in ex.everything(d.args[0]) if _is_outer(p)}
    if not outer:
        return entries
    kept = {e.slot.symbol for e in entries if _holds(e.post, outer) and not _holds(e.post, taken)}
    others = (n for n in nodes if n.op == "opaque" and n not in taken and n not in outer)
    if any(kept & a.symbols for n in others for a in n.args):
        return entries  # a matrix, and read as one
    table = {p: ex.op("pow", p.args[0], ex.const(2), origin=p.origin) for p in outer}
    table |= {d: ex.substitute(d.args[0], table, into_opaque=True) for d in taken}
    return [replace(e, post=ex.substitute(e.post, table, into_opaque=True)) for e in entries]


def _holds(post: Expr, wanted: Collection[Expr]) -> bool:
    return any(n in wanted for n in ex.everything(post))


def _is_diagonal(node: Expr) -> bool:
    named = isinstance(node.value, str) and node.op == "opaque" and len(node.args) == 1
    return named and (str(node.value) in ("numpy.diag", "numpy.diagonal") or str(node.value).endswith(".diagonal"))


def _is_outer(node: Expr) -> bool:
    return node.op == "opaque" and node.value in _PRODUCTS and len(node.args) == 2 and node.args[0] == node.args[1]
