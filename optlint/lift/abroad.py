"""What the project's other modules define: functions and classes that a file imports, read where they stand.

Their definitions alone are taken in: no statement of theirs but imports and plain assignments is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from optlint.lift.calls import FIRST_UNIT
from optlint.lift.frames import Leave
from optlint.lift.objects import Const, Func, Klass, Lib, Unsupported, Value
from optlint.lift.program import Program
from optlint.lift.vocabulary import is_library
from optlint.modules import Modules
from optlint.source import Unit

if TYPE_CHECKING:
    from optlint.lift.interpreter import Interpreter

MAX_CHAIN = 6  # imports that lead to imports


class Abroad:
    """Other modules, each read once for all runs of a program."""

    def __init__(self, modules: Modules, machine: Callable[[], Interpreter]) -> None:
        self.modules = modules
        self.machine = machine
        self._known: dict[tuple[str, int, str], Value | None] = {}
        self._files: dict[str, _File] = {}
        self._chain = 0

    def value(self, name: Lib) -> Value | None:
        """The function, class or number that an imported name means; None where it is a library's, or out of sight."""
        file = name.file or self.modules.path
        if not name.level and is_library(name.name):
            return None
        key = (file, name.level, name.name)
        if key not in self._known:
            self._known[key] = None  # an import that leads back here finds nothing
            if self._chain < MAX_CHAIN:
                self._chain += 1
                try:
                    self._known[key] = self._looked_up(file, name)
                finally:
                    self._chain -= 1
        return self._known[key]

    def _looked_up(self, file: str, name: Lib) -> Value | None:
        parts = [part for part in name.name.split(".") if part]
        for cut in range(len(parts) - 1, -1 if name.level else 0, -1):
            path = self.modules.find(".".join(parts[:cut]), name.level, file)
            if path is None:
                continue
            found: Value | None = self._file(path).member(parts[cut])
            if parts[cut] == "Optimizer" and "param_groups" in (self.modules.text(path) or ""):
                return None  # PyTorch's own, which the vocabulary knows
            for inner in parts[cut + 1 :]:
                found = found.find(inner) if isinstance(found, Klass) else None
            if isinstance(found, Lib):
                found = self.value(found)
            return found if isinstance(found, (Func, Klass, Const)) else None
        return None

    def _file(self, path: str) -> _File:
        if path not in self._files:
            machine = self.machine()
            machine.file, machine.abroad = path, self
            self._files[path] = _File(Program.read((Unit(None, self.modules.text(path) or ""),)), machine)
            machine.unit = FIRST_UNIT + len(self._files)
        return self._files[path]


class _File:
    """One other module. Its names are defined as they are asked for, with those that they rest on."""

    def __init__(self, program: Program, machine: Interpreter) -> None:
        self.program = program
        self.machine = machine
        self.places: dict[str, list[int]] = {}
        self.done: set[int] = set()
        for index, (_, block) in enumerate(program.blocks):
            if block.name:
                self.places.setdefault(block.name, []).append(index)

    def member(self, name: str) -> Value | None:
        simple = {index for index, (_, block) in enumerate(self.program.blocks) if block.simple}
        wanted, queue = set(simple), [name]
        while queue:
            for index in self.places.get(queue.pop(), ()):
                if index not in wanted:
                    wanted.add(index)
                    queue.extend(self.program.blocks[index][1].uses)
        for index in sorted(wanted - self.done):
            self.done.add(index)
            parsed = self.program.parse(index)
            if parsed is not None:
                with suppress(Leave, Unsupported, RecursionError):
                    self.machine.run(parsed.body)
        return self.machine.scope.vars.get(name)
