"""Differentiators that take a loss itself, or hand back its value, too: their results are named as derivatives of it.

An objective that is not called a loss may be one to climb, and is left as it was. "The value of": so that others can
tell it from a function that is differentiated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from optlint.lift.objects import Cell, Lib, Value, numeric
from optlint.lift.places import OF_A_VALUE, place_of
from optlint.lift.vocabulary.site import Handler, Site

_LOSS = re.compile(r"loss|cost|(?<![a-z])(?:error|mse|nll)(?![a-z])|cross_?entropy", re.IGNORECASE)


def _named(site: Site) -> str:
    """What the code calls the quantity that is differentiated, where that is a loss."""
    value = site.get(0, "cost", "target", "ys", "outputs", "loss", "fun")
    if value is None:
        return ""
    expr = numeric(value)
    names = [place_of(value) or "", *_held_as(site, value)]
    names += [s.name for s in reversed(site.machine.stored) if expr is not None and expr.args and s.expr == expr]
    return next((n for n in names if _LOSS.search(n)), "")


def _held_as(site: Site, value: Value) -> Iterator[str]:
    """The names, and the attributes of what has a name, that hold this very value."""
    for name, held in site.machine.scope.vars.items():
        if held is value:
            yield name
        elif isinstance(held, Cell):
            yield from (key for key, inner in held.items.items() if inner is value)


def _derivative(site: Site) -> Value | None:
    """``T.grad(cost, params)``, ``tf.gradients(loss, w)``, ``torch.autograd.grad(loss, w)``."""
    name = _named(site)
    if not name:
        return site.opaque()
    return site.machine.opaque(f"{OF_A_VALUE}{name}", site.args[1:], site.span)


def _with_value(site: Site) -> Value | None:
    """``jax.value_and_grad(loss)``: a function that hands back a value and its derivatives."""
    name = _named(site)
    return Lib(f"{OF_A_VALUE}{name}") if name else None


def _of_tape(site: Site) -> Value | None:
    """``tape.gradient(loss, weights)``."""
    tape = numeric(site.receiver) if site.receiver is not None else None
    if tape is None or tape.op != "opaque" or not str(tape.value).endswith("GradientTape"):
        return None
    name = _named(site)
    return site.machine.opaque(f"{OF_A_VALUE}{name}", site.args[1:], site.span) if name else None


NAMES: dict[str, Handler] = {
    **dict.fromkeys(("theano.grad", "tensorflow.gradients", "keras.gradients", "torch.autograd.grad"), _derivative),
    **dict.fromkeys(("jax.value_and_grad", "autograd.value_and_grad", "equinox.filter_value_and_grad"), _with_value),
}

METHODS: dict[str, Handler] = {"gradient": _of_tape}
