"""Writes what follows from the code: ``optlint.schema.json``, and the reference in ``docs/settings.md``.

Run it after a change of ``optlint/settings/options.py``; tests compare the files with what it would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optlint.model import SEVERITIES
from optlint.settings import options
from optlint.settings.arguments import METAVARS
from optlint.settings.layers import spelled
from optlint.settings.show import toml
from optlint.settings.values import AUTO, Option

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "optlint.schema.json"
REFERENCE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- reference: written by scripts/generate.py -->\n", "<!-- end of the reference -->\n"

_TEXTS = {"type": "array", "items": {"type": "string"}}
_TYPES: dict[str, dict[str, Any]] = {
    "flag": {"type": "boolean"},
    "choice": {"type": "string"},
    "number": {"anyOf": [{"type": "integer", "minimum": 1}, {"const": AUTO}]},
    "path": {"type": "string"},
    "rules": _TEXTS,
    "patterns": _TEXTS,
    "paths": _TEXTS,
    "rules by pattern": {"type": "object", "additionalProperties": _TEXTS},
    "severity by rule": {"type": "object", "additionalProperties": {"enum": list(reversed(SEVERITIES))}},
}
_KINDS = {
    "flag": "true or false",
    "number": f"a number from 1 on, or `{AUTO}`",
    "rules": "list of rules",
    "patterns": "list of patterns",
    "paths": "list of paths",
    "rules by pattern": "table of patterns with a list of rules each",
    "severity by rule": "table of rules with `error`, `warning` or `note` each",
}
_EXTEND = "Another configuration file, over which this one's settings are laid."


def configurable() -> dict[str, Option]:
    return {spelled(name): option for name, option in options().items() if option.scope != "command line"}


def default_of(option: Option) -> Any:
    """The default as a configuration file would hold it; None where no value stands for it."""
    if option.kind in ("rules by pattern", "severity by rule"):
        return {}
    if option.kind == "patterns":
        return [glob.text for glob in option.default]
    return list(option.default) if isinstance(option.default, tuple) else option.default


def schema() -> dict[str, Any]:
    """The JSON schema of optlint.toml and of [tool.optlint]."""
    properties: dict[str, Any] = {"extend": {"description": _EXTEND, "type": "string"}}
    for key, option in configurable().items():
        described = {"description": option.about.replace("`", ""), **_TYPES[option.kind]}
        if option.choices:
            described["enum"] = list(option.choices)
        default = default_of(option)
        if default is not None:
            described["default"] = default
        properties[key] = described
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The settings of optlint",
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(properties.items())),
    }


def reference() -> str:
    """The part of docs/settings.md that describes each key."""
    blocks = [_block("extend", _EXTEND, ["path"], 'extend = "../optlint.toml"')]
    for key, option in configurable().items():
        default = default_of(option)
        facts = [_KINDS.get(option.kind) or " or ".join(f"`{choice}`" for choice in option.choices) or option.kind]
        if default is not None:
            facts.append(f"default: `{toml(default) if default != {} else '{}'}`")
        if option.flag:
            metavar = METAVARS.get(option.kind)
            names = f"{option.short}, {option.flag}" if option.short else option.flag
            facts.append(f"on the command line: `{names}{f' {metavar}' if metavar else ''}`")
        if option.variable:
            facts.append(f"in the environment: `{option.variable}`")
        if option.scope == "run":
            facts.append("of the run: read from the file nearest to the working directory")
        blocks.append(_block(key, option.about, facts, option.example))
    return "\n".join(blocks)


def _block(key: str, about: str, facts: list[str], example: str) -> str:
    listed = "".join(f"- {fact[0].upper()}{fact[1:]}\n" for fact in facts)
    return f"### `{key}`\n\n{about}\n\n{listed}\n```toml\n{example}\n```\n"


def documented(text: str) -> str:
    """The document with its reference as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{reference()}\n{END}{rest.partition(END)[2]}"


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    REFERENCE.write_text(documented(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
