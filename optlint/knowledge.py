"""Loads what optlint knows: ``rules/conventions`` (published optimizers) and ``rules/mistakes`` (pages)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from optlint import toml

FAMILIES = (
    "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "adamax", "amsgrad", "nadam",
    "radam", "adabelief", "yogi", "lion", "lamb", "adafactor", "other",
)  # fmt: skip


class KnowledgeError(Exception):
    """A rule file is broken; says which and where."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One published or shipped form of an optimizer, as equations."""

    family: str
    title: str
    name: str
    equations: str
    epsilon: str = "none"  # where ε stands: outside, inside, hat, none, state, max
    ships: tuple[str, ...] = ()  # who publishes or ships exactly this form
    cites: str = ""
    deviation: str = ""  # a published departure: right only where the code or the setting cites it
    cue: str = ""  # a regular expression over the code's names and comments that counts as citing it
    initial: tuple[tuple[str, str], ...] = ()
    defaults: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class NamePattern:
    """What a published optimizer is called in code: a regular expression, without regard to case.

    allows: the families that an update of this name may turn out to be. modelled: it has equations.
    """

    title: str
    pattern: str
    family: str
    allows: frozenset[str]
    modelled: bool


@dataclass(frozen=True, slots=True)
class Rewrite:
    """``wrong`` → ``right`` in the equation of one part: m, v, step, or any."""

    part: str
    wrong: str
    right: str


@dataclass(frozen=True, slots=True)
class MistakePage:
    """One page of ``rules/mistakes``. off: why the rule is not looked for (the page then only informs)."""

    code: str
    name: str
    severity: str
    summary: str
    message: str
    check: str = ""  # a check in optlint/diagnose where equations cannot say it
    rewrites: tuple[Rewrite, ...] = ()
    families: tuple[str, ...] = ()
    meant: str = ""
    text: str = ""
    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    off: str = ""
    options: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    @property
    def unsafe(self) -> str:
        """Why a fix of this mistake is a choice that its author has to make ("" where it is none)."""
        section = self.text.partition("## Fix safety\n")[2].partition("\n## ")[0]
        said = " ".join(section.split())
        return said.removeprefix("Unsafe: ").partition(". ")[0].rstrip(".") if said.startswith("Unsafe") else ""


def rules_folder() -> Path:
    """``rules/`` inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "rules"
    return inside if inside.is_dir() else here.parent / "rules"


@lru_cache(maxsize=1)
def conventions() -> tuple[Variant, ...]:
    """Every variant of every convention, the first published of a family first."""
    found: list[Variant] = []
    for path in sorted((rules_folder() / "conventions").glob("*.toml")):
        found.extend(read_convention(path))
    return tuple(sorted(found, key=lambda v: FAMILIES.index(v.family)))


@lru_cache(maxsize=1)
def name_patterns() -> tuple[NamePattern, ...]:
    """The names of all published optimizers that optlint knows of."""
    found: list[NamePattern] = []
    for path in sorted((rules_folder() / "conventions").glob("*.toml")):
        found.append(_name_pattern(path, _toml(path), modelled=True))
    beyond = rules_folder() / "names.toml"
    found.extend(_name_pattern(beyond, entry, modelled=False) for entry in _toml(beyond)["optimizer"])
    return tuple(found)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return toml.loads(path.read_text(encoding="utf-8"))
    except (OSError, toml.TOMLDecodeError) as error:
        raise KnowledgeError(f"{path}: {error}") from None


def _name_pattern(path: Path, data: dict[str, Any], modelled: bool) -> NamePattern:
    try:
        re.compile(data["names"])
        family = data.get("family", "other")
        return NamePattern(data["title"], data["names"], family, frozenset(data.get("allows", [family])), modelled)
    except (KeyError, re.error) as error:
        raise KnowledgeError(f"{path}: {error}") from None


def read_convention(path: Path) -> list[Variant]:
    try:
        data = toml.loads(path.read_text(encoding="utf-8"))
        defaults = tuple((k, float(v)) for k, v in data.get("defaults", {}).items())
        family, title = data["family"], data["title"]
        if family not in FAMILIES:
            raise KnowledgeError(f"{path}: unknown family {family!r}")
        return [
            Variant(
                family=v.get("family", family),
                title=title,
                name=v["name"],
                equations=v["equations"],
                epsilon=v.get("epsilon", "none"),
                ships=tuple(v.get("ships", ())),
                cites=v.get("cites", data.get("cites", "")),
                deviation=v.get("deviation", ""),
                cue=v.get("cue", ""),
                initial=tuple((k, str(x)) for k, x in v.get("initial", {}).items()),
                defaults=defaults,
            )
            for v in data["variant"]
        ]
    except (toml.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise KnowledgeError(f"{path}: {error}") from None


@lru_cache(maxsize=1)
def mistakes() -> tuple[MistakePage, ...]:
    return tuple(read_mistake(path) for path in sorted((rules_folder() / "mistakes").glob("*.md")))


@lru_cache(maxsize=256)
def find_mistake(code_or_name: str) -> MistakePage | None:
    wanted = code_or_name.strip().lower()
    return next((p for p in mistakes() if wanted in (p.code.lower(), p.name.lower())), None)


def read_mistake(path: Path) -> MistakePage:
    """A page: TOML between ``+++`` lines, then Markdown with ```` ```python bad ```` and ``good`` examples."""
    try:
        content = path.read_text(encoding="utf-8")
        _, head, text = content.split("+++\n", 2)
        data = toml.loads(head)
        return MistakePage(
            code=data["code"],
            name=data["name"],
            severity=data["severity"],
            summary=data["summary"],
            message=data.get("message", data["summary"]),
            check=data.get("check", ""),
            rewrites=tuple(Rewrite(r["part"], r["wrong"], r["right"]) for r in data.get("rewrite", ())),
            families=tuple(data.get("families", ())),
            meant=data.get("meant", ""),
            text=text.strip() + "\n",
            bad=_examples(text, "bad"),
            good=_examples(text, "good"),
            off=data.get("off", ""),
            options=data.get("options", {}),
        )
    except (toml.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise KnowledgeError(f"{path}: {error}") from None


def _examples(text: str, kind: str) -> tuple[str, ...]:
    found: list[str] = []
    lines: list[str] | None = None
    for line in text.splitlines():
        if lines is None and line.strip() == f"```python {kind}":
            lines = []
        elif lines is not None and line.strip() == "```":
            found.append("\n".join(lines) + "\n")
            lines = None
        elif lines is not None:
            lines.append(line)
    return tuple(found)
