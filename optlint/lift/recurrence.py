"""The lifted form: for each state its next value, for the parameter its step, and how time is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Dropped, Stored, Worth
from optlint.lift.notation import render
from optlint.lift.objects import Slot
from optlint.model import Span

if TYPE_CHECKING:
    from optlint.lift.surroundings import Surroundings


@dataclass(eq=False, slots=True)
class State:
    """One storage place of an update. ``old`` is its content before the step, ``new`` stands for the one after.

    dtype: the number type of its first content, where the code shows it; becomes: that of its new content.
    in_place: it is changed in place; exact: by an augmented assignment. bounded: what is left there is kept in bounds.
    """

    name: str
    old: Symbol
    new: Symbol
    post: Expr
    initial: Expr | None
    spans: tuple[Span, ...] = ()
    slot: Slot | None = None

    becomes: str = ""
    in_place: bool = False
    exact: bool = False
    bounded: bool = False

    @property
    def dtype(self) -> str:
        return self.old.dtype

    @property
    def is_counter(self) -> bool:
        """Advances by a constant at each step."""
        own = structure.slope(self.post, self.old)
        return own == ex.const(1) and structure.rest(self.post, self.old).op == "const"


@dataclass(eq=False, slots=True)
class Recurrence:
    """One parameter's update.

    parameter: its state, or None where the code only returns the step (then ``output`` is that step).
    states: what the step needs, in dependency order; posts refer to other states' new values by ``State.new``.
    counters: states that count steps. indices: loop counters that count steps.
    lost: the parameter's new value is bound to a name that nothing reads, and the parameter stays as it is.
    """

    name: str
    parameter: State | None
    output: Expr | None
    states: list[State]
    counters: list[State]
    indices: list[Symbol]
    span: Span
    stored: list[Stored] = field(default_factory=list)
    configuration: dict[str, bool] = field(default_factory=dict)
    aliases: list[tuple[str, ...]] = field(default_factory=list)
    frame: str = "function"
    depth: int = 0
    imports: frozenset[str] = frozenset()
    text: str = ""  # names and comments around the update: intent, never roles
    beside: frozenset[str] = frozenset()  # the published forms that other updates of the file are
    heading: str = ""  # of the notebook's section that holds it
    at_home: bool = True  # seen from the function that holds it, not from a caller
    per_parameter: bool = False  # a counter advances once for each tensor
    owner: str = ""  # the argument that holds all states (layer.m), while the counter stays elsewhere
    key: str = ""  # the argument that is the key of all states (self.m[key]), while the counter has none
    from_saved: bool = False  # other methods keep places for this one to start from
    keyed_by: str = ""  # the argument that is the key of all states, whatever else there is
    neighbours: frozenset[Symbol] = frozenset()  # elements of other tensors, where the loop writes its own tensor's
    shared_products: frozenset[Symbol] = frozenset()  # running products βᵗ that each tensor multiplies, and all read
    seen_in: str = ""  # another file of the project, whose call of the update shows it
    compounded: frozenset[Span] = frozenset()  # where a name is multiplied anew for each tensor (``lr = lr * …``)
    handed_on: bool = False  # the output goes to a call of unseen code, which makes the step of it
    set_aside: bool = False  # nothing moves: the output is left in a place, for others to take
    on_data: frozenset[str] = frozenset()  # the conditions of its path that look at computed quantities
    advanced: frozenset[Symbol] = frozenset()  # what the same run changes, in this loop or around it
    contents: Mapping[Symbol, Expr] = field(
        default_factory=dict
    )  # of what its loops change: what each pass leaves there
    counted: frozenset[Symbol] = frozenset()  # of the advanced, what the run adds a number to
    begun: frozenset[Symbol] = frozenset()  # of the advanced, what gets a number: a first content
    of_parts: bool = False  # its loop goes over objects that hold the parameters, and not over steps
    outer: frozenset[Symbol] = frozenset()  # counters of the loops around the one that updates
    anew: frozenset[Symbol] = frozenset()  # counts that begin anew in each pass of the loop around, unlike its states
    stuck: frozenset[Symbol] = frozenset()  # what it leaves as it was: counts that only another way advances
    kept: Recurrence | None = None  # what it would be if the results that nobody takes were kept
    as_kept: bool = False  # it is there only in that case
    forgetful: bool = False  # it is there only for what it loses: averages that do not last, a step of a local gradient
    dropped: tuple[Dropped, ...] = ()  # those results, as far as it reads them
    on_parameter: bool = False  # that result is all there is: a new content for a parameter that a model holds
    home: Span | None = None  # the function that was run
    unseen_kin: bool = False  # its class has a base out of sight, whose methods may count the steps (self.t += 1)
    entered: frozenset[Span] = frozenset()  # that function, and those that it calls
    loop: Span | None = None  # the loop whose iteration it is
    carried: frozenset[Span] = frozenset()  # where numbers stand that a loop over the steps starts from
    escapes: frozenset[Expr] = frozenset()  # values that the function hands back
    worth: Sequence[Worth] = ()  # every expression of the source that this run read or wrote, with its value, in order
    left_out: frozenset[Symbol] = frozenset()  # settings that this view takes as 0
    overwritten: list[Entry] = field(default_factory=list)  # places that get a new value without giving their old one
    made_anew: tuple[tuple[str, Expr], ...] = ()  # lasting places that the run fills unread, and with what
    skipped: tuple[Expr, ...] = ()  # the conditions under which the run goes away instead (``if step == 1: continue``)
    inputs: list[Entry] = field(default_factory=list)  # gradients that the code changes where their owner keeps them
    started: Recurrence | None = None  # of a view from the second step on: the whole, whose first is another one
    alike: Mapping[Expr, Expr] = field(default_factory=dict)  # what the code computes otherwise than the equations say
    whole: frozenset[Symbol] = frozenset()  # averages of such a view that begin with their first input, undiminished
    lost: bool = False
    shared: frozenset[Symbol] = frozenset()  # states that the loop over the tensors has only one place for
    idle: list[State] = field(default_factory=list)  # states that the run keeps and that no update of it reads
    elsewhere: list[State] = field(default_factory=list)  # those that another path alone reads (``if amsgrad``)
    types: frozenset[str] = frozenset()  # number types that the run names
    around: Surroundings | None = None  # the code around its own function
    cut_short: Span | None = None  # the return that ends the loop over the parameters at the first of them
    once: Span | None = None  # the part of a branch that creates state in which alone it moves its parameter

    def is_of_outer(self, count: Symbol) -> bool:
        """A count of the passes of a loop around the one that updates."""
        index = count.kind == "index" and count not in self.indices
        return count in self.outer or (index and self.frame == "loop" and not self.of_parts)

    def is_held(self, symbol: Symbol) -> bool:
        """A stored number that nothing advances: nothing in sight, nor a base class that is not (``self.t``)."""
        owner, _, name = symbol.name.partition(".")
        if self.unseen_kin and owner == "self" and name.isidentifier() and symbol.default in (0, 1):
            return False
        return symbol.default is not None and not symbol.external and symbol not in self.advanced

    @property
    def serves_several(self) -> bool:
        """One counter is advanced for several tensors in each step."""
        return self.per_parameter or any(structure.rest(c.post, c.old).number > 1 for c in self.counters)

    def with_step(self, change: Callable[[Expr], Expr]) -> Recurrence:
        """The same with its step changed."""
        parameter, output = self.parameter, self.output
        moved = parameter and replace(parameter, post=change(parameter.post))
        return replace(self, parameter=moved, output=output and change(output))

    def changed(self, change: Callable[[Expr], Expr], states: Sequence[State] | None = None) -> Recurrence:
        """The same with every equation changed. states: the ones that it has then, if not all."""
        chosen = self.states if states is None else states
        return replace(self.with_step(change), states=[replace(s, post=change(s.post)) for s in chosen])

    @property
    def moving(self) -> frozenset[Symbol]:
        """The contents of its states, old and new."""
        return frozenset(x for s in self.states for x in (s.old, s.new))

    @property
    def within_parameter(self) -> State | None:
        """A state that is an element of the very array that moves as a whole: the same memory."""
        w = self.parameter.name if self.parameter is not None else ""
        return next((s for s in self.states if w and s.name.startswith(f"{w}[")), None)

    @property
    def called(self) -> str:
        """What the code calls the update: its function's name, or the heading of the notebook's section."""
        return self.heading if self.name == "<module>" and self.heading else self.name

    @property
    def writes(self) -> tuple[Span, ...]:
        """Where the parameter's new value (or, without one, the states') is written."""
        if self.parameter is not None and self.parameter.spans:
            return self.parameter.spans
        return tuple(s for state in self.states for s in state.spans) or (self.span,)

    @property
    def step(self) -> Expr:
        """The parameter's new value, or the step itself."""
        if self.parameter is not None:
            return self.parameter.post
        assert self.output is not None
        return self.output

    def posts(self) -> list[Expr]:
        return [s.post for s in self.states] + [self.step]

    def equations(self) -> tuple[str, ...]:
        lines = []
        for state in [*self.counters, *self.states, *([self.parameter] if self.parameter else [])]:
            lines.append(f"{state.new.name} = {render(state.post)}")
        if self.output is not None:
            lines.append(f"step = {render(self.output)}")
        return tuple(lines)


@dataclass(slots=True)
class Entry:
    """What a run leaves in a place. bounded: as far as bounds, or unseen code, let it (``np.clip(w - step, a, b)``)."""

    slot: Slot
    post: Expr
    spans: tuple[Span, ...]
    bounded: bool = False
