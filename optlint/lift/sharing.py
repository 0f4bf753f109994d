"""What an update has for each tensor, and what all tensors share: counters, running products, states."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame
from optlint.lift.objects import Cell, Scope, Slot
from optlint.lift.places import belongs_to, keys_of
from optlint.lift.recurrence import Recurrence, State

_ROWS = re.compile(r"\[[^\[\]]*:[^\[\]]*\]")  # ``[start:start + batch, 0]``: some rows of one tensor
_PUT_BEHIND = re.compile(r"\[\*\d")  # the key of all elements of a list that is put behind another one
_GROUP = re.compile(r"\bparam_groups\[\{?(\w+)\}?\]")
_OWN_KEY = re.compile(r"\[\{(self\.\w+)\}\]")


def note_sharing(recurrence: Recurrence, frame: Frame, inner: Iterable[Frame]) -> None:
    """Note in an update of a frame what its tensors share. inner: the loops inside the frame."""
    moved = list(_moved_with_each_tensor(recurrence, inner))
    recurrence.per_parameter = any(
        _is_kept_in(c, slot) and structure.slope(post, slot.symbol) == ex.const(1)
        for slot, post in moved
        if structure.rest(post, slot.symbol).op == "const"
        for c in recurrence.counters
    )
    products = [s for s in recurrence.states if _is_running_product(s, recurrence)]
    recurrence.shared_products = frozenset(
        s.old for s in products if any(_is_kept_in(s, slot) for slot, _ in moved) or _takes_one_tensors_time(s)
    )
    recurrence.compounded = frozenset(
        post.origin for slot, post in moved if post.origin is not None and _is_multiplied(slot, post)
    )
    recurrence.owner, recurrence.key = _counted_apart(recurrence, frame)
    recurrence.keyed_by = key_of_all([_place(s.slot) for s in recurrence.states if s.slot is not None], frame)
    recurrence.shared = frozenset(_shared_by_tensors(recurrence, inner))


def _moved_with_each_tensor(recurrence: Recurrence, inner: Iterable[Frame]) -> Iterator[tuple[Slot, Expr]]:
    """What the very loop that goes over the parameters carries on from one to the next.

    Of PyTorch's groups there is one, unless the user makes more.
    """
    slots = [s.slot for s in (recurrence.parameter, *recurrence.states) if s is not None and s.slot is not None]
    groups = {name for slot in slots for name in _GROUP.findall(_place(slot))}
    for frame in _loops_over(slots, inner):
        if not groups.intersection(i.name for i in frame.indices):
            yield from frame.posts


def _is_multiplied(slot: Slot, post: Expr) -> bool:
    """A name of the function's own that goes on with a multiple of itself."""
    own = isinstance(slot.home, Scope) and structure.slope(post, slot.symbol)
    return bool(own and own.visible) and structure.rest(post, slot.symbol) == ex.const(0)


def _shared_by_tensors(recurrence: Recurrence, inner: Iterable[Frame]) -> Iterator[Symbol]:
    """The states that are one place for all tensors of the loop that the parameter is an element of."""
    slot = recurrence.parameter.slot if recurrence.parameter is not None else None
    if slot is None:
        return
    for frame in _loops_over([slot], inner):
        carried = {(moved.home, moved.key) for moved, _ in frame.posts}
        for state in recurrence.states:
            if state.slot is None or _PUT_BEHIND.search(_place(state.slot)):
                continue
            if (state.slot.home, state.slot.key) in carried:
                yield state.old


def _loops_over(slots: list[Slot], inner: Iterable[Frame]) -> Iterator[Frame]:
    """The loops that the places are elements of. Of two inside each other whose indices share a name, the inner one."""
    places = [_ROWS.sub("", _place(slot)) for slot in slots]
    found = [f for f in inner if any(belongs_to(place, f.indices) for place in places)]
    for frame in found:
        names = {i.name for i in frame.indices}
        if not any(f.depth > frame.depth and names & {i.name for i in f.indices} for f in found):
            yield frame


def _place(slot: Slot) -> str:
    return (slot.home.place if isinstance(slot.home, Cell) else "") + slot.key


def _is_kept_in(state: State, slot: Slot) -> bool:
    return state.slot is not None and (state.slot.home, state.slot.key) == (slot.home, slot.key)


def _is_running_product(state: State, recurrence: Recurrence) -> bool:
    """βᵗ as a state: multiplied at each step, and read as what is missing to one."""
    return structure.rest(state.post, state.old) == ex.const(0) and any(
        structure.is_complemented(post, symbol) for post in recurrence.posts() for symbol in (state.old, state.new)
    )


def _takes_one_tensors_time(state: State) -> bool:
    """A product that belongs to no tensor is multiplied by what follows the steps of one (``count[index]``)."""
    times = frozenset[Symbol]().union(*(n.args[1].visible for n in ex.walk(state.post) if n.op == "pow"))
    keys = {key for s in times if s.kind == "place" for key in keys_of(s.name)}
    return bool(keys) and not keys & keys_of(state.old.name)


def key_of_all(places: list[str], frame: Frame) -> str:
    """The argument that stands in the key of every one of these places: ``self.m[f"{layer}_{name}"]``."""
    for argument in (s.key for s in frame.slots if s.local and isinstance(s.home, Scope)):
        if places and all(re.match(_keyed_by(re.escape(argument)), place) for place in places):
            return argument
    return ""


def _keyed_by(name: str) -> str:
    return rf".*\{{(id\()?{name}[)}}.]"


def _counted_apart(recurrence: Recurrence, frame: Frame) -> tuple[str, str]:
    """The argument that holds the states, or is their key, where the counter does not go with it: ("layer", "").

    An attribute of the object may be the key, too ("self.layer_number"), which others set.
    """
    slots = [s.slot for s in recurrence.states if s.slot is not None and isinstance(s.slot.home, Cell)]
    counters = [c.slot for c in recurrence.counters if c.slot is not None and isinstance(c.slot.home, Cell)]
    if not slots or not counters or len(slots) + len(counters) < len(recurrence.states) + len(recurrence.counters):
        return "", ""
    for argument in (s.key for s in frame.slots if s.local and isinstance(s.home, Scope)):
        name = re.escape(argument)
        patterns = (rf"{name}[.\[][^{{]*$", _keyed_by(name))
        if any(re.match(pattern, _place(c)) for c in counters for pattern in patterns):
            continue
        for position, pattern in enumerate(patterns):
            if all(re.match(pattern, _place(s)) for s in slots):
                return ("", argument) if position else (argument, "")
    keys = {found[1] if (found := _OWN_KEY.search(_place(s))) is not None else "" for s in slots}
    return "", keys.pop() if len(keys) == 1 and not any(_OWN_KEY.search(_place(c)) for c in counters) else ""
