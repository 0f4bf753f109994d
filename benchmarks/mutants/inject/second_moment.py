"""OPT1xx: the second moment."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy, Edit, Site
from benchmarks.mutants.inject import injects
from benchmarks.mutants.spelling import Operation, operation
from optlint.lift import structure


def squares(a: Anatomy) -> Iterator[tuple[Site, Operation, str]]:
    """Where a state takes in the square of the gradient: (site, operation, the text that is squared)."""
    for site in a.sites:
        inner = structure.square_root_of(site.expr)
        op = operation(a.code, site.node)
        if inner is None or op is None or site.part == "step" or not a.takes_gradient(inner):
            continue
        if op.is_square or (op.means == "mul" and len(op.operands) == 2):
            yield site, op, a.code.source(op.operands[0])


def fused_squares(a: Anatomy) -> Iterator[tuple[Operation, str, str]]:
    """``v.addcmul_(g, g, value=c)``: (operation, g, c)."""
    for site in a.sites:
        op = operation(a.code, site.node)
        if op is None or op.means != "addcmul" or site.part == "step" or not a.takes_gradient(site.expr):
            continue
        found = fused(a, op)
        if found is not None and found[0] == found[1]:
            yield op, found[0], found[2]


def fused(a: Anatomy, op: Operation) -> tuple[str, str, str] | None:
    """The two tensors and the scale of ``addcmul``/``addcdiv``, in either order of arguments."""
    rest = [a.code.source(n) for n in op.operands[1:]]
    scale = next((a.code.source(op.named[k].value) for k in ("value", "scalar") if k in op.named), "")
    if len(rest) == 3:
        foreach = op.word is not None and op.word.value.startswith("_foreach")
        rest, scale = (rest[:2], rest[2]) if foreach else (rest[1:], rest[0])
    return (rest[0], rest[1], scale) if len(rest) == 2 else None


def as_added(a: Anatomy, op: Operation, text: str, scale: str) -> Edit:
    """``x.addcmul_(g, g, value=c)`` written as ``x.add_(text, alpha=c)``."""
    assert op.word is not None
    alpha = f", alpha={scale}" if scale else ""
    word = op.word.value.replace("addcmul", "add").replace("addcdiv", "add")
    receiver = a.code.source(op.operands[0])
    if op.style == "method":
        return a.code.replaced(op.node, f"{receiver}.{word}({text}{alpha})")
    return a.code.replaced(op.node, f"{op.home}{word}({receiver}, {text}{alpha})")


@injects("OPT103")
def square_dropped(a: Anatomy) -> Iterator[Edit]:
    for site, op, text in squares(a):
        if site.part in a.second:
            yield a.code.replaced(op.node, text)
    for op, g, scale in fused_squares(a):
        yield as_added(a, op, g, scale)


@injects("OPT105")
def root_dropped(a: Anatomy) -> Iterator[Edit]:
    for site in a.sites:
        op = operation(a.code, site.node)
        if op is None or not a.held(site.expr) & a.second:
            continue
        text = a.code.source(op.operands[0]) if op.operands else ""
        if op.is_root and isinstance(op.node, cst.BaseExpression):
            yield a.code.replaced(op.node, text)
        elif op.is_inverse_root:
            yield a.code.replaced(op.node, f"1 / {text}")
