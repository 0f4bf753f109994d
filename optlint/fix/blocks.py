"""One state for several parameters in a row (``cache`` for W, then for b): each behind the first gets its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import libcst as cst

from optlint.diagnose.checks.sharing import averages_inside
from optlint.fix.beside import Places, Twin, Unclear, start_of
from optlint.fix.reading import Reading
from optlint.fix.statements import assigned, last_name
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
    try:
        edits = [e for blocks in in_a_row(recurrence, recurrence.states, reading, source) for e in blocks.apart()]
    except Unclear:
        return
    if edits:
        yield tuple(merged(edits))


def in_a_row(recurrence: Recurrence, states: Sequence[State], reading: Reading, source: str) -> list[Blocks]:
    """The states that several blocks write; raises Unclear."""
    found: list[Blocks] = []
    for state in states:
        inside = sorted(averages_inside(state), key=lambda n: n.size)
        if inside:
            contents = [reading.values.worth(n) for n in (*inside, state.post)]
            found.append(Blocks(state, recurrence, reading, source, contents))
    return found


class Blocks:
    """One state's blocks, the first one first. contents: what it holds after each; twins: what the others call it."""

    def __init__(
        self, state: State, recurrence: Recurrence, reading: Reading, source: str, contents: list[Worth]
    ) -> None:
        self.state = state
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
        starts = [self._start(before, then) for before, then in pairwise(contents)]
        self.parts = list(zip(starts, [*starts[1:], None], strict=True))
        self.tensors = [self._moved((0, 0, 0), starts[0]), *(self._moved(*part) for part in self.parts)]
        self.twins = [self._twin(number, tensor) for number, tensor in enumerate(self.tensors[1:], 2)]
        if len({t.tail for t in self.twins}) < len(self.twins):
            raise Unclear

    def apart(self) -> Edits:
        """Each block's own state, begun and named."""
        worth, first = self.reading.values.worth, (self.held, self.begin)
        own = [r for r in self.reading.reads if r.written and self.places.is_place(r.node)]
        computed = [self.reading.statement(r.node) for r in own if worth(r.expr) not in first]
        begun = self.places.begun(self.twins, [s for s in computed if s is not None], self._hands_on)
        return (*(e for _, edits in begun for e in edits), *self._named([p for p, _ in begun]))

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

    def _twin(self, number: int, tensor: str) -> Twin:
        own = last_name(_CONTENT.sub("", tensor))
        tails = [f"_{own}", str(number), f"_{number}"] if tensor else [str(number), f"_{number}"]
        instead = (self.tensors[0], tensor) if tensor else ("", "")
        twin = self.places.free([Twin(tail=tail, instead=instead) for tail in tails], self.source)
        if twin is None:
            raise Unclear
        return twin

    def _moved(self, start: Start, end: Start | None) -> str:
        """The parameter that a block moves."""
        found: dict[bool, str] = {}
        for node in self.reading.nodes(self.places.home):
            span = self.reading.span(node) if isinstance(node, cst.BaseSmallStatement) else None
            target = self.places.statements.changed_by(node) if span is not None and _is_in(span, start, end) else None
            if target is not None and not self.places.is_place(target):
                found[any(self.places.tokens(node))] = self.reading.text_of(target)
        return found.get(True, found.get(False, ""))  # where the state is read, else where anything changes

    def _hands_on(self, target: cst.BaseExpression) -> bool:
        """The target is given what the state held, or begins with, if one of another shape can begin with that."""
        statement = self.reading.statement(target)
        values = [v for t, v in assigned(statement) if t is target] if statement is not None else []
        if any(isinstance(v, cst.Call) and not self._fits_all(v) for v in values):
            return False
        written = [r for r in self.reading.reads if r.node is target and r.written]
        worths = {self.reading.values.worth(r.expr) for r in written}
        return worths <= {self.held, self.begin}

    def _fits_all(self, value: cst.Call) -> bool:
        """``np.zeros(1)``, and what names the first parameter."""
        only = [self.reading.text_of(a.value).strip("(,)") for a in value.args[:1]]
        return only in ([], ["1"]) or any(self.places.statements.places_of(value, self.tensors[0]))

    def _named(self, known: list[cst.CSTNode]) -> Iterator[Edit]:
        """Each block's own name, wherever it speaks of the state."""
        for token in self.places.others(known):
            span = self.reading.span(token)
            if span is None or self.places.is_handed_back(token):
                raise Unclear
            for part, twin in zip(self.parts, self.twins, strict=True):
                if _is_in(span, *part):
                    yield from self.places.renamed(token, twin)


def _is_in(span: Span, start: Start, end: Start | None) -> bool:
    return start <= start_of(span) and (end is None or start_of(span) < end)
