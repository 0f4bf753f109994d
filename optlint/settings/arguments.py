"""The settings as options of the command, and what was given there as layers over the configuration files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

from optlint.settings.layers import COMMAND_LINE, Layer, layer_of, parsed, spelled
from optlint.settings.options import options
from optlint.settings.values import ConfigError, Option, WrongValue, converted

Command = TypeVar("Command", bound=Callable[..., Any])

METAVARS = {
    "number": "N",
    "path": "PATH",
    "paths": "PATHS",
    "rules": "RULES",
    "patterns": "PATTERNS",
    "rules by pattern": "PATTERN:RULE",
    "severity by rule": "RULE=SEVERITY",
}
_COMMA = re.compile(r",(?![^{]*\})")  # one in braces belongs to its pattern


def settings_options(command: Command) -> Command:
    """Add every setting that has a name on the command line; one that is not given is None."""
    for name, option in reversed(options().items()):
        if option.flag:
            names = [option.short, option.flag, name] if option.short else [option.flag, name]
            command = click.option(*names, **_attributes(option))(command)
    return command


def _attributes(option: Option) -> dict[str, Any]:
    about = re.sub(r"`([^`]*)`", r"\1", option.about)
    attributes: dict[str, Any] = {"help": about, "default": None}
    if option.variable:
        attributes |= {"envvar": option.variable, "show_envvar": True}
    if option.kind == "flag":
        return attributes | {"is_flag": True}
    if option.kind == "choice":
        return attributes | {
            "type": click.Choice(option.choices),
            "help": f"{about}  [default: {option.default}]",
        }
    if option.kind in ("path", "number"):
        return attributes | {"metavar": METAVARS[option.kind]}
    return attributes | {"multiple": True, "metavar": METAVARS[option.kind]}


def given(arguments: Mapping[str, Any]) -> Layer:
    """The command line's own layer. Raises ConfigError."""
    layer = Layer(COMMAND_LINE, {})
    for name, option in options().items():
        value = arguments.get(name)
        if not option.flag or value is None or value == ():
            continue
        try:
            layer.values[name] = converted(f"--{spelled(name)}", option, _read(option, value))
        except WrongValue as error:
            raise ConfigError("command line", None, str(error)) from None
    return layer


def _read(option: Option, value: Any) -> Any:
    """The texts of the command line as a file would hold them."""
    if option.kind in ("flag", "choice", "path"):
        return value
    if option.kind == "number":
        return int(value) if value.isdecimal() and len(value) < 6 else value
    parts = [part.strip() for text in value for part in _COMMA.split(text) if part.strip()]
    if option.kind == "rules by pattern":
        table: dict[str, list[str]] = {}
        for pattern, rule in _pairs(parts, ":", "PATTERN:RULE"):
            table.setdefault(pattern, []).append(rule)
        return table
    if option.kind == "severity by rule":
        return dict(_pairs(parts, "=", "RULE=SEVERITY"))
    return parts


def _pairs(parts: list[str], between: str, form: str) -> Iterator[tuple[str, str]]:
    for part in parts:
        first, found, second = part.rpartition(between)
        if not found or not first.strip() or not second.strip():
            raise WrongValue(f"{part!r} is not of the form {form}")
        yield first.strip(), second.strip()


def configured(values: tuple[str, ...]) -> tuple[str | None, tuple[Layer, ...]]:
    """What ``--config`` asks for: the file that stands for all others, and settings of its own. Raises ConfigError."""
    file: str | None = None
    layers: list[Layer] = []
    for value in values:
        if os.path.isfile(value):
            if file is not None:
                raise ConfigError("--config", None, f"there can be one file, not both {file} and {value}")
            file = value
        elif "=" in value:
            layers.append(layer_of(parsed(value, "--config"), "--config", os.getcwd()))
            if "extend" in layers[-1].values:
                raise ConfigError("--config", None, "extend stands in files only; name the file itself")
        else:
            raise ConfigError("--config", None, f'there is no file {value!r}; a setting is given as "key = value"')
    return file, tuple(layers)
