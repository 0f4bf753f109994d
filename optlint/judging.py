"""A program's updates, each with its verdict: by itself, by its options, and as its callers in the file show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from optlint.agreement import by_option, keep_agreed, keep_lasting
from optlint.diagnose.judge import Judgement, judge
from optlint.diagnose.search import DEPTH
from optlint.fix.verify import Judged, Key, Trial, key_of
from optlint.knowledge import find_mistake
from optlint.lift import Lifted, Recurrence, lift
from optlint.lift import expression as ex
from optlint.lift.expression import Symbol
from optlint.lift.program import Program
from optlint.lift.related import made_at
from optlint.lift.surroundings import Surroundings
from optlint.model import Finding, Span
from optlint.settings import Settings

MAX_PATHS = 12  # configurations of one update that one mistake may be sought in, in vain
MAX_OPEN = 36  # and those of one file
MAX_SEARCHES = 3  # the same, for several mistakes
MAX_UNCLEAR = 9
MAX_SIZE = 90  # quantities of an update that several mistakes are sought in: larger ones hide too many
MAX_DEAR = 16  # verdicts of edited versions that a long search gave; beyond it no more fixes are tried
COSTS = (0.0, 0.25, 1.0)  # of a verdict without a search, with one for one mistake, with one for several
MAX_AGAIN = 3_000_000  # evaluation steps of edited versions; beyond it no more fixes are tried

Mark = tuple[object, ...]


@dataclass(slots=True)
class Bench:
    """Judges a file's updates, and those of edited versions of it: an edit leaves most of them as they were.

    known: the verdicts by what the updates are. several: what updates of more than one place are. dear, again: what
    edited versions have cost so far.
    """

    path: str
    settings: Settings
    known: dict[Mark, tuple[tuple[Span, ...], Judgement | None]] = field(default_factory=dict)
    several: set[Mark] = field(default_factory=set)
    dear: float = 0
    again: int = 0

    def judged(self, program: Program, trial: Trial | None = None) -> tuple[Lifted, Judged]:
        """Every update with its verdict; trial: what the program was edited for."""
        enough = self.dear > MAX_DEAR or self.again > MAX_AGAIN
        if not program.has_candidates or (trial is not None and enough):
            return Lifted(), []
        lifted = lift(program)
        self.again += lifted.effort if trial is not None else 0
        if trial is not None and trial.is_hopeless(lifted.recurrences):
            return Lifted(), []
        return _Sitting(self, program, lifted, trial).judged()


@dataclass(slots=True)
class _Sitting:
    """The updates of one version of a file."""

    bench: Bench
    program: Program
    lifted: Lifted
    trial: Trial | None
    readers: dict[Symbol, set[Key]] = field(default_factory=dict)  # the updates that compute with a symbol

    def __post_init__(self) -> None:
        for recurrence in self.lifted.recurrences:
            for symbol in _symbols_of(recurrence):
                self.readers.setdefault(symbol, set()).add(key_of(recurrence))

    def judged(self) -> tuple[Lifted, Judged]:
        judged, failed = self.searched()
        judged.extend(self.seen_from_callers(judged, MAX_UNCLEAR - failed))
        judged.extend(self.lost_by_callers())
        judged = [(recurrence, by_option(recurrence, verdict, judged)) for recurrence, verdict in judged]
        keep_lasting(judged)
        self.keep_confirmed(judged)
        self.counted_by_callers(judged)
        for recurrence, verdict in judged:
            if recurrence.on_data:
                keep_agreed(recurrence, verdict, judged)
        return self.lifted, judged

    def searched(self) -> tuple[Judged, int]:
        """Every update's verdict, and how many were searched for several mistakes in vain.

        What is clear costs no search, and one mistake is sought everywhere before several are. The simplest come first:
        the paths of an update that leave out its options are the likeliest to be like something known.
        """
        updates = self.lifted.recurrences
        verdicts = [self.judge(recurrence, 0) for recurrence in updates]
        published = frozenset(v.convention for v in verdicts if v is not None and v.status == "matched")
        for recurrence in updates:
            recurrence.beside = published
        sizes = [_size_of(recurrence) for recurrence in updates]
        unclear: Counter[str] = Counter()
        for depth, of_update, of_file in ((1, MAX_PATHS, MAX_OPEN), (DEPTH, MAX_SEARCHES, MAX_UNCLEAR)):
            unclear = Counter()
            vain: set[tuple[str, ...]] = set()
            still = (n for n, v in enumerate(verdicts) if v is None or v.is_open)
            if depth > 1:
                still = (n for n in still if sizes[n] <= MAX_SIZE and self.mistakes_of(updates[n]) > 1)
            for number in sorted(still, key=lambda n: sizes[n]):
                name, text = updates[number].name, updates[number].equations()
                if text not in vain and unclear[name] < of_update and unclear.total() < of_file:
                    at_most = min(depth, self.mistakes_of(updates[number]))
                    verdicts[number] = verdict = self.judge(updates[number], at_most)
                    if verdict is not None and verdict.status == "unmatched":
                        unclear[name] += 1
                        vain.add(text)
        judged = [(r, v) for r, v in zip(updates, verdicts, strict=True) if v is not None]
        return judged, unclear.total()

    def judge(self, recurrence: Recurrence, depth: int = DEPTH) -> Judgement | None:
        """The verdict; one mistake is sought in every view of the update before several are in any."""
        self.read_around(recurrence)
        verdict: Judgement | None = None
        for level in sorted({min(depth, 1), depth}):
            verdict = self.judge_at(recurrence, level)
            if verdict is not None and verdict.is_settled:
                break
        return replace(verdict, findings=list(verdict.findings)) if verdict is not None else None

    def judge_at(self, recurrence: Recurrence, depth: int) -> Judgement | None:
        known, mark = self.bench.known, (depth, *_mark(recurrence, self.apart(recurrence)))
        writes = recurrence.writes
        if self.trial is None and mark in known and known[mark][0] != writes:
            self.bench.several.add(mark)  # equal updates, but what is found in one is found at its own place
        apart = mark in self.bench.several or self.is_edited(recurrence)
        if mark not in known or (apart and _says_where(known[mark][1])):
            known[mark] = writes, judge(recurrence, self.bench.path, self.bench.settings, depth)
            if self.trial is not None and _was_long(known[mark][1]):
                self.bench.dear += COSTS[min(depth, 2)]
        return known[mark][1]

    def apart(self, recurrence: Recurrence) -> frozenset[Symbol]:
        """What other updates alone compute with: a script's moments of w₁ are nothing to those of w₂."""
        own = {key_of(recurrence)}
        return frozenset(s for s, keys in self.readers.items() if keys - own) - _symbols_of(recurrence)

    def is_edited(self, recurrence: Recurrence) -> bool:
        return self.trial is not None and key_of(recurrence) == self.trial.key

    def mistakes_of(self, recurrence: Recurrence) -> int:
        """How many mistakes are worth seeking: where an edit is tried, no more than the update has left."""
        return self.trial.left(recurrence) if self.trial is not None and self.is_edited(recurrence) else DEPTH

    def read_around(self, recurrence: Recurrence) -> None:
        """Note the names and comments of the blocks that hold the update, and what the file imports.

        They are where it moves its parameter and where the run began: a helper may hold a state of it, and no more.
        An update of no function's own is called after the definition that holds it, else after the section's heading.
        """
        moved, made = recurrence.writes[-1] if recurrence.writes else recurrence.span, recurrence.step.origin
        if made is not None:  # a notebook's cells may move the same parameter one after the other
            moved = next((w for w in recurrence.writes if w.covers(made)), moved)
        wanted = [moved] if recurrence.home is None else [moved, recurrence.home]
        lines: list[str] = []
        holder = ""
        for number, block in self.program.blocks:
            unit = self.program.units[number]
            held = [w for w in wanted if unit.cell == w.cell and block.line <= w.line <= block.end_line]
            if held:
                recurrence.heading = unit.heading
                holder = block.name if moved in held and block.kind != "code" else holder
                lines += unit.text.split("\n")[block.line - 1 : block.end_line]
        recurrence.heading = holder or recurrence.heading
        recurrence.around = around = Surroundings(self.program, recurrence.home)
        if recurrence.idle and not recurrence.states and recurrence.parameter is not None:
            place = recurrence.parameter.name  # which another method may move, too: Nesterov's way to the point ahead
            recurrence.idle = [s for s in recurrence.idle if not around.is_read_beside(s.name, place)]
        if lines:
            recurrence.text = "\n".join([*lines, *sorted(recurrence.imports)])

    def seen_from_callers(self, judged: Judged, left: int) -> Judged:
        """Functions whose update is like nothing known by itself, judged with what their callers hand in.

        At most ``left`` searches may fail.
        """
        names: dict[str, bool] = {}
        for recurrence, verdict in judged:
            names[recurrence.name] = names.get(recurrence.name, True) and verdict.status == "unmatched"
        found: Judged = []
        for name in (n for n, unclear in names.items() if unclear):
            for views in self.lifted.seen_from_callers(name):
                clear = []
                for number, recurrence in enumerate(views):
                    view = self.judge(recurrence, DEPTH if number < MAX_SEARCHES and left > 0 else 0)
                    left -= view is not None and view.status == "unmatched"
                    if view is not None and view.status in ("matched", "mistaken"):
                        clear.append((recurrence, view))
                found.extend(clear)
                if clear:
                    break
        return found

    def seen_anywhere(self, name: str) -> Iterator[list[Recurrence]]:
        """A function's updates as the file's functions show them that call it; where there are none, as its scripts do,
        and other files of the project."""
        alone = True
        for views in self.lifted.seen_from_callers(name):
            alone = False
            yield views
        if alone:
            yield from self.lifted.seen_elsewhere(name)

    def lost_by_callers(self) -> Judged:
        """Functions that give a new content of what they are handed to a mere name: a state, as their callers show."""
        found: Judged = []
        for name in list(self.lifted.unsure):
            for views in self.lifted.seen_from_callers(name):
                lost = [r for r in views if any(d.bound for d in r.dropped)]
                for recurrence in lost:
                    view = self.judge(recurrence, 0)
                    if view is not None and view.status == "mistaken":
                        found.append((recurrence, view))
                if lost:
                    break  # else these hand on what they are handed
        return found

    def keep_confirmed(self, judged: Judged) -> None:
        """Findings that a caller may answer by what it hands in (a step size that is corrected already) stay only where
        the file's own callers, if there are any, do not answer them."""
        doubtful: dict[str, list[Judgement]] = {}
        for recurrence, verdict in judged:
            if recurrence.at_home and any(_up_to_callers(f) for f in verdict.findings):
                doubtful.setdefault(recurrence.name, []).append(verdict)
        for name, verdicts in doubtful.items():
            codes: set[str] | None = None
            for views in self.seen_anywhere(name):
                shown = [view for r in views if (view := self.judge(r, 1)) is not None]
                if not any(view.status == "matched" for view in shown):
                    continue  # what is not clear there answers nothing
                seen = {f.code for view in shown for f in view.findings}
                if any(view.status == "matched" and view.deviates for view in shown):  # it is as open there as here
                    seen |= {f.code for verdict in verdicts for f in verdict.findings if _up_to_callers(f)}
                codes = seen if codes is None else codes & seen
                if not codes:
                    break  # else these may hand on what they are handed
            for verdict in verdicts if codes is not None else ():
                verdict.findings = [f for f in verdict.findings if f.code in (codes or ()) or not _up_to_callers(f)]
                if not verdict.findings:
                    verdict.status = "unmatched"

    def counted_by_callers(self, judged: Judged) -> None:
        """How steps are counted, where a function leaves that to its callers: the file's own callers, if any, tell."""
        asked: dict[str, list[tuple[Recurrence, Judgement]]] = {}
        for recurrence, verdict in judged:
            if not recurrence.at_home or verdict.subject is None:
                continue
            if _counted_elsewhere(recurrence, verdict) or _is_stuck(verdict):
                asked.setdefault(recurrence.name, []).append((recurrence, verdict))
        for name, updates in asked.items():
            told: dict[Span, list[Finding]] = {}
            several: set[Span] = set()
            moved: set[Span] = set()
            asked_any = False
            for views in self.seen_anywhere(name):
                asked_any = True
                seen = [(r, view) for r in views if (view := self.judge(r)) is not None]
                for recurrence, view in seen:
                    found = [_as_called(f, recurrence) for f in view.findings if _is_of_time(f)]
                    for span in made_at(recurrence):
                        told.setdefault(span, []).extend(found)
                several |= {s for r in views if r.serves_several for s in made_at(r)}
                moved |= {s for r, view in seen if _counts(view) for s in made_at(r)}
                if any(told.values()) or not any(_counted_elsewhere(r, view) for r, view in seen if view.subject):
                    break  # else these hand on what they are handed
            if not asked_any:
                continue
            for recurrence, verdict in updates:
                places = set(made_at(recurrence))
                if _is_stuck(verdict) and not moved & places:
                    continue
                mine = [f for f in verdict.findings if not _is_of_time(f) or places & several]
                codes = {(f.code, f.span) for f in mine}
                new = [f for s in sorted(places) for f in told.get(s, ()) if (f.code, f.span) not in codes]
                verdict.findings = [*mine, *dict.fromkeys(new)]
                loud = any(f.severity != "note" for f in verdict.findings)
                verdict.status = "mistaken" if loud else "matched"


def _says_where(verdict: Judgement | None) -> bool:
    return verdict is not None and bool(verdict.findings)


def _size_of(recurrence: Recurrence) -> int:
    """How many quantities an update computes: each once, however often it is read, and an unknown call is one."""
    return len({id(node) for post in recurrence.posts() for node in ex.walk(post)})


def _was_long(verdict: Judgement | None) -> bool:
    """Nothing, or more than one mistake, explains the update: the whole search was made."""
    return verdict is not None and (verdict.status == "unmatched" or len(verdict.findings) > 1)


def _symbols_of(recurrence: Recurrence) -> frozenset[Symbol]:
    states = (*recurrence.states, *recurrence.counters, *recurrence.idle, *recurrence.elsewhere)
    mine = frozenset().union(*(p.symbols for p in recurrence.posts()), *(s.post.symbols for s in states))
    return mine | {x for s in states for x in (s.old, s.new)}


def _mark(recurrence: Recurrence, apart: frozenset[Symbol]) -> Mark:
    """What an update's verdict rests on, beside the words around it: its equations and what is known of their symbols.

    Lifted anew, an update has new symbols, so names stand for them here. apart: what is computed with these is another
    update's.
    """
    states = [*recurrence.states, *recurrence.counters, *([recurrence.parameter] if recurrence.parameter else [])]
    symbols = frozenset().union(
        *(p.symbols for p in recurrence.posts()), *(s.post.symbols for s in recurrence.counters)
    )
    known = ((s.name, s.kind, s.default, repr(s.initial), repr(s.start), s.array, s.external, s.dtype) for s in symbols)
    return (
        *(recurrence.name, recurrence.span.cell, recurrence.heading),
        recurrence.equations(),
        tuple(sorted(map(repr, known))),
        tuple((s.name, repr(s.initial), s.becomes, s.in_place, s.exact) for s in states),
        tuple(recurrence.configuration.items()),
        *(recurrence.frame, recurrence.of_parts, recurrence.depth, recurrence.at_home, recurrence.handed_on),
        tuple(sorted(recurrence.on_data)),
        tuple(sorted(recurrence.beside)),
        *(
            *(recurrence.cut_short is None, recurrence.once is None),
            recurrence.per_parameter,
            bool(recurrence.compounded),
            recurrence.owner,
            recurrence.key,
            *(recurrence.lost, recurrence.forgetful),
            *(recurrence.kept is None, recurrence.as_kept),
            tuple((d.span, d.certain, d.bound) for d in recurrence.dropped),
            *(
                tuple(sorted(s.name for s in symbols))
                for symbols in (recurrence.stuck, recurrence.outer, recurrence.anew)
            ),
        ),
        tuple(sorted(s.name for s in (*recurrence.shared, *recurrence.shared_products))),
        tuple(e.slot.symbol.name for e in (*recurrence.overwritten, *recurrence.inputs)),
        tuple(map(repr, (*recurrence.made_anew, *recurrence.skipped))),
        tuple(s.name for s in recurrence.idle),
        tuple(sorted(repr(e) for e in recurrence.escapes if not e.symbols & apart)),
        tuple((s.name, repr(s.expr)) for s in recurrence.stored if not s.expr.symbols & apart),
        tuple(recurrence.aliases),
    )


def _counted_elsewhere(recurrence: Recurrence, verdict: Judgement) -> bool:
    """A published update whose step number is handed in, or counts what it is handed in."""
    assert verdict.subject is not None
    own = {x for c in recurrence.counters for x in (c.old, c.new)}
    if verdict.status == "matched":
        return any(not c.known and c.symbol.kind != "index" and c.symbol not in own for c in verdict.subject.clocks)
    apart = (recurrence.owner or recurrence.key) and not recurrence.per_parameter
    loud = [f for f in verdict.findings if f.severity != "note"]
    return bool(apart) and (not loud or any(map(_is_of_time, loud)))


def _is_stuck(verdict: Judgement) -> bool:
    """Nothing is wrong but that the function itself does not advance its count: whoever calls it may."""
    loud = [f for f in verdict.findings if f.severity != "note"]
    return verdict.status == "mistaken" and bool(loud) and all(map(_is_of_time, loud)) and not _counts(verdict)


def _counts(verdict: Judgement) -> bool:
    """Something counts steps in it."""
    read = (
        frozenset().union(*(p.symbols for p in verdict.subject.posts)) if verdict.subject is not None else frozenset()
    )
    return verdict.subject is not None and bool(verdict.subject.time & read)


def _as_called(finding: Finding, recurrence: Recurrence) -> Finding:
    said = f"{finding.message}, as {recurrence.seen_in} calls it"
    return replace(finding, message=said) if recurrence.seen_in else finding


def _is_of_time(finding: Finding) -> bool:
    page = find_mistake(finding.code)
    return page is not None and bool(page.options.get("clock"))


def _up_to_callers(finding: Finding) -> bool:
    page = find_mistake(finding.code)
    return page is not None and bool(page.options.get("callers"))
