"""Expressions as source text in the author's own words: names that hold the value, functions that the file uses."""

from __future__ import annotations

import re
from dataclasses import dataclass

import libcst as cst

from optlint.fix.reading import ATOM, Read, Reading, level_of, parenthesized
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import number

_LONG = 60  # characters of a text that is worth repeating
_SIGNS = {"add": ("+", 9), "sub": ("-", 9), "mul": ("*", 10), "div": ("/", 10)}


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    level: int

    def at(self, wanted: int) -> str:
        return parenthesized(self.text, self.level, wanted)


class Speller:
    """Spells expressions at a place of the source; None where a part has no name there."""

    def __init__(self, reading: Reading, source: str, home: str) -> None:
        self.reading = reading
        self.idioms = Idioms(home, source)
        self.arrays: frozenset[Symbol] = frozenset()  # what may hold an array
        self.named: dict[Symbol, Text] = {}  # symbols that a fix brings into being

    def spell(self, expr: Expr, site: Read) -> Text | None:
        if expr.op == "const" and (float(expr.number).is_integer() or abs(expr.number) == 0.5):
            return Text(number(expr.number), ATOM if expr.number >= 0 else 11)
        if expr.op == "sym" and expr.symbol in self.named:
            return self.named[expr.symbol]
        known = self.available(expr, site)
        if known is not None:
            return known
        if expr.op == "const":
            return Text(number(expr.number), ATOM if expr.number >= 0 else 11)
        square = structure.square_root_of(expr)
        if square is not None:
            inner = self.spell(square, site)
            return None if inner is None else self.idioms.squared(inner)
        parts = [self.spell(a, site) for a in expr.args]
        if not parts or any(p is None for p in parts):
            return None
        return self._built(expr, [p for p in parts if p is not None])

    def _built(self, expr: Expr, parts: list[Text]) -> Text | None:
        if expr.op in _SIGNS:
            sign, level = _SIGNS[expr.op]
            return Text(f"{parts[0].at(level)} {sign} {parts[1].at(level + 1)}", level)
        if expr.op == "neg":
            return Text(f"-{parts[0].at(11)}", 11)
        if expr.op == "pow":
            return Text(f"{parts[0].at(13)}{self.idioms.power}{parts[1].at(11)}", 12)
        if expr.op == "sqrt":
            number = not expr.symbols & self.arrays
            return self.idioms.root_of_number(parts[0]) if number else self.idioms.root(parts[0])
        if self.idioms.module == "torch" and expr.op in ("max", "min") and expr.args[1].op == "const":
            return Text(f"{parts[0].at(ATOM)}.clamp({'min' if expr.op == 'max' else 'max'}={parts[1].text})", ATOM)
        name = self.idioms.function(expr.op)
        return Text(f"{name}({', '.join(p.text for p in parts)})", ATOM) if name else None

    def available(self, expr: Expr, site: Read) -> Text | None:
        """How the source itself writes that value at this place, the shortest way first."""
        worth = self.reading.values.worth(expr)
        home = self.reading.function(site.node)
        best: tuple[tuple[object, ...], str] | None = None
        for read in self.reading.by_worth.get(worth, ()):
            inside = site.span.covers(read.span)
            if read.moment > site.moment and not inside and not read.simple:
                continue
            if isinstance(read.node, (cst.Integer, cst.Float)) and expr.op != "const":
                continue
            if read.simple:
                if not self.reading.holds(read.text, site.moment, worth):
                    continue
            elif not inside and (len(read.text) > _LONG or "\n" in read.text):
                continue
            if not inside and self.reading.function(read.node) is not home:
                continue
            if self.reading.changes_in_place(read.node):
                continue
            near = abs(read.span.line - site.span.line)
            rank = (not read.simple, not inside, len(read.text), near)
            if best is None or rank < best[0]:
                best = (rank, read.text)
        return None if best is None else Text(best[1], level_of(best[1]))


_ROOT = re.compile(r"\b([\w.]+)\.sqrt\(")
_SQUARE = re.compile(r"\b([\w.]+)\.square\(")
_LIBRARIES = {
    "np": "np", "numpy": "numpy", "jnp": "jnp", "torch": "torch", "tf": "tf", "math": "math", "K": "K", "T": "T",
    "cp": "cp", "mx": "mx", "ops": "ops", "jax.numpy": "jax.numpy", "xp": "xp", "nd": "nd", "tf.math": "tf.math",
}  # fmt: skip
_IMPORTED = re.compile(
    r"^\s*(?:import (numpy|cupy|jax\.numpy|torch|tensorflow|math) as (\w+)|import (numpy|torch|math)\b)", re.M
)
_TENSOR = re.compile(r"\.(?:mul|add|addcmul|addcdiv|lerp|div)_\(")


class Idioms:
    """How the code writes roots, squares and powers: as near to the update as it shows, else as its library does."""

    def __init__(self, home: str, source: str) -> None:
        self.home, self.source = home, source
        self.power = " ** " if re.search(r"\w \*\* ", home) or "**" not in home else "**"
        imported = _IMPORTED.search(source)
        self.module = (imported[2] or imported[3]) if imported else ""
        self.tensors = bool(_TENSOR.search(home))

    def root(self, x: Text) -> Text:
        for text in (self.home, self.source):
            names = [n for n in _ROOT.findall(text) if n in _LIBRARIES or n == self.module]
            if names:
                return Text(f"{names[0]}.sqrt({x.text})", ATOM)
            if ".sqrt()" in text:
                return Text(f"{x.at(ATOM)}.sqrt()", ATOM)
            if re.search(r"(?<![\w.])sqrt\(", text):
                return Text(f"sqrt({x.text})", ATOM)
            if re.search(r"\*\* ?(?:0?\.5|\(1 ?/ ?2\))", text):
                break
        else:
            if self.tensors:
                return Text(f"{x.at(ATOM)}.sqrt()", ATOM)
            if self.module:
                return Text(f"{self.module}.sqrt({x.text})", ATOM)
        return Text(f"{x.at(13)}{self.power}0.5", 12)

    def root_of_number(self, x: Text) -> Text:
        """A Python number has no method, and a tensor library's function may refuse it."""
        found = re.search(r"\b(math|np|numpy)\.sqrt\(", self.source)
        if found or self.module in ("np", "numpy", "math"):
            return Text(f"{found[1] if found else self.module}.sqrt({x.text})", ATOM)
        return Text(f"{x.at(13)}{self.power}0.5", 12)

    def squared(self, x: Text) -> Text:
        for text in (self.home, self.source):
            names = [n for n in _SQUARE.findall(text) if n in _LIBRARIES or n == self.module]
            if names:
                return Text(f"{names[0]}.square({x.text})", ATOM)
            if ".square()" in text:
                return Text(f"{x.at(ATOM)}.square()", ATOM)
            if re.search(r"\*\* ?2\b", text):
                break
            if ".pow(2)" in text:
                return Text(f"{x.at(ATOM)}.pow(2)", ATOM)
        return Text(f"{x.at(13)}{self.power}2", 12)

    def function(self, op: str) -> str:
        """The library's name of an elementwise function."""
        names = {"max": "maximum", "min": "minimum", "abs": "abs", "sign": "sign", "exp": "exp", "log": "log"}
        library = self.module
        return f"{library}.{names[op]}" if library and op in names else ""
