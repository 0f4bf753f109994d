"""Lists and trees of tensors seen through one representative element: element maps keep the cells' identity."""

from __future__ import annotations

from collections.abc import Callable

from optlint.lift.objects import ANY, Cell, Const, Each, Lazy, Seq, Value
from optlint.lift.vocabulary.site import Handler, Site


def is_list(value: Value | None) -> bool:
    return isinstance(value, Each) or (isinstance(value, Cell) and value.growing and value.expr is None)


def element(site: Site, value: Value) -> Value:
    """The element of a list or tree that stands for all; a leaf (or an unseen list) stands for itself."""
    if isinstance(value, Lazy):
        return element(site, value.force())
    if isinstance(value, Each):
        return site.machine.forced(value.element)
    if isinstance(value, Cell) and value.growing and value.expr is None and value.items:
        if ANY in value.items:
            return value.items[ANY]
        if all(k.startswith("[") for k in value.items):
            return next(iter(value.items.values()))
    return value


def listed(made: Value | None, *sources: Value) -> Value | None:
    """What a map over lists gives: a list again."""
    if made is None or not any(map(is_list, sources)):
        return made
    return Cell(growing=True, items={ANY: made})


def over_elements(handler: Handler) -> Handler:
    """The same operation on lists, element by element (``torch._foreach_*``)."""

    def mapped(site: Site) -> Value | None:
        args = [element(site, a) for a in site.args]
        kwargs = {k: element(site, v) for k, v in site.kwargs.items()}
        made = handler(Site(site.machine, args, kwargs, site.span, site.text))
        unseen = [a for a in (*site.args[:1], made) if isinstance(a, Cell) and not is_list(a)]
        for value in unseen if site.args and not is_list(site.args[0]) else ():
            value.listed = True
        return listed(made, *site.args)

    return mapped


def tree_map(skip: int = 0) -> Handler:
    """``tree_map(f, tree, *rest)``: f of the leaves. A tree of records is mapped leaf by leaf."""

    def mapped(site: Site) -> Value | None:
        if len(site.args) < 2 + skip:
            return None
        func, trees = site.args[skip], site.args[skip + 1 :]
        leaves = [element(site, t) for t in trees]
        for leaf in leaves:  # ``params=None`` is no setting, whatever its default
            if isinstance(leaf, Cell) and leaf.expr is not None and leaf.expr.op == "sym":
                leaf.array = leaf.expr.symbol.array = True
        made = site.machine.call(func, leaves, {}, site.span, "tree_map")
        return listed(made, *trees)

    return mapped


def records(value: Value | None, depth: int = 0) -> list[Value]:
    """Every value inside nested sequences and lists."""
    if depth > 4 or value is None:
        return []
    if isinstance(value, Seq):
        return [value, *(v for e in value.elements for v in records(e, depth + 1))]
    if isinstance(value, Each):
        return records(value.element, depth + 1)
    if isinstance(value, Lazy):
        return records(value.force(), depth + 1)
    if isinstance(value, Cell) and value.expr is None:
        return [v for e in list(value.items.values())[:64] for v in records(e, depth + 1)]
    return []


def constant(value: object) -> Handler:
    """A question about types or devices that has one answer for ordinary arrays."""

    def handler(site: Site) -> Value | None:
        return Const(value, site.span)

    return handler


def argument(position: int) -> Handler:
    """A call that gives back one of its arguments (``typing.cast``)."""

    def handler(site: Site) -> Value | None:
        return site.args[position] if position < len(site.args) else None

    return handler


Build = Callable[..., Value | None]
