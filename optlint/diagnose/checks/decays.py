"""What an average keeps of itself: whether the code shows that it is a decay."""

from __future__ import annotations

import re
from collections.abc import Iterable

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.sandbox.evaluate import evaluate
from optlint.subject import pseudo

_MOMENTUM = re.compile(r"moment|beta|(?<![a-z])(?:mu|mom|gamma|rho)(?![a-z])", re.IGNORECASE)


def is_momentum(symbol: Symbol, post: Expr) -> bool:
    """A decay, though 0 unless the user sets it (as λ is): called so, or the rest weighs 1 − it."""
    return bool(_MOMENTUM.search(symbol.name)) or structure.is_complemented(post, symbol)


def is_decayed(post: Expr, symbol: Symbol, stored: bool = False, counts: Iterable[Symbol] = ()) -> bool:
    """β·s + …, where the code shows that β is a decay: a number below 1, its name, or a rest that weighs 1 − β.

    stored: the code puts all this into a lasting place, so that whatever β is called, something is kept of it.
    counts: what β may change with.
    """
    own = structure.retention(post, symbol)
    if own is None or not is_part(own, counts):
        return False
    return stored or not own.symbols or all(is_momentum(s, post) for s in own.symbols)


def is_part(own: Expr, counts: Iterable[Symbol] = ()) -> bool:
    """A coefficient between 0 and 1 for settings between 0 and 1: β and 1 − α, but not the 1 + μ of Nesterov's g.

    One that changes with a count is such a part at the start, or soon after.
    """
    counted = [ex.sym(c) for c in counts if c in own.symbols]
    if counted:
        return any(is_part(ex.substitute(own, dict.fromkeys(counted, ex.const(t)))) for t in (0, 2))
    if own.op == "const":
        return 0 < own.number < 1
    return all(0 < float(evaluate(own, dict.fromkeys(own.symbols, x), pseudo)) < 1 for x in (0.3, 0.6))
