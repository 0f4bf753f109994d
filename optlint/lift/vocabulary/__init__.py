"""What library calls mean, as data: one entry a call, merged from one table a library.

A handler gets the ``Site`` of a call and gives its value; where it gives None the call stays unknown.
"""

from __future__ import annotations

import math
import re

from optlint.lift.objects import Func, Klass, Lib, Value
from optlint.lift.vocabulary import derivatives, frameworks, jax, keras, numpy, others, python, theano, torch
from optlint.lift.vocabulary.frameworks import borrowed, wraps
from optlint.lift.vocabulary.records import made_record
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


_LIBRARIES = (numpy, torch, keras, theano, jax, others, derivatives)
_NAMES: dict[str, Handler] = dict(python.NAMES)
for _library in _LIBRARIES:
    _NAMES.update(_library.NAMES)
_ATTRIBUTES: dict[str, Handler] = {**numpy.ATTRIBUTES, **torch.ATTRIBUTES, **others.ATTRIBUTES}
_METHODS = _merged(
    torch.METHODS,
    numpy.METHODS,
    python.METHODS,
    others.METHODS,
    jax.METHODS,
    keras.METHODS,
    theano.METHODS,
    derivatives.METHODS,
)

NUMBERS = {f"{home}.{name}": value for home in ("numpy", "math", "torch")
           for name, value in (("inf", math.inf), ("pi", math.pi), ("e", math.e))}  # fmt: skip

# modules by other names
_ALIASES = {
    "np": "numpy", "cupy": "numpy", "autograd.numpy": "numpy", "jax.numpy": "numpy", "cmath": "math",
    "mxnet.nd": "numpy", "mxnet.ndarray": "numpy", "mxnet.np": "numpy", "ndarray": "numpy", "mxnet": "numpy",
    "bottleneck": "numpy", "scipy": "numpy", "pylab": "numpy", "dask.array": "numpy", "minpy.numpy": "numpy",
    "jax.lax": "jax.lax", "mlx.core": "mlx", "dezero.functions": "numpy", "jittor": "torch", "paddle": "torch",
    "tinygrad.tensor.Tensor": "torch", "tinygrad.Tensor": "torch", "Tensor": "torch", "tinygrad.tensor": "torch",
    "optimizer": "torch.optim.optimizer", "six.moves": "builtins", "future.builtins": "builtins",
    "tf": "tensorflow", "tensorflow.math": "tensorflow", "tensorflow.compat.v1": "tensorflow", "tensorflow.compat.v2":
    "tensorflow", "tensorflow.compat.v1.math": "tensorflow", "tensorflow.python.ops.math_ops": "tensorflow",
    "tensorflow.python.ops.array_ops": "tensorflow", "tensorflow.python.ops.state_ops": "tensorflow",
    "tensorflow.python.ops.variables": "tensorflow", "tensorflow.python.ops.control_flow_ops": "tensorflow",
    "tensorflow.python.ops.gen_math_ops": "tensorflow", "tensorflow.python.ops.clip_ops": "tensorflow",
    "tensorflow.python.framework.ops": "tensorflow", "tensorflow.python.ops.variable_scope": "tensorflow",
    "tensorflow.compat.v2.math": "tensorflow", "tensorflow.linalg": "tensorflow",
    "keras.backend": "keras", "tensorflow.keras.backend": "keras", "tensorflow.python.keras.backend": "keras",
    ".backend": "keras", "backend": "keras", "tensorflow.contrib.keras.backend": "keras",
    "keras.ops": "tensorflow", "keras.src.ops": "tensorflow", "tensorflow.keras.ops": "tensorflow",
    "theano.tensor": "theano", "aesara.tensor": "theano", "pytensor.tensor": "theano", "aesara": "theano",
    "pytensor": "theano", "theano.tensor.extra_ops": "theano", "theano.compat.six": "six",
    "sklearn.externals.six": "six",
    "optax.tree": "optax", "optax.tree_utils": "optax", "optax.transforms": "optax", "optax.transforms._accumulation":
    "optax", "optax._src.numerics": "optax", "optax._src.utils": "optax", "optax._src.update": "optax",
    "optax._src.base": "optax", "optax.numerics": "optax", "optax.tree_utils._tree_math": "optax",
}  # fmt: skip

# whose language a library speaks where it adds no word of its own
_SPEAKS = {
    "keras": "tensorflow", "tensorflow": "numpy", "theano": "numpy", "mlx": "numpy", "jax.lax": "numpy", "jax": "numpy",
}  # fmt: skip

# names that everybody binds to one thing, for files (and notebook cells) that do not show the import
GLOBAL_NAMES = {
    "np": "numpy", "numpy": "numpy", "math": "math", "cp": "numpy", "xp": "numpy", "jnp": "numpy", "torch": "torch",
    "tf": "tensorflow", "K": "keras.backend", "T": "theano.tensor", "theano": "theano", "jax": "jax", "optax": "optax",
    "mx": "mlx.core", "nd": "mxnet.nd", "keras": "keras",
}  # fmt: skip


# what libraries hand on from Python's own for old versions of it: ``from theano.compat import OrderedDict``
_HANDED_ON = frozenset({"OrderedDict", "defaultdict"})


# what projects that run on NumPy and CuPy call whichever of them they have: ``from .backend import xp``
_ARRAY_MODULE = re.compile(r".*\.(?:xp|np|cp)\.(?=\w)")


def library_name(name: str) -> str:
    """The canonical dotted name: ``cupy.sqrt`` is ``numpy.sqrt``."""
    name = _ARRAY_MODULE.sub("numpy.", name)
    head, dot, last = name.rpartition(".")
    if last in _HANDED_ON and head:
        return f"collections.{last}"
    while head:
        if head in _ALIASES:
            return f"{_ALIASES[head]}.{last}"
        head, dot, more = head.rpartition(".")
        last = f"{more}{dot or '.'}{last}" if more else last
    return name


_ROOTS = frozenset(
    name.partition(".")[0] for name in (*_NAMES, *_ALIASES, *_ALIASES.values(), *GLOBAL_NAMES.values())
) - {"builtins"}


def is_library(module: str) -> bool:
    """A module of a library that the vocabulary speaks of."""
    return module.partition(".")[0] in _ROOTS


def name_handler(name: str) -> Handler | None:
    """The meaning of a canonical name, in its own library's language or in the one that this speaks."""
    found = _NAMES.get(name)
    head, _, last = name.rpartition(".")
    while found is None and head in _SPEAKS:
        head = _SPEAKS[head]
        found = _NAMES.get(f"{head}.{last}")
    return found


def common_handler(callee: Lib | Func | Klass, args: list[Value]) -> Handler | None:
    """The meaning of a function of a library that nothing is known of: ``backend.sqrt``."""
    known = isinstance(callee, Lib) and not callee.level and is_library(callee.name)
    return frameworks.common(callee.name, args) if args and not known else None


def method_handler(name: str) -> Handler | None:
    return _METHODS.get(name)


def attribute_handler(name: str) -> Handler | None:
    return _ATTRIBUTES.get(name)


def unknown_call(site: Site, name: str) -> Value | None:
    """What can be said of a call that no table knows: a shared variable's maker, a record's constructor, ``x.f_()``."""
    made = theano.made_elsewhere(site, name)
    made = made if made is not None else torch.changed_in_place(site, name)
    return made if made is not None else made_record(site, name)


__all__ = [
    "GLOBAL_NAMES",
    "Handler",
    "Site",
    "attribute_handler",
    "borrowed",
    "is_library",
    "library_name",
    "method_handler",
    "name_handler",
    "unknown_call",
    "wraps",
]
