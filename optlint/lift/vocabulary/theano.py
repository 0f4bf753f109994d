"""Theano, and what is built on it (Lasagne, Blocks, downhill)."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.objects import Cell, Const, Seq, Value
from optlint.lift.vocabulary.elements import records
from optlint.lift.vocabulary.graph import (
    builds_graphs,
    choice,
    commit,
    is_pair,
    take_pairs,
    variable,
    zero_variable,
)
from optlint.lift.vocabulary.site import Handler, Site, elementwise, same


def _function(site: Site) -> Value | None:
    """``theano.function(inputs, outputs, updates=pairs)``: from here on the pairs have taken effect."""
    take_pairs(site.machine, site.kwargs.get("updates"), site.span, stated=True)
    commit(site.machine)
    return site.opaque()


def _append(site: Site) -> Value | None:
    """``updates.append((v, new))``."""
    if site.args and take_pairs(site.machine, site.args[0], site.span):
        return Const(None)
    return None


def _extend(site: Site) -> Value | None:
    """``updates.extend(pairs)``, or any list's elements."""
    if not site.args or not isinstance(site.receiver, Cell):
        return None
    if take_pairs(site.machine, site.args[0], site.span):
        return Const(None)
    more = site.args[0]
    if isinstance(more, Cell) and more.growing:
        for key, value in more.items.items():
            site.machine.store.put(site.receiver, key, value, site.span)
        return Const(None)
    return None


def _set_value(site: Site) -> Value | None:
    """``p.set_value(…)`` of a shared variable, or of an object whose ``p.value`` was read."""
    if isinstance(site.receiver, Cell) and isinstance(site.receiver.items.get(".value"), Cell) and site.args:
        site.machine.store.put(site.receiver, ".value", site.args[0], site.span)
        return Const(None)
    if not isinstance(site.receiver, Cell) or site.receiver.expr is None or not site.args:
        return None
    site.machine.store.fill(site.receiver, site.expr(site.args[0]), site.span)
    return Const(None)


_OF_ZEROS = ("shared_like", "shared0s")


def made_elsewhere(site: Site, name: str) -> Value | None:
    """What an unseen helper of a graph library makes.

    ``sharedX(…)``, ``shared_zeros_like(p)``: a shared variable. ``floatX(1.0)``: its argument. ``concat(…)``: the
    pairs that it is given.
    """
    if not builds_graphs(site.machine):
        return None
    last = name.rpartition(".")[2].lower()
    if last.startswith("shared"):
        return zero_variable(site) if last in _OF_ZEROS or "zero" in last else variable(site)
    if last.endswith("floatx"):
        return same(site)
    return Seq(list(site.args)) if any(is_pair(v) for a in site.args for v in records(a)) else None


NAMES: dict[str, Handler] = {
    "theano.shared": variable,
    "theano.function": _function,
    "theano.switch": choice,
    "theano.cast": same,
    "theano.as_tensor_variable": same,
    "theano.constant": same,
    "theano.patternbroadcast": same,
    "theano.addbroadcast": same,
    "theano.unbroadcast": same,
    "theano.true_div": elementwise("div", 2),
    "theano.ge": elementwise("ge", 2),
    "theano.gt": elementwise("gt", 2),
    "theano.lt": elementwise("lt", 2),
    "theano.le": elementwise("le", 2),
    "theano.eq": elementwise("eq", 2),
    "theano.gradient.disconnected_grad": same,
    "theano.zero_grad": same,
    "lasagne.utils.floatX": same,
    "theano.inv": lambda site: (
        site.result(ex.op("div", ex.const(1), site.expr(site.args[0]), origin=site.span), *site.args)
        if site.args
        else None
    ),
}

METHODS: dict[str, Handler] = {
    "append": _append,
    "extend": _extend,
    "set_value": _set_value,
}
