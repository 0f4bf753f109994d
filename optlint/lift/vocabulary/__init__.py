"""What library calls mean, as data: one entry a call, merged from one table a library.

A handler gets the ``Site`` of a call and gives its value; where it gives None the call stays unknown.
"""

from __future__ import annotations

from optlint.lift.vocabulary import numpy, python
from optlint.lift.vocabulary.site import Handler, Site

_NAMES: dict[str, Handler] = {**python.NAMES, **numpy.NAMES}
_ATTRIBUTES: dict[str, Handler] = {**numpy.ATTRIBUTES}
_METHODS: dict[str, Handler] = {**numpy.METHODS, **python.METHODS}

# modules that speak NumPy's language
_ALIASES = {
    "np": "numpy", "cupy": "numpy", "autograd.numpy": "numpy", "jax.numpy": "numpy", "cmath": "math",
    "mxnet.nd": "numpy", "mxnet.ndarray": "numpy", "mxnet.np": "numpy", "theano.tensor": "numpy",
    "bottleneck": "numpy", "numpy.linalg": "numpy.linalg", "scipy": "numpy", "pylab": "numpy", "dask.array": "numpy",
    "cupy.linalg": "numpy.linalg", "minpy.numpy": "numpy",
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
