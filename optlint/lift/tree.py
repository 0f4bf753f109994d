"""LibCST's reading of one text, kept for every program that holds the same text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

_BLANKS = (cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Newline, cst.Comment)

Parents = dict[cst.CSTNode, cst.CSTNode]


@dataclass(eq=False)
class Tree:
    """The statements of a text, and where each node stands in it.

    The nodes are known by identity, so that one program must not hold a tree twice.
    """

    text: str
    body: tuple[cst.BaseStatement, ...]
    positions: Mapping[cst.CSTNode, CodeRange]

    @cached_property
    def inside(self) -> list[tuple[cst.BaseStatement, Parents]]:
        """Each statement with what every node in it stands in, blanks and comments aside."""
        return [(statement, _parents(statement)) for statement in self.body]


def tree_of(text: str) -> Tree:
    """Raises what LibCST raises: ``ParserSyntaxError``, ``RecursionError``, ``ValueError``."""
    wrapper = _Wrapper(cst.parse_module(text), unsafe_skip_copy=True)
    return Tree(text, tuple(wrapper.module.body), wrapper.resolve(PositionProvider))


def parts(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What stands right inside a node, blanks and comments aside, in the order of its fields.

    ``CSTNode.children`` gives blanks, too, and in the order of the text, at twenty times the cost.
    """
    for name in _fields(type(node)):
        value = getattr(node, name)
        for one in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(one, cst.CSTNode) and not isinstance(one, _BLANKS):
                yield one


@cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(name for name in kind.__dataclass_fields__ if "whitespace" not in name and "lines" not in name)


def _parents(statement: cst.BaseStatement) -> Parents:
    found: Parents = {}
    waiting: list[cst.CSTNode] = [statement]
    while waiting:
        node = waiting.pop()
        for child in parts(node):
            found[child] = node
            waiting.append(child)
    return found


class _Wrapper(MetadataWrapper):
    def visit_batched(self, visitors: Iterable[cst.BatchableCSTVisitor], *more: Any, **others: Any) -> cst.CSTNode:
        """Without visitors, as it is called for positions, it would go through the whole tree for nothing."""
        visitors = list(visitors)
        return super().visit_batched(visitors, *more, **others) if visitors else self.module
