"""OPT3xx: bias correction and time."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy, Site
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.source import Edit, place
from benchmarks.mutants.spelling import Operation, number, renamed
from optlint.lift import expression as ex

Edits = Iterator[Edit | tuple[Edit, ...]]


def dropped(a: Anatomy, role: str) -> list[Edit]:
    return [f.without(a, c) for c in f.corrections(a) if c.role == role]


def corrected(a: Anatomy) -> list[str]:
    """The moments whose corrections can be left out."""
    roles = {c.role for c in f.corrections(a)}
    return sorted(roles - {c.role for c in f.corrections(a) if _spoils(a, c)})


def _spoils(a: Anatomy, c: f.Correction) -> bool:
    """Without it, what follows would change the state itself: ``(m / c).div_(root)`` as ``m.div_(root)``."""
    raw = c.op.operands[0]
    plain = isinstance(raw, (cst.Name, cst.Attribute, cst.Subscript)) and a.held(c.site.expr)
    return plain and f.changed_next(a, c.op.node) is not None


@injects("OPT301")
def no_correction(a: Anatomy) -> Edits:
    roles = corrected(a)
    if a.family == "radam":
        return  # its rectification is made of the same powers
    edits = [e for role in roles for e in dropped(a, role)]
    if len(roles) == 2 and f.disjoint(edits):
        yield tuple(set(edits))
    elif len(roles) == 2:  # √(1 − β₂ᵗ)/(1 − β₁ᵗ) folded into one factor
        yield from _folded_away(a)


def _folded_away(a: Anatomy) -> Edits:
    """lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) is lr."""
    for site, op in f.operations(a, "div", "mul"):
        if op.style == "operator" and a.is_time(site.expr) and op.means == "div":
            inner = next((c for c in f.corrections(a) if c.op.node is op.operands[0]), None)
            if inner is not None and any(c.op.node is op.node for c in f.corrections(a)):
                yield a.code.replaced(op.node, a.code.source(inner.op.operands[1 - inner.factor]))


@injects("OPT302")
def one_moment_not_corrected(a: Anatomy) -> Edits:
    roles = corrected(a)
    for role in roles if len(roles) == 2 else ():
        edits = dropped(a, role)
        if f.disjoint(edits):
            yield tuple(set(edits))


@injects("OPT303")
def corrected_value_not_used(a: Anatomy) -> Edits:
    for c in f.corrections(a):
        line = a.code.statement(c.op.node)
        name = f.target(a, line) if line is not None else None
        if line is None or not isinstance(name, cst.Name) or not isinstance(line.body[0], cst.Assign):
            continue
        if line.body[0].value is not c.op.node or not c.below or not a.held(c.site.expr):
            continue
        raw = c.op.operands[0]
        uses = f.uses_behind(a, line, name.value)
        changed = any(f.changed_next(a, n) is not None for n in uses)  # the state itself would be, and that is worse
        if uses and not changed and isinstance(raw, (cst.Name, cst.Attribute, cst.Subscript)):
            yield tuple(a.code.replaced(n, a.code.source(raw)) for n in uses)


@injects("OPT304")
def multiplied_by_the_correction(a: Anatomy) -> Edits:
    for c in f.corrections(a):
        if not c.below or not a.held(c.site.expr):
            continue
        if c.op.style == "operator":
            left, right = (a.code.source(n) for n in c.op.operands)
            yield a.code.replaced(c.op.node, f"{left} * {right}")
        elif (edit := renamed(a.code, c.op, "mul")) is not None:
            yield edit


def powers(a: Anatomy) -> Iterator[tuple[Site, Operation, str]]:
    """βᵗ where it stands in a correction: (site, operation, role)."""
    inside = {id(n) for site in a.sites if a.corrects(site.expr) for n in ex.walk(site.expr)}
    for site, op in f.operations(a, "pow"):
        if site.expr.op == "pow" and len(op.operands) == 2 and id(site.expr) in inside:
            role = next((r for r in a.retentions if a.is_power(site.expr, r)), "")
            if role:
                yield site, op, role


def _exponents(a: Anatomy) -> Iterator[tuple[Site, Operation, ex.Expr]]:
    for site, op, _ in powers(a):
        yield site, op, site.expr.args[1]


@injects("OPT305")
def exponent_dropped(a: Anatomy) -> Edits:
    for _, op, _ in powers(a):
        yield a.code.replaced(op.node, a.code.source(op.operands[0]))


def one_minus_powers(a: Anatomy) -> Iterator[tuple[Operation, str, str]]:
    """1 − βᵗ: (operation, β's text, t's text)."""
    by_node = {id(op.node): op for _, op, _ in powers(a)}
    for site, op in f.operations(a, "sub"):
        if a.corrects(site.expr) and len(op.operands) == 2:
            power = by_node.get(id(op.operands[1]))
            if power is not None:
                yield op, a.code.source(power.operands[0]), a.code.source(power.operands[1])


@injects("OPT306")
def power_instead_of_its_complement(a: Anatomy) -> Edits:
    for op, _, _ in one_minus_powers(a):
        yield a.code.replaced(op.node, a.code.source(op.operands[1]))


@injects("OPT306")
def power_of_the_complement(a: Anatomy) -> Edits:
    for op, beta, time in one_minus_powers(a):
        yield a.code.replaced(op.node, f"(1 - {beta}) ** {time}")


@injects("OPT306")
def product_for_the_power(a: Anatomy) -> Edits:
    for op, beta, time in one_minus_powers(a):
        yield a.code.replaced(op.node, f"1 - {beta} * {time}")


@injects("OPT306")
def correction_of_the_other_average(a: Anatomy) -> Edits:
    """v/(1 − β₁ᵗ) for v/(1 − β₂ᵗ)."""
    named = {beta for _, beta, _ in one_minus_powers(a)}
    for op, beta, _ in one_minus_powers(a):
        others = named - {beta}
        if len(others) == 1:
            yield a.code.replaced(op.node, a.code.source(op.node).replace(beta, others.pop(), 1))


@injects("OPT307")
def corrected_value_stored_back(a: Anatomy) -> Edits:
    for c in f.corrections(a):
        line = a.code.statement(c.op.node)
        name = f.target(a, line) if line is not None else None
        raw = c.op.operands[0]
        if not c.below or line is None or c.rooted or not isinstance(raw, (cst.Name, cst.Attribute, cst.Subscript)):
            continue
        text = a.code.source(raw)
        if f.place_text(a, c.role) != text:
            continue
        if isinstance(name, cst.Name) and isinstance(line.body[0], cst.Assign) and line.body[0].value is c.op.node:
            uses = f.uses_behind(a, line, name.value)
            yield (a.code.replaced(name, text), *(a.code.replaced(n, text) for n in uses))
        if f.receiver(a, f.writes(a, c.role)[0]) is not None:  # a tensor that is changed in place
            yield a.code.replaced(c.op.node, f"{text}.div_({a.code.source(c.op.operands[1])})")


@injects("OPT308")
def corrected_twice(a: Anatomy) -> Edits:
    """The moments are corrected, and the step size too."""
    found = [c for c in f.corrections(a) if c.below and a.held(c.site.expr)]
    texts: dict[str, str] = {}
    for c in found:
        texts.setdefault(c.role, a.code.bare(c.op.operands[c.factor]))
    second = [r for r in texts if r in a.second]
    first = [r for r in texts if r not in a.second]
    if len(second) != 1 or len(first) != 1 or any(c.rooted for c in found):
        return
    for line in f.writes(a, "w"):
        for node in _names(a, line):
            if a.stands_for(node, a.is_scale) and a.code.function(found[0].op.node) is a.code.function(node):
                root = f.unary(a, node, "sqrt", texts[second[0]])
                yield a.code.replaced(node, f"{a.code.source(node)} * {root} / ({texts[first[0]]})")


def _names(a: Anatomy, line: cst.CSTNode) -> list[cst.BaseExpression]:
    start, end = a.code.offsets(line)
    kinds = (cst.Name, cst.Attribute, cst.Subscript)
    found = [n for n in a.code.positions if isinstance(n, kinds) and start <= a.code.offsets(n)[0] < end]
    return [n for n in found if not any(_covers(a, o, n) for o in found)]


def _covers(a: Anatomy, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    (start, end), (first, last) = a.code.offsets(one), a.code.offsets(other)
    return one is not other and start <= first and last <= end


@injects("OPT309")
def folded_root_dropped(a: Anatomy) -> Edits:
    for site, op in f.operations(a):
        root = op.is_root and bool(op.operands) and site.expr.op == "sqrt"
        if root and a.corrects(site.expr.args[0]) in a.second and a.is_time(_whole(a, site)):
            yield a.code.replaced(op.node, a.code.source(op.operands[0]))


@injects("OPT309")
def folded_root_of_the_wrong_factor(a: Anatomy) -> Edits:
    rooted = [c for c in f.corrections(a) if c.rooted and c.role in a.second and a.is_time(c.site.expr)]
    plain = [c for c in f.corrections(a) if not c.rooted and c.role not in a.second and a.is_time(c.site.expr)]
    for one in rooted:
        root = one.op.operands[one.factor]
        for other in plain:
            below = other.op.operands[other.factor]
            inner = next((o.operands[0] for _, o in f.operations(a) if o.node is root and o.is_root), None)
            if inner is not None:
                swapped = f.unary(a, root, "sqrt", a.code.bare(below))
                yield (
                    (*a.code.offsets(root), f"({a.code.source(inner)})"),
                    _without_parentheses(a, below, swapped),
                )


def _without_parentheses(a: Anatomy, node: cst.BaseExpression, text: str) -> Edit:
    start, end = a.code.offsets(node)
    return start - len(node.lpar), end + len(node.rpar), text


def _whole(a: Anatomy, site: Site) -> ex.Expr:
    """The product that a factor stands in."""
    parent = a.code.parents[site.node]
    found = next((s.expr for s in a.sites if s.node is parent), None)
    return found if found is not None else site.expr


@injects("OPT310", stays=True)
def step_size_compounds(a: Anatomy) -> Edits:
    """The folded step size is stored back: self.lr = self.lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ)."""
    for c in f.corrections(a):
        line = a.code.statement(c.op.node)
        name = f.target(a, line) if line is not None else None
        if line is None or not isinstance(name, cst.Name) or not a.is_time(c.site.expr):
            continue
        size = next((n for n in _names(a, line) if a.stands_for(n, a.is_scale)), None)
        if size is not None and isinstance(size, (cst.Attribute, cst.Subscript)):
            text = a.code.source(size)
            uses = f.uses_behind(a, line, name.value)
            yield (a.code.replaced(name, text), *(a.code.replaced(n, text) for n in uses))


# time


def clocks(a: Anatomy) -> set[str]:
    """The names of what counts steps."""
    return {s.name.removesuffix("'") for s in a.subject.time}


@injects("OPT311")
def time_plus_one_dropped(a: Anatomy) -> Edits:
    edits = []
    for node in a.code.positions:
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add) and number(node.right) == 1:
            power = a.code.inside(node, cst.BinaryOperation, cst.Call)
            if any(op.node is power for _, op, _ in powers(a)):
                edits.append(_bare(a, node, a.code.source(node.left)))
    if edits:
        yield tuple(edits)


def _bare(a: Anatomy, node: cst.BaseExpression, text: str) -> Edit:
    """Write ``text`` for a node and its parentheses."""
    start, end = a.code.offsets(node)
    return start - len(node.lpar), end + len(node.rpar), text


@injects("OPT311")
def loop_from_zero(a: Anatomy) -> Edits:
    for loop in _loops(a):
        if isinstance(loop.iter, cst.Call) and isinstance(loop.iter.func, cst.Name) and loop.iter.func.value == "range":
            args = loop.iter.args
            if len(args) == 2 and number(args[0].value) == 1:
                yield (*a.code.offsets(loop.iter), f"range({a.code.source(args[1].value)})")


def _loops(a: Anatomy) -> Iterator[cst.For]:
    """The loops whose variable counts steps, as far as a name tells."""
    names = clocks(a)
    lines = [a.code.positions[line].start.line for role in (*a.roles, "w") for line in f.writes(a, role)]
    for node in a.code.positions:
        if isinstance(node, cst.For) and isinstance(node.target, cst.Name) and node.target.value in names:
            where = a.code.positions[node]
            if lines and where.start.line <= min(lines) and max(lines) <= where.end.line:
                yield node


@injects("OPT311")
def counted_behind_the_step(a: Anatomy) -> Edits:
    ends = f.writes(a, "w")
    for line in increments(a):
        block = a.code.block(line)
        end = a.code.holder(ends[-1], block) if ends else None
        if end is not None and end is not line and a.code.offsets(end) > a.code.offsets(line):
            yield a.code.moved_behind(line, end)


def increments(a: Anatomy) -> list[cst.SimpleStatementLine]:
    """The statements that count."""
    found: list[cst.SimpleStatementLine] = []
    exponents = {s for _, _, power in _exponents(a) for s in power.symbols}
    for counter in a.recurrence.counters:
        if not {counter.old, counter.new} & exponents:
            continue
        for span in counter.spans:
            for node in a.code.by_place.get((span.line, span.column, span.end_line, span.end_column), ()):
                line = a.code.statement(node)
                if line is not None and _counts(a, line) and all(line is not o for o in found):
                    found.append(line)
    return found


def _counts(a: Anatomy, line: cst.SimpleStatementLine) -> bool:
    small = line.body[0]
    if isinstance(small, cst.AugAssign):
        return number(small.value) == 1
    if isinstance(small, cst.Assign):
        place_ = f.target(a, line)
        return place_ is not None and a.code.source(small.value) in (f"{a.code.source(place_)} + 1",)
    return re.search(r"add_?\(.*\b1\b", a.code.source(line)) is not None


@injects("OPT312", stays=True)
def time_never_advances(a: Anatomy) -> Edits:
    """The count is taken out, and t is 1 for ever."""
    for line in increments(a):
        for counter in a.recurrence.counters:
            first = counter.initial.origin if counter.initial is not None else None
            nodes = a.code.by_place.get(place(first), ()) if first is not None else ()
            literal = next((n for n in nodes if number(n) == 0), None)
            if literal is not None:
                yield a.code.removed(line), (*a.code.offsets(literal), "1")


@injects("OPT312", "time stays zero", stays=True)
def time_stays_zero(a: Anatomy) -> Edits:
    for line in increments(a):
        yield a.code.removed(line)


@injects("OPT313", stays=True)
def counted_for_each_tensor(a: Anatomy) -> Edits:
    ends = f.writes(a, "w")
    for line in increments(a):
        block = a.code.block(line)
        loop = a.code.holder(ends[-1], block) if ends else None
        if isinstance(loop, cst.For) and isinstance(loop.body, cst.IndentedBlock):
            first = loop.body.body[0]
            start, end = a.code.offsets(line)
            yield a.code.removed(line), a.code.inserted(first, a.code.text[start:end])


@injects("OPT314", stays=True)
def epoch_for_the_step(a: Anatomy) -> Edits:
    """A loop around the one that updates gives the exponent."""
    outer = None
    for _, op, _ in powers(a):
        loops: list[cst.For] = []
        node = a.code.inside(op.node, cst.For)
        while node is not None:
            loops.append(node)
            node = a.code.inside(node, cst.For)
        for loop in loops[1:]:
            if isinstance(loop.target, cst.Name) and a.code.source(loop.iter).startswith("range("):
                outer = loop.target.value
                break
    if outer is not None:
        edits = [a.code.replaced(op.operands[1], f"{outer} + 1") for _, op, _ in powers(a)]
        if all(outer not in a.code.source(op.operands[1]) for _, op, _ in powers(a)):
            yield tuple(dict.fromkeys(edits))
