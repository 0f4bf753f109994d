"""optlint reads hand-written optimizer code and says whether it computes the optimizer it means to.

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from optlint.api import lint_paths, lint_source
    from optlint.model import Edit, Evidence, Finding, Fix, Problem, Report, Span, Update
    from optlint.settings import Settings

__all__ = [
    "Edit",
    "Evidence",
    "Finding",
    "Fix",
    "Problem",
    "Report",
    "Settings",
    "Span",
    "Update",
    "__version__",
    "lint_paths",
    "lint_source",
]

_HOMES = {"lint_paths": "optlint.api", "lint_source": "optlint.api", "Settings": "optlint.settings"}


if not TYPE_CHECKING:  # or every name would exist for a type checker

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'optlint' has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, "optlint.model")), name)


def __dir__() -> list[str]:
    return __all__
