"""A function's updates as its callers in the same file show them: with what they hand in, and how they count."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst
from libcst import matchers

from optlint.lift.interpreter import Interpreter
from optlint.lift.loops import returns_at_end
from optlint.lift.objects import CONSTRUCTORS, Func, Klass
from optlint.lift.recurrence import Recurrence
from optlint.lift.related import begins_anew, is_bare, made_at, note_what_stands_still
from optlint.model import Span

if TYPE_CHECKING:
    from optlint.lift.lifter import Lifter

LEVELS = 3  # callers of callers
MAX_CALLERS = 4  # of one function
PATHS = 8  # of one caller
MAX_WHOLES = 8  # callers of one file that are read for the states of the steps that they call
MAX_WHOLES_EFFORT = 60_000  # evaluation steps of these together
MAX_EFFORT = 300_000  # evaluation steps of all views of one file


def views_of(lifter: Lifter, name: str) -> Iterator[list[Recurrence]]:
    """The updates of one function as seen from its callers, then from theirs.

    A caller that chooses between functions is followed to this one.
    """
    machine = lifter.machine
    assert machine is not None
    wanted, done = {name}, {name}
    home: Span | None = None
    for _ in range(LEVELS):
        _define_callers(lifter, machine, {own_name(n) for n in wanted})
        everything = {n: (f, k) for n, f, k in _all_functions(lifter, machine)}
        if name not in everything or lifter.viewed > MAX_EFFORT:
            return
        home = home or _span(machine, everything[name][0])
        mentions = re.compile(r"\b(" + "|".join(re.escape(own_name(n)) for n in wanted) + r")\b")
        texts = {n: _body_text(lifter, machine, f) for n, (f, _) in everything.items() if n not in done}
        wanted = {n for n, text in texts.items() if mentions.search(text)}
        done |= wanted
        machine.aims = frozenset(map(own_name, done))
        inside = [r for r in _found(lifter, machine, wanted, everything) if is_inside(r, home)]
        machine.aims = frozenset()
        for recurrence in inside:
            recurrence.name = name
        note_what_stands_still(inside)
        if inside:
            yield inside


def lift_wholes(lifter: Lifter, machine: Interpreter) -> None:
    """Read the callers of functions that make a step of what they are handed: its states may be the callers' own.

    And those that leave the loop over the parameters after the first call.
    """
    results = lifter.result.recurrences
    made: dict[str, list[Recurrence]] = {}
    for recurrence in results:
        made.setdefault(recurrence.name, []).append(recurrence)
    bare = {name for name, of in made.items() if all(map(is_bare, of))}
    whole = {name for name, of in made.items() if name not in bare and any(r.parameter for r in of)}
    if not any(_leaves_loops(node) for _, block in lifter.program.blocks for node in block.nodes):
        whole = set()
    moves = {span for name in bare for r in made[name] for span in r.writes}
    if bare | whole:
        _define_callers(lifter, machine, set(map(own_name, bare | whole)))
    evident = {name for _, block in lifter.program.blocks for name in block.evident}
    most, read = machine.effort + MAX_WHOLES_EFFORT, 0
    for name, func, klass in list(_all_functions(lifter, machine)) if bare | whole else ():
        text = _body_text(lifter, machine, func) if name not in evident else ""
        if not _calls(text, bare) and not (_calls(text, whole) and _leaves_a_loop(func)):
            continue
        read += 1
        if read > MAX_WHOLES or machine.effort > most:
            break
        first = len(results)
        lifter.entry(machine, func, name, klass, limit=PATHS)
        found = results[first:]
        steps = [r for r in found if r.parameter is not None and (r.states or begins_anew(r))]
        results[first:] = [r for r in steps if moves & set(made_at(r))]
        for seen in (r for r in found if r.cut_short is not None):
            for inner in results[:first]:
                if set(inner.writes) & set(seen.writes):
                    inner.cut_short = seen.cut_short


def _calls(text: str, names: set[str]) -> bool:
    return bool(names) and re.search(r"\b(" + "|".join(map(re.escape, map(own_name, names))) + r")\(", text) is not None


def _leaves_loops(block: ast.stmt) -> bool:
    return any(isinstance(n, ast.For) and isinstance(n.body[-1], ast.Return) for n in ast.walk(block))


def _leaves_a_loop(func: Func) -> bool:
    return any(
        isinstance(loop, cst.For) and returns_at_end(loop.body) for loop in matchers.findall(func.node, matchers.For())
    )


def own_name(name: str) -> str:
    """A method's name without its class."""
    return name.rpartition(".")[2]


def _found(
    lifter: Lifter, machine: Interpreter, callers: set[str], everything: dict[str, tuple[Func, Klass | None]]
) -> list[Recurrence]:
    """What runs of these functions show, which the lifter's own results do not keep."""
    results = lifter.result.recurrences
    first, before = len(results), machine.effort
    lifter.seen.clear()  # a caller's view may have been met, and left for the function's own
    for caller in sorted(callers)[:MAX_CALLERS]:
        func, klass = everything[caller]
        lifter.entry(machine, func, caller, klass, limit=PATHS)
    found = results[first:]
    del results[first:]
    lifter.viewed += machine.effort - before
    return found


def is_inside(recurrence: Recurrence, home: Span | None) -> bool:
    """A function writes all of it, or makes the parameter's new value, which it hands back."""
    if home is None:
        return False
    made = recurrence.parameter.post.origin if recurrence.parameter is not None else None
    writes = recurrence.writes
    return (bool(writes) and all(map(home.covers, writes))) or (made is not None and home.covers(made))


def span_of_function(lifter: Lifter, name: str) -> Span | None:
    """Where a function of the program stands."""
    machine = lifter.machine
    functions = _all_functions(lifter, machine) if machine is not None else ()
    found = next((func for n, func, _ in functions if n == name), None)
    return _span(machine, found) if machine is not None and found is not None else None


def _define_callers(lifter: Lifter, machine: Interpreter, names: set[str]) -> None:
    """Read the blocks that mention a name, too."""
    before = len(lifter.callers)
    for index, (_, block) in enumerate(lifter.program.blocks):
        if block.kind != "code" and block.mentions & names:
            lifter.callers.add(index)
    if len(lifter.callers) > before:
        lifter.module(machine)


def _all_functions(lifter: Lifter, machine: Interpreter) -> Iterator[tuple[str, Func, Klass | None]]:
    program = lifter.program
    for index in program.needed(lifter.callers):
        block = program.blocks[index][1]
        value = machine.scope.vars.get(block.name) if program.parse(index) is not None else None
        if isinstance(value, Func):
            yield block.name, value, None
        elif isinstance(value, Klass):
            yield from (method for method in value.methods(block.name) if own_name(method[0]) not in CONSTRUCTORS)


def _span(machine: Interpreter, func: Func) -> Span | None:
    return machine.spans[func.unit](func.node) if func.unit in machine.spans else None


def _body_text(lifter: Lifter, machine: Interpreter, func: Func) -> str:
    span = _span(machine, func)
    program = lifter.program
    number = next((n for n, u in enumerate(program.units) if span is not None and u.cell == span.cell), None)
    if span is None or number is None:
        return ""
    return "\n".join(program.texts[number].split("\n")[span.line : span.end_line])
