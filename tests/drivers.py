"""Runs small hand-written optimizers of any signature: arguments are made by their names, in worlds that differ in
what holds the numbers. Two versions of one program can so be run side by side."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

STEPS = 6
KEYS = ("W1", "b1", "w")
Trail = list[np.ndarray]


class CannotDrive(Exception):
    """No world suits the program."""


class Kept(dict[Any, Any]):
    """A dictionary of states: what is missing is zero."""

    def __missing__(self, key: Any) -> Any:
        self[key] = 0 if key in ("t", "step") else np.zeros(3)
        return self[key]


def gradient(step: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.array([1.0, -0.3, 2e-3]) * np.cos(step + 0.5 * np.arange(3))


def defined(text: str) -> set[str]:
    return set(re.findall(r"^(?:class|def) (\w+)", text, re.MULTILINE))


def trail(text: str, world: str, only: set[str]) -> Trail:
    """What the program's ``only`` make of their parameters, step by step; their own exceptions come through."""
    space: dict[str, Any] = {"__name__": "driven"}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        exec(compile(text, "driven.py", "exec"), space)
        found: Trail = []
        for thing in [space[name] for name in sorted(only)]:
            found += _class(thing, world) if inspect.isclass(thing) else _function(thing, world)
        numbers = [np.asarray(v, dtype=float) for k, v in sorted(space.items()) if isinstance(v, (float, np.ndarray))]
    return found + numbers


def worlds() -> Iterator[str]:
    yield from ("arrays", "dicts", "lists")


def _class(klass: type, world: str) -> Trail:
    made = _Made(world)
    if any(base.__module__.startswith("torch") for base in klass.__mro__):
        return _torch(klass)
    it = _called(klass, made, 0)
    names = ("update", "step", "__call__", "apply", "optimize")
    method = next((getattr(it, n) for n in names if n in vars(klass)), None)
    if method is None:
        raise CannotDrive(klass.__name__)
    found: Trail = []
    for step in range(1, STEPS + 1):
        made.take(_called(method, made, step))
        found += made.shown()
    return found


def _torch(klass: type) -> Trail:
    import torch

    p = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    optimizer = klass([p])
    found: Trail = []
    for step in range(1, STEPS + 1):
        p.grad = torch.tensor(gradient(step))
        optimizer.step()
        found.append(p.detach().numpy().copy())
    return found


def _function(function: Callable[..., Any], world: str) -> Trail:
    if not callable(function):
        return []
    made = _Made(world)
    found: Trail = []
    for step in range(1, STEPS + 1):
        result = _called(function, made, step)
        made.take(result)
        found += made.shown() + [np.asarray(n, dtype=float) for n in _numbers(result)]
    return found


class _Made:
    """The arguments of one program, by name; parameters and states stay from step to step."""

    def __init__(self, world: str) -> None:
        self.world = world
        self.kept: dict[str, Any] = {}

    def argument(self, name: str, step: int) -> Any:
        bare = name.lower()
        if bare in ("t", "step", "iteration"):
            return step
        if bare in ("shape", "size", "n", "n_in", "dim"):
            return 3
        if bare in ("x", "features"):
            return np.array([[1.0, 0.5, -1.0], [0.2, 2.0, 1.0], [1.5, -0.4, 0.3], [0.1, 0.9, 2.0]])
        if bare in ("y", "targets"):
            return np.array([1.0, -1.0, 0.5, 2.0])
        if bare in ("name", "key"):
            return "w"
        if bare.startswith(("g", "d", "nabla")):
            return self._held(gradient(step), gradient(step, 0.5), "d")
        if name not in self.kept:
            parameter = bare in ("w", "theta", "param", "params", "parameters", "weights", "biases", "x0")
            self.kept[name] = self._start() if parameter else self._state(bare)
        return self.kept[name]

    def _start(self) -> Any:
        return self._held(np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, -0.7]), "")

    def _held(self, one: np.ndarray, other: np.ndarray, prefix: str) -> Any:
        if self.world == "arrays":
            return one.copy()
        if self.world == "lists":
            return [one.copy(), other.copy()]
        values = dict(zip(KEYS, (one, other, one), strict=True))
        both = {k: v.copy() for k, v in values.items()}
        return both | {f"{prefix}{k}": v.copy() for k, v in values.items()} if prefix else both

    def _state(self, name: str) -> Any:
        if name in ("config", "state") or self.world == "dicts":
            return Kept()
        if name in ("layers", "layer"):
            raise CannotDrive(name)
        return np.zeros(3) if self.world == "arrays" else [np.zeros(3), np.zeros(3)]

    def take(self, result: Any) -> None:
        """What a step returns first is the parameter's new value."""
        first = result[0] if isinstance(result, tuple) and result else result
        name = next((n for n in self.kept if n.lower() in ("w", "theta", "param")), None)
        if name is not None and isinstance(first, np.ndarray):
            self.kept[name] = first

    def shown(self) -> Trail:
        return [np.array(n, dtype=float) for value in self.kept.values() for n in _numbers(value)]


def _called(function: Callable[..., Any], made: _Made, step: int) -> Any:
    arguments = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.default is parameter.empty:
            arguments[parameter.name] = made.argument(parameter.name, step)
    return function(**arguments)


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _numbers(value[key])
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, float) or hasattr(value, "__array__"):
        yield np.asarray(value)
    elif isinstance(value, SimpleNamespace):
        yield from _numbers(vars(value))
