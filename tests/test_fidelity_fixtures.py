"""The fixtures' own optimizers run for 30 steps beside what is lifted from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optlint.lift import Recurrence, lift
from optlint.lift import expression as ex
from optlint.lift.expression import Symbol
from optlint.lift.program import Program
from optlint.sandbox.evaluate import Runner, System
from optlint.source import Unit

FIXTURES = Path(__file__).parent.parent / "fixtures"
STEPS = 30
START = np.array([1.0, -2.0, 0.5])
GRADIENTS = np.random.default_rng(3).normal(size=(STEPS, 3)) * np.array([1.0, 1e-3, 30.0])

Step = Callable[[np.ndarray], np.ndarray]  # the gradient → the parameter after the step
Make = Callable[[dict[str, Any], np.ndarray], Step]


def given(name: str, **options: Any) -> Make:
    """An object whose ``update(w, g)`` gives the new parameter."""

    def make(space: dict[str, Any], w: np.ndarray) -> Step:
        optimizer, held = space[name](**options), [w]

        def step(g: np.ndarray) -> np.ndarray:
            held[0] = optimizer.update(held[0], g)
            return held[0]

        return step

    return make


def keyed(name: str) -> Make:
    """An object whose ``update(params, grads)`` changes a dictionary of parameters."""

    def make(space: dict[str, Any], w: np.ndarray) -> Step:
        optimizer, params = space[name](), {"W": w}

        def step(g: np.ndarray) -> np.ndarray:
            optimizer.update(params, {"W": g})
            return params["W"]

        return step

    return make


def listed(name: str) -> Make:
    """An object that holds the parameters and takes a list of gradients."""

    def make(space: dict[str, Any], w: np.ndarray) -> Step:
        optimizer = space[name]([w])

        def step(g: np.ndarray) -> np.ndarray:
            optimizer.step([g])
            return w

        return step

    return make


def configured(name: str, **config: Any) -> Make:
    """``f(w, g, config)`` that gives the new parameter and the configuration with its state."""

    def make(space: dict[str, Any], w: np.ndarray) -> Step:
        held: list[Any] = [w, dict(config)]

        def step(g: np.ndarray) -> np.ndarray:
            held[:] = space[name](held[0], g, held[1])
            return held[0]

        return step

    return make


def in_place(name: str, states: Callable[[], Any]) -> Make:
    """``f(params, grads, states)`` over lists, which it changes."""

    def make(space: dict[str, Any], w: np.ndarray) -> Step:
        kept, params = states(), [w]

        def step(g: np.ndarray) -> np.ndarray:
            space[name](params, [g], kept)
            return params[0]

        return step

    return make


def _l2(space: dict[str, Any], w: np.ndarray) -> Step:
    weights, cache = {"a": w}, {"a": np.zeros(3)}

    def step(g: np.ndarray) -> np.ndarray:
        space["rmsprop_with_l2"](weights, {"a": g}, cache)
        return weights["a"]

    return step


def _look_ahead(space: dict[str, Any], w: np.ndarray) -> Step:
    held, state = [w], {"v": np.zeros(3)}

    def step(g: np.ndarray) -> np.ndarray:
        held[0] = space["nesterov"](held[0], g, state)
        return held[0]

    return step


def _zeros() -> list[np.ndarray]:
    return [np.zeros(3)]


# fixture, function, how to run it, settings that have no default
CASES: tuple[tuple[str, str, Make, dict[str, float]], ...] = (
    ("correct_adadelta_adamax_nadam", "Adadelta.update", given("Adadelta"), {}),
    ("correct_adadelta_adamax_nadam", "Adamax.update", given("Adamax"), {}),
    ("correct_adadelta_adamax_nadam", "adadelta", in_place("adadelta", lambda: [(np.zeros(3), np.zeros(3))]), {}),
    ("correct_adam", "AdamOnLists.step", listed("AdamOnLists"), {}),
    ("correct_adam", "adam", configured("adam"), {}),
    (
        "correct_momentum_amsgrad", "sgd_momentum", configured("sgd_momentum", momentum=0.9, learning_rate=0.1),
        {"config['momentum']": 0.9, "config['learning_rate']": 0.1},
    ),
    ("correct_momentum_amsgrad", "Momentum.update", keyed("Momentum"), {}),
    ("correct_momentum_amsgrad", "nesterov", _look_ahead, {}),
    ("correct_momentum_amsgrad", "SGD.step", listed("SGD"), {}),
    ("correct_momentum_amsgrad", "AMSGrad.update", given("AMSGrad"), {}),
    ("correct_momentum_amsgrad", "AdamW.step", listed("AdamW"), {}),
    ("correct_rmsprop_adagrad", "rmsprop", configured("rmsprop"), {}),
    ("correct_rmsprop_adagrad", "AdaGrad.update", keyed("AdaGrad"), {}),
    ("correct_rmsprop_adagrad", "RMSprop.update", keyed("RMSprop"), {}),
    ("correct_rmsprop_adagrad", "rmsprop_inside", in_place("rmsprop_inside", _zeros), {}),
    ("correct_rmsprop_adagrad", "rmsprop_with_l2", _l2, {}),
)  # fmt: skip


def lifted_path(recurrence: Recurrence, settings: dict[str, float]) -> np.ndarray:
    """The parameter after each step of the recurrence, (30, 3)."""
    parameter = recurrence.parameter
    assert parameter is not None
    moving = [*recurrence.counters, *recurrence.states]
    runner = Runner(System([(s.old, s.new, s.post) for s in moving], recurrence.step, parameter.old))
    assert not runner.unknowns
    bound: dict[Symbol, float] = {}
    free: list[Symbol] = []
    for symbol in runner.free:
        if symbol is parameter.old or symbol in {s.old for s in moving}:
            continue
        if symbol.name in settings or symbol.default is not None:
            bound[symbol] = settings.get(symbol.name, symbol.default or 0.0)
        else:
            free.append(symbol)
    (gradient,) = free
    initial: dict[Symbol, Any] = {}
    for state in moving:
        first = state.initial if state.initial is not None else ex.const(0)
        initial[state.old] = first.number
    return runner.run(bound, {gradient: GRADIENTS}, initial, START, STEPS, (3,)).parameter


@pytest.mark.parametrize(("fixture", "name", "make", "settings"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_a_fixture_computes_what_is_lifted_from_it(
    fixture: str, name: str, make: Make, settings: dict[str, float]
) -> None:
    text = (FIXTURES / f"{fixture}.py").read_text(encoding="utf-8")
    space: dict[str, Any] = {"__name__": fixture}
    exec(compile(text, fixture, "exec"), space)
    step = make(space, START.copy())
    expected = np.array([np.array(step(g.copy())) for g in GRADIENTS])
    found = [r for r in lift(Program.read((Unit(None, text),))).recurrences if r.name == name]
    paths = [lifted_path(r, settings) for r in found]
    assert any(np.allclose(path, expected, rtol=1e-12, atol=1e-12) for path in paths)
