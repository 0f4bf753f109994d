"""What places hold: values of operations, and symbols for what was there before the code came."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift import numbers
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import number, render
from optlint.lift.objects import (
    ANY,
    Cell,
    Const,
    Each,
    Func,
    Klass,
    Lazy,
    Lib,
    Scope,
    Seq,
    Slot,
    Value,
    forget,
    is_filled,
    is_scalar,
    numeric,
    own_one,
)
from optlint.lift.places import (
    ACCESSOR,
    LAST,
    WHOLE,
    indices_of,
    is_element,
    is_of_loop,
    key_text,
    loosely,
    place_of,
    place_text,
)
from optlint.lift.store import Store, settle
from optlint.model import Span

_FROM_END = re.compile(r"\[[-−]")
_NUMBER = re.compile(r"\[\d+\]")
_NAMED_KEY = re.compile(r"\[(?:\d+|'\w+')\]")  # of one element, by its number or its name
_OF_A_LOOP = re.compile(r"[\w)\]]\[\{\w+\}\]$")
MAX_SIZE = 4000  # nodes of one expression; beyond it a value is one opaque quantity
MAX_HIDDEN = 300  # nodes of an unknown call's argument; beyond it only its symbols are kept


class Memory:
    """Scopes, and the values that their places hold."""

    def __init__(self) -> None:
        self.store = Store()
        self.scope = Scope()
        self.aliases: dict[str, set[str]] = {}  # index names → the names under which elements were met first
        self.fields: dict[cst.CSTNode, Cell] = {}  # what functions hold as attributes
        self.constants: dict[tuple[Klass, str], Value] = {}  # the numbers of a class that its object has as its own
        self.named: dict[Expr, str] = {}  # the key under which elements of something unknown were met first
        self.variables: dict[Cell, str] = {}  # a graph's variables, and the index of the loop that makes them
        self.counted: list[str] = []  # the indices of the loops that run, also of those that run dry
        self.looked: dict[Cell, set[str]] = {}  # the keys of elements that a dry run has looked at
        self.met: dict[Cell, set[str]] = {}  # of these, the ones that it had not written before
        self.strides: dict[Expr, Expr] = {}  # what moves on by so much from one step to the next: i by the batch size
        self.neighbours: dict[Cell, Symbol] = {}  # lists of which a loop over tensors reads another one's element
        self.appended: dict[Cell, str] = {}  # lists that are histories, and the key of what comes next
        self.scanning = False  # a dry run, which only shows what is written
        self.unpacked = 0  # how many names take what a comprehension makes
        self.picked: set[str] = set()  # index names by which one object was taken that stands for all of a list
        self.span_of: Callable[[cst.CSTNode], Span | None] = lambda node: None
        self.unit = 0  # which parsed block the running code stands in
        self.file = ""  # the other file that is read, if it is not the one at hand

    # values

    def fresh(self, expr: Expr, *parts: Value) -> Cell:
        """The result of an operation: a new cell, scalar only where all its parts are."""
        if expr.size > MAX_SIZE:
            expr = self.collapse("…", [expr], expr.origin)
        array = any(isinstance(p, Cell) and p.array for p in parts)
        scalar = bool(parts) and not array and all(map(is_scalar, parts))
        return Cell(expr, array=array, scalar=scalar, dtype=numbers.of_result(expr.op, parts))

    def collapse(self, name: str, parts: Sequence[Expr], origin: Span | None) -> Expr:
        """An opaque quantity that keeps its dependencies as plain symbols (so that it stays small)."""
        slim: list[Expr] = []
        for part in parts:
            if part.size <= MAX_HIDDEN:
                slim.append(part)
            else:
                slim.extend(ex.sym(s) for s in sorted(part.symbols, key=lambda s: s.name))
        return ex.opaque(name, slim, origin)

    def opaque(self, name: str, values: Sequence[Value], origin: Span | None) -> Cell:
        parts = [e for v in values for e in self.leaves(v)]
        return Cell(self.collapse(name, parts, origin), open=True)

    def leaves(self, value: Value, depth: int = 0) -> list[Expr]:
        """The numbers inside a value, for dependencies."""
        expr = numeric(value)
        if expr is not None:
            return [expr]
        if depth < 3:
            if isinstance(value, Seq):
                return [e for v in value.elements for e in self.leaves(v, depth + 1)]
            if isinstance(value, Each):
                return self.leaves(value.element, depth + 1)
            if isinstance(value, Lazy):  # ``sum(map(f, xs))``
                return self.leaves(value.force(), depth + 1)
            if isinstance(value, Cell):
                return [e for v in list(value.items.values())[:20] for e in self.leaves(v, depth + 1)]
        return []

    def number(self, value: Value, node: cst.CSTNode | None = None) -> Expr:
        """The numeric expression of a value; something that is no number becomes an opaque quantity."""
        expr = numeric(value)
        if expr is not None:
            return self._whole(value) or expr
        span = self.span_of(node) if node is not None else None
        name = place_of(value) or "?"
        return self.collapse(name, self.leaves(value), span)

    def _whole(self, value: Value) -> Expr | None:
        """An array of zeros that is filled element by element: ``g[0] = …; g[1] = …``."""
        if not isinstance(value, Cell) or not is_filled(value) or value in self.appended:
            return None
        parts = [e for k, v in value.items.items() if k.startswith("[") and (e := self.number(v)).op != "const"]
        return self.collapse(f"elements of {place_text(value.place)}", parts, parts[0].origin) if parts else None

    def row(self, home: Value, key: str, span: Span | None) -> Value:
        """``g[0]`` where an element of it is set, ``g[0][1] = …``: a view of an array of zeros."""
        if not isinstance(home, Cell) or not is_filled(home) or self.lookup(home, key) is not None or key == WHOLE:
            return self.child(home, key, span)
        made = Cell(home.expr, place=home.place + key, array=True)
        self.store.restore(home, key, made)
        return made

    def text(self, value: Value) -> str:
        """What ``str(value)`` would show; symbolic numbers stand in braces."""
        if isinstance(value, Const):
            return str(value.value)
        expr = numeric(value)
        if expr is None:
            return "{" + (place_of(value) or "?") + "}"
        if expr.op == "const" and isinstance(expr.value, (int, float)):
            return number(expr.value)
        return render(_counted(expr), lambda s: "{" + s.name + "}")

    def key(self, value: Value) -> str:
        """The canonical text of a subscript."""
        if isinstance(value, Const):
            return repr(value.value) if isinstance(value.value, str) else str(value.value)
        if isinstance(value, Seq):
            return ",".join(self.key(v) for v in value.elements)
        place = place_of(value)
        expr = numeric(value)
        if place and expr is not None and (expr.op == "sym" or _is_object(value) or _is_element_of_a_loop(value)):
            loop = self.variables.get(value) if isinstance(value, Cell) else None
            if "{" in place or loop is not None:
                return f"{place} of {{{loop}}}" if loop and "{" not in place else place
            return "{" + place + "}"
        if expr is not None:
            return self.text(value)
        if isinstance(value, (Lib, Klass, Func)):  # ``group[names.BETA1]``: a constant of elsewhere
            return place
        return "{" + (place or "?") + "}"

    def fields_of(self, home: Value) -> Value:
        """What holds an object's attributes: a function has some, too (``step.m = β·step.m + …``)."""
        if not isinstance(home, Func):
            return home
        return self.fields.setdefault(home.node, Cell(place=home.name, open=True))

    # places

    def child(self, home: Value, key: str, span: Span | None = None) -> Value:
        """The content of an attribute or item; unknown places come into being as symbols."""
        if isinstance(home, Seq):
            return self._element(home, key, span)
        if isinstance(home, Each):
            return home.element
        if not isinstance(home, Cell):
            return self.opaque(f"{place_of(home) or '?'}{key}", [home], span)
        if key == WHOLE:
            return home
        if self.scanning and key.startswith("["):
            self.looked.setdefault(home, set()).add(key)
            if not any((home, key) in log for log in self.store.writes[-1:]):
                self.met.setdefault(home, set()).add(key)
        found = self.lookup(home, key)
        if found is not None:
            return found
        if key == LAST and (last := _last_of(home)) is not None:
            self.store.quietly(home, LAST, last)
            return last
        if home.factory is not None:
            made = home.factory(key)
            if isinstance(made, Cell) and made.expr is None:
                made.place = home.place + key
                self.store.quietly(home, key, made)
                return made
        expr = home.expr
        if expr is not None and not (expr.op == "sym" or key.startswith(".") or home.place.endswith(ACCESSOR)):
            return self._part(home, expr, key, span)
        return self.unveil(home, key)

    def first_list(self, value: Value) -> Value:
        """The first of the two lists that ``weights + biases`` puts together, where a loop goes over what it gives.

        A sum of arrays is no list of tensors: what is known to be an array, or a number, stays a sum.
        """
        if not isinstance(value, Cell) or value.array or value.expr is None or value.expr.op != "add":
            return value
        parts = value.expr.args
        if not all(p.op == "sym" and p.symbol.kind == "place" and not p.symbol.array for p in parts):
            return value
        if any(p.symbol.default is not None or p.symbol.initial is not None for p in parts):
            return value
        homes = [s.cell for s in self.store.slots if s.symbol in [p.symbol for p in parts]]
        known = [h for h in homes if isinstance(h, Cell) and h.open and not h.scalar]
        return known[0] if len(known) == len(homes) > 1 else value

    def _element(self, home: Seq, key: str, span: Span | None) -> Value:
        try:
            return home.elements[int(key[1:-1])]
        except (ValueError, IndexError):
            if home.elements and all(type(e) is type(home.elements[0]) for e in home.elements):
                return home.elements[0]
            return self.opaque(f"sequence{key}", home.elements, span)

    def _part(self, home: Cell, expr: Expr, key: str, span: Span | None) -> Value:
        if expr.op == "const":
            return Cell(expr, scalar=home.scalar)
        if expr.op == "opaque":
            name = f"{expr.value}{self._name_of(expr, key)}"
            return Cell(ex.opaque(name, expr.args, span), place=home.place + key, open=True)
        if "{" in key or ":" in key or (expr.op in ex.ARITHMETIC and _NUMBER.fullmatch(key)):
            return Cell(expr, place=home.place + key)  # a coordinate stands for all of them
        return Cell(ex.opaque(f"part{key_text(key)}", (expr,), span), place=home.place + key)

    def _name_of(self, unknown: Expr, key: str) -> str:
        """How the first loop over something unknown calls its element, but for a loop inside of that one."""
        if not is_element(key) and not is_of_loop(key):
            return key_text(key)
        first = self.named.setdefault(unknown, key_text(key))
        return key_text(key) if is_of_loop(key) and first[1:-1] in self.counted else first

    def lookup(self, home: Cell, key: str) -> Value | None:
        """A child that is there: by its key, or as the representative of all keys."""
        if key in home.items:
            return home.items[key]
        if key.startswith("["):
            if "{" in key and (alike := self.alike(home, key)) is not None:
                return home.items[alike]
            if ANY in home.items:
                filled = self._filled_from_end(home)
                return filled if filled is not None else self._representative(home, home.items[ANY], key)
        return None

    def _filled_from_end(self, home: Cell) -> Value | None:
        """Any element of a list of zeros, or None, that are set from the last one on: ``g[-1]``, ``g[-l]``."""
        first = home.items[ANY]
        empty = (isinstance(first, Const) and first.value is None) or numeric(first) == ex.const(0)
        if not home.sequence or not home.growing or not empty:
            return None
        filled = [e for k, v in home.items.items() if _FROM_END.match(k) and (e := numeric(v)) is not None]
        parts = [e for e in filled if e.op != "const"]
        if not parts:
            return None
        return Cell(self.collapse(f"elements of {place_text(home.place)}", parts, parts[0].origin), array=True)

    def alike(self, home: Cell, key: str, but: Sequence[str] = ()) -> str | None:
        """The one key of a container that stands for all of its elements, as this one does.

        but: indices of loops that still go on, whose elements are others.
        """
        alike = [k for k in home.items if loosely(k) == loosely(key)]
        if len(alike) != 1 or (not is_element(key) and set(but) & set(indices_of(alike[0]))):
            return None
        self._note_aliases(indices_of(key), indices_of(alike[0]))
        return alike[0]

    def _note_aliases(self, names: list[str], first: list[str]) -> None:
        for name, other in zip(names, first, strict=False):
            if name != other:
                self.aliases.setdefault(name, set()).add(other)

    def _representative(self, home: Cell, found: Value, key: str) -> Value:
        """The element that stands for all: known under the key by which it is met first."""
        local = not home.place or home.place.isidentifier()
        if local and _NAMED_KEY.fullmatch(key) and isinstance(own := own_one(found), Cell):
            if own is not found:  # s[0] and s[1] of ``s = [np.zeros(shape) for _ in range(2)]``
                self.store.quietly(home, key, own)
            found = own
        if isinstance(found, Cell) and (found.klass is not None or found.expr is None):
            self.picked.update(indices_of(key))
        if isinstance(found, Cell) and home.place:
            if found.place == home.place + ANY and "{" in key:  # ``append`` knew no key of it
                found.place = ""
            if not found.place:
                settle(found, home.place + key)
                if found.expr is not None and found.expr.op == "sym" and not found.expr.symbol.name:
                    found.expr.symbol.name = place_text(found.place)  # a variable that has no name of its own
                _name_parts(found)
            elif found.place.startswith(home.place):
                first = indices_of(found.place[len(home.place) :])
                self._note_aliases(indices_of(key), first)
        return found

    def initial_of(self, home: Cell, key: str) -> Value | None:
        """What a state-creating branch or ``__init__`` put at a place like this one."""
        template = home.items.get("<template>")
        if not isinstance(template, Cell):
            return None
        exact = self.lookup(template, key)
        if exact is not None:
            return exact
        alike = [v for k, v in template.items.items() if loosely(k, shifts=True) == loosely(key, shifts=True)]
        return alike[0] if alike else (template if template.expr is not None else None)

    def unveil(self, home: Cell, key: str, start: Value | None = None) -> Cell:
        """Make the symbol for a place that existed before we came."""
        start = start if start is not None else self.initial_of(home, key)
        place = home.place + key
        symbol = Symbol(place_text(place), array=home.array and not key.startswith("."))
        cell = self.adopt(symbol, place, start)
        cell.array = symbol.array
        self.store.quietly(home, key, cell)
        self.store.add_slot(Slot(home, key, symbol, cell))
        return cell

    def adopt(self, symbol: Symbol, place: str, start: Value | None) -> Cell:
        """A cell that holds ``symbol``; what is known of its first content goes to the symbol."""
        cell = Cell(ex.sym(symbol), place=place, open=True)
        if isinstance(start, Cell):
            cell.array = start.array
            cell.scalar = start.scalar
            cell.klass = start.klass
            cell.dtype = symbol.dtype = start.dtype
            cell.typed_at = symbol.typed_at = start.typed_at
            cell.factory = start.factory
            if start.items or start.growing:
                cell.items["<template>"] = start
        elif isinstance(start, Const) and isinstance(start.value, (int, float)):
            cell.scalar = not isinstance(start.value, bool)
        symbol.array = symbol.array or cell.array
        if start is not None:
            first = numeric(start)
            if first is not None:
                symbol.entry = first
                symbol.initial = started(first)
                if first.op == "const" and symbol.default is None and isinstance(first.value, (int, float)):
                    symbol.default = first.value
        return cell

    def free(self, name: str) -> Cell:
        """A name that nothing in sight binds: a global of elsewhere."""
        symbol = Symbol(name, external=True)
        cell = Cell(ex.sym(symbol), place=name, open=True)
        module = self.scope.module
        module.vars[name] = cell
        self.store.journal.append(lambda: forget(module.vars, name))
        self.store.add_slot(Slot(module, name, symbol, cell))
        return cell


def _last_of(home: Cell) -> Value | None:
    """The last element of a list that the code spells out."""
    if not home.growing or not home.sequence or home.expr is not None or home.open:
        return None
    known = [f"[{n}]" for n in range(len(home.items))]
    return home.items[known[-1]] if known and list(home.items) == known else None


def started(entry: Expr) -> Expr | None:
    """The first content of a place that holds ``entry``: what is known of a symbol's own first content.

    A setting has the content that it always has (``self.beta1_power = beta1``). What unseen code makes of an array of
    zeros and of nothing else is one (``floatX(zeros)``).
    """
    if entry.op == "opaque" and entry.args == (ex.const(0),):
        return entry.args[0]
    if entry.op == "sym":
        symbol = entry.symbol
        return entry if symbol.initial is None and symbol.default is not None else symbol.initial
    return entry


def _counted(expr: Expr) -> Expr:
    """i + 1 − 1 is i: one spelling for what is told by its distance."""
    distance = 0.0
    inner = expr
    while inner.op in ("add", "sub") and inner.args[1].op == "const":
        distance += inner.args[1].number if inner.op == "add" else -inner.args[1].number
        inner = inner.args[0]
    if inner is expr or inner is expr.args[0]:
        return expr
    if not distance:
        return inner
    return ex.op("add" if distance > 0 else "sub", inner, ex.const(abs(distance)))


def _is_element_of_a_loop(value: Value) -> bool:
    """What a loop over a dictionary's keys gives seems to be its value, be that computed or unknown."""
    return isinstance(value, Cell) and not value.scalar and bool(_OF_A_LOOP.search(value.place))


def _name_parts(home: Cell) -> None:
    """What an object held before it had a name is known by that name, too."""
    for key, inner in home.items.items():
        if isinstance(inner, Cell) and inner.place == key:
            inner.place = home.place + key
            if inner.expr is not None and inner.expr.op == "sym" and inner.expr.symbol.name == place_text(key):
                inner.expr.symbol.name = place_text(inner.place)


def _is_object(value: Value) -> bool:
    """A key by identity: an array that was there before and is now changed (``state[p]`` after ``p.mul_()``).

    A loop over a dictionary's keys seems to give its values, which may be new: ``{k: zeros for k in params}``.
    """
    if not isinstance(value, Cell) or value.expr is None:
        return False
    return (value.open and value.expr.op != "opaque") or (value.array and "{" in value.place)
