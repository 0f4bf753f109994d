"""A function's updates as code outside of functions shows them, and other files of the project that import this one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from optlint.importers import importers_of
from optlint.lift.callers import is_inside, own_name, span_of_function, views_of
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.source import Unit

if TYPE_CHECKING:
    from optlint.lift.lifter import Lifter

CELL = 1_000_000  # where another file's text stands beside the file's own: no notebook has that many cells


def views_elsewhere(lifter: Lifter, name: str) -> Iterator[list[Recurrence]]:
    """First the program's own scripts, then one or more lists for each other file, whose path is in ``seen_in``."""
    program = lifter.program
    yield from _shown_by_scripts(type(lifter)(program), name)
    modules = program.modules
    if modules is None:
        return
    words = [re.compile(rf"\b{re.escape(part)}\b") for part in name.split(".")]
    for importer in importers_of(modules, "\n".join(program.texts)):
        if all(word.search(importer.text) for word in words):  # as if that text stood at the end of this one
            both = type(lifter)(Program.read((*program.units, Unit(CELL, importer.text)), modules))
            beside = os.path.relpath(importer.path, os.path.dirname(modules.path)).replace(os.sep, "/")
            for views in (*_shown_by_scripts(both, name), *views_of(both, name)):
                for recurrence in views:
                    recurrence.seen_in = beside
                yield views


def _shown_by_scripts(reader: Lifter, name: str) -> Iterator[list[Recurrence]]:
    """What the module's own code shows, where it calls the function; the reader has defined all names then."""
    own = own_name(name)
    blocks = enumerate(block for _, block in reader.program.blocks)
    scripts = {index for index, block in blocks if block.kind == "code" and own in block.mentions}
    machine, frame = reader.define(scripts)
    home = span_of_function(reader, name)
    inside = [r for r in reader.shown(machine, frame) if is_inside(r, home)] if scripts else []
    for recurrence in inside:
        recurrence.name = name
    if inside:
        yield inside
