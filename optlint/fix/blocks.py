"""One state for several parameters in a row (``cache`` for W, then for b): each behind the first gets its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from optlint.diagnose.checks.sharing import averages_inside
from optlint.fix.beside import Places, Twin, Unclear, start_of
from optlint.fix.reading import Reading
from optlint.fix.statements import last_name
from optlint.fix.text import merged
from optlint.fix.values import Worth
from optlint.lift import expression as ex
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Edit, Span

Edits = tuple[Edit, ...]
Start = tuple[int, int, int]
SEPARATE = "keep a state for each parameter"
_CONTENT = re.compile(r"\.(?:data|value)$")


def separated(recurrence: Recurrence, reading: Reading, source: str) -> Iterator[Edits]:
    """A name of its own for what the second block takes up from the first, begun where that one begins."""
    edits: list[Edit] = []
    for state in recurrence.states:
        inside = sorted(averages_inside(state), key=lambda n: n.size)
        contents = [reading.values.worth(n) for n in (*inside, state.post)]
        try:
            edits += _Blocks(state, recurrence, reading, source, contents).apart() if inside else ()
        except Unclear:
            return
    if edits:
        yield tuple(merged(edits))


class _Blocks:
    """contents: what the state holds after each block, the first block first."""

    def __init__(
        self, state: State, recurrence: Recurrence, reading: Reading, source: str, contents: list[Worth]
    ) -> None:
        self.reading = reading
        self.source = source
        self.contents = contents
        self.begin = reading.values.worth(state.initial) if state.initial is not None else None
        self.held = reading.values.worth(ex.sym(state.old))
        writes = [r for r in reading.by_worth.get(contents[-1], ()) if r.written or isinstance(r.node, cst.Call)]
        if not writes:
            raise Unclear
        others = [s for s in recurrence.states if s is not state]
        self.places = Places(reading, state, others, reading.function(writes[0].node))

    def apart(self) -> Edits:
        starts = [self._start(before, then) for before, then in zip(self.contents, self.contents[1:], strict=False)]
        parts = list(zip(starts, [*starts[1:], None], strict=True))
        twins = [self._twin(number, *part) for number, part in enumerate(parts, 2)]
        if len({t.tail for t in twins}) < len(twins):
            raise Unclear
        worth, first = self.reading.values.worth, (self.held, self.begin)
        own = [r for r in self.reading.reads if r.written and self.places.is_place(r.node)]
        computed = [self.reading.statement(r.node) for r in own if worth(r.expr) not in first]
        begun = self.places.begun(twins, [s for s in computed if s is not None], self._hands_on)
        return (*(e for _, edits in begun for e in edits), *self._named(parts, twins, [p for p, _ in begun]))

    def _start(self, before: Worth, then: Worth) -> Start:
        """Where the first statement of a block begins: it makes the state's next content out of the one before."""
        for read in self.reading.by_worth.get(then, ()):
            statement = self.reading.statement(read.node)
            while statement is not None and self.reading.function(statement) is self.places.home:
                span = self.reading.span(statement)
                if span is not None and self._takes(statement, before):
                    return start_of(span)
                statement = self._one_before(statement)
        raise Unclear

    def _takes(self, statement: cst.CSTNode, content: Worth) -> bool:
        """The statement reads the state while it has that content."""
        met = {id(token) for token in self.places.tokens(statement)}
        reads = [r for r in self.reading.by_worth.get(content, ()) if not r.written]
        return any(id(n) in met for r in reads for n in self.reading.nodes(r.node))

    def _one_before(self, statement: cst.CSTNode) -> cst.CSTNode | None:
        """The statement in front, if it has made a part of the content: ``v *= μ`` in front of ``v += g``."""
        line = self.places.statements.line_of(statement)
        block = self.reading.parents.get(line)
        lines: list[cst.CSTNode] = list(block.body) if isinstance(block, cst.IndentedBlock) else []
        before = lines[lines.index(line) - 1] if line in lines[1:] else None
        if not isinstance(before, cst.SimpleStatementLine) or not any(self.places.tokens(before)):
            return None
        return before.body[0]

    def _twin(self, number: int, start: Start, end: Start | None) -> Twin:
        moved = self._moved(start, end)
        wanted = [Twin(tail=f"_{moved}")] if moved is not None else []
        twin = self.places.free([*wanted, Twin(tail=str(number)), Twin(tail=f"_{number}")], self.source)
        if twin is None:
            raise Unclear
        return twin

    def _moved(self, start: Start, end: Start | None) -> str | None:
        """What the parameter is called that a block moves."""
        found: dict[bool, str] = {}
        for node in self.reading.nodes(self.places.home):
            span = self.reading.span(node) if isinstance(node, cst.BaseSmallStatement) else None
            target = self.places.statements.changed_by(node) if span is not None and _is_in(span, start, end) else None
            if target is not None and not self.places.is_place(target):
                found[any(self.places.tokens(node))] = last_name(_CONTENT.sub("", self.reading.text_of(target)))
        return found.get(True, found.get(False))  # where the state is read, else where anything changes

    def _hands_on(self, target: cst.BaseExpression) -> bool:
        """The target is given what the state begins with, or held."""
        written = [r for r in self.reading.reads if r.node is target and r.written]
        worths = {self.reading.values.worth(r.expr) for r in written}
        return worths <= {self.held, self.begin}

    def _named(
        self,
        parts: list[tuple[Start, Start | None]],
        twins: list[Twin],
        known: list[cst.CSTNode],
    ) -> Iterator[Edit]:
        """Each block's own name, wherever it speaks of the state."""
        for token in self.places.others(known):
            span = self.reading.span(token)
            if span is None or self.places.is_handed_back(token):
                raise Unclear
            for part, twin in zip(parts, twins, strict=True):
                if _is_in(span, *part):
                    yield from self.places.renamed(token, twin)


def _is_in(span: Span, start: Start, end: Start | None) -> bool:
    return start <= start_of(span) and (end is None or start_of(span) < end)
