"""What a call's arguments are bound to: what is given, defaults, and symbols for what unseen callers give."""

from __future__ import annotations

import libcst as cst
from libcst import matchers

from optlint.lift import expression as ex
from optlint.lift.annotations import ARRAYS, annotated
from optlint.lift.evaluator import Evaluator
from optlint.lift.expression import Symbol
from optlint.lift.objects import UNSEEN, Cell, Const, Func, Scope, Seq, Slot, Value, numeric
from optlint.lift.places import is_called_rate, place_text


class Arguments(Evaluator):
    """Binds parameters, and numbers that ``__init__`` fixes."""

    def bind_parameters(
        self, func: Func, scope: Scope, args: list[Value], kwargs: dict[str, Value], entry: bool = False
    ) -> None:
        """Bind a call's arguments; at an ``entry`` every argument is some unseen caller's, defaults included."""
        params = func.node.params
        unseen = kwargs.pop(UNSEEN, None) is not None
        names = [p.name.value for p in (*params.posonly_params, *params.params)]
        if func.receiver is not None:
            args = [func.receiver, *args]
        for name, value in zip(names, args, strict=False):
            self.store.bind(scope, name, value)
        extra = args[len(names) :]
        for name in [*names[len(args) :], *(p.name.value for p in params.kwonly_params)]:
            default = None if entry or (unseen and _is_switch(func.defaults.get(name))) else func.defaults.get(name)
            given = kwargs.pop(name) if name in kwargs else default
            self.store.bind(scope, name, given if given is not None else self.parameter(func, scope, name))
        if isinstance(params.star_arg, cst.Param):
            name = params.star_arg.name.value
            unknown = entry and not extra and _is_indexed(func, name)  # ``w, g = args[0], args[1]``
            self.store.bind(scope, name, Cell(place=name, open=True) if unknown else Seq(extra))
        if params.star_kwarg is not None:
            rest = Cell(place=params.star_kwarg.name.value, open=True)
            rest.items.update({f"[{k!r}]": v for k, v in kwargs.items()})
            if entry or unseen:
                rest.items[UNSEEN] = Const(None)
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
            for i, value in enumerate(default.elements):
                if isinstance(value, Const) and isinstance(value.value, float):  # ``betas=(0.9, 0.999)``
                    part = Symbol(f"{name}[{i}]", default=value.value, external=True, literal=(value.value,))
                    cell.items[f"[{i}]"] = Cell(ex.sym(part), place=part.name, scalar=True)
        elif default is None and name in annotated(func.node.params, {"bool"}):
            symbol.literal = (False,)
            cell.scalar = True
        if name in annotated(func.node.params, ARRAYS):
            symbol.array = cell.array = True
        elif name in annotated(func.node.params, {"float", "int"}) or is_called_rate(name):
            cell.scalar = True  # ``lr *= …`` leaves the caller's as it is
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


def _is_indexed(func: Func, name: str) -> bool:
    """The function takes single ones of its unnamed arguments."""
    return bool(matchers.findall(func.node.body, matchers.Subscript(value=matchers.Name(name))))


def _is_switch(value: Value | None) -> bool:
    """What is off, or left out, by default."""
    return isinstance(value, Const) and (value.value is None or isinstance(value.value, bool))
