"""A function's updates as code outside of functions shows them, and other files of the project that import this one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from optlint.importers import importers_of
from optlint.lift.callers import MAX_EFFORT, is_inside, own_name, span_of_function, views_of
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.source import Unit

if TYPE_CHECKING:
    from optlint.lift.lifter import Lifter

CELL = 1_000_000  # where another file's text stands beside the file's own: no notebook has that many cells


def views_elsewhere(lifter: Lifter, name: str) -> Iterator[list[Recurrence]]:
    """First the program's own scripts, then one or more lists for each other file, whose path is in ``seen_in``."""
    program, modules = lifter.program, lifter.program.modules
    if lifter.viewed <= MAX_EFFORT and _scripts(program, name):
        yield from _seen(lifter, program, name)
    if modules is None or not modules.path:
        return
    words = [re.compile(rf"\b{re.escape(part)}\b") for part in name.split(".")]
    for importer in importers_of(modules, "\n".join(program.texts)):
        if lifter.viewed <= MAX_EFFORT and all(word.search(importer.text) for word in words):
            both = Program.read((*program.units, Unit(CELL, importer.text)), modules)  # as if it stood at the end here
            beside = os.path.relpath(importer.path, os.path.dirname(modules.path)).replace(os.sep, "/")
            for views in _seen(lifter, both, name):
                for recurrence in views:
                    recurrence.seen_in = beside
                yield views


def _seen(lifter: Lifter, program: Program, name: str) -> list[list[Recurrence]]:
    """What the code of a module itself shows, where it calls the function, and then its functions, if any do."""
    reader = type(lifter)(program)
    scripts = _scripts(program, name)
    machine, frame = reader.define(scripts)
    home = span_of_function(reader, name)
    inside = [r for r in reader.shown(machine, frame) if is_inside(r, home)] if scripts else []
    for recurrence in inside:
        recurrence.name = name
    found = [inside] if inside else []
    if program is not lifter.program:
        found += views_of(reader, name)
    lifter.viewed += reader.viewed + machine.effort
    return found


def _scripts(program: Program, name: str) -> set[int]:
    """The blocks outside of functions that mention it."""
    own = own_name(name)
    blocks = enumerate(block for _, block in program.blocks)
    return {index for index, block in blocks if block.kind == "code" and own in block.mentions}
