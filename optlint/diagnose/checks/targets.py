"""Where an update puts its result: in the parameter, or somewhere that moves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import libcst as cst

from optlint.diagnose.checks.direction import is_derivative
from optlint.diagnose.repairs import Repair, check
from optlint.intent import is_called_step_size, mentioned
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import last_key, names_gradient
from optlint.lift.recurrence import Recurrence
from optlint.prepare import prepare
from optlint.subject import Subject


@check("value-forgotten")
def value_forgotten(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """p = p − η·u, and p is a loop variable or another local name: the parameter stays as it is."""
    recurrence, parameter = subject.recurrence, subject.parameter
    if not recurrence.lost or parameter is None or recurrence.parameter is None:
        return
    if not subject.states and not (mentioned(recurrence) or is_derivative(subject) or _reads_gradients(subject)):
        return  # a difference that nobody reads; nothing says that it is a step
    stays = subject.replaced([*(s.post for s in subject.states), ex.sym(parameter)])
    span = recurrence.parameter.spans[0]
    yield Repair(
        page.code, subject, subject.step, subject.step, span=span, written=stays, details={"kind": "parameter"}
    )


def _reads_gradients(subject: Subject) -> bool:
    """What unseen code makes of PyTorch's gradients (stacked, clipped) and a step size takes."""
    torch = any(name.split(".")[0] == "torch" for name in subject.recurrence.imports)
    read = subject.gradient.symbols if subject.gradient is not None else frozenset()
    return torch and any(s.name.endswith(".grad") for s in read)


@check("loop-cut-short")
def loop_cut_short(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A return inside the loop over the parameters, or a step behind it: all but the first, or the last, stay."""
    recurrence, parameter, around = subject.recurrence, subject.parameter, subject.recurrence.around
    if parameter is None:
        return
    stays = subject.replaced([*(s.post for s in subject.states), ex.sym(parameter)])
    if recurrence.cut_short is not None:
        yield Repair(page.code, stays, span=recurrence.cut_short, details={"kind": "as run"})
    elif around is not None and recurrence.parameter is not None:
        left = [span for span in recurrence.parameter.spans if around.left_over(span)]
        if left and len(left) == len(recurrence.parameter.spans):
            yield Repair(page.code, stays, span=left[0], details={"kind": "as run", "says": "behind"})


@check("moved-once")
def moved_once(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The whole update stands in the branch that makes its state: from the second call on nothing moves."""
    recurrence, parameter = subject.recurrence, subject.parameter
    if recurrence.once is None or parameter is None or not recurrence.states:
        return
    stays = subject.replaced([*(ex.sym(s.old) for s in subject.states), ex.sym(parameter)])
    yield Repair(page.code, stays, span=recurrence.writes[0], details={"kind": "as run"})


@check("gradient-moved")
def gradient_moved(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """grads[k] −= η·u, where u is made of grads[k] itself: the gradient takes the step of the parameter."""
    recurrence = subject.recurrence
    place = recurrence.parameter
    if place is None or not recurrence.states or recurrence.lost:
        return
    if not (names_gradient(place.old) or _is_read_as_gradient(recurrence, place.old)):
        return
    read = frozenset().union(*(s.post.visible for s in recurrence.states))
    if place.old not in read:
        return
    bare = ex.sym(place.old)
    terms = structure.terms(place.post)
    rest = [(sign, t) for sign, t in terms if t != bare]
    key, beside = last_key(place.name), place.post.visible - recurrence.moving - {place.old}
    held = [s for s in beside if key and last_key(s.name) == key]
    w = held[0] if len(held) == 1 else Symbol("w")  # what the step decays is the parameter
    own = structure.slope(place.post, place.old)
    slopes = [structure.slope(place.post, s.new) for s in recurrence.states]
    mean = own is not None and any(x is not None and structure.is_complement(x, own) for x in slopes)
    if mean or not rest or (1, bare) not in terms or len(terms) != len(rest) + 1:
        return  # a mean of the gradient and something else is a gradient, too, and so is one that is turned round
    moved = structure.total([(1, ex.sym(w)), *rest], place.post.origin)
    whole = replace(recurrence, parameter=replace(place, name=w.name, old=w, new=Symbol(f"{w.name}'"), post=moved))
    made = prepare(whole)
    gathered = (s.post.symbols for s in recurrence.states if s.new in moved.symbols)  # a velocity has its step size
    sized = any(is_called_step_size(s.name) for s in moved.symbols.union(*gathered))
    if not _is_scaled_by_rate(made.gradient, bare) or not (made.second or mentioned(recurrence) or sized):
        return  # a gradient without its average is a gradient still
    if not made.as_applied.beginning.step[0, 0, 0] < 0:
        return  # so is one that its average is added to (Nesterov's)
    stays = made.replaced([*(s.post for s in made.states), ex.sym(w)])
    span = place.spans[0] if place.spans else None
    details = {"kind": "target"} | ({"certain": "yes"} if sized else {})
    yield Repair(page.code, made, place.post, moved, span=span, written=stays, details=details)


def _is_read_as_gradient(recurrence: Recurrence, place: Symbol) -> bool:
    """All names by which the code reads the place are a gradient's: ``for p, g in pairs``."""
    named = (w.node.value for w in recurrence.worth if isinstance(w.node, cst.Name) and w.expr == ex.sym(place))
    names = {Symbol(name) for name in named}
    return bool(names) and all(map(names_gradient, names))


def _is_scaled_by_rate(gradient: Expr | None, bare: Expr) -> bool:
    """The gradient's place, also with a step size that the code keeps out of sight: ``self.current_lr * layer.dW``."""
    parts = structure.factors(gradient) if gradient is not None else []
    sizes = [f for f, _ in parts if f != bare]
    return (bare, 1.0) in parts and all(f.op == "sym" and is_called_step_size(f.symbol.name) for f in sizes)
