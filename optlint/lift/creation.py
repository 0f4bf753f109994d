"""State that comes into being: branches that make what is missing, and places whose content is not known any more."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import libcst as cst
from libcst import matchers

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.conditions import creates_state
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Frame, Leave
from optlint.lift.joins import Joins, copied, either, first_step
from optlint.lift.memory import started
from optlint.lift.objects import ANY, Cell, Const, Scope, Seq, Slot, Target, Unsupported, Value, content, numeric
from optlint.lift.parts import parts_by_key, record
from optlint.lift.places import belongs_to, place_text
from optlint.model import Span

_BOUND = matchers.AssignTarget(target=matchers.Attribute())


class Creation(Joins):
    """Runs the branches of a first call, and goes on with what they have made."""

    def is_open(self, condition: Value) -> bool:
        expr = numeric(condition)
        return isinstance(condition, Cell) and (expr is None or expr.op != "const")

    def quietly(self, branch: cst.BaseSuite | cst.If | cst.Else | None) -> None:
        with suppress(Leave):
            self.take(branch)

    def create(
        self,
        branch: cst.BaseSuite | cst.If | cst.Else,
        other: cst.BaseSuite | cst.If | cst.Else | None,
        tested: str,
        count: Symbol | None = None,
        none_there: bool = False,
    ) -> bool:
        """Run a branch that may create state. Afterwards its places hold symbols whose initial values it gave.

        count: what has its first number then. none_there: this run has taken the way that finds no state before.
        """
        mark = self.reached()
        held = {t: numeric(content(t)) for t in self.store.origins} if other is None else {}
        named = {n: v for n, v in self.scope.vars.items() if isinstance(v, Cell) and v.place and v.place != n}
        used = self._used_in_names() if other is None else set()
        with self.store.watching() as log:
            self.quietly(branch)
            self._put_back({n: v for n, v in named.items() if place_text(v.place) == tested})
        starts = {t: numeric(content(t)) for t in log}
        root = tested.split("[")[0]
        if not log or not (tested == "*" or any(self._answers(t, tested) for t in log)):
            self.take_back(mark)
            return other is not None and self._missing(log, starts, other, root)
        if none_there:
            raise Unsupported("only the first step finds no state")
        made = {target: expr for target in log if (expr := _data(numeric(content(target)))) is not None}
        asked = {place_text(self.place_text(t)): t for t in log if self._answers(t, tested)}
        renewed = [h for t in log if (h := held.get(t)) is not None and h.args]
        known = any(s.name in asked for h in renewed for s in h.symbols)
        known |= bool(used & log.keys()) and all(isinstance(home, Cell) for home, _ in log)
        if known or any(held.get(t) in renewed for t in asked.values()):
            self._learnt(log, mark.changes)  # ``if k in state: b = a * state[k]``, and then ``if k not in state: …``
        elif other is None:
            self._refresh_all(list(log), branch)
            for target in log:
                now = numeric(content(target))
                if now is not None and now.op == "sym":
                    now.symbol.begun_by = count
        else:
            self._learnt(log, mark.changes)
            self.take(other)
            self._counted_apart(starts)
        self._at_first(made, count)
        return True

    def _used_in_names(self) -> set[Target]:
        """Places that hold what they held, of which names are made already: a gradient ahead of ``w - mu * self.v``."""
        made = (expr for v in self.scope.vars.values() if (expr := numeric(v)) is not None and expr.args)
        symbols = {s for expr in made for s in expr.symbols}
        slots = (*self.store.slots, *(s for loop in self.loops for s in loop.slots))
        return {
            (s.home, s.key)
            for s in slots
            if s.symbol in symbols and numeric(content((s.home, s.key))) == ex.sym(s.symbol)
        }

    def _put_back(self, named: dict[str, Cell]) -> None:
        """``if not state: state = {…}`` of ``state = self.state[p]``, where later ``self.state[p] = state``."""
        for name, old in named.items():
            made = self.scope.vars.get(name)
            slot = next((s for s in self.store.slots if s.cell is old), None)
            if not isinstance(made, Cell) or made is old or not made.growing or slot is None or not self.stack:
                continue
            place = matchers.Subscript() | matchers.Attribute()
            stored = matchers.Assign(targets=[matchers.AssignTarget(target=place)], value=matchers.Name(name))
            if matchers.findall(self.stack[-1], stored) and isinstance(slot.home, Cell):
                self.store.put(slot.home, slot.key, made)

    def _created_apart(
        self, branch: cst.BaseSuite | cst.If | cst.Else | None, tested: str, count: Symbol | None
    ) -> bool:
        """Where a branch that creates state goes on to move a parameter, run both parts one after the other.

        What only the first call does is noted: nothing behind the branch does it.
        """
        if not isinstance(branch, cst.IndentedBlock):
            return False
        mark = self.reached()
        position, again = 0, 0
        made: set[int] = set()  # what earlier statements of the branch have made, and where
        places: set[Target] = set()
        for number, statement in enumerate(branch.body):
            with self.store.watching() as log, suppress(Leave):
                self.run([statement])
            anew = any(t in places or (t[1] == "" and id(t[0]) in made) for t in log)
            again = again or (number if anew else 0)
            if any(map(self._is_moved, log)):
                position = again or number
                break
            made |= {id(content(target)) for target in log}
            places |= {t for t in log if isinstance(t[0], Cell)}
        self.take_back(mark)
        first = branch.with_changes(body=branch.body[:position])
        ends = [self.span_of(branch.body[n]) for n in (position, -1)]
        if not position or None in ends or not self.create(first, None, tested, count):
            return False
        start, end = ends
        if start is not None and end is not None and not self.is_abroad:
            self.once.append(start.joined(end))
        self.run(branch.body[position:])
        return True

    def _is_moved(self, target: Target) -> bool:
        """A place that was there before keeps its content, and takes in a step besides."""
        now = numeric(content(target))
        if now is None or not now.args:
            return False
        slots = [*self.store.slots, *(s for loop in self.loops for s in loop.slots)]
        known = (s for s in slots if (s.home, s.key) == target or (s.cell is target[0] and target[1] == ""))
        return any((1, ex.sym(s.symbol)) in structure.terms(now) and s.symbol.initial is None for s in known)

    def _answers(self, target: Target, tested: str) -> bool:
        """Whether a write answers the question whether ``tested`` is there yet: it makes it, or what holds it.

        An argument of a function that is called there may well have the same name.
        """
        if isinstance(target[0], Scope) and not self.scope.sees(target[0]):
            return False
        place, tested = place_text(self.place_text(target)), place_text(tested)
        return bool(tested) and (place.startswith(tested) or (bool(target[1]) and tested.startswith(place + "[")))

    def _missing(
        self,
        log: dict[Target, Span | None],
        starts: dict[Target, Expr | None],
        other: cst.BaseSuite | cst.If | cst.Else,
        root: str,
    ) -> bool:
        """``t = 0 if p not in self.t else self.t[p]``: names for what a place holds, or for its first content.

        The names of a function that makes the content are that one's matter.
        """
        if not root or not all(isinstance(home, Scope) for home, _ in log):
            return False
        mark = self.reached()
        self.quietly(other)
        log = {t: span for t, span in log.items() if isinstance(t[0], Scope) and self.scope.sees(t[0])}
        for target in log:
            start, held = starts[target], numeric(content(target))
            if start is None or held is None or held.op != "sym" or held.symbol.external:
                self.take_back(mark)
                return False
        if not any(h is not None and h.symbol.name.startswith(root) for h in map(numeric, map(content, log))):
            self.take_back(mark)
            return False
        for target in log:
            start, cell = starts[target], content(target)
            if start is not None and isinstance(cell, Cell) and isinstance(target[0], (Scope, Cell)):
                self.store.restore(target[0], target[1], self.begins(start, cell))
        return True

    def begins(self, start: Expr, held: Cell) -> Cell:
        """What a place holds whose first content is ``start``: a number, or data of the first step."""
        now = self.number(held)
        if start.op == "const":
            now.symbol.initial = now.symbol.initial or start
            return held
        return Cell(either(first_step(), start, now, held.place), place=held.place, array=held.array)

    def begun(self, condition: Value, node: cst.IfExp) -> Value | None:
        """``0 if "step" not in state else state["step"]``: what the place holds, whose first content is the other."""
        creating = creates_state(self.number(condition)) if self.is_open(condition) and not self.scanning else None
        if creating is None or creating.tested == "*":
            return None
        first, held = (node.body, node.orelse) if creating.when else (node.orelse, node.body)
        if not isinstance(held, (cst.Subscript, cst.Attribute, cst.Name)):
            return None
        made, value = self.eval(first), self.eval(held)
        start, now = numeric(made), numeric(value)
        if start is None or not isinstance(value, Cell) or now is None or now.op != "sym":
            return None
        if now.symbol.external and not (isinstance(made, Cell) and made.array):  # a number may be a setting's default
            return None
        if not now.symbol.name.startswith(creating.tested.split("[")[0]):
            return None
        if isinstance(held, cst.Name) and now.symbol.name != creating.tested:
            return None  # another quantity of the same home: ``rate / c if options.get("c") is None else rate``
        return self.begins(start, value)

    def _at_first(self, made: dict[Target, Expr], count: Symbol | None) -> None:
        """Places whose first content is made of data (``buf = g.clone()``) hold that after the first step."""
        done: set[int] = set()
        for target, start in made.items():
            held = content(target)
            now = numeric(held)
            if not isinstance(held, Cell) or now is None or id(held) in done:
                continue
            done.add(id(held))
            if start.op == "sym" and start.symbol.name == place_text(self.place_text(target)):
                continue  # a branch inside this one has created it
            own = [s for s in now.visible if s.name == place_text(self.place_text(target))]
            for symbol in own:  # that content is the first step's: there was nothing before
                symbol.initial = symbol.initial if _data(symbol.initial) is None else None
            zero = {ex.sym(s): ex.const(0) for s in own}
            if now != start and structure.tidy(ex.substitute(now, zero)) != structure.tidy(start):
                self.store.fill(held, either(first_step(count), start, now, held.place or self.place_text(target)))

    def _counted_apart(self, starts: dict[Target, Expr | None]) -> None:
        """``if "t" in state: t += 1``, and else ``t = 1``: as if it had been raised at the first step, too."""
        for target, start in starts.items():
            now = numeric(content(target))
            own = [s for s in now.symbols if s.initial is not None and s.initial == start] if now is not None else []
            if now is None or start is None or start.op != "const" or len(own) != 1 or now == ex.sym(own[0]):
                continue
            raised = structure.rest(now, own[0])
            if structure.slope(now, own[0]) == ex.const(1) and raised is not None and raised.op == "const":
                own[0].initial = structure.tidy(ex.op("sub", start, raised))

    def learn(self, body: cst.BaseSuite) -> None:
        """Run a branch only to see what it puts into places that are missing."""
        mark, work, stored = self.store.mark(), self.work, len(self.stored)
        with self.store.watching() as log, suppress(Leave):
            self.run(body)
        self._learnt(log, mark)
        self.work = work
        del self.stored[stored:]

    def _learnt(self, log: dict[Target, Span | None], mark: int) -> None:
        starts = {target: copied(content(target)) for target in log}
        self.store.rollback(mark, forget_places=False)
        for target, start in starts.items():
            if content(target) is None and isinstance(target[0], Cell):
                self.unveil(target[0], target[1], start)
            held = content(target)
            if isinstance(held, Cell) and isinstance(start, Cell) and not held.dtype:
                held.dtype, held.typed_at = start.dtype, start.typed_at
            current = numeric(content(target))
            first = numeric(start)
            if current is not None and current.op == "sym" and first is not None and first.op == "const":
                assert isinstance(current.value, Symbol)
                known = current.value.initial
                current.value.initial = known if known is not None and known.op == "const" else first

    # places whose content is forgotten

    def _refresh_all(self, targets: list[Target], branch: cst.CSTNode) -> None:
        """Forget what several places hold; names of one new array stay names of one array, until one is bound anew."""
        shared: dict[int, Value] = {}
        first: dict[int, Target] = {}
        for target in sorted(targets, key=lambda t: isinstance(t[0], Scope)):  # places before names
            before = content(target)
            names = (target, first.setdefault(id(before), target))
            apart = (
                id(before) in shared and isinstance(target[0], Cell) and any(self._is_rebound(t, branch) for t in names)
            )
            if id(before) in shared and not apart:
                assert isinstance(target[0], (Scope, Cell))
                self.store.restore(target[0], target[1], shared[id(before)])
                continue
            if target[1] == ANY and isinstance(target[0], Cell) and (target[0].growing or {*target[0].items} == {ANY}):
                if ANY in target[0].items:  # else it was emptied again
                    self._filled(target[0])
                continue
            self.refresh(target, None)
            after = content(target)
            if isinstance(before, Cell) and after is not None:
                shared[id(before)] = after

    def carry(self, slot: Slot, place: str) -> None:
        """The innermost loop in which this is one and the same place goes on with it."""
        carrying = [loop for loop in self.loops if not belongs_to(place, loop.indices)]
        if carrying:
            carrying[-1].slots.append(slot)

    def _is_rebound(self, target: Target, branch: cst.CSTNode) -> bool:
        """Whether the function gives an attribute another array outside the branch: ``self.v = β·self.v + …``."""
        if not target[1].startswith(".") or not self.stack:
            return False
        name = target[1][1:]
        return self._bound_in(self.stack[-1])[name] > self._bound_in(branch)[name]

    def _bound_in(self, node: cst.CSTNode) -> Counter[str]:
        """How often each attribute is bound inside a node of the source, looked up once."""
        if node not in self.bound_attributes:
            found = matchers.findall(node, _BOUND)
            targets = (t.target for t in found if isinstance(t, cst.AssignTarget))
            self.bound_attributes[node] = Counter(t.attr.value for t in targets if isinstance(t, cst.Attribute))
        return self.bound_attributes[node]

    def _filled(self, home: Cell) -> None:
        """A list that the first call has filled: its elements come to light where they are used."""
        first = Cell(items={ANY: home.items.pop(ANY)}, growing=True)
        self.store.journal.append(lambda: home.items.update(first.items))
        self.store.restore(home, "<template>", first)

    def refresh(self, target: Target, frame: Frame | None) -> None:
        """Forget a place's content: it gets a fresh symbol that remembers what was there."""
        home, key = target
        old = content(target)
        if old is None and isinstance(home, Cell):
            old = self.child(home, key)
        if (
            isinstance(old, Seq)
            and isinstance(home, (Scope, Cell))
            and all(numeric(v) is not None or isinstance(v, Cell) for v in old.elements)
        ):
            held = record(self.place_text(target), parts_by_key(old) or {})
            self.store.restore(home, key, held)
            for part in held.items:
                self.refresh((held, part), frame)
            return
        if not (isinstance(old, Cell) or (isinstance(old, Const) and _may_change(old.value))):
            return
        if isinstance(old, Cell) and old.klass is not None:
            return
        place = self.place_text(target)
        symbol = Symbol(place_text(place))
        if key == "" and isinstance(home, Cell):
            first = home.expr
            symbol.entry = first if frame is not None else None
            symbol.initial = started(first) if first is not None else None
            symbol.array, symbol.dtype, symbol.typed_at = home.array, home.dtype, home.typed_at
            cell: Cell = home
            logs, self.store.writes = self.store.writes, []
            self.store.fill(home, ex.sym(symbol))
            self.store.writes = logs
        else:
            assert isinstance(home, (Scope, Cell))
            cell = self.adopt(symbol, place, old)
            self.store.restore(home, key, cell)
        slot = Slot(home, key, symbol, cell)
        if frame is None:
            self.store.add_slot(slot)
            self.carry(slot, place)
        else:
            frame.slots.append(slot)


def _may_change(value: object) -> bool:
    """A number, or what stands for nothing yet."""
    return value is None or value == "" or isinstance(value, (int, float))


def _data(expr: Expr | None) -> Expr | None:
    """An expression that takes in more than numbers and settings, or None."""
    if expr is None:
        return None
    simple = structure.tidy(expr)
    settings = all(s.default is not None and not s.array for s in simple.symbols)
    return None if settings and not any(n.op == "opaque" for n in ex.walk(simple)) else expr
