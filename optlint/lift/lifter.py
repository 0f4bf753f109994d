"""Runs the abstract interpreter over a program: every function, method and script that could hold an update."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from optlint.lift.abroad import Abroad
from optlint.lift.beginnings import without_beginnings
from optlint.lift.branches import Choices, Paths
from optlint.lift.callers import lift_wholes, views_of
from optlint.lift.dropped import (
    decays_in_vain,
    forget_what_is_written,
    is_log,
    lasts,
    on_parameters,
    reads_result,
)
from optlint.lift.elsewhere import views_elsewhere
from optlint.lift.frames import Frame, Leave
from optlint.lift.interpreter import Interpreter
from optlint.lift.objects import Func, Klass, Unsupported
from optlint.lift.program import Program
from optlint.lift.recurrence import Recurrence
from optlint.lift.related import (
    at_home,
    count_each_call,
    forget_what_is_read,
    note_what_stands_still,
)
from optlint.lift.runs import run_entry
from optlint.lift.shown import is_home, shown_by
from optlint.lift.vocabulary.graph import commit
from optlint.model import Span

MODULE_PATHS = 4
CHOSEN_PATHS = 8  # more of them in a script that chooses among several ways by a text
NESTED_PATHS = 12
MAX_EFFORT = 200_000  # evaluation steps of all paths of a function together
MAX_FRUITLESS = 50_000  # evaluation steps of a function's paths, none of which has shown an update


@dataclass(slots=True)
class Missed:
    """A candidate that could not be lifted."""

    name: str
    span: Span
    reason: str


@dataclass(slots=True)
class Lifted:
    """What a program holds.

    seen_from_callers: the updates of a function, by its name, as the file's own callers of it show them (nearest
    callers first, then theirs); seen_elsewhere: as the project's other files do.
    """

    recurrences: list[Recurrence] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    quiet: list[Missed] = field(default_factory=list)  # functions that could hold an update, and show none
    candidates: int = 0
    effort: int = 0  # evaluation steps that this took
    unsure: dict[str, None] = field(default_factory=dict)  # functions that may lose a state, if it is one
    seen_from_callers: Callable[[str], Iterator[list[Recurrence]]] = lambda name: iter(())
    seen_elsewhere: Callable[[str], Iterator[list[Recurrence]]] = lambda name: iter(())


def lift(program: Program) -> Lifted:
    """Every update of the program, in source order; configurations of one update follow each other."""
    lifter = Lifter(program)
    lifted = lifter.run()
    lifted.seen_from_callers = partial(views_of, lifter)
    lifted.seen_elsewhere = partial(views_elsewhere, lifter)
    return lifted


class Lifter:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.result = Lifted()
        self.seen: set[tuple[object, ...]] = set()
        self.machine: Interpreter | None = None  # with the module's names as its first path leaves them
        self.callers: set[int] = set()  # blocks that are read only because they call an update
        self.viewed = 0  # evaluation steps that views from callers have taken
        self.defined: set[int] = set()
        self.made: dict[int, object] = {}  # by block, what its name means there (a later cell may take the name)
        self.latest: list[Recurrence] = []  # what the last run has shown, new or not
        self.abroad = Abroad(program.modules, Interpreter) if program.modules is not None else None

    def run(self) -> Lifted:
        """Lift every path of the module's own code, and (once) all its functions."""
        of_script = any("." not in name for name in self.program.selectors)
        paths = Paths(MODULE_PATHS + (CHOSEN_PATHS if of_script else 0))
        while paths:
            choices = paths.next()
            machine = self._interpreter(choices)
            frame = self.module(machine)
            paths.learn(choices, self.collect(machine, frame, "<module>"))
            if self.machine is None:
                self.machine = machine
                self.functions(machine)
                lift_wholes(self, machine)
            self.result.effort += machine.effort
        self.result.recurrences = without_beginnings(list(at_home(self.result.recurrences)))
        count_each_call(self.result.recurrences)
        note_what_stands_still(self.result.recurrences)
        forget_what_is_read(self.result.recurrences)
        forget_what_is_written(self.result.recurrences)
        return self.result

    def define(self, scripts: Collection[int]) -> tuple[Interpreter, Frame]:
        """Run the module's own code alone, with these blocks of it, and lift nothing."""
        self.callers |= set(scripts)
        self.machine = self._interpreter(Paths(1).next())
        return self.machine, self.module(self.machine)

    def shown(self, machine: Interpreter, frame: Frame) -> list[Recurrence]:
        """The updates that a run of the module's own code has shown."""
        return shown_by(self.program, machine, frame, "<module>")

    def _interpreter(self, choices: Choices) -> Interpreter:
        machine = Interpreter(choices)
        machine.abroad, machine.selectors = self.abroad, self.program.selectors
        return machine

    # the module

    def module(self, machine: Interpreter) -> Frame:
        frame = Frame("function", None)
        for index in self.program.needed(self.callers):
            if index in self.defined and machine is self.machine:
                continue
            parsed = self.program.parse(index)
            if parsed is None:
                continue
            self.defined.add(index)
            machine.spans[index] = parsed.span
            machine.span_of = parsed.span
            machine.unit = index
            self.result.candidates += parsed.block.candidate and not machine.choices.given
            try:
                with suppress(Leave):
                    machine.run(parsed.body)
            except Unsupported as error:
                if parsed.block.candidate and parsed.block.kind == "code" and not machine.choices.given:
                    self.miss("<module>", parsed.span(parsed.body[0]), error)
            except RecursionError:
                self.miss("<module>", parsed.span(parsed.body[0]), Unsupported("nested too deeply"))
            self.made[index] = machine.scope.vars.get(parsed.block.name)
        commit(machine)
        return frame

    # functions and methods

    def functions(self, machine: Interpreter) -> None:
        made = dict(self.made)
        for index in self.program.needed():
            block = self.program.blocks[index][1]
            parsed = self.program.parse(index)
            if parsed is None or not block.evident or block.kind == "code":
                continue
            value = made[index]
            if isinstance(value, Func):
                self.entry(machine, value, block.name, None)
            elif isinstance(value, Klass):
                for name, method, klass in value.methods(block.name):
                    if any(f"{n}.".startswith(f"{name}.") for n in block.evident):
                        self.entry(machine, method, name, klass)

    def entry(self, machine: Interpreter, func: Func, name: str, klass: Klass | None, limit: int | None = None) -> None:
        paths = Paths() if limit is None else Paths(limit)
        span = machine.spans[func.unit](func.node)
        found = False
        enough, most = machine.effort + MAX_FRUITLESS, machine.effort + MAX_EFFORT
        error: Unsupported | None = None
        while paths and machine.effort < (most if found else enough):
            choices = paths.next()
            lifted: object = None
            try:
                before = len(self.result.recurrences)
                with self._running(machine, choices):
                    frame = run_entry(machine, func, klass)
                    lifted = self.collect(machine, frame, name)
                    made = self.latest
                    if not choices.given:
                        for inner in list(machine.nested):
                            if found or len(self.result.recurrences) > before or machine.effort < enough:
                                self.nested(machine, inner, name)
                    dropped = {d.span for d in machine.dropped if not d.bound or not lasts(d, machine, frame)}
                if machine.unsure:
                    self.result.unsure.setdefault(name)
                if dropped:
                    self._as_if_kept(machine, func, klass, name, choices, made, dropped)
                found |= any(not r.lost for r in self.result.recurrences[before:])
            except Unsupported as failed:
                error = error or failed
            except RecursionError:
                error = error or Unsupported("nested too deeply", span)
            paths.learn(choices, lifted)
        if error is not None and not found:
            self.miss(name, error.span or span, error)
        elif not found and limit is None and span is not None:
            self.result.quiet.append(Missed(name, span, _why_quiet(machine)))

    @contextmanager
    def _running(self, machine: Interpreter, choices: Choices) -> Iterator[None]:
        """One run from a fresh start; what it wrote is taken back at its end, and so is where."""
        machine.choices = choices
        mark, slots, origins = machine.store.mark(), len(machine.store.slots), machine.store.origins
        shared = len(machine.shared)
        machine.store.origins = {target: list(spans) for target, spans in origins.items()}
        machine.frames, machine.stored, machine.sinks, machine.nested, machine.work = [], [], [], [], 0
        machine.pending, machine.aliases, machine.unseen, machine.dropped, machine.worth = [], {}, {}, [], []
        machine.given, machine.types, machine.cut_short, machine.unsure = [], set(), [], False
        machine.skipped, machine.asked, machine.named, machine.once = [], {}, {}, []
        machine.looked, machine.met, machine.appended = {}, {}, {}
        machine.entered, machine.neighbours, machine.strides, machine.constants = set(), {}, {}, {}
        try:
            yield
        finally:
            machine.store.rollback(mark)
            machine.store.origins = origins
            del machine.store.slots[slots:]
            del machine.shared[shared:]

    def _as_if_kept(
        self,
        machine: Interpreter,
        func: Func,
        klass: Klass | None,
        name: str,
        choices: Choices,
        made: list[Recurrence],
        dropped: set[Span],
    ) -> None:
        """Run once more as if the results that nobody takes were kept, and note for each update what it would be.

        What is no update without them is one that is there only as if they were kept. dropped: where they stand.
        """
        machine.keeps_results = True
        try:
            with self._running(machine, Choices(given=dict(choices.taken))):
                frame = run_entry(machine, func, klass)
                told: set[Span] = set()  # with an update that reads them
                for kept in shown_by(self.program, machine, frame, name):
                    lost = (d for d in machine.dropped if d.span in dropped and reads_result(kept, d))
                    kept.dropped = tuple(dict.fromkeys(lost))
                    mine = [r for r in made if set(kept.writes) & set(r.writes)]
                    for recurrence in mine if kept.dropped else ():
                        recurrence.kept, recurrence.dropped = kept, kept.dropped
                        self._put_in_place(recurrence)
                    if kept.dropped and not mine and not is_log(kept, made):
                        self._take_in(replace(kept, kept=kept, as_kept=True))
                    told |= {d.span for d in kept.dropped}
                for alone in on_parameters((d for d in machine.dropped if d.span in dropped - told), name):
                    alone.configuration, alone.imports = dict(machine.choices.taken), frozenset(machine.imports)
                    alone.at_home, alone.home = is_home(self.program, frame, alone), frame.span
                    alone.worth = machine.worth
                    self._take_in(alone)
        except (Unsupported, RecursionError):
            pass
        finally:
            machine.keeps_results = False

    def nested(self, machine: Interpreter, inner: tuple[str, Func, Klass | None], home: str) -> None:
        """A function inside a function, or a method of a class there: its home's variables are state where it writes
        them."""
        name, func, klass = inner
        saved = machine.frames, machine.stored, machine.choices
        paths = Paths(NESTED_PATHS)
        while paths:
            choices = paths.next()
            lifted: object = None
            mark, slots = machine.store.mark(), len(machine.store.slots)
            machine.frames, machine.stored, machine.choices = [], [], choices
            try:
                lifted = self.collect(machine, run_entry(machine, func, klass), f"{home}.{name}")
            except (Unsupported, RecursionError):
                pass
            finally:
                machine.store.rollback(mark)
                del machine.store.slots[slots:]
                machine.frames, machine.stored, machine.choices = saved
            paths.learn(choices, lifted)

    # results

    def collect(self, machine: Interpreter, frame: Frame, name: str) -> object:
        """Take in the updates of a run's frames; an inner loop that carries the state is the step.

        Returns what tells this run's updates from another's.
        """
        stopped = frame.broken_off and machine.choices.taken  # on another way it goes on
        self.latest = kept = [] if stopped else shown_by(self.program, machine, frame, name)
        for recurrence in kept:
            self._take_in(recurrence)
        return frozenset((r.span, r.equations(), tuple(s.name for s in r.idle)) for r in kept)

    def _take_in(self, recurrence: Recurrence) -> None:
        """Add an update to the results, if they do not hold it yet; of two equal ones, that which computes more."""
        key, taken = _key_of(recurrence), self.result.recurrences
        if key not in self.seen:
            self.seen.add(key)
            taken.append(recurrence)
        elif decays_in_vain(recurrence):
            same = (n for n, other in enumerate(taken) if _key_of(other) == key and other.kept is None)
            number = next(same, None)
            if number is not None and not decays_in_vain(taken[number]):
                taken[number] = recurrence

    def _put_in_place(self, recurrence: Recurrence) -> None:
        """For an equal update of another path, on which the code does not even try: what has no effect leaves no trace
        in the equations."""
        taken = self.result.recurrences
        for number, other in enumerate(taken):
            if other is not recurrence and other.kept is None and _key_of(other) == _key_of(recurrence):
                taken[number] = recurrence

    def miss(self, name: str, span: Span | None, error: Unsupported) -> None:
        where = error.span or span or Span(1, 1, 1, 1)
        self.result.missed.append(Missed(name, where, error.reason))


def _key_of(recurrence: Recurrence) -> tuple[object, ...]:
    idle = tuple((s.name, s.post) for s in recurrence.idle)
    return (recurrence.name, recurrence.span, recurrence.equations(), idle, recurrence.as_kept)


def _why_quiet(machine: Interpreter) -> str:
    """What keeps an update out of sight: the call of unseen code that takes most."""
    calls = sorted(machine.unseen.items(), key=lambda call: -call[1])
    if calls and calls[0][1] > 1:
        return f"it rests on {calls[0][0]}(), whose code is not in this file"
    return "no state is seen to be kept from one step to the next"
