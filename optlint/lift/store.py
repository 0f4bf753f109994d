"""The abstract machine's storage: a journal of every change, which can be rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import ANY, Cell, Scope, Slot, Target, Value, forget
from optlint.model import Span


class Store:
    """Every change of scopes and cells goes through here, is logged, and can be undone."""

    def __init__(self) -> None:
        self.journal: list[Callable[[], None]] = []
        self.writes: list[dict[Target, Span | None]] = []
        self.origins: dict[Target, list[Span]] = {}  # where each place is written
        self.dry = False  # what is written now leaves no origin
        self.slots: list[Slot] = []
        self.discoveries: set[int] = set()  # entries of the journal that are no changes

    def bind(self, scope: Scope, name: str, value: Value, span: Span | None = None) -> None:
        missing = object()
        old: object = scope.vars.get(name, missing)

        def undo() -> None:
            if old is missing:
                scope.vars.pop(name, None)
            else:
                scope.vars[name] = old  # type: ignore[assignment]

        self.journal.append(undo)
        settle(value, name)
        scope.vars[name] = value
        self._log((scope, name), span)

    def put(self, cell: Cell, key: str, value: Value, span: Span | None = None) -> None:
        missing = object()
        old: object = cell.items.get(key, missing)

        def undo() -> None:
            if old is missing:
                cell.items.pop(key, None)
            else:
                cell.items[key] = old  # type: ignore[assignment]

        self.journal.append(undo)
        settle(value, cell.place + key)
        cell.items[key] = value
        self._log((cell, key), span)

    def fill(self, cell: Cell, expr: Expr, span: Span | None = None) -> None:
        """Change a cell's own content in place."""
        old, items = cell.expr, dict(cell.items)

        def undo() -> None:
            cell.expr = old
            cell.items = items

        self.journal.append(undo)
        cell.expr = expr
        cell.items = {k: v for k, v in items.items() if k.startswith(".")}
        self._log((cell, ""), span)

    def quietly(self, cell: Cell, key: str, value: Value) -> None:
        """Add a child that was there all along (no write)."""
        self._found(lambda: forget(cell.items, key))
        cell.items[key] = value

    def see_whole(self, cell: Cell, expr: Expr) -> None:
        """An array's content as one of its elements shows it, which its loop has given all of them (no write)."""
        old = cell.expr
        self.journal.append(lambda: setattr(cell, "expr", old))
        cell.expr = expr

    def restore(self, home: Scope | Cell, key: str, value: Value) -> None:
        """Put another value at a place without that being one of the program's writes."""
        logs, self.writes = self.writes, []
        try:
            if isinstance(home, Scope):
                self.bind(home, key, value)
            else:
                self.put(home, key, value)
        finally:
            self.writes = logs

    def add_slot(self, slot: Slot) -> None:
        self.slots.append(slot)
        self._found(lambda: self.slots.remove(slot) if slot in self.slots else None)

    def _found(self, undo: Callable[[], None]) -> None:
        """Journal something that was there all along and has only come to light."""
        self.discoveries.add(id(undo))
        self.journal.append(undo)

    def _log(self, target: Target, span: Span | None) -> None:
        for log in self.writes:
            log.setdefault(target, span)
        if span is not None and not self.dry:
            spans = self.origins.setdefault(target, [])
            if span not in spans:
                spans.append(span)

    @contextmanager
    def watching(self, dry: bool = False) -> Iterator[dict[Target, Span | None]]:
        """What is written meanwhile. dry: the run only shows that, and is no path that the code takes."""
        log: dict[Target, Span | None] = {}
        self.writes.append(log)
        before, self.dry = self.dry, dry or self.dry
        try:
            yield log
        finally:
            self.dry = before
            self.writes = [w for w in self.writes if w is not log]  # equal logs are not one log

    def mark(self) -> int:
        return len(self.journal)

    def rollback(self, mark: int, forget_places: bool = True) -> None:
        """Undo all changes since ``mark``; places that came to light since may stay known."""
        kept: list[Callable[[], None]] = []
        while len(self.journal) > mark:
            undo = self.journal.pop()
            if not forget_places and id(undo) in self.discoveries:
                kept.append(undo)
            else:
                self.discoveries.discard(id(undo))
                undo()
        self.journal.extend(reversed(kept))


def settle(value: Value, place: str) -> None:
    """A new value is known by the place where it is put first."""
    if isinstance(value, Cell) and not value.place:
        value.place = place
        if value.expr is not None and isinstance(value.expr.value, Symbol) and not value.expr.value.name:
            value.expr.value.name = place
        for key, inner in value.items.items() if value.expr is None else ():
            if key != ANY:
                settle(inner, place + key)
