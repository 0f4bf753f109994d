"""The abstract machine's values: cells with identity, and scopes.

A number or array is a ``Cell``: assignment binds a cell, an in-place operation changes the cell's content,
so aliases, rebinding and mutation come out as Python has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import libcst as cst

from optlint.lift.expression import Expr, Symbol, const, sym
from optlint.model import Span


class Unsupported(Exception):
    """The code cannot be lifted; says why and where."""

    def __init__(self, reason: str, span: Span | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span


class Value:
    """Anything that a name can be bound to."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class Const(Value):
    """A Python constant (None, bool, str, number …)."""

    value: object
    origin: Span | None = None


@dataclass(eq=False, slots=True)
class Cell(Value):
    """A number, an array, a container or an object whose contents may be unknown.

    expr: the numeric content, or None. items: children by canonical key (".m", "['dW{l}']", "[i]").
    open: children that are not there exist all the same (an argument, a library object).
    array/scalar: what is known of the type; both False means unknown. dtype: its number type (``lift/numbers.py``);
    typed_at: the call that gives it this type.
    exact: an augmented assignment has changed it in place, which NumPy refuses where the types do not fit.
    sequence: a list, whose indices are no elements of it.
    listed: a list of arrays that the code does not show as one, seen as one of them.
    present: the condition under which it is this, and otherwise None.
    record: a tuple that a place holds, each of whose parts is a place: ``m, v = self.state[p]``.
    """

    expr: Expr | None = None
    items: dict[str, Value] = field(default_factory=dict)
    place: str = ""
    open: bool = False
    array: bool = False
    scalar: bool = False
    klass: Klass | None = None
    factory: Callable[[str], Value] | None = None  # defaultdict
    growing: bool = False  # a list or dict that the code fills itself
    sequence: bool = False
    fixed: bool = False  # an index alone does not make new children (a literal list)
    dtype: str = ""
    typed_at: Span | None = None
    exact: bool = False
    listed: bool = False
    present: Expr | None = None
    record: bool = False


@dataclass(eq=False, slots=True)
class Seq(Value):
    """A tuple or list of known length."""

    elements: list[Value]


@dataclass(eq=False, slots=True)
class Each(Value):
    """An iterable seen through one representative element. keys_of: the dictionary whose keys these are."""

    element: Value
    index: Symbol | None = None
    keys_of: Value | None = None


@dataclass(eq=False, slots=True)
class Lazy(Value):
    """An element that can be looked up only when the loop has named its index."""

    force: Callable[[], Value]


CONSTRUCTORS = frozenset({"__init__", "__post_init__"})  # the second one is a dataclass's


@dataclass(eq=False, slots=True)
class Func(Value):
    """A function of the same file: its node, its home scope, its receiver where it is a bound method."""

    name: str
    node: cst.FunctionDef | cst.Lambda
    scope: Scope
    receiver: Value | None = None
    klass: Klass | None = None
    unit: int = 0  # which parsed block holds the node
    defaults: dict[str, Value] = field(default_factory=dict)
    static: bool = False
    computed: bool = False  # a property

    def bound(self, receiver: Value | None) -> Func:
        """The function as a method of ``receiver``."""
        return replace(self, receiver=receiver)


@dataclass(slots=True)
class Changes:
    """Attributes that a function binds anew, those that it only changes in place, and those of which it sets items.

    saved: those that are given what another attribute holds (``self.before = self.net.weights``).
    entries: the items of those of the object itself: (attribute, key).
    made: what those of the object itself are given; products: what those are multiplied with that are multiplied.
    foreign: those that are bound anew as some other object's.
    """

    rebound: set[str] = field(default_factory=set)
    mutated: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
    entries: set[tuple[str, str]] = field(default_factory=set)
    saved: dict[str, cst.Attribute] = field(default_factory=dict)
    made: dict[str, list[cst.BaseExpression]] = field(default_factory=dict)
    products: dict[str, list[cst.BaseExpression]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)

    def add(self, other: Changes) -> None:
        self.rebound |= other.rebound
        self.mutated |= other.mutated
        self.filled |= other.filled
        self.foreign |= other.foreign
        self.entries |= other.entries
        self.saved |= other.saved
        for mine, others in ((self.made, other.made), (self.products, other.products)):
            for name, values in others.items():
                mine[name] = [*mine.get(name, []), *values]


@dataclass(eq=False, slots=True)
class Klass(Value):
    name: str
    node: cst.ClassDef
    scope: Scope
    bases: list[Value]
    unit: int = 0
    members: dict[str, Value] = field(default_factory=dict)

    def find(self, name: str) -> Value | None:
        if name in self.members:
            return self.members[name]
        for base in self.bases:
            if isinstance(base, Klass) and base is not self:
                found = base.find(name)
                if found is not None:
                    return found
        return None

    def methods(self, name: str) -> Iterator[tuple[str, Func, Klass]]:
        """Its own functions and those of the classes inside it, with their names and classes; name: its own."""
        for own, member in self.members.items():
            if isinstance(member, Func):
                yield f"{name}.{own}", member, self
            elif isinstance(member, Klass) and member.node in self.node.body.body:
                yield from member.methods(f"{name}.{own}")


@dataclass(eq=False, slots=True)
class Lib(Value):
    """A module, function or class of a library, by its dotted name.

    file: whose import says so, where that is not the file at hand; level: the dots before its name there.
    """

    name: str
    file: str = ""
    level: int = 0


@dataclass(eq=False, slots=True)
class Method(Value):
    """A method of a value, not yet called."""

    receiver: Value
    name: str
    origin: Span | None = None


@dataclass(eq=False, slots=True)
class Fields(Value):
    """``x.__dict__``: the attributes of x as a dictionary."""

    home: Cell


@dataclass(eq=False, slots=True)
class Super(Value):
    receiver: Cell
    klass: Klass


class Scope:
    """A namespace; ``outer`` is the enclosing one."""

    __slots__ = ("globals", "module", "nonlocals", "outer", "vars")

    def __init__(self, outer: Scope | None = None, module: Scope | None = None) -> None:
        self.vars: dict[str, Value] = {}
        self.outer = outer
        self.module: Scope = module or (outer.module if outer else self)
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def sees(self, other: Scope) -> bool:
        """Whether ``other`` is this scope, or one around it."""
        return self is other or (self.outer is not None and self.outer.sees(other))

    def holder(self, name: str) -> Scope | None:
        """The scope that reading ``name`` from here reaches."""
        if name in self.globals:
            return self.module if name in self.module.vars else None
        scope: Scope | None = self
        while scope is not None:
            if name in scope.vars:
                return scope
            scope = scope.outer
        return None

    def target(self, name: str) -> Scope:
        """The scope that assigning ``name`` here writes."""
        if name in self.globals:
            return self.module
        if name in self.nonlocals:
            scope = self.outer
            while scope is not None:
                if name in scope.vars:
                    return scope
                scope = scope.outer
        return self


@dataclass(eq=False, slots=True)
class Slot:
    """A storage place that was there before the step: where it is, and the symbol for its old content."""

    home: Scope | Cell
    key: str
    symbol: Symbol
    cell: Value
    local: bool = False  # a plain name of the function that is analysed: lost unless it is returned


ANY = "[*]"  # the key of what stands for all elements of a list
UNSEEN = "<unseen>"  # among the keywords that a caller gives: what else an unseen one may give
Target = tuple[object, str]  # (scope or cell, key); key "" is the cell's own content


def release(made: Cell, scope: Scope) -> None:
    """What a function has made and gives away is no longer known by its name for it, but by where it is put next."""
    if not made.open and made.expr is None and scope.vars.get(made.place) is made:
        made.place = ""


def content(target: Target) -> Value | None:
    """What a place holds now."""
    home, key = target
    if isinstance(home, Scope):
        return home.vars.get(key)
    assert isinstance(home, Cell)
    return home if key == "" else home.items.get(key)


def forget(table: dict[str, Value], key: str) -> None:
    table.pop(key, None)


def is_none(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value is None


def numeric(value: Value | None) -> Expr | None:
    """The number that a value stands for, or None."""
    if isinstance(value, Cell):
        return value.expr
    if isinstance(value, Const):
        inner = value.value
        if isinstance(inner, bool):
            return const(int(inner), value.origin)
        if isinstance(inner, (int, float)):
            return const(inner, value.origin)
    return None


def own_one(value: Value) -> Value:
    """An element of a list that a comprehension makes of numbers: each has its own array, though one stands for all."""
    if isinstance(value, Cell) and value.expr is not None and value.expr.op == "const":
        return replace(value, items=dict(value.items), place="")
    return value


def one_of(value: Value) -> Value | None:
    """What stands for every element of a list; None where the value is none."""
    if isinstance(value, Cell) and value.growing and value.expr is None and value.items.keys() == {ANY}:
        return value.items[ANY]
    return value.element if isinstance(value, Each) else None


def is_filled(value: Value) -> bool:
    """An array that the code has made of one number: ``np.zeros(n)``."""
    return isinstance(value, Cell) and value.array and value.expr is not None and value.expr.op == "const"


def is_scalar(value: Value) -> bool:
    return isinstance(value, Const) or (isinstance(value, Cell) and value.scalar)


def unknown(place: str, **known: object) -> Cell:
    """A value that exists before the step: its content is a symbol of its own."""
    symbol = Symbol(place, **known)  # type: ignore[arg-type]
    return Cell(sym(symbol), place=place, open=True, array=symbol.array, scalar=False)
