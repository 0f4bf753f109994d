"""One unit's code, parsed by LibCST block by block and only where it is needed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import libcst as cst

from optlint.lift.tree import Tree, tree_of
from optlint.locate import Block, Layout, layout
from optlint.model import Span
from optlint.modules import Modules
from optlint.source import Unit

_COMPARED = re.compile(
    r"(?<![\w.])(?P<left>(?:self\.)?[^\W\d]\w*)\s*==\s*(?P<q>['\"])(?P<text>\w+)(?P=q)"
    r"|(?P<r>['\"])(?P<first>\w+)(?P=r)\s*==\s*(?P<right>(?:self\.)?[^\W\d]\w*)\b(?![.(\[])"
)


@dataclass(slots=True)
class Parsed:
    """A block's statements. Positions are looked up by node, and shifted to the unit's lines."""

    block: Block
    tree: Tree
    cell: int | None
    _spans: dict[cst.CSTNode, Span | None] = field(default_factory=dict)

    @property
    def body(self) -> tuple[cst.BaseStatement, ...]:
        return self.tree.body

    def span(self, node: cst.CSTNode) -> Span | None:
        try:
            return self._spans[node]
        except KeyError:
            made = self._spans[node] = self._shifted(node)
            return made

    def _shifted(self, node: cst.CSTNode) -> Span | None:
        found = self.tree.positions.get(node)
        if found is None:
            return None
        shift = self.block.line - 1
        return Span(
            found.start.line + shift, found.start.column + 1, found.end.line + shift, found.end.column + 1, self.cell
        )


@dataclass(slots=True)
class Program:
    """The blocks of one file in order (a notebook's cells follow each other as one program)."""

    units: tuple[Unit, ...]
    blocks: list[tuple[int, Block]] = field(default_factory=list)
    problems: list[tuple[int | None, int, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # by unit: what is analysed of it
    selectors: frozenset[str] = frozenset()  # names whose text chooses among the code's ways
    modules: Modules | None = None  # the project's other modules, where they may be read
    _cache: dict[int, Parsed | None] = field(default_factory=dict)
    _known: dict[str, list[Tree]] = field(default_factory=dict)  # by text: what another version has read already

    @classmethod
    def read(cls, units: tuple[Unit, ...], modules: Modules | None = None, before: Program | None = None) -> Program:
        """before: another version of the program; blocks with the same text are not parsed again."""
        program = cls(units, modules=modules)
        for parsed in before._cache.values() if before is not None else ():
            if parsed is not None:
                program._known.setdefault(parsed.tree.text, []).append(parsed.tree)
        for number, unit in enumerate(units):
            found: Layout = layout(unit.text)
            program.texts.append(found.text)
            program.blocks.extend((number, block) for block in found.blocks)
            program.problems.extend((unit.cell, line, message) for line, message in found.problems)
        program.selectors = _compared_with_several(program.texts)
        return program

    @property
    def has_candidates(self) -> bool:
        return any(block.candidate for _, block in self.blocks)

    def needed(self, also: Collection[int] = ()) -> list[int]:
        """Indices of the blocks that the candidates (and ``also``) rest on, in order."""
        defined: dict[str, list[int]] = {}
        wanted: set[int] = set(also)
        for index, (_, block) in enumerate(self.blocks):
            if block.name:
                defined.setdefault(block.name, []).append(index)
            if block.candidate or block.simple:
                wanted.add(index)
        queue = list(wanted)
        while queue:
            for name in self.blocks[queue.pop()][1].uses:
                for index in defined.get(name, ()):
                    if index not in wanted:
                        wanted.add(index)
                        queue.append(index)
        return sorted(wanted)

    def related(self, indices: Collection[int]) -> set[int]:
        """The blocks that these depend on, or that depend on them; blocks without updates, and scripts, stay."""
        users: dict[str, list[int]] = {}
        for index, (_, block) in enumerate(self.blocks):
            for name in block.uses | block.mentions:
                users.setdefault(name, []).append(index)
        wanted, queue = set(indices), list(indices)
        while queue:
            for user in users.get(self.blocks[queue.pop()][1].name or "", ()):
                if user not in wanted:
                    wanted.add(user)
                    queue.append(user)
        also = set(wanted)
        names = {n for i in wanted for n in self.blocks[i][1].uses}
        while True:
            more = {i for i, (_, b) in enumerate(self.blocks) if b.name in names and i not in also}
            if not more:
                break
            also |= more
            names |= {n for i in more for n in self.blocks[i][1].uses}
        return also | {i for i, (_, b) in enumerate(self.blocks) if not b.candidate or b.kind == "code"}

    def parsed(self, index: int) -> Parsed | None:
        """A block's statements where they were needed so far."""
        return self._cache.get(index)

    def parse(self, index: int) -> Parsed | None:
        """A block's statements, or None (with a problem noted) where LibCST cannot read what ``ast`` could."""
        if index not in self._cache:
            number, block = self.blocks[index]
            unit = self.units[number]
            text = "\n".join(self.texts[number].split("\n")[block.line - 1 : block.end_line]) + "\n"
            known = self._known.get(text)
            try:
                parsed = Parsed(block, known.pop() if known else tree_of(text), unit.cell)
            except (cst.ParserSyntaxError, RecursionError, ValueError) as error:
                reason = getattr(error, "message", None) or str(error) or type(error).__name__
                self.problems.append(
                    (unit.cell, block.line, f"LibCST cannot read this block: {reason.splitlines()[0]}")
                )
                parsed = None
            self._cache[index] = parsed
        return self._cache[index]


def _compared_with_several(texts: Iterable[str]) -> frozenset[str]:
    """``if method == "adam": … elif method == "momentum": …``: the names that are compared with several texts."""
    found: dict[str, set[str]] = {}
    for match in (m for text in texts for m in _COMPARED.finditer(text)):
        name, value = (match["left"], match["text"]) if match["left"] else (match["right"], match["first"])
        found.setdefault(name, set()).add(value)
    return frozenset(name for name, values in found.items() if len(values) > 1)
