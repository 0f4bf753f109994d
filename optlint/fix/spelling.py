"""Expressions as source text in the author's own words: names that hold the value, functions that the file uses."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import libcst as cst

from optlint.fix.reading import ATOM, Read, Reading, level_of, parenthesized
from optlint.fix.statements import assigned
from optlint.lift import structure
from optlint.lift.annotations import named_parameters
from optlint.lift.expression import REDUCTIONS, Expr, Symbol
from optlint.lift.notation import number

_EPSILON = re.compile(r"_?(eps|epsilon)")
_ITEM = re.compile(r"""(\w+)\[(["'])(\w+)\2\]""")
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
        self.numbers: frozenset[Symbol] = frozenset()  # what holds none: settings and counts
        self.named: dict[Symbol, Text] = {}  # symbols that a fix brings into being
        self.settings: dict[float, Text] = {}  # what the code calls a number that a fix brings in

    def spell(self, expr: Expr, site: Read) -> Text | None:
        if site.listed:
            return self._of_lists(expr, site)
        if expr.op == "const" and (float(expr.number).is_integer() or abs(expr.number) == 0.5):
            return Text(number(expr.number), ATOM if expr.number >= 0 else 11)
        if expr.op == "sym" and expr.symbol in self.named:
            return self.named[expr.symbol]
        known = self.available(expr, site)
        if known is not None:
            return known
        if expr.op == "const":
            own = Text(number(expr.number), ATOM if expr.number >= 0 else 11)
            return self.settings.get(float(expr.number), own)
        square = structure.square_root_of(expr)
        if square is not None:
            inner = self.spell(square, site)
            return None if inner is None else self.idioms.squared(inner)
        parts = [self.spell(a, site) for a in expr.args]
        if not parts or any(p is None for p in parts):
            return None
        return self._built(expr, [p for p in parts if p is not None])

    def _of_lists(self, expr: Expr, site: Read) -> Text | None:
        """A list has no arithmetic: what the code has no name for is made by functions that take lists."""
        known = self.available(expr, site)
        library = self.idioms.of_lists
        if known is not None or not library:
            return known
        square = structure.square_root_of(expr)
        args = (square, square) if square is not None else expr.args
        parts = [self._of_lists(a, site) if a.symbols & self.arrays else None for a in args]
        if not parts or parts[0] is None or (square is None and expr.op not in _OF_LISTS):
            return None
        if len(parts) == 2 and parts[1] is None:  # a number: the second operand alone may be one
            number = args[1].symbols <= self.numbers
            parts[1] = self.spell(args[1], replace(site, listed=False)) if number else None
        if any(p is None for p in parts):
            return None
        word = "mul" if square is not None else expr.op
        return Text(f"{library}_foreach_{word}({', '.join(p.text for p in parts if p is not None)})", ATOM)

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
        if expr.op in _CONDITIONS or expr.op == "where":
            return self._chosen(expr, parts)
        name = self.idioms.function(expr.op)
        return Text(f"{name}({', '.join(p.text for p in parts)})", ATOM) if name else None

    def _chosen(self, expr: Expr, parts: list[Text]) -> Text | None:
        """A choice by numbers is Python's own, unless the library traces the function: it cannot read them then."""
        condition = expr.args[0] if expr.op == "where" else expr
        elementwise = self.idioms.traces or not _is_number(condition, self.numbers)
        if expr.op == "where":
            floats = [replace(p, text=f"{p.text}.0") if p.text.isdigit() else p for p in parts[1:]]
            parts = [parts[0], *floats]  # as the quotient is one
            if not elementwise:
                return Text(f"{parts[1].at(2)} if {parts[0].at(1)} else {parts[2].at(0)}", 0)
            name = self.idioms.function("where")
            return Text(f"{name}({', '.join(p.text for p in parts)})", ATOM) if name else None
        if expr.op == "and":
            sign, level = (" & ", 8) if elementwise else (" and ", 1)
            return Text(sign.join(p.at(level + 1) for p in parts), level)
        return Text(f"{parts[0].at(5)} {_CONDITIONS[expr.op]} {parts[1].at(5)}", 4)

    def epsilon(self, site: Read) -> Text | None:
        """What the code itself calls an epsilon at this place: an argument, or an attribute of its object."""
        for home in self.reading.ancestors(site.node):
            if isinstance(home, cst.FunctionDef):
                for param in named_parameters(home.params):
                    if _EPSILON.fullmatch(param.name.value):
                        return Text(param.name.value, ATOM)
            if isinstance(home, cst.ClassDef):
                return self._kept_in(home)
        return None

    def _kept_in(self, home: cst.ClassDef) -> Text | None:
        """``self.eps``, and ``group["eps"]`` beside ``group["lr"]`` where one call, or one dict, names both."""
        for node in self.reading.nodes(home):
            for text in (self.reading.text_of(target) for target, _ in assigned(node)):
                if text.startswith("self.") and _EPSILON.fullmatch(text[5:]):
                    return Text(text, ATOM)
            names = _names_in(node)
            wanted = next((n for n in names if _EPSILON.fullmatch(n)), None)
            items = (_ITEM.fullmatch(text) for text in self.reading.by_text)
            item = next((m for m in items if m is not None and m[3] in names), None)
            if wanted is not None and item is not None:
                return Text(f"{item[1]}[{item[2]}{wanted}{item[2]}]", ATOM)
        return None

    def available(self, expr: Expr, site: Read) -> Text | None:
        """How the source itself writes that value at this place, the shortest way first."""
        worth = self.reading.values.worth(expr)
        home = self.reading.function(site.node)
        best: tuple[tuple[object, ...], str] | None = None
        known = self.reading.lists_by_worth if site.listed else self.reading.by_worth
        for read in known.get(worth, ()):
            inside = site.span.covers(read.span)
            if read.moment > site.moment and not inside and not read.simple:
                continue
            if isinstance(read.node, (cst.Integer, cst.Float)) and expr.op != "const":
                continue
            if expr.op != "const" and read.expr.op == "const":
                continue  # 1 − ρ is no η, though both may be 0.01
            if self.reading.is_taken_from(read):
                continue  # the `p` of `p.data`
            here = inside or self.reading.function(read.node) is home
            if not here and not self.reading.means_the_same(read, site.node):
                continue
            text, simple = read.text, read.simple
            if simple and not self.reading.holds(text, site.moment, worth):
                continue
            if self.reading.changes_in_place(read.node):
                place = self.reading.filled(read, site.moment) if read.moment < site.moment else None
                if place is None:
                    continue
                text, simple = place, True
            if not simple and not inside and (len(text) > _LONG or "\n" in text):
                continue
            near = abs(read.span.line - site.span.line)
            whole = inside and bool(read.expr.symbols & self.reading.values.left_out)  # v + 0, and not v alone
            other = expr.op == "const" and expr.origin is not None and read.expr.origin != expr.origin
            rank = (not whole, other, not simple, not inside, len(text), near)
            if best is None or rank < best[0]:
                best = (rank, text)
        return None if best is None else Text(best[1], level_of(best[1]))


def _names_in(node: cst.CSTNode) -> list[str]:
    """The keywords of a call, and the keys of a dict."""
    if isinstance(node, cst.Call):
        return [a.keyword.value for a in node.args if a.keyword]
    if not isinstance(node, cst.Dict):
        return []
    keys = [e.key for e in node.elements if isinstance(e, cst.DictElement)]
    return [str(k.evaluated_value) for k in keys if isinstance(k, cst.SimpleString)]


def _is_number(expr: Expr, settings: frozenset[Symbol]) -> bool:
    """One number for the whole tensor: of a reduction, or of settings and counts."""
    return expr.op in REDUCTIONS or (
        all(_is_number(a, settings) for a in expr.args) if expr.args else expr.op == "const" or expr.symbols <= settings
    )


_CONDITIONS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "and": ""}
_OF_LISTS = frozenset({"add", "sub", "mul", "div", "sqrt", "abs", "neg", "sign", "exp"})
_ROOT = re.compile(r"\b([\w.]+)\.sqrt\(")
_CALLED = re.compile(r"\b([\w.]+)\.\w+\(")
_SQUARE = re.compile(r"\b([\w.]+)\.square\(")
_LIBRARIES = {
    "np": "np", "numpy": "numpy", "jnp": "jnp", "torch": "torch", "tf": "tf", "math": "math", "K": "K", "T": "T",
    "cp": "cp", "mx": "mx", "ops": "ops", "jax.numpy": "jax.numpy", "xp": "xp", "nd": "nd", "tf.math": "tf.math",
}  # fmt: skip
_IMPORTED = re.compile(
    r"^\s*(?:import (numpy|cupy|jax\.numpy|torch|tensorflow|math) as (\w+)|import (numpy|torch|math)\b)", re.M
)
_TRACES = re.compile(r"^\s*(?:import|from) (?:jax|tensorflow|keras|theano)\b", re.M)
_TENSOR = re.compile(r"\.(?:mul|add|addcmul|addcdiv|lerp|div)_\(")


class Idioms:
    """How the code writes roots, squares and powers: as near to the update as it shows, else as its library does."""

    def __init__(self, home: str, source: str) -> None:
        self.home, self.source = home, source
        self.power = " ** " if re.search(r"\w \*\* ", home) or "**" not in home else "**"
        imported = _IMPORTED.search(source)
        self.module = (imported[2] or imported[3]) if imported else ""
        self.traces = bool(_TRACES.search(source))
        self.tensors = bool(_TENSOR.search(home))
        listed = re.search(r"([\w.]+\.)_foreach_\w+\(", home)
        self.of_lists = listed[1] if listed else ""  # what stands before the functions that take lists

    def root(self, x: Text) -> Text:
        for text in (self.home, self.source):
            names = [n for n in _ROOT.findall(text) if n in _LIBRARIES or n == self.module]
            names = [n for n in names if not (n == "math" and self.tensors)]  # that one takes numbers
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
        names = {"max": "maximum", "min": "minimum"} | {n: n for n in ("abs", "sign", "exp", "log", "where")}
        used = (m for text in (self.home, self.source) for m in _CALLED.findall(text) if m in _LIBRARIES)
        library = self.module or next(used, "")
        return f"{library}.{names[op]}" if library and op in names else ""
