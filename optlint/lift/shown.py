"""What one run shows: the updates of its frames, with what it knows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift.directions import kept_directions
from optlint.lift.dropped import is_begun_there
from optlint.lift.entries import changed_gradients, entry_values, resolved
from optlint.lift.expression import Symbol
from optlint.lift.forgotten import forgetful_updates
from optlint.lift.frames import Frame
from optlint.lift.interpreter import Interpreter
from optlint.lift.lost import lost_averages, lost_updates, moved_gradients, moved_results, moves_with
from optlint.lift.objects import content, numeric
from optlint.lift.passes import note_passes
from optlint.lift.places import names_gradient
from optlint.lift.program import Program
from optlint.lift.recurrence import Entry, Recurrence
from optlint.lift.related import carried_into, goes_beyond, is_of_loop, same_step
from optlint.lift.sharing import key_of_all
from optlint.lift.updates import updates_of
from optlint.lift.written import made_anew, written_places
from optlint.model import Span

Nested = list[tuple[Frame, list[Frame]]]  # a run's frames, each with those inside it


def shown_by(program: Program, machine: Interpreter, frame: Frame, name: str) -> list[Recurrence]:
    """The updates of a run's frames, in source order, with what the run knows of them."""
    frames = [frame, *machine.frames]
    nested = [(f, [o for o in machine.frames if o is not f and o.depth > f.depth]) for f in frames]
    changed = changed_gradients(machine.given, machine.store, machine.stored)
    found = _found(machine, nested, changed, _rest_of(program, frame.span), name)
    found = [r for r in found if not any(goes_beyond(r, inner) for inner in found)]
    found.sort(key=lambda r: (-len(r.states), -r.depth))
    kept: list[Recurrence] = []
    for recurrence in found:
        if not any(same_step(recurrence, other) for other in kept):
            kept.append(recurrence)
    kept.sort(key=lambda r: (r.span.line, r.span.column))
    _note(program, machine, frame, kept, changed)
    return kept


def _found(
    machine: Interpreter, nested: Nested, changed: list[Entry], behind: Callable[[Span], str], name: str
) -> list[Recurrence]:
    """The updates of the frames; where there are none, what they lose, or move in the gradients' own places.

    behind: the run's text after a statement.
    """
    store, stored = machine.store, machine.stored
    frame = nested[0][0]
    found = _moved_by(machine, nested, name)
    if (frame.span is not None or not found) and all(r.parameter is not None for r in found):
        own = [s for s in stored if not _is_of_inner_function(s.span, frame, machine.entered)]
        seen = (lost_updates(f, inner, store, own, behind, name, frame.span is None) for f, inner in nested)
        lost = [r for made in seen for r in made]
        found = [r for r in lost if moves_with(r, found)] or found
        found = found or list(lost_averages(frame, machine.frames, stored, behind, name))
    if not found:
        found = [r for f, inner in nested for r in moved_gradients(f, inner, store, changed, name)]
    if not found and frame.span is not None:
        found = [r for f, inner in nested for r in moved_results(f, inner, store, behind, name)]
    if not found and frame.span is not None:
        found = kept_directions(frame, machine.frames, store, name)
    if not any(map(_moves, found)):
        lasting = (forgetful_updates(f, inner, store, stored, machine.sinks, changed, name) for f, inner in nested)
        found = [r for made in lasting for r in made] or found
    return found


def _is_of_inner_function(span: Span | None, frame: Frame, entered: Iterable[Span]) -> bool:
    """The statement's name is a function's inside the one that runs, which is read by itself."""
    home = frame.span
    if span is None or home is None:
        return False
    return any(f != home and home.covers(f) and f.covers(span) for f in entered)


def _moved_by(machine: Interpreter, nested: Nested, name: str) -> list[Recurrence]:
    made: dict[int, list[Recurrence]] = {}
    for frame, inner in sorted(nested, key=lambda n: -n[0].depth):
        within = [r for f in inner for r in made.get(id(f), ())]
        made[id(frame)] = updates_of(frame, inner, machine.store, machine.sinks, name, within)
        for recurrence in made[id(frame)]:
            note_passes(recurrence, frame, machine.frames)
    return [r for frame, _ in nested for r in made[id(frame)]]


def _moves(recurrence: Recurrence) -> bool:
    """Whether it is more than what is added to a gradient where it stands."""
    parameter = recurrence.parameter
    return bool(recurrence.states) or parameter is None or not names_gradient(parameter.old)


def _note(program: Program, machine: Interpreter, frame: Frame, found: list[Recurrence], changed: list[Entry]) -> None:
    """What the run knows, beside the equations, of the updates that it shows."""
    frames = [frame, *machine.frames]
    contents = {s.symbol: post for f in frames for s, post in f.posts}
    advanced = set(contents)
    begun: set[Symbol] = set()
    counted: set[Symbol] = set()
    for slot in machine.store.slots:
        held = numeric(content((slot.home, slot.key)))
        if held != ex.sym(slot.symbol):
            advanced.add(slot.symbol)
            if held is not None and held.op == "add" and held.args[0] == ex.sym(slot.symbol):
                counted |= {slot.symbol} if held.args[1].op == "const" else set()
            if held is not None and (held.op == "const" or is_begun_there(held, slot)):
                begun.add(slot.symbol)
    left = tuple(made_anew(machine.store))
    elements = [home.place + key for home, key, _ in written_places(machine.store) if "[" in key]
    table = entry_values(machine.frames)
    skipped = tuple(resolved(condition, table) for condition in machine.skipped)
    for recurrence in found:
        recurrence.advanced, recurrence.begun = frozenset(advanced), frozenset(begun)
        recurrence.counted = frozenset(counted)
        recurrence.contents = contents
        alike = dict(recurrence.alike)
        recurrence.stored = [replace(s, expr=ex.substitute(s.expr, alike)) if alike else s for s in machine.stored]
        recurrence.worth = machine.worth
        recurrence.made_anew = left
        if not recurrence.states:  # what it begins anew at each call has a key, too
            recurrence.keyed_by = key_of_all(elements, frame)
        recurrence.neighbours = frozenset(machine.neighbours.values())
        recurrence.skipped = skipped
        recurrence.inputs = [*recurrence.inputs, *changed]
        recurrence.aliases = list(machine.shared)
        recurrence.on_data = frozenset(machine.choices.on_data)
        recurrence.configuration = dict(machine.choices.taken)
        recurrence.imports = frozenset(machine.imports)
        recurrence.types = frozenset(machine.types)
        recurrence.at_home = is_home(program, frame, recurrence)
        recurrence.cut_short = next((c.returns for c in machine.cut_short if is_of_loop(recurrence, c)), None)
        recurrence.once = next((o for o in machine.once if all(map(o.covers, recurrence.writes))), None)
        recurrence.carried = carried_into(recurrence, machine.frames)
        recurrence.home, recurrence.unseen_kin = frame.span, frame.unseen_kin
        recurrence.entered = frozenset(machine.entered)
        recurrence.escapes = frozenset(machine.leaves(frame.returned)) if frame.returned is not None else frozenset()


def is_home(program: Program, frame: Frame, recurrence: Recurrence) -> bool:
    """All that moves the parameter stands in the run's own function, or in code of the module's own."""
    if frame.span is not None:
        return all(frame.span.covers(s) for s in recurrence.writes)
    line = recurrence.writes[0].line if recurrence.writes else recurrence.span.line
    block = next((b for _, b in program.blocks if b.line <= line <= b.end_line), None)
    return block is None or block.kind == "code"


def _rest_of(program: Program, home: Span | None) -> Callable[[Span], str]:
    """What stands behind a statement of a function, to the function's end; of the module itself, to the last."""
    cells = [(u.cell, t.split("\n")) for t, u in zip(program.texts, program.units, strict=True)]

    def rest(span: Span) -> str:
        at = next((n for n, (cell, _) in enumerate(cells) if cell == span.cell), len(cells))
        lines = cells[at][1] if at < len(cells) else []
        behind = lines[span.end_line - 1 : home.end_line if home is not None else None]
        later = [line for _, more in cells[at + 1 :] for line in more] if home is None else []
        return "\n".join([behind[0][span.end_column - 1 :], *behind[1:], *later]) if behind else ""

    return rest
