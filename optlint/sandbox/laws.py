"""What every optimizer obeys, whatever it computes: relations that need no reference.

That no second moment falls below zero is a part of ``stays_real``: its root would be no number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optlint.changes import kept_for_changes, moves_of_nothing
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.sandbox.evaluate import Array, Runner, System, Trace
from optlint.sandbox.probes import PROBES
from optlint.sandbox.witness import SCENES, Scene, play
from optlint.subject import Subject, pseudo
from optlint.timed import averages, breaches, corrects_as_at_first, stuck_powers

SMALL = 1e-30  # for ε: a law is about what is left without it
FACTOR = 4.0
STEPS = 12
HUGE = 1e12


@dataclass(frozen=True, slots=True)
class Law:
    """holds: whether an update obeys; says: what an update does that obeys, to end "repaired, …"."""

    holds: Callable[[Subject], bool]
    says: str
    named: bool = False  # asked only of an update whose name is that of a known optimizer
    finite: bool = False  # what breaks it is NaN or infinite


def rests(subject: Subject) -> bool:
    """Nothing but zero gradients: every step is finite."""
    return _finite(subject, (SCENES["zero gradient"],))


def stays_real(subject: Subject) -> bool:
    """No gradient of ordinary size, of either sign, makes the step NaN or infinite."""
    names = ("constant gradient", "negative gradient", "random gradient", "small gradient, w = -1", "large gradient")
    return _finite(subject, tuple(SCENES[n] for n in names))


def turns_with_gradient(subject: Subject) -> bool:
    """The opposite gradients, from the opposite parameter, make the opposite steps."""
    plain, turned = _steps(subject), _steps(subject, factor=-1.0)
    return bool(np.allclose(plain, -turned, rtol=1e-6, atol=1e-12, equal_nan=True))


def scales_with_gradient(subject: Subject) -> bool:
    """Larger gradients make no smaller steps, and steps grow no faster than gradients."""
    exponent = scale_exponent(subject)
    return exponent is None or -0.01 < exponent < 1.01


def scale_exponent(subject: Subject) -> float | None:
    """k where gradients c times as large make steps cᵏ times as large; None where no one k does.

    1 for plain descent and momentum, 0 for what divides by the root of a second moment.
    """
    plain, larger = (_steps(subject, factor=f, epsilon=SMALL, start=0.0) for f in (1.0, FACTOR))
    moved = np.isfinite(plain) & np.isfinite(larger) & (np.abs(plain) > 0) & (np.abs(larger) > 0)
    if not moved.any():
        return None
    exponents = np.log(np.abs(larger[moved] / plain[moved])) / np.log(FACTOR)
    return float(np.mean(exponents)) if np.ptp(exponents) < 0.01 else None


def keeps_coordinates_apart(subject: Subject) -> bool:
    """What one coordinate's gradients are does not show in another's steps."""
    plain = _steps(subject)[:, 0]
    factors = (1000.0, 0.0)  # Adadelta's steps show no size of gradients
    others = (_steps(subject, factor=np.array([1.0, theirs]))[:, 0] for theirs in factors)
    return all(np.allclose(plain, other, rtol=1e-6, atol=1e-12, equal_nan=True) for other in others)


def decays_with_its_setting(subject: Subject) -> bool:
    """The more of a setting without which a weight stays where it is, the nearer to zero it comes: no gradients, w = 1.

    A weight decay's coefficient, and the learning rate that scales it.
    """
    if subject.parameter is None:
        return True
    scene = SCENES["zero gradient, w = 1"]
    own = _reached(subject, scene)
    for hyper in subject.hypers:
        if hyper.role == "other" and _reached(subject, scene, frozenset({hyper.symbol})) == scene.start:
            more = _reached(subject.with_settings({hyper.symbol: 2 * hyper.own}), scene)
            if np.isfinite([own, more]).all() and abs(more) > abs(own) * (1 + 1e-9):
                return False
    return True


def averages_last(subject: Subject) -> bool:
    """No average goes on from zero at every step: β·0 + (1 − β)·g is no average."""
    return not any(_starts_from_zero(node) for post in subject.posts for node in ex.walk(post))


def _starts_from_zero(node: Expr) -> bool:
    """a·0 + (1 − a)·x, or max(0, |g|): weights of an average, or a largest size, and nothing that was before."""
    if node.op == "max" and ex.const(0) in node.args:
        return any(a.op == "abs" for a in node.args)
    if node.op not in ("add", "sub"):
        return False
    parts = [structure.factors(t) for _, t in structure.terms(node)]
    kept = [f for p in parts if any(x == ex.const(0) for x, _ in p) for f, e in p if e == 1 and f.symbols]
    taken = [f for p in parts if all(x != ex.const(0) for x, _ in p) for f, e in p if e == 1]
    return any(structure.is_complement(f, own) for own in kept for f in taken)


def counts_steps(subject: Subject) -> bool:
    """No decay of an average is raised to a stored number that nothing advances: 1 − β₂⁰ is 0 at every step."""
    decays = {structure.slope(s.post, s.old) for s in subject.states}
    return not any(power.args[0] in decays for power, _ in stuck_powers(subject))


def changes_vanish(subject: Subject) -> bool:
    """A gradient that stays the same does not change: what is kept of the last one to tell its change is that one."""
    wanted = kept_for_changes(subject)
    if not wanted or moves_of_nothing(subject):
        return not moves_of_nothing(subject)
    scene = Scene("the same gradient", (1.5,), 0.0, STEPS)
    trace = play(subject, scene)
    for state, contents in zip(subject.states, trace.states, strict=True):
        if state.old in wanted:
            last = scene.gradient[0] * (1 if wanted[state.old].op == "sym" else -1)
            still = structure.after_first(state.post) == ex.sym(state.old)
            if still or not np.allclose(contents, last, rtol=1e-9):
                return False
    return True


def descends(subject: Subject) -> bool:
    """Gradients that stay what they are do not push the parameter their own way at every step, of either sign.

    A learning rate that the update goes on from (hypergradients), from where is not seen, says nothing of the way.
    """
    if _moves_its_rate(subject):
        return True
    if any(n.op == "mean" and subject.g in n.symbols for post in subject.posts for n in ex.walk(post)):
        return True  # gradients may be centred: of one coordinate nothing is left then
    scenes = (("constant gradient", 1.0), ("negative gradient", -1.0))
    steps = [way * play(subject, SCENES[name]).step for name, way in scenes]
    return not all(np.isfinite(s).all() and (s >= 0).all() and s.any() for s in steps)


def _moves_its_rate(subject: Subject) -> bool:
    """The step is multiplied by a state that is added to, and no one sees where it begins."""
    sizes = _sizes(subject)
    summed = (s for s in subject.states if structure.slope(s.post, s.old) == ex.const(1))
    return any(s.old in sizes and s.initial is None for s in summed)


def _sizes(subject: Subject) -> set[Symbol]:
    """What the step is multiplied by."""
    return {f.symbol for f, e in structure.factors(subject.drive) if e == 1 and f.op == "sym"}


def squares_stay_bounded(subject: Subject) -> bool:
    """Gradients of 1 leave no more in what gathers their squares than their number, by and large."""
    trace = play(subject, SCENES["constant gradient"])
    gathered = [c for s, c in zip(subject.states, trace.states, strict=True) if s.old in subject.second]
    return all(np.nanmax(np.abs(contents)) < HUGE for contents in gathered)


def corrections_fit(subject: Subject) -> bool:
    """What moves with t beside an average undoes what its weights sum to (``timed.breaches``)."""
    return not breaches(subject)


def corrections_move(subject: Subject) -> bool:
    """No average is divided by 1 − β for 1 − βᵗ, beside another one that is corrected (``corrects_as_at_first``)."""
    return not corrects_as_at_first(subject)


def corrects_once(subject: Subject) -> bool:
    """No place that goes on from step to step is multiplied by 1 − βᵗ of an average each time."""
    decays = [structure.slope(s.post, s.old) for s in averages(subject)]
    kept = {structure.tidy(own) for own in decays if own is not None}
    return not any(_holds_correction(structure.slope(s.post, s.old), kept, subject.timed) for s in subject.states)


def follows_its_rate(subject: Subject) -> bool:
    """No setting that the step is multiplied by cancels out: twice as much of it is not the same step."""
    sizes = _sizes(subject)
    driven = replace(subject, parameter=None, step=subject.drive)
    for rate in (h for h in subject.hypers if h.symbol in sizes):
        twice = driven.with_settings({rate.symbol: 2 * rate.own})
        steps, others = (_steps(s, epsilon=SMALL) for s in (driven, twice))
        if np.any(steps != 0) and np.allclose(steps, others, rtol=1e-6, equal_nan=True):
            return False
    return True


def _holds_correction(factor: Expr | None, decays: set[Expr], timed: frozenset[Symbol]) -> bool:
    missing = (n.args[1] for n in ex.walk(factor) if n.op == "sub" and n.args[0] == ex.const(1)) if factor else ()
    return any(n.op == "pow" and n.args[0] in decays and n.args[1].symbols & timed for n in missing)


def _reached(subject: Subject, scene: Scene, off: frozenset[Symbol] = frozenset()) -> float:
    """Where the parameter is after three steps: before a momentum's own swing turns it back."""
    return scene.start + float(play(subject, scene, off=off).step[:3].sum())


LAWS: Mapping[str, Law] = {
    "rests": Law(rests, "every step is finite on every probe", finite=True),
    "stays real": Law(stays_real, "every step is finite on every probe", finite=True),
    "turns": Law(turns_with_gradient, "the opposite gradients make the opposite steps", named=True),
    "decays": Law(decays_with_its_setting, "a weight without gradients decays the more, the larger its setting is"),
    "lasts": Law(averages_last, "the average goes on from where it was"),
    "changes": Law(changes_vanish, "what is kept to tell a change by is the last content"),
    "descends": Law(descends, "gradients that stay what they are push the parameter against them"),
    "bounded": Law(squares_stay_bounded, "what gathers squares stays of their size"),
    "corrects": Law(corrections_fit, "what divides an average is what its weights sum to"),
    "corrects later": Law(corrections_move, "what divides an average follows what its weights sum to"),
    "counts": Law(counts_steps, "what decays are raised to grows with every step"),
    "corrects once": Law(corrects_once, "each step is corrected by its own number alone"),
    "follows its rate": Law(follows_its_rate, "twice the learning rate makes another step"),
    "scales": Law(scales_with_gradient, "steps grow with the gradients, and no faster", named=True),
}


def _finite(subject: Subject, scenes: tuple[Scene, ...]) -> bool:
    for scene in scenes:
        if scene.start and subject.parameter is None:
            continue
        if not np.isfinite(play(subject, scene).step).all():
            return False
    return True


def _steps(subject: Subject, factor: Any = 1.0, epsilon: float | None = None, start: float = 1.0) -> Array:
    """The steps on the random probe, its gradients (and the parameter's start) times a factor: (STEPS, 2)."""
    return _run(subject, factor, epsilon, start).step


def _run(subject: Subject, factor: Any, epsilon: float | None = None, start: float = 1.0) -> Trace:
    states = [(s.old, s.new, s.post) for s in subject.states]
    runner = Runner(System(states, subject.step, subject.parameter))
    bound: dict[Symbol, Any] = {
        h.symbol: epsilon if epsilon is not None and h.role == "epsilon" else h.own for h in subject.hypers
    }
    for symbol in runner.free:
        bound.setdefault(symbol, symbol.default or 0.5)
    series: dict[Symbol, Any] = {c.symbol: c.series(STEPS) for c in subject.clocks}
    series[subject.g] = PROBES[1].gradients[:STEPS] * factor
    initial = {s.old: float(np.ravel(subject.initial(s))[0]) for s in subject.states}
    begin = start * np.sign(factor) if np.ndim(factor) == 0 else start
    return runner.run(bound, series, initial, begin, STEPS, (2,), pseudo)
