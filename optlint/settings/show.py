"""Settings as TOML, as a configuration file could hold them (``--show-settings``)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from optlint.files import FoundFile, shown
from optlint.globs import Glob
from optlint.settings.layers import spelled
from optlint.settings.options import Settings, options
from optlint.settings.resolve import Resolver
from optlint.settings.values import Option


def shown_settings(settings: Settings, codes: list[str], heading: str) -> str:
    """One file's settings. ``codes``: the rules that they select, which stand for all that led to them."""
    lines = [f"# {line}" for line in heading.splitlines()]
    tables: list[str] = []
    for name, option in options().items():
        if option.scope == "command line" or name in ("extend_select", "ignore", "extend_ignore"):
            continue
        value = codes if name == "select" else getattr(settings, name)
        if isinstance(value, tuple) and option.kind in ("rules by pattern", "severity by rule"):
            if value:
                tables += ["", f"[{spelled(name)}]", *(f"{_text(_key(k))} = {toml(v)}" for k, v in value)]
        elif value is not None:
            lines.append(f"{spelled(name)} = {_value(option, value)}")
    return "\n".join([*lines, *tables]) + "\n"


def listing(files: Iterable[FoundFile], resolver: Resolver) -> str:
    """The settings of files, once for each configuration; the first file that has them is named."""
    from optlint.knowledge import knowledge_of
    from optlint.selection import Chosen

    blocks: list[str] = []
    seen: list[Settings] = []
    for file in files:
        settings = file.settings
        if any(settings is one for one in seen):
            continue
        seen.append(settings)
        source = resolver.source(settings)
        origin = f"from {shown(source)}" if source is not None else "no configuration file"
        codes = sorted(Chosen(settings, knowledge_of(settings.rules).mistakes).codes)
        blocks.append(shown_settings(settings, codes, f"{file.name}: {origin}"))
    return "\n".join(blocks)


def toml(value: object) -> str:
    """A value of a setting in TOML's notation."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)) and not isinstance(value, Glob):
        return f"[{', '.join(map(toml, value))}]"
    return _text(_key(value))


def _value(option: Option, value: Any) -> str:
    if option.kind in ("path", "paths"):
        value = shown(value) if isinstance(value, str) else [shown(path) for path in value]
    return toml(list(value) if option.kind in ("rules", "patterns", "paths") else value)


def _key(value: object) -> str:
    """A pattern as it would stand in the working directory's own file."""
    if isinstance(value, Glob):
        text, base = value
        try:
            away = os.path.relpath(base).replace(os.sep, "/") if base else "."
        except (OSError, ValueError):  # no working directory, or another drive
            return text
        if away == "." or value.is_name:
            return text
        turned, text = ("!", text[1:]) if text.startswith("!") else ("", text)
        anchored = text.lstrip("/") if "/" in text.rstrip("/") else f"**/{text}"
        return f"{turned}{away}/{anchored}"
    return str(value)


def _text(text: str) -> str:
    """A basic string: JSON's notation is TOML's, but for U+007F."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
