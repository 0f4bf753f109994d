"""Runs what optlint lifts from published optimizers beside those optimizers, and prints how far apart they are.

    pip install -e '.[test,fidelity]'
    python benchmarks/fidelity.py                     # all libraries that are installed
    python benchmarks/fidelity.py --library optax

Each optimizer really runs 30 steps in float64; the recurrence that is lifted from its file runs beside it, and
every state and the parameter (or the returned step) are compared at every step. The last column is

    ok          everything that is lifted agrees within 1e-12 of each element's largest magnitude
    DIFFERENT   it does not; the exit status is then 1
    not lifted  there is nothing to compare, and why

and, after it, what the comparison had to take from the real run: a state that the recurrence reads but does not
carry, or that is not among the lifted states at all.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from differential import (  # noqa: E402
    STEPS,
    TOLERANCE,
    Array,
    Comparison,
    NotLifted,
    Run,
    base,
    chosen,
    compare,
    gradients,
    lift_text,
    start,
)

from optlint.lift.lifter import Lifted  # noqa: E402

EITHER = (False, True)


@dataclass
class Subject:
    """One optimizer in one configuration. ``function`` is the lifted function's name in ``file``."""

    optimizer: str
    flags: Mapping[str, object]
    file: str
    function: str
    run: Callable[[], Run]
    key: Callable[[str], str] = base
    unneeded: frozenset[str] = field(default_factory=frozenset)  # real states that the update never reads

    @property
    def configuration(self) -> str:
        return ", ".join(k if v is True else f"not {k}" if v is False else f"{k}={v}" for k, v in self.flags.items())


@dataclass
class Row:
    subject: Subject
    states: list[str]
    worst: float | None
    verdict: str
    remark: str = ""


@cache
def lifted(file: str) -> Lifted:
    return lift_text(Path(file).read_text(encoding="utf-8"))


def measure(subject: Subject) -> Row:
    """One line of the table."""
    run = subject.run()
    remarks: list[str] = []
    try:
        found = [compare(r, run, subject.key) for r in chosen(lifted(subject.file), subject.function, run.settings)]
    except NotLifted as reason:
        return Row(subject, [], None, "not lifted", str(reason))
    steps: list[Comparison] = []
    for one in found:
        if one.returned and len(found) > 1:
            remarks.append(f"the new {one.returned} is taken for a second step")
        else:
            steps.append(one)
    gaps = {k: max(one.gaps.get(k, 0.0) for one in steps) for one in steps for k in one.gaps}
    given = sorted({name for one in steps for name in one.given})
    absent = sorted(run.states.keys() - gaps.keys() - set(given) - subject.unneeded)
    remarks += [f"reads {name}, does not carry it" for name in given] + [
        f"{name} is no lifted state" for name in absent
    ]
    different = [f"{k}: {v:.1e}" for k, v in gaps.items() if not v <= TOLERANCE]
    if different:
        remarks.insert(0, "; ".join(different))
    states = [k for k in gaps if k not in ("parameter", "step")]
    return Row(subject, states, max(gaps.values()), "DIFFERENT" if different else "ok", "; ".join(remarks))


def combinations(choices: Mapping[str, tuple[object, ...]]) -> Iterator[dict[str, Any]]:
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def recorded(
    states: list[dict[str, Array]], initial: dict[str, Array], names: Mapping[str, str] | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Snapshots, one a step, as (T, n) by name; and the values before the first step."""
    kept = {real: (names or {}).get(real, real) for real in states[0]}
    return {n: np.array([s[real] for s in states]) for real, n in kept.items()}, {
        n: initial[real] for real, n in kept.items()
    }


def wide(value: Any) -> Array:
    """A state as (n,) float64; a number is repeated."""
    return np.array(np.broadcast_to(np.asarray(getattr(value, "value", value)).astype(np.float64), np.shape(start())))


# torch


def torch_subjects() -> Iterator[Subject]:
    import test_fidelity_torch as suite

    for case in suite.CASES:
        file = import_module(f"torch.optim.{case.module}").__file__
        yield Subject(
            case.name, case.flags, str(file), case.function, lambda case=case: suite.really(case),
            unneeded=frozenset(suite.unneeded(case)),
        )  # fmt: skip


# optax: transforms return the step

OPTAX: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "trace": {"decay": (0.9,), "nesterov": EITHER},
    "ema": {"decay": (0.9,), "debias": EITHER},
    "scale_by_rss": {"initial_accumulator_value": (0.0, 0.1)},
    "scale_by_rms": {"eps_in_sqrt": EITHER, "bias_correction": EITHER},
    "scale_by_stddev": {"eps_in_sqrt": EITHER, "bias_correction": EITHER},
    "scale_by_adam": {"nesterov": EITHER, "eps_root": (0.0, 1e-6)},
    "scale_by_amsgrad": {},
    "scale_by_adamax": {},
    "scale_by_adadelta": {},
    "scale_by_adan": {},
    "scale_by_belief": {"nesterov": EITHER},
    "scale_by_lion": {},
    "scale_by_novograd": {"weight_decay": (0.0, 0.1)},
    "scale_by_radam": {"nesterov": EITHER, "b2": (0.9, 0.999)},
    "scale_by_rprop": {"learning_rate": (0.01,)},
    "scale_by_yogi": {},
}


def optax_subjects() -> Iterator[Subject]:
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    for name, choices in OPTAX.items():
        factory = getattr(optax, name)
        file = inspect.getsourcefile(inspect.unwrap(factory))
        assert file is not None
        for flags in combinations(choices):
            yield Subject(
                name, flags, file, f"{name}.update_fn", lambda factory=factory, flags=flags: run_optax(factory, flags),
                lambda s: base(s.removeprefix("state.")),
            )  # fmt: skip


def run_optax(factory: Callable[..., Any], flags: Mapping[str, Any]) -> Run:
    import jax.numpy as jnp

    bound = inspect.signature(factory).bind(**flags)
    bound.apply_defaults()
    transform = factory(**flags)
    w = jnp.asarray(start())
    state = transform.init(w)

    def numbers(state: Any) -> dict[str, Array]:
        return {n: wide(v) for n, v in zip(getattr(state, "_fields", ()), state, strict=True) if v is not None}

    initial = numbers(state)
    series, outputs, states = gradients(), [], []
    for g in series:
        update, state = transform.update(jnp.asarray(g), state, w)
        assert update.dtype == np.float64
        outputs.append(np.array(update))
        states.append(numbers(state))
    path, before = recorded(states, initial)
    fixed = {"params": np.tile(start(), (STEPS, 1)), "updates": series}
    return Run(bound.arguments, fixed, path, before, start(), output=np.array(outputs))


# jax.example_libraries.optimizers: update(i, g, state), where state[0] is the parameter

JAX: Mapping[str, Mapping[str, float]] = {
    "sgd": {},
    "momentum": {"mass": 0.9},
    "nesterov": {"mass": 0.9},
    "adagrad": {"momentum": 0.9},
    "rmsprop": {"gamma": 0.9, "eps": 1e-8},
    "rmsprop_momentum": {"gamma": 0.9, "eps": 1e-8, "momentum": 0.9},
    "adam": {"b1": 0.9, "b2": 0.999, "eps": 1e-8},
    "adamax": {"b1": 0.9, "b2": 0.999, "eps": 1e-8},
}


def jax_subjects() -> Iterator[Subject]:
    import jax
    from jax.example_libraries import optimizers

    jax.config.update("jax_enable_x64", True)
    for name, flags in JAX.items():
        yield Subject(
            name, flags, str(optimizers.__file__), f"{name}.update",
            partial(run_jax, getattr(optimizers, name), flags), lambda s: s,
        )  # fmt: skip


def run_jax(factory: Callable[..., Any], flags: Mapping[str, float]) -> Run:
    import jax.numpy as jnp

    init, update, _ = factory(lambda i: 0.05 / (1 + 0.1 * i), **flags)
    state = init(jnp.asarray(start()))

    def numbers(state: Any) -> list[Array]:
        return [wide(part) for part in state.packed_state[0]]

    initial = numbers(state)
    series = gradients()
    states = []
    for i, g in enumerate(series):
        state = update(i, jnp.asarray(g), state)
        states.append(numbers(state))
    count = np.arange(STEPS, dtype=float)
    return Run(
        {**flags, "callable(step_size)": True},
        {"g": series, "i": count, "step_size(i)": 0.05 / (1 + 0.1 * count)},
        {f"state[{k}]": np.array([s[k] for s in states]) for k in range(1, len(initial))},
        {f"state[{k}]": initial[k] for k in range(1, len(initial))},
        start(),
        np.array([s[0] for s in states]),
    )


# Keras: update_step(gradient, variable, learning_rate) on the NumPy backend

KERAS: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "SGD": {"momentum": (0.0, 0.9), "nesterov": EITHER},
    "RMSprop": {"momentum": (0.0, 0.9), "centered": EITHER},
    "Adagrad": {"initial_accumulator_value": (0.0, 0.1)},
    "Adadelta": {},
    "Adam": {"amsgrad": EITHER},
    "AdamW": {"amsgrad": EITHER, "weight_decay": (0.0,)},
    "Adamax": {},
    "Nadam": {},
    "Lion": {},
    "Lamb": {},
    "Ftrl": {},
}


def keras_subjects() -> Iterator[Subject]:
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    import keras
    from keras.src.backend.common import dtypes

    keras.config.set_floatx("float64")
    dtypes.BIT64_TO_BIT32_DTYPE.pop("float64")  # Keras would compute in float32 whatever the variables are
    for name, choices in KERAS.items():
        kind = getattr(keras.optimizers, name)
        owner = next(c for c in kind.__mro__ if "update_step" in vars(c))
        file = inspect.getsourcefile(owner)
        assert file is not None
        for flags in combinations(choices):
            yield Subject(
                name, flags, file, f"{owner.__name__}.update_step",
                lambda kind=kind, flags=flags: run_keras(kind, flags), lambda s: base(s.removeprefix("self.")),
            )  # fmt: skip


def run_keras(kind: Callable[..., Any], flags: Mapping[str, Any]) -> Run:
    import keras

    optimizer = kind(learning_rate=0.01, **flags)
    variable = keras.Variable(start(), dtype="float64")
    optimizer.build([variable])

    def numbers() -> dict[str, Array]:
        return {
            name: wide(held[0])
            for name, held in vars(optimizer).items()
            if isinstance(held, list) and len(held) == 1 and name not in ("_trainable_variables", "_variables")
            and isinstance(held[0], keras.Variable) and held[0] is not variable
        }  # fmt: skip

    initial = numbers()
    series = gradients()
    path, states, products = [], [], []
    for g in series:
        optimizer.apply([g], [variable])
        path.append(wide(variable))
        states.append(numbers())
        products.append(wide(getattr(optimizer, "_u_product", 0.0)))
    after, before = recorded(states, initial)
    settings = {k.lstrip("_"): v for k, v in vars(optimizer).items() if isinstance(v, (bool, int, float, type(None)))}
    settings |= {f"self.{name}": "a variable" for name in after}  # "is None" is asked of them
    return Run(
        {**settings, "learning_rate": 0.01},
        {
            "gradient": series,
            "grad": series,
            # what the caller of update_step keeps
            "iterations": np.arange(STEPS, dtype=float),
            "_u_product": np.array(products),
        },
        after,
        before,
        start(),
        np.array(path),
    )


LIBRARIES: Mapping[str, Callable[[], Iterator[Subject]]] = {
    "torch": torch_subjects,
    "optax": optax_subjects,
    "jax": jax_subjects,
    "keras": keras_subjects,
}


def table(library: str, rows: list[Row]) -> None:
    for row in rows:
        worst = "" if row.worst is None else f"{row.worst:.1e}"
        states = ", ".join(row.states) or "–"
        print(
            f"{library:9}{row.subject.optimizer:28}{row.subject.configuration:58}{states:52}{worst:>9}  "
            f"{row.verdict}{': ' if row.remark else ''}{row.remark}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare what optlint lifts with what optimizers compute.")
    parser.add_argument(
        "--library", dest="wanted", choices=[*LIBRARIES], action="append", help="only this one (may be repeated)"
    )
    wanted = parser.parse_args().wanted or list(LIBRARIES)
    warnings.simplefilter("ignore")
    different = 0
    for library in wanted:
        if library != "fixtures" and find_spec(library) is None:
            print(f"{library}: not installed")
            continue
        began = time.perf_counter()
        rows = [measure(subject) for subject in LIBRARIES[library]()]
        table(library, rows)
        count = {v: sum(r.verdict == v for r in rows) for v in ("ok", "DIFFERENT", "not lifted")}
        whole = sum(r.verdict == "ok" and not r.remark for r in rows)
        print(
            f"{library}: {len(rows)} configurations, {count['ok']} ok ({whole} of them with every state), "
            f"{count['DIFFERENT']} different, {count['not lifted']} not lifted; {time.perf_counter() - began:.1f} s\n"
        )
        different += count["DIFFERENT"]
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
