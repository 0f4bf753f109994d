"""Where a file speaks of a place: whether an update's one read of it is all that anything does with its content."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from optlint.lift.surroundings import Surroundings, looks_only, makes_nothing

_KEY = re.compile(r"(?:\.|\[')(\w+)(?:'\])?$")  # what an attribute, or an item, is called
_ITEMS = re.compile(r"(\[[^\[\]]*\])+$")
_TESTS = (ast.In, ast.NotIn, ast.Is, ast.IsNot)


def is_read_once(around: Surroundings, place: str) -> bool:
    """Whether the file reads the place in a single expression, and gives it at most zeros: its content never changes.

    place: an attribute, whoever has it (``layer.v``), or what a name stands for (``velocity[i]``). A file that names it
    in a text may reach it by that (``setattr``).
    """
    _, attribute, name = _ITEMS.sub("", place).rpartition(".")
    function = None if attribute else around.function()  # whose name it is
    reads = 0
    for node, above in _with_parents(around.nodes() if function is None else [function]):
        if isinstance(node, ast.Constant) and node.value == name:
            return False
        mine = (
            isinstance(node, ast.Attribute) and node.attr == name
            if attribute
            else isinstance(node, ast.Name) and node.id == name
        )
        if not mine:
            continue
        depth = len(above) - 1
        whole: ast.AST = node
        while isinstance(item := above[depth], ast.Subscript) and item.value is whole:
            whole, depth = item, depth - 1
        parent = above[depth]
        if not isinstance(getattr(whole, "ctx", None), ast.Load):
            if not (isinstance(parent, ast.Assign) and makes_nothing(parent.value)):
                return False
        elif not (isinstance(parent, ast.Compare) and isinstance(parent.ops[0], _TESTS)):
            reads += 1
            if isinstance(whole, ast.Subscript) is not place.endswith("]"):
                return False  # another name for the whole of it
    return reads == 1


def is_never_read(around: Surroundings, name: str) -> bool:
    """Whether the update's own function gives the name a content, and never asks for it."""
    function = around.function()
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name] if function is not None else []
    return bool(uses) and all(isinstance(n.ctx, ast.Store) for n in uses)


def is_written_alone(around: Surroundings, place: str) -> bool:
    """Whether the file gives the attribute, or the key, its contents and never asks for one."""
    name = _KEY.search(place)
    if name is None:
        return False
    writes = 0
    for node, above in _with_parents(around.nodes()):
        if isinstance(node, ast.Attribute) and node.attr == name[1]:
            held: ast.AST = node
        elif isinstance(node, ast.Constant) and node.value == name[1]:
            held = above[-1]
        else:
            continue
        if not (isinstance(held, (ast.Attribute, ast.Subscript)) and isinstance(held.ctx, ast.Store)):
            return False
        writes += 1
    return writes > 0


def is_begun_by_initializer(around: Surroundings, place: str) -> bool:
    """Whether a call that is told by what a variable begins (TensorFlow's slots) names the place, and no zeros."""
    name = _KEY.search(place)
    if name is None:
        return False
    calls = (n for top in around.nodes() for n in ast.walk(top) if isinstance(n, ast.Call))
    named = (c for c in calls if any(isinstance(a, ast.Constant) and a.value == name[1] for a in c.args))
    return any("initializer" in text and "zero" not in text for text in map(ast.unparse, named))


def is_handed_on(around: Surroundings, name: str) -> bool:
    """Whether the update's own function gives the name itself to a call that may keep it, or puts it beside others.

    ``pairs.append((old, new))``, ``return w, new``.
    """
    function = around.function()
    for node, above in _with_parents(around.nodes() if function is None else [function]):
        if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)):
            continue
        if isinstance(above[-1], (ast.Tuple, ast.List, ast.Dict, ast.keyword)):
            return True
        if isinstance(above[-1], ast.Call) and node in above[-1].args and not looks_only(above[-1].func):
            return True
    return False


def is_only_computed_with(around: Surroundings, name: str) -> bool:
    """Whether the update's own function gives the name its content once, by a call, and then only computes with it.

    A graph's variable that it neither pairs with a new content, nor hands on, stays what it is (``theano.shared``).
    """
    function = around.function()
    nodes = [
        (node, above[-1])
        for node, above in _with_parents([function] if function is not None else [])
        if isinstance(node, ast.Name) and node.id == name
    ]
    bound = [(n, up) for n, up in nodes if isinstance(n.ctx, ast.Store) and isinstance(up, ast.Assign)]
    made = [n for n, up in bound if isinstance(up.value, ast.Call)]
    again = min((n.lineno for n, _ in bound if n not in made), default=float("inf"))  # then it stands for a result
    read = [up for n, up in nodes if all(n is not other for other, _ in bound) and n.lineno <= again]
    return len(made) == 1 and all(isinstance(up, (ast.BinOp, ast.UnaryOp)) for up in read)


def _with_parents(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """Every node below, with those that hold it, the outermost first."""
    return (placed for node in nodes for placed in _placed(node))


@lru_cache(maxsize=256)  # what is asked of one update is asked of the next one in the same file
def _placed(top: ast.AST) -> list[tuple[ast.AST, tuple[ast.AST, ...]]]:
    found: list[tuple[ast.AST, tuple[ast.AST, ...]]] = []
    waiting: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(top, (ast.Module([], []),))]
    while waiting:
        node, above = waiting.pop()
        found.append((node, above))
        waiting.extend((child, (*above, node)) for child in ast.iter_child_nodes(node))
    return found
