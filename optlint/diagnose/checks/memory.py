"""How long the second moment remembers: for ever where it should forget, or not at all where it should gather."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst
import numpy as np

from optlint.changes import kept_for_changes, moves_of_nothing
from optlint.diagnose.checks.complement import complements
from optlint.diagnose.repairs import Repair, check
from optlint.intent import mentioned
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import REDUCTIONS, Expr, Symbol
from optlint.lift.frames import Stored
from optlint.lift.recurrence import Recurrence, State
from optlint.prepare import prepare
from optlint.subject import Subject

ONE = ex.const(1)
FAST = 0.3  # a second moment that keeps less than this of itself averages nothing
_ADAPTIVE = frozenset({"adam", "adamw", "amsgrad", "nadam", "radam", "lamb"})  # what has β₂ beside β₁


@check("sum-for-average")
def sum_for_average(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v + g² or v + (1 − β)·g², which never forgets, or v + (g² − v), which forgets all, for β·v + (1 − β)·g².

    (g − m)² likewise.
    """
    if subject.gradient is None:
        return
    yield from sum_mixed_with_itself(subject, page)
    if "adagrad" in mentioned(subject.recurrence):
        return
    for position, state in enumerate(subject.states):
        gathered = structure.tidy(structure.rest(state.post, state.old))
        own = structure.slope(state.post, state.old)
        terms = structure.terms(gathered)
        squares = [t for sign, t in terms if sign > 0 and _is_square(subject, t)]
        floors = [(sign, t) for sign, t in terms if subject.is_hyper(t)]  # AdaBelief's ε
        weighed = [d for sign, t in terms if sign > 0 and (d := _decay_of_weighed(t)) is not None]
        if own == ONE and len(terms) == len(weighed) == 1 and state.old in subject.second:
            posts = subject.posts
            kept = ex.op("mul", weighed[0], ex.sym(state.old))
            posts[position] = ex.op("add", kept, gathered, origin=state.post.origin)
            yield Repair(page.code, subject.replaced(posts), state.post, posts[position], where=state.name)
        if own not in (ONE, ex.const(0)) or len(squares) != 1 or len(terms) != len(floors) + 1:
            continue
        for decay in _decays(subject.posts, subject.states, subject.recurrence):
            posts = subject.posts
            average = structure.average(decay, state.old, squares[0], state.post.origin)
            posts[position] = structure.total([(1, average), *floors], state.post.origin)
            made = subject.replaced(posts)
            details = {"kind": "memory"}
            yield Repair(page.code, made, state.post, posts[position], where=state.name, details=details)


@check("sum-mixed-with-itself")
def sum_mixed_with_itself(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√(β·s + (1 − β)·s') with a sum s' = s + g², for an average. Of one array (``old = s; s += g²``), both are s'."""
    for position, state in enumerate(subject.states):
        if structure.slope(state.post, state.old) != ONE or not structure.adds_squares(state.post, state.old):
            continue
        new = ex.sym(state.new)
        for node in ex.walk(subject.step):
            parts = [structure.factors(t) for sign, t in structure.terms(node) if sign > 0] if node.op == "add" else []
            decay = _decay_of_mixture(parts, state)
            if decay is None:
                continue
            posts = [ex.substitute(p, {node: new}) for p in subject.posts]
            posts[position] = structure.average(decay, state.old, structure.rest(state.post, state.old), node.origin)
            details = {"kind": "memory", "says": "mixed"}
            made = subject.replaced(posts)
            yield Repair(page.code, made, node, posts[position], where=state.name, root=subject.step, details=details)


def _decay_of_mixture(parts: list[list[tuple[Expr, float]]], state: State) -> Expr | None:
    """β of β·s + (1 − β)·s', or of β·s' + (1 − β)·s'."""
    if len(parts) != 2:
        return None
    new = (ex.sym(state.new), 1.0)
    for first, second in (parts, parts[::-1]):
        held = [p for p in first if p in (new, (ex.sym(state.old), 1.0))]
        if len(held) != 1 or new not in second:
            continue
        decay = structure.product(p for p in first if p not in held)
        rest = structure.product(p for p in second if p != new)
        value = decay.number if decay.op == "const" else 1.0
        if decay != ONE and value >= 0.5 and structure.is_complement(rest, decay):
            return decay
    return None


def _is_square(subject: Subject, term: Expr) -> bool:
    """g², or that of a difference from an average."""
    root = structure.square_root_of(term)
    return root is not None and structure.slope(root, subject.g) == ONE


@check("last-square-only")
def last_square_only(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v = g², which remembers nothing: Adagrad's sum or the average of the others, as the name says, or a correction
    that is no other state's."""
    recurrence = subject.recurrence
    named = mentioned(recurrence)
    posts = recurrence.posts()
    missing = _unexplained(_bases(posts), recurrence.states)  # decays of averages that nothing keeps
    told = named or missing
    for stored in _lasting_first(recurrence) if told else ():
        weighed = _decay_of_weighed(stored.expr)
        bare = structure.square_root_of(stored.expr) is not None
        if not (bare or weighed is not None) or not any(_below_root(p, stored.expr) for p in posts):
            continue
        if not (_outlives_step(stored, recurrence) or _is_corrected(stored.expr, posts) or missing):
            continue  # a mere name
        old, new = Symbol("v"), Symbol("v'")
        meant: list[Expr] = [ex.op("add", ex.sym(old), stored.expr)] if "adagrad" in named else []
        if weighed is not None:
            meant = [ex.op("add", ex.op("mul", weighed, ex.sym(old)), stored.expr)]
        elif not meant:
            meant = [structure.average(a, old, stored.expr) for a in _decays(posts, recurrence.states, recurrence)]
        for post in meant:
            state = State("v", old, new, post, ex.const(0), (stored.span,) if stored.span else ())
            table = {stored.expr: ex.sym(new)}
            whole = recurrence.changed(partial(ex.substitute, table=table))
            whole.states.append(state)
            made = prepare(whole)
            square = _square(made)
            if weighed is not None:
                square = ex.op("mul", ex.op("sub", ONE, weighed), square)
            now = [square if s.old is old else s.post for s in made.states]
            yield Repair(
                page.code,
                made,
                stored.expr,
                post,
                span=stored.span,
                where="v",
                details={"kind": "state"},
                written=made.replaced([*now, made.step]),
            )


def _lasting_first(recurrence: Recurrence) -> list[Stored]:
    """What the run stores: a content that has a name of its own besides is told where it is put."""
    over = [Stored(e.slot.symbol.name, e.post, e.spans[0]) for e in recurrence.overwritten if e.spans]
    return sorted([*recurrence.stored, *over], key=lambda s: not _outlives_step(s, recurrence))


def _decay_of_weighed(node: Expr) -> Expr | None:
    """a of (1 − a)·g², what an average takes in and this one is all of."""
    parts = structure.factors(node)
    for part in parts:
        factor, exponent = part
        others = [p for p in parts if p is not part]
        if exponent != 1 or factor.op != "sub" or factor.args[0] != ONE or not others:
            continue
        square = structure.product(others)
        if structure.square_root_of(square) is not None or (len(others) == 1 and others[0][1] == 2):
            return factor.args[1]
    return None


def _outlives_step(stored: Stored, recurrence: Recurrence) -> bool:
    """The place is an attribute, an item, what is handed back, or a name that had a content before: no mere name."""
    if "." in stored.name or "[" in stored.name or stored.expr in recurrence.escapes:
        return True
    named = (w for w in recurrence.worth if isinstance(w.node, cst.Name) and w.node.value == stored.name)
    return any(w.expr.op == "const" and not w.listed for w in named)


def _is_corrected(square: Expr, posts: list[Expr]) -> bool:
    """Divided by 1 − βᵗ, as only an average is that begins with 0."""
    divided = (n.args[1] for p in posts for n in ex.walk(p) if n.op == "div" and n.args[0] == square)
    return any(
        n.op == "sub" and n.args[0] == ONE and n.args[1].op == "pow" and n.args[1].args[1].op != "const"
        for n in divided
    )


def _square(subject: Subject) -> Expr:
    return ex.op("pow", ex.sym(subject.g), ex.const(2))


def _below_root(post: Expr, square: Expr) -> bool:
    """``square`` stands under a root, alone or corrected, or in the maximum that does (AMSGrad's)."""
    return any(
        ex.contains(n.args[0], square)
        for n in ex.walk(post)
        if n.op == "sqrt" or (n.op == "pow" and n.args[1].op == "const" and abs(n.args[1].number) == 0.5)
    ) or any(n.op == "max" and square in n.args for n in ex.walk(post))


def _decays(posts: list[Expr], states: list[State], recurrence: Recurrence) -> list[Expr]:
    """What the average may decay by: the base of a correction, a running product too, that no other state's decay
    explains.

    Where there is none, the usual number of the optimizer that the update's name speaks of, or the base that all share.
    Adadelta's two averages have one decay.
    """
    products = {s.old: structure.slope(s.post, s.old) for s in states if structure.rest(s.post, s.old) == ex.const(0)}
    corrected = [*_bases(posts), *(own for own in products.values() if own is not None)]
    named = mentioned(recurrence)
    if "adadelta" in named:
        kept = (structure.slope(term, s.old) for s in states for _, term in structure.terms(s.post))
        return [own for own in kept if own not in (None, ONE, ex.const(0))] or [ex.const(0.9)]
    usual = [0.999] if named & _ADAPTIVE else [0.9] if "rmsprop" in named else []
    averages = [s for s in states if s.old not in products]
    if "rmsprop" in named:  # centered: the mean below the same root decays like the squares
        rooted = frozenset().union(*(n.visible for p in posts for n in ex.walk(p) if structure.is_root(n)))
        kept = (structure.retention(s.post, s.old) for s in averages if s.new in rooted)
        corrected += [own for own in kept if own not in (None, ONE, ex.const(0))]
        averages = []
    return _unexplained(corrected, averages) or [ex.const(number) for number in usual] or corrected


def _bases(posts: list[Expr]) -> list[Expr]:
    """The β of each βᵗ: a setting or a number, or 1 − one."""
    powers = [n for p in posts for n in ex.walk(p) if n.op == "pow" and n.args[1].op != "const"]
    bases = dict.fromkeys(n.args[0] for n in powers)
    return [b for b in bases if b.op in ("sym", "const") or (b.op == "sub" and b.args[0] == ONE and not b.args[1].args)]


def _unexplained(bases: list[Expr], states: list[State]) -> list[Expr]:
    others = [structure.retention(s.post, s.old) for s in states]
    return [b for b in bases if b not in others]


_OF_WEIGHTS = {"says": "weights", "meant": "h' = w before the step, for the next step's w − h"}


@check("last-gradient")
def last_gradient(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """What the next gradient's change is told by: this gradient, whatever the place holds instead."""
    wanted = kept_for_changes(subject)
    changed = [s for s in subject.states if s.old in wanted and s.post != wanted[s.old]]
    if changed:
        made_of = {ex.sym(s.new): s.post for s in changed}  # what is read of them in the same step stays
        posts = [wanted[s.old] if s in changed else ex.substitute(s.post, made_of) for s in subject.states]
        first = changed[0]
        made = subject.replaced([*posts, ex.substitute(subject.step, made_of)])
        yield Repair(page.code, made, first.post, wanted[first.old], where=first.name, root=first.post)
    for state in moves_of_nothing(subject):
        assert subject.parameter is not None
        w = ex.sym(subject.parameter)
        posts = [w if s is state else s.post for s in subject.states]
        made = subject.replaced([*posts, subject.step])
        span = state.spans[-1] if state.spans else None
        yield Repair(page.code, made, state.post, w, span=span, details=_OF_WEIGHTS)


@check("weights-exchanged")
def weights_exchanged(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """(1 − ρ)·v + ρ·g² where the code's own ρ is large: each new square drives out what was gathered."""
    powers = {n.args[0] for p in subject.posts for n in ex.walk(p) if n.op == "pow" and n.args[1].op != "const"}
    mixed = [state for state, _, _ in complements(subject)]  # a correction that takes ρ for the decay says more
    for position, state in enumerate(subject.states):
        average = structure.after_first(state.post)
        kept = structure.retention(average, state.old)
        size = subject.value(kept) if kept is not None else None
        if state.old not in subject.second or kept is None or size is None or not 0 < size[0, 0] < FAST:
            continue
        taken = structure.tidy(structure.rest(average, state.old))
        if kept in powers or state in mixed or not _is_of_squares(taken, ex.sym(subject.g)):
            continue  # corrected as it stands: 1 − ρ is what the code means by its decay
        for weight in dict.fromkeys(f for f, e in structure.factors(taken) if e == 1 and _own_number(subject, f)):
            if not np.allclose(subject.value(weight), 1 - size):
                continue
            square = structure.product([(f, e) for f, e in structure.factors(taken) if f != weight])
            right = structure.total(
                [(1, ex.op("mul", weight, ex.sym(state.old))), (1, ex.op("mul", kept, square))], average.origin
            )
            posts = subject.posts
            posts[position] = ex.replace_node(state.post, average, right)
            yield Repair(page.code, subject.replaced(posts), average, right, where=state.name, root=state.post)


@check("weights-exchanged-beside")
def weights_exchanged_beside(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The same, and (1 − ρ)·m + ρ·g beside a second moment that keeps ρ of itself (centered RMSprop)."""
    yield from weights_exchanged(subject, page)
    owns = {s.old: structure.retention(s.post, s.old) for s in subject.states}
    for position, state in enumerate(subject.states):
        kept = owns[state.old]
        taken = structure.rest(state.post, state.old)
        weight = next((own for old, own in owns.items() if old is not state.old and _is_against(own, kept)), None)
        if (
            weight is None
            or kept is None
            or not subject.is_hyper(weight)
            or (weight, 1.0) not in structure.factors(taken)
        ):
            continue
        new = structure.product([(f, e) for f, e in structure.factors(taken) if f != weight])
        terms = [(1, ex.op("mul", weight, ex.sym(state.old))), (1, ex.op("mul", kept, new))]
        right = structure.total(terms, state.post.origin)
        posts = subject.posts
        posts[position] = right
        details = {"says": "mean", "meant": "the mean's weights as the second moment's: ρ·m + (1 − ρ)·g"}
        yield Repair(page.code, subject.replaced(posts), state.post, right, where=state.name, details=details)


def _is_against(own: Expr | None, kept: Expr | None) -> bool:
    """ρ, where 1 − ρ is what another average keeps."""
    return own is not None and kept is not None and kept.op == "sub" and structure.is_complement(kept, own)


def _is_of_squares(taken: Expr, g: Expr) -> bool:
    """c·g², or c·sum(g²), c·‖g‖²."""
    if 2 in (structure.exponent_of(taken, g), structure.exponent_of(taken, ex.op("norm", g))):
        return True
    whole = [f for f, e in structure.factors(taken) if f.op in REDUCTIONS and e == 1]
    return any(structure.square_root_of(f.args[0]) == g for f in whole)


def _own_number(subject: Subject, node: Expr) -> bool:
    """A plain setting to which the code itself gives a number, or a number."""
    return node.op in ("sym", "const") and subject.is_hyper(node) and all(s.default is not None for s in node.symbols)
