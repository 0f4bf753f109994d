"""What an update looks like, before it is known for anything: whether it is worth explaining, and of which family."""

from __future__ import annotations

from optlint.identify import Match
from optlint.intent import is_called_step_size, meant, mentioned
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import State
from optlint.subject import Subject


def looks_like_update(subject: Subject) -> bool:
    """Worth explaining: a state keeps part of itself, takes in the gradient, and moves a parameter."""
    if subject.gradient is None:
        return False
    if not subject.states:
        return False
    for state in subject.states:
        if subject.g in state.post.symbols and _keeps_part(subject, state):
            break
    else:
        timed = any(s.post.symbols & subject.time and subject.g in s.post.symbols for s in subject.states)
        last = (s for s in subject.states if structure.rest(s.post, subject.g) == ex.const(0))
        if not timed and not any(s.old in subject.drive.visible for s in last):
            return False
    rooted = any(n.op in ("sqrt", "pow", "max") for p in subject.posts for n in ex.walk(p))
    named = meant(subject.recurrence.called) is not None or bool(mentioned(subject.recurrence))
    direct = structure.exponent_of(subject.step, ex.sym(subject.g)) == 1  # a denominator that is handed back is no step
    named |= direct and any(is_called_gradient(s.name) for s in subject.gradient.symbols)
    return subject.parameter is not None or rooted or named


def _keeps_part(subject: Subject, state: State) -> bool:
    """A decayed state, also inside another average; and one that is squared, rooted or multiplied as a whole.

    All but the first are mistakes to explain.
    """
    inside = [n for n in ex.walk(state.post) if n.op in ("add", "sub") and n is not state.post]
    for node in (state.post, *inside):
        own = structure.retention(node, state.old)
        if own is not None and (own.symbols or node is state.post) and subject.value(own) is not None:
            return True
    plain = ex.ARITHMETIC | {"abs", "sym", "const"}
    return state.old in state.post.visible and all(n.op in plain for n in ex.walk(state.post))


def is_gradient_step(subject: Subject, match: Match) -> bool:
    """w − η·g with a step size, downhill: a bare ``total += loss`` is no optimizer."""
    drive = structure.factors(subject.drive)
    sized = any(f != ex.sym(subject.g) and not (f.op == "const" and abs(f.value) == 1) for f, _ in drive)  # type: ignore[arg-type]
    return sized and bool(match.scale[0] > 0)


def is_scaled_gradient(subject: Subject, match: Match) -> bool:
    """The same where the step size is an argument without a number: the gradient takes it in."""
    return holds_step_size(subject.gradient) and bool(match.scale[0] > 0)


def holds_step_size(gradient: Expr | None) -> bool:
    """η·g, where nothing in the equations tells the two apart: by what η is called."""
    parts = structure.factors(gradient) if gradient is not None else []
    return len(parts) > 1 and any(f.op == "sym" and is_called_step_size(f.symbol.name) for f, _ in parts)


def family_of(subject: Subject) -> str:
    """The family of an update that equals nothing known: what its name says that it means to be, else its outline."""
    named, shape = meant(subject.recurrence.called), outline(subject)
    return shape if named is None or shape in named.allows else named.family


def outline(subject: Subject) -> str:
    """The family that the update's states look like."""
    second = {s for s in subject.states if s.old in subject.second}
    first = [s for s in subject.states if s not in second]
    if not second:
        return "momentum" if first else "sgd"
    if first:
        return "adam"
    if len(second) > 1:
        return "adadelta"
    only = next(iter(second))
    return "adagrad" if structure.retention(only.post, only.old) == ex.const(1) else "rmsprop"
