"""As written against as repaired: run both on small, telling inputs and say what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlint.lift import expression as ex
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import number
from optlint.sandbox.evaluate import Array, Runner, System, TooLarge, Trace
from optlint.sandbox.probes import BINDING_OF_LANE, BINDINGS, PROBES
from optlint.sandbox.rounding import Precision
from optlint.subject import Subject, pseudo

LONG = 1000
_LOOK = (1, 2, 3, 5, 10, 12, 30, 100, 300, 1000)


@dataclass(frozen=True, slots=True)
class Scene:
    """One run: a gradient sequence and a starting parameter. each: every step is looked at, not a few.

    beside: the gradient of a second coordinate, for what reads the whole tensor (a norm, a mean).
    """

    name: str
    gradient: tuple[float, ...]  # repeated to the length
    start: float
    steps: int
    each: bool = False
    beside: tuple[float, ...] = ()

    def series(self) -> list[float]:
        return self._repeated(self.gradient)

    def gradients(self) -> Array:
        """Of every coordinate: (steps, coordinates)."""
        return np.array([self._repeated(g) for g in (self.gradient, self.beside) if g]).T

    def _repeated(self, gradient: tuple[float, ...]) -> list[float]:
        times = -(-self.steps // len(gradient))
        return list(gradient * times)[: self.steps]


_PROBES = {p.name: p.gradients[:, 0] for p in PROBES}
_RANDOM = tuple(float(x) for x in _PROBES["random"])
_ANOTHER = tuple(float(x) for x in {p.name: p.gradients[:, 1] for p in PROBES}["random"])
_LATE = (0.0,) * 10  # a parameter that no example reaches at first
_SIZES = tuple(float(x) for x in np.round(_PROBES["large"]) / 1000)

SCENES = {
    s.name: s
    for s in (
        Scene("zero gradient", (0.0,), 0.0, 3),
        Scene("zero gradient, w = 1", (0.0,), 1.0, 40),
        Scene("small gradient, w = -1", (1e-3,), -1.0, 40),
        Scene("constant gradient", (1.0,), 0.0, LONG),
        Scene("random gradient", _RANDOM, 0.0, 40),
        Scene("negative gradient", (-1.0,), 0.0, 40),
        Scene("small gradient", (1e-6,), 0.0, 40),
        Scene("large gradient", (1e3,), 0.0, 40),
        Scene("fading gradient", (1.0, *(1e-3,) * 299), 0.0, 300),
    )
}
_TOGETHER = [
    tuple(s for s in SCENES.values() if s.steps <= 40),
    tuple(s for s in SCENES.values() if s.steps > 40),
]
# what only the pages that ask for it look at
RARE = {
    s.name: s
    for s in (
        Scene("gradient like epsilon", (1e-8,), 0.0, 40),
        Scene("small gradient, many steps", (1e-6,), 0.0, LONG),
        Scene("large gradient now and then", (1.0, *(1e-3,) * 99), 0.0, LONG),
        Scene("gradient that turns", (*(1.0,) * 20, *(-1.0,) * 40), 0.0, 60, each=True),
        Scene("gradients of many sizes", _SIZES, 0.0, 200, each=True),
    )
}
# what updates that read a whole tensor are asked where a single number shows nothing
WHOLE = {
    s.name: s
    for s in (
        Scene("two coordinates, w = 1", _RANDOM, 1.0, 40, beside=_ANOTHER),
        Scene("two coordinates, constant gradients, w = 1", (1.0,), 1.0, LONG, beside=(0.5,)),
        Scene("two coordinates, late gradients", (*_LATE, *(1.0,) * 30), 0.0, 40, beside=(*_LATE, *(0.5,) * 30)),
    )
}

# what only low precision is asked
LOW = {
    s.name: s
    for s in (
        SCENES["zero gradient"],
        Scene("gradient near 10", tuple(10 + x / 100 for x in _RANDOM), 0.0, LONG),
        Scene("gradient near 10000", tuple(1e4 + x for x in _RANDOM), 0.0, 3 * LONG),
        Scene("gradient of 0.1", (0.1,), 0.0, 3 * LONG),
        SCENES["random gradient"],
    )
}


_SCENE = SCENES | RARE


@dataclass(slots=True)
class Seen:
    """What a scene showed. kind: "nan", "still" (no effect), "grows", "ratio" or "gap"."""

    kind: str
    scene: Scene
    step: int
    quantity: str
    observed: float
    expected: float
    warning: str | None
    gradient: float
    inputs: tuple[tuple[str, float], ...]
    states: tuple[tuple[str, float], ...] = ()

    @property
    def ratio(self) -> float | None:
        if self.expected == 0 or not np.isfinite(self.observed) or not np.isfinite(self.expected):
            return None
        return self.observed / self.expected


class Pair:
    """The update as written and as repaired, over the same hyper-parameters."""

    def __init__(
        self, written: Subject, repaired: Subject, effective: Expr | None, off: frozenset[Symbol] = frozenset()
    ) -> None:
        self.written = written
        self.repaired = repaired
        self.off = off  # settings that are 0 in this run
        table: dict[Expr, Expr] = {}
        if effective is not None:
            table[ex.sym(repaired.g)] = effective
        self.right_posts = [ex.substitute(p, table) for p in repaired.posts]

    def run(self, scene: Scene) -> tuple[Trace, Trace]:
        return (
            self._run(self.written, self.written.posts, scene),
            self._run(self.repaired, self.right_posts, scene),
        )

    def _run(self, subject: Subject, posts: Sequence[Expr], scene: Scene) -> Trace:
        return play(subject, scene, posts, self.off)


def play(
    subject: Subject,
    scene: Scene,
    posts: Sequence[Expr] | None = None,
    off: frozenset[Symbol] = frozenset(),
    precision: Precision | None = None,
) -> Trace:
    """Run an update (with other equations, with settings at 0) through a scene, as the code's own numbers have it.

    Scenes of like length run side by side. NumPy's warnings are gathered only where something is NaN or infinite:
    watching for them takes its time.
    """
    posts = subject.posts if posts is None else posts

    def key(one: Scene) -> object:
        return (one, off, precision, *posts)

    if key(scene) not in subject.played:
        scenes = next((b for b in _TOGETHER if scene in b and precision is None), (scene,))
        for one, trace in zip(scenes, _play(subject, scenes, posts, off, precision), strict=True):
            if not np.isfinite(trace.step).all():
                (trace,) = _play(subject, (one,), posts, off, precision, watch=True)
            subject.played[key(one)] = trace
    return subject.played[key(scene)]


def _play(
    subject: Subject,
    scenes: Sequence[Scene],
    posts: Sequence[Expr],
    off: frozenset[Symbol],
    precision: Precision | None,
    watch: bool = False,
) -> list[Trace]:
    states = [(s.old, s.new, p) for s, p in zip(subject.states, posts[:-1], strict=True)]
    runner = Runner(System(states, posts[-1], subject.parameter))
    bound: dict[Symbol, Any] = {h.symbol: h.own for h in subject.hypers} | dict.fromkeys(off, 0.0)
    for symbol in runner.free:
        bound.setdefault(symbol, symbol.default or 0.5)
    length = max(scene.steps for scene in scenes)
    series: dict[Symbol, Any] = {c.symbol: c.series(length) for c in subject.clocks}
    own = [scene.gradients() for scene in scenes]  # a shorter run goes on without gradients, and nobody looks
    series[subject.g] = np.stack([np.pad(g, ((0, length - len(g)), (0, 0))) for g in own], axis=1)
    initial = {state.old: float(np.ravel(subject.initial(state))[0]) for state in subject.states}
    start = np.array([[scene.start] for scene in scenes])
    shape = series[subject.g].shape[1:]
    run = runner.run(bound, series, initial, start, length, shape, pseudo, watch, precision)

    def of(values: Array, number: int) -> Array:
        return values[: scenes[number].steps, number]

    return [
        Trace(of(run.step, n), of(run.parameter, n), [of(s, n) for s in run.states], run.warnings)
        for n in range(len(scenes))
    ]


def look(written: Subject, repaired: Subject, effective: Expr | None, prefer: Sequence[str] = ()) -> Seen | None:
    """The most telling scene: a NaN that the repair takes away, else the largest difference."""
    pair = Pair(written, repaired, effective)
    seen = _most_telling(pair, [_SCENE[n] for n in (*prefer, *(n for n in SCENES if n not in prefer))], prefer)
    whole = seen is None and any(n.op in ex.REDUCTIONS for p in written.posts for n in ex.walk(p))
    return _most_telling(pair, list(WHOLE.values()), prefer) if whole else seen


def _most_telling(pair: Pair, scenes: Sequence[Scene], prefer: Sequence[str]) -> Seen | None:
    written = pair.written
    best: tuple[float, Seen] | None = None
    for scene in scenes:
        if scene.start and written.parameter is None:
            continue
        try:
            wrong, right = pair.run(scene)
        except (TooLarge, FloatingPointError):
            return None
        seen = _nan(written, scene, wrong, right)
        if seen is not None:
            return seen
        found = _difference(written, scene, wrong, right)
        if found is None:
            continue
        weight, seen = found
        if scene.name in prefer:
            weight += 1000 - 100 * list(prefer).index(scene.name)
        if best is None or weight > best[0] + 1e-9:
            best = (weight, seen)
    return best[1] if best else None


def look_low(written: tuple[Subject, Precision], repaired: tuple[Subject, Precision | None]) -> Seen | None:
    """A scene in which low precision makes the step NaN, or makes it none, and the repair does not."""
    still: Seen | None = None
    for scene in LOW.values():
        try:
            wrong = play(written[0], scene, precision=written[1])
            right = play(repaired[0], scene, precision=repaired[1])
        except TooLarge:
            return None
        seen = _nan(written[0], scene, wrong, right)
        if seen is not None:
            return seen
        found = _difference(written[0], scene, wrong, right)
        if still is None and found is not None and found[1].kind == "still":
            still = found[1]
    return still


def other_settings(written: Subject, repaired: Subject, effective: Expr | None) -> dict[Symbol, float]:
    """Numbers for the settings in which the two differ, and that the user may set, as a second run has them.

    A default of 1 takes out what is weighed with 1 − ν.
    """
    changed = [p for p, q in zip(written.posts, repaired.posts, strict=False) if p != q]
    in_data = effective.symbols if effective is not None else frozenset()  # they counted as a part of the gradient
    concerned = in_data.union(*(p.symbols for p in changed))
    bound = repaired.bound
    another = int(np.argmax(BINDINGS.index("rebound-1") == BINDING_OF_LANE))
    return {
        h.symbol: float(bound[h.symbol][another, 0])
        for h in repaired.hypers
        if h.symbol in concerned
        and (h.symbol in written.bound or h.symbol in in_data)
        and (h.role == "epsilon" or h.symbol.default in (None, 1))
    }


def latent_settings(
    written: Subject, repaired: Subject, effective: Expr | None, prefer: Sequence[str] = ()
) -> tuple[str, ...]:
    """The settings that are 0 by default and without which the two behave alike; none where the mistake bites now."""
    busy = written.moving | repaired.moving | written.time  # what the repair takes for a state is no setting
    posts = [*written.posts, *repaired.posts, *([effective] if effective is not None else [])]
    read = frozenset().union(*(p.symbols for p in posts)) - busy
    off = frozenset(s for s in read if s.default == 0 and s.kind == "place" and s is not written.parameter)
    if not off:
        return ()
    pair = Pair(written, repaired, effective, off)
    for scene in (*SCENES.values(), *(RARE[name] for name in prefer if name in RARE)):
        if scene.start and written.parameter is None:
            continue
        wrong, right = pair.run(scene)
        if _nan(written, scene, wrong, right) or _difference(written, scene, wrong, right):
            return ()
    changed = [p for p, q in zip(written.posts, repaired.posts, strict=False) if p != q]
    concerned = frozenset().union(*(p.symbols for p in changed), effective.symbols if effective is not None else ())
    return tuple(sorted(s.name for s in off & concerned or off))


def _inputs(subject: Subject) -> tuple[tuple[str, float], ...]:
    return tuple((h.symbol.name, h.own) for h in subject.hypers)


def _nan(subject: Subject, scene: Scene, wrong: Trace, right: Trace) -> Seen | None:
    bad = ~np.isfinite(wrong.step[:, 0])
    if not bad.any() or not np.isfinite(right.step).all():
        return None
    at = int(np.argmax(bad))
    warnings = [text for step, text in wrong.warnings if step == at + 1 and not text.startswith("underflow")]
    states = tuple((s.name, float(t[at, 0])) for s, t in zip(subject.states, wrong.states, strict=True))
    return Seen(
        "nan", scene, at + 1, "step", float(wrong.step[at, 0]), float(right.step[at, 0]),
        next((w for w in warnings if "invalid" in w), warnings[0] if warnings else None),
        scene.series()[at], _inputs(subject), states,
    )  # fmt: skip


def _difference(subject: Subject, scene: Scene, wrong: Trace, right: Trace) -> tuple[float, Seen] | None:
    """The step at which the two differ most, in decades."""
    steps = [k for k in (range(1, scene.steps + 1) if scene.each else _LOOK) if k <= scene.steps]
    best: tuple[float, int] | None = None
    for k in steps:
        a, b = float(wrong.step[k - 1, 0]), float(right.step[k - 1, 0])
        if not (np.isfinite(a) and np.isfinite(b)) or a == b:
            continue
        if abs(a - b) <= 1e-9 * max(abs(a), abs(b)):
            continue
        if a == 0 or b == 0:
            weight = 3.0
        elif a * b < 0:
            weight = 4.0
        else:
            weight = abs(float(np.log10(abs(a / b))))
        if best is None or weight > best[0] * 1.02 + 1e-9:
            best = (weight, k)
    if best is None:
        return None
    weight, k = best
    a, b = float(wrong.step[k - 1, 0]), float(right.step[k - 1, 0])
    kind = "still" if a == 0 else "ratio"
    if a * b < 0:
        kind = "turned"
    states = tuple((s.name, float(t[k - 1, 0])) for s, t in zip(subject.states, wrong.states, strict=True))
    return weight, Seen(kind, scene, k, "step", a, b, None, scene.series()[k - 1], _inputs(subject), states)


def sentence(seen: Seen) -> str:
    """What was seen, in one line."""
    where = f"step {seen.step} with g = {number(seen.gradient)}"
    if seen.scene.start:
        where += f", w = {number(seen.scene.start)}"
    if seen.scene.name == "random gradient":
        where = f"step {seen.step} of the random probe"
    if seen.kind == "nan":
        held = ", ".join(f"{name} = {value:.3g}" for name, value in seen.states)
        text = f"{where}: " + (f"{held}; " if held else "") + f"the step is {seen.observed:g}"
        if seen.warning:
            text += f' ("{seen.warning}")'
        return text + f"; repaired: {seen.expected:.3g}"
    if seen.kind == "still":
        return f"{where}: the step is 0; repaired: {seen.expected:.3g}"
    text = f"{where}: the step is {seen.observed:.3g}, meant {seen.expected:.3g}"
    ratio = seen.ratio
    if ratio is not None and ratio > 0:
        text += f" ({ratio:.3g} times)"
    return text
