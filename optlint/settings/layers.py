"""Sources of settings (configuration files, ``--config``, the command line) as layers, and what they make together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optlint.settings.options import Selection, Settings, options
from optlint.settings.values import ConfigError, WrongValue, converted, did_you_mean

CONFIG_NAMES = (".optlint.toml", "optlint.toml", "pyproject.toml")  # the first one counts
COMMAND_LINE = "command line"
SECTION = ("tool", "optlint")
MAX_BYTES = 1_000_000
MAX_EXTENDS = 16

_SELECTORS = ("select", "extend_select", "ignore", "extend_ignore")
_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings of one source, by their names in ``Settings``. name: the source, as messages show it.

    text, section: the file's content and the table that holds the settings there, to find lines in.
    """

    name: str
    values: dict[str, Any]
    directory: str = ""
    text: str = field(default="", repr=False)
    section: tuple[str, ...] = ()

    def error(self, message: str, key: str, within: str | None = None) -> ConfigError:
        """What is wrong with ``key``, which is spelled as it stands in the source."""
        if self.name == COMMAND_LINE:
            return ConfigError(f"--{key}", None, message)
        from optlint import toml

        line = toml.line_of(self.text, (*self.section, key), within) if self.text else None
        return ConfigError(self.name, line, message)


def spelled(name: str) -> str:
    """A setting's name in ``Settings`` as files and the command line spell it."""
    return name.replace("_", "-")


def file_in(directory: str, names: Iterable[str] | None = None) -> str | None:
    """The configuration file of a directory. ``names``: what the directory holds, where that is known."""
    for name in CONFIG_NAMES if names is None else (n for n in CONFIG_NAMES if n in names):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and (name != "pyproject.toml" or _mentions_us(path)):
            return path
    return None


def _mentions_us(path: str) -> bool:
    """Whether a pyproject.toml has the section; bytes decide in most cases."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:
        return False
    if b"optlint" not in data:
        return False
    from optlint import toml

    try:
        return toml.table_at(toml.loads(data.decode("utf-8")), SECTION) is not None
    except (UnicodeError, toml.TOMLDecodeError, RecursionError):
        return re.search(rb"^\s*\[\s*tool\s*\.\s*[\"']?optlint", data, re.MULTILINE) is not None  # broken, and ours


def layers_of(path: str, shown: str | None = None) -> tuple[Layer, ...]:
    """A configuration file's layer on top of those that it extends. Raises ConfigError."""
    found: list[Layer] = []
    seen: set[str] = set()
    following: str | None = path
    extending: Layer | None = None
    while following is not None:
        real = os.path.realpath(following)
        if real in seen or len(seen) > MAX_EXTENDS:
            assert extending is not None
            raise extending.error(f"extend: {_shown(following)} is extended in a circle", "extend")
        seen.add(real)
        layer, parent = _read(following, shown if extending is None and shown else _shown(following), extending)
        found.append(layer)
        following, extending = parent, layer
    return tuple(reversed(found))


def _read(path: str, name: str, extending: Layer | None) -> tuple[Layer, str | None]:
    """A file's layer, and the file that it extends."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8").removeprefix("\ufeff")
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "not valid UTF-8"
        if extending is not None:
            raise extending.error(f"extend: {name} cannot be read: {why}", "extend") from None
        raise ConfigError(name, None, why) from None
    from optlint import toml

    section = SECTION if os.path.basename(path) == "pyproject.toml" else ()
    table = toml.table_at(parsed(text, name), section)
    if table is None:
        raise ConfigError(name, None, f"there is no section [{'.'.join(section)}]")
    directory = os.path.dirname(os.path.abspath(path))
    layer = layer_of(table, name, directory, text, section)
    parent = layer.values.pop("extend", None)
    return layer, parent


def layer_of(
    table: Mapping[str, object], name: str, directory: str = "", text: str = "", section: tuple[str, ...] = ()
) -> Layer:
    """A table of settings, validated."""
    layer = Layer(name, {}, directory, text, section)
    known = {spelled(n): (n, option) for n, option in options().items() if option.scope != "command line"}
    for key, value in table.items():
        if key == "extend":
            if not isinstance(value, str) or not value:
                raise layer.error(f"extend is a path, not {value!r}", key)
            layer.values[key] = os.path.join(directory, os.path.expanduser(value))
            continue
        if key not in known:
            raise layer.error(f"unknown key {key!r}{did_you_mean(key.replace('_', '-'), [*known, 'extend'])}", key)
        attribute, option = known[key]
        try:
            layer.values[attribute] = converted(key, option, value, directory)
        except WrongValue as error:
            raise layer.error(str(error), key, error.within) from None
    return layer


def parsed(text: str, name: str) -> dict[str, Any]:
    """A TOML document; raises ConfigError with the line."""
    from optlint import toml

    try:
        return toml.loads(text.replace("\r\n", "\n"))
    except toml.TOMLDecodeError as error:
        message = str(error)
        line = text.count("\n") + 1
        if at := _AT_LINE.search(message):
            message = message[: at.start()]
            line = int(at[1]) if at[1] else line
        raise ConfigError(name, line, f"not valid TOML: {message}") from None
    except RecursionError:
        raise ConfigError(name, None, "not valid TOML: nested too deeply") from None


def merged(layers: Iterable[Layer], directory: str = "") -> Settings:
    """The settings that several layers make, the last one strongest.

    A key replaces what is beneath; ``extend-`` keys and severities add to it; rules are selected source by source.
    """
    values: dict[str, Any] = {}
    selections: list[Selection] = []
    top: dict[str, Any] = {}
    for layer in layers:
        if top:
            selections.append(_selection(top))
        top = {}
        for key, value in layer.values.items():
            if key in _SELECTORS:
                top[key] = value
            elif key.startswith("extend_"):
                values[key] = (*values.get(key, ()), *value)
            elif key == "severity":
                values[key] = tuple({**dict(values.get(key, ())), **dict(value)}.items())
            else:
                values[key] = value
    return Settings(**values, **top, beneath=tuple(selections), directory=directory)


def _selection(top: Mapping[str, Any]) -> Selection:
    ignored = (*top.get("ignore", ()), *top.get("extend_ignore", ()))
    return Selection(top.get("select"), top.get("extend_select", ()), ignored)


def _shown(path: str) -> str:
    from optlint.files import shown

    return shown(path)
