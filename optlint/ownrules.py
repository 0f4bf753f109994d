"""A project's own rules: read from the files that its configuration names, and looked over before they are used."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from optlint.files import shown
from optlint.knowledge import (
    FAMILIES,
    HEAD_LINE,
    PARTS,
    Knowledge,
    KnowledgeError,
    MistakePage,
    NamePattern,
    Rewrite,
    Variant,
    read_convention,
    read_head,
    read_mistake,
    read_names,
)
from optlint.model import SEVERITIES
from optlint.settings.values import did_you_mean
from optlint.toml import line_of

SUFFIXES = (".md", ".toml")
MAX_FILES = 500
MAX_FORMULA = 1000
MAX_PATTERN = 300
MAX_REPEATS = 2  # each makes a regular expression's time grow by one more factor of the line's length

_CODE = re.compile(r"[A-Z]+[0-9]+")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"[*+]|\{\d*,?\d*\}")

# The keys of a page's head with what they hold. Those of its [options] are the ones that optlint's own pages use.
HEAD: dict[str, type] = {
    "code": str,
    "name": str,
    "severity": str,
    "summary": str,
    "message": str,
    "check": str,
    "rewrite": list,
    "families": list,
    "meant": str,
    "off": str,
    "options": dict,
}
WHEN = ("matched", "lost")  # what else there is stands beside the search, by its code
NEEDS = ("second moment",)
MOMENTS = ("one", "all")

_WORDS = {bool: "true or false", dict: "a table", float: "a number", int: "a number", list: "a list", str: "a text"}


def load(rules: Iterable[str]) -> Knowledge:
    """What is known with the rules in these files and folders. Raises KnowledgeError."""
    files = [path for rule in rules for path in files_of(Path(rule))]
    return _loaded(tuple((path, *_stamp(path)) for path in dict.fromkeys(files)))


def files_of(place: Path) -> list[Path]:
    """The pages and convention files at a place: the file itself, or all below a folder (but for its READMEs)."""
    if place.is_dir():
        below = (Path(top, name) for top, _, names in os.walk(place) for name in names)
        found = sorted(path for path in below if path.suffix in SUFFIXES and path.name.lower() != "readme.md")
        if not found:
            raise KnowledgeError(place, "there are no rules here: neither a .md nor a .toml file")
        if len(found) > MAX_FILES:
            raise KnowledgeError(place, f"there are more than {MAX_FILES} rules here")
        return found
    if place.suffix not in SUFFIXES:
        raise KnowledgeError(place, "a rule is a .md page or a .toml file" if place.exists() else "no such file")
    return [place]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise KnowledgeError(path, error.strerror or str(error)) from None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _loaded(stamped: tuple[tuple[Path, int, int], ...]) -> Knowledge:
    taken = {key: "one of optlint's own" for page in Knowledge().mistakes for key in (page.code, page.name)}
    pages: list[MistakePage] = []
    variants: list[Variant] = []
    names: list[NamePattern] = []
    for path, *_ in stamped:
        if path.suffix == ".md":
            page = checked_page(path)
            for kind, key in (("code", page.code), ("name", page.name)):
                if key in taken:
                    raise _wrong(path, f"the {kind} {key!r} is taken: it is {taken[key]}", kind)
                taken[key] = f"that of {shown(str(path))}"
            pages.append(page)
        else:
            compiled, called = checked_conventions(path)
            variants += compiled
            names += called
    return Knowledge(variants, names, pages)


def checked_page(path: Path) -> MistakePage:
    """A page whose every word can be used."""
    head, _ = read_head(path)
    for key, value in head.items():
        _typed(path, HEAD, key, value)
    for key, value in head.get("options", {}).items():
        _typed(path, _options(), key, value, "options")
    page = read_mistake(path)
    for where, fault in _faults(page):
        raise _wrong(path, fault, *where)
    return page


@lru_cache(maxsize=1)
def _options() -> dict[str, type]:
    return {key: type(value) for page in Knowledge().mistakes for key, value in page.options.items()}


def _faults(page: MistakePage) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with a page: (where in the head, what)."""
    from optlint.diagnose.checks import CHECKS
    from optlint.sandbox.laws import LAWS
    from optlint.sandbox.witness import RARE, SCENES

    if not _CODE.fullmatch(page.code):
        yield ("code",), f"a code is capital letters and digits, not {page.code!r}"
    if not _NAME.fullmatch(page.name):
        yield ("name",), f"a name is small words with hyphens between them, not {page.name!r}"
    if page.severity not in SEVERITIES:
        yield ("severity",), f"severity is one of {', '.join(SEVERITIES)}, not {page.severity!r}"
    others = ((("options", key), page.options.get(key, "")) for key in ("beside", "searched", "named_check"))
    for where, name in ((("check",), page.check), *others):
        if name and name not in CHECKS:
            yield where, f"there is no check {name!r}{did_you_mean(name, CHECKS)}"
    if not (page.check or page.rewrites or page.off):
        yield ("code",), "it has neither 'rewrite' nor 'check'; a page that only informs says off = \"why\""
    of_a_name = ((("options", "named_families"), family) for family in page.options.get("named_families", ()))
    for where, family in (*((("families",), family) for family in page.families), *of_a_name):
        if family not in FAMILIES:
            yield where, f"there is no family {family!r}{did_you_mean(family, FAMILIES)}"
    for rewrite in page.rewrites:
        if rewrite.part not in PARTS:
            yield ("rewrite",), f"part is one of {', '.join(PARTS)}, not {rewrite.part!r}"
        for fault in _rewrite_faults(rewrite, page.options.get("gradient")):
            yield ("rewrite",), fault
    choices: tuple[tuple[str, Collection[str]], ...] = (
        ("law", LAWS),
        ("when", WHEN),
        ("needs", NEEDS),
        ("moments", MOMENTS),
    )
    for key, known in choices:
        value = page.options.get(key)
        if value is not None and value not in known:
            yield ("options", key), f"{key} is one of {', '.join(known)}, not {value!r}"
    for probe in page.options.get("probes", ()):
        if probe not in SCENES | RARE:
            yield ("options", "probes"), f"there is no probe {probe!r}{did_you_mean(probe, SCENES)}"
    for key in ("only", "unless"):
        endless = unbounded(page.options.get(key, ""))
        if endless is not None:
            yield ("options", key), endless


def _rewrite_faults(rewrite: Rewrite, gradient: str | None) -> Iterator[str]:
    from optlint.diagnose.patterns import VARIABLES, pattern
    from optlint.lift.notation import NotationError

    bound = {"g", "s", "eps"}
    formulas = [rewrite.wrong, rewrite.right, *([rewrite.unless] if rewrite.unless else [])]
    for formula in (*formulas, *([] if gradient is None else [gradient])):
        if not isinstance(formula, str) or len(formula) > MAX_FORMULA:
            yield f"a formula is a text of at most {MAX_FORMULA} characters"
            return
        try:
            used = {symbol.name for symbol in pattern(formula).symbols}
        except (NotationError, ValueError, RecursionError, MemoryError) as error:
            yield str(error) or f"cannot read the formula {formula!r}"
            return
        if formula in (rewrite.wrong, rewrite.unless):
            strange = sorted(n for n in used if n.rstrip("0123456789") not in set(VARIABLES))
            bound |= used
        else:
            strange = sorted(used - bound)
        if strange:
            yield f"{strange[0]!r} in the formula {formula!r} stands for nothing"


def checked_conventions(path: Path) -> tuple[list[Variant], list[NamePattern]]:
    """The variants of a convention file, compiled once to see that they can be, and the optimizers' names."""
    from optlint.forms import compile_variant

    called = read_names(path)
    for entry in called:
        if (fault := unbounded(entry.pattern)) is not None:
            raise KnowledgeError(path, f"names: {fault}", _line(path, entry.pattern))
        if entry.family not in FAMILIES:
            raise KnowledgeError(path, f"there is no family {entry.family!r}{did_you_mean(entry.family, FAMILIES)}")
    variants = read_convention(path) if any(entry.modelled for entry in called) else []
    for variant in variants:
        if (fault := unbounded(variant.cue)) is not None:
            raise KnowledgeError(path, f"cue: {fault}", _line(path, variant.cue))
        try:
            if any(len(line) > MAX_FORMULA for line in variant.equations.splitlines()):
                raise ValueError(f"an equation is a text of at most {MAX_FORMULA} characters")
            compile_variant(variant)
        except Exception as error:  # whatever an equation can hold that none should
            said = "there is no equation for w'" if isinstance(error, KeyError) else str(error)
            equation = next((e for e in variant.equations.splitlines() if _names(error, e)), variant.name)
            raise KnowledgeError(path, f"variant {variant.name!r}: {said}", _line(path, equation)) from None
    return variants, called


def _names(error: Exception, equation: str) -> bool:
    formula = equation.partition("=")[2].strip()
    return bool(formula) and formula in str(error)


def unbounded(pattern: str) -> str | None:
    """Why a regular expression could take for ever on a line, or cannot be read at all; None where it is in order."""
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        return f"a regular expression is a text of at most {MAX_PATTERN} characters"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a regular expression: {error}"
    if re.search(r"\\[1-9]|\(\?P=", pattern):
        return "a regular expression must not refer back to its groups"
    plain = _ATOM.sub("x", pattern)
    if re.search(r"\)(?:[*+]|\{)", plain):
        return "a group in a regular expression must not be repeated"
    if len(_REPEAT.findall(plain)) > MAX_REPEATS:
        return f"a regular expression must not repeat more than {MAX_REPEATS} times"
    return None


def _typed(path: Path, known: dict[str, type], key: str, value: Any, *within: str) -> None:
    if key not in known:
        raise _wrong(path, f"unknown key {key!r}{did_you_mean(key, known)}", *within, key)
    of_texts = known[key] is list and key != "rewrite"
    right = isinstance(value, known[key])
    if right and of_texts:
        right = all(isinstance(item, str) for item in value)
    if not right:
        what = f"{_WORDS[known[key]]}{' of texts' if of_texts else ''}"
        raise _wrong(path, f"{key} is {what}, not {value!r}", *within, key)


def _wrong(path: Path, message: str, *key: str) -> KnowledgeError:
    """A fault of a page's head, with the line of its key."""
    head = path.read_text(encoding="utf-8").split(HEAD_LINE, 2)[1]
    line = line_of(head, key)
    return KnowledgeError(path, message, None if line is None else line + 1)


def _line(path: Path, text: str) -> int | None:
    """The line that holds a text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if text and text.strip() in line), None)
