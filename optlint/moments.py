"""Parts before the whole: which of an update's states are, by themselves, moments of a published optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from optlint.forms import forms
from optlint.knowledge import derived
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.sandbox.evaluate import Array, Runner, System
from optlint.sandbox.probes import GRADIENTS, LANES
from optlint.subject import BEGINNING, Subject


@dataclass(frozen=True, slots=True)
class Moment:
    """A state's equation that reads nothing but the state itself, g and t. decay: what keeps the old content.

    families: of the optimizers that have it.
    """

    families: frozenset[str]
    old: Symbol
    decay: Symbol | None
    runner: Runner
    g: Symbol
    t: Symbol | None
    scaled: bool  # η·g stands in it: known up to a factor


@derived
def moments() -> tuple[Moment, ...]:
    """The different equations of this kind in all conventions."""
    found: dict[str, Moment] = {}
    families: dict[str, set[str]] = {}
    for form in forms():
        for old, new, post in form.states:
            own = structure.retention(post, old)
            decay = own.symbol if own is not None and own.op == "sym" else None
            known = {form.symbols[n] for n in ("eta", "g", "t") if n in form.symbols} | {old, decay}
            if not post.symbols <= known or form.symbols.get("g") not in post.symbols:
                continue
            text = _anonymous(post, old, decay)
            runner = Runner(System([(old, new, post)], ex.sym(new), None))
            scaled = form.symbols.get("eta") in post.symbols
            families.setdefault(text, set()).add(form.variant.family)
            moment = Moment(frozenset(), old, decay, runner, form.symbols["g"], form.symbols.get("t"), scaled)
            found.setdefault(text, moment)
    return tuple(replace(moment, families=frozenset(families[text])) for text, moment in found.items())


def _anonymous(post: Expr, old: Symbol, decay: Symbol | None) -> str:
    table = {ex.sym(old): ex.sym(Symbol("s"))}
    if decay is not None:
        table[ex.sym(decay)] = ex.sym(Symbol("a"))
    return repr(ex.substitute(post, table))


def known_moments(subject: Subject, families: frozenset[str] | None = None) -> frozenset[Symbol]:
    """The (old) symbols of the states that behave as some published moment (of certain families) on every probe."""
    if subject.gradient is None or not subject.clean:
        return frozenset()
    contents = subject.beginning.states
    found = set()
    for state, content in zip(subject.states, contents, strict=True):
        own = structure.retention(state.post, state.old)
        decay = subject.value(own) if own is not None else None
        if not state.post.symbols & subject.time and any(
            (families is None or moment.families & families) and _same(content, theirs, moment.scaled)
            for moment, theirs in _published(decay, subject.initial(state))
        ):
            found.add(state.old)
    return frozenset(found)


def _published(decay: Array | None, start: Array | float) -> list[tuple[Moment, Array]]:
    key = None if decay is None else np.ascontiguousarray(decay).tobytes()
    first = np.ascontiguousarray(np.broadcast_to(np.asarray(start, dtype=float), (LANES, 1)))
    return _runs()(key, first.tobytes())


@derived
def _runs() -> Callable[[bytes | None, bytes], list[tuple[Moment, Array]]]:
    return lru_cache(maxsize=512)(_run_all)


def _run_all(decay: bytes | None, start: bytes) -> list[tuple[Moment, Array]]:
    own = None if decay is None else np.frombuffer(decay).reshape(LANES, 1)
    first = np.frombuffer(start).reshape(LANES, 1)
    made = []
    for moment in moments():
        if moment.decay is not None and own is None:
            continue
        bound: dict[Symbol, Any] = dict.fromkeys(moment.runner.free, 1.0)
        if moment.decay is not None:
            bound[moment.decay] = own
        series: dict[Symbol, Any] = {moment.g: GRADIENTS}
        if moment.t is not None:
            series[moment.t] = [float(k + 1) for k in range(BEGINNING)]
        run = moment.runner.run(bound, series, {moment.old: first}, 0.0, BEGINNING, (LANES, 2))
        made.append((moment, run.states[0]))
    return made


def _same(mine: Array, theirs: Array, scaled: bool) -> bool:
    if scaled:
        place = np.unravel_index(int(np.argmax(np.abs(theirs[:, 0]))), theirs[:, 0].shape)
        if not theirs[:, 0][place]:
            return False
        factor = mine[:, 0][place] / theirs[:, 0][place]
        return bool(np.isfinite(factor) and factor) and np.allclose(mine[:, 0], factor * theirs[:, 0], rtol=1e-9)
    return np.allclose(mine, theirs, rtol=1e-9, atol=0)
