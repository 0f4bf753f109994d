"""The abstract interpreter: runs functions, loops and branches on symbols instead of numbers.

It is built in layers, each of which knows those below it:
memory, operators, evaluator (expressions), calls, definitions, statements, joins, conditionals, histories, loops.
"""

from __future__ import annotations

from optlint.lift.loops import Loops


class Interpreter(Loops):
    """The whole machine: give it choices for the open conditions, and a body to run."""
