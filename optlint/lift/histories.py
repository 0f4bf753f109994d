"""Histories: arrays and lists in which a loop keeps what each step leaves, and looks at what the last one left.

``m[t] = β·m[t - 1] + …``, ``v.append(β·v[-1] + …)``: of all that is one place, whose content is the newest element.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from optlint.lift import expression as ex
from optlint.lift.conditionals import Conditionals
from optlint.lift.expression import Symbol
from optlint.lift.frames import Frame
from optlint.lift.objects import ANY, Cell, Const, Scope, Slot, Target, Value, is_filled, numeric, one_of
from optlint.lift.places import LAST, belongs_to, place_text

_SHIFTED = re.compile(r"\{(\w+)\}(?: ([+−]) (\d+))?")
_NUMBER = re.compile(r"\[\d+\]")
MAX_ITEMS = 8


@dataclass(frozen=True, slots=True)
class Position:
    """The key of an element by a count: what stands around it, the count's name, and how far it is from there."""

    around: str
    count: str
    shift: int

    def moved(self, by: int) -> str:
        """The key of an element that many places further on."""
        shift = self.shift + by
        mark = f" {'+' if shift > 0 else '−'} {abs(shift)}" if shift else ""
        return self.around.replace("{}", "{" + self.count + "}" + mark)


def position(key: str) -> Position | None:
    found = list(_SHIFTED.finditer(key))
    if len(found) != 1 or not key.startswith("["):
        return None
    name, sign, number = found[0].groups()
    shift = int(number or 0) * (-1 if sign == "−" else 1)
    return Position(_SHIFTED.sub("{}", key), name, shift)


def numbered(log: Iterable[Target]) -> bool:
    """Whether elements of arrays or lists are written by number."""
    return any(isinstance(h, Cell) and (is_filled(h) or h.growing) and _NUMBER.fullmatch(k) for h, k in log)


def is_counter(value: Value | None) -> bool:
    return isinstance(value, Const) and isinstance(value.value, int) and not isinstance(value.value, bool)


class Histories(Conditionals):
    """Finds the histories that a piece of program goes on with, and gives their newest elements symbols."""

    def histories(self, log: Iterable[Target], counts: list[Symbol], frame: Frame | None) -> set[int]:
        """The histories among what a dry run has written, which from now on are read as such: their ids."""
        log = list(log)
        self._tell_neighbours_apart(log, counts)
        names = {i.name for i in counts} | {key for home, key in log if isinstance(home, Scope)}
        begun: set[int] = set()
        for home, key in log:
            if not isinstance(home, Cell) or id(home) in begun or not home.place or home in self.neighbours:
                continue
            keys = self._of_list(home, counts) if key == ANY else self._of_array(home, key, names)
            if keys is not None:
                self._begin(home, *keys, frame)
                begun.add(id(home))
        return begun

    def _tell_neighbours_apart(self, log: list[Target], counts: list[Symbol]) -> None:
        """Lists of which a loop over tensors reads the element before the one that it writes: another tensor's.

        Such a loop moves an element of something else where it is: ``v[i] = β·v[i - 1] + …; w[i] -= η·v[i]``.
        """
        for home, key in log:
            new = position(key) if isinstance(home, Cell) and home.place and counts else None
            if new is None or new.shift or not any(new.count in {i.name, *i.aliases} for i in counts):
                continue
            assert isinstance(home, Cell)
            last = new.moved(-1)
            moves = self._moves_elements(log, home, new, counts)
            if last in self.looked.get(home, ()) and key not in self.met.get(home, ()) and moves:
                place = home.place + last
                symbol = self.neighbours[home] = Symbol(place_text(place), array=home.array)
                self.store.restore(home, last, self.adopt(symbol, place, one_of(home)))

    def _moves_elements(self, log: list[Target], home: Cell, new: Position, counts: list[Symbol]) -> bool:
        """Whether the loop changes elements of some other list, at the same count, from what they were."""
        key, last = new.moved(0), new.moved(-1)
        begun = [o for o, keys in self.looked.items() if last in keys or key in keys - self.met.get(o, set())]
        return any(
            isinstance(other, Cell)
            and other.place
            and not any(other is one or other.place.startswith(f"{one.place}[") for one in [home, *begun])
            and (key in self.met.get(other, ()) if where == key else not where and belongs_to(other.place, counts))
            for other, where in log
        )

    def _of_array(self, home: Cell, key: str, names: set[str]) -> tuple[str, str] | None:
        """The keys of its last and its new element, where the loop's count is one of them and the last one is read."""
        one = one_of(home)
        alike = is_filled(home) or (one is not None and numeric(one) is not None and not home.open)
        new = position(key) if alike else None
        if new is None or new.count not in names:
            return None
        last = new.moved(-1)
        return (last, key) if last in self.looked.get(home, ()) else None

    def _of_list(self, home: Cell, counts: list[Symbol]) -> tuple[str, str] | None:
        """The same of a list that is appended to. Which number the last one has, its literal and the count tell."""
        if not home.sequence and not home.growing:
            return None
        looked = self.looked.get(home, set())
        known = [k for k in home.items if _NUMBER.fullmatch(k)]
        for read in looked:
            at = position(read)
            start = next((i.start or ex.const(0) for i in counts if at and i.name == at.count), None)
            if at is None or start is None or start.op != "const" or ANY in home.items or len(known) > MAX_ITEMS:
                continue
            last = Position(at.around, at.count, len(known) - 1 - int(start.number))
            if at.shift == last.shift or (LAST in looked and at.shift == last.shift + 1):
                return last.moved(0), last.moved(1)
        return (LAST, LAST) if LAST in looked else None

    def _begin(self, home: Cell, last: str, new: str, frame: Frame | None) -> None:
        """Let the last element's key hold a symbol; what comes under the new one's is its next content."""
        known = [k for k in home.items if _NUMBER.fullmatch(k)]
        start = home.items[known[-1]] if known else home.items.get(ANY, Cell(home.expr) if is_filled(home) else None)
        symbol = Symbol(place_text(home.place))
        cell = self.adopt(symbol, home.place, start)
        if frame is not None and start is not None:
            symbol.entry = numeric(start)
        self.store.restore(home, last, cell)
        if last != LAST and not is_filled(home):
            self.store.restore(home, LAST, cell)
        self.appended[home] = new
        slot = Slot(home, new, symbol, cell)
        if frame is None:
            self.store.add_slot(slot)
        else:
            frame.slots.append(slot)

    def next_of(self, home: Cell) -> list[str]:
        """Under which keys the next element of a list comes: that of what stands for all, or a history's."""
        if home in self.appended:
            return list({self.appended[home], LAST})
        return [ANY, LAST] if LAST in home.items else [ANY]
