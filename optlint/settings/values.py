"""What kinds of values settings have, and how they are read from TOML, from Python and from the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from optlint.globs import MAX_WILDCARDS, Glob, alternatives, based, tame

if TYPE_CHECKING:
    from optlint.model import Problem

SEVERITIES = ("error", "warning", "note")

AUTO = "auto"
OPTION = "option"  # under which a field of Settings holds its Option

Kind = Literal[
    "flag", "choice", "number", "path", "rules", "patterns", "paths", "rules by pattern", "severity by rule"
]  # a number counts from 1; "auto" is for whatever fits the machine


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. ``flag``, ``short``: its names on the command line; ``variable``: its name in the environment.

    scope: "file" settings are those of the configuration file nearest to each linted file, "run" settings those
    of the one nearest to the working directory; those of the command line stand in no file. aside: it changes nothing
    of what is found in a file.
    """

    kind: Kind
    about: str
    default: Any
    example: str = ""
    choices: tuple[str, ...] = ()
    flag: str = ""
    short: str = ""
    variable: str = ""
    scope: Literal["file", "run", "command line"] = "file"
    aside: bool = False


class ConfigError(Exception):
    """A setting that is not allowed: says where it stands and what is wrong with it."""

    def __init__(self, path: str, line: int | None, message: str) -> None:
        super().__init__(f"{path}{'' if line is None else f':{line}'}: {message}")
        self.path = path
        self.line = line
        self.message = message

    def problem(self) -> Problem:
        from optlint.model import Problem

        return Problem(self.path, self.line, self.message, fatal=True)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, int | None, str]]:
        return ConfigError, (self.path, self.line, self.message)


class WrongValue(ValueError):
    """``within``: the key or the element of the value that is wrong, where it is not the whole."""

    def __init__(self, message: str, within: str | None = None) -> None:
        super().__init__(message)
        self.within = within


def converted(key: str, option: Option, value: object, base: str = "") -> Any:
    """The value as ``Settings`` keeps it; paths and patterns are relative to ``base``. Raises WrongValue."""
    kind = option.kind
    if kind == "flag":
        if not isinstance(value, bool):
            raise WrongValue(f"{key} is true or false, not {value!r}")
        return value
    if kind == "choice":
        if value not in option.choices:
            raise WrongValue(
                f"{key} is one of {', '.join(option.choices)}, not {value!r}{did_you_mean(value, option.choices)}"
            )
        return value
    if kind == "number":
        if value != AUTO and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise WrongValue(f"{key} is a number from 1 on, or {AUTO}, not {value!r}")
        return value
    if kind == "path":
        return _path(key, value, base)
    if kind == "rules":
        return _texts(key, value, "codes, prefixes or names")
    if kind == "patterns":
        if not isinstance(value, (list, tuple)):
            raise WrongValue(f"{key} is a list of patterns, not {value!r}")
        return tuple(_glob(key, text, base) for text in value)
    if kind == "paths":
        return tuple(_path(key, text, base) for text in _texts(key, value, "paths"))
    if kind == "rules by pattern":
        found = _table(key, value, "patterns with a list of rules each")
        return tuple(
            (_glob(key, pattern, base), _texts(f"{key}.{pattern}", rules, "codes, prefixes or names"))
            for pattern, rules in found
        )
    found = _table(key, value, "rules with a severity each")
    for rule, severity in found:
        if severity not in SEVERITIES:
            hint = did_you_mean(severity, SEVERITIES)
            raise WrongValue(f"{key}.{rule} is one of {', '.join(SEVERITIES)}, not {severity!r}{hint}", str(rule))
    return tuple(found)


def did_you_mean(wrong: object, known: Iterable[str]) -> str:
    """A sentence that names what is spelled most like it, or nothing."""
    from difflib import get_close_matches

    spelled = {name.casefold(): name for name in known}
    close = [spelled[match] for match in get_close_matches(str(wrong).casefold(), spelled)]
    return f". Did you mean {' or '.join(close)}?" if close else ""


def _texts(key: str, value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise WrongValue(f"{key} is a list of {what}, not {value!r}")
    for text in value:
        if not isinstance(text, str) or not text.strip():
            raise WrongValue(f"{key} is a list of {what}; {text!r} is none", str(text))
    return tuple(text.strip() for text in value)


def _path(key: str, value: object, base: str) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise WrongValue(f"{key} is a path, not {value!r}")
    return os.path.join(base, os.path.expanduser(os.fspath(value)))


def _glob(key: str, value: object, base: str) -> Glob:
    if isinstance(value, Glob):
        return value
    if not isinstance(value, str) or not value.strip("!/ "):
        raise WrongValue(f"{key} holds patterns; {value!r} is none", str(value))
    try:
        if not all(tame(text) for text in alternatives(value)):
            raise ValueError(f"it has more than {MAX_WILDCARDS} wildcards")
    except ValueError as error:
        raise WrongValue(f"{key}: the pattern {value!r} cannot be used: {error}", value) from None
    return based(value, base)


def _table(key: str, value: object, what: str) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (list, tuple)) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        return list(value)
    raise WrongValue(f"{key} is a table of {what}, not {value!r}")
