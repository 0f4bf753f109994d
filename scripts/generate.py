"""Writes what follows from the code and the rules.

``optlint.schema.json`` and the reference in ``docs/settings.md`` follow from ``optlint/settings/options.py``,
``docs/conventions.md`` from ``rules/conventions`` and ``rules/names.toml``. Tests compare the files with what this
would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optlint import toml as toml_files
from optlint.knowledge import FAMILIES, Variant, read_convention, rules_folder
from optlint.lift.notation import number
from optlint.model import SEVERITIES
from optlint.settings import options
from optlint.settings.arguments import METAVARS
from optlint.settings.layers import spelled
from optlint.settings.show import toml
from optlint.settings.values import AUTO, Option

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "optlint.schema.json"
REFERENCE = ROOT / "docs" / "settings.md"
CONVENTIONS = ROOT / "docs" / "conventions.md"
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


_EPSILON = {
    "outside": "outside the root, √v + ε",
    "inside": "inside the root, √(v + ε)",
    "hat": "ε̂, outside the root of the uncorrected v",
    "max": "a floor, max(√v, ε)",
    "state": "inside the state",
    "none": "none",
}
_INTRODUCTION = """# Published optimizers

<!-- written by scripts/generate.py from rules/conventions and rules/names.toml -->

The forms that optlint compares an update with, each to be checked against what it cites. `m'` is the new content of
`m`, `g` the gradient, `w` the parameter, `t` the number of the step, from 1. All states start at 0 unless said. A form
that an update equals up to one factor (the learning rate) on every probe is the one that is named. What could not be
checked against its source says so.
"""


def conventions_text() -> str:
    """docs/conventions.md: every published form, and the optimizers that have none."""
    files = [(path, read_convention(path)) for path in sorted((rules_folder() / "conventions").glob("*.toml"))]
    files.sort(key=lambda file: (FAMILIES.index(file[1][0].family), file[1][0].title))
    blocks = [_INTRODUCTION, "## Contents\n", *(_entry(variants) for _, variants in files), ""]
    blocks += [_convention(toml_files.loads(path.read_text(encoding="utf-8")), variants) for path, variants in files]
    return "\n".join([*blocks, _without_equations()])


def _entry(variants: list[Variant]) -> str:
    title = variants[0].title
    return f"- [{title}](#{title.lower().replace(' ', '-')}): {len(variants)} forms, family `{variants[0].family}`"


def _convention(data: dict[str, Any], variants: list[Variant]) -> str:
    defaults = ", ".join(f"{name} = {number(value)}" for name, value in data.get("defaults", {}).items())
    lines = [f"## {data['title']}\n", f"{data['about']}\n", f"{data['cites']}. Usual settings: {defaults}.\n"]
    return "\n".join([*lines, *(_form(variant) for variant in variants)])


def _form(variant: Variant) -> str:
    facts = [f"Epsilon: {_EPSILON[variant.epsilon]}"]
    if variant.ships:
        facts.append(f"Published or shipped by: {', '.join(variant.ships)}")
    facts.append(f"Source: {variant.cites}")
    if variant.initial:
        facts.append("Starts: " + ", ".join(f"{name} = {value}" for name, value in variant.initial))
    if variant.intended:
        facts.append(f"No mistake in this form: {', '.join(variant.intended)}")
    if variant.deviation:
        facts.append(f"A deviation: {variant.deviation}" + (" (only where the code says so)" if variant.cue else ""))
    listed = "".join(f"- {fact}\n" for fact in facts)
    return f"### {variant.title}: {variant.name}\n\n```text\n{variant.equations.strip()}\n```\n\n{listed}"


def _without_equations() -> str:
    data = toml_files.loads((rules_folder() / "names.toml").read_text(encoding="utf-8"))
    lines = [f"- **{entry['title']}** ({entry['cites']}): {entry['why']}{_core(entry)}." for entry in data["optimizer"]]
    head = "## Without equations\n\nKnown by name alone; an update of such a name is not compared with Adam.\n"
    return "\n".join([head, *sorted(lines, key=str.lower), ""])


def _core(entry: dict[str, Any]) -> str:
    return f"; elsewhere {' or '.join(entry['core'])}" if "core" in entry else ""


if __name__ == "__main__":
    CONVENTIONS.write_text(conventions_text(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    REFERENCE.write_text(documented(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
