"""What is lifted from PyTorch's own optimizers is what they compute: both run 30 steps in float64."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differential import (
    Array,
    Comparison,
    Run,
    Undecided,
    chosen,
    compare,
    gradients,
    holds,
    lift_text,
    start,
)

from optlint.lift.lifter import Lifted

torch = pytest.importorskip("torch")


@dataclass(frozen=True)
class Case:
    """One optimizer with its flags. ``states``: the function's names for what ``optimizer.state`` holds."""

    name: str
    module: str
    states: Mapping[str, str]
    flags: Mapping[str, Any]

    @property
    def function(self) -> str:
        return f"_single_tensor_{self.module}"

    @property
    def id(self) -> str:
        shown = [k if v is True else f"{k}={v}" for k, v in self.flags.items() if v]
        return "-".join([self.name, *(shown or ["plain"])])


@dataclass(frozen=True)
class Family:
    """An optimizer class and the values that its flags are tried with; ``reads_step``: its update needs the step."""

    name: str
    module: str
    states: Mapping[str, str]
    flags: Mapping[str, tuple[Any, ...]]
    reads_step: bool = True

    def cases(self) -> Iterator[Case]:
        for values in product(*self.flags.values()):
            flags = dict(zip(self.flags, values, strict=True))
            if flags.get("nesterov") and (not flags["momentum"] or flags["dampening"]):
                continue  # PyTorch refuses it
            yield Case(self.name, self.module, self.states, flags)


EITHER = (False, True)
DECAY = (0.0, 0.1)
AVERAGES = {"exp_avgs": "exp_avg", "exp_avg_sqs": "exp_avg_sq", "state_steps": "step"}
ADAM = {**AVERAGES, "max_exp_avg_sqs": "max_exp_avg_sq"}

FAMILIES = (
    Family(
        "SGD", "sgd", {"momentum_buffer_list": "momentum_buffer"},
        {"momentum": (0.0, 0.9), "dampening": (0.0, 0.3), "nesterov": EITHER, "weight_decay": DECAY,
         "maximize": EITHER}, reads_step=False,
    ),
    Family(
        "Adagrad", "adagrad", {"state_sums": "sum", "state_steps": "step"},
        {"lr_decay": (0.0, 0.05), "initial_accumulator_value": (0.0, 0.1), "weight_decay": DECAY, "maximize": EITHER},
    ),
    Family(
        "RMSprop", "rmsprop",
        {"square_avgs": "square_avg", "grad_avgs": "grad_avg", "momentum_buffer_list": "momentum_buffer",
         "state_steps": "step"},
        {"centered": EITHER, "momentum": (0.0, 0.9), "weight_decay": DECAY, "maximize": EITHER}, reads_step=False,
    ),
    Family(
        "Adadelta", "adadelta", {"square_avgs": "square_avg", "acc_deltas": "acc_delta", "state_steps": "step"},
        {"weight_decay": DECAY, "maximize": EITHER}, reads_step=False,
    ),
    Family(
        "Adam", "adam", ADAM,
        {"amsgrad": EITHER, "weight_decay": DECAY, "decoupled_weight_decay": EITHER, "maximize": EITHER},
    ),
    Family("AdamW", "adam", ADAM, {"amsgrad": EITHER, "weight_decay": DECAY, "maximize": EITHER}),
    Family(
        "Adamax", "adamax", {"exp_avgs": "exp_avg", "exp_infs": "exp_inf", "state_steps": "step"},
        {"weight_decay": DECAY, "maximize": EITHER},
    ),
    Family(
        "NAdam", "nadam", {**AVERAGES, "mu_products": "mu_product"},
        {"weight_decay": DECAY, "decoupled_weight_decay": EITHER, "maximize": EITHER},
    ),
    Family(
        "RAdam", "radam", AVERAGES,
        {"weight_decay": DECAY, "decoupled_weight_decay": EITHER, "maximize": EITHER},
    ),
)  # fmt: skip
CASES = [case for family in FAMILIES for case in family.cases()]


@cache
def source(module: str) -> str:
    path = import_module(f"torch.optim.{module}").__file__
    assert path is not None
    return Path(path).read_text(encoding="utf-8")


@cache
def lifted(module: str) -> Lifted:
    return lift_text(source(module))


@cache
def _optimizer_class(name: str) -> Any:
    return getattr(torch.optim, name)


def really(case: Case) -> Run:
    """Run the real optimizer; every tensor of its state is recorded after each step, as float64 (T, n)."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # else the step and NAdam's running product are float32
    try:
        return _really(case)
    finally:
        torch.set_default_dtype(usual)


def _really(case: Case) -> Run:
    w = torch.nn.Parameter(torch.tensor(start(), dtype=torch.float64))
    optimizer = _optimizer_class(case.name)([w], foreach=False, **case.flags)
    initial = _numbers(optimizer.state[w])
    series = gradients()
    path: list[Array] = []
    states: list[dict[str, Array]] = []
    for g in series:
        w.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        path.append(w.detach().numpy().copy())
        states.append(_numbers(optimizer.state[w]))
    kept = {inner: real for inner, real in case.states.items() if real in states[0]}
    assert set(kept.values()) == set(states[0]), "a state tensor has no name in the test"
    if not initial:  # created by the first step: zeros, but for NAdam's running product
        initial = {real: np.full(w.shape, 1.0 if real == "mu_product" else 0.0) for real in states[0]}
    settings = dict(optimizer.param_groups[0])
    if "betas" in settings:
        settings["beta1"], settings["beta2"] = settings["betas"]
    return Run(
        {**settings, "has_complex": False, "has_sparse_grad": False},
        {"grads": series},
        {inner: np.array([s[real] for s in states]) for inner, real in kept.items()},
        {inner: initial[real] for inner, real in kept.items()},
        start(),
        np.array(path),
    )


def _numbers(state: Mapping[str, Any]) -> dict[str, Array]:
    """The tensors of a parameter's state, each as (n,)."""
    return {
        name: np.broadcast_to(value.detach().to(torch.float64).numpy(), (len(start()),)).copy()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def compared(case: Case, run: Run) -> list[Comparison]:
    return [compare(recurrence, run) for recurrence in chosen(lifted(case.module), case.function, run.settings)]


def unneeded(case: Case) -> set[str]:
    """States that the update never reads: the recurrence leaves them out."""
    family = next(f for f in FAMILIES if f.name == case.name)
    return set() if family.reads_step else {"state_steps"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_recurrence_is_what_torch_computes(case: Case) -> None:
    run = really(case)
    for found in compared(case, run):
        assert found.different == {}
        assert found.gaps.keys() | set(found.given) == {"parameter"} | run.states.keys() - unneeded(case)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.reads_step], ids=lambda family: family.name)
def test_the_step_counter_is_a_state(family: Family) -> None:
    for case in family.cases():
        assert [found.given for found in compared(case, really(case))] == [[]]


# the comparison can fail

MUTANTS: tuple[tuple[str, str, str, set[str]], ...] = (
    ("SGD-momentum=0.9", "buf.mul_(momentum)", "buf.mul_(momentum * momentum)", {"momentum_buffer_list"}),
    ("SGD-momentum=0.9-nesterov", "alpha=momentum)", "alpha=1)", set()),
    ("Adagrad-lr_decay=0.05", "(step - 1) * lr_decay", "step * lr_decay", set()),
    ("RMSprop-centered-momentum=0.9", "value=-1)", "value=-0.999999)", {"momentum_buffer_list"}),
    ("Adadelta-plain", "value=1 - rho", "value=1.000001 - rho", {"square_avgs", "acc_deltas"}),
    ("Adam-plain", "_sqrt).add_(eps)", "_sqrt).add_(2 * eps)", set()),
    ("Adam-amsgrad", "torch.maximum(max", "torch.minimum(max", {"max_exp_avg_sqs"}),
    ("AdamW-weight_decay=0.1", "1 - lr * weight_decay", "1 - weight_decay", set()),
    ("Adamax-plain", "grad.abs().add_(eps)", "grad.abs()", {"exp_infs"}),
    ("NAdam-plain", "0.96 ** (step *", "0.961 ** (step *", {"mu_products"}),
    ("RAdam-plain", "rho_t > 5.0", "rho_t > 4.0", set()),
)


def _function(case: Case) -> tuple[str, str]:
    """The lifted function's own text, and its file's imports."""
    tree = ast.parse(source(case.module))
    own = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == case.function)
    imports = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom)) and n.lineno < own.lineno]
    return ast.unparse(own), "\n".join(map(ast.unparse, imports))


@pytest.mark.parametrize(("name", "old", "new", "states"), MUTANTS, ids=[f"{m[0]}: {m[2]}" for m in MUTANTS])
def test_a_mutated_source_is_reported(name: str, old: str, new: str, states: set[str]) -> None:
    """The parameter's path changes, and of the states just those that the coefficient reaches."""
    case = next(c for c in CASES if c.id == name)
    own, imports = _function(case)
    assert old in own
    run = really(case)
    for part, expected in ((own, set()), (own.replace(old, new), {"parameter", *states})):
        found = chosen(lift_text(f"{imports}\n\n\n{part}\n"), case.function, run.settings)
        assert [compare(recurrence, run).different.keys() for recurrence in found] == [expected]


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("weight_decay = 0", True),
        ("weight_decay ≠ 0", False),
        ("momentum > 0", True),
        ("β₁ ≥ 0.9", True),
        ("β₁ < 0.9", False),
        ("amsgrad", False),
        ("or(amsgrad, not(maximize))", True),
        ("and(momentum > 0, amsgrad)", False),
        ("lr[i] is None", True),
        ("mode 'l2'", True),
        ("mode = 'l1'", False),
    ],
)
def test_conditions_are_read(condition: str, value: bool) -> None:
    flags = {
        "weight_decay": 0.0, "momentum": 0.9, "beta1": 0.9, "amsgrad": False, "maximize": False, "lr": None,
        "mode": "l2",
    }  # fmt: skip
    assert holds(condition, flags) is value


@pytest.mark.parametrize("condition", ["unseen", "unseen > 0", "f(momentum)", "momentum > lr", "2/(1 − β₂) > 5", "="])
def test_conditions_that_the_flags_do_not_decide(condition: str) -> None:
    with pytest.raises(Undecided):
        holds(condition, {"momentum": 0.9, "lr": None})
