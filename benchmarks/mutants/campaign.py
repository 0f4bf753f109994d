"""All mutants of all programs, in several processes, resumable."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from multiprocessing import Pool
from pathlib import Path
from types import FrameType

from benchmarks.mutants.anatomy import Original, originals_in
from benchmarks.mutants.inject import Injector, load
from benchmarks.mutants.ledger import Saying, saying
from benchmarks.mutants.originals import ROOT, Program
from benchmarks.mutants.slices import slice_around
from benchmarks.mutants.source import Code, Edit
from benchmarks.mutants.trial import Outcome, attempt, behaviours, loud_on


@dataclass(frozen=True)
class Campaign:
    """What to inject (all, where ``only`` is empty; nothing with ``unchanged``), how much, and where to keep.

    limit: mutants of one mistake in one update; each: mutants of one update, of different mistakes, drawn by ``seed``.
    0 stands for all.
    """

    unchanged: bool = False
    only: tuple[str, ...] = ()
    limit: int = 0
    each: int = 0
    seed: int = 0
    seconds: float = 600
    cache: Path | None = None


@dataclass
class Measured:
    """A program's outcomes. speaking: originals that optlint finds fault with."""

    file: str
    source: str
    originals: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    speaking: list[Saying] = field(default_factory=list)
    late: bool = False
    broken: str = ""


class OutOfTime(BaseException):
    """No exception: the linter takes those for its own, reports a problem, and the mutant would count as missed."""


def run(programs: list[Program], campaign: Campaign, jobs: int) -> Iterator[Measured]:
    """Each program's results as they come."""
    if jobs <= 1:
        yield from map(partial(measure, campaign=campaign), programs)
        return
    with Pool(jobs, maxtasksperchild=8) as pool:
        yield from pool.imap_unordered(partial(measure, campaign=campaign), programs)


def measure(program: Program, campaign: Campaign) -> Measured:
    result = Measured(program.name, program.source)
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, campaign.seconds)
    try:
        _measure(program, campaign, result)
    except OutOfTime:
        result.late = True
    except Exception as error:  # one program must not end the campaign; the report tells
        result.broken = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return result


def _stop(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


def _measure(program: Program, campaign: Campaign, result: Measured) -> None:
    loud = loud_on(program.text, program.path or program.name)
    result.speaking = [saying(program.name, f) for f in loud]
    whole = Code(program.text, program.path)
    found = originals_in(whole)
    result.originals = len(found)
    if campaign.unchanged:
        return
    kept = Kept(campaign.cache)
    quiet = [o for o in found if not any(f.update == o.name for f in loud)]
    for text, names in _slices(program.text, quiet):
        code = whole if text == program.text else Code(text, program.path)
        for original in originals_in(code):
            if original.name in names:
                _measure_one(program, original, campaign, kept, result)


def _slices(text: str, originals: list[Original]) -> list[tuple[str, set[str]]]:
    """The parts of a file to mutate, each with the updates that it is for."""
    found: dict[str, set[str]] = {}
    for original in originals:
        found.setdefault(slice_around(text, original.span[0]), set()).add(original.name)
    return list(found.items())


def _measure_one(program: Program, original: Original, campaign: Campaign, kept: Kept, result: Measured) -> None:
    code = original.code
    before: set[bytes] | None = None
    for injector, edits in mutants(original, campaign):
        text = code.applied(edits)
        outcome = described(program, original, injector, edits)
        key = digest(outcome, text, injector)
        known = kept.get(key)
        if known is None:
            if before is None:
                mine = [r for r in code.lifted.recurrences if r.name == original.name]
                before = {how for _, how in behaviours(mine)}
            attempt(original, before, injector, text, outcome)
            kept.add(key, outcome)
        else:
            outcome = known
        result.outcomes.append(outcome)


def mutants(original: Original, campaign: Campaign) -> list[tuple[Injector, tuple[Edit, ...]]]:
    """The mutants of one update, each text once, as many as the campaign wants of it."""
    chosen: list[tuple[Injector, tuple[Edit, ...]]] = []
    texts: set[str] = set()
    per_code: dict[str, list[tuple[str, Injector, tuple[Edit, ...]]]] = {}
    for injector in load():
        if campaign.only and injector.code not in campaign.only:
            continue
        for anatomy in original.anatomies:
            for edits in injector.edits(anatomy):
                text = original.code.applied(edits)
                if text not in texts and text != original.code.text:
                    texts.add(text)
                    mark = _drawn(campaign.seed, edits)
                    per_code.setdefault(injector.code, []).append((mark, injector, edits))
    drawn = sorted(per_code, key=lambda code: _drawn(campaign.seed, original.name, code))
    wanted = set(drawn[: campaign.each] if campaign.each else drawn)
    most = 1 if campaign.each else campaign.limit
    for code, found in per_code.items():
        if code in wanted:
            chosen.extend((injector, edits) for _, injector, edits in sorted(found, key=lambda m: m[0])[: most or None])
    return chosen


def _drawn(seed: int, *of: object) -> str:
    """A place in an order that nobody chose, the same in each run."""
    return hashlib.sha256(repr((seed, of)).encode()).hexdigest()


def described(program: Program, original: Original, injector: Injector, edits: tuple[Edit, ...]) -> Outcome:
    text = original.code.text
    first = min(edits)
    change = "; ".join(f"{_short(text[start:end])} → {_short(new)}" for start, end, new in edits)
    return Outcome(
        program.name,
        program.source,
        original.name,
        program.framework,
        injector.code,
        injector.kind,
        text.count("\n", 0, first[0]) + 1,
        change,
    )


def _short(text: str) -> str:
    return " ".join(text.split())


# results that are kept


@lru_cache(maxsize=1)
def tree() -> str:
    """A digest of all that the outcome of a mutant depends on beside the mutant: optlint, its rules, the trial."""
    state = hashlib.sha256()
    files = [*(ROOT / "optlint").rglob("*.py"), *(p for p in (ROOT / "rules").rglob("*") if p.is_file())]
    for path in sorted([*files, Path(__file__).with_name("trial.py")]):
        state.update(str(path.relative_to(ROOT)).encode())
        state.update(path.read_bytes())
    return state.hexdigest()


def digest(outcome: Outcome, text: str, injector: Injector) -> str:
    parts = (tree(), outcome.file, outcome.function, outcome.code, outcome.kind, injector.stays, injector.hidden, text)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class Kept:
    """Outcomes by key in one file of JSON lines, which several processes append to."""

    def __init__(self, cache: Path | None) -> None:
        self.path = cache / "outcomes" / f"{tree()[:16]}.jsonl" if cache is not None else None
        self.known: dict[str, Outcome] = {}
        if self.path is not None and self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    data = json.loads(line)
                    self.known[data.pop("key")] = Outcome(**data)
                except (ValueError, TypeError, KeyError):
                    continue  # a line that was cut off

    def get(self, key: str) -> Outcome | None:
        return self.known.get(key)

    def add(self, key: str, outcome: Outcome) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **outcome.as_dict()}) + "\n")
