"""The nearest convention: which published optimizer behaves as the update does on every probe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np

from optlint.floors import epsilon_values
from optlint.forms import Form, forms_with
from optlint.knowledge import Variant, derived
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Symbol
from optlint.lift.recurrence import State
from optlint.sandbox.evaluate import Array, Trace, evaluate
from optlint.sandbox.probes import BINDING_OF_LANE, BINDINGS, GRADIENTS, LANES, PARAMETERS, STEPS
from optlint.subject import BEGINNING, Subject

TOLERANCE = 1e-7
MAX_STATES = 4


@dataclass(slots=True)
class Match:
    """The update is ``form``; ``roles`` says which state plays which part; ``scale`` is the signed step size."""

    form: Form
    roles: dict[str, State]
    scale: Array  # by binding
    decoupled: bool
    worst: float  # largest relative difference seen
    bound: dict[str, Any]  # the form's settings as solved from the update, by name
    spelled: bool = True  # among forms that behave alike: the one whose states and decay are written like this

    @property
    def variant(self) -> Variant:
        return self.form.variant

    @property
    def family(self) -> str:
        if self.decoupled and self.variant.family == "adam":
            return "adamw"
        return self.variant.family

    @property
    def title(self) -> str:
        return title_of(self.family, self.variant)


def title_of(family: str, variant: Variant) -> str:
    """A published form as it is called: ``RMSprop (centered, outside)``."""
    title = "AdamW" if family == "adamw" else variant.title
    return f"{title} ({variant.name})" if variant.name and variant.name.lower() != title.lower() else title


@dataclass(slots=True)
class Trial:
    """A form with its parameters solved from the update: which state plays which part, and the numbers."""

    form: Form
    order: tuple[int, ...]
    bound: dict[Symbol, Any]
    initial: dict[Symbol, Any]
    steps: Array | None = None  # the whole run, once it was needed

    def run(self) -> Array:
        if self.steps is None:
            self.steps = _run(self.form, self.bound, self.initial, STEPS)
        return self.steps


def matches(subject: Subject, deviations: bool = True, families: frozenset[str] | None = None) -> Iterator[Match]:
    """Every form (of certain families) that the update equals, published order first."""
    if subject.gradient is None:
        return
    for live in _live_states(subject):
        found = list(_matches(subject, live, deviations, families))
        if found:
            yield from found
            return


def _live_states(subject: Subject) -> Iterator[list[State]]:
    """The states to pair with a form's: without running products βᵗ (which count time), then with them."""
    moments = [s for s in subject.states if not _is_power(s)]
    for live in (moments, subject.states):
        if len(live) <= MAX_STATES and (live is moments or len(moments) < len(live)):
            yield live


def _matches(subject: Subject, live: list[State], deviations: bool, families: frozenset[str] | None) -> Iterator[Match]:
    trials, prints = _trials(subject, live, families)
    if not trials:
        return
    mine = _fingerprint(subject.run_beside(BEGINNING).step).ravel()
    near = np.flatnonzero(np.max(np.abs(prints - mine), axis=1) < 1e-5)
    if not len(near):
        return
    full = subject.run_beside().step
    decoupled = _is_decoupled(subject)
    factors = {f.value for f, _ in structure.factors(subject.drive) if f.op == "sym"}
    sizes = [v for s, v in subject.bound.items() if s in factors]
    done: set[int] = set()
    for index in near:
        trial = trials[index]
        fitting = [f for f in trial.form.alike if (deviations or not f.variant.deviation) and f.decays <= decoupled]
        if id(trial.form) in done or not fitting:
            continue
        same, scale, worst = _agree(full, trial.run())
        if same and not _plays_two_parts(trial, sizes) and not _has_idle_parts(trial):
            done.add(id(trial.form))
            held = [live[i] for i in trial.order]
            bound = {s.name: v for s, v in trial.bound.items()}
            for form in fitting:
                roles = dict(zip(form.names, held, strict=True))
                match = Match(form, roles, scale, decoupled, worst, bound)
                match.spelled = len(fitting) == 1 or _is_spelled(match, subject)
                yield match


def _plays_two_parts(trial: Trial, sizes: list[Any]) -> bool:
    """What was taken for a decay that no state shows (Lion's β₁) is a factor of the step's size."""
    shown = {t.value for t in trial.form.slopes if t is not None and t.op == "sym"}
    sought = [v for s, v in trial.bound.items() if s not in shown and s.name.startswith("beta")]
    return any(np.array_equal(value, size) for value in sought for size in sizes)


def _has_idle_parts(trial: Trial) -> bool:
    """With these numbers a state of the form does not matter: RAdam with a small β₂ never reads its second moment."""
    if all(n.op != "where" for n in ex.walk(trial.form.drive)):
        return False
    full = trial.run()
    for old, _, post in trial.form.states:
        if any(n.op == "where" for n in ex.walk(post)):
            continue  # the first step fills it, whatever it held
        moved = {**trial.initial, old: trial.initial.get(old, 0.0) + 100.0}
        if np.array_equal(_run(trial.form, trial.bound, moved, STEPS), full, equal_nan=True):
            return True
    return False


def _is_decoupled(subject: Subject) -> bool:
    return bool(np.any(np.abs(subject.decay) > 1e-12))


def _is_spelled(match: Match, subject: Subject) -> bool:
    """The update's states hold what the form's states hold, and it decays as the form does."""
    form = match.form
    size = match.scale[BINDING_OF_LANE][:, None]
    bound: dict[Symbol, Any] = {s: match.bound[n] for n, s in form.symbols.items() if n in match.bound}
    if "eta" in form.symbols:
        bound[form.symbols["eta"]] = size
    initial = {old: subject.initial(match.roles[n]) for n, (old, _, _) in zip(form.names, form.states, strict=True)}
    if not form.needs <= bound.keys() | _given(form):
        return False
    run = _trace(form, bound, initial, BEGINNING, (LANES, 2))
    mine = [content for s, content in zip(subject.states, subject.run_beside(BEGINNING).states, strict=True)]
    places = [next(i for i, s in enumerate(subject.states) if s is match.roles[n]) for n in form.names]
    alike = all(np.allclose(mine[i], theirs, rtol=1e-9, atol=0) for i, theirs in zip(places, run.states, strict=True))
    return alike and form.decays == match.decoupled and (not form.decays or _decays_alike(match, subject))


def _decays_alike(match: Match, subject: Subject) -> bool:
    """Some two of the update's settings, as η and λ, give its decay and the size of its step."""
    form = match.form
    assert form.kept is not None
    settings = [np.broadcast_to(v, (LANES, 1)) for v in subject.bound.values()][:8]
    size = match.scale[BINDING_OF_LANE][:, None]
    names = [form.symbols[n] for n in ("eta", "lam") if n in form.symbols]
    if not settings or len(names) < 2 or not (form.kept.symbols | form.size.symbols) <= set(names):
        return False
    bound = {names[0]: np.stack([*settings, size])[:, None], names[1]: np.stack(settings)[None]}
    decay, scale = 1 - evaluate(form.kept, bound), evaluate(form.size, bound)
    fits = np.isclose(decay, subject.decay, rtol=1e-9) & np.isclose(np.abs(scale), np.abs(size), rtol=1e-9)
    return bool(np.any(np.all(fits, axis=(-1, -2))))


@derived
def _kept_trials() -> dict[tuple[object, ...], tuple[list[Trial], Array]]:
    return {}


def _trials(subject: Subject, live: list[State], families: frozenset[str] | None) -> tuple[list[Trial], Array]:
    """Every form with as many states, bound to the update's numbers, and how each of them starts.

    Repairs of one update share their numbers, so these runs are made once for all of them.
    """
    slopes = [_state_slope(subject, s) for s in live]
    starts = [np.broadcast_to(subject.initial(s), (LANES, 1)) for s in live]
    epsilons = epsilon_values(subject)
    decoupled = _is_decoupled(subject)
    settings = list(subject.bound.values())[:8]
    weights = [1 - subject.bound[h.symbol] for h in subject.hypers if h.role == "decay"][:3]  # b1 = 0.1 weights g
    if families is not None and families & {"adam", "adamw"}:  # which of both, the decay tells
        families |= {"adam", "adamw"}
    key = (
        decoupled,
        families,
        subject.needs_parameter,
        *(np.asarray(s).tobytes() for s in [*settings, *weights]),
        *(None if s is None else s.tobytes() for s in slopes),
        *(s.tobytes() for s in starts),
        *(np.asarray(e).tobytes() for e in epsilons),
    )
    kept = _kept_trials()
    if key in kept:
        return kept[key]
    trials: list[Trial] = []
    starts_of: list[Array] = []
    for form in forms_with(len(live)):
        if form.alike[0] is not form or form.needs_parameter != subject.needs_parameter:
            continue
        if families is not None and not any(f.variant.family in families for f in form.alike):
            continue
        if not any(f.decays <= decoupled for f in form.alike):
            continue
        mine: list[Trial] = []
        for order in permutations(range(len(live))):
            bound = _bind(form, subject, [slopes[i] for i in order])
            if bound is None or not _starts_well(form, [starts[i] for i in order]):
                continue
            initial = {old: starts[i] for (old, _, _), i in zip(form.states, order, strict=True)}
            for more in _unsolved(form, bound, settings, weights):
                for values in product(epsilons or [0.0] * _is_floorless(form), repeat=len(form.floors)):
                    floors = dict(zip(form.floors, values, strict=True))
                    mine.append(Trial(form, order, {**bound, **more, **floors}, initial))
        if mine:
            trials += mine
            starts_of.append(_starts(form, mine))
    prints = np.concatenate(starts_of) if starts_of else np.empty((0, 0))
    if len(kept) > 200:
        kept.clear()
    kept[key] = trials, prints
    return trials, prints


def _starts_well(form: Form, starts: list[Array]) -> bool:
    """A form without ε that is published with a positive first accumulator needs one."""
    if form.variant.epsilon != "none":
        return True
    wanted = dict(form.variant.initial)
    return all(np.all(start > 0) for name, start in zip(form.names, starts, strict=True) if name in wanted)


def _starts(form: Form, trials: list[Trial]) -> Array:
    """How each trial of a form starts: (trials, numbers). All of them run at once."""

    def stacked(values: list[Any]) -> Array:
        return np.stack([np.broadcast_to(v, (LANES, 1)) for v in values])

    bound = {symbol: stacked([t.bound[symbol] for t in trials]) for symbol in trials[0].bound}
    initial = {symbol: stacked([t.initial[symbol] for t in trials]) for symbol in trials[0].initial}
    steps = _run(form, bound, initial, BEGINNING, (len(trials), LANES, 2))
    return np.ascontiguousarray(_fingerprint(steps).swapaxes(0, 1)).reshape(len(trials), -1)


def _fingerprint(steps: Array) -> Array:
    """How a run (steps, …, lanes, 2) starts, each lane by its own scale: equal for runs that agree up to a factor."""
    bad = ~np.isfinite(steps)
    finite = np.where(bad, 0.0, steps)
    scale = np.max(np.abs(finite), axis=(0, -1), keepdims=True)
    shape = finite / np.where(scale > 0, scale, 1.0)
    turned = np.where(finite[0, ..., :1, :1] < 0, -1.0, 1.0)
    return np.where(bad, 7.0, shape * turned)


def best(found: Iterable[Match], prefer: str | None = None) -> Match | None:
    """The match to name: no published deviation where an ordinary form fits; the decoupled family for AdamW."""
    ranked = sorted(found, key=lambda m: (bool(m.variant.deviation), m.form.decays != m.decoupled, not m.spelled))
    if prefer:
        for match in ranked:
            if prefer in match.variant.ships and not match.variant.deviation:
                return match
    return ranked[0] if ranked else None


def _is_power(state: State) -> bool:
    """A running product (β₁ᵗ kept as state): it counts time and is no moment."""
    own = structure.slope(state.post, state.old)
    return own is not None and structure.rest(state.post, state.old) == ex.const(0)


def _state_slope(subject: Subject, state: State) -> Any:
    own = structure.retention(state.post, state.old)
    return None if own is None else subject.value(own)


def _bind(form: Form, subject: Subject, slopes: list[Any]) -> dict[Symbol, Any] | None:
    """Solve the form's decays from the update's; None where they cannot fit."""
    bound: dict[Symbol, Any] = {form.symbols["eta"]: 1.0} if "eta" in form.symbols else {}
    for theirs, ours in zip(form.slopes, slopes, strict=True):
        if theirs is not None and theirs.op not in ("const", "sym"):
            continue  # a schedule: the run will tell
        if (theirs is None) != (ours is None):
            return None
        if theirs is None or ours is None:
            continue
        if theirs.op == "const":
            if not np.allclose(ours, float(theirs.value), rtol=1e-12):  # type: ignore[arg-type]
                return None
        elif theirs.op == "sym":
            symbol = theirs.value
            assert isinstance(symbol, Symbol)
            if not np.any(ours) or np.all(ours == 1):  # nothing stays, or all: no decay, whatever the form's is
                return None
            if np.any((ours < 0) | (ours > 1)):  # nor does v of g − μ·v, which turns its sign, or of v + μ·v + g
                return None
            if symbol in bound and not np.allclose(bound[symbol], ours, rtol=1e-12):
                return None
            bound[symbol] = ours
    return bound


def _unsolved(
    form: Form, bound: dict[Symbol, Any], settings: list[Any], weights: list[Any]
) -> Iterator[dict[Symbol, Any]]:
    """Values for what no state's decay shows (Lion's β₁, Yogi's β₂): the update's own settings, each in turn.

    A setting plays one part. More than two are sought only where the update has just as many left, and perhaps ε and λ
    (AdaBound).
    """
    known = _given(form) | {*form.floors}
    missing = sorted((s for s in form.needs if s not in bound and s not in known), key=lambda s: s.name)
    usual = dict(form.variant.defaults)
    few = len(missing) <= 2
    free = [v for v in [*settings, *weights * few] if not any(np.array_equal(v, used) for used in bound.values())]
    if few or len(missing) <= len(free) <= len(missing) + 2:
        for values in permutations(free, len(missing)):
            yield dict(zip(missing, values, strict=True))
    if missing and few and all(s.name in usual for s in missing):  # literals in the code
        yield {s: usual[s.name] for s in missing}


def _given(form: Form) -> set[Symbol]:
    """What is no setting: the states, the gradient, the time and the parameter."""
    states = {x for old, new, _ in form.states for x in (old, new)}
    return states | {form.symbols[n] for n in ("g", "t", "w") if n in form.symbols}


def _run(
    form: Form,
    bound: dict[Symbol, Any],
    initial: dict[Symbol, Any],
    steps: int,
    shape: tuple[int, ...] = (LANES, 2),
) -> Array:
    return _trace(form, bound, initial, steps, shape).step


def _trace(
    form: Form, bound: dict[Symbol, Any], initial: dict[Symbol, Any], steps: int, shape: tuple[int, ...]
) -> Trace:
    series: dict[Symbol, Any] = {form.symbols["g"]: GRADIENTS} if "g" in form.symbols else {}
    if form.needs_parameter:
        series[form.symbols["w"]] = PARAMETERS
    if "t" in form.symbols:
        series[form.symbols["t"]] = [float(k + 1) for k in range(steps)]
    return form.runner.run(bound, series, initial, 0.0, steps, shape)


def _is_floorless(form: Form) -> bool:
    """ε outside every denominator may be 0 without being missed (AdaBelief's inner ε)."""
    return form.variant.epsilon == "state"


def _agree(ours: Array, theirs: Array) -> tuple[bool, Array, float]:
    """Equal up to one factor for each binding. Returns (equal, factors, largest relative difference)."""
    scales = np.ones(len(BINDINGS))
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return False, scales, np.inf
    ours, theirs = np.nan_to_num(ours, posinf=1e300, neginf=-1e300), np.nan_to_num(theirs, posinf=1e300, neginf=-1e300)
    worst = 0.0
    for binding in range(len(BINDINGS)):
        mine, other = ours[:, binding == BINDING_OF_LANE], theirs[:, binding == BINDING_OF_LANE]
        place = np.unravel_index(int(np.argmax(np.abs(other))), other.shape)
        if other[place] == 0:
            if np.any(mine) or not np.any(theirs):
                return False, scales, np.inf
            continue  # nothing moves under this binding (RAdam with a low beta2)
        scale = mine[place] / other[place]
        if scale == 0 or not np.isfinite(scale):
            return False, scales, np.inf
        scales[binding] = scale
        meant = scale * other
        near = np.maximum.accumulate(np.abs(meant), axis=0)
        gap = np.abs(mine - meant)
        with np.errstate(all="ignore"):
            relative = np.nanmax(np.where(near > 0, gap / (np.abs(meant) + 1e-3 * near), np.where(gap > 0, np.inf, 0)))
        worst = max(worst, float(relative))
        if relative > TOLERANCE:
            return False, scales, worst
    return True, scales, worst


def small_step(match: Match, other: Form, subject: Subject) -> tuple[float, float] | None:
    """The last step of the tiny-gradient probe, as matched and under another form of the same states."""
    if len(other.states) != len(match.form.states):
        return None
    states = [match.roles[n] for n in match.form.names]
    results = []
    for form in (match.form, other):
        bound = _bind(form, subject, [_state_slope(subject, s) for s in states])
        if bound is None:
            return None
        bound |= dict.fromkeys(form.floors, (epsilon_values(subject) or [0.0])[0])
        states_of = {x for old, new, _ in form.states for x in (old, new)}
        for symbol in form.needs - bound.keys() - states_of:
            if symbol.name in match.bound:
                bound[symbol] = match.bound[symbol.name]
            elif symbol.name not in ("g", "t", "w"):
                return None
        initial = {old: subject.initial(s) for (old, _, _), s in zip(form.states, states, strict=True)}
        results.append(float(match.scale[0] * _run(form, bound, initial, STEPS)[-1, _TINY, 0]))
    return results[0], results[1]


_TINY = 3  # the tiny probe's lane under the code's own settings
