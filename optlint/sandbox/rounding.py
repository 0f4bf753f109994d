"""Low precision: what float16, bfloat16 and float32 make of each operation on an array.

A result that is computed in float64 and then rounded is the type's own result, for the four operations and the root:
float64 has more than twice the digits of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlint.lift.expression import Symbol

SMALLEST = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149}  # subnormal


def _float16(x: Any) -> NDArray[np.float64]:
    return np.asarray(x, dtype=np.float64).astype(np.float16).astype(np.float64)


def _float32(x: Any) -> NDArray[np.float64]:
    return np.asarray(x, dtype=np.float64).astype(np.float32).astype(np.float64)


def _bfloat16(x: Any) -> NDArray[np.float64]:
    """The upper half of a float32, rounded to even."""
    wide = np.atleast_1d(np.asarray(x, dtype=np.float64).astype(np.float32))
    bits = wide.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    found = (rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)
    return np.where(np.isfinite(wide), found, wide.astype(np.float64)).reshape(np.shape(x))


ROUND: Mapping[str, Callable[[Any], NDArray[np.float64]]] = {
    "float16": _float16, "bfloat16": _bfloat16, "float32": _float32,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Precision:
    """``dtype`` for whatever is computed from ``data``; all else are plain numbers, which take the type they meet."""

    dtype: str
    data: frozenset[Symbol]

    def lowered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """An operation on arrays of this type (and on plain numbers)."""
        rounded = ROUND[self.dtype]

        def low(*inputs: Any) -> Any:
            return rounded(function(*map(rounded, inputs)))

        low.__name__ = getattr(function, "__name__", "")
        return low


def refusal() -> str:
    """What NumPy says where an array of integers is to take in fractions in place."""
    whole = np.zeros(1, dtype=int)
    try:
        whole -= np.full(1, 0.5)
    except TypeError as error:
        return f"{type(error).__name__.lstrip('_')}: {error}"
    return f"the array holds {whole[0]}"
