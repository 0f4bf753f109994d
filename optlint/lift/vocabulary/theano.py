"""Theano, and what is built on it (Lasagne, Blocks, downhill)."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.objects import Cell, Const, Value
from optlint.lift.vocabulary.graph import builds_graphs, choice, commit, take_pairs, variable, zero_variable
from optlint.lift.vocabulary.site import Handler, Site, elementwise, same, unknown


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
    if not isinstance(site.receiver, Cell) or site.receiver.expr is None or not site.args:
        return None
    site.machine.store.fill(site.receiver, site.expr(site.args[0]), site.span)
    return Const(None)


_OF_ZEROS = frozenset({"shared_like", "shared0s", "shared_zeros", "shared_floatx_zeros"})


def made_elsewhere(site: Site, name: str) -> Value | None:
    """``sharedX(…)``, ``shared_like(p)``: a library's helper that makes a shared variable."""
    last = name.rpartition(".")[2].lower()
    if last.startswith("shared") and builds_graphs(site.machine):
        return zero_variable(site) if last in _OF_ZEROS else variable(site)
    return None


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
    "theano.grad": unknown,
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
