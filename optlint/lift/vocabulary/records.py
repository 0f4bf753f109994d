"""Named tuples, data classes and constructors of elsewhere: values with named fields."""

from __future__ import annotations

import libcst as cst

from optlint.lift.objects import Cell, Klass, Value, numeric
from optlint.lift.places import attribute
from optlint.lift.vocabulary.site import Site


def fields_of(klass: Klass) -> list[str]:
    """The annotated names of a class body, base classes first."""
    names: list[str] = []
    for base in klass.bases:
        if isinstance(base, Klass):
            names.extend(fields_of(base))
    for statement in klass.node.body.body:
        for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.AnnAssign) and isinstance(small.target, cst.Name):
                names.append(small.target.value)
    return names


def fill_fields(cell: Cell, klass: Klass, args: list[Value], kwargs: dict[str, Value]) -> None:
    """``State(step, mu=mu)`` of a class without ``__init__``."""
    given = dict(zip(fields_of(klass), args, strict=False)) | kwargs
    cell.items.update({attribute(name): value for name, value in given.items()})


def made_record(site: Site, name: str) -> Value | None:
    """An unseen class called with computed values by name keeps them as its fields."""
    last = name.rpartition(".")[2]
    if not last[:1].isupper() and not last[:2].lstrip("_")[:1].isupper():
        return None
    computed = any((e := numeric(v)) is not None and e.args for v in site.kwargs.values())
    if not computed or site.receiver is not None:
        return None
    items = {f"[{i}]": v for i, v in enumerate(site.args)} | {attribute(k): v for k, v in site.kwargs.items()}
    return Cell(None, items, open=True)
