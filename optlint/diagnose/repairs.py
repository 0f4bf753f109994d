"""What an update would be if one known mistake were mended at one place, and the checks that propose it.

Each module of ``checks`` registers its own here, by the names that the rule pages use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.model import Span
from optlint.sandbox.rounding import Precision
from optlint.subject import Subject


@dataclass(slots=True)
class Repair:
    """``subject`` is the update with one mistake mended.

    wrong, right: the expression and what it should be. effective: what ``g`` means after the repair where that
    changes (g + λw). span: the place to show. root: the equation that ``wrong`` stands in. where: the state's name,
    "step", or nothing where the repair concerns several. details: how the repair is confirmed ("kind"), and with what.
    written: the update as it stands, where the repair has shown what is its gradient.
    """

    code: str
    subject: Subject
    wrong: Expr | None = None
    right: Expr | None = None
    effective: Expr | None = None
    span: Span | None = None
    where: str = ""
    details: dict[str, str] = field(default_factory=dict)
    root: Expr | None = None
    written: Subject | None = None
    precision: tuple[Precision, Precision | None] | None = None  # to run the update in as written, and as repaired

    @property
    def place(self) -> Span | None:
        if self.span is not None or self.wrong is None:
            return self.span
        return self.wrong.origin or (enclosing(self.root, self.wrong) if self.root is not None else None)


Check = Callable[[Subject, MistakePage], Iterator[Repair]]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a check that rule pages can name."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def enclosing(root: Expr, target: Expr) -> Span | None:
    """The source of the smallest expression around a node that has no source of its own."""
    around = [n for n in ex.walk(root) if n.origin is not None and n.op != "opaque" and ex.contains(n, target)]
    return min(around, key=lambda n: n.size).origin if around else None
