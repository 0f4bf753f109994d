"""How the updates of one file stand to each other: views of one step, counters and states that several of them read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from optlint.lift.branches import asked
from optlint.lift.conditions import says_how
from optlint.lift.expression import const, walk
from optlint.lift.frames import CutShort, Frame
from optlint.lift.objects import Cell, Slot
from optlint.lift.places import last_key
from optlint.lift.recurrence import Recurrence, State
from optlint.lift.structure import goes_on_from_zero, is_scaled
from optlint.model import Span


def at_home(recurrences: list[Recurrence]) -> Iterator[Recurrence]:
    """Drop a caller's view of an update where the function that holds it was lifted by itself.

    A function that hands back single moments, or that makes a step of those that it is handed, is no home: the caller
    that has both is.
    """
    homes = {s: r for r in recurrences if r.at_home for s in r.writes}
    found = [(r, [homes[s] for s in r.writes if s in homes]) for r in recurrences]
    views = [(r, [homes[s] for s in made_at(r) if s in homes and homes[s].name != r.name]) for r in recurrences]
    wholes = [(r, home) for r, home in views if home and all(_is_part(h, r) for h in home)]
    parts = {id(h) for _, home in wholes for h in home}
    for recurrence, home in found:
        if id(recurrence) in parts:
            continue
        if recurrence.at_home or not home or any(r is recurrence for r, _ in wholes):
            yield recurrence
        elif recurrence.serves_several:
            for inner in home:  # the caller shows that one counter serves several tensors
                inner.per_parameter = True


def made_at(recurrence: Recurrence) -> Iterator[Span]:
    """Where the parameter's new value is written, or made by a function that hands it back."""
    yield from recurrence.writes
    if recurrence.parameter is not None and recurrence.parameter.post.origin is not None:
        yield recurrence.parameter.post.origin


def _is_part(part: Recurrence, whole: Recurrence) -> bool:
    less = len(part.states) < len(whole.states) or (begins_anew(whole) and not _decays_zeros(part) and not _keeps(part))
    return (part.parameter is None or is_bare(part)) and less


def _keeps(part: Recurrence) -> bool:
    """The zeros that a caller shows stand in places of the part's own object, and are not handed to it."""
    read = frozenset().union(*(p.visible for p in part.posts()))
    return any(s.initial == const(0) or (s.name.startswith("self.") and "[" in s.name) for s in read)


def is_bare(recurrence: Recurrence) -> bool:
    """A step of what the function is handed: it keeps nothing itself."""
    return recurrence.parameter is not None and not recurrence.states and not recurrence.lost


def begins_anew(recurrence: Recurrence) -> bool:
    """A loop hands the step zeros each time: β·0 + …, where nothing takes the new content back."""
    return recurrence.frame == "loop" and _decays_zeros(recurrence)


def _decays_zeros(recurrence: Recurrence) -> bool:
    return any(goes_on_from_zero(n) for p in recurrence.posts() for n in walk(p))


def note_what_stands_still(recurrences: list[Recurrence]) -> None:
    """A count that one path leaves as it is, and that another path advances which differs only in how it computes.

    Or another method of the class does, where this one counts up another part of the same object, which it never reads.
    """
    for recurrence in recurrences:
        mine = {_list_of(c.old.name) for c in recurrence.counters}
        symbols = (s for p in recurrence.posts() for s in p.symbols)
        read = {name: s for s in symbols if (name := _list_of(s.name)) not in mine}
        counted: set[str] = set()
        idle = {_holder(s.name) for s in recurrence.counted if _list_of(s.name) not in mine | read.keys()} - {""}
        owner = _holder(recurrence.name)
        for other in recurrences if read else ():
            if owner and other.name != recurrence.name and _holder(other.name) == owner:
                counted |= {name for c in other.counters if _holder(name := _list_of(c.old.name)) in idle}
            if other.name == recurrence.name and set(other.writes) & set(recurrence.writes):
                ways = recurrence.configuration
                turned = [c for c, way in other.configuration.items() if ways.get(c, way) != way]
                if len(turned) == 1 and says_how(turned[0]):
                    counted |= {_list_of(c.old.name) for c in other.counters}
        recurrence.stuck |= frozenset(read[name] for name in counted & read.keys())


def _holder(name: str) -> str:
    """What has an attribute of that name."""
    return name.rpartition(".")[0]


def _list_of(name: str) -> str:
    """The list that holds an element: ``steps`` for ``steps[i]``."""
    return name.removesuffix(last_key(name))


def count_each_call(recurrences: list[Recurrence]) -> None:
    """A counter that only some paths of a function advance (``if key == first:``) counts no calls."""
    sometimes = {s for r in recurrences if not (r.owner or r.key) for s in r.writes}
    for recurrence in recurrences:
        if sometimes & set(recurrence.writes):
            recurrence.owner = recurrence.key = ""


def same_step(one: Recurrence, other: Recurrence) -> bool:
    """Two frames' views of one parameter write."""
    if one.parameter is None or other.parameter is None:
        return one.parameter is other.parameter and one.span == other.span
    if one.depth == other.depth:
        return False
    if any(a.covers(b) or b.covers(a) for a in one.parameter.spans for b in other.parameter.spans):
        return True
    inside = [n.origin for n in walk(other.step) if n.origin is not None]  # handed on by an inner function
    return any(a.covers(b) for a in one.parameter.spans for b in inside)


def goes_beyond(outer: Recurrence, inner: Recurrence) -> bool:
    """A pass of the outer loop moves the parameter besides, once for all the steps of the inner one."""
    if outer.parameter is None or inner.parameter is None or not inner.states or not same_step(outer, inner):
        return False
    return inner.depth > outer.depth and set(inner.parameter.spans) < set(outer.parameter.spans)


def is_of_loop(recurrence: Recurrence, cut: CutShort) -> bool:
    """The loop goes over the parameters of this update, which a function may make that is called there."""
    return is_key(cut.index, recurrence) and (
        not recurrence.at_home or all(cut.loop.covers(s) for s in recurrence.writes)
    )


def carried_into(recurrence: Recurrence, loops: Iterable[Frame]) -> frozenset[Span]:
    """Where the numbers stand that are carried on by loops around the update which do not go over its parameters.

    What a function hands back alone is the work of whatever loops it holds.
    """
    over_steps = [f for f in loops if f.span is not None and not any(is_key(i.name, recurrence) for i in f.indices)]
    whole = recurrence.parameter is None or recurrence.writes == (recurrence.span,)
    around = [f for f in over_steps if f.span and (whole or all(f.span.covers(s) for s in recurrence.writes))]
    still = {s.symbol for frame in around for s, post in frame.posts if is_scaled(post, s.symbol)}  # 0 that stays 0
    entries = ((f, slot, slot.symbol.entry) for f in around for slot in f.slots if slot.symbol not in still)
    return frozenset(
        e.origin
        for frame, slot, e in entries
        if e is not None and e.origin is not None and not _is_made_within(slot, e.origin, frame)
    )


def _is_made_within(slot: Slot, origin: Span, frame: Frame) -> bool:
    """A new array in the loop's own body, under a mere name: no place that the first pass fills."""
    named = isinstance(slot.home, Cell) and slot.key == "" and (not slot.home.place or slot.home.place.isidentifier())
    return named and frame.span is not None and frame.span.covers(origin)


def is_key(index: str, recurrence: Recurrence) -> bool:
    keys = recurrence.parameter.name.partition("[")[2] if recurrence.parameter is not None else ""
    return bool(re.search(rf"\b{re.escape(index)}\b", keys))


def forget_what_is_read(recurrences: list[Recurrence]) -> None:
    """A state that another update of the same function or class reads is not idle.

    But one that is read only where the same update is computed another way (``capturable``) is idle here, and so is
    one that a branch writes for itself, and that is read only where another text chooses another branch.
    """
    groups: dict[str, list[Recurrence]] = {}
    for recurrence in recurrences:
        groups.setdefault(recurrence.name.partition(".")[0], []).append(recurrence)
    for recurrence in (r for r in recurrences if r.idle):
        others = [r for r in groups[recurrence.name.partition(".")[0]] if not _computed_otherwise(r, recurrence)]
        known = ((r, s) for r in others for s in (*r.states, r.parameter) if s is not None)
        known = ((r, s) for r, s in known if not _is_of_other_branch(s, r, recurrence))
        read = {s.name for r, s in known if r.name == recurrence.name or "." in s.name}  # an argument tells nothing
        recurrence.elsewhere = [s for s in recurrence.idle if s.name in read]
        recurrence.idle = [s for s in recurrence.idle if s.name not in read]


def _is_of_other_branch(state: State, other: Recurrence, recurrence: Recurrence) -> bool:
    """Another text chooses the other update (``how == "adam"``), or another method does: it keeps the state itself."""
    mine, theirs = (
        {what: text for c, on in r.configuration.items() if on for what, text in [asked(c)] if text}
        for r in (recurrence, other)
    )
    same = other.name == recurrence.name and all(theirs.get(what, text) == text for what, text in mine.items())
    if not mine or same or state is other.parameter:
        return False
    return not any(set(s.spans) & set(state.spans) for s in recurrence.idle if s.name == state.name)


def _computed_otherwise(one: Recurrence, other: Recurrence) -> bool:
    shared = one.configuration.keys() & other.configuration.keys()
    return any(says_how(c) and one.configuration[c] != other.configuration[c] for c in shared)
