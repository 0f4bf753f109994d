"""Statements on symbols instead of numbers: assignments, imports, definitions."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from optlint.lift import expression as ex
from optlint.lift.definitions import names_bound_in
from optlint.lift.evaluator import MAX_WORK, dotted
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Leave, Stored
from optlint.lift.masks import masked
from optlint.lift.objects import (
    ANY,
    Cell,
    Const,
    Each,
    Func,
    Klass,
    Method,
    Seq,
    Unsupported,
    Value,
    is_scalar,
    numeric,
    own_one,
)
from optlint.lift.parts import SETTER, parts_by_key, takes_parts
from optlint.lift.places import WHOLE, attribute
from optlint.lift.unused import Unused
from optlint.lift.vocabulary import Site, method_handler
from optlint.lift.vocabulary.graph import as_shared, take_pairs
from optlint.lift.wordings import in_other_words
from optlint.model import Span

IMMUTABLE = frozenset({"jax", "flax", "optax", "tensorflow", "theano", "keras"})
CONTENT = frozenset({"data", "cached_data"})  # ``p.data = x`` gives the array p another content


class Statements(Unused):
    """Runs statements one after the other. Branches and loops are later layers'."""

    def run(self, body: cst.BaseSuite | Sequence[cst.CSTNode]) -> None:
        statements = body.body if isinstance(body, cst.BaseSuite) else body
        for number, statement in enumerate(statements):
            if isinstance(statement, cst.If):
                self.behind = statements[number + 1 :]
            if isinstance(statement, cst.SimpleStatementLine):
                for small in statement.body:
                    self.execute(small)
            else:
                self.execute(statement)

    def execute(self, node: cst.CSTNode) -> None:
        self.work += 1
        self.effort += 1
        if self.work > MAX_WORK:
            raise Unsupported("too large to follow", self.span_of(node))
        method = getattr(self, "exec_" + type(node).__name__, None)
        if method is not None:
            method(node)

    def exec_Expr(self, node: cst.Expr) -> None:
        if not isinstance(node.value, (cst.SimpleString, cst.ConcatenatedString)):
            value = self.eval(node.value)
            expr = numeric(value)
            if expr is not None and expr.op == "opaque" and not self.scanning:
                self.sinks.extend(expr.args)
                self._change_copy(expr, node)
            elif isinstance(node.value, cst.Call):
                self.drop(node.value, value)

    def _change_copy(self, made: Expr, node: cst.Expr) -> None:
        """``ahead = deepcopy(self.shape); ahead.put(w − μ·v)``: what a copy is told by unseen code, it is made of."""
        callee, args = self.called
        held = callee.receiver if isinstance(callee, Method) else None
        if not isinstance(held, Cell) or held.expr is None or held.expr.op != "sym" or not held.place.isidentifier():
            return
        told = [e for e in map(numeric, args) if e is not None and e.symbols]
        if told and held.expr.symbol.name != held.place:
            self.store.fill(held, made, self.span_of(node))

    def eval_Yield(self, node: cst.Yield) -> Value:
        if isinstance(node.value, cst.BaseExpression):
            value = self.eval(node.value)
            if not take_pairs(self.whole, value, self.span_of(node)) and not self.scanning:
                self.sinks.extend(self.leaves(value))
        return Const(None)

    def exec_With(self, node: cst.With) -> None:
        for entry in node.items:
            value = self.eval(entry.item)
            if entry.asname is not None:
                self.assign(entry.asname.name, value, self.span_of(node))
        self.run(node.body)

    def exec_Return(self, node: cst.Return) -> None:
        if node.value is not None and not self.scanning:
            self._refuse_unbound(node.value)
        value = self.eval(node.value) if node.value is not None else Const(None)
        raise Leave("return", value)

    def _refuse_unbound(self, returned: cst.BaseExpression) -> None:
        """``if a: x = 1`` and ``elif b: x = 2``, and then ``return x``: what is neither has no way to its end."""
        function = self.stack[-1] if self.stack else None
        if not isinstance(returned, cst.Name) or self.scope.holder(returned.value) is not None:
            return
        if isinstance(function, cst.FunctionDef) and returned.value in names_bound_in(function):
            raise Unsupported(f"{returned.value} has no value on this way", self.span_of(returned))

    def exec_Break(self, node: cst.Break) -> None:
        raise Leave("break")

    def exec_Continue(self, node: cst.Continue) -> None:
        raise Leave("continue")

    def exec_Raise(self, node: cst.Raise) -> None:
        raise Leave("raise")

    def exec_Assert(self, node: cst.Assert) -> None:
        """``assert False``: no run gets past this. What other assertions ask is taken to hold."""
        if isinstance(node.test, cst.Name) and node.test.value == "False":
            raise Leave("raise")

    def exec_Del(self, node: cst.Del) -> None:
        pass

    # assignments

    def exec_Assign(self, node: cst.Assign) -> None:
        other = in_other_words(node)
        if other is not None:
            self.execute(other)
            return
        first = node.targets[0].target
        if isinstance(node.value, (cst.Tuple, cst.List)) and isinstance(first, (cst.Tuple, cst.List)):
            known = not any(isinstance(e, cst.StarredElement) for e in first.elements)
            value = self.display(node.value, len(first.elements) if known else None)
            if known and isinstance(value, Seq):
                made = zip(value.elements, node.value.elements, strict=False)
                value = Seq([self.made_anew(v, self.span_of(e.value)) for v, e in made])
        else:
            whole = isinstance(node.value, (cst.ListComp, cst.GeneratorExp)) and isinstance(
                first, (cst.Tuple, cst.List)
            )
            names = first.elements if whole and isinstance(first, (cst.Tuple, cst.List)) else []
            self.unpacked = 0 if any(isinstance(e, cst.StarredElement) for e in names) else len(names)
            value = self.eval(node.value)
        if isinstance(first, cst.Name) and len(node.targets) == 1:
            value = self._chosen(first.value, value)
        if len(node.targets) > 1 and isinstance(value, Cell) and value.array and not self.scanning:
            self.shared.append(tuple(dotted(t.target) for t in node.targets))
        if isinstance(node.value, cst.Call) and isinstance(first, cst.Name) and len(node.targets) == 1:
            value = self.made_anew(self.bind_anew(first.value, node.value, value), self.span_of(node))
        lasting_first = isinstance(value, Cell) and value.growing  # a list is known by the place where it stays
        for target in sorted(node.targets, key=lambda t: lasting_first and isinstance(t.target, cst.Name)):
            if not (is_opaque(value) and _passed_through(target.target, node.value)):
                self.assign(target.target, value, self.span_of(node))

    def _chosen(self, name: str, value: Value) -> Value:
        """``method = "adam"`` in a script that asks for several methods: what its user sets, like an argument."""
        if not isinstance(value, Const) or not isinstance(value.value, str) or name not in self.selectors:
            return value
        if self.scope is not self.scope.module:
            return value
        held = self.scope.vars.get(name)
        if isinstance(held, Cell) and held.place == name:
            return held
        symbol = Symbol(name, external=True, literal=(value.value,))
        return Cell(ex.sym(symbol), place=name, open=True)

    def exec_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value), self.span_of(node))

    def assign(self, target: cst.BaseExpression, value: Value, span: Span | None) -> None:
        self.keep_worth(target, value)
        if (parts := parts_by_key(value)) is not None and self._put_parts(target, parts, span):
            return
        if isinstance(target, cst.Name):
            self.note(target.value, value, span)
            self.store.bind(self.scope.target(target.value), target.value, value, span)
        elif isinstance(target, cst.Attribute):
            home = self.fields_of(self.eval(target.value))
            expr = numeric(value)
            if target.attr.value in CONTENT and isinstance(home, Cell) and home.expr is not None and expr is not None:
                self.store.fill(home, expr, span)
            elif isinstance(home, Cell) and (setter := self.setter(home, target.attr.value)) is not None:
                self.call(setter, [value], {}, span, target.attr.value)
            elif isinstance(home, Cell):
                self.store.put(home, attribute(target.attr.value), value, span)
                self.note(f"{home.place}.{target.attr.value}", value, span)
            elif isinstance(home, Klass):
                home.members[target.attr.value] = value
        elif isinstance(target, cst.Subscript):
            home = self._holder(target.value)
            held = numeric(home)
            guarded = masked(self.whole, target, held, value) if held is not None else None
            if isinstance(home, Cell) and guarded is not None:
                self.store.fill(home, guarded, span)
                return
            key = self.subscript(target)
            if isinstance(home, Cell) and (home.growing or home.open) and isinstance(target.slice[0].slice, cst.Index):
                take_pairs(self.whole, Seq([self.eval(target.slice[0].slice.value), value]), span)
            if isinstance(home, Cell):
                self.put_item(home, key, value, span)
            elif isinstance(home, Seq):
                self._put_element(home, key, value)
        elif isinstance(target, (cst.Tuple, cst.List)):
            self.unpack(target, value, span)
        elif isinstance(target, cst.StarredElement):
            self.assign(target.value, value, span)

    def _put_parts(self, target: cst.BaseExpression, parts: dict[str, Value], span: Span | None) -> bool:
        """``self.state[p] = m, v`` where the parts of what it holds are places; False where they are not."""
        held: Value | None = None
        if isinstance(target, cst.Name):
            held = self.scope.target(target.value).vars.get(target.value)
            if any(s.local and s.cell is held for s in self.store.slots):
                return False  # an argument's name takes another list
        elif isinstance(target, (cst.Attribute, cst.Subscript)):
            home = self.eval(target.value)
            key = attribute(target.attr.value) if isinstance(target, cst.Attribute) else self.subscript(target)
            held = self.lookup(home, key) if isinstance(home, Cell) else None
        if not isinstance(held, Cell) or not takes_parts(held, parts):
            return False
        for key, part in parts.items():
            self.note(f"{held.place}{key}", part, span)
            self.store.put(held, key, part, span)
        return True

    def _holder(self, node: cst.BaseExpression) -> Value:
        """What holds the element that is set; an array of zeros has rows for that."""
        if not isinstance(node, cst.Subscript):
            return self.eval(node)
        return self.row(self._holder(node.value), self.subscript(node), self.span_of(node))

    def setter(self, home: Cell, name: str) -> Func | None:
        """What ``home.name = value`` calls where the class has a property of that name that can be set."""
        found = home.klass.find(name + SETTER) if home.klass is not None and not self.is_strange(home.klass) else None
        return found.bound(home) if isinstance(found, Func) else None

    def put_item(self, home: Cell, key: str, value: Value, span: Span | None) -> None:
        each = value.items.get(ANY) if isinstance(value, Cell) and value.growing and value.expr is None else None
        if ":" in key and "," not in key and each is not None and not home.array:
            self._put_slice(home, each, span)
            return
        if key == WHOLE:
            expr = numeric(value)
            if expr is not None:
                self.store.fill(home, expr, span)
            return
        if "{" in key and key not in home.items:  # ``m[k]`` for k in ``m`` was ``m[k]`` for k in ``grads``
            key = self.alike(home, key, but=self.counted) or key
        value = as_shared(self.whole, home, value)
        self.note(f"{home.place}{key}", value, span)
        self.store.put(home, key, value, span)

    def _put_slice(self, home: Cell, each: Value, span: Span | None) -> None:
        """``W[1:] = [w − η·g for w, g in …]``: what stands for all new elements, at the place of the old ones."""
        keys = [k for k in home.items if "{" in k or k == ANY]
        read = self.number(each).symbols
        own = [k for k in keys if (old := numeric(home.items[k])) is not None and old.symbols & read]
        for key in (own or keys)[:1] or [ANY]:
            self.note(f"{home.place}{key}", each, span)
            self.store.put(home, key, each, span)

    def _put_element(self, home: Seq, key: str, value: Value) -> None:
        try:
            position = int(key[1:-1])
            old = home.elements[position]
        except (ValueError, IndexError):
            return
        home.elements[position] = value
        self.store.journal.append(lambda: home.elements.__setitem__(position, old))

    def note(self, name: str, value: Value, span: Span | None) -> None:
        made = value.items.get(ANY) if isinstance(value, Cell) and len(value.items) == 1 else None  # a list of them
        expr = numeric(made or value)
        if expr is not None and expr.args and not self.scanning and not self.is_abroad:
            self.stored.append(Stored(name, expr, span))

    def unpack(self, target: cst.Tuple | cst.List, value: Value, span: Span | None) -> None:
        count = len(target.elements)
        for index, element in enumerate(target.elements):
            if isinstance(value, Seq) and len(value.elements) == count:
                part = value.elements[index]
            elif isinstance(value, Each):
                part = own_one(value.element)
            elif isinstance(value, Const):
                part = value
            else:
                part = self.child(value, f"[{index}]", span)
            inner = element.value
            if isinstance(inner, (cst.Tuple, cst.List)):
                self.unpack(inner, part, span)
            else:
                self.assign(inner, part, span)

    def exec_AugAssign(self, node: cst.AugAssign) -> None:
        old = self.eval(node.target)
        right = self.eval(node.value)
        span = self.span_of(node)
        if isinstance(old, Seq) or (isinstance(old, Cell) and old.expr is None and old.growing):
            if isinstance(old, Seq) and isinstance(right, Seq):
                self.assign(node.target, Seq(old.elements + right.elements), span)
            elif isinstance(old, Cell) and old.sequence and isinstance(node.operator, cst.AddAssign):
                self._take_in(old, right, span)
            return
        result = self.binary(type(node.operator), old, right, span)
        if self.mutates(old, right):
            assert isinstance(old, Cell)
            self.keep_worth(node.target, result)
            old.exact = True
            self.store.fill(old, self.number(result), span)
            self.note(old.place, result, span)
            if isinstance(node.target, cst.Name):
                self.store.restore(self.scope.target(node.target.value), node.target.value, old)
        else:
            self.assign(node.target, result, span)

    def _take_in(self, home: Cell, more: Value, span: Span | None) -> None:
        """``xs += [x]`` is ``xs.append(x)``."""
        elements: list[Value] = []
        if isinstance(more, Seq):
            elements = more.elements
        elif isinstance(more, Cell) and more.growing and more.sequence and ANY not in more.items:
            elements = list(more.items.values())
        append = method_handler("append")
        for value in elements:
            if append is not None:
                append(Site(self.whole, [value], {}, span, "append", home))

    @property
    def immutable_arrays(self) -> bool:
        """The file's arrays are JAX's, TensorFlow's, Theano's or needle's: ``x += y`` binds a new one."""
        roots = {name.split(".")[0] for name in self.imports}
        return "needle" in roots or (bool(roots & IMMUTABLE) and not roots & {"numpy", "torch", "cupy", "mxnet"})

    def mutates(self, old: Value, right: Value) -> bool:
        """Whether ``old += right`` changes the object (an array) or makes a new one (a number)."""
        if not isinstance(old, Cell) or is_scalar(old) or self.immutable_arrays:
            return False
        if old.array or (isinstance(right, Cell) and right.array):
            return True
        return not (isinstance(right, Const) and isinstance(right.value, int))


def is_opaque(value: Value) -> bool:
    expr = numeric(value)
    return expr is not None and expr.op == "opaque"


def _passed_through(target: cst.BaseExpression, value: cst.BaseExpression) -> bool:
    """``p, g, m = as_real(p, g, m)``: an unseen function that gives back, in order, what it got: views of it."""
    if not isinstance(target, cst.Tuple) or not isinstance(value, cst.Call) or len(target.elements) < 2:
        return False
    got = [a.value.value if isinstance(a.value, cst.Name) else "" for a in value.args]
    names = [e.value.value if isinstance(e.value, cst.Name) else "?" for e in target.elements]
    return got == names
