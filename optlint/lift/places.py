"""Canonical storage locations: ``.m``, ``['dW{l}']``, ``[{i}]``.

Index symbols stand in braces, so that a key says whether it belongs to one element of a loop.
"""

from __future__ import annotations

import re
from functools import lru_cache

from optlint.lift.expression import Symbol
from optlint.lift.objects import Cell, Const, Func, Klass, Lib, Method, Value

ACCESSOR = "()"  # ends the key of what a call without arguments gives
LAST = "[-1]"
WHOLE = "[:]"  # all of an array: ``v[:]``, ``v[...]``
_INDEX = re.compile(r"\{[^{}]*\}")
_ELEMENT = re.compile(
    r"(?<=^\[)\{?[\w.()\['\]]+\[\{([^{}]*)\}\]\}?(?=\]$)"
)  # ``[params[{k}]]``: a key that is an element k
_VARIABLE_KEY = re.compile(r"\[([^\W\d][\w.]*)\]")
_LAST_KEY = re.compile(r"\[\w+\]$")
_KEYED = re.compile(
    r"\[(?:[^\[\]]|\[[^\[\]]*\])*\[\{(\w+)\}\]\]"
)  # ``[groups[group]['params'][{p}]]``: keyed by an element p
_SHIFTED = re.compile(r"\[\{(\w+)\}(?= [+−] \d+\])")

DERIVATIVE = "derivative of "  # how the vocabulary names the result of a differentiator
OF_A_VALUE = f"{DERIVATIVE}the value of "  # … that is given what a function has computed, and not the function

_GRADIENT = re.compile(
    rf"(?i:grad)|^{DERIVATIVE}|(?<![A-Za-z])d[A-Z]|(?<![A-Za-z])d_?(?:w|x|b|theta|weights?|bias(?:es)?)(?![A-Za-z])"
)


_VELOCITY = re.compile(r"velocit|(?<![a-z])vel(?![a-z])|momentum_?buf", re.IGNORECASE)
_MOMENTUM = re.compile(r"momentum|(?<![a-z])mu(?![a-z])", re.IGNORECASE)
_LOSS = re.compile(r"loss(?:es)?$", re.IGNORECASE)
_RATE = re.compile(r"(?:base_?|init(?:ial)?_?)?(?:lr|eta|learning_?rate|step_?size)(?:_?t)?")
_HELD = re.compile(r"\['params'\]\[|\.(?:named_)?parameters\(\)\[")


def is_held_parameter(symbol: Symbol) -> bool:
    """An element of ``group["params"]`` or ``model.parameters()``."""
    return bool(_HELD.search(symbol.name)) and not names_gradient(symbol)


def is_called_gradient(name: str) -> bool:
    """``grads[k]``, ``dW``, ``d_b``: what only a name can tell where the equations allow two readings."""
    return bool(_GRADIENT.search(name))


def names_gradient(symbol: Symbol) -> bool:
    return symbol.name == "g" or is_called_gradient(symbol.name)


def is_called_velocity(symbol: Symbol) -> bool:
    """Then what scales it is a decay, whatever that is called."""
    return bool(_VELOCITY.search(symbol.name))


def is_called_momentum(name: str) -> bool:
    """The coefficient of a velocity, or a choice of one."""
    return bool(_MOMENTUM.search(name))


def is_called_loss(name: str) -> bool:
    """What is minimized, or a part of it: nothing that moves against a gradient itself."""
    return bool(_LOSS.search(name))


def is_called_rate(name: str) -> bool:
    """A learning rate, by its whole name: what an argument is, whoever reads it."""
    return bool(_RATE.fullmatch(name))


def attribute(name: str) -> str:
    return f".{name}"


def item(key: str) -> str:
    return f"[{key}]"


def loosely(key: str, shifts: bool = False) -> str:
    """The key with every index alike: elements of one container at any index of a loop.

    The keys of one dictionary are those of others: ``m[k]`` for k in ``m`` is ``m[k]`` for k in ``params``.
    ``shifts`` also takes ``l + 1`` for ``l``: for initial values, where another loop counted differently.
    """
    text = _ELEMENT.sub("of an element", _INDEX.sub("{}", key))
    return re.sub(r"\{\}( [+−] \d+)?", "{}", text) if shifts else text


def is_element(key: str) -> bool:
    """A key that stands for any: what a loop over some container gives."""
    return bool(_ELEMENT.search(key))


def is_of_loop(key: str) -> bool:
    """A key that is a loop's index, and nothing else."""
    return key.startswith("[") and key.endswith("]") and bool(_INDEX.fullmatch(key[1:-1]))


def last_key(place: str) -> str:
    """``[p]`` of ``velocities[p]``: under which variable an element stands, as it is written; else nothing."""
    found = _LAST_KEY.search(place)
    return found[0] if found is not None else ""


def without_indices(place: str) -> str:
    """``self.v`` of ``self.v[model.named_parameters()[n][0]]``: without its last keys that are no texts."""
    while place.endswith("]"):
        depth = 0
        for position in range(len(place) - 1, -1, -1):
            depth += (place[position] == "]") - (place[position] == "[")
            if depth == 0:
                break
        if depth or any(quote in place[position:] for quote in "'\""):
            break
        place = place[:position]
    return place


def key_text(key: str) -> str:
    return _ELEMENT.sub(r"\1", key).replace("{", "").replace("}", "")


@lru_cache(maxsize=4096)
def place_text(place: str) -> str:
    """A place as the user wrote it, near enough: index marks are taken off where they stand alone."""
    return _SHIFTED.sub(r"[\1", _KEYED.sub(r"[\1]", place)).replace("[{", "[").replace("}]", "]")


def belongs_to(place: str, indices: list[Symbol]) -> bool:
    """Whether a place is one element of a loop over ``indices``, or keyed by what is one (``m[layer.number]``)."""
    names = [name for index in indices for name in (index.name, *index.aliases)]
    keys = _INDEX.findall(place)
    return any("{" + name + "}" in place or any(f"[{name}]" in key for key in keys) for name in names)


def indices_of(key: str) -> list[str]:
    """The names of the indices in a key, in order."""
    return [found[1:-1] for found in _INDEX.findall(key)]


def keys_of(place: str) -> frozenset[str]:
    """The variables that a place is looked up by, as it is written: ``count[index]`` has index, ``state['t']`` none."""
    return frozenset(_VARIABLE_KEY.findall(place))


def place_of(value: Value) -> str:
    if isinstance(value, Cell):
        return value.place
    if isinstance(value, (Lib, Func, Klass)):
        return value.name
    if isinstance(value, Method):
        return f"{place_of(value.receiver)}.{value.name}"
    if isinstance(value, Const):
        return str(value.value)
    return ""
