"""A moment that a step reads and that only another step of the class ever moves: without that one it stays 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from optlint.diagnose.findings import Context
from optlint.diagnose.judge import Judgement
from optlint.diagnose.repairs import Repair
from optlint.diagnose.search import ordinary
from optlint.intent import meant_families
from optlint.knowledge import find_mistake
from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Finding, Span
from optlint.prepare import prepare
from optlint.sandbox.evaluate import TooLarge
from optlint.settings import Settings
from optlint.subject import Subject

CODE = "OPT602"
ZERO = ex.const(0)
Judged = Sequence[tuple[Recurrence, Judgement]]


def never_fed(judged: Judged, path: str, settings: Settings) -> Iterator[Finding]:
    """One finding for each such moment: as it stands the update is like nothing known, with the moment published."""
    page = find_mistake(CODE)
    if page is None or page.off:
        return
    for recurrence, verdict in judged:
        if verdict.status != "unmatched" or not recurrence.at_home or not recurrence.states or recurrence.lost:
            continue
        for symbol in _zeros(recurrence, judged):
            for state, subject in _movers(symbol, recurrence, judged):
                still = recurrence.with_step(partial(ex.substitute, table={ex.sym(symbol): ZERO}))
                try:
                    repaired, written = _fed(recurrence, symbol, state, subject), prepare(still)
                except TooLarge:
                    continue
                if repaired is None:
                    continue
                match, families = ordinary(repaired), meant_families(recurrence.called)
                if match is None or (families is not None and match.family not in families):
                    continue
                right = next(s.post for s in repaired.states if s.old is symbol)
                repair = Repair(CODE, repaired, ex.sym(symbol), right, span=_read_at(recurrence, symbol))
                message = f"{symbol.name} is read here, and only other steps of the class update it: it stays 0"
                same = (match.title, match.worst)
                finding = Context(recurrence, written, path, settings).slip(page, repair, same, message)
                if finding is not None:
                    yield finding
                    break


def _zeros(recurrence: Recurrence, judged: Judged) -> list[Symbol]:
    """The arrays of zeros that a step reads, and that no path of its function moves."""
    own = [r for r, _ in judged if r.name == recurrence.name]
    moved = {s.name for r in own for s in (*r.advanced, *r.moving)} | {
        e.slot.symbol.name for r in own for e in r.overwritten
    }
    read = sorted(recurrence.step.symbols, key=lambda s: s.name)
    kept = (s for s in read if s.kind == "place" and s.array and not s.external and s.initial == ZERO)
    return [s for s in kept if s.name.startswith("self.") and s.name not in moved]


def _movers(symbol: Symbol, recurrence: Recurrence, judged: Judged) -> Iterator[tuple[State, Subject]]:
    """The published updates in other methods of the class, which move a parameter each and alone write the moment."""
    if recurrence.around is None or recurrence.parameter is None or "." not in recurrence.name:
        return
    found: list[tuple[Recurrence, State, Subject]] = []
    for other, verdict in judged:
        same = other.name.rpartition(".")[0] == recurrence.name.rpartition(".")[0] and other.name != recurrence.name
        state = next((s for s in other.states if s.name == symbol.name), None)
        subject = verdict.subject if verdict.status == "matched" and other.at_home else None
        if same and other.parameter is not None and state is not None and subject is not None:
            found.append((other, state, subject))
    if found and recurrence.around.is_fed_only_by(symbol.name, [r.around for r, _, _ in found if r.around is not None]):
        yield from ((state, subject) for _, state, subject in found)


def _fed(recurrence: Recurrence, symbol: Symbol, state: State, subject: Subject) -> Subject | None:
    """The update that moves the moment first, as the other one does, by its own gradient."""
    mine = prepare(recurrence).gradient
    prepared = next((s for s in subject.states if s.name == state.name), None)
    if mine is None or prepared is None or prepared.post.symbols & (subject.moving - {prepared.old}):
        return None
    names = {s.name: s for p in recurrence.posts() for s in p.symbols}
    table: dict[Expr, Expr] = {
        ex.sym(s): ex.sym(names[s.name]) for s in prepared.post.symbols if s is not subject.g and s.name in names
    }
    table[ex.sym(subject.g)] = mine
    table[ex.sym(prepared.old)] = ex.sym(symbol)
    new = Symbol(f"{symbol.name}'")
    fed = State(symbol.name, symbol, new, ex.substitute(prepared.post, table), symbol.initial, state.spans)
    whole = recurrence.with_step(partial(ex.substitute, table={ex.sym(symbol): ex.sym(new)}))
    return prepare(replace(whole, states=[*whole.states, fed]))


def _read_at(recurrence: Recurrence, symbol: Symbol) -> Span:
    """The smallest expression that reads the moment, and has a place in the source."""
    nodes = [n for n in ex.walk(recurrence.step) if n.origin is not None and symbol in n.symbols]
    place = min(nodes, key=lambda n: n.size).origin if nodes else None
    return place or recurrence.span
