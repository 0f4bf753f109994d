"""Calls: the vocabulary's functions, the file's own functions inlined, and what an unseen caller hands in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift.arguments import Arguments
from optlint.lift.branches import Choices
from optlint.lift.changes import changed_elsewhere
from optlint.lift.conditions import asks_for_zero, follows_time
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import CutShort, Dropped, Frame, Leave, Stored
from optlint.lift.objects import (
    Cell,
    Changes,
    Const,
    Func,
    Klass,
    Lib,
    Method,
    Scope,
    Seq,
    Super,
    Unsupported,
    Value,
    is_none,
    is_scalar,
    numeric,
    release,
)
from optlint.lift.places import ACCESSOR, attribute, is_called_gradient, place_of
from optlint.lift.vocabulary import (
    GLOBAL_NAMES,
    NUMBERS,
    Handler,
    Site,
    attribute_handler,
    borrowed,
    common_handler,
    library_name,
    method_handler,
    name_handler,
    unknown_call,
    wraps,
)
from optlint.lift.vocabulary.dtypes import typed
from optlint.lift.vocabulary.records import fill_fields
from optlint.model import Span

if TYPE_CHECKING:
    from optlint.lift.abroad import Abroad
    from optlint.lift.interpreter import Interpreter

MAX_DEPTH = 14
FIRST_UNIT = 1_000_000  # blocks of other files are numbered from here


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a run has come: what is only tried from there on is taken back."""

    changes: int
    work: int
    notes: tuple[int, ...]


class Calls(Arguments):
    """What a call does, of the library's code or the file's own."""

    def __init__(self, choices: Choices | None = None) -> None:
        super().__init__()
        self.choices = choices or Choices()
        self.frames: list[Frame] = []
        self.stored: list[Stored] = []
        self.sinks: list[Expr] = []  # what unknown calls get as statements: ``layer.step(name, -update)``
        self.given: list[
            tuple[Cell, Cell, Symbol]
        ] = []  # whose gradients a framework hands out, and their first content
        self.unseen: dict[str, int] = {}  # calls of code that is not in sight, with how much they take
        self.loops: list[Frame] = []
        self.stack: list[cst.CSTNode] = []
        self.classes: list[Klass | None] = []
        self.bound_attributes: dict[cst.CSTNode, Counter[str]] = {}  # by a part of the source, how often in it
        self.shared: list[tuple[str, ...]] = []  # names that one assignment binds to the same array
        self.nested: list[tuple[str, Func, Klass | None]] = []  # what is defined inside functions, and in which class
        self.changes: dict[cst.CSTNode, Changes] = {}  # by function: what it does to attributes
        self.imports: set[str] = set()
        self.spans: dict[int, Callable[[cst.CSTNode], Span | None]] = {}
        self.abroad: Abroad | None = None  # the project's other modules, where they can be seen
        self.cut_short: list[CutShort] = []
        self.once: list[Span] = []  # what a branch that creates state does besides: at the first call alone
        self.asked: dict[str, Span] = {}  # calls without arguments, and which statement names their result first
        self.answers: dict[str, Symbol] = {}  # what the user is asked for, by the line that asks
        self.dropped: list[Dropped] = []
        self.skipped: list[Expr] = []  # the conditions under which the code goes away instead
        self.unsure = False  # some name takes a new content of what may be a state
        self.behind: Sequence[cst.CSTNode] = ()  # what follows a condition in its block
        self.keeps_results = False  # run as if each such result were kept
        self.selectors: frozenset[str] = frozenset()  # names whose text chooses among the code's ways
        self.aims: frozenset[str] = frozenset()  # names of functions that the run is to come by
        self.entered: set[Span] = set()  # the functions that the run goes through, but for what makes objects
        self.types: set[str] = set()  # number types that the run names
        self.pending: list[tuple[Cell, Expr, Span | None]] = []  # writes of a graph that has yet to run

    @property
    def whole(self) -> Interpreter:
        """The running interpreter (this layer is only ever its base)."""
        return cast("Interpreter", self)

    # what is only tried

    def reached(self) -> Mark:
        return Mark(self.store.mark(), self.work, tuple(map(len, self._notes())))

    def take_back(self, mark: Mark, forget_places: bool = True) -> None:
        """Undo what was done since, and forget what was noted of it."""
        self.store.rollback(mark.changes, forget_places)
        self.work = mark.work
        for notes, length in zip(self._notes(), mark.notes, strict=True):
            del notes[length:]

    def _notes(self) -> tuple[list[Any], ...]:
        return self.stored, self.frames, self.sinks, self.dropped

    # hook of the statements

    def run(self, body: cst.BaseSuite | Sequence[cst.CSTNode]) -> None:
        raise NotImplementedError

    # hooks of the evaluator

    @property
    def is_abroad(self) -> bool:
        return self.unit >= FIRST_UNIT

    def imported(self, name: Lib) -> Value | None:
        return self.abroad.value(name) if self.abroad is not None else None

    def base_class(self, value: Value) -> Value:
        """A base, from another file of the project where it is defined there."""
        found = self.imported(value) if isinstance(value, Lib) else None
        return found if isinstance(found, Klass) else value

    def resolve_global(self, name: str) -> Value | None:
        if name in GLOBAL_NAMES:
            return Lib(GLOBAL_NAMES[name])
        return Lib(f"builtins.{name}") if name_handler(f"builtins.{name}") else None

    def of_library(self, name: str, span: Span | None) -> Value:
        number = NUMBERS.get(library_name(name))
        return Lib(name) if number is None else Const(number, span)

    def known_attribute(self, receiver: Value, name: str, span: Span | None) -> Value | None:
        handler = attribute_handler(name)
        if handler is None or numeric(receiver) is None:
            return None
        return handler(Site(self.whole, [], {}, span, name, receiver))

    def member(self, home: Value, name: str, span: Span | None) -> Value:
        """What ``home.name(...)`` calls."""
        if isinstance(home, (Lib, Super, Klass)):
            return self.attribute(home, name, span)
        if isinstance(home, Cell):
            inside = home.items.get(attribute(name))
            if inside is not None and method_handler(name) is None:
                return inside
            if home.klass is not None and not self.is_strange(home.klass):
                found = home.klass.find(name)
                if found is not None and not self.is_known_better(found, name):
                    return self.bound(found, home)
        return Method(home, name, span)

    def aimed(self, callee: Method, args: list[Value]) -> Func | None:
        """The one method of the file that has a name which the run is to come by: whose object was handed in.

        What containers have, too (``update``), it may be only with several arguments, or with a number.
        """
        if callee.name not in self.aims or not isinstance(callee.receiver, Cell) or callee.receiver.klass is not None:
            return None
        if method_handler(callee.name) is not None and len(args) == 1 and not is_scalar(args[0]):
            return None
        classes = (v for v in self.scope.module.vars.values() if isinstance(v, Klass))
        found = [m for k in classes if isinstance(m := k.members.get(callee.name), Func)]
        return found[0].bound(callee.receiver) if len(found) == 1 and not self.is_abroad else None

    def is_strange(self, klass: Klass) -> bool:
        """A class of another file, whose objects do there what they do: their updates are that file's."""
        return klass.unit >= FIRST_UNIT and not self.is_abroad

    def is_known_better(self, member: Value, name: str) -> bool:
        """A method of another file's class that the vocabulary speaks of (``assign_sub``)."""
        return isinstance(member, Func) and member.unit >= FIRST_UNIT and method_handler(name) is not None

    def current_class(self) -> Klass | None:
        return self.classes[-1] if self.classes else None

    def decide(self, condition: Value, node: cst.CSTNode) -> bool | None:
        if isinstance(condition, Const):
            return bool(condition.value)
        if isinstance(condition, (Func, Lib, Klass)):
            return True
        expr = numeric(condition)
        if expr is not None and expr.op == "const":
            return bool(expr.value)
        if expr is not None and (follows_time(expr) or asks_for_zero(expr)):
            return None
        if expr is None or self.scanning:
            return None if self.scanning or not isinstance(condition, (Seq, Cell)) else True
        return self.choices.take(expr, self.span_of(node), self.is_abroad)

    # calls

    def call(self, callee: Value, args: list[Value], kwargs: dict[str, Value], span: Span | None, text: str) -> Value:
        if isinstance(callee, (Func, Klass)) and callee.unit >= FIRST_UNIT and not self.is_abroad:
            return self.visit(callee, args, kwargs, span, text)
        if isinstance(callee, Func):
            return self.inline(callee, args, kwargs, span)
        if isinstance(callee, Klass):
            return self.instantiate(callee, args, kwargs, span)
        if isinstance(callee, Cell) and callee.klass is not None and not self.is_strange(callee.klass):
            special = callee.klass.find("__call__")
            if isinstance(special, Func):
                return self.inline(special.bound(callee), args, kwargs, span)
        aimed = self.aimed(callee, args) if isinstance(callee, Method) else None
        if aimed is not None:
            return self.inline(aimed, args, kwargs, span)
        site = Site(self.whole, args, kwargs, span, text)
        if isinstance(callee, Lib):
            handler = name_handler(library_name(callee.name))
            known = handler(site) if handler is not None else None
            if known is not None:
                return typed(site, callee.name, known)
            found = self.imported(callee)
            if isinstance(found, (Func, Klass)):
                return self.call(found, args, kwargs, span, text)
            common = common_handler(callee, args) if found is None else None
            known = common(site) if common is not None else None
            if known is not None:
                return known
        if isinstance(callee, Method):
            handler = self.borrowed(callee, args)
            known = handler(site) if handler is not None else None
            if known is not None:  # a module whose import is out of sight: ``nd.sqrt(x)``
                return known
            site.receiver = callee.receiver
            method = method_handler(callee.name)
            if method is not None:
                result = method(site)
                if result is not None:
                    return typed(site, callee.name, result)
        made = unknown_call(site, place_of(callee) or text)
        if made is not None:
            return made
        part = self.accessor(callee) if isinstance(callee, Method) and not args and not kwargs else None
        if part is not None:
            return part
        parts: list[Value] = [*args, *kwargs.values()]
        self.unseen[place_of(callee) or text] = len(parts)
        if isinstance(callee, Method) and not (isinstance(callee.receiver, Cell) and callee.receiver.klass):
            parts.insert(0, callee.receiver)  # ``self.f(x)`` is no function of everything that self holds
        return self.opaque((place_of(callee) or text) + self.asked_for(parts), parts, span)

    def asked_for(self, parts: list[Value]) -> str:
        """``("beta1_power")`` of a call that is given texts and no number: under another text it gives another one."""
        texts = [repr(p.value) for p in parts if isinstance(p, Const) and isinstance(p.value, str)]
        return f"({', '.join(texts)})" if texts and not any(map(self.leaves, parts)) else ""

    def visit(
        self, callee: Func | Klass, args: list[Value], kwargs: dict[str, Value], span: Span | None, text: str
    ) -> Value:
        """A call of another file's code, for what it computes or changes in place.

        One unknown quantity where that cannot be followed, where it gives lists and the like, or where it answers
        yes or no: both answers are worth a run.
        """
        mark, taken = self.reached(), dict(self.choices.taken)
        site = Site(self.whole, args, kwargs, span, text)
        common = common_handler(callee, args)  # what its name says, where its code leads on to what nobody sees
        try:
            if isinstance(callee, Klass):
                array = wraps(callee, site)
                return array if array is not None else self.instantiate(callee, args, kwargs, span)
            made = self.inline(callee, args, kwargs, span)
            seen = numeric(made)
            if _is_number(made) and not (common is not None and seen is not None and seen.op == "opaque"):
                return made
        except (Unsupported, Leave):
            pass
        self.take_back(mark)
        self.choices.taken = taken
        known = common(site) if common is not None else None
        if known is not None:
            return known
        self.unseen[text] = len(args) + len(kwargs)
        return self.opaque(text, [*args, *kwargs.values()], span)

    def accessor(self, callee: Method) -> Cell | None:
        """What ``module.params()`` gives: the same part of an object at every call, whose items are places."""
        home, key = callee.receiver, f"{attribute(callee.name)}{ACCESSOR}"
        if not isinstance(home, Cell) or not home.place or (home.expr is not None and home.expr.op != "sym"):
            return None
        found = home.items.get(key)
        if isinstance(found, Cell):
            return found
        self.unseen[place_of(callee)] = 0
        made = self.opaque(place_of(callee), [] if home.klass else [home], callee.origin)
        made.place = home.place + key
        self.store.quietly(home, key, made)
        return made

    def made_anew(self, value: Value, span: Span | None) -> Value:
        """What a name gets from a call without arguments that another statement has already given a name.

        Nobody asks twice for what is the same: ``history = net.zeros()``, ``grads = net.zeros()``.
        """
        if not isinstance(value, Cell) or not value.place.endswith(ACCESSOR) or span is None:
            return value
        first = self.asked.setdefault(value.place, span)
        return value if first == span else Cell(ex.sym(Symbol("")), open=True)

    def borrowed(self, callee: Method, args: list[Value]) -> Handler | None:
        """A function of a module out of sight: ``nd.sqrt(x)``, ``self.ops.xp.sqrt(x)``; one that was None at first."""
        absent = isinstance(callee.receiver, Const) and callee.receiver.value is None
        named = GLOBAL_NAMES.get(place_of(callee.receiver).rpartition(".")[2]) == "numpy"  # ``p.xp.add(a, b)``
        if args and (absent or named or self.is_free(callee.receiver)):
            return name_handler(f"numpy.{callee.name}")
        return borrowed(callee.name, args) if isinstance(callee.receiver, Cell) else None

    def is_free(self, value: Value) -> bool:
        """A name that nothing in sight binds."""
        module = self.scope.module
        return (
            isinstance(value, Cell)
            and module.vars.get(value.place) is value
            and value.expr is not None
            and (value.expr.op == "sym" and isinstance(value.expr.value, Symbol) and value.expr.value.external)
        )

    def inline(
        self, func: Func, args: Sequence[Value], kwargs: dict[str, Value], span: Span | None, entry: bool = False
    ) -> Value:
        if func.node in self.stack or len(self.stack) >= MAX_DEPTH:
            return self.opaque(func.name, [*args, *kwargs.values()], span)
        scope = Scope(func.scope)
        self.bind_parameters(func, scope, list(args), dict(kwargs), entry)
        with self.inside(func, scope, span):
            if isinstance(func.node, cst.Lambda):
                return self.eval(func.node.body)
            try:
                self.run(func.node.body)
            except Leave as leave:
                if leave.how == "raise" and not self.scanning:
                    raise
                if leave.how == "return" and leave.value is not None:
                    if isinstance(leave.value, Cell) and not entry:
                        release(leave.value, scope)
                    return leave.value
        return Const(None)

    @contextmanager
    def inside(self, func: Func, scope: Scope, span: Span | None = None) -> Iterator[None]:
        saved = (self.scope, self.span_of, self.unit)
        if func.unit >= FIRST_UNIT:  # all that happens in another file happens at the call, for this one
            self.span_of = self.span_of if self.is_abroad else lambda node: span
        else:
            self.span_of = self.spans.get(func.unit, self.span_of)
        self.scope = scope
        self.unit = func.unit
        home = self.span_of(func.node) if not isinstance(func.node, cst.Lambda) and func.name != "__init__" else None
        if home is not None and not self.is_abroad:
            self.entered.add(home)
        self.stack.append(func.node)
        self.classes.append(func.klass)
        try:
            yield
        finally:
            self.scope, self.span_of, self.unit = saved
            self.stack.pop()
            self.classes.pop()

    def instantiate(self, klass: Klass, args: list[Value], kwargs: dict[str, Value], span: Span | None) -> Cell:
        cell = Cell(klass=klass, open=True)
        init = klass.find("__init__")
        if isinstance(init, Func) and not self.scanning:
            self.inline(init.bound(cell), args, kwargs, span)
            self._let_go(cell, klass, init)
        elif init is None:
            fill_fields(cell, klass, args, kwargs)
            after = klass.find("__post_init__")
            if isinstance(after, Func) and not self.scanning:
                self.inline(after.bound(cell), [], {}, span)
        return cell

    def _let_go(self, cell: Cell, klass: Klass, init: Func) -> None:
        """A new object is known by what it is called here; its gradient is what others put there (``f.backward()``)."""
        first = next(iter(init.node.params.params), None)
        if first is not None and cell.place == first.name.value:
            cell.place = ""
        changes = changed_elsewhere(self.changes, klass)
        for name in changes.rebound | changes.mutated:
            held = cell.items.get(attribute(name))
            if is_called_gradient(name) and (numeric(held) == ex.const(0) or is_none(held)):
                symbol = Symbol(name)
                self.store.put(cell, attribute(name), Cell(ex.sym(symbol), open=True))


def _is_number(value: Value) -> bool:
    """A quantity, several together, or None (of what works in place)."""
    if isinstance(value, Const):
        return not isinstance(value.value, (bool, str))
    if isinstance(value, Seq):
        return bool(value.elements) and all(map(_is_number, value.elements))
    return numeric(value) is not None
