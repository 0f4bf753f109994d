"""What a parameter's annotation says of its type."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import libcst as cst

_HOLDERS = frozenset({"list", "List", "Sequence", "Optional"})
ARRAYS = frozenset({"Tensor", "ndarray", "Array", "NDArray", "ArrayLike"})


def named_parameters(params: cst.Parameters) -> tuple[cst.Param, ...]:
    """Those that have a name of their own, and no star."""
    return (*params.posonly_params, *params.params, *params.kwonly_params)


def annotated(params: cst.Parameters, types: Collection[str]) -> set[str]:
    """Parameters whose annotation names one of the types, also inside a list: ``list[torch.Tensor]``."""
    found: set[str] = set()
    for p in named_parameters(params):
        if p.annotation is not None:
            named = {_last_name(n) for n in _inside(p.annotation.annotation)}
            if named & set(types):
                found.add(p.name.value)
    return found


def _inside(annotation: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """The types that an annotation is made of; unions with numbers say nothing."""
    if isinstance(annotation, cst.Subscript) and _last_name(annotation.value) in _HOLDERS:
        for element in annotation.slice:
            if isinstance(element.slice, cst.Index):
                yield from _inside(element.slice.value)
    else:
        yield annotation


def _last_name(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
