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
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from optlint.evidence import TooDeep, evident
from optlint.python2 import readable

if TYPE_CHECKING:
    from optlint.source import Unit

MAX_DEPTH = 300
MAX_BLOCK_LINES = 6000

# An update is written with one of these words. Each is looked for as it stands: that takes a tenth of the time of a
# regular expression. Others are common in other code and prose ("at the moment", "a beta version", Python 3.9), so that
# what stands around them counts, too: a name is one that something is set to or multiplied with.
_WORDS = (
    b"sqrt", b"momentum", b"velocit", b"decay", b"nesterov", b"adagrad", b"rmsprop", b"adam", b"learning_rate",
    b"learningrate", b"step_size", b"stepsize", b"sgd",
)  # fmt: skip
_NAME = (
    rb"(?:\b|_)(?:lr|eta|alpha|beta\w*)\b\W{0,3}[*=]|\*[ \w.(\['\"]*(?:\b|_)(?:lr|eta|alpha|beta\w*)\b|beta_?[12st]\b"
)
_AROUND = {
    word: re.compile(pattern)
    for word, pattern in {
        b".9": rb"(?<![\d.])0?\.9(?!\d*\.\d)",
        b".5": rb"\*\*\s*\(?\s*0?\.5|pow\w*\([^\n]*\.5",
        b"/2": rb"\*\*\s*\(\s*1\.?0?/2|pow\w*\([^\n]*/2",
        b"/ 2": rb"\*\*\s*\(\s*1\.?0? ?/ 2|pow\w*\([^\n]*/ 2",
        b"alpha": _NAME,
        b"beta": _NAME,
        b"eta": _NAME,
        b"lr": _NAME,
        b"lerp": rb"(?:\b|_)lerp",
        b"moment": rb"[\w.]moment|moments?[\w=\[]|(?:first|second|1st|2nd|raw)[ -]+(?:order[ -]+)?moment",
    }.items()
}
_NEAR = 40  # bytes on either side


@dataclass
class Block:
    """One top-level statement, or several that share a line. ``line`` is its first one (decorators included)."""

    kind: str  # "def", "class", "code"
    name: str
    line: int
    end_line: int
    candidate: bool
    nodes: tuple[ast.stmt, ...] = ()
    evident: frozenset[str] = frozenset()  # qualified names of functions that hold evidence themselves

    @cached_property
    def simple(self) -> bool:
        """An import or a plain assignment: cheap, and others rely on it."""
        return all(map(_is_simple, self.nodes))

    @cached_property
    def everything(self) -> tuple[ast.AST, ...]:
        """Every node of it, statement by statement."""
        return tuple(n for node in self.nodes for n in ast.walk(node))

    @cached_property
    def functions(self) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
        """Every function in it, those inside classes and other functions too."""
        return tuple(n for n in self.everything if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        return tuple(n for n in self.everything if isinstance(n, ast.ClassDef))

    @cached_property
    def uses(self) -> frozenset[str]:
        return frozenset(n.id for n in self.everything if isinstance(n, ast.Name))

    @cached_property
    def mentions(self) -> frozenset[str]:
        """Names that functions inside it call or pass on, attributes too."""
        return self.uses.union(n.attr for n in self.everything if isinstance(n, ast.Attribute))


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
    small = data.lower()
    return any(word in small for word in _WORDS) or any(_is_near(small, *item) for item in _AROUND.items())


def _is_near(data: bytes, word: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Whether the pattern fits around one of the word's places."""
    at = data.find(word)
    while at >= 0:
        if pattern.search(data[max(0, at - _NEAR) : at + _NEAR]):
            return True
        at = data.find(word, at + len(word))
    return False


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
        incomplete = any("indented block" in message for _, message in result.problems)
        result = Layout(modern, problems=[] if tree is not None and not incomplete else result.problems)
    if tree is not None:
        result.blocks = _merged(tree)
        return result
    first = result.problems[0]
    result.problems.clear()
    for offset, chunk in chunks(result.text):
        part = _parse(chunk, result, offset)
        if part is not None:
            result.blocks.extend(part)
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
            last.nodes += block.nodes
            last.evident |= block.evident
        else:
            result.append(block)
    return result


def _parse(text: str, result: Layout, offset: int) -> list[Block] | None:
    """A text's blocks, or None, with what stands in the way."""
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
        try:
            return [_block(node, offset) for node in tree.body]
        except TooDeep:
            result.problems.append((offset + 1, f"nested deeper than {MAX_DEPTH} levels: not analysed"))
    return None


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
    end = node.end_lineno or node.lineno
    found = evident(node, MAX_DEPTH)
    kind, name = "code", ""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        kind, name = "def", node.name
    elif isinstance(node, ast.ClassDef):
        kind, name = "class", node.name
    candidate = bool(found) and end - line <= MAX_BLOCK_LINES
    return Block(kind, name, offset + line, offset + end, candidate, (node,), found)


def _is_simple(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Try, ast.If)):
        return any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(node))
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return (node.end_lineno or node.lineno) - node.lineno < 50
    return isinstance(node, (ast.Import, ast.ImportFrom))
