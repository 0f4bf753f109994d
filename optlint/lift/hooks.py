"""What another method of the object computes once a step: ``begin()`` raises t, and keeps 1 − β^t for ``update(p)``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

import libcst as cst
from libcst import matchers

from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.frames import Frame, Leave
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import CONSTRUCTORS, Cell, Func, Klass, Unsupported, numeric
from optlint.lift.places import attribute

_ONE_MORE = matchers.AugAssign(operator=matchers.AddAssign(), value=matchers.Integer("1")) | matchers.Assign(
    value=matchers.BinaryOperation(operator=matchers.Add(), right=matchers.Integer("1"))
)
_PLAIN = (cst.Assign, cst.AugAssign, cst.AnnAssign, cst.Expr, cst.Pass)


def take_corrections(machine: Interpreter, receiver: Cell, klass: Klass, func: Func, frame: Frame) -> None:
    """Give the attributes that such a method computes from a count it raises what they are at any step."""
    for hook, names in _hooks(machine, klass, func):
        held = {name: receiver.items.get(attribute(name)) for name in names}
        before = {name: e for name, value in held.items() if (e := numeric(value)) is not None}
        mark, entered = machine.reached(), set(machine.entered)
        with suppress(Unsupported, Leave), machine.store.watching(dry=True):
            machine.inline(hook.bound(receiver), [], {}, None)
        after = {name: e for name in names if (e := numeric(receiver.items.get(attribute(name)))) is not None}
        machine.take_back(mark, forget_places=False)
        machine.entered = entered
        now = {after[n]: e for n, e in before.items() if n in after and after[n] == ex.op("add", e, ex.const(1))}
        for name, made in after.items():
            if made not in now and _is_correction(made, now):
                cell = Cell(ex.substitute(made, now), scalar=True)
                machine.store.restore(receiver, attribute(name), cell)
                slots = (s for s in machine.store.slots if s.home is receiver and s.key == attribute(name))
                frame.before.update({id(slot): cell.expr for slot in slots})


def _is_correction(made: Expr, counts: dict[Expr, Expr]) -> bool:
    """Holds 1 − βᵗ, where t is the count as the method leaves it."""
    powers = (n.args[1] for n in ex.walk(made) if n.op == "sub" and n.args[0] == ex.const(1))
    return any(p.op == "pow" and p.args[1] in counts for p in powers)


def _hooks(machine: Interpreter, klass: Klass, func: Func) -> Iterator[tuple[Func, set[str]]]:
    """Methods that take nothing and do nothing but give attributes new numbers, some of which ``func`` reads."""
    read = _attributes_of(func.node)
    for name, member in klass.members.items():
        if not isinstance(member, Func) or name in CONSTRUCTORS or member.node is func.node:
            continue
        changes = machine.changes.get(member.node)
        if changes is None or not (changes.rebound & read) or not changes.rebound | changes.mutated:
            continue
        body = member.node.body.body if isinstance(member.node, cst.FunctionDef) else []
        lines = [line for line in body if isinstance(line, cst.SimpleStatementLine)]
        small = [s for line in lines for s in line.body]
        counts = any(matchers.matches(s, _ONE_MORE) for s in small)
        alone = len(lines) == len(body) and len(member.node.params.params) == 1
        if counts and alone and all(isinstance(s, _PLAIN) for s in small):
            yield member, changes.rebound | changes.mutated


@lru_cache(maxsize=256)
def _attributes_of(node: cst.CSTNode) -> frozenset[str]:
    """All attributes that a function speaks of; it is run many times."""
    found = matchers.findall(node, matchers.Attribute())
    return frozenset(n.attr.value for n in found if isinstance(n, cst.Attribute))
