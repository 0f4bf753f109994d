"""Signs and coefficients that a match alone cannot see."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import DERIVATIVE, OF_A_VALUE, is_called_gradient
from optlint.lift.recurrence import Recurrence
from optlint.subject import Subject

MINUS = ex.const(-1)


@check("betas-swapped")
def betas_swapped(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The numbers of the two decays stand the other way round: the second moment forgets faster than the first."""
    second = subject.second
    moments = [s for s in subject.states if subject.g in s.post.symbols]
    slow = [s for s in moments if s.old in second]
    fast = [s for s in moments if s.old not in second]
    if len(slow) != 1 or len(fast) != 1:
        return
    a, b = (structure.retention(s.post, s.old) for s in (fast[0], slow[0]))
    if a is None or b is None or not _own_numbers(subject, a) or not _own_numbers(subject, b):
        return
    m, v = subject.value(a), subject.value(b)
    if m is None or v is None or not (m[0, 0] > 0.99 and 0.5 < v[0, 0] < 0.99):
        return
    yield Repair(
        page.code,
        subject,
        fast[0].post,
        slow[0].post,
        details={"kind": "constants", "first": f"{m[0, 0]:g}", "second": f"{v[0, 0]:g}"},
    )


def _own_numbers(subject: Subject, node: Expr) -> bool:
    """The code itself gives these settings their numbers."""
    return all(s.default is not None for s in node.symbols)


@check("ascent")
def ascent(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step adds what comes straight from differentiating the loss."""
    if subject.parameter is None or subject.gradient is None or not is_derivative(subject):
        return
    if _minus_twice(subject) or _rate_in_velocity(subject):
        return  # two signs that do not go together: that is the mistake to name
    if not _climbs_on_purpose(subject.recurrence):
        yield from turned_round(subject, page)


def _climbs_on_purpose(recurrence: Recurrence) -> bool:
    return _can_return(recurrence) or _is_kept_in_bounds(recurrence)


def _is_kept_in_bounds(recurrence: Recurrence) -> bool:
    """As an input that is attacked is, or the weights of a critic (Wasserstein): they climb on purpose."""
    return recurrence.parameter is not None and recurrence.parameter.bounded


def _can_return(recurrence: Recurrence) -> bool:
    """Keeps the old parameter, or the step: it looks at a neighbour where the loss is higher (sharpness-aware).

    A gradient's own place, which a step may be made in, keeps neither.
    """
    if recurrence.parameter is None:
        return False
    step = recurrence.step
    for state in reversed(recurrence.states):
        step = ex.substitute(step, {ex.sym(state.new): state.post})
    w = ex.sym(recurrence.parameter.old)
    left = [*recurrence.made_anew, *((s.name, s.post) for s in recurrence.idle)]
    places = [kept for name, kept in left if not is_called_gradient(name)]
    return any(kept == w or (kept.args and kept.size > 3 and ex.contains(step, kept)) for kept in places)


@check("mixed-sign")
def mixed_sign(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The velocity's own sign and the step's do not go together: v = μ·v − η·g and w − v, or two pluses."""
    if subject.parameter is None or subject.gradient is None or _climbs_on_purpose(subject.recurrence):
        return
    if (_minus_twice(subject) and _may_be_gradient(subject)) or (_rate_in_velocity(subject) and is_derivative(subject)):
        yield from turned_round(subject, page)


def turned_round(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The update with the other sign before everything that the gradient drives."""
    w = subject.parameter
    assert w is not None
    moved = subject.step
    while moved.op in ("mul", "div") and w in moved.args[0].visible:
        moved = moved.args[0]  # w + u of (w + u)·(1 − η·λ)
    turned = structure.total([(s if w in t.visible else -s, t) for s, t in structure.terms(moved)], moved.origin)
    step = ex.replace_node(subject.step, moved, turned)
    posts = [*(s.post for s in subject.states), step]
    yield Repair(page.code, subject.replaced(posts), moved, turned, details={"kind": "sign"}, root=subject.step)


def _velocities(subject: Subject) -> Iterator[Expr]:
    """What each linear state takes in of the gradient: its coefficient."""
    for state in subject.states:
        own = structure.slope(state.post, subject.g)
        if own is not None and own != ex.const(0):
            yield own


def _minus_twice(subject: Subject) -> bool:
    """A velocity gathers −g, and the step subtracts it."""
    values = [subject.value(own) for own in _velocities(subject)]
    return any(v is not None and v[0, 0] < 0 for v in values)


def _rate_in_velocity(subject: Subject) -> bool:
    """The velocity is itself a step, η included, and what moves the parameter is just that velocity."""
    news = {s.new for s in subject.states}
    drive = structure.terms(subject.drive)
    bare = len(drive) == 1 and drive[0][1].op == "sym" and drive[0][1].value in news
    return bare and any(own.symbols for own in _velocities(subject) if not _complements(subject, own))


def _complements(subject: Subject, own: Expr) -> bool:
    """1 − μ, of an average."""
    value = subject.value(own)
    kept = [subject.value(k) for s in subject.states if (k := structure.slope(s.post, s.old)) is not None]
    return any(value is not None and k is not None and np.allclose(abs(value), 1 - k) for k in kept)


def _may_be_gradient(subject: Subject) -> bool:
    """Not plainly the negative gradient or an error: what is subtracted in sight leaves its sign open."""
    assert subject.gradient is not None
    turn = _turn(subject.gradient, subject.parameter)
    if turn is not None:
        return turn > 0
    return not any(n.op in ("sub", "neg") for n in ex.everything(subject.gradient)) or is_derivative(subject)


def _turn(node: Expr, w: Symbol | None) -> int | None:
    """Whether a gradient that is written out grows (1) or shrinks (-1) with w; None where it does not show."""
    if w is None:
        return None
    signs = set(_signs(node, lambda n: w in n.symbols and (n.op == "sym" or is_derived(n))))
    return signs.pop() if len(signs) == 1 else None


def _signs(node: Expr, wanted: Callable[[Expr], bool], sign: int = 1) -> Iterator[int]:
    """The signs under which certain parts stand."""
    if wanted(node):
        yield sign
        return
    for place, part in enumerate(node.args):
        turned = node.op == "neg" or (node.op == "sub" and place == 1) or (node.op == "mul" and MINUS in node.args)
        yield from _signs(part, wanted, -sign if turned else sign)


def is_derived(node: Expr) -> bool:
    """What a differentiator has made."""
    return node.op == "opaque" and str(node.value).startswith(DERIVATIVE)


def is_derivative(subject: Subject) -> bool:
    """The gradient is visibly the derivative of a loss: a differentiator made it, or PyTorch's ``backward``.

    What a framework of the author's own keeps in ``p.grad`` may well be its negative, and ``-rate(loss)·p.grad`` is.
    """
    assert subject.gradient is not None
    if structure.is_negative(subject.gradient) or -1 in _signs(subject.gradient, is_derived):
        return False  # a penalty's derivative that is taken away (contrastive divergence), which a step down adds
    torch = any(name.split(".")[0] == "torch" for name in subject.recurrence.imports)
    for node in ex.walk(subject.gradient):
        if is_derived(node):
            # steps without a memory climb to what excites a unit: images that are dreamt, inputs that are attacked
            return bool(subject.states) or not str(node.value).startswith(OF_A_VALUE)
        if torch and node.op == "sym" and node.symbol.name.endswith(".grad"):
            return True
    return False


@check("decays-mixed")
def decays_mixed(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """β₂·v + (1 − β₁)·g² or β₁·v + (1 − β₂)·g², beside an average that keeps β₁ of itself."""
    yield from _decays_of_the_other(subject, page)
    owns = {s.old: structure.retention(s.post, s.old) for s in subject.states}
    for position, state in enumerate(subject.states):
        own = owns[state.old]
        others = [o for old, o in owns.items() if old is not state.old and o is not None and _is_decay(subject, o)]
        if own is None or not _is_decay(subject, own):
            continue
        taken = structure.rest(state.post, state.old)
        for weight in (f for _, term in structure.terms(taken) for f, _ in structure.factors(term)):
            if structure.is_complement(weight, own):
                continue
            if any(structure.is_complement(weight, other) for other in others):
                kept, weighs = own, ex.op("sub", ex.const(1), own)
            elif own in others and weight.op == "sub" and weight.args[0] == ex.const(1):
                kept, weighs = weight.args[1], weight
            else:
                continue
            if not subject.is_hyper(kept):
                continue
            left = ex.op("mul", kept, ex.sym(state.old))
            new = ex.op("add", left, ex.replace_node(taken, weight, weighs), origin=state.post.origin)
            posts = subject.posts
            posts[position] = new
            details = {"says": "mixed", "meant": "weights of one average that sum to one"}
            yield Repair(page.code, subject.replaced(posts), state.post, new, where=state.name, details=details)


def _decays_of_the_other(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """β₁·v + (1 − β₁)·g², and β₂ in the correction alone."""
    second = [s for s in subject.states if s.old in subject.second]
    averaged = frozenset().union(*(s.post.symbols for s in subject.states))
    powers = [n.args[0] for n in ex.walk(subject.step) if n.op == "pow" and n.args[1].symbols & subject.time]
    unread = [p for p in dict.fromkeys(powers) if p.op == "sym" and p.symbol not in averaged]
    if len(second) != 1 or len(unread) != 1 or not _is_decay(subject, unread[0]):
        return
    kept = structure.retention(second[0].post, second[0].old)
    symbols = kept.symbols if kept is not None else frozenset()
    if (
        kept is None
        or len(symbols) != 1
        or not any(symbols <= s.post.symbols for s in subject.states if s != second[0])
    ):
        return
    own = ex.sym(next(iter(symbols)))
    if subject.value(kept) is None or not np.allclose(subject.value(kept), subject.value(own)):
        return
    post = ex.substitute(second[0].post, {own: unread[0]})
    posts = [post if s is second[0] else s.post for s in subject.states]
    details = {"says": "other", "meant": "the second moment's own decay in its average, as in its correction"}
    made = subject.replaced([*posts, subject.step])
    yield Repair(page.code, made, second[0].post, post, where=second[0].name, root=second[0].post, details=details)


def _is_decay(subject: Subject, own: Expr) -> bool:
    """A setting below 1, or a number between 0 and 1."""
    return 0 < own.number < 1 if own.op == "const" else subject.is_hyper(own)
