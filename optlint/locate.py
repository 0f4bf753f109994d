"""Where could an optimizer be? Bytes first, then the standard ``ast``: most files end here.

Nothing reaches LibCST that ``ast`` has not parsed and that is not of bounded depth: LibCST's native parser
overflows the stack, and takes the process with it, on some thousands of nested brackets.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from optlint.python2 import readable

if TYPE_CHECKING:
    from optlint.source import Unit

MAX_DEPTH = 300
MAX_BLOCK_LINES = 6000

_GATE = re.compile(
    rb"sqrt|\*\*\s*\(?\s*(?:0?\.5|1\s*/\s*2)|pow\w*\(|moment|velocit|beta|decay|nesterov|adagrad|rmsprop|adam"
    rb"|lerp|learning_rate|\blr\b|\beta\b|\balpha\b|0?\.9",
    re.IGNORECASE,
)
_ROOTS = {"sqrt", "rsqrt", "sqrt_", "rsqrt_", "_foreach_sqrt", "_foreach_sqrt_"}
_SELF_UPDATES = {
    "mul_", "lerp_", "add_", "addcmul_", "addcdiv_", "sub_", "copyto", "assign", "assign_add", "assign_sub",
    "update_moment", "update", "copy_", "div_", "_foreach_mul_", "_foreach_lerp_", "tree_map", "map",
}  # fmt: skip

_STEPS = {"addcdiv_", "assign_sub", "_foreach_addcdiv_", "sub_", "_foreach_sub_"}
_SCALED_STEPS = {"add_", "_foreach_add_"}  # steps where a scale is given: ``p.add_(buf, alpha=-lr)``


@dataclass(slots=True)
class Block:
    """One top-level statement. ``line`` is its first line in the unit (decorators included)."""

    kind: str  # "def", "class", "code"
    name: str
    line: int
    end_line: int
    candidate: bool
    simple: bool = False  # an import or a plain assignment: cheap, and others rely on it
    uses: frozenset[str] = frozenset()
    mentions: frozenset[str] = frozenset()  # names that functions inside it call or pass on, attributes too
    evident: frozenset[str] = frozenset()  # qualified names of functions that hold evidence themselves


@dataclass(slots=True)
class Layout:
    """A unit's blocks, and what could not be read: (line, message).

    text: what the blocks' lines refer to: the unit's own text, or what is left of it without Python 2's statements.
    """

    text: str
    blocks: list[Block] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


def worth_reading(data: bytes) -> bool:
    """False where the bytes alone show that no optimizer is written here."""
    return _GATE.search(data) is not None


class Survey(NamedTuple):
    """Whether a source could hold an optimizer, and what could not be read: (cell, line, message)."""

    candidates: bool
    problems: list[tuple[int | None, int, str]]


def survey(units: Iterable[Unit]) -> Survey:
    """A look at a source that costs its parsing by ``ast`` and no more."""
    found = [(unit.cell, layout(unit.text)) for unit in units]
    return Survey(
        any(block.candidate for _, one in found for block in one.blocks),
        [(cell, line, message) for cell, one in found for line, message in one.problems],
    )


@lru_cache(maxsize=4)
def layout(text: str) -> Layout:
    """Split a unit into top-level blocks and mark the candidates."""
    result = Layout(text)
    tree = _parse(text, result, 0)
    if tree is None and (modern := readable(text)) is not None:
        again = Layout(modern)
        tree = _parse(modern, again, 0)
        result = Layout(modern, problems=[] if tree is not None else result.problems)
    if tree is not None:
        result.blocks = _merged([_block(node, 0) for node in tree.body])
        return result
    first = result.problems[0]
    result.problems.clear()
    for offset, chunk in chunks(result.text):
        part = _parse(chunk, result, offset)
        if part is not None:
            result.blocks.extend(_block(node, offset) for node in part.body)
    result.blocks = _merged(result.blocks)
    result.problems = result.problems[:1] or [first]
    return result


def _merged(blocks: list[Block]) -> list[Block]:
    """Statements that share a line (``a = 1; b = 2``) are one block."""
    result: list[Block] = []
    for block in blocks:
        if result and block.line <= result[-1].end_line:
            last = result[-1]
            last.end_line = max(last.end_line, block.end_line)
            last.candidate |= block.candidate
            last.simple &= block.simple
            last.uses |= block.uses
            last.mentions |= block.mentions
            last.evident |= block.evident
        else:
            result.append(block)
    return result


def _parse(text: str, result: Layout, offset: int) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        line = max(1, min(error.lineno or 1, text.count("\n") + 1))
        result.problems.append((offset + line, f"syntax error: {error.msg}"))
    except (ValueError, RecursionError, MemoryError) as error:
        result.problems.append((offset + 1, f"cannot be parsed: {error or type(error).__name__}"))
    else:
        if _depth(tree) <= MAX_DEPTH:
            return tree
        result.problems.append((offset + 1, f"nested deeper than {MAX_DEPTH} levels: not analysed"))
    return None


def _depth(tree: ast.AST) -> int:
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        if depth > MAX_DEPTH:
            return depth
        stack.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return deepest


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """Top-level statements of a text that does not parse, told apart by indentation: (offset, text)."""
    lines = text.split("\n")
    start = 0
    joined = re.compile(r"(else|elif|except|finally)\b|[)\]}]|@")
    for number, line in enumerate(lines):
        if number == start or not line or line[0] in " \t#\r":
            continue
        if joined.match(line) and not line.startswith("@"):
            continue
        if number and lines[number - 1].startswith("@"):
            continue
        yield start, "\n".join(lines[start:number])
        start = number
    yield start, "\n".join(lines[start:])


def _block(node: ast.stmt, offset: int) -> Block:
    decorators = getattr(node, "decorator_list", [])
    line = min([node.lineno, *(d.lineno for d in decorators)])
    uses = frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
    mentions = uses | frozenset(n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute))
    evident = frozenset(_evident(node))
    kind, name = "code", ""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        kind, name = "def", node.name
    elif isinstance(node, ast.ClassDef):
        kind, name = "class", node.name
    imports = isinstance(node, (ast.Import, ast.ImportFrom)) or (
        isinstance(node, (ast.Try, ast.If)) and any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(node))
    )
    end = node.end_lineno or node.lineno
    plain = isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and end - line < 50
    too_long = end - line > MAX_BLOCK_LINES
    return Block(
        kind=kind,
        name=name,
        line=offset + line,
        end_line=offset + end,
        candidate=bool(evident) and not too_long,
        simple=imports or plain,
        uses=uses,
        mentions=mentions,
        evident=evident,
    )


def _evident(node: ast.stmt, prefix: str = "") -> Iterator[str]:
    """Qualified names of the functions (or "" for plain code) whose own statements could be an update."""
    name = getattr(node, "name", "") if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else ""
    qualified = f"{prefix}.{name}" if prefix and name else name or prefix
    inner: list[ast.stmt] = []
    if not isinstance(node, ast.ClassDef) and _could_update(_own(node, inner)):
        yield qualified
    elif isinstance(node, ast.ClassDef):
        inner = list(node.body)
    for child in inner:
        yield from _evident(child, qualified)


def _own(node: ast.stmt, inner: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a statement without those of the functions and classes defined inside it."""
    stack: list[ast.AST] = list(ast.iter_child_nodes(node))
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner.append(current)
            continue
        yield current
        stack.extend(ast.iter_child_nodes(current))


def _could_update(nodes: Iterable[ast.AST]) -> bool:
    root = average = step = False
    changes = 0  # in-place calls: one for the average, one for the parameter
    for n in nodes:
        if isinstance(n, ast.Call):
            name = (
                n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""
            )
            root |= name in _ROOTS
            average |= name in _SELF_UPDATES
            scaled = len(n.args) + len(n.keywords) >= 2
            changes += name in _SELF_UPDATES and name.endswith("_")
            step |= name in _STEPS or (name in _SCALED_STEPS and scaled) or changes > 1
        elif isinstance(n, ast.BinOp):
            if isinstance(n.op, ast.Pow):
                root |= _is_half(n.right)
            elif isinstance(n.op, (ast.Sub, ast.Add)):
                step = True
                average |= any(
                    isinstance(side, ast.BinOp) and isinstance(side.op, ast.Mult) for side in (n.left, n.right)
                )
        elif isinstance(n, ast.AugAssign):
            step = True
            average |= isinstance(n.op, (ast.Mult, ast.Add))
    return (root and (average or step)) or (average and step)


def _is_half(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)
    return isinstance(node, ast.Constant) and node.value == 0.5
