"""Loops: what one iteration stands for.

A loop is first run dry to see what it writes; those places then get fresh symbols (their content at the start
of an iteration), and the body runs once for all iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift.changes import counted_up
from optlint.lift.entries import filled_anew
from optlint.lift.expression import Symbol
from optlint.lift.frames import CutShort, Frame, Leave
from optlint.lift.histories import Histories, is_counter, numbered
from optlint.lift.objects import (
    ANY,
    Cell,
    Const,
    Each,
    Lazy,
    Lib,
    Scope,
    Seq,
    Slot,
    Target,
    Value,
    content,
    is_filled,
    numeric,
)
from optlint.lift.parts import numbers_of
from optlint.lift.places import belongs_to
from optlint.lift.vocabulary import library_name
from optlint.model import Span

_RANGES = frozenset({"numpy.arange", "torch.arange"})


class Loops(Histories):
    """Runs loops and comprehensions on one representative element."""

    def unveil(self, home: Cell, key: str, start: Value | None = None) -> Cell:
        """A place in what the first call has made: the innermost loop in which it stays the same goes on with it."""
        cell = super().unveil(home, key, start)
        if "<template>" in home.items and cell.expr is not None and cell.expr.op == "sym":
            self.carry(Slot(home, key, cell.expr.symbol, cell), cell.place)
        return cell

    def exec_For(self, node: cst.For) -> None:
        iterable = self.in_order(node.iter)
        items = self.known_elements(iterable)
        if items is not None:
            for value in items:
                self.assign(node.target, value, self.span_of(node.target))
                try:
                    self.run(node.body)
                except Leave as leave:
                    if leave.how == "break":
                        break
                    if leave.how != "continue":
                        raise
            return
        each = self.iterate(iterable, self.index_name(node.target))
        indices = [each.index] if each.index is not None else []
        span = self.span_of(node)
        try:
            with self.counting(indices):
                self.loop(node, indices, node.body, lambda: self.assign(node.target, each.element, None), span)
        except Leave as leave:
            last = returns_at_end(node.body) if leave.how == "return" else None
            returns = self.span_of(last) if last is not None else None
            if returns is not None and span is not None and each.index is not None and not self.is_abroad:
                self.cut_short.append(CutShort(span, each.index.name, returns))
            raise

    def in_order(self, node: cst.BaseExpression) -> Value:
        """What a loop goes over; an array of numbers in their order is a range: ``for t in np.arange(1, n)``."""
        value = self.eval(node)
        callee, args = self.called
        if isinstance(node, cst.Call) and isinstance(callee, Lib) and library_name(callee.name) in _RANGES:
            return self.call(Lib("builtins.range"), args, {}, self.span_of(node), "range")
        return value

    def exec_While(self, node: cst.While) -> None:
        self.eval(node.test)
        self.loop(node, [], node.body, lambda: None, self.span_of(node))

    def known_elements(self, iterable: Value) -> list[Value] | None:
        """A short literal list of names or constants is run element by element."""
        if isinstance(iterable, Cell) and iterable.growing and iterable.expr is None:
            keys = list(iterable.items)
            if keys and all(k == f"[{i}]" for i, k in enumerate(keys)) and len(keys) <= 6:
                return list(iterable.items.values())
        if isinstance(iterable, Seq) and 0 < len(iterable.elements) <= 6:
            return list(iterable.elements)
        return numbers_of(iterable)

    def index_name(self, target: cst.BaseExpression) -> str:
        """What a loop calls its index; inside a loop whose index has that name (a helper's loop), another name."""
        name = _first_name(target)
        return f"{name}_{self.counted.count(name) + 1}" if name in self.counted else name

    @contextmanager
    def counting(self, indices: list[Symbol]) -> Iterator[None]:
        """What runs meanwhile stands in a loop over these indices."""
        before, self.counted = self.counted, [*self.counted, *(i.name for i in indices)]
        try:
            yield
        finally:
            self.counted = before

    def iterate(self, iterable: Value, name: str) -> Each:
        """One representative element of an iterable, and the index that tells elements apart."""
        if isinstance(iterable, Each):
            if iterable.index is not None and iterable.index.name == "·":
                iterable.index.name = name
                _name_keys(iterable.element, iterable.index)
            return Each(self.forced(iterable.element), iterable.index)
        index = Symbol(name, kind="index", iterates="key")
        return Each(self.child(self.first_list(iterable), "[{" + name + "}]"), index)

    def forced(self, value: Value) -> Value:
        """Look up what could not be looked up before the loop's index had a name."""
        if isinstance(value, Lazy):
            return self.forced(value.force())
        if isinstance(value, Seq):
            return Seq([self.forced(v) for v in value.elements])
        return value

    def loop(
        self,
        node: cst.CSTNode,
        indices: list[Symbol],
        body: cst.BaseSuite,
        bind: Callable[[], None],
        span: Span | None,
    ) -> None:
        if self.scanning:
            bind()
            self._iteration(body)
            return
        log = self._dry(bind, body)
        for index in indices:
            index.aliases |= self.aliases.get(index.name, set()) | counted_up(body)
        frame = Frame("loop", span, indices, depth=len(self.loops) + 1)
        counts = [t for t in log if isinstance(t[0], Scope) and is_counter(content(t))] if numbered(log) else []
        for target in counts:
            self.refresh(target, frame)
        if counts:  # ``i += 1; v[i] = β·v[i - 1] + …``: which elements these are shows only now
            log = self._dry(bind, body) | log
        begun = self.histories(log, indices, frame)
        for target in log:
            if target not in counts and id(target[0]) not in begun and self._survives(target, indices):
                self.refresh(target, frame)
        self.loops.append(frame)
        try:
            bind()
            self._iteration(body)
        finally:
            self.loops.pop()
        frame.of_parts = any(i.name in self.picked for i in indices)
        self.picked.difference_update(i.name for i in indices)
        self.capture(frame)
        self._see_whole(log, indices)
        self.frames.append(frame)

    def _dry(self, bind: Callable[[], None], body: cst.BaseSuite) -> dict[Target, Span | None]:
        """What an iteration writes; ``looked`` has what it looks at."""
        mark, work = self.store.mark(), self.work
        self.scanning, self.looked, self.met = True, {}, {}
        try:
            with self.store.watching(dry=True) as log:
                bind()
                self._iteration(body)
        finally:
            self.scanning = False
        self.store.rollback(mark, forget_places=False)  # a loop around this one knows them by what the dry run met
        self.work = work + (self.work - work) // 2
        return log

    def _see_whole(self, log: Iterable[Target], indices: list[Symbol]) -> None:
        """Arrays of zeros whose elements the loop has filled one by one: ``for i in range(n): grad[i] = …``."""
        for home, key in log:
            if (
                not isinstance(home, Cell)
                or home in self.appended
                or not is_filled(home)
                or not belongs_to(key, indices)
            ):
                continue
            made = numeric(content((home, key)))
            if made is not None:
                self.store.see_whole(home, made)

    def _iteration(self, body: cst.BaseSuite) -> None:
        try:
            self.run(body)
        except Leave as leave:
            if leave.how in ("return", "raise") and not self.scanning:
                raise

    def _survives(self, target: Target, indices: list[Symbol]) -> bool:
        """Whether a place that the body writes is the same place in the next iteration."""
        home, key = target
        if isinstance(home, Scope):
            return key in home.vars
        assert isinstance(home, Cell)
        if not home.place or (key == ANY and key not in home.items):  # a list that the loop itself fills
            return False
        return not belongs_to(home.place + key, indices)

    def capture(self, frame: Frame) -> None:
        """Note what each place of the frame holds at its end."""
        for slot in frame.slots:
            value = content((slot.home, slot.key))
            post = numeric(value)
            if post is not None and post != ex.sym(slot.symbol):
                frame.posts.append((slot, post))
            frame.posts += filled_anew(slot, self.store)

    # comprehensions

    def comprehension(self, generator: cst.CompFor, element: Callable[[], Value]) -> Value:
        outer = self.scope
        self.scope = Scope(outer)
        try:
            iterable = self.eval(generator.iter)
            count, self.unpacked = self.unpacked, 0
            known = self.known_elements(iterable)
            if known is None and count and isinstance(iterable, Cell) and not iterable.growing:
                known = [self.child(iterable, f"[{i}]") for i in range(count)]  # ``c1, c2 = [1 - b**t for b in betas]``
            if known is not None and generator.inner_for_in is None and not generator.ifs:
                made = []
                for value in known:
                    self.assign(generator.target, value, None)
                    made.append(element())
                return Seq(made)
            each = self.iterate(iterable, self.index_name(generator.target))
            self.assign(generator.target, each.element, None)
            with self.counting([each.index] if each.index is not None else []):
                if generator.inner_for_in is not None:
                    return self.comprehension(generator.inner_for_in, element)
                if count and not generator.ifs:
                    return self._one_for_each_name(generator.target, each, count, element)
                one = Each(element(), each.index)
            self.picked.discard(each.index.name if each.index is not None else "")
            return one
        finally:
            self.scope = outer

    def _one_for_each_name(
        self, target: cst.BaseAssignTargetExpression, each: Each, count: int, element: Callable[[], Value]
    ) -> Seq:
        """``m, v = (np.zeros(shape) for _ in range(2))``: every name has an element of its own."""
        index, made = each.index, []
        start = index.start if index is not None and numeric(each.element) == ex.sym(index) else None
        for number in range(count):
            if start is not None and start.op == "const" and index is not None and ex.sym(index) not in self.strides:
                self.assign(target, Const(int(start.number) + number), None)
            made.append(element())
        return Seq(made)

    def eval_ListComp(self, node: cst.ListComp) -> Value:
        made = self.comprehension(node.for_in, lambda: self.eval(node.elt))
        cell = Cell(growing=True, sequence=isinstance(node, cst.ListComp))
        if isinstance(made, Seq):
            cell.items = {f"[{i}]": v for i, v in enumerate(made.elements)}
        elif isinstance(made, Each):
            cell.items[ANY] = made.element
        return cell

    def eval_GeneratorExp(self, node: cst.GeneratorExp) -> Value:
        return self.comprehension(node.for_in, lambda: self.eval(node.elt))

    eval_SetComp = eval_ListComp

    def eval_DictComp(self, node: cst.DictComp) -> Value:
        keys: list[str] = []

        def element() -> Value:
            keys.append(self.key(self.eval(node.key)))
            return self.eval(node.value)

        made = self.comprehension(node.for_in, element)
        cell = Cell(growing=True)
        if isinstance(made, Seq):
            cell.items = {f"[{k}]": v for k, v in zip(keys, made.elements, strict=False)}
        elif isinstance(made, Each):
            cell.items[ANY] = made.element
        return cell


def _name_keys(element: Value, index: Symbol) -> None:
    """Let elements' keys have the index by its own name, whatever the code calls it."""
    for part in element.elements if isinstance(element, Seq) else [element]:
        if isinstance(part, Cell) and part.expr == ex.sym(index) and not part.place:
            part.place = index.name


def returns_at_end(body: cst.BaseSuite) -> cst.Return | None:
    """The ``return`` that ends a loop's body, whatever happened before it."""
    last = body.body[-1] if body.body else None
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    return last if isinstance(last, cst.Return) else None


def _first_name(target: cst.BaseExpression) -> str:
    if isinstance(target, cst.Name):
        return target.value
    if isinstance(target, (cst.Tuple, cst.List)) and target.elements:
        return _first_name(target.elements[0].value)
    return "i"
