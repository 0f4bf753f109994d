"""Calls and statements on symbols instead of numbers. Branches and loops are the interpreter's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift.branches import Choices, follows_time
from optlint.lift.evaluator import MAX_WORK, Evaluator, dotted, place_text
from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import (
    Cell,
    Const,
    Each,
    Func,
    Klass,
    Lib,
    Method,
    Scope,
    Seq,
    Slot,
    Super,
    Unsupported,
    Value,
    is_scalar,
    numeric,
)
from optlint.lift.places import WHOLE, attribute, place_of
from optlint.lift.vocabulary import (
    GLOBAL_NAMES,
    UNARY,
    Handler,
    Site,
    attribute_handler,
    is_library,
    library_name,
    method_handler,
    name_handler,
    unknown_call,
)
from optlint.lift.vocabulary.graph import take_pairs
from optlint.lift.vocabulary.records import fill_fields
from optlint.model import Span

if TYPE_CHECKING:
    from optlint.lift.interpreter import Interpreter

MAX_DEPTH = 14
IMMUTABLE = frozenset({"jax", "flax", "optax", "tensorflow", "theano"})
CONTENT = frozenset({"data"})  # ``p.data = x`` gives the array p another content


class Leave(Exception):
    """Control leaves the block: "return", "break", "continue" or "raise"."""

    def __init__(self, how: str, value: Value | None = None) -> None:
        self.how = how
        self.value = value


@dataclass(slots=True)
class Frame:
    """A repeated piece of program: a function that is called for each step, or a loop body."""

    kind: str  # "function" or "loop"
    span: Span | None
    indices: list[Symbol] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    posts: list[tuple[Slot, Expr]] = field(default_factory=list)
    returned: Value | None = None
    depth: int = 0
    before: dict[int, Expr | None] = field(default_factory=dict)  # what the module's code left in places, by slot


@dataclass(slots=True)
class Stored:
    """A local value that the code computed and named; an update that never uses it is suspicious."""

    name: str
    expr: Expr
    span: Span | None


class Statements(Evaluator):
    def __init__(self, choices: Choices | None = None) -> None:
        super().__init__()
        self.choices = choices or Choices()
        self.frames: list[Frame] = []
        self.stored: list[Stored] = []
        self.sinks: list[Expr] = []  # what unknown calls get as statements: ``layer.step(name, -update)``
        self.scanning = False
        self.unseen: dict[str, int] = {}  # calls of code that is not in sight, with how much they take
        self.loops: list[Frame] = []
        self.stack: list[cst.CSTNode] = []
        self.classes: list[Klass | None] = []
        self.shared: list[tuple[str, ...]] = []  # names that one assignment binds to the same array
        self.nested: list[Func] = []  # functions defined inside functions
        self.imports: set[str] = set()
        self.spans: dict[int, Callable[[cst.CSTNode], Span | None]] = {}
        self.unit = 0
        self.pending: list[tuple[Cell, Expr, Span | None]] = []  # writes of a graph that has yet to run

    @property
    def whole(self) -> Interpreter:
        """The running interpreter (statements are only ever its base)."""
        return cast("Interpreter", self)

    # hooks of the evaluator

    def resolve_global(self, name: str) -> Value | None:
        if name in GLOBAL_NAMES:
            return Lib(GLOBAL_NAMES[name])
        return Lib(f"builtins.{name}") if name_handler(f"builtins.{name}") else None

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
            if home.klass is not None:
                found = home.klass.find(name)
                if found is not None:
                    return self.bound(found, home)
        return Method(home, name, span)

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
        if expr is not None and follows_time(expr):
            return None
        if expr is None or self.scanning:
            return None if self.scanning or not isinstance(condition, (Seq, Cell)) else True
        return self.choices.take(expr, self.span_of(node))

    # calls

    def call(self, callee: Value, args: list[Value], kwargs: dict[str, Value], span: Span | None, text: str) -> Value:
        if isinstance(callee, Func):
            return self.inline(callee, args, kwargs, span)
        if isinstance(callee, Klass):
            return self.instantiate(callee, args, kwargs, span)
        if isinstance(callee, Cell) and callee.klass is not None:
            special = callee.klass.find("__call__")
            if isinstance(special, Func):
                return self.inline(special.bound(callee), args, kwargs, span)
        site = Site(self.whole, args, kwargs, span, text)
        if isinstance(callee, Lib):
            handler = name_handler(library_name(callee.name))
            known = handler(site) if handler is not None else None
            if known is not None:
                return known
        if isinstance(callee, Method):
            borrowed = self.borrowed(callee, args)
            known = borrowed(site) if borrowed is not None else None
            if known is not None:  # a module whose import is out of sight: ``nd.sqrt(x)``
                return known
            site.receiver = callee.receiver
            method = method_handler(callee.name)
            if method is not None:
                result = method(site)
                if result is not None:
                    return result
        made = unknown_call(site, place_of(callee) or text)
        if made is not None:
            return made
        parts: list[Value] = [*args, *kwargs.values()]
        self.unseen[place_of(callee) or text] = len(parts)
        if isinstance(callee, Method) and not (isinstance(callee.receiver, Cell) and callee.receiver.klass):
            parts.insert(0, callee.receiver)  # ``self.f(x)`` is no function of everything that self holds
        return self.opaque(place_of(callee) or text, parts, span)

    def borrowed(self, callee: Method, args: list[Value]) -> Handler | None:
        """A function of a module out of sight: ``nd.sqrt(x)``, ``self.ops.xp.sqrt(x)``."""
        unary = callee.name in UNARY and len(args) == 1 and isinstance(callee.receiver, Cell)
        if args and (unary or self.is_free(callee.receiver)):
            return name_handler(f"numpy.{callee.name}")
        return None

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
        with self.inside(func, scope):
            if isinstance(func.node, cst.Lambda):
                return self.eval(func.node.body)
            try:
                self.run(func.node.body)
            except Leave as leave:
                if leave.how == "return" and leave.value is not None:
                    return leave.value
        return Const(None)

    @contextmanager
    def inside(self, func: Func, scope: Scope) -> Iterator[None]:
        saved = (self.scope, self.span_of, self.unit)
        self.scope = scope
        self.unit = func.unit
        self.span_of = self.spans.get(func.unit, self.span_of)
        self.stack.append(func.node)
        self.classes.append(func.klass)
        try:
            yield
        finally:
            self.scope, self.span_of, self.unit = saved
            self.stack.pop()
            self.classes.pop()

    def bind_parameters(
        self, func: Func, scope: Scope, args: list[Value], kwargs: dict[str, Value], entry: bool = False
    ) -> None:
        """Bind a call's arguments; at an ``entry`` every argument is some unseen caller's, defaults included."""
        params = func.node.params
        names = [p.name.value for p in (*params.posonly_params, *params.params)]
        if func.receiver is not None:
            args = [func.receiver, *args]
        for name, value in zip(names, args, strict=False):
            self.store.bind(scope, name, value)
        extra = args[len(names) :]
        for name in [*names[len(args) :], *(p.name.value for p in params.kwonly_params)]:
            given = kwargs.pop(name) if name in kwargs else None if entry else func.defaults.get(name)
            self.store.bind(scope, name, given if given is not None else self.parameter(func, scope, name))
        if isinstance(params.star_arg, cst.Param):
            self.store.bind(scope, params.star_arg.name.value, Seq(extra))
        if params.star_kwarg is not None:
            rest = Cell(place=params.star_kwarg.name.value, open=True)
            rest.items.update({f"[{k!r}]": v for k, v in kwargs.items()})
            self.store.bind(scope, params.star_kwarg.name.value, rest)

    def parameter(self, func: Func, scope: Scope, name: str) -> Cell:
        """An argument that some unseen caller gives."""
        default = func.defaults.get(name)
        symbol = Symbol(name, external=True)
        cell = Cell(ex.sym(symbol), place=name, open=True)
        if isinstance(default, Const):
            symbol.literal = (default.value,)
            if isinstance(default.value, (int, float)) and not isinstance(default.value, bool):
                symbol.default = default.value
                cell.scalar = True
            elif isinstance(default.value, bool):
                cell.scalar = True
        elif isinstance(default, Seq):
            cell.items["<template>"] = Cell(items={f"[{i}]": v for i, v in enumerate(default.elements)})
        elif default is None and name in _annotated(func.node.params, {"bool"}):
            symbol.literal = (False,)
            cell.scalar = True
        if name in _annotated(func.node.params, _ARRAYS):
            symbol.array = cell.array = True
        self.store.add_slot(Slot(scope, name, symbol, cell, local=True))
        return cell

    def setting(self, home: Cell, key: str, value: Const) -> None:
        """A number that ``__init__`` fixes: a symbol with that value, so that others can be tried."""
        symbol = Symbol(place_text(home.place + key), literal=(value.value,))
        if isinstance(value.value, (int, float)):
            symbol.default = value.value
        symbol.initial = symbol.entry = numeric(value)
        cell = Cell(ex.sym(symbol), place=home.place + key, scalar=True)
        self.store.restore(home, key, cell)

    def instantiate(self, klass: Klass, args: list[Value], kwargs: dict[str, Value], span: Span | None) -> Cell:
        cell = Cell(klass=klass, open=True)
        init = klass.find("__init__")
        if isinstance(init, Func) and not self.scanning:
            self.inline(init.bound(cell), args, kwargs, span)
        elif init is None:
            fill_fields(cell, klass, args, kwargs)
        return cell

    def eval_Yield(self, node: cst.Yield) -> Value:
        if isinstance(node.value, cst.BaseExpression):
            value = self.eval(node.value)
            if not take_pairs(self.whole, value, self.span_of(node)) and not self.scanning:
                self.sinks.extend(self.leaves(value))
        return Const(None)

    # statements

    def run(self, body: cst.BaseSuite | Sequence[cst.CSTNode]) -> None:
        for statement in body.body if isinstance(body, cst.BaseSuite) else body:
            if isinstance(statement, cst.SimpleStatementLine):
                for small in statement.body:
                    self.execute(small)
            else:
                self.execute(statement)

    def execute(self, node: cst.CSTNode) -> None:
        self.work += 1
        if self.work > MAX_WORK:
            raise Unsupported("too large to follow", self.span_of(node))
        method = getattr(self, "exec_" + type(node).__name__, None)
        if method is not None:
            method(node)

    def exec_Expr(self, node: cst.Expr) -> None:
        if not isinstance(node.value, (cst.SimpleString, cst.ConcatenatedString)):
            value = self.eval(node.value)
            expr = numeric(value)
            if expr is not None and expr.op == "opaque" and not self.scanning:
                self.sinks.extend(expr.args)

    def exec_Assign(self, node: cst.Assign) -> None:
        value = self.eval(node.value)
        if len(node.targets) > 1 and isinstance(value, Cell) and value.array and not self.scanning:
            self.shared.append(tuple(dotted(t.target) for t in node.targets))
        for target in node.targets:
            if not (is_opaque(value) and _passed_through(target.target, node.value)):
                self.assign(target.target, value, self.span_of(node))

    def exec_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value), self.span_of(node))

    def assign(self, target: cst.BaseExpression, value: Value, span: Span | None) -> None:
        if isinstance(target, cst.Name):
            self.note(target.value, value, span)
            self.store.bind(self.scope.target(target.value), target.value, value, span)
        elif isinstance(target, cst.Attribute):
            home = self.eval(target.value)
            expr = numeric(value)
            if target.attr.value in CONTENT and isinstance(home, Cell) and home.expr is not None and expr is not None:
                self.store.fill(home, expr, span)
            elif isinstance(home, Cell):
                self.store.put(home, attribute(target.attr.value), value, span)
                self.note(f"{home.place}.{target.attr.value}", value, span)
            elif isinstance(home, Klass):
                home.members[target.attr.value] = value
        elif isinstance(target, cst.Subscript):
            home = self.eval(target.value)
            key = self.subscript(target)
            if isinstance(home, Cell) and home.growing and isinstance(target.slice[0].slice, cst.Index):
                take_pairs(self.whole, Seq([self.eval(target.slice[0].slice.value), value]), span)
            if isinstance(home, Cell):
                self.put_item(home, key, value, span)
            elif isinstance(home, Seq):
                self._put_element(home, key, value)
        elif isinstance(target, (cst.Tuple, cst.List)):
            self.unpack(target, value, span)
        elif isinstance(target, cst.StarredElement):
            self.assign(target.value, value, span)

    def put_item(self, home: Cell, key: str, value: Value, span: Span | None) -> None:
        if key == WHOLE:
            expr = numeric(value)
            if expr is not None:
                self.store.fill(home, expr, span)
            return
        self.note(f"{home.place}{key}", value, span)
        self.store.put(home, key, value, span)

    def _put_element(self, home: Seq, key: str, value: Value) -> None:
        try:
            position = int(key[1:-1])
            old = home.elements[position]
        except (ValueError, IndexError):
            return
        home.elements[position] = value
        self.store.journal.append(lambda: home.elements.__setitem__(position, old))

    def note(self, name: str, value: Value, span: Span | None) -> None:
        expr = numeric(value)
        if expr is not None and expr.args and not self.scanning:
            self.stored.append(Stored(name, expr, span))

    def unpack(self, target: cst.Tuple | cst.List, value: Value, span: Span | None) -> None:
        count = len(target.elements)
        for index, element in enumerate(target.elements):
            if isinstance(value, Seq) and len(value.elements) == count:
                part = value.elements[index]
            elif isinstance(value, Each):
                part = value.element
            elif isinstance(value, Const):
                part = value
            else:
                part = self.child(value, f"[{index}]", span)
            inner = element.value
            if isinstance(inner, (cst.Tuple, cst.List)):
                self.unpack(inner, part, span)
            else:
                self.assign(inner, part, span)

    def exec_AugAssign(self, node: cst.AugAssign) -> None:
        old = self.eval(node.target)
        right = self.eval(node.value)
        span = self.span_of(node)
        if isinstance(old, Seq) or (isinstance(old, Cell) and old.expr is None and old.growing):
            if isinstance(old, Seq) and isinstance(right, Seq):
                self.assign(node.target, Seq(old.elements + right.elements), span)
            return
        result = self.binary(type(node.operator), old, right, span)
        if self.mutates(old, right):
            assert isinstance(old, Cell)
            self.store.fill(old, self.number(result), span)
            self.note(old.place, result, span)
            if isinstance(node.target, cst.Name):
                self.store.restore(self.scope.target(node.target.value), node.target.value, old)
        else:
            self.assign(node.target, result, span)

    @property
    def immutable_arrays(self) -> bool:
        """The file's arrays are JAX's, TensorFlow's, Theano's or needle's: ``x += y`` binds a new one."""
        roots = {name.split(".")[0] for name in self.imports}
        return "needle" in roots or (bool(roots & IMMUTABLE) and not roots & {"numpy", "torch", "cupy", "mxnet"})

    def mutates(self, old: Value, right: Value) -> bool:
        """Whether ``old += right`` changes the object (an array) or makes a new one (a number)."""
        if not isinstance(old, Cell) or is_scalar(old) or self.immutable_arrays:
            return False
        if old.array or (isinstance(right, Cell) and right.array):
            return True
        return not (isinstance(right, Const) and isinstance(right.value, int))

    def exec_Return(self, node: cst.Return) -> None:
        value = self.eval(node.value) if node.value is not None else Const(None)
        raise Leave("return", value)

    def exec_Break(self, node: cst.Break) -> None:
        raise Leave("break")

    def exec_Continue(self, node: cst.Continue) -> None:
        raise Leave("continue")

    def exec_Raise(self, node: cst.Raise) -> None:
        raise Leave("raise")

    def exec_Global(self, node: cst.Global) -> None:
        self.scope.globals.update(n.name.value for n in node.names)

    def exec_Nonlocal(self, node: cst.Nonlocal) -> None:
        self.scope.nonlocals.update(n.name.value for n in node.names)

    def exec_Del(self, node: cst.Del) -> None:
        pass

    def exec_Import(self, node: cst.Import) -> None:
        for alias in node.names:
            name = alias.evaluated_name
            self.imports.add(name)
            shown = alias.evaluated_alias or name.split(".")[0]
            self.store.bind(self.scope, shown, Lib(name if alias.evaluated_alias else name.split(".")[0]))

    def exec_ImportFrom(self, node: cst.ImportFrom) -> None:
        module = _module_name(node)
        self.imports.add(module)
        if isinstance(node.names, cst.ImportStar):
            return
        for alias in node.names:
            shown = alias.evaluated_alias or alias.evaluated_name
            relayed = shown in GLOBAL_NAMES and (node.relative or not is_library(module))
            name = GLOBAL_NAMES[shown] if relayed else f"{module}.{alias.evaluated_name}"  # ``from .compat import np``
            self.store.bind(self.scope, shown, Lib(name))

    def exec_FunctionDef(self, node: cst.FunctionDef) -> None:
        func = self.function(node, None)
        if len(self.stack) and not self.scanning:
            self.nested.append(func)
        self.store.bind(self.scope, node.name.value, func)

    def function(self, node: cst.FunctionDef, klass: Klass | None) -> Func:
        func = Func(node.name.value, node, self.scope, None, klass, self.unit)
        func.defaults = self.defaults(node.params)
        names = {d.decorator.value for d in node.decorators if isinstance(d.decorator, cst.Name)}
        func.static = "staticmethod" in names
        func.computed = bool(names & {"property", "cached_property"})
        return func

    def exec_ClassDef(self, node: cst.ClassDef) -> None:
        bases = [self.eval(b.value) for b in node.bases]
        klass = Klass(node.name.value, node, self.scope, bases, self.unit)
        outer = self.scope
        self.scope = Scope(outer)
        try:
            for statement in node.body.body:
                if isinstance(statement, cst.FunctionDef):
                    func = self.function(statement, klass)
                    func.scope = outer
                    klass.members[statement.name.value] = func
                elif isinstance(statement, cst.SimpleStatementLine):
                    self.run([statement])
            klass.members.update({k: v for k, v in self.scope.vars.items() if k not in klass.members})
        finally:
            self.scope = outer
        self.store.bind(self.scope, node.name.value, klass)


def is_opaque(value: Value) -> bool:
    expr = numeric(value)
    return expr is not None and expr.op == "opaque"


def _passed_through(target: cst.BaseExpression, value: cst.BaseExpression) -> bool:
    """``p, g, m = as_real(p, g, m)``: an unseen function that gives back, in order, what it got: views of it."""
    if not isinstance(target, cst.Tuple) or not isinstance(value, cst.Call) or len(target.elements) < 2:
        return False
    got = [a.value.value if isinstance(a.value, cst.Name) else "" for a in value.args]
    names = [e.value.value if isinstance(e.value, cst.Name) else "?" for e in target.elements]
    return got == names


_HOLDERS = frozenset({"list", "List", "Sequence", "Optional"})
_ARRAYS = frozenset({"Tensor", "ndarray", "Array", "NDArray", "ArrayLike"})


def _annotated(params: cst.Parameters, types: Collection[str]) -> set[str]:
    """Parameters whose annotation names one of the types, also inside a list: ``list[torch.Tensor]``."""
    found: set[str] = set()
    for p in (*params.posonly_params, *params.params, *params.kwonly_params):
        if p.annotation is not None:
            named = {_last_name(n) for n in _inside(p.annotation.annotation)}
            if named & set(types):
                found.add(p.name.value)
    return found


def _inside(annotation: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """The types that an annotation is made of; unions with numbers say nothing."""
    if isinstance(annotation, cst.Subscript) and _last_name(annotation.value) in (
        "list",
        "List",
        "Sequence",
        "Optional",
    ):
        for element in annotation.slice:
            if isinstance(element.slice, cst.Index):
                yield from _inside(element.slice.value)
    else:
        yield annotation


def _last_name(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _module_name(node: cst.ImportFrom) -> str:
    parts: list[str] = []
    module: cst.BaseExpression | None = node.module
    while isinstance(module, cst.Attribute):
        parts.append(module.attr.value)
        module = module.value
    if isinstance(module, cst.Name):
        parts.append(module.value)
    return ".".join(reversed(parts))
