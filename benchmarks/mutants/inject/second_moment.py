"""OPT1xx: the second moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import libcst as cst

from benchmarks.mutants.anatomy import Anatomy
from benchmarks.mutants.inject import forms as f
from benchmarks.mutants.inject import injects
from benchmarks.mutants.source import Edit, is_atom
from benchmarks.mutants.spelling import operation, renamed
from optlint.intent import meant
from optlint.lift import expression as ex
from optlint.lift import structure

Edits = Iterator[Edit | tuple[Edit, ...]]


def gradient_squares(a: Anatomy) -> Iterator[f.Square]:
    """The squares of the plain gradient that the second moment takes in, and whose value is the expression's."""
    return (s for s in f.squares(a) if s.site.part in a.second and a.adaptive and _goes_somewhere(a, s))


def _goes_somewhere(a: Anatomy, square: f.Square) -> bool:
    """Not ``np.multiply(g, g, out=buffer)``: what stood for the whole of it would go nowhere."""
    return square.fused or not isinstance(a.code.parents.get(square.op.node), cst.Expr)


@injects("OPT101")
def decay_outside_the_square(a: Anatomy) -> Edits:
    for square, w in _beside_weights(a):
        yield square.instead(a, f"{square.squared(a, square.text)} + 0.01 * {w}")


def _beside_weights(a: Anatomy) -> Iterator[tuple[f.Square, str]]:
    """The squares that could take in a decay, with the weights' text: a list takes no sum, a norm no tensor."""
    for square in gradient_squares(a):
        w = f.parameter_text(a, square.op.node)
        whole = any(n.op in ex.REDUCTIONS for n in ex.walk(square.operand))
        if w and not square.op.each and not whole:
            yield square, w


@injects("OPT102")
def decay_in_the_numerator_only(a: Anatomy) -> Edits:
    if not a.adaptive:
        return
    if len(a.roles) - len(a.second) == 1:  # Adam: the first moment takes it in
        yield from _decayed(a, lambda part: part not in a.second and part != "step")
    elif len(a.roles) == 1:
        yield from _decayed(a, lambda part: part == "step")


def _decayed(a: Anatomy, wanted: Callable[[str], bool]) -> Edits:
    """g + λ·w for g in one part of the update."""
    done: set[int] = set()
    for site, op in f.operations(a):
        if not wanted(site.part) or op.each:
            continue
        for node in op.operands:
            w = f.parameter_text(a, node)
            if w and id(node) not in done and a.stands_for(node, a.spells_gradient) and _is_plain(node):
                done.add(id(node))
                yield a.code.replaced(node, f"{a.code.source(node)} + 0.01 * {w}")


def _is_plain(node: cst.CSTNode) -> bool:
    return isinstance(node, (cst.Name, cst.Attribute, cst.Subscript))


@injects("OPT103")
def square_dropped(a: Anatomy) -> Edits:
    for square in f.squares(a, of_gradient=False):
        if square.site.part in a.second and _goes_somewhere(a, square):
            yield square.instead(a, square.text)


@injects("OPT104")
def absolute_value_for_the_square(a: Anatomy) -> Edits:
    for square in gradient_squares(a):
        yield square.instead(a, f.unary(a, square.op.node, "abs", square.text, square.op))


@injects("OPT105")
def root_dropped(a: Anatomy) -> Edits:
    for _, op, text in f.roots(a):
        if isinstance(op.node, cst.BaseExpression):
            edit = a.code.replaced(op.node, text if op.is_root else f"1 / ({text})")
            new = f.changed_next(a, op.node)  # the root was a new array, which may be changed in place
            if new is None or not _is_plain(op.operands[0]):
                yield edit
            elif isinstance(new, cst.Name):
                yield edit, (*a.code.offsets(new), new.value.rstrip("_"))


@injects("OPT106")
def root_taken_twice(a: Anatomy) -> Edits:
    for _, op, _ in f.roots(a):
        if op.is_root and isinstance(op.node, cst.BaseExpression) and not op.changes:
            yield a.code.replaced(op.node, f.unary(a, op.node, "sqrt", a.code.source(op.node), op))


@injects("OPT107")
def multiplied_by_the_denominator(a: Anatomy) -> Edits:
    if not a.adaptive:
        return  # the norm that a matrix is divided by
    for site, op in f.operations(a, "div"):
        above, below = site.expr.args if site.expr.op == "div" else (None, None)
        if below is None or above is None or not a.held(below) & a.second:
            continue
        if not a.held(above) and not a.takes_gradient(above):
            continue  # LAMB's ratio of norms
        if op.style == "operator":
            left, right = (a.code.source(n) for n in op.operands)
            yield a.code.replaced(op.node, f"{left} * {right}")
        elif (edit := renamed(a.code, op, "mul")) is not None:
            yield edit
    for site, op in f.operations(a, "addcdiv"):
        edit = renamed(a.code, op, "addcmul")
        if edit is not None and a.held(site.expr) & a.second:
            yield edit
    for _, op, text in f.roots(a):
        if op.means == "rsqrt":
            yield a.code.replaced(op.node, f.unary(a, op.node, "sqrt", text))


@injects("OPT108")
def weight_of_the_square_dropped(a: Anatomy) -> Edits:
    yield from _without_weight(a, a.second)


@injects("OPT108", stays=True)
def weight_of_the_gradient_dropped(a: Anatomy) -> Edits:
    """Of a first moment that is corrected; uncorrected it would be heavy ball's velocity."""
    equations = a.match.variant.equations
    yield from _without_weight(a, {r for r in a.roles if r not in a.second and f"{r}'/(1 - beta" in equations})


def _without_weight(a: Anatomy, parts: Collection[str]) -> Edits:
    for site, op in f.operations(a, "mul"):
        if site.part not in parts or len(op.operands) != 2:
            continue
        for weight, other in (op.operands, op.operands[::-1]):
            if a.weighs(weight, site.part) and not a.stands_for(other, a.is_setting):
                yield a.code.replaced(op.node, a.code.source(other))
                break
    for site, op in f.operations(a, "addcmul", "add"):
        for name in ("value", "alpha"):
            arg = op.named.get(name)
            if arg is not None and site.part in parts and a.weighs(arg.value, site.part):
                before = op.operands[-1]
                _, start = a.code.offsets(before)
                _, end = a.code.offsets(arg)
                if a.code.offsets(arg)[0] > start:
                    yield start + len(before.rpar), end, ""


@injects("OPT109")
def weight_inside_the_parenthesis(a: Anatomy) -> Edits:
    """(ρ·E + (1 − ρ))·g² for ρ·E + (1 − ρ)·g²."""
    for site, op in f.operations(a, "add"):
        if op.style != "operator" or site.part not in a.second:
            continue
        for kept, new in (op.operands, op.operands[::-1]):
            product = operation(a.code, new)
            if product is None or product.means != "mul" or product.style != "operator":
                continue
            weight, square = product.operands
            if a.weighs(weight, site.part):
                text = f"({a.code.source(kept)} + {a.code.source(weight)}) * {a.code.source(square)}"
                yield a.code.replaced(op.node, text)


@injects("OPT110")
def sum_for_the_average(a: Anatomy) -> Edits:
    """v + g² for β·v + (1 − β)·g² in something that keeps a first moment, too."""
    for square in gradient_squares(a):
        role = square.site.part
        for line in f.writes(a, role):
            place = f.target(a, line)
            if place is not None and role in a.retentions and isinstance(line.body[0], cst.Assign):
                if not any(a.keeps(node, role) or a.weighs(node, role) for node in _nodes(a, line)):
                    continue  # a name for the state, or its type: the average stands elsewhere
                if a.code.within(square.op.node) - a.code.within(line.body[0].value):
                    continue  # a lambda's own names mean nothing outside it
                if len(structure.terms(structure.rest(a.roles[role].post, a.roles[role].old))) > 1:
                    continue  # AdaBelief's ε would go, too
                text = a.code.source(place)
                if any(a.code.source(n) == text for n in _nodes(a, line) if n is not place):  # else a new name for it
                    yield a.code.replaced(line.body[0].value, f"{text} + {square.squared(a, square.text)}")
                yield a.code.replaced(line.body[0].value, square.squared(a, square.text))


@injects("OPT111", stays=True)
def decay_reversed(a: Anatomy) -> Edits:
    """(1 − ρ)·v + ρ·g² (beside 1 − ρᵗ it is OPT508)."""
    for role in sorted(a.second - {c.role for c in f.corrections(a)}):
        yield from reversed_average(a, role)


def reversed_average(a: Anatomy, role: str) -> Edits:
    """The two weights of an average change places, where the code itself says how large they are."""
    own = next((s for s in a.subject.states if s.old is a.roles[role].old), None)
    kept = structure.retention(own.post, own.old) if own is not None else None
    if role not in a.retentions or kept is None or any(s.default is None for s in kept.symbols):
        return
    if float(a.retentions[role][0, 0]) < 0.5:
        return  # of a weight of 0.25, nobody can tell whether it is the old content's or the new one's
    weights: dict[tuple[int, int], str] = {}
    keeps: dict[tuple[int, int], str] = {}
    for line in f.writes(a, role):
        for node in _nodes(a, line):
            if a.weighs(node, role):
                weights[a.code.offsets(node)] = a.code.source(node)
            elif a.keeps(node, role):
                keeps[a.code.offsets(node)] = a.code.source(node)
    keeps = {k: v for k, v in keeps.items() if not any(w[0] <= k[0] and k[1] <= w[1] for w in weights)}
    if len(weights) == 1 and len(keeps) == 1:
        (one, weight), (other, keep) = *weights.items(), *keeps.items()
        weight = weight if _is_bare(weight) else f"({weight})"
        yield (*one, keep), (*other, weight)


def _is_bare(text: str) -> bool:
    return text.startswith("(") or text.replace(".", "").replace("_", "").isalnum()


def _nodes(a: Anatomy, line: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    start, end = a.code.offsets(line)
    for node in a.code.positions:
        if isinstance(node, cst.BaseExpression):
            first, last = a.code.offsets(node)
            if start <= first and last <= end:
                yield node


@injects("OPT112")
def second_moment_of_the_first(a: Anatomy) -> Edits:
    """m² for g²."""
    first = sorted(set(a.roles) - a.second)
    for square in gradient_squares(a):
        place = f.place_text(a, first[0]) if len(first) == 1 else ""
        if place:
            yield square.instead(a, square.squared(a, place))


@injects("OPT112")
def second_moment_decays_the_first(a: Anatomy) -> Edits:
    """v' = β₂·m + (1 − β₂)·g²."""
    first = sorted(set(a.roles) - a.second)
    for role in sorted(a.second):
        place = f.place_text(a, first[0]) if len(first) == 1 else ""
        for site, op in f.operations(a, "mul"):
            if site.part != role or op.changes or len(op.operands) != 2 or not place:
                continue
            for old in op.operands:
                if a.code.is_symbol(old, a.roles[role].old.name) and _is_plain(old):
                    yield a.code.replaced(old, place)


@injects("OPT112")
def first_moment_below_the_root(a: Anatomy) -> Edits:
    first = sorted(set(a.roles) - a.second)
    place = f.place_text(a, first[0]) if len(first) == 1 else ""
    for _, op, text in f.roots(a):
        if op.changes:
            continue  # a list that is rooted in place: of another one, that says nothing of what is divided by
        if place and _is_plain(op.operands[0]) and text != place:
            yield a.code.replaced(op.operands[0], place)


@injects("OPT113", stays=True)
def default_numbers_swapped(a: Anatomy) -> Edits:
    first = sorted(set(a.roles) - a.second)
    second = sorted(a.second & set(a.retentions))
    if len(first) != 1 or len(second) != 1 or first[0] not in a.retentions:
        return
    numbers = {role: float(a.retentions[role][0, 0]) for role in (first[0], second[0])}
    if not (numbers[second[0]] > 0.99 > numbers[first[0]]):
        return  # 0.95 and 0.98: which of them is the slow one, nothing says
    found: dict[str, list[cst.Float]] = {role: [] for role in numbers}
    for node in a.code.positions:
        if isinstance(node, cst.Float):
            for role, value in numbers.items():
                if abs(float(node.value) - value) < 1e-12:
                    found[role].append(node)
    holders = (cst.Parameters, cst.SimpleStatementLine, cst.Call)
    span = a.recurrence.home or a.recurrence.span
    for m in found[first[0]]:
        near = [v for v in found[second[0]] if a.code.inside(v, *holders) is a.code.inside(m, *holders)]
        block = a.code.outermost(m)
        here = block is not None and a.code.place(block)[0] <= span.line <= a.code.place(block)[2]
        if len(near) == 1 and here and a.code.inside(m, cst.Parameters) is not None:
            yield (*a.code.offsets(m), near[0].value), (*a.code.offsets(near[0]), m.value)


@injects("OPT114")
def stale_second_moment(a: Anatomy) -> Edits:
    """The parameter moves before v is updated."""
    if a.family != "adadelta":
        yield from updated_behind_the_step(a)


def updated_behind_the_step(a: Anatomy) -> Edits:
    ends = f.writes(a, "w")
    for role in sorted(a.second):
        lines = f.writes(a, role)
        if len(lines) != 1 or len(ends) != 1:
            continue
        block = a.code.block(lines[0])
        end = a.code.holder(ends[0], block)
        if not isinstance(end, cst.SimpleStatementLine) or end is not ends[0]:
            continue
        stale = a.code.offsets(end) > a.code.offsets(lines[0]) and _is_stale_before(a, lines[0])
        if stale and (edits := _moved_behind_the_step(a, lines[0], end)):
            yield edits


def _is_stale_before(a: Anatomy, line: cst.SimpleStatementLine) -> bool:
    """The statement makes new content of what its place holds before: a name that is bound here first, or a store of
    what another name holds already, is not read too early by moving it."""
    place, small = f.target(a, line), line.body[0]
    if f.receiver(a, line) is not None or isinstance(small, cst.AugAssign):
        return True
    if place is None or not isinstance(small, cst.Assign) or _is_plain(small.value):
        return False
    return not isinstance(place, cst.Name) or f.is_bound_before(a, place.value, line)


def _moved_behind_the_step(a: Anatomy, line: cst.SimpleStatementLine, end: cst.SimpleStatementLine) -> tuple[Edit, ...]:
    """The line behind the statement that moves the parameter; before the end of a ``return`` that does."""
    small = end.body[0]
    if not isinstance(small, cst.Return) or small.value is None:
        return a.code.moved_behind(line, end)
    if isinstance(f.target(a, line), cst.Name):
        return ()  # it is handed back with the step: what its caller keeps would be the old content
    start, stop = a.code.offsets(line)
    indent = a.code.indent(end)
    moved = f"moved = {a.code.source(small.value)}\n{indent}{a.code.text[start:stop]}\n{indent}return moved"
    return a.code.removed(line), (*a.code.offsets(end), moved)


@injects("OPT115")
def step_size_inside_the_accumulator(a: Anatomy) -> Edits:
    if len(a.roles) != 1:
        return
    for square in gradient_squares(a):
        size = f.around(a, a.is_scale, square.op.node)
        if size and not square.op.each:
            text = square.text if is_atom(square.text) else f"({square.text})"
            yield square.instead(a, square.squared(a, f"{size} * {text}"))


@injects("OPT117")
def mean_of_the_squares(a: Anatomy) -> Edits:
    """Where a name says what is meant, or a first moment does: else one rate for a tensor is a design of its own.

    Nor where the optimizer gathers a tensor's whole square itself (NovoGrad): a mean of it is no mistake of the page.
    """
    if len(a.roles) == len(a.second) and meant(a.recurrence.called) is None:
        return
    gathered = [n for role in a.second for n in ex.walk(a.roles[role].post)]
    if any(n.op in ex.REDUCTIONS for n in gathered):
        return
    for square in (s for s in gradient_squares(a) if not s.op.each):  # here and below: a list has no arithmetic
        whole = square.squared(a, square.text) if square.fused else a.code.source(square.op.node)
        yield square.instead(a, f.unary(a, square.op.node, "mean", whole))


@injects("OPT118")
def decay_in_the_second_moment_only(a: Anatomy) -> Edits:
    for square, w in _beside_weights(a):
        yield square.instead(a, square.squared(a, f"{square.text} + 0.01 * {w}"))


__all__ = ["ex", "gradient_squares", "reversed_average"]
