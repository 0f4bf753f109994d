"""Runs that only a first call makes: what they find missing is there when they end."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.branches import Choices
from optlint.lift.frames import Frame
from optlint.lift.objects import Cell, content, numeric
from optlint.lift.places import names_gradient
from optlint.lift.returned import flat
from optlint.lift.store import Store

_MISSING = " is None"


def is_first_alone(choices: Choices, frame: Frame, store: Store) -> bool:
    """``m = 0 if m is None else m`` of a state that the run keeps: after the way through None, none goes there again.

    A gradient that is made from None goes back to it; and a setting that stands in for None is not handed back.
    """
    missing = {name.removesuffix(_MISSING) for name, yes in choices.taken.items() if yes and name.endswith(_MISSING)}
    handed_back = {expr for _, expr in flat(frame.returned)} if missing else set()
    for slot in (*store.slots, *frame.slots) if missing else ():
        now = numeric(content((slot.home, slot.key)))
        if slot.symbol.name not in missing or now is None or now == ex.sym(slot.symbol) or not now.args:
            continue
        if not names_gradient(slot.symbol) and (isinstance(slot.home, Cell) or now in handed_back):
            return True
    return False
