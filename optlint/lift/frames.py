"""What a run notes as it goes: its repeated pieces, the values that it names, and how control leaves a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import libcst as cst

from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import Slot, Value
from optlint.lift.structure import after_first
from optlint.model import Span


class Worth(NamedTuple):
    """An expression of the source, what it was worth, and what tells its place. listed: it is a list of such."""

    node: cst.BaseExpression
    expr: Expr
    place: Callable[[cst.CSTNode], Span | None]
    listed: bool = False


@dataclass(frozen=True, slots=True)
class CutShort:
    """A loop over keys or elements whose body ends with a ``return``: only its first element has its turn."""

    loop: Span
    index: str
    returns: Span


@dataclass(frozen=True, slots=True)
class Dropped:
    """A call whose result, a new content of a place, goes nowhere. before: what the place holds all the same.

    certain: the call is a library's that changes nothing in place, and not merely called like one. bound: the place's
    own local name takes the result (``buf = buf.mul(μ).add(g)``), so that it lasts to the end of the call alone.
    after: what it would hold.
    """

    span: Span
    before: Expr
    after: Expr
    certain: bool
    bound: bool = False

    @property
    def place(self) -> Symbol:
        """The place whose content it would be, where the code's own name takes it."""
        return after_first(self.before).symbol


class Leave(Exception):
    """Control leaves the block: "return", "break", "continue" or "raise"."""

    def __init__(self, how: str, value: Value | None = None) -> None:
        self.how = how
        self.value = value


@dataclass(slots=True)
class Frame:
    """A repeated piece of program: a function that is called for each step, or a loop body."""

    kind: str  # "function" or "loop"
    span: Span | None
    indices: list[Symbol] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    posts: list[tuple[Slot, Expr]] = field(default_factory=list)
    returned: Value | None = None
    depth: int = 0
    of_parts: bool = False  # it goes over a list of objects, of which one stands for all
    before: dict[int, Expr | None] = field(default_factory=dict)  # what the module's code left in places, by slot
    saved: dict[str, str] = field(default_factory=dict)  # places that another method gives what a second place holds
    unseen_kin: bool = False  # its object's class has a base whose methods are out of sight
    broken_off: bool = False  # the run ends in an exception that its own code raises


@dataclass(slots=True)
class Stored:
    """A local value that the code computed and named; an update that never uses it is suspicious."""

    name: str
    expr: Expr
    span: Span | None
