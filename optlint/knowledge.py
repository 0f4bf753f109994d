"""What optlint knows: ``rules/conventions`` (published optimizers), ``rules/mistakes`` (pages), and a project's own.

Knowledge belongs to a run: ``using`` makes it the one that ``conventions``, ``mistakes`` and the like speak of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from optlint import toml

FAMILIES = (
    "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "adamax", "amsgrad", "nadam",
    "radam", "adabelief", "yogi", "lion", "lamb", "adafactor", "other",
)  # fmt: skip


PARTS = ("m", "v", "step", "state", "any")  # of an update, whose equation a page can rewrite

HEAD_LINE = "+++\n"
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


class KnowledgeError(Exception):
    """A rule file is broken; says which, where and how."""

    def __init__(self, path: Path, message: str, line: int | None = None) -> None:
        super().__init__(f"{path}{'' if line is None else f':{line}'}: {message}")
        self.path = path
        self.message = message
        self.line = line


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
    same: str = ""  # the variant of this file that behaves as this one does: another spelling of it
    intended: tuple[str, ...] = ()  # mistakes that are none in what is told as this form: it is published with them
    initial: tuple[tuple[str, str], ...] = ()
    defaults: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class NamePattern:
    """What a published optimizer is called in code: a regular expression, without regard to case.

    allows: the families that an update of this name may turn out to be; like: those that its form is a special case of,
    or has as one, and that a slip in it may be told in. modelled: it has equations. core: where it has none, the
    families that its update is of wherever what is its own does not apply.
    """

    title: str
    pattern: str
    family: str
    allows: frozenset[str]
    modelled: bool
    core: frozenset[str] = frozenset()
    like: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """``wrong`` → ``right`` in the equation of one part: m, v, step, or any; not where ``unless`` fits as well."""

    part: str
    wrong: str
    right: str
    unless: str = ""


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
    source: Path | None = field(default=None, hash=False, compare=False)

    @property
    def unsafe(self) -> str:
        """Why a fix of this mistake is a choice that its author has to make ("" where it is none)."""
        section = self.text.partition("## Fix safety\n")[2].partition("\n## ")[0]
        said = " ".join(section.split())
        return said.removeprefix("Unsafe: ").partition(". ")[0].rstrip(".") if said.startswith("Unsafe") else ""

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes that show this mistake best, first."""
        return tuple(self.options.get("probes", ()))

    @property
    def stages(self) -> frozenset[str]:
        """When the mistake is looked for (none while it is off).

        "search", "searched": in an update that is no published one, by the page's check or by that other one. "named":
        in one that equals another published form than its name says. "matched", "beside": beside any match, by the
        page's check or by that other one. "lost": in what keeps a state from being one, by the page's check or by that
        other one. "effect": in what is computed and goes nowhere. "twins": between updates.
        """
        found = {
            self.options.get("when", "search"),
            *(key for key in ("named", "beside", "lost", "forgotten", "effect") if self.options.get(key)),
        }
        found |= {"search"} if self.options.get("searched") else set()
        return frozenset() if self.off else frozenset(found)


def rules_folder() -> Path:
    """``rules/`` inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "rules"
    return inside if inside.is_dir() else here.parent / "rules"


Value = TypeVar("Value")


class Knowledge:
    """Optlint's own rules, and those of a project besides. What follows from them is kept with them."""

    def __init__(
        self,
        conventions: Iterable[Variant] = (),
        names: Iterable[NamePattern] = (),
        mistakes: Iterable[MistakePage] = (),
    ) -> None:
        self.own_conventions = tuple(conventions)
        self.own_names = tuple(names)
        self.own_mistakes = tuple(mistakes)
        self.derived: dict[Callable[[], object], object] = {}

    @cached_property
    def conventions(self) -> tuple[Variant, ...]:
        """Every variant of every convention, the first published of a family first."""
        found = [v for path in _files("conventions", "*.toml") for v in read_convention(path)]
        return tuple(sorted([*found, *self.own_conventions], key=lambda v: FAMILIES.index(v.family)))

    @cached_property
    def names(self) -> tuple[NamePattern, ...]:
        """The names of all published optimizers that optlint knows of."""
        found = [p for path in _files("conventions", "*.toml") for p in read_names(path)]
        return (*found, *read_names(rules_folder() / "names.toml"), *self.own_names)

    @cached_property
    def mistakes(self) -> tuple[MistakePage, ...]:
        found = [read_mistake(path) for path in _files("mistakes", "*.md")]
        return tuple(sorted([*found, *self.own_mistakes], key=lambda page: page.code))

    def find(self, code_or_name: str) -> MistakePage | None:
        return self._pages.get(code_or_name.strip().lower())

    @cached_property
    def _pages(self) -> dict[str, MistakePage]:
        return {key.lower(): page for page in self.mistakes for key in (page.name, page.code)}


_BUILT_IN = Knowledge()
_KNOWN: ContextVar[Knowledge] = ContextVar("knowledge", default=_BUILT_IN)


def known() -> Knowledge:
    """What the present run knows."""
    return _KNOWN.get()


def knowledge_of(rules: tuple[str, ...]) -> Knowledge:
    """What is known with the files and folders of a project's own rules. Raises KnowledgeError."""
    if not rules:
        return _BUILT_IN
    from optlint.ownrules import load

    return load(rules)


@contextmanager
def using(knowledge: Knowledge) -> Iterator[None]:
    token = _KNOWN.set(knowledge)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def derived(make: Callable[[], Value]) -> Callable[[], Value]:
    """A value that follows from what is known: made once for each knowledge."""

    @wraps(make)
    def kept() -> Value:
        values = _KNOWN.get().derived
        if make not in values:
            values[make] = make()
        return cast(Value, values[make])

    return kept


def conventions() -> tuple[Variant, ...]:
    return known().conventions


def name_patterns() -> tuple[NamePattern, ...]:
    return known().names


def mistakes() -> tuple[MistakePage, ...]:
    return known().mistakes


def find_mistake(code_or_name: str) -> MistakePage | None:
    return known().find(code_or_name)


def _files(folder: str, pattern: str) -> list[Path]:
    return sorted((rules_folder() / folder).glob(pattern))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise KnowledgeError(path, (isinstance(error, OSError) and error.strerror) or "not valid UTF-8") from None


def _parsed(path: Path, text: str, above: int = 0) -> dict[str, Any]:
    """A TOML text; ``above``: the lines of the file that stand before it."""
    try:
        return toml.loads(text)
    except toml.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = above + (int(at[1]) if at else text.count("\n"))
        raise KnowledgeError(path, f"not valid TOML: {_AT_LINE.sub('', str(error))}", line) from None


def read_names(path: Path) -> list[NamePattern]:
    """What the optimizers of a convention file, or those of a list of names without equations, are called."""
    data = _parsed(path, _read(path))
    entries = data.get("optimizer")
    if entries is not None:
        return [_name_pattern(path, entry, modelled=False) for entry in entries]
    return [_name_pattern(path, data, modelled=True)]


def _name_pattern(path: Path, data: dict[str, Any], modelled: bool) -> NamePattern:
    try:
        re.compile(data["names"])
        family = data.get("family", "other")
        allows, core = frozenset(data.get("allows", [family])), frozenset(data.get("core", ()))
        like = frozenset(data.get("like", ()))
        return NamePattern(data["title"], data["names"], family, allows, modelled, core, like)
    except (KeyError, TypeError, re.error) as error:
        raise KnowledgeError(path, _why(error)) from None


def read_convention(path: Path) -> list[Variant]:
    data = _parsed(path, _read(path))
    try:
        defaults = _numbers(data)
        family, title = data["family"], data["title"]
        found = [
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
                same=v.get("same", ""),
                intended=tuple(v.get("intended", ())),
                initial=tuple((k, str(x)) for k, x in v.get("initial", {}).items()),
                defaults=tuple({**defaults, **_numbers(v)}.items()),
            )
            for v in data["variant"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KnowledgeError(path, _why(error)) from None
    for variant in found:
        if variant.family not in FAMILIES:
            raise KnowledgeError(path, f"unknown family {variant.family!r}")
    return found


def _numbers(data: dict[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in data.get("defaults", {}).items()}


def read_head(path: Path) -> tuple[dict[str, Any], str]:
    """A page's head, and the text below it."""
    content = _read(path)
    if content.count(HEAD_LINE) < 2 or not content.startswith(HEAD_LINE):
        raise KnowledgeError(path, "a page starts with a head between two lines '+++'", 1)
    _, head, text = content.split(HEAD_LINE, 2)
    return _parsed(path, head, above=1), text


def read_mistake(path: Path) -> MistakePage:
    """A page: TOML between ``+++`` lines, then Markdown with ```` ```python bad ```` and ``good`` examples."""
    data, text = read_head(path)
    try:
        return MistakePage(
            code=data["code"],
            name=data["name"],
            severity=data["severity"],
            summary=data["summary"],
            message=data.get("message", data["summary"]),
            check=data.get("check", ""),
            rewrites=tuple(
                Rewrite(r["part"], r["wrong"], r["right"], r.get("unless", "")) for r in data.get("rewrite", ())
            ),
            families=tuple(data.get("families", ())),
            meant=data.get("meant", ""),
            text=text.strip() + "\n",
            bad=_examples(text, "bad"),
            good=_examples(text, "good"),
            off=data.get("off", ""),
            options=data.get("options", {}),
            source=path,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise KnowledgeError(path, _why(error)) from None


def _why(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


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
