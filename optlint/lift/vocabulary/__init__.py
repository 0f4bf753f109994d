"""What library calls mean, as data: one entry a call, merged from one table a library.

A handler gets the ``Site`` of a call and gives its value; where it gives None the call stays unknown.
"""

from __future__ import annotations

from optlint.lift.vocabulary import numpy, python, torch
from optlint.lift.objects import Value
from optlint.lift.vocabulary.site import Handler, Site

def _merged(*tables: dict[str, Handler]) -> dict[str, Handler]:
    """One handler a method name: where libraries share a name, each is asked in turn (later tables first)."""
    result: dict[str, Handler] = {}
    for table in tables:
        for name, handler in table.items():
            result[name] = _either(handler, result[name]) if name in result else handler
    return result


def _either(first: Handler, second: Handler) -> Handler:
    def handler(site: Site) -> Value | None:
        made = first(site)
        return made if made is not None else second(site)

    return handler


_NAMES: dict[str, Handler] = {**python.NAMES, **numpy.NAMES, **torch.NAMES}
_ATTRIBUTES: dict[str, Handler] = {**numpy.ATTRIBUTES, **torch.ATTRIBUTES}
_METHODS: dict[str, Handler] = _merged(torch.METHODS, numpy.METHODS, python.METHODS)

# modules that speak NumPy's language
_ALIASES = {
    "np": "numpy", "cupy": "numpy", "autograd.numpy": "numpy", "jax.numpy": "numpy", "cmath": "math",
    "mxnet.nd": "numpy", "mxnet.ndarray": "numpy", "mxnet.np": "numpy", "theano.tensor": "numpy",
    "bottleneck": "numpy", "numpy.linalg": "numpy.linalg", "scipy": "numpy", "pylab": "numpy", "dask.array": "numpy",
    "cupy.linalg": "numpy.linalg", "minpy.numpy": "numpy", "optimizer": "torch.optim.optimizer",
}  # fmt: skip

# names that everybody binds to one thing, for files (and notebook cells) that do not show the import
GLOBAL_NAMES = {"np": "numpy", "numpy": "numpy", "math": "math", "cp": "numpy", "xp": "numpy", "jnp": "numpy"}


def library_name(name: str) -> str:
    """The canonical dotted name: ``cupy.sqrt`` is ``numpy.sqrt``."""
    head, dot, last = name.rpartition(".")
    while head:
        if head in _ALIASES:
            return f"{_ALIASES[head]}.{last}"
        head, dot, more = head.rpartition(".")
        last = f"{more}{dot or '.'}{last}" if more else last
    return name


def name_handler(name: str) -> Handler | None:
    return _NAMES.get(name)


def method_handler(name: str) -> Handler | None:
    return _METHODS.get(name)


def attribute_handler(name: str) -> Handler | None:
    return _ATTRIBUTES.get(name)


__all__ = [
    "GLOBAL_NAMES",
    "attribute_handler", "Site", "library_name", "method_handler", "name_handler"]
