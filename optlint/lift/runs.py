"""One run of a function as some unseen caller starts it: its arguments, its object, and what persists between calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import libcst as cst

from optlint.lift.between import RunningProducts, make_ready
from optlint.lift.branches import Choices
from optlint.lift.changes import beginnings, changed_elsewhere, has_unseen_base, is_self
from optlint.lift.expression import Symbol, const, sym
from optlint.lift.frames import Frame, Leave
from optlint.lift.hooks import take_corrections
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import (
    ANY,
    Cell,
    Const,
    Func,
    Klass,
    Scope,
    Unsupported,
    Value,
    content,
    is_filled,
    is_none,
    numeric,
    one_of,
)
from optlint.lift.places import attribute, item, place_text
from optlint.lift.vocabulary.graph import commit, take_pairs

ZERO = const(0)


def run_entry(machine: Interpreter, func: Func, klass: Klass | None) -> Frame:
    """Run a function twice: dry, to see what it writes, then with symbols for what these places held before.

    Raises Unsupported where the code cannot be followed.
    """
    frame = Frame("function", machine.spans[func.unit](func.node))
    frame.before = {id(s): numeric(content((s.home, s.key))) for s in machine.store.slots}
    first = len(machine.store.slots)
    receiver = instance(machine, klass) if klass is not None and not func.static else None
    if receiver is not None and klass is not None:
        frame.saved = _saved(machine, receiver, klass, func)
        frame.unseen_kin = has_unseen_base(klass)
        take_corrections(machine, receiver, klass, func, frame)
    scope = Scope(func.scope)
    bound = func.bound(receiver)
    own = len(machine.store.slots)
    machine.bind_parameters(bound, scope, [], {}, entry=True)
    frame.slots.extend(machine.store.slots[own:])
    for slot in machine.store.slots[first:own]:
        slot.local = True
    body = func.node.body
    products: RunningProducts | None = None
    if receiver is not None and klass is not None:
        own_products = machine.changes[func.node].products if func.node in machine.changes else ()
        products = RunningProducts(machine, receiver, changed_elsewhere(machine.changes, klass), own_products)
    with machine.inside(bound, scope):
        mark = machine.store.mark()
        machine.scanning = True
        try:
            with machine.store.watching(dry=True) as log:
                _body(machine, body)
        finally:
            machine.scanning = False
        machine.store.rollback(mark)
        if products is not None:
            products.before(log)
        calls = [Symbol(s.key, kind="index", iterates="count", start=ZERO) for s in frame.slots if s.local]
        begun = machine.histories((t for t in log if t[1] == ANY), calls, None)
        for target in log:
            home, key = target
            if id(home) in begun:
                continue
            if home is scope or (isinstance(home, Cell) and not home.place):
                continue
            if key == "" and isinstance(home, Cell) and home.expr is not None and home.expr.op == "sym":
                continue  # it holds a symbol of its own already
            if content(target) is None and not (isinstance(home, Cell) and _is_there(machine, home, key)):
                continue
            machine.refresh(target, None)
        frame.returned = _body(machine, body, frame)
        if products is not None:
            products.after(_read(machine, frame))
        take_pairs(machine, frame.returned, frame.span)
        commit(machine)
    return frame


def _read(machine: Interpreter, frame: Frame) -> set[Symbol]:
    """Every symbol in what a run leaves somewhere, or hands back."""
    left = [numeric(content((s.home, s.key))) for s in (*machine.store.slots, *frame.slots)]
    left += [post for one in machine.frames for _, post in one.posts]
    left += [expr for _, expr, _ in machine.pending] + [*machine.sinks]
    left += machine.leaves(frame.returned) if frame.returned is not None else []
    return set().union(*(e.symbols for e in left if e is not None and e.args))


def _is_there(machine: Interpreter, home: Cell, key: str) -> bool:
    """A child of a container, or an element of an array whose elements are all alike."""
    return machine.lookup(home, key) is not None or (is_filled(home) and key.startswith("[{"))


def _body(machine: Interpreter, body: cst.BaseSuite | cst.BaseExpression, frame: Frame | None = None) -> Value | None:
    if isinstance(body, cst.BaseExpression):
        return machine.eval(body)
    try:
        machine.run(body)
    except Leave as leave:
        if frame is not None:
            frame.broken_off = leave.how == "raise"
        return leave.value
    return None


def instance(machine: Interpreter, klass: Klass) -> Cell:
    """``self`` as ``__init__`` leaves it; what other methods change is unknown."""
    machine.work = 0
    cell = Cell(klass=klass, place="self", open=True)
    init = klass.find("__init__") or klass.find("__post_init__")
    choices, machine.choices = machine.choices, Choices()
    if isinstance(init, Func):
        with suppress(Unsupported, Leave):
            machine.inline(init.bound(cell), [], {}, None, entry=True)
    machine.choices = choices
    for value in cell.items.values():
        if isinstance(value, Cell) and not value.place:
            value.place = "self"
    shared = {attribute(name): member for name, member in _of_the_class(klass).items()}
    shared = {key: member for key, member in shared.items() if key not in cell.items}
    cell.items.update(shared)
    changes = changed_elsewhere(machine.changes, klass)
    begun = {attribute(name): (number, alone) for name, number, alone in beginnings(changes)}
    cell.items |= {key: Const(number) for key, (number, _) in begun.items() if key not in cell.items}
    steady = {key for key, (number, alone) in begun.items() if alone and _is_number(cell.items[key], number)}
    for key, value in list(cell.items.items()):
        if isinstance(value, Const) and isinstance(value.value, (int, float)) and not isinstance(value.value, bool):
            machine.setting(cell, key, value)
            if key in shared:  # ``Adam.beta1`` is ``self.beta1``
                machine.constants[klass, key] = cell.items[key]
        elif isinstance(value, Const) and isinstance(value.value, str) and cell.place + key in machine.selectors:
            symbol = Symbol(cell.place + key, external=True, literal=(value.value,))  # for its user to set
            machine.store.restore(cell, key, Cell(sym(symbol), place=symbol.name, open=True))
    empty = {n for n in changes.made if (held := cell.items.get(attribute(n))) is None or is_none(held)}
    for name in sorted(changes.rebound | changes.mutated | changes.filled):
        held = cell.items.get(attribute(name))
        if name not in changes.rebound | changes.mutated:  # it was None at first, and has become a container
            if isinstance(held, Const) and held.value is None:
                machine.refresh((cell, attribute(name)), None)
        elif name not in changes.rebound and isinstance(held, Cell) and held.array:
            if held.expr is not None and held.expr.op != "sym":  # one array may have two names
                machine.refresh((held, ""), None)
        elif held is not None and attribute(name) not in steady:
            _made_unknown(machine, cell, attribute(name))
    for name, key in sorted(changes.entries):  # ``self.state["step"] += 1``, perhaps through a property
        home = machine.child(cell, attribute(name)) if attribute(name) in cell.items or klass.find(name) else None
        place = item(repr(key))
        first = (machine.lookup(home, place) or machine.initial_of(home, place)) if isinstance(home, Cell) else None
        if isinstance(home, Cell) and first is not None and numeric(first) is not None:
            _made_unknown(machine, home, place)
    make_ready(machine, cell, changes, empty)
    for part in _parts(cell):
        assert part.klass is not None
        for name in sorted(changes.rebound | changed_elsewhere(machine.changes, part.klass).rebound):
            if attribute(name) in part.items:
                _made_unknown(machine, part, attribute(name))
    lists: dict[int, Value] = {}  # one may have two names: ``self.m = self.v = [zeros, …]``
    for key, value in list(cell.items.items()):
        if id(value) in lists:
            machine.store.restore(cell, key, lists[id(value)])
        elif _is_empty(value):  # for others to fill: a constant it would be of no use
            machine.refresh((cell, key), None)
            lists[id(value)] = cell.items[key]
    machine.frames, machine.stored, machine.sinks, machine.entered = [], [], [], set()
    return cell


def _made_unknown(machine: Interpreter, home: Cell, key: str) -> None:
    """Another method gives the place its number: what it begins with says nothing of what it is."""
    machine.refresh((home, key), None)
    now = numeric(home.items[key])
    if now is not None and now.op == "sym":
        now.symbol.default = None


def _is_number(value: Value, number: float) -> bool:
    return isinstance(value, Const) and not isinstance(value.value, bool) and value.value == number


def _saved(machine: Interpreter, receiver: Cell, klass: Klass, func: Func) -> dict[str, str]:
    """What other methods than this one save: ``self.before = self.net.weights``, by the names of the places."""
    own = machine.changes[func.node].rebound if func.node in machine.changes else set()
    found = {}
    for name, node in changed_elsewhere(machine.changes, klass).saved.items():
        place = _place_named(machine, receiver, node)
        if name not in own and place:
            found[f"{receiver.place}.{name}"] = place
    return found


def _place_named(machine: Interpreter, receiver: Cell, node: cst.BaseExpression) -> str:
    """The name of what an attribute of ``self``, or of one of its parts, holds."""
    names: list[str] = []
    while isinstance(node, cst.Attribute):
        names.append(node.attr.value)
        node = node.value
    held: Value = receiver
    for name in reversed(names if is_self(node) else []):
        if not isinstance(held, Cell):
            return ""
        held = machine.child(held, attribute(name))
    return place_text(held.place) if isinstance(held, Cell) and held is not receiver else ""


def _parts(home: Cell) -> Iterator[Cell]:
    """The objects of the file's own classes that an object holds, by itself or in lists."""
    for value in home.items.values():
        held = list(value.items.values()) if isinstance(value, Cell) and value.growing else [value]
        yield from (v for v in held if isinstance(v, Cell) and v.klass is not None and v is not home)


def _of_the_class(klass: Klass) -> dict[str, Const]:
    """Constants that a class and its bases give to their objects: ``class Adam: beta = 0.9``."""
    found: dict[str, Const] = {}
    for one in (klass, *klass.bases):
        if isinstance(one, Klass):
            own = one.members if one is klass else _of_the_class(one)
            constants = {k: Const(v.value, v.origin) for k, v in own.items() if isinstance(v, Const)}
            found = constants | found
    return found


def _is_empty(value: Value) -> bool:
    """A list of arrays of zeros."""
    element = one_of(value) if isinstance(value, Cell) else None
    return isinstance(element, Cell) and element.array and element.expr == ZERO and not element.growing
