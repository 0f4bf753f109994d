"""Places that may not be there yet: ``state.get("m", 0)``, ``getattr(self, "m", gradient)``."""

from __future__ import annotations

from collections.abc import Sequence

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.objects import Cell, Const, Seq, Value, numeric
from optlint.lift.parts import parts_of, record
from optlint.lift.places import names_gradient
from optlint.lift.vocabulary.site import Site


def with_default(site: Site, home: Value, key: str, default: Value | None) -> Value:
    """A place that may not be there yet: ``default`` is its first content, or a setting's usual value."""
    machine = site.machine
    if not isinstance(home, Cell):
        return machine.child(home, key, site.span)
    found = machine.lookup(home, key)
    parts = parts_of(default)
    if isinstance(found, Cell) and parts is not None and _is_pair_of_data(parts):
        return _begun_apart(site, found, parts)
    if found is not None and not (isinstance(found, Const) and found.value is None):
        return found
    if parts is not None:
        held = record(home.place + key, {})
        machine.store.quietly(home, key, held)
        for number, part in enumerate(parts):
            machine.unveil(held, f"[{number}]", part)
        return _begun_apart(site, held, parts) if _is_pair_of_data(parts) else held
    cell = machine.unveil(home, key, default)
    expr = cell.expr
    first = numeric(default)
    if first is not None and _is_data(first):
        return machine.begins(first, cell)  # ``self.cache.get(i, g)``
    if isinstance(default, Const) and expr is not None and isinstance(expr.value, Symbol):
        expr.value.literal = (default.value,)
    return cell


def _is_pair_of_data(parts: Sequence[Value]) -> bool:
    """``(g, g**2)``: all are computed, and one of them of what is no setting."""
    starts = [expr for part in parts if (expr := numeric(part)) is not None and expr.op != "const"]
    return len(starts) == len(parts) and any(e.op == "pow" or _is_data(e) for e in starts)


def _begun_apart(site: Site, held: Cell, starts: Sequence[Value]) -> Value:
    """The parts of a record that may not be there yet, each with its first content; as they are where they have got
    another one."""
    parts = [site.machine.child(held, f"[{number}]", site.span) for number in range(len(starts))]
    if not all((expr := numeric(part)) is not None and expr.op == "sym" for part in parts):
        return held
    begun = zip(map(numeric, starts), parts, strict=True)
    return Seq([site.machine.begins(start, p) for start, p in begun if start is not None and isinstance(p, Cell)])


def _is_data(first: Expr) -> bool:
    """A first content that is made of a gradient or an array: no number, and no setting's usual value."""
    called = any(n.op == "opaque" and n.args for n in ex.walk(first))
    return called or any(s.array or names_gradient(s) for s in first.symbols if s.default is None)
